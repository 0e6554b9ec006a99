"""A process that dies at one of its ports: at a commit, at a frame, at an answer.

Rule 1: the ports go dead first: from that moment nothing that the process does is seen by anybody.
Rule 2: what was handed over before stays handed over: a commit is kept, bytes in the pipe arrive.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import httpx
import trio

from daemon.ledger import Ledger, Posted, Taken
from daemon.ports import Network
from statecharts.account import Account
from statecharts.effects import Request


class Killed(BaseException):
    """SIGKILL. No handler of the daemon's may stop it."""


@attrs.define(eq=False)
class Mortality:
    """Counts the calls at the ports while `counting`, and dies at number `end_at`."""

    end_at: int | None = None
    counting: bool = False
    dead: bool = False
    calls: list[str] = attrs.field(factory=list)
    _streams: list[MortalStream] = attrs.field(factory=list)
    _ledger: MortalLedger | None = None

    def call(self, what: str) -> None:
        """A moment at which the process may die. Raises Killed."""
        if self.dead:
            raise Killed(what)
        if self.counting:
            self.calls.append(what)
            if len(self.calls) - 1 == self.end_at:
                self.dead = True
                raise Killed(what)

    def ledger(self, path: Path) -> Ledger:
        opened = MortalLedger.open(path)
        assert isinstance(opened, MortalLedger)
        opened.mortality = self
        self._ledger = opened
        return opened

    def network(self, network: Network) -> Network:
        return MortalNetwork(network, self)

    def adopt(self, stream: trio.abc.Stream) -> trio.abc.Stream:
        self._streams.append(MortalStream(stream, self))
        return self._streams[-1]

    async def bury(self) -> None:
        """What the operating system does with a dead process: its connections and files are closed."""
        self.dead = True
        for stream in self._streams:
            await trio.aclose_forcefully(stream.stream)
        if self._ledger is not None:
            self._ledger.close()


@attrs.define(eq=False)
class MortalStream(trio.abc.Stream):
    """A connection whose process may die before, within and after each write, and before and after each read."""

    stream: trio.abc.Stream
    mortality: Mortality

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.mortality.dead:
            raise trio.BrokenResourceError("the process is dead")
        self.mortality.call("before a write")
        half = len(data) // 2
        await self.stream.send_all(data[:half])
        self.mortality.call("within a write")
        await self.stream.send_all(data[half:])
        self.mortality.call("after a write")

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self.stream.receive_some(max_bytes)
        self.mortality.call("after a read")
        return data

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        if not self.mortality.dead:
            await self.stream.aclose()


@attrs.define(eq=False)
class MortalNetwork:
    inner: Network
    mortality: Mortality

    async def connect(self, url: str) -> trio.abc.Stream:
        self.mortality.call("before a connection")
        return self.mortality.adopt(await self.inner.connect(url))

    def http(self) -> httpx.AsyncClient:
        client = self.inner.http()
        client.event_hooks = {"request": [self._request], "response": [self._response]}
        return client

    async def _request(self, request: httpx.Request) -> None:
        self.mortality.call(f"before {request.url.path}")

    async def _response(self, response: httpx.Response) -> None:
        self.mortality.call(f"after {response.request.url.path}")


def _words(turn: Taken) -> str:
    """The event, and the requests that follow from it."""
    requests = [type(effect).__name__ for effect in turn.effects if isinstance(effect, Request)]
    return " ".join([turn.after.name, type(turn.event).__name__, *requests])


@attrs.define
class MortalLedger(Ledger):
    """A ledger whose process may die before and after each commit. Within one, SQLite's journal decides."""

    mortality: Mortality = attrs.field(factory=Mortality)

    def commit(self, turns: Sequence[Taken], posted: Sequence[Posted] = ()) -> list[int]:
        events = ", ".join(_words(one) for one in turns)
        self.mortality.call(f"before the commit of {events}")
        # The class by name: attrs makes a new one with slots, which super() without arguments does not know.
        ids = Ledger.commit(self, turns, posted)
        self.mortality.call(f"after the commit of {events}")
        return ids

    def save(self, account: Account) -> None:
        self.mortality.call("before a save")
        Ledger.save(self, account)

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        self.mortality.call("before a write to the ledger")
        Ledger._write(self, statement, values)
