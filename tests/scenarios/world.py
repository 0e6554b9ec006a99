"""A world in memory: the daemon and the broker look-alike under one virtual clock, with nothing faked in between.

The daemon's bytes go through the real WebSocket and HTTP stacks on both sides; only the wire is a stream in memory.
"""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import attrs
import httpx
import trio
from trio.testing import MockClock, memory_stream_pair

from daemon.config import Config, loads
from daemon.journal import Entry, Journal
from daemon.ledger import Ballast, Ledger
from daemon.logins.login import Login
from daemon.ports import Ports
from daemon.simulator import Broker, Faults, LoginSpec, Order, Server, Severed
from daemon.supervisor import Supervisor
from daemon.wiring import Running
from statecharts import events as e
from statecharts import states as s
from statecharts.values import Symbol
from tests.scenarios.mortality import Mortality
from tests.scenarios.receiver import Receiver
from tests.simulator.audit import Audit

EPOCH = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)  # a Wednesday, 9:00 in Chicago
PASSWORD = "canary-password-5b1f"
SYMBOL = "ESZ6"
T = TypeVar("T")


begins_at: ContextVar[datetime] = ContextVar("the beginning of the story that is being told", default=EPOCH)


def now() -> datetime:
    """The wall clock of the world: virtual."""
    return begins_at.get() + timedelta(seconds=trio.current_time())


async def on_the_loop(act: Callable[[], None]) -> None:
    """Virtual time waits for no thread: hours may have passed before that has done anything."""
    act()


@attrs.define(eq=False)
class MemoryNetwork:
    """Connects to the look-alike by streams in memory. `refusing`: nobody listens. `refused`: nor there.

    `unknown` are hosts whose names nobody knows; `dialed` and `asked` are the addresses that were.
    """

    server: Server
    nursery: trio.Nursery
    refusing: bool = False
    refused: set[str] = attrs.field(factory=set)
    unknown: set[str] = attrs.field(factory=set)
    connects: list[float] = attrs.field(factory=list)
    dialed: list[str] = attrs.field(factory=list)
    asked: list[str] = attrs.field(factory=list)
    receivers: dict[str, Receiver] = attrs.field(factory=dict)  # other hosts, by name: whoever is notified

    async def connect(self, url: str) -> trio.abc.Stream:
        self.connects.append(trio.current_time())
        self.dialed.append(url)
        await trio.lowlevel.checkpoint()
        if urlsplit(url).hostname in self.unknown:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if self.refusing or any(url.startswith(address) for address in self.refused):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens")
        ours, theirs = memory_stream_pair()
        self.nursery.start_soon(self.server.serve_stream, theirs)
        return ours

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=_Transport(self))


@attrs.define(eq=False)
class _Transport(httpx.AsyncBaseTransport):
    network: MemoryNetwork

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host in self.network.receivers:
            return await self.network.receivers[request.url.host].answer(request)
        self.network.asked.append(str(request.url))
        if self.network.refusing or request.url.host in self.network.unknown:
            raise httpx.ConnectError("nobody listens")
        target = request.url.raw_path.decode()
        headers = {name.decode().lower(): value.decode() for name, value in request.headers.raw}
        body = await request.aread()
        limit = request.extensions.get("timeout", {}).get("read") or 60.0
        with trio.move_on_after(limit):
            try:
                status, answered, content = await self.network.server.rest(request.method, target, headers, body)
            except Severed as error:
                raise httpx.ReadError("the connection was cut") from error
            return httpx.Response(status, headers=dict(answered), content=content)
        raise httpx.ReadTimeout("the look-alike did not answer")


@attrs.define(eq=False)
class World:
    """One broker and, inside `daemon()`, one daemon process. The ledger outlives the daemon, as a file does."""

    config: Config
    server: Server
    network: MemoryNetwork
    state: Path
    audit: Audit
    dice: random.Random
    journal: list[Entry] = attrs.field(factory=list)
    supervisor: Supervisor | None = None
    ahead: timedelta = timedelta(0)  # the clock of the daemon's machine, which somebody may set

    @property
    def broker(self) -> Broker:
        return self.server.broker

    @property
    def daemon_now(self) -> Supervisor:
        assert self.supervisor is not None, "inside of daemon()"
        return self.supervisor

    def account(self, name: str) -> Running:
        return self.daemon_now.accounts[name]

    def leaf(self, name: str) -> type[s.State]:
        return type(self.account(name).account.connection)

    def login(self, name: str = "apex") -> Login:
        return self.daemon_now.logins[name]

    def copies(self, follower: str | None = None) -> list[dict[str, object]]:
        """Oldest first."""
        return self.daemon_now.ledger.copies(follower=follower, limit=10_000)[::-1]

    def positions(self, name: str) -> Mapping[str, int]:
        """What the broker holds for the account, flat contracts left out."""
        return {k: n for k, n in self.broker.positions(self.config.accounts[name].name).items() if n}

    @property
    def requests(self) -> list[str]:
        """The endpoint of every request that has reached the broker, in order."""
        return list(self.audit.requests)

    def said(self, kind: str) -> list[str]:
        return [entry.message for entry in self.journal if entry.kind == kind]

    # What the leader does, as a person at another terminal

    def lead(self, action: str, qty: int, kind: str = "Market", symbol: str = SYMBOL, **more: Any) -> int:
        """Places an order for the leader; `price` and `stop` may be given as text. Returns its id."""
        exact: dict[str, Any] = {
            k: Decimal(v) if k in ("price", "stop", "peg") and isinstance(v, str) else v for k, v in more.items()
        }
        return self.broker.place("LEAD", action, symbol, qty, kind, **exact)

    def change(
        self, order: int, qty: int | None = None, price: str | None = None, stop: str | None = None, **more: Any
    ) -> None:
        """Changes an order by hand."""
        self.broker.modify(
            order,
            qty=qty,
            price=None if price is None else Decimal(price),
            stop=None if stop is None else Decimal(stop),
            **more,
        )

    def move(self, price: str, symbol: str = SYMBOL) -> None:
        self.broker.move(symbol, Decimal(price))

    def fault(self, **faults: Any) -> None:
        """From now on the look-alike has these faults too."""
        self.server.faults = attrs.evolve(self.server.faults, **faults)

    def heal(self) -> None:
        self.server.faults = Faults()

    # What the operator asks for

    def reconnect(self, name: str) -> None:
        """As the control socket does it: an operator who asks after a refusal says that the credential is mended."""
        running = self.account(name)
        if isinstance(running.account.connection, s.Unauthorized):
            running.login.tokens.credential_changed()
        running.runner.post(e.ReconnectAsked(at=now()))

    def disconnect(self, name: str) -> None:
        self.account(name).runner.post(e.DisconnectAsked(at=now()))

    def ask(self, name: str, event: e.Event) -> None:
        """As the control socket does it."""
        self.account(name).runner.post(event)

    def flatten(self, name: str, symbol: str | None = None) -> None:
        self.ask(name, e.FlattenAsked(at=now(), symbol=None if symbol is None else Symbol(symbol)))

    def pause(self, name: str) -> None:
        self.ask(name, e.PauseAsked(at=now()))

    def resume(self, name: str) -> None:
        self.ask(name, e.ResumeAsked(at=now()))

    def release(self, name: str, symbol: str = SYMBOL) -> None:
        self.ask(name, e.ReleaseAsked(at=now(), symbol=Symbol(symbol)))

    def adopt(self, name: str, symbol: str = SYMBOL) -> None:
        self.ask(name, e.AdoptAsked(at=now(), symbol=Symbol(symbol)))

    # What came of it

    def verified(self, name: str) -> bool:
        """Is what was flattened verified to be flat, all of it?"""
        latches = self.account(name).account.book.latches
        return bool(latches) and all(latch.verified_at is not None for latch in latches)

    def flat(self, name: str) -> bool:
        """Does the broker hold nothing for this account, neither a position nor a working order?"""
        return not self.positions(name) and not self.broker.working(self.config.accounts[name].name)

    def ours(self, name: str) -> list[Order]:
        """The orders that the daemon has made at the broker on this account, oldest first."""
        return [one for one in self.broker.orders(self.config.accounts[name].name) if one.ticket.marks.automated]

    def rows(self, follower: str, verb: str | None = None, leader_order: int | None = None) -> list[dict[str, object]]:
        """Copies of one follower, oldest first."""
        wanted = {"verb": verb, "leader_order_id": leader_order}
        return [row for row in self.copies(follower) if all(v is None or row[k] == v for k, v in wanted.items())]

    def row(self, leader_order: int, follower: str = "f1") -> dict[str, object]:
        """The one copy with verb place of a leader's order."""
        (row,) = self.rows(follower, "place", leader_order)
        return row

    @asynccontextmanager
    async def daemon(
        self, mortality: Mortality | None = None, ballast: Ballast | None = None
    ) -> AsyncIterator[Supervisor]:
        """A daemon process from start to clean stop. Cancel the scope around it and it has been killed.

        With a `mortality`, it may die at one of its ports; then Killed is raised.
        """
        journal = Journal(self.journal.append, "debug")
        path = self.state / "ledger.sqlite"
        ledger = Ledger.open(path) if mortality is None else mortality.ledger(path)
        ledger.ballast = ballast
        network = self.network if mortality is None else mortality.network(self.network)
        ports = Ports(lambda: now() + self.ahead, self.dice, network, aside=on_the_loop)
        supervisor = Supervisor(self.config, ports, journal, ledger)
        self.supervisor = supervisor
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run)
            await supervisor.ready.wait()
            yield supervisor
            supervisor.stopping.set()

    async def copying(self, *names: str, within: float = 60.0) -> None:
        """Waits until these accounts (all, when none is named) are Copying. Raises TooSlowError."""
        wanted = names or tuple(self.config.accounts)
        await self.until(lambda: all(self.leaf(name) is s.Copying for name in wanted), within)

    async def until(self, true: Callable[[], bool], within: float = 60.0, every: float = 0.05) -> None:
        """Looks again and again in virtual time. Raises TooSlowError."""
        with trio.fail_after(within):
            while not true():
                await trio.sleep(every)


def config_of(
    followers: Sequence[str] = ("f1",),
    extra: str = "",
    copy: str = "",
    follower: str = "",
    each: Mapping[str, str] | None = None,
    elsewhere: Sequence[str] = (),
    environment: str = "",
) -> str:
    """A leader `lead` and followers, all on the login apex but those `elsewhere`, which are on the login fund.

    `copy`, `follower` and `environment` are lines for these tables; `each` are lines for the table of one follower.
    """
    lines = [
        "[environments.test]",
        'rest = "http://127.0.0.1:1/v1"',
        'websocket = "ws://127.0.0.1:1/v1/websocket"',
        environment,
        "[logins.apex]",
        'environment = "test"',
        'username = "jane"',
        "cid = 8123",
        "[accounts.lead]",
        'login = "apex"',
        'name = "LEAD"',
    ]
    if elsewhere:
        lines += [
            "[environments.elsewhere]",
            'rest = "http://127.0.0.1:2/v1"',
            'websocket = "ws://127.0.0.1:2/v1/websocket"',
            environment,
            "[logins.fund]",
            'environment = "elsewhere"',
            'username = "joe"',
            "cid = 8123",
        ]
    for name in followers:
        login = "fund" if name in elsewhere else "apex"
        lines += [f"[accounts.{name}]", f'login = "{login}"', f'name = "{name.upper()}"']
    lines += [extra, "[[copy]]", 'name = "main"', 'leader = "lead"', copy]
    for name in followers:
        lines += ["[[copy.followers]]", f'account = "{name}"', follower, (each or {}).get(name, "")]
    return "\n".join(lines)


def run(
    story: Callable[[World], Awaitable[T]],
    state: Path,
    text: str | None = None,
    seed: int = 1,
    logins: Mapping[str, LoginSpec] | None = None,
    begins: datetime = EPOCH,
) -> T:
    """Tells a story in virtual time, from 0. Fails when any request, answer or event broke the published schemas."""
    config = loads(text if text is not None else config_of())
    dice = random.Random(seed)
    audit = Audit()

    async def main() -> T:
        begins_at.set(begins)
        specs = logins or {
            name: LoginSpec(
                username=login.username or name,
                password=PASSWORD,
                accounts=tuple(a.name for a in config.accounts.values() if a.login == name),
            )
            for name, login in config.logins.items()
        }
        broker = Broker.build(specs, now=now, dice=random.Random(f"broker {seed}"))
        server = Server(broker, observer=audit)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            world = World(config, server, MemoryNetwork(server, nursery), state, audit, dice)
            result = await story(world)
            nursery.cancel_scope.cancel()
        return result

    result = trio.run(main, clock=MockClock(autojump_threshold=0))
    assert not audit.flaws, audit.flaws[:5]
    return result
