"""One connection to the control socket: requests of HTTP/1.1, each answered by the application before the next is read.

h11 knows the protocol; here bytes are moved and time is kept. Why no server of somebody else's: Hypercorn's HTTP/2 and
WebSockets, of which nobody asks a Unix socket, were 3 MB and 40 ms of the start, and its answer to a client that does
not read was a send that nothing could end.

Rule 1: the time for a request runs from the answer before it, not from its last byte: who drips is not waited for.
Rule 2: while it is answered a client need not speak. A stream of events lasts as long as both sides want it to.
Rule 3: a client that has gone is no error: what is said to it is dropped, and the application hears `http.disconnect`.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from typing import Final
from urllib.parse import unquote

import attrs
import h11
import trio
from starlette.types import ASGIApp, Message, Scope

from daemon.control.guard import SAFE
from daemon.control.problems import Problem, problem_response

REQUEST_LIMIT: Final = 60.0  # seconds for a request to come, and between two of them
LEFT_LIMIT: Final = 65_536  # bytes of a body that the answer had no use for; who sends more is hung up
LEFT_WITHIN: Final = 5.0  # seconds for them to come
_PIECE: Final = 16_384  # bytes read at once
_LONGEST_HEAD: Final = 65_536  # bytes
_BODILESS: Final = (204, 304)
_WORDS: Final = {
    400: "this is no request of HTTP/1.1, or it ends before its end",
    431: "the head of a request must be shorter; nothing here needs a long one",
    501: "a body is taken with its length, or in chunks, and in no other encoding",
}


@attrs.define(eq=False, repr=False)
class Connection:
    stream: trio.abc.Stream
    app: ASGIApp
    broken: Callable[[], None] = lambda: None  # called when a client talks nonsense, or breaks off within its request
    _protocol: h11.Connection = attrs.field(factory=lambda: h11.Connection(h11.SERVER, _LONGEST_HEAD))
    _gone: bool = False  # the client takes no more
    _whole: bool = False  # the request has been read to its end
    _bodiless: bool = False  # its answer has no body
    _head: bytes = b""  # of the answer, until its first part goes with it

    async def run(self) -> None:
        """Lives until either side ends it. Raises what the application raises without having answered."""
        while (request := await self._request()) is not None:
            await self._answer(request)
            if not await self._finished():
                return

    async def _request(self) -> h11.Request | None:
        """None when none comes in time, or what comes is none."""
        try:
            with trio.move_on_after(REQUEST_LIMIT):
                event = await self._event()
                return event if isinstance(event, h11.Request) else None
        except h11.RemoteProtocolError as nonsense:
            self.broken()
            if self._protocol.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                await self._refuse(nonsense.error_status_hint)
        return None

    async def _refuse(self, status: int) -> None:
        """What is no request is refused as requests are: with a problem that says why."""
        problem = Problem(status=status, detail=_WORDS.get(status, "this cannot be understood"))
        answer = problem_response(problem, {"connection": "close"})
        head = h11.Response(status_code=status, headers=[*answer.raw_headers, *SAFE, (b"date", _now())])
        await self._write(self._said(head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()))

    async def _answer(self, request: h11.Request) -> None:
        self._whole, self._bodiless, self._head = False, request.method == b"HEAD", b""
        try:
            await self.app(_scope(request), self._receive, self._send)
        except (
            Exception
        ):  # Starlette raises again what its last handler has answered; all else goes on to who runs this
            if self._protocol.our_state not in (h11.DONE, h11.MUST_CLOSE):
                raise

    async def _finished(self) -> bool:
        """May another request follow? Reads over what the answer had no use for."""
        left = 0
        if self._gone or self._protocol.our_state is not h11.DONE:
            return False
        try:
            with trio.move_on_after(LEFT_WITHIN):
                while self._protocol.their_state is h11.SEND_BODY and left < LEFT_LIMIT:
                    event = await self._event()
                    left += len(event.data) if isinstance(event, h11.Data) else 0
        except h11.RemoteProtocolError:
            return False
        if self._protocol.their_state is not h11.DONE:
            return False
        self._protocol.start_next_cycle()
        return True

    async def _receive(self) -> Message:
        if self._whole:
            # Whoever still listens then waits for the end. A request behind a stream is an end too: it has none itself.
            if not self._protocol.trailing_data[0]:
                await self._read()
            return {"type": "http.disconnect"}
        try:
            event = await self._event()
        except h11.RemoteProtocolError:
            self.broken()
            event = h11.ConnectionClosed()
        if isinstance(event, h11.Data):
            return {"type": "http.request", "body": bytes(event.data), "more_body": True}
        if isinstance(event, h11.EndOfMessage):
            self._whole = True
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = [*message.get("headers", ()), (b"date", _now())]
            self._bodiless = self._bodiless or status in _BODILESS
            self._head = self._said(h11.Response(status_code=status, headers=headers))
            return
        said, self._head = self._head, b""
        if message.get("body") and not self._bodiless:
            said += self._said(h11.Data(data=message["body"]))
        if not message.get("more_body", False):
            said += self._said(h11.EndOfMessage())
        await self._write(said)

    async def _event(self) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
        """The next of the request, as it comes in. Raises RemoteProtocolError."""
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            if self._protocol.they_are_waiting_for_100_continue:
                await self._write(self._said(h11.InformationalResponse(status_code=100, headers=[])))
            await self._read()
        return event

    async def _read(self) -> None:
        try:
            data = await self.stream.receive_some(_PIECE)
        except trio.BrokenResourceError:
            data = b""
        self._protocol.receive_data(bytes(data))

    def _said(self, *events: h11.Event) -> bytes:
        return b"".join(self._protocol.send(event) or b"" for event in events)

    async def _write(self, data: bytes) -> None:
        if self._gone:
            await trio.lowlevel.checkpoint()
            return
        try:
            await self.stream.send_all(data)
        except trio.BrokenResourceError:
            self._gone = True


def _now() -> bytes:
    return formatdate(usegmt=True).encode("ascii")


def _scope(request: h11.Request) -> Scope:
    """https://asgi.readthedocs.io/en/latest/specs/www.html#http-connection-scope"""
    path, _, query = request.target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.http_version.decode("ascii"),
        "method": request.method.decode("ascii").upper(),
        "scheme": "http",
        "path": unquote(path.decode("ascii")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": list(request.headers),
        "client": None,
        "server": None,
    }
