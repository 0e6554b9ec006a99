"""The running conversation that criteria are measured on: one session at the broker, its token, its sockets."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import attrs
import trio

from daemon.certify.line import Line
from daemon.certify.stagehand import Stagehand
from daemon.certify.witness import Witness
from daemon.journal import Masks
from daemon.ledger import Ledger
from daemon.ledger.schema import MEMORY
from daemon.logins.budget import Budget
from daemon.logins.grants import PasswordGrant
from daemon.logins.tokens import Token, Tokens
from daemon.ports import Ports
from daemon.tradovate.answers import Credentials, Granted
from daemon.tradovate.socket import SocketLost
from daemon.wiring import Addresses

State = Mapping[str, Mapping[str, int]]  # open positions by account and contract, of every account

UNPROVOKED = "it cannot be provoked politely at a real broker; copierd certify shows it on environment simulator"


@attrs.frozen
class Plan:
    """What is certified, and how thoroughly. `seconds`: for how long the connection must hold."""

    login: str
    environment: str
    addresses: Addresses
    credentials: Credentials
    seconds: float
    thorough: bool = False


class Refused(Exception):
    """The broker did not authorize a socket. The text says what it answered."""


@attrs.define(eq=False, repr=False)
class Trial:
    """One run. Criteria leave here what later ones look at."""

    plan: Plan
    ports: Ports
    masks: Masks
    nursery: trio.Nursery
    witness: Witness
    stagehand: Stagehand | None
    keeper: Tokens
    first: Token | None = None  # of the login
    renewed: Granted | None = None
    renewal_ms: float = 0.0
    wrong_logins: int = 0
    line: Line | None = None  # the connection that most of stage 2 is measured on
    lines: list[Line] = attrs.field(factory=list)
    window: tuple[float, float] = (0.0, 0.0)  # in which the connection had to hold; trio's clock
    snapshot: object = attrs.field(default=None, repr=False)
    snapshot_ms: float = 0.0
    before: State | None = None  # the state when the connection was closed

    @staticmethod
    def of(plan: Plan, ports: Ports, masks: Masks, nursery: trio.Nursery, stagehand: Stagehand | None) -> Trial:
        for secret in (plan.credentials.password, plan.credentials.sec):
            masks.add(secret)
        witness = Witness(ports.network, plan.addresses.rest, masks)
        keeper = _kept(plan, plan.credentials, witness, ports, masks)
        nursery.start_soon(keeper.keep_fresh)
        return Trial(plan, ports, masks, nursery, witness, stagehand, keeper)

    def other_keeper(self, credentials: Credentials) -> Tokens:
        """Of other credentials, with a memory of its own."""
        keeper = _kept(self.plan, credentials, self.witness, self.ports, self.masks)
        self.nursery.start_soon(keeper.keep_fresh)
        return keeper

    def forged(self) -> str:
        """A token that nobody has issued."""
        forged = f"no-token-{secrets.token_hex(16)}"
        self.masks.add(forged)
        return forged

    async def open(self) -> Line:
        """A further socket, not yet authorized. Raises SocketLost."""
        line = Line(self.ports.network, self.plan.addresses.websocket, self.ports.wall)
        self.nursery.start_soon(line.run)
        await line.ready.wait()
        if line.lost is not None:
            raise line.lost
        self.lines.append(line)
        return line

    async def authorized(self) -> Line:
        """A further socket, authorized with the token. Raises SocketLost, NoToken, Refused and TooSlowError."""
        token = await self.keeper.valid()
        line = await self.open()
        answer = await line.authorize(token.text)
        if answer.status != 200:
            await line.hang_up()
            raise Refused(f"authorize was answered with s {answer.status}")
        return line

    def main(self) -> Line:
        """The connection that is measured. Raises SocketLost when it is over."""
        if self.line is None or self.line.ended.is_set():
            raise (self.line.lost if self.line else None) or SocketLost("the connection is over")
        return self.line

    async def living(self) -> Line:
        """The connection that is measured, made anew when it is over. Raises as `authorized` does."""
        if self.line is None or self.line.ended.is_set():
            self.line = await self.authorized()
        return self.line

    async def state(self, line: Line) -> State:
        """Accounts and open positions as the line's snapshot and events show them. Raises as Line.ask does."""
        await line.name_contracts()
        found: dict[str, Mapping[str, int]] = {}
        for name in line.mirror.account_names():
            account = line.mirror.account_id(name)
            shown = line.mirror.snapshot(account, self.ports.wall()) if account is not None else None
            positions = shown.positions if shown is not None else {}
            found[name] = {str(symbol): net for symbol, net in positions.items() if net}
        return found

    async def close(self) -> None:
        """Hangs up whatever is open."""
        for line in self.lines:
            await line.hang_up()
        await self.witness.close()


def _kept(plan: Plan, credentials: Credentials, witness: Witness, ports: Ports, masks: Masks) -> Tokens:
    """The daemon's own keeper of tokens, whose memory ends with the run."""
    memory = Ledger.open(MEMORY)
    return Tokens(
        login=plan.login,
        grant=PasswordGrant(witness.rest, lambda: credentials, memory),
        store=memory,
        ports=ports,
        budget=Budget(ports.wall, memory),
        tell=lambda event, message, remedy=None: None,
        conceal=masks.add,
    )
