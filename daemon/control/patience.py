"""How long a client of the control socket may take: a request comes whole and in time, an answer takes what it takes.

Rule 1: the time for a request runs from the answer before it, not from its last byte: who drips is not waited for.
Rule 2: while it is answered a client need not speak. A stream of events lasts as long as both sides want it to.
"""

from __future__ import annotations

import math

import attrs
import trio
from starlette.types import ASGIApp, Receive, Scope, Send

REQUEST_LIMIT = 60.0  # seconds for a request to come, and between two of them


@attrs.define(eq=False)
class Patience:
    """One connection's stream, as Hypercorn's server takes it, and how long it is read from."""

    stream: trio.SocketStream
    _answering: int = 0
    _until: float = attrs.field(factory=lambda: trio.current_time() + REQUEST_LIMIT)
    _reading: trio.CancelScope | None = None

    @property
    def socket(self) -> trio.socket.SocketType:
        return self.stream.socket

    async def receive_some(self, most: int) -> bytes | bytearray:
        """Nothing (the end) when the request took too long."""
        with trio.CancelScope(deadline=self._deadline) as self._reading:
            return await self.stream.receive_some(most)
        return b""

    async def send_all(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def aclose(self) -> None:
        await self.stream.aclose()

    def answered_by(self, app: ASGIApp) -> ASGIApp:
        """The application, with this connection's patience suspended while it answers."""

        async def patient(scope: Scope, receive: Receive, send: Send) -> None:
            self._set(+1)
            try:
                await app(scope, receive, send)
            finally:
                self._set(-1)

        return patient

    @property
    def _deadline(self) -> float:
        return math.inf if self._answering else self._until

    def _set(self, more: int) -> None:
        self._answering += more
        self._until = trio.current_time() + REQUEST_LIMIT
        if self._reading is not None:
            self._reading.deadline = self._deadline
