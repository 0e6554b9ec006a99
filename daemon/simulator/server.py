"""The wire: one port that speaks HTTP/1.1 and, on upgrade, WebSocket.

Rule: `serve_stream` is one TCP connection, real or in memory. What it asks is the office's to answer.
"""

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import h11
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, wrap_server_stream
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from daemon.simulator.office import BASE, Office, Severed
from daemon.simulator.session import Ending, Gone, Session

RECEIVE_SIZE = 65536
WRONG_HOST = 421
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


class Server(Office):
    """The look-alike. `async with trio.open_nursery() as n: await n.start(server.run)`, then serve streams."""

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
                headers = dict(event.headers)
                if headers.get(b"upgrade", b"").lower() == b"websocket":
                    replayed = ReplayedStream(head, stream, lambda: self.faults.farewell_unheard)
                    host = headers.get(b"host", b"").decode()
                    await self._serve_websocket(replayed, event.target.decode(), host)
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

    async def _serve_websocket(self, stream: trio.abc.Stream, target: str, host: str) -> None:
        faults = self.faults
        if faults.refusing:
            return
        if faults.handshake_silent:
            await trio.sleep_forever()
        async with trio.open_nursery() as nursery:
            with trio.fail_after(HANDSHAKE_LIMIT):
                request = await wrap_server_stream(nursery, stream, message_queue_size=64)
                status = faults.handshake_status or (503 if faults.down else 0)
                if self.misplaced(host):
                    status = WRONG_HOST
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
