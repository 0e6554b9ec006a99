"""The WebSocket to the broker. trio-websocket is used here and nowhere else in the session's path: it upgrades, answers
pings and closes. Messages are read before it (incoming.py) and written past it (outgoing.py).

Rule 1: whatever may be expected of a network comes out as `SocketLost`, plain and never in a group; a bug comes out as
        itself, and a cancellation stays a cancellation.
Rule 2: a send that was cancelled or failed may have left half a frame on the wire: the connection is dead from then on.
Rule 3: nothing waits without a deadline. trio-websocket's handshake waits for ever when TCP dies within it, and so does
        its close on a half-open link.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import AsyncIterator, Callable
from typing import NoReturn, cast
from urllib.parse import urlsplit

import trio
import trio_websocket
import wsproto.utilities

from daemon.ports import Network
from daemon.tradovate.frames import Frame, parse
from daemon.tradovate.incoming import LARGEST
from daemon.tradovate.outgoing import frame
from daemon.tradovate.unreached import first
from daemon.tradovate.watched import Watched

CONNECT_LIMIT = 10.0  # seconds for TCP, TLS and the upgrade together; the broker's own sample waits as long
SEND_LIMIT = 5.0  # seconds; a frame that the kernel does not take for so long goes into a dead link
CLOSE_LIMIT = 1.0  # seconds for a polite close; on a half-open link nobody answers it
# Bytes per read. What is in them is taken at once, and the other logins wait: some 150 events, in 3 ms at the most.
CHUNK = 32 * 1024

EXPECTED = (
    trio_websocket.ConnectionClosed,
    trio_websocket.HandshakeError,  # ConnectionRejected among them
    OSError,  # also TLS and name resolution
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    wsproto.utilities.LocalProtocolError,  # trio-websocket lets it out when a ping arrives while closing
)


class SocketLost(Exception):
    """The connection could not be made, or has ended.

    `status` is the HTTP status of a refused upgrade (401, 421, 429, 503 ...), `code` that of a WebSocket close.
    """

    def __init__(self, reason: str, status: int | None = None, code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.code = code


class Connection:
    """One upgraded WebSocket, made by `connected`. One task receives or listens; several may send.

    `dead` is True once anything was lost: nothing is sent any more, and nobody is bidden farewell.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.dead = False
        self._stream = Watched(stream, self._came)
        self._messages = self._stream.incoming.messages
        self._websocket: trio_websocket.WebSocketConnection | None = None
        self._settled = trio.Event()  # upgraded, or failed to
        self._news = trio.Event()  # messages have come, or none will any more
        self._ended = trio.Event()  # nothing comes any more
        self._fault: SocketLost | None = None  # what ended the reader
        self._take: Callable[[Frame], None] | None = None  # who listens
        self._bug: Exception | None = None  # of who listens
        self._heard_at = 0.0

    async def receive(self, limit: float = math.inf) -> Frame:
        """The next frame. Raises SocketLost when the connection has ended or nothing is heard for `limit` seconds.

        What arrived before the end is still told. May be cancelled without harm.
        """
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(limit):
            while not self._messages:
                if self._ended.is_set():
                    raise self._over()
                self._news = trio.Event()
                await self._news.wait()
            self._stream.took()
            return parse(self._messages.popleft())
        raise self._silent(limit)

    async def listen(self, take: Callable[[Frame], None], limit: float = math.inf) -> NoReturn:
        """From now on every frame is given to `take` as soon as it comes, in the task that reads.

        (A switch to another task for each of them takes longer than what an event that concerns nobody is worth.)
        Lives until the connection has ended, or nothing is heard for `limit` seconds, and raises SocketLost then; or
        what `take` has raised, after which nothing is given to it any more.
        """
        self._heard_at = trio.current_time()
        self._take = take
        try:
            self._came()
            while not self._ended.is_set():
                with trio.move_on_at(self._heard_at + limit) as silence:
                    await self._ended.wait()
                if silence.cancelled_caught and trio.current_time() >= self._heard_at + limit:
                    raise self._silent(limit)
            if self._bug is not None:
                raise self._bug
            raise self._over()
        finally:
            self._take = None

    def _came(self) -> None:
        """Messages have come: they are taken at once, or somebody is told who waits for them."""
        self._heard_at = trio.current_time()
        self._news.set()
        try:
            while self._messages and self._take is not None:
                self._take(parse(self._messages.popleft()))
        except Exception as bug:  # noqa: BLE001 - it is told to the task that listens, whose bug it is
            self._bug, self._take = bug, None
            self._ended.set()
        self._stream.took()

    def check(self) -> None:
        """Raises SocketLost when it is known that nothing can be sent any more."""
        if self.dead:
            raise SocketLost("the connection is lost already")
        closed = self._upgraded.closed
        if closed:
            raise self._lost(trio_websocket.ConnectionClosed(closed))

    async def send(self, *texts: str, limit: float = SEND_LIMIT) -> None:
        """Hands these frames to the kernel, at once. Raises SocketLost, also when it takes longer than `limit` seconds.

        A send that does not come to its end, for whatever reason, makes the connection dead.
        """
        self.check()
        whole = False
        try:
            with trio.fail_after(limit):
                # Not by trio-websocket, which locks: each frame of a round would be a write and two switches of tasks.
                await self._stream.send_all(b"".join(map(frame, texts)))
            whole = True
        except trio.TooSlowError:
            raise SocketLost(f"a write took longer than {limit:g} s") from None
        except EXPECTED as error:
            raise self._lost(error) from error
        finally:
            if not whole:
                self.dead = True

    @property
    def _upgraded(self) -> trio_websocket.WebSocketConnection:
        assert self._websocket is not None, "connected() hands out upgraded connections only"
        return self._websocket

    def _silent(self, limit: float) -> SocketLost:
        self.dead = True
        return SocketLost(f"nothing received for {limit:g} s")

    def _over(self) -> SocketLost:
        return self._lost(trio_websocket.ConnectionClosed(self._upgraded.closed))

    def _lost(self, error: BaseException) -> SocketLost:
        self.dead = True
        if isinstance(error, trio_websocket.ConnectionClosed) and error.reason is None and self._fault is not None:
            return SocketLost(self._fault.reason, self._fault.status, self._fault.code)
        return _told(error)

    async def serve(self, url: str) -> None:
        """Upgrades and then reads until the end; runs in a task of its own, so that its end cancels nobody."""
        parts = urlsplit(url)
        resource = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        try:
            async with trio.open_nursery() as reader:
                self._websocket = await trio_websocket.wrap_client_stream(
                    reader,
                    # Any stream will do; the library's annotation names the two that it was tried with.
                    cast("trio.SocketStream", self._stream),
                    parts.netloc.rpartition("@")[2],
                    resource,
                    max_message_size=LARGEST,
                    receive_buffer_size=CHUNK,
                )
                self._settled.set()
                await self._go_on(self._websocket)
        except* EXPECTED as group:
            self._fault = _told(first(group))
            self._settled.set()
        finally:
            self._end()

    async def _go_on(self, websocket: trio_websocket.WebSocketConnection) -> None:
        """Messages that are not quite ordinary come from trio-websocket, and so does the end."""
        try:
            while True:
                self._messages.append(await websocket.get_message())
                self._came()
                await self._stream.room()
        except trio_websocket.ConnectionClosed:
            if websocket.closed is not None:  # else the reader has failed, and `serve` knows how
                self._end()

    def _end(self) -> None:
        self._ended.set()
        self._news.set()

    async def upgraded(self, limit: float) -> None:
        """Waits for the upgrade. Raises SocketLost when it is refused, or not done within `limit` seconds."""
        with trio.move_on_after(limit):
            async with trio.open_nursery() as first:
                first.start_soon(self._end_of, first, self._settled)
                first.start_soon(self._end_of, first, self._stream.ended)
        if self._fault is not None:
            raise self._fault
        if self._websocket is None and self._stream.ended.is_set():
            raise SocketLost("the connection ended within the WebSocket handshake")
        if self._websocket is None:
            raise SocketLost("the WebSocket handshake was not answered")

    @staticmethod
    async def _end_of(wait: trio.Nursery, event: trio.Event) -> None:
        await event.wait()
        await trio.lowlevel.checkpoint()  # a refusal that came with the end is told first
        wait.cancel_scope.cancel()

    async def close(self) -> None:
        """Says good-bye where somebody may hear it, and lets go of the stream in any case, within `CLOSE_LIMIT`."""
        self._take = _nobody  # what comes now does not keep the other side's farewell from being heard
        self._came()
        if self._websocket is not None and not self.dead:
            with trio.move_on_after(CLOSE_LIMIT, shield=True), contextlib.suppress(*EXPECTED):
                await self._websocket.aclose()
        self.dead = True
        # Shielded: to let go takes no time, and must happen also when everything around us is being cancelled.
        with trio.CancelScope(shield=True), contextlib.suppress(*EXPECTED):
            await trio.aclose_forcefully(self._stream)


@contextlib.asynccontextmanager
async def connected(network: Network, url: str, *, limit: float = CONNECT_LIMIT) -> AsyncIterator[Connection]:
    """An upgraded WebSocket to `url` (ws:// or wss://), closed on the way out. `limit` is in seconds.

    Raises SocketLost on the way in. What the body raises comes out as it is; a bug of the reader comes out plainly.
    """
    began = trio.current_time()
    connection = Connection(await _stream(network, url, limit))
    # The nursery is entered and left by hand: left with what the body raised, it would wrap it in a group.
    tasks = trio.open_nursery()
    nursery = await tasks.__aenter__()
    try:
        nursery.start_soon(connection.serve, url)
        await connection.upgraded(limit - (trio.current_time() - began))
        yield connection
    finally:
        try:
            await connection.close()
        finally:
            # The reader's end is not to be mistaken for the end of whatever is around us.
            nursery.cancel_scope.shield = True
            nursery.cancel_scope.cancel()
            try:
                await tasks.__aexit__(None, None, None)
            except BaseExceptionGroup as group:
                raise first(group) from None


async def _stream(network: Network, url: str, limit: float) -> trio.abc.Stream:
    """A stream that is ready for bytes, TLS included: a refused certificate is told as such, not as silence."""
    stream: trio.abc.Stream | None = None
    try:
        with trio.fail_after(limit):
            stream = await network.connect(url)
            if isinstance(stream, trio.SSLStream):
                await stream.do_handshake()
            return stream
    except trio.TooSlowError:
        error = SocketLost(f"no connection within {limit:g} s")
    except EXPECTED as problem:
        error = _told(problem)
    if stream is not None:
        await trio.aclose_forcefully(stream)
    raise error


def _nobody(frame: Frame) -> None:
    """Nobody hears it."""


def _told(error: BaseException) -> SocketLost:
    """The expected ones in words for the operator."""
    match error:
        case SocketLost():
            return error
        case trio_websocket.ConnectionRejected():
            return SocketLost(f"the broker refused the WebSocket: HTTP {error.status_code}", status=error.status_code)
        case trio_websocket.ConnectionClosed(reason=trio_websocket.CloseReason() as why):
            words = " ".join(filter(None, (str(why.code), why.name, why.reason)))
            return SocketLost(f"closed: {words}", code=why.code)
        case trio_websocket.ConnectionClosed():
            return SocketLost("the connection has ended")
        case _:
            kind = (
                "" if type(error) is OSError and str(error) else type(error).__name__
            )  # it says nothing to an operator
            return SocketLost(": ".join(filter(None, (kind, str(error), _behind(error)))))


def _behind(error: BaseException) -> str:
    """What brought it about."""
    cause = error.__cause__
    if not isinstance(cause, BaseExceptionGroup):
        return str(cause or "")
    one = first(cause)
    return os.strerror(one.errno) if isinstance(one, OSError) and one.errno else str(one)
