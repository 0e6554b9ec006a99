"""A broker by script: a real WebSocket in memory whose every frame the test decides, and a token service of values."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import httpx
import trio
from trio.testing import MockClock, memory_stream_pair
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from daemon.ledger import Ledger
from daemon.logins.budget import Budget
from daemon.logins.gate import Gate
from daemon.logins.host import Host
from daemon.logins.rate import Limits, Rate
from daemon.ports import Ports

EPOCH = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)
ACCOUNT = {"id": 900, "name": "LEAD", "userId": 7, "active": True}
EMPTY: dict[str, object] = {
    "users": [{"id": 7, "name": "jane"}],
    "accounts": [ACCOUNT],
    "contracts": [],
    "orders": [],
    "orderVersions": [],
    "commands": [],
    "commandReports": [],
    "executionReports": [],
    "fills": [],
    "positions": [],
}


def wall() -> datetime:
    return EPOCH + timedelta(seconds=trio.current_time())


@attrs.define(eq=False)
class Peer:
    """The broker's end of one connection."""

    socket: WebSocketConnection
    heard: list[str] = attrs.field(factory=list)

    async def say(self, *frames: str) -> None:
        for frame in frames:
            await self.socket.send_message(frame)

    async def answer(self, request: str, data: object = None, status: int = 200) -> None:
        """Answers a request frame by its id."""
        await self.say(f"a{json.dumps([{'s': status, 'i': int(request.split(chr(10))[1]), 'd': data}])}")

    async def hear(self) -> str:
        """The next frame that is no heartbeat."""
        while True:
            frame = str(await self.socket.get_message())
            self.heard.append(frame)
            if frame != "[]":
                return frame

    async def open(self, snapshot: object = None) -> None:
        """All that a healthy broker does up to the snapshot."""
        await self.say("o")
        await self.answer(await self.hear())
        await self.answer(await self.hear(), EMPTY if snapshot is None else snapshot)

    async def live(self) -> None:
        """Goes on for ever: heartbeats, and empty lists to whatever is asked."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._beat)
            while True:
                await self.answer(await self.hear(), [])

    async def _beat(self) -> None:
        while True:
            await self.say("h")
            await trio.sleep(2.5)


Script = Callable[[Peer], Awaitable[None]]


async def healthy(peer: Peer) -> None:
    await peer.open()
    await peer.live()


@attrs.define(eq=False)
class Stream(trio.abc.Stream):
    """Passes bytes on until `dead`; then it swallows what is sent and hears nothing: a half-open link."""

    under: trio.abc.Stream
    dead: bool = False
    closed: bool = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.dead:
            await trio.lowlevel.checkpoint()
            return
        await self.under.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.under.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self.under.receive_some(max_bytes)
        if self.dead:
            await trio.sleep_forever()
        return data

    async def aclose(self) -> None:
        self.closed = True
        await self.under.aclose()


@attrs.define(eq=False)
class ScriptedNetwork:
    """Every connection is served by `script`, until that returns (the connection is closed) or is over."""

    nursery: trio.Nursery
    script: Script = healthy
    connects: list[float] = attrs.field(factory=list)
    refusing: bool = False
    streams: list[Stream] = attrs.field(factory=list)
    most: int = 0  # streams open at once, ever

    @property
    def open(self) -> int:
        return sum(not stream.closed for stream in self.streams)

    async def connect(self, url: str) -> trio.abc.Stream:
        self.connects.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.refusing:
            raise ConnectionRefusedError("nobody listens")
        ours, theirs = memory_stream_pair()
        self.nursery.start_soon(self._serve, theirs)
        self.streams.append(Stream(ours))
        self.most = max(self.most, self.open)
        return self.streams[-1]

    def http(self) -> httpx.AsyncClient:
        raise NotImplementedError("tokens are values here")

    async def _serve(self, stream: trio.abc.Stream) -> None:
        try:
            async with trio.open_nursery() as nursery:
                request = await wrap_server_stream(nursery, stream)
                socket = await request.accept()
                await self.script(Peer(socket))
                nursery.cancel_scope.cancel()
        except* (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)


def told(story: Callable[[trio.Nursery], Awaitable[None]]) -> None:
    """In virtual time, from 0; whatever still runs when the story ends is cancelled."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await story(nursery)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def dice() -> random.Random:
    return random.Random(1)


def gate(ports: Ports) -> Gate:
    """A gate of its own, with the whole budget."""
    host = Host("ws://broker/v1/websocket", ports, lambda: None, lambda: False)
    return Gate(host, Budget(ports.wall, Ledger.open(Path(":memory:"))))


def rate(ports: Ports) -> Rate:
    """A budget of its own that is never short."""
    return Rate("apex", Limits(10_000, 100_000), Ledger.open(Path(":memory:")), ports.wall, lambda: 0, lambda: False)
