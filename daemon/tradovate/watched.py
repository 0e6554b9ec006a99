"""The stream of one WebSocket, as trio-websocket is given it: it keeps the messages, and says when it is at its end."""

from __future__ import annotations

from collections.abc import Callable

import trio

from daemon.tradovate.incoming import Incoming

QUEUE = 1000  # messages; with trio-websocket's one, pings go unanswered while nobody receives


class Watched(trio.abc.Stream):
    """`came` is called when messages have come; `ended` is set at the end: the library's handshake does not look."""

    def __init__(self, stream: trio.abc.Stream, came: Callable[[], None]) -> None:
        self._stream = stream
        self._came = came
        self._writing = trio.Lock()  # trio-websocket writes too: pongs, and the close
        self._room = trio.Event()
        self.incoming = Incoming()
        self.ended = trio.Event()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        rest: bytes | bytearray = b""
        while not rest:
            await self.room()
            try:
                data = await self._stream.receive_some(max_bytes)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.ended.set()
                raise
            if not data:
                self.ended.set()
                return data
            rest = self.incoming.feed(data)
            if self.incoming.messages:
                self._came()
        return rest

    async def room(self) -> None:
        """Waits until there is some for another message."""
        while len(self.incoming.messages) >= QUEUE:
            self._room = trio.Event()
            await self._room.wait()

    def took(self) -> None:
        """A message has been taken."""
        self._room.set()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        async with self._writing:
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()
