"""HTTP and upgrade on one port, in memory and on the loopback."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import attrs
import httpx
import pytest
import trio
import trio.testing
from trio_websocket import ConnectionRejected, open_websocket_url

from daemon.simulator import Broker, Faults, Server, Severed, serve_tcp
from tests.simulator.client import LOGINS, House, login, play


async def exchange(house: House, *pieces: bytes) -> bytes:
    """Send these bytes piece by piece on one connection and return all that comes back."""
    here, there = trio.testing.memory_stream_pair()
    received = b""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.server.serve_stream, there)
        for piece in pieces:
            await here.send_all(piece)
            await trio.sleep(0.01)
        await here.send_eof()
        async for data in here:
            received += data
    return received


def test_requests_on_a_connection_that_is_kept_alive() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        head = f"GET /V1/Account/List HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        received = await exchange(house, head, head[:20], head[20:])
        assert received.count(b"HTTP/1.1 200") == 2
        assert received.count(b'"LEAD"') == 2
        assert received.lower().count(b"date: fri, 20 nov 2026 15:00:00 gmt") == 2

    play(story)


def test_a_request_that_is_no_http_ends_the_connection() -> None:
    async def story(house: House) -> None:
        assert await exchange(house, b"\x16\x03\x01nonsense\r\n\r\n") == b""
        assert await exchange(house, b"") == b""
        assert b"connection: close" in (await exchange(house, b"GET / HTTP/1.0\r\n\r\n")).lower()

    play(story)


def test_an_upgrade_whose_head_comes_in_pieces() -> None:
    async def story(house: House) -> None:
        head = (
            b"GET /v1/WebSocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        before = b"GET /v1/user/list HTTP/1.1\r\nHost: x\r\n\r\n"  # an ordinary request first, on the same connection
        received = await exchange(house, before, head[:50], head[50:90], head[90:])
        assert b"HTTP/1.1 401" in received
        assert b"HTTP/1.1 101" in received
        assert received.count(b"\x81\x01o") == 1

    play(story)


def test_wrong_paths_and_bodies() -> None:
    async def story(house: House) -> None:
        with pytest.raises(ConnectionRejected):
            async with house.connect(path="/v2/websocket"):
                pass
        assert (await house.server.rest("GET", "/v2/account/list", {}, b""))[0] == 404
        assert (await house.server.rest("POST", "/v1/auth/accesstokenrequest", {}, b"{"))[0] == 400
        assert (await house.server.rest("POST", "/v1/auth/accesstokenrequest", {}, b"[]"))[0] == 200
        assert (await house.server.rest("GET", "/v1/account/list", {}, b""))[0] == 401

    play(story)


def test_every_answer_has_a_date() -> None:
    async def story(house: House) -> None:
        await trio.sleep(90)
        for faults in (Faults(), Faults(down=True), Faults(redirect="https://example.invalid")):
            house.server.faults = faults
            _, headers, _ = await house.server.rest("GET", "/v1/account/list", {}, b"")
            assert parsedate_to_datetime(headers["date"]) == datetime(2026, 11, 20, 15, 1, 30, tzinfo=UTC)
        status, headers, body = await house.server.rest("GET", "/v1/account/list?x=1", {}, b"")
        assert (status, headers["location"], body) == (307, "https://example.invalid/v1/account/list?x=1", b"")

    play(story)


def test_refusing_closes_without_a_word() -> None:
    async def story(house: House) -> None:
        house.server.go_down(refusing=True)
        with pytest.raises(Severed):
            await house.server.rest("GET", "/v1/account/list", {}, b"")
        assert await exchange(house, b"GET /v1/account/list HTTP/1.1\r\nHost: x\r\n\r\n") == b""
        with trio.move_on_after(5):
            async with house.connect():
                pass
        assert house.server.sockets_opened == 0

    play(story)


def test_without_run_a_late_order_is_a_mistake_of_the_test() -> None:
    async def main() -> None:
        broker = Broker.build(LOGINS, now=lambda: datetime(2026, 11, 20, tzinfo=UTC), dice=random.Random(1))
        server = Server(broker)
        token = (await login(server))["accessToken"]
        server.accept_late(5)
        with pytest.raises(RuntimeError, match=r"Server\.run"):
            await server.rest("POST", "/v1/order/placeorder", {"Authorization": f"Bearer {token}"}, b"{}")

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_on_the_loopback_with_the_libraries_of_a_real_client() -> None:
    async def main() -> None:
        broker = Broker.build(LOGINS, now=lambda: datetime(2026, 11, 20, tzinfo=UTC), dice=random.Random(1))
        server = Server(broker)
        async with trio.open_nursery() as nursery:
            port = await nursery.start(serve_tcp, server)
            with trio.fail_after(10):
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1/", trust_env=False) as client:
                    credentials = {"name": "jane", "password": "secret"}
                    answer = (await client.post("auth/accesstokenrequest", json=credentials)).json()
                    client.headers["Authorization"] = f"Bearer {answer['accessToken']}"
                    assert len((await client.get("account/list")).json()) == 3
                    async with open_websocket_url(f"ws://127.0.0.1:{port}/v1/websocket") as socket:
                        assert await socket.get_message() == "o"
                        await socket.send_message(f"authorize\n0\n\n{answer['accessToken']}")
                        assert await socket.get_message() == 'a[{"s":200,"i":0}]'
                        server.send_huge(size=700_000)
                        assert len(await socket.get_message()) > 700_000
                    server.faults = attrs.evolve(server.faults, refusing=True)
                    with pytest.raises(httpx.TransportError):
                        await client.get("account/list")
            nursery.cancel_scope.cancel()

    trio.run(main)
