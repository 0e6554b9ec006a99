"""The facts that only the broker has: is it there, what does it answer this login.

Rule 1: with a daemon running, its token is borrowed and none is asked for; a refused credential is not tried again.
Rule 2: nothing is sent that could make or change an order. What is sent instead is said before.
Rule 3: while the broker wants to be left alone, it is.
Rule 4: no socket is authorized and no snapshot asked for: both may push out a session.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

import attrs
import trio

from daemon.config import Config, Environment
from daemon.doctor.facts import Answers, Knock, Person, Reach, Silence
from daemon.journal import Journal
from daemon.ledger import Ledger
from daemon.logins.budget import Budget
from daemon.logins.tokens import NoToken, Tokens
from daemon.ports import Network, Ports
from daemon.tradovate import unreached
from daemon.tradovate.answers import Asked, Said
from daemon.tradovate.rest import EXPECTED, Rest
from daemon.wiring import Addresses, grant_of, home_of
from statecharts.states import Cause

KNOCK_LIMIT = 10.0  # seconds for name, connection and TLS together, as for a WebSocket
# Ids grow from about 3.5 thousand million and are given once: the largest that there is names no order.
NO_ORDER = 2**63 - 1
READS = ("user/list", "account/list", "accountRiskStatus/list", "marketDataSubscription/list", "order/list")
ENOUGH = (423, 429)  # it is too much, or the session is gone: nothing more is asked
CANCEL, TRIAL, COMMANDS = "order/cancelorder", "order/dryrun", "command/list"

Say = Callable[[str], None]


async def knocked(network: Network, url: str) -> Knock:
    """Is this host there? Name, connection, certificate, in this order."""
    host = urlsplit(url).netloc
    stream: trio.abc.Stream | None = None
    try:
        with trio.fail_after(KNOCK_LIMIT):
            stream = await network.connect(url)
            if isinstance(stream, trio.SSLStream):
                await stream.do_handshake()
    except EXPECTED as error:
        return _not_there(host, error)
    finally:
        if stream is not None:
            await trio.aclose_forcefully(stream)
    return Knock(host)


def _not_there(host: str, error: BaseException) -> Knock:
    chain = [error]
    while (under := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(under)
    step: Reach = "connection"
    for one in chain:
        if isinstance(one, ssl.SSLError):
            reason = one.verify_message if isinstance(one, ssl.SSLCertVerificationError) else one.reason
            return Knock(host, "certificate", str(reason or one))
        if isinstance(one, socket.gaierror):
            step = "name"
    late = isinstance(error, trio.TooSlowError)
    return Knock(host, step, f"no answer within {KNOCK_LIMIT:g} s" if late else unreached.what(error))


def hosts_of(where: Addresses) -> tuple[str, ...]:
    """One address of each host, the token's and the authorization page's where there are such."""
    urls = [url for url in (where.rest, where.websocket, where.token, where.authorize) if url]
    return tuple({urlsplit(url).netloc: url for url in reversed(urls)}.values())[::-1]


async def greeted(ports: Ports, where: Addresses) -> Asked:
    """A question without a token: whatever is answered, somebody is there and tells the time."""
    async with ports.network.http() as client:
        return await Rest(client, where.rest).question("user/list", None)


@attrs.frozen
class Desk:
    """What asking takes. `borrowed`: a daemon runs, and its token is all that there is."""

    config: Config
    ports: Ports
    journal: Journal
    ledger: Ledger | None
    borrowed: bool
    say: Say

    async def asked(self, person: Person, where: Addresses, own: frozenset[int | str]) -> Answers | Silence:
        asked_for = False
        if self.ledger is None:
            return Silence("the state directory cannot be used, so a token could not be kept")
        until = self._held_until(person)
        if until is not None:
            return Silence(f"the broker wants no requests before {until:%H:%M:%S} UTC, and each one prolongs that")
        token = self._current(person.name)
        if token is None:
            if self.borrowed:
                said = person.status.get("reason") or person.status.get("state") if person.status else None
                return Silence(f"the running daemon has no valid token just now ({said or 'it says nothing of it'})")
            if person.file.errors:
                # A mended or left out key would make another device, or another user, known to the broker.
                return Silence("there is no valid token, and none is asked for by a configuration with errors")
            found = await self._token(person, where)
            if isinstance(found, Silence):
                return found
            token, asked_for = found, True
        if person.live:
            self.say(_explanation(person))
        async with self.ports.network.http() as client:
            rest = Rest(client, where.rest)
            home_of(self.config, person.name, where, self.ledger, self.ports, rest).load()
            said = await self._questions(rest, token, person)
        return Answers(said, own, asked_for)

    def _held_until(self, person: Person) -> datetime | None:
        """From the daemon's budget and the login's own hold in the ledger, and from what a running daemon says."""
        assert self.ledger is not None
        held = Budget(self.ports.wall, self.ledger).held_until
        own = person.kept.hold.until if person.kept.hold else None
        said = person.status.get("hold_until") if person.status else None
        told = datetime.fromisoformat(said) if isinstance(said, str) else None
        return max((one for one in (held, own, told) if one is not None and one > self.ports.wall()), default=None)

    def _current(self, login: str) -> str | None:
        assert self.ledger is not None
        kept = self.ledger.token(login)
        if kept is None or kept[1] <= self.ports.wall():
            return None
        self.journal.keep_secret(kept[0])
        return kept[0]

    async def _token(self, person: Person, where: Addresses) -> str | Silence:
        """By one request, as the daemon would ask, and kept for it."""
        assert self.ledger is not None
        tokens = Tokens(
            login=person.name,
            grant=grant_of(self.config, person.name, where, self.ledger, self.ports, self.journal),
            store=self.ledger,
            ports=self.ports,
            budget=Budget(self.ports.wall, self.ledger),
            tell=lambda event, words, remedy=None: None,
            conceal=self.journal.keep_secret,
        )
        tokens.load()
        if tokens.restraint.refusal is None or tokens.mended():
            kept = "" if person.embedded else ", which the daemon will go on with"
            self.say(f"login {person.name}: there is no valid token; one is asked for{kept}.")
        found: str | Silence = ""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tokens.keep_fresh)
            try:
                found = (await tokens.valid()).text
            except NoToken as nothing:
                found = Silence(nothing.reason, nothing.final and nothing.cause is Cause.CREDENTIALS)
            nursery.cancel_scope.cancel()
        return found

    async def _questions(self, rest: Rest, token: str, person: Person) -> Mapping[str, Asked]:
        said: dict[str, Asked] = {}
        for endpoint in (*READS, COMMANDS):
            said[endpoint] = answer = await rest.question(endpoint, token)
            if isinstance(answer, Said) and answer.status in ENOUGH:
                return said
        account = _one_of_ours(said["account/list"], person)
        if account is not None:
            said[CANCEL] = await rest.question(CANCEL, token, {"orderId": NO_ORDER, "isAutomated": True})
            said[TRIAL] = await rest.question(TRIAL, token, {"accountId": account, "orders": []})
        return said


def _explanation(person: Person) -> str:
    environment = person.environment.environment if person.environment else ""
    return (
        f"login {person.name} is on {environment}, which is live. Whether it may send orders is asked without sending "
        f"one: a cancel of order {NO_ORDER}, a number that no order has, and a dry run of an empty list, which is not "
        "an order. Neither can make or change anything. Whether the device is approved shows only in a real order."
    )


def _one_of_ours(accounts: Asked, person: Person) -> int | None:
    """The number of a configured account that this login sees."""
    names = {account.name for account in person.accounts}
    found = (row["id"] for row in rows(accounts) or () if row.get("name") in names)
    return next((number for number in found if isinstance(number, int)), None)


def rows(said: Asked | None) -> list[dict[str, object]] | None:
    """The entities of a list; None where it was not answered with one."""
    if not isinstance(said, Said) or said.status != 200 or not isinstance(said.data, list):
        return None
    return [row for row in said.data if isinstance(row, dict) and "id" in row]


def addresses_of(environment: Environment) -> Addresses:
    return Addresses(environment.rest, environment.websocket, environment.authorize or "", environment.token or "")
