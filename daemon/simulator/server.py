"""The wire: one port that speaks HTTP/1.1 and, on upgrade, WebSocket. Base path /v1, in any case of letters.

Rule 1: `run` must be alive; it owns what outlives a caller (an order accepted late is accepted although the caller
went away) and the broker's delays.
Rule 2: `serve_stream` is one TCP connection, real or in memory; `rest` is one request without any connection.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime
from functools import partial
from urllib.parse import parse_qsl, urlsplit

import h11
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, wrap_server_stream
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from daemon.simulator.broker import Broker
from daemon.simulator.calls import Answer, Call, Refusal, fields_of
from daemon.simulator.deeds import Deeds
from daemon.simulator.faults import FaultsInvalid
from daemon.simulator.pages import Page
from daemon.simulator.service import Fate, Observer, nobody
from daemon.simulator.session import Ending, Gone, Session
from daemon.simulator.tokens import Refused, Token

BASE = "/v1/"
TOKEN = "/auth/oauthtoken"  # noqa: S105 - an address; it is answered with and without /v1
OPEN = frozenset({"auth/accesstokenrequest", "auth/oauthtoken"})  # no token is needed
RECEIVE_SIZE = 65536
HANDSHAKE_LIMIT = 15.0  # wrap_server_stream waits for ever when the client dies inside the handshake
CLOSE_FRAME = b"\x88"  # the first byte of one: final, opcode 8 (RFC 6455, 5.2)
CLOSE_LIMIT = 1.0  # a close handshake with a silent client never ends
WIRE_ENDS = (
    ConnectionClosed,
    HandshakeError,
    LocalProtocolError,  # trio-websocket lets it out when a ping arrives while closing
    RemoteProtocolError,
    Gone,
    trio.TooSlowError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)


class Severed(Exception):
    """The connection is refused or cut instead of answered (`rest` raises it; a stream is closed)."""


class ReplayedStream(trio.abc.Stream):
    """A stream whose first bytes have been read already: they are handed out again.

    While `deaf`, a WebSocket close that the client begins is not heard.
    """

    def __init__(self, head: bytes, stream: trio.abc.Stream, deaf: Callable[[], bool]) -> None:
        self._head = head
        self._stream = stream
        self._deaf = deaf

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._head:
            size = len(self._head) if max_bytes is None else max_bytes
            data, self._head = self._head[:size], self._head[size:]
            await trio.lowlevel.checkpoint()
            return data
        data = bytes(await self._stream.receive_some(max_bytes))
        while data[:1] == CLOSE_FRAME and self._deaf():
            data = bytes(await self._stream.receive_some(max_bytes))
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


class SocketWire:
    """A Wire over trio-websocket."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self._socket = socket

    async def send(self, frame: str) -> None:
        try:
            await self._socket.send_message(frame)
        except (ConnectionClosed, LocalProtocolError) as error:
            raise Gone from error

    async def receive(self) -> str:
        try:
            message = await self._socket.get_message()
        except ConnectionClosed as error:
            raise Gone from error
        return message if isinstance(message, str) else message.decode()


class Server(Deeds):
    """The look-alike. `async with trio.open_nursery() as n: await n.start(server.run)`, then serve streams."""

    def __init__(self, broker: Broker, observer: Observer = nobody) -> None:
        super().__init__(broker, observer)
        self._nursery: trio.Nursery | None = None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the house alive until cancelled; carries out the acts of the faults file."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self.broker.run)
            for act in self.faults.acts:
                deed = getattr(self, act.act, None) or getattr(self.broker, act.act, None)
                if act.act.startswith("_") or not callable(deed):
                    raise FaultsInvalid(f"acts: {act.act}: no such act")
                nursery.start_soon(self._act, act.after, deed, act.arguments)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    async def _act(self, after: float, deed: Callable[..., object], arguments: Mapping[str, object]) -> None:
        await trio.sleep(after)
        deed(**arguments)

    def spawn(self, act: Callable[[], Awaitable[None]]) -> None:
        """Run in the house's own nursery. Raises RuntimeError when `run` is not alive."""
        if self._nursery is None:
            raise RuntimeError("Server.run is not running")
        self._nursery.start_soon(act)

    # ---- REST

    async def rest(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one request; never returns when the answer is to be lost. Raises Severed when down and refusing.

        The method does not matter (Tradovate OpenAPI: not enforced). `target` is path and query.
        """
        if self.faults.refusing:
            raise Severed
        answer = await self._respond(target, {name.lower(): value for name, value in headers.items()}, body)
        reply = {"date": format_datetime(self.broker.now(), usegmt=True)}
        if answer.status == 307:
            reply["location"] = str(answer.payload)
            answer = Answer(307)
        content = b""
        if isinstance(answer.payload, Page):
            reply["content-type"], content = "text/html; charset=utf-8", answer.payload.html.encode()
            reply.update({"location": answer.payload.location} if answer.payload.location else {})
        elif isinstance(answer.payload, str):
            reply["content-type"], content = "text/plain; charset=utf-8", answer.payload.encode()
        elif answer.payload is not None:
            reply["content-type"], content = "application/json", json.dumps(answer.payload).encode()
        reply["content-length"] = str(len(content))
        return answer.status, reply, content

    async def _respond(self, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        parts = urlsplit(target)
        if self.faults.down:
            return Answer(503)
        if self.faults.redirect:
            return Answer(307, self.faults.redirect + target)
        path, query = parts.path.lower(), dict(parse_qsl(parts.query))
        try:
            fields = fields_of(headers.get("content-type", ""), body)
        except Refusal as refusal:
            return refusal.answer
        if page := self.oauth.page(path, query, fields):
            return Answer(page.status, page)
        if not path.startswith(BASE) and path != TOKEN:
            return Answer(404, "Not found")
        endpoint = path.removeprefix(BASE).strip("/")
        token: Token | None = None
        if endpoint not in OPEN:
            checked = self.authorize(headers.get("authorization", "").removeprefix("Bearer ").strip())
            if isinstance(checked, Refused):
                return self._refuse(endpoint, checked)
            token = checked
        call = Call(endpoint, query, fields, token, "rest")
        fate = self.draw_fate(call)
        if fate == Fate() and self.faults.answer_delay == (0.0, 0.0):
            answer = await self.perform(call, fate)
        else:
            answer = await self._perform_apart(call, fate)
        if fate.cut:
            raise Severed
        if answer is None:
            await trio.sleep_forever()
        return answer

    def _deaf(self) -> bool:
        return self.faults.farewell_unheard

    def _refuse(self, endpoint: str, refused: Refused) -> Answer:
        if refused.status == 401 and (self.faults.bad_token_status != 401 or not self.faults.bad_token_words):
            return Answer(self.faults.bad_token_status, refused.text if self.faults.bad_token_words else None)
        if endpoint == "auth/renewaccesstoken" and refused.status == 401:
            return Answer(401, {"error": "Token expired", "message": refused.text})
        return Answer(refused.status, refused.text or None)

    async def _perform_apart(self, call: Call, fate: Fate) -> Answer | None:
        """Perform in the house's nursery: the caller may give up, the order may not."""
        box: list[Answer | None] = []
        done = trio.Event()

        async def work() -> None:
            box.append(await self.perform(call, fate))
            done.set()

        self.spawn(work)
        await done.wait()
        return box[0]

    # ---- connections

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """One TCP connection until it ends; closes the stream."""
        async with stream:
            try:
                await self._serve_http(stream)
            except* (*WIRE_ENDS, h11.RemoteProtocolError, Severed):
                pass  # the connection is over, whoever ended it and however

    async def _serve_http(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        head = b""
        request: h11.Request | None = None
        body = b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                data = bytes(await stream.receive_some(RECEIVE_SIZE))
                head += data
                connection.receive_data(data)
            elif isinstance(event, h11.Request):
                request, body = event, b""
                if dict(event.headers).get(b"upgrade", b"").lower() == b"websocket":
                    await self._serve_websocket(ReplayedStream(head, stream, self._deaf), event.target.decode())
                    return
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                await self._reply(connection, stream, request, body)
                if connection.our_state is h11.MUST_CLOSE:
                    return
                connection.start_next_cycle()
                head = bytes(connection.trailing_data[0])
            else:
                return

    async def _reply(
        self, connection: h11.Connection, stream: trio.abc.Stream, request: h11.Request, body: bytes
    ) -> None:
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        status, reply, content = await self.rest(request.method.decode(), request.target.decode(), headers, body)
        data = connection.send(h11.Response(status_code=status, headers=list(reply.items()))) or b""
        data += connection.send(h11.Data(data=content)) or b""
        data += connection.send(h11.EndOfMessage()) or b""
        await stream.send_all(data)

    async def _serve_websocket(self, stream: trio.abc.Stream, target: str) -> None:
        faults = self.faults
        if faults.refusing:
            return
        if faults.handshake_silent:
            await trio.sleep_forever()
        async with trio.open_nursery() as nursery:
            with trio.fail_after(HANDSHAKE_LIMIT):
                request = await wrap_server_stream(nursery, stream, message_queue_size=64)
                status = faults.handshake_status or (503 if faults.down else 0)
                if urlsplit(target).path.lower() != BASE + "websocket":
                    status = 404
                if status:
                    self.handshakes_refused += 1
                    await request.reject(status)
                    nursery.cancel_scope.cancel()
                    return
                socket = await request.accept()
            self.sockets_opened += 1
            ending = Ending(1000) if faults.accept_then_close else await self._hold_session(SocketWire(socket))
            if ending.code:
                with trio.move_on_after(CLOSE_LIMIT):
                    await socket.aclose(ending.code, ending.reason)
            nursery.cancel_scope.cancel()

    async def _hold_session(self, wire: SocketWire) -> Ending:
        session = Session(wire, self, self.spawn)
        self.sessions.append(session)
        try:
            return await session.run()
        finally:
            self.sessions.remove(session)


async def serve_tcp(
    server: Server,
    host: str = "127.0.0.1",
    port: int = 0,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the server and listen until cancelled; `nursery.start` returns the port. Meant for loopback: no TLS."""
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        listeners = await nursery.start(partial(trio.serve_tcp, server.serve_stream, port, host=host))
        task_status.started(listeners[0].socket.getsockname()[1])
