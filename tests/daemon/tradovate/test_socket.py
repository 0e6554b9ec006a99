"""The WebSocket against a real server on loopback, and against streams that hang, in virtual time."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import attrs
import httpx
import pytest
import trio
import trio.testing
import trio_websocket

from daemon.ports import TcpNetwork
from daemon.tradovate import incoming, watched
from daemon.tradovate import socket as ours
from daemon.tradovate.frames import Frame, Heartbeat, Messages, Opened, Response
from daemon.tradovate.socket import CLOSE_LIMIT, SEND_LIMIT, Connection, SocketLost, connected

Server = Callable[[trio_websocket.WebSocketRequest], Awaitable[None]]


@contextlib.asynccontextmanager
async def served(server: Server) -> AsyncIterator[str]:
    """A real WebSocket server; the value is its URL."""
    async with trio.open_nursery() as nursery:
        listening = await nursery.start(
            partial(
                trio_websocket.serve_websocket,
                server,
                "127.0.0.1",
                0,
                None,
                handler_nursery=nursery,
                max_message_size=2**26,
            )
        )
        yield f"ws://127.0.0.1:{listening.port}/v1/websocket"
        nursery.cancel_scope.cancel()


@attrs.define
class MemoryNetwork:
    """Hands out one end of an in-memory pair; `behave` plays the host on the other."""

    nursery: trio.Nursery
    behave: Callable[[trio.abc.Stream], Awaitable[None]]
    delay: float = 0

    async def connect(self, url: str) -> trio.abc.Stream:
        await trio.sleep(self.delay)
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.behave, theirs)
        return ours

    def http(self) -> httpx.AsyncClient:
        raise AssertionError("not asked for here")


def virtually(scenario: Callable[[trio.Nursery], Awaitable[None]]) -> None:
    """Runs a scenario with a clock that jumps; what it started ends with it."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await scenario(nursery)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def _deaf(stream: trio.abc.Stream) -> None:
    """Takes the bytes and says nothing."""
    with contextlib.suppress(trio.BrokenResourceError):
        while await stream.receive_some():
            pass


async def _mute_after_upgrade(stream: trio.abc.Stream) -> None:
    """Upgrades, says `o`, and then the link is half-open: nothing is read and nothing comes."""
    async with trio.open_nursery() as nursery:
        request = await trio_websocket.wrap_server_stream(nursery, stream)
        websocket = await request.accept()
        await websocket.send_message("o")
        nursery.cancel_scope.cancel()


URL = "ws://broker.example/v1/websocket?x=1"


def test_frames_both_ways() -> None:
    heard: list[str | bytes] = []

    async def server(request: trio_websocket.WebSocketRequest) -> None:
        assert request.path == "/v1/websocket"
        websocket = await request.accept()
        await websocket.send_message("o")
        heard.append(await websocket.get_message())
        await websocket.send_message('a[{"s":200,"i":0}]')
        await websocket.send_message(b"h")
        with contextlib.suppress(trio_websocket.ConnectionClosed):
            await websocket.get_message()
        heard.append(str(websocket.closed and websocket.closed.code))

    async def main() -> None:
        async with served(server) as url:
            async with connected(TcpNetwork(), url) as connection:
                assert await connection.receive() == Opened()
                await connection.send("authorize\n0\n\ntok")
                assert await connection.receive(limit=5) == Messages((Response(0, 200, None),))
                assert await connection.receive() == Heartbeat()
                assert not connection.dead
            with pytest.raises(SocketLost, match="lost already"):
                await connection.send("[]")
            await trio.testing.wait_all_tasks_blocked(0.05)
        assert heard == ["authorize\n0\n\ntok", "1000"]

    trio.run(main)


@pytest.mark.parametrize("status", [401, 421, 429, 503, 307])
def test_a_refused_upgrade_tells_its_status(status: int) -> None:
    async def server(request: trio_websocket.WebSocketRequest) -> None:
        await request.reject(status, body=b"no")

    async def main() -> None:
        async with served(server) as url:
            with pytest.raises(SocketLost, match=str(status)) as lost:
                async with connected(TcpNetwork(), url):
                    raise AssertionError("not reached")
            assert lost.value.status == status

    trio.run(main)


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1012, 4000])
def test_a_close_tells_its_code_after_what_was_sent_before(code: int) -> None:
    async def server(request: trio_websocket.WebSocketRequest) -> None:
        websocket = await request.accept()
        await websocket.send_message("o")
        await websocket.aclose(code, "why not")

    async def main() -> None:
        async with served(server) as url, connected(TcpNetwork(), url) as connection:
            await trio.sleep(0.05)
            assert await connection.receive() == Opened()
            for _ in range(2):
                with pytest.raises(SocketLost, match="why not") as lost:
                    await connection.receive()
                assert (lost.value.code, lost.value.status) == (code, None)
            with pytest.raises(SocketLost):
                await connection.send("[]")

    trio.run(main)


@pytest.mark.parametrize("reset", [False, True])
def test_a_link_cut_without_a_close_is_1006(reset: bool) -> None:
    async def server(request: trio_websocket.WebSocketRequest) -> None:
        websocket = await request.accept()
        stream = websocket._stream
        assert isinstance(stream, trio.SocketStream)
        if reset:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(stream)

    async def main() -> None:
        async with served(server) as url, connected(TcpNetwork(), url) as connection:
            with pytest.raises(SocketLost, match="1006") as lost:
                await connection.receive()
            assert lost.value.code == 1006
            assert connection.dead

    trio.run(main)


def test_a_snapshot_of_five_megabytes() -> None:
    async def server(request: trio_websocket.WebSocketRequest) -> None:
        websocket = await request.accept()
        await websocket.send_message(f'a[{{"s":200,"i":3,"d":"{"x" * 5_000_000}"}}]')
        await websocket.get_message()

    async def main() -> None:
        async with served(server) as url, connected(TcpNetwork(), url) as connection:
            frame = await connection.receive(limit=20)
            assert isinstance(frame, Messages)
            assert isinstance(frame.items[0], Response)
            assert len(str(frame.items[0].data)) == 5_000_000
            await connection.send("[]")

    trio.run(main)


def test_pings_are_answered_while_nobody_reads() -> None:
    answered = trio.Event()

    async def server(request: trio_websocket.WebSocketRequest) -> None:
        websocket = await request.accept()
        for _ in range(50):
            await websocket.send_message("h")
        with trio.fail_after(5):
            await websocket.ping()
        answered.set()
        await websocket.get_message()

    async def main() -> None:
        async with served(server) as url, connected(TcpNetwork(), url) as connection:
            with trio.fail_after(5):
                await answered.wait()
            assert await connection.receive() == Heartbeat()
            await connection.send("[]")

    trio.run(main)


def test_fragments_and_what_follows_them_come_in_their_order() -> None:
    async def server(request: trio_websocket.WebSocketRequest) -> None:
        websocket = await request.accept()
        stream = websocket._stream
        await stream.send_all(b"\x01\x01a\x89\x00\x00\x02[]\x80\x00\x81\x01h\x81\x01o")
        with contextlib.suppress(trio_websocket.ConnectionClosed):
            await websocket.get_message()

    async def main() -> None:
        async with served(server) as url, connected(TcpNetwork(), url) as connection:
            assert [await connection.receive(5) for _ in range(3)] == [Messages(()), Heartbeat(), Opened()]

    trio.run(main)


def test_a_text_that_is_no_utf_8_ends_the_connection_and_what_came_before_is_told() -> None:
    async def server(request: trio_websocket.WebSocketRequest) -> None:
        websocket = await request.accept()
        await websocket._stream.send_all(b"\x81\x01o\x81\x01\xff\x81\x01h")
        await trio.sleep_forever()

    async def main() -> None:
        async with served(server) as url, connected(TcpNetwork(), url) as connection:
            assert await connection.receive(5) == Opened()
            with pytest.raises(SocketLost) as lost:
                await connection.receive(5)
            assert lost.value.code == 1007

    trio.run(main)


def test_a_message_that_is_too_large_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ours, incoming):
        monkeypatch.setattr(module, "LARGEST", 1000)

    async def server(request: trio_websocket.WebSocketRequest) -> None:
        websocket = await request.accept()
        await websocket.send_message("o" * 1000)
        with contextlib.suppress(trio_websocket.ConnectionClosed):
            await websocket.send_message("o" * 1001)
            await websocket.get_message()

    async def main() -> None:
        async with served(server) as url, connected(TcpNetwork(), url) as connection:
            assert await connection.receive(5) == Opened()
            with pytest.raises(SocketLost) as lost:
                await connection.receive(5)
            assert lost.value.code == 1009

    trio.run(main)


@pytest.mark.parametrize("listens", [False, True])
def test_a_flood_does_not_keep_the_good_bye_from_being_heard(listens: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "QUEUE", 50)

    async def host(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, stream)
            websocket = await request.accept()
            with contextlib.suppress(trio_websocket.ConnectionClosed):
                while True:
                    await websocket.send_message("h")
            await trio.sleep(60)

    heard: list[Frame] = []

    async def listen(connection: Connection) -> None:
        async with trio.open_nursery() as listening:
            listening.start_soon(connection.listen, heard.append)
            while len(heard) < 100:
                await trio.lowlevel.checkpoint()
            listening.cancel_scope.cancel()

    async def scenario(nursery: trio.Nursery) -> None:
        async with connected(MemoryNetwork(nursery, host), URL) as connection:
            if listens:
                await listen(connection)
            for _ in range(500):
                await trio.lowlevel.checkpoint()
            assert len(connection._messages) <= 100
        assert trio.current_time() == 0

    virtually(scenario)


def test_a_flood_on_one_connection_does_not_keep_another_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "CHUNK", 30)

    async def flooding(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, stream)
            await request.accept()
            while True:
                await stream.send_all(b"\x81\x01h" * 20)

    flooded: list[Frame] = []

    async def scenario(nursery: trio.Nursery) -> None:
        async with connected(MemoryNetwork(nursery, flooding), URL) as one:
            nursery.start_soon(one.listen, flooded.append)
            while not flooded:
                await trio.lowlevel.checkpoint()
            began = len(flooded)
            async with connected(MemoryNetwork(nursery, _mute_after_upgrade), URL) as other:
                await other.send("[]")
                assert await other.receive() == Opened()
                # What it needs are some passes of the scheduler: in each of them one read of the flood is taken.
                assert len(flooded) - began < 100 * 10
                nursery.cancel_scope.cancel()

    virtually(scenario)


def test_who_listens_is_given_everything_at_once_and_in_order_and_told_of_the_end() -> None:
    heard: list[tuple[float, Frame]] = []

    async def host(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, stream)
            websocket = await request.accept()
            for frame in ("o", "h", "a[]"):
                await websocket.send_message(frame)
            await trio.sleep(1)
            await stream.send_all(b"\x81\x01o\x89\x00\x81\x01h")
            await trio.sleep(1)
            await websocket.aclose(1008, "why not")

    async def scenario(nursery: trio.Nursery) -> None:
        async with connected(MemoryNetwork(nursery, host), URL) as connection:
            assert await connection.receive() == Opened()
            with pytest.raises(SocketLost, match="why not") as lost:
                await connection.listen(lambda frame: heard.append((trio.current_time(), frame)), limit=1.5)
            assert lost.value.code == 1008
            assert connection.dead
        assert heard == [(0, Heartbeat()), (0, Messages(())), (1, Opened()), (1, Heartbeat())]
        assert trio.current_time() == 2

    virtually(scenario)


def test_silence_is_a_loss_for_who_listens_too() -> None:
    async def host(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, stream)
            websocket = await request.accept()
            for pause in (1, 9, 3):
                await trio.sleep(pause)
                await websocket.send_message("h")
            nursery.cancel_scope.cancel()

    async def scenario(nursery: trio.Nursery) -> None:
        async with connected(MemoryNetwork(nursery, host), URL) as connection:
            with pytest.raises(SocketLost, match="nothing received for 10 s"):
                await connection.listen(lambda frame: None, limit=10)
            assert connection.dead
        assert trio.current_time() == pytest.approx(23)

    virtually(scenario)


def test_a_bug_of_who_listens_is_his_and_nothing_more_is_given_to_him() -> None:
    heard: list[Frame] = []

    def take(frame: Frame) -> None:
        heard.append(frame)
        raise OSError("a bug, and not the network")

    async def host(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, stream)
            await request.accept()
            await trio.sleep(1)
            await stream.send_all(b"\x81\x01o\x81\x01h")
            await trio.sleep(60)

    async def scenario(nursery: trio.Nursery) -> None:
        async with connected(MemoryNetwork(nursery, host), URL) as connection:
            with pytest.raises(OSError, match="a bug, and not the network"):
                await connection.listen(take)
            assert trio.current_time() == 1
        assert heard == [Opened()]

    virtually(scenario)


def test_nobody_listens() -> None:
    async def main() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
            with pytest.raises(SocketLost, match=r"^all attempts to connect to [^ ]+ failed: Connection refused$"):
                async with connected(TcpNetwork(), f"ws://127.0.0.1:{taken.getsockname()[1]}"):
                    raise AssertionError("not reached")

    trio.run(main)


def test_a_host_without_tls_is_told_at_once_and_not_after_the_limit() -> None:
    async def babbler(stream: trio.SocketStream) -> None:
        await stream.send_all(b"this is no TLS at all\r\n")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, babbler, 0, host="127.0.0.1"))
            port = listeners[0].socket.getsockname()[1]
            with trio.fail_after(3), pytest.raises(SocketLost, match="BrokenResourceError"):
                async with connected(TcpNetwork(), f"wss://127.0.0.1:{port}"):
                    raise AssertionError("not reached")
            nursery.cancel_scope.cancel()

    trio.run(main)


@pytest.mark.parametrize("closes", [False, True])
def test_a_handshake_that_hangs_is_given_up(closes: bool) -> None:
    async def host(stream: trio.abc.Stream) -> None:
        if closes:
            await stream.receive_some()
            await stream.aclose()
        else:
            await _deaf(stream)

    async def scenario(nursery: trio.Nursery) -> None:
        with pytest.raises(SocketLost, match="ended within" if closes else "not answered"):
            async with connected(MemoryNetwork(nursery, host, delay=4), URL, limit=10):
                raise AssertionError("not reached")
        assert trio.current_time() == pytest.approx(4 if closes else 10)

    virtually(scenario)


def test_a_connect_that_hangs_is_given_up() -> None:
    async def scenario(nursery: trio.Nursery) -> None:
        with pytest.raises(SocketLost, match="within 10 s"):
            async with connected(MemoryNetwork(nursery, _deaf, delay=99), URL):
                raise AssertionError("not reached")
        assert trio.current_time() == pytest.approx(10)

    virtually(scenario)


def test_a_half_open_link_is_left_within_the_limit() -> None:
    async def scenario(nursery: trio.Nursery) -> None:
        async with connected(MemoryNetwork(nursery, _mute_after_upgrade), URL) as connection:
            assert await connection.receive() == Opened()
            left = trio.current_time()
        assert trio.current_time() - left == pytest.approx(CLOSE_LIMIT)

    virtually(scenario)


def test_silence_is_a_loss_and_no_farewell_is_tried() -> None:
    async def scenario(nursery: trio.Nursery) -> None:
        async def listen() -> None:
            async with connected(MemoryNetwork(nursery, _mute_after_upgrade), URL) as connection:
                while True:
                    await connection.receive(limit=10)

        with pytest.raises(SocketLost, match="nothing received for 10 s"):
            await listen()
        assert trio.current_time() == pytest.approx(10)

    virtually(scenario)


@attrs.define
class Stuck(trio.abc.Stream):
    """A stream whose writes hang once `stuck` is set: the peer's window is full."""

    inner: trio.abc.Stream
    stuck: bool = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.stuck:
            await trio.sleep_forever()
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.inner.aclose()


@attrs.define
class StuckNetwork:
    inner: MemoryNetwork
    streams: list[Stuck] = attrs.Factory(list)

    async def connect(self, url: str) -> trio.abc.Stream:
        self.streams.append(Stuck(await self.inner.connect(url)))
        return self.streams[-1]

    def http(self) -> httpx.AsyncClient:
        return self.inner.http()


async def _send_into_a_full_window(connection: Connection, cancel_after: float | None) -> None:
    if cancel_after is None:
        with pytest.raises(SocketLost, match="a write took longer"):
            await connection.send("order/placeorder\n4\n\n{}")
    else:
        with trio.move_on_after(cancel_after):
            await connection.send("order/placeorder\n4\n\n{}")


@pytest.mark.parametrize("cancel_after", [None, 1.0])
def test_half_a_write_makes_the_connection_dead(cancel_after: float | None) -> None:
    async def scenario(nursery: trio.Nursery) -> None:
        network = StuckNetwork(MemoryNetwork(nursery, _mute_after_upgrade))
        async with connected(network, URL) as connection:
            await connection.send("[]")
            network.streams[0].stuck = True
            await _send_into_a_full_window(connection, cancel_after)
            assert connection.dead
            with pytest.raises(SocketLost, match="lost already"):
                await connection.send("[]")
        assert trio.current_time() == pytest.approx(cancel_after or SEND_LIMIT)

    virtually(scenario)


def test_two_may_send_at_once() -> None:
    async def scenario(nursery: trio.Nursery) -> None:
        async with connected(MemoryNetwork(nursery, _mute_after_upgrade), URL) as connection:
            async with trio.open_nursery() as senders:
                for _ in range(5):
                    senders.start_soon(connection.send, "[]")
            assert not connection.dead

    virtually(scenario)


def test_what_the_body_raises_comes_out_plainly() -> None:
    async def scenario(nursery: trio.Nursery) -> None:
        for error in (ZeroDivisionError("mine"), SocketLost("mine"), ExceptionGroup("mine", [ValueError()])):
            with pytest.raises(type(error), match="mine") as raised:
                async with connected(MemoryNetwork(nursery, _mute_after_upgrade), URL):
                    raise error
            assert raised.value is error

    virtually(scenario)


def test_a_cancellation_stays_one() -> None:
    async def scenario(nursery: trio.Nursery) -> None:
        with trio.move_on_after(3) as scope:
            async with connected(MemoryNetwork(nursery, _mute_after_upgrade), URL) as connection:
                while True:
                    await connection.receive()
        assert scope.cancelled_caught
        assert trio.current_time() == pytest.approx(3 + CLOSE_LIMIT)
        with trio.move_on_after(3) as scope:
            async with connected(MemoryNetwork(nursery, _deaf), URL):
                raise AssertionError("not reached")
        assert scope.cancelled_caught

    virtually(scenario)


@attrs.define
class Broken(Stuck):
    """A stream with a bug in it."""

    broken: bool = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self.inner.receive_some(max_bytes)
        if self.broken:
            raise ZeroDivisionError("a bug")
        return data


@attrs.define
class BrokenNetwork:
    inner: MemoryNetwork
    streams: list[Broken] = attrs.Factory(list)

    def http(self) -> httpx.AsyncClient:
        return self.inner.http()

    async def connect(self, url: str) -> trio.abc.Stream:
        self.streams.append(Broken(await self.inner.connect(url)))
        return self.streams[-1]


def test_a_bug_of_the_reader_ends_the_body_and_comes_out_plainly() -> None:
    async def host(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, stream)
            websocket = await request.accept()
            await websocket.send_message("o")
            await trio.sleep(1)
            await stream.send_all(b"more")
            nursery.cancel_scope.cancel()

    async def scenario(nursery: trio.Nursery) -> None:
        network = BrokenNetwork(MemoryNetwork(nursery, host))

        async def body() -> None:
            async with connected(network, URL) as connection:
                assert await connection.receive() == Opened()
                network.streams[0].broken = True
                await trio.sleep_forever()

        with pytest.raises(ZeroDivisionError, match="a bug"):
            await body()
        assert trio.current_time() == pytest.approx(1 + CLOSE_LIMIT)

    virtually(scenario)


def test_a_ping_while_closing_is_no_bug() -> None:
    async def host(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, stream)
            websocket = await request.accept()
            await websocket.send_message("o")
            # A raw ping, sent before our close frame is read and answered.
            await stream.send_all(b"\x89\x00" * 3)
            nursery.cancel_scope.cancel()

    async def scenario(nursery: trio.Nursery) -> None:
        for _ in range(3):
            async with connected(MemoryNetwork(nursery, host), URL) as connection:
                assert await connection.receive() == Opened()
        assert trio.current_time() <= 3 * CLOSE_LIMIT

    virtually(scenario)


def test_rubbish_instead_of_frames_is_a_loss() -> None:
    async def host(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, stream)
            await request.accept()
            await stream.send_all(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
            await trio.sleep(60)

    async def scenario(nursery: trio.Nursery) -> None:
        with pytest.raises(SocketLost):
            async with connected(MemoryNetwork(nursery, host), URL) as connection:
                await connection.receive(limit=30)
        assert trio.current_time() < 30

    virtually(scenario)
