"""TCP as it can be: two ordered pipes with delay, stalls, resets, and links that are dead at one end only.

Rule 1: bytes are never lost, doubled or put in another order within a link; they come late, in pieces, or not at all.
Rule 2: what a process has handed over arrives although the process has died since.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import attrs
import httpx
import trio
import trio.lowlevel
from trio.testing import MemoryReceiveStream, MemorySendStream

from daemon.simulator import Server, Severed

UPGRADE_WAIT = 120.0  # seconds that a connect hangs when nobody answers


@attrs.define(eq=False)
class Weather:
    """What the network is like now. Latencies in seconds, a write is cut up to `pieces` times."""

    up: tuple[float, float] = (0.001, 0.03)
    down: tuple[float, float] = (0.001, 0.03)
    pieces: int = 0
    refusing: bool = False  # connections are refused
    silent: bool = False  # connections are never answered

    def calm(self) -> None:
        self.up = self.down = (0.001, 0.03)
        self.pieces, self.refusing, self.silent = 0, False, False


@attrs.define(eq=False)
class Link:
    """One connection."""

    number: int
    wire: Wire
    client_out: MemorySendStream = attrs.field(factory=MemorySendStream)
    client_in: MemoryReceiveStream = attrs.field(factory=MemoryReceiveStream)
    server_out: MemorySendStream = attrs.field(factory=MemorySendStream)
    server_in: MemoryReceiveStream = attrs.field(factory=MemoryReceiveStream)
    dark_since: float | None = None  # bytes vanish from here on, and nobody is told
    stalled_until: float = 0.0
    cut: bool = False
    over: bool = False  # one end has closed it

    @property
    def client(self) -> trio.abc.Stream:
        return trio.StapledStream(self.client_out, self.client_in)

    @property
    def server(self) -> trio.abc.Stream:
        return trio.StapledStream(self.server_out, self.server_in)

    def reset(self) -> None:
        """RST: both ends are told at once, in the middle of whatever was on its way."""
        self.cut = True
        for end in (self.client_out, self.client_in, self.server_out, self.server_in):
            end.close()

    def go_dark(self) -> None:
        if self.dark_since is None:
            self.dark_since = trio.current_time()

    def stall(self, seconds: float) -> None:
        self.stalled_until = max(self.stalled_until, trio.current_time() + seconds)

    async def pump(self, source: MemorySendStream, sink: MemoryReceiveStream, upwards: bool) -> None:
        """Carries bytes from one end to the other until either is closed."""
        weather, dice = self.wire.weather, self.wire.dice
        while True:
            try:
                data = bytes(await source.get_data())
            except trio.ClosedResourceError:
                data = b""
            await trio.sleep(dice.uniform(*(weather.up if upwards else weather.down)))
            while (wait := self.stalled_until - trio.current_time()) > 0:
                await trio.sleep(wait)
            if self.dark_since is not None and data:
                continue
            try:
                if not data:
                    self.over = True
                    sink.put_eof()
                    return
                for piece in self._pieces(data):
                    sink.put_data(piece)
                    if len(piece) < len(data):
                        await trio.lowlevel.checkpoint()
            except trio.ClosedResourceError:
                return

    def _pieces(self, data: bytes) -> list[bytes]:
        """Cut at any byte. A byte at a time would show no more, and take most of the time of the whole world."""
        dice, most = self.wire.dice, self.wire.weather.pieces
        cuts = sorted(dice.randint(0, len(data)) for _ in range(dice.randint(0, most)))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]


@attrs.define(eq=False)
class Wire:
    """The network between one daemon and the look-alike; a port of the daemon's."""

    server: Server
    nursery: trio.Nursery
    dice: random.Random
    weather: Weather = attrs.field(factory=Weather)
    links: list[Link] = attrs.field(factory=list)
    connects: list[float] = attrs.field(factory=list)
    told: Callable[[str, str], None] = lambda kind, words: None
    _count: int = 0

    async def connect(self, url: str) -> trio.abc.Stream:
        self.connects.append(trio.current_time())
        await trio.sleep(self.dice.uniform(*self.weather.up))
        if self.weather.silent:
            await trio.sleep(UPGRADE_WAIT)
        if self.weather.silent or self.weather.refusing or self.server.faults.refusing:
            raise ConnectionRefusedError("nobody listens")
        self._count += 1
        link = Link(self._count, self)
        self.links = [*[one for one in self.links if not one.cut][-30:], link]
        self.nursery.start_soon(link.pump, link.client_out, link.server_in, True)
        self.nursery.start_soon(link.pump, link.server_out, link.client_in, False)
        self.nursery.start_soon(self.server.serve_stream, link.server)
        self.told("connect", f"link {link.number}")
        return link.client

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=_Transport(self))

    def all_dark(self) -> bool:
        """Is every connection that still stands dead, seen from above?"""
        live = self.live()
        return bool(live) and all(link.dark_since is not None for link in live)

    def live(self) -> list[Link]:
        return [link for link in self.links if not link.cut and not link.over]


@attrs.define(eq=False)
class _Transport(httpx.AsyncBaseTransport):
    """Requests over REST. The server's half runs in the server's own house: a caller that gives up undoes nothing."""

    wire: Wire

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        weather, dice = self.wire.weather, self.wire.dice
        body = await request.aread()
        # httpx does not enforce its timeouts for a transport like this one.
        limit = request.extensions.get("timeout", {}).get("read") or 60.0
        with trio.move_on_after(limit):
            await trio.sleep(dice.uniform(*weather.up))
            if weather.refusing:
                raise httpx.ConnectError("nobody listens")
            while weather.silent:
                await trio.sleep(1.0)
            headers = {name.decode().lower(): value.decode() for name, value in request.headers.raw}
            answered: list[tuple[int, dict[str, str], bytes] | None] = []
            done = trio.Event()
            target = request.url.raw_path.decode()
            self.wire.nursery.start_soon(partial(self._serve, request.method, target, headers, body, answered, done))
            await done.wait()
            if answered[0] is None:
                raise httpx.ReadError("the connection was cut")
            await trio.sleep(dice.uniform(*weather.down))
            status, fields, content = answered[0]
            return httpx.Response(status, headers=fields, content=content)
        raise httpx.ReadTimeout("no answer")

    async def _serve(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes,
        answered: list[tuple[int, dict[str, str], bytes] | None],
        done: trio.Event,
    ) -> None:
        try:
            answered.append(await self.wire.server.rest(method, target, headers, body))
        except Severed:
            answered.append(None)
        done.set()
