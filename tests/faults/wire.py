"""TCP as it can be: two ordered pipes with delay, stalls, resets, and links that are dead at one end only.

Rule 1: bytes are never lost, doubled or put in another order within a link; they come late, in pieces, or not at all.
Rule 2: what a process has handed over arrives although the process has died since.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from functools import partial

import attrs
import httpx
import trio
import trio.lowlevel

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
class Pipe:
    """One direction of a link. What is on its way arrives at whoever reads, when he waits for it and it is due.

    No task carries it, and a write is one step of its task: that is most of what a world costs.
    """

    link: Link
    upwards: bool
    ended: bool = False  # everything has been read, and the end of it
    deaf: bool = False  # nobody reads it any more
    _shut: bool = False  # nobody writes to it any more
    _on_its_way: deque[tuple[float, bytes]] = attrs.field(factory=deque)  # with when it is due; b"" is the end
    _there: deque[bytes] = attrs.field(factory=deque)
    _wait: trio.CancelScope | None = None  # of whoever reads, until something is due

    def put(self, data: bytes) -> None:
        """Raises BrokenResourceError when the link is cut, and ClosedResourceError after `shut`."""
        if self.link.cut:
            raise trio.BrokenResourceError("reset by the other side")
        if self._shut:
            raise trio.ClosedResourceError
        if data and not self.deaf:
            self._send(data)

    def shut(self) -> None:
        """The end of the stream goes the same way."""
        if not self._shut:
            self._shut = True
            self._send(b"")

    def _send(self, data: bytes) -> None:
        wire = self.link.wire
        due = trio.current_time() + wire.dice.uniform(*(wire.weather.up if self.upwards else wire.weather.down))
        if self._on_its_way:
            due = max(due, self._on_its_way[-1][0])
        elif self._wait is not None:
            self._wait.deadline = due
        self._on_its_way.append((due, data))

    def ring(self) -> None:
        """Something about the link has changed."""
        if self._wait is not None:
            self._wait.cancel()

    async def take(self, most: int | None) -> bytes:
        """What has arrived; b"" at the end. Raises BrokenResourceError and ClosedResourceError."""
        await trio.lowlevel.checkpoint_if_cancelled()
        waited = False
        while True:
            if self.link.cut:
                raise trio.BrokenResourceError("reset by the other side")
            if self.deaf:
                raise trio.ClosedResourceError
            self._arrive()
            if self._there or self.ended:
                if not waited:
                    await trio.lowlevel.cancel_shielded_checkpoint()
                return self._piece(most)
            due = max(self._on_its_way[0][0], self.link.stalled_until) if self._on_its_way else math.inf
            try:
                with trio.CancelScope(deadline=due) as self._wait:
                    await trio.sleep_forever()
            finally:
                self._wait = None
            waited = True

    def _arrive(self) -> None:
        now = trio.current_time()
        if now < self.link.stalled_until:
            return
        arrived = bytearray()
        while self._on_its_way and self._on_its_way[0][0] <= now:
            _, data = self._on_its_way.popleft()
            self.ended = self.link.over = not data or self.ended
            if self.link.dark_since is None:
                arrived += data
        if arrived:
            self._there.extend(self._pieces(bytes(arrived)))

    def _pieces(self, data: bytes) -> list[bytes]:
        """Cut at any byte. A byte at a time would show no more, and take most of the time of the whole world."""
        dice, most = self.link.wire.dice, self.link.wire.weather.pieces
        cuts = sorted(dice.randint(0, len(data)) for _ in range(dice.randint(0, most)))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]

    def _piece(self, most: int | None) -> bytes:
        if not self._there:
            return b""
        piece = self._there.popleft()
        if most is not None and len(piece) > most:
            self._there.appendleft(piece[most:])
        return piece[:most]


@attrs.define(eq=False)
class End(trio.abc.Stream):
    """What one side holds of a link."""

    reads: Pipe
    writes: Pipe

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        self.writes.put(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self.reads.take(max_bytes)

    async def aclose(self) -> None:
        self.reads.deaf = True
        self.reads.ring()
        self.writes.shut()
        await trio.lowlevel.checkpoint()


@attrs.define(eq=False)
class Link:
    """One connection."""

    number: int
    wire: Wire
    client: End = attrs.field(init=False)
    server: End = attrs.field(init=False)
    dark_since: float | None = None  # bytes vanish from here on, and nobody is told
    stalled_until: float = 0.0
    cut: bool = False
    over: bool = False  # one end has closed it, and the other has been told

    def __attrs_post_init__(self) -> None:
        up, down = Pipe(self, upwards=True), Pipe(self, upwards=False)
        self.client, self.server = End(down, up), End(up, down)

    def reset(self) -> None:
        """RST: both ends are told at once, in the middle of whatever was on its way."""
        self.cut = True
        self.client.reads.ring()
        self.server.reads.ring()

    def go_dark(self) -> None:
        if self.dark_since is None:
            self.dark_since = trio.current_time()

    def stall(self, seconds: float) -> None:
        self.stalled_until = max(self.stalled_until, trio.current_time() + seconds)


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
