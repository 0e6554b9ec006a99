"""One connection to the control socket, at a pair of real sockets, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from starlette.types import ASGIApp, Receive, Scope, Send

from daemon.control.connection import LEFT_LIMIT, LEFT_WITHIN, REQUEST_LIMIT, Connection

ASKED = b"GET /said HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def greets(scope: Scope, receive: Receive, send: Send) -> None:
    body = f"{scope['method']} {scope['path']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def repeats(scope: Scope, receive: Receive, send: Send) -> None:
    """Says back what the request has in it, and how it ended."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", message["type"].encode())
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def streams(scope: Scope, receive: Receive, send: Send) -> None:
    """Goes on until the client has gone."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


@asynccontextmanager
async def connected(
    app: ASGIApp, broken: Callable[[], None] = lambda: None
) -> AsyncIterator[tuple[trio.SocketStream, trio.Event]]:
    """The client's end, and what is set when the daemon's has ended."""
    ours, theirs = map(trio.SocketStream, trio.socket.socketpair())
    ended = trio.Event()

    async def live() -> None:
        async with ours:
            await Connection(ours, app, broken).run()
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(live)
        async with theirs:
            yield theirs, ended
            nursery.cancel_scope.cancel()


async def all_of(client: trio.SocketStream) -> bytes:
    return b"".join([bytes(part) async for part in client])


def tell(story: Callable[[], Awaitable[None]]) -> None:
    trio.run(story, clock=trio.testing.MockClock(autojump_threshold=0))


async def heard(client: trio.SocketStream, end: bytes) -> bytes:
    text = b""
    while not text.endswith(end):
        part = await client.receive_some()
        assert part, text
        text += part
    return text


def test_a_request_that_drips_is_not_waited_for() -> None:
    async def story() -> None:
        async with connected(greets) as (client, ended):
            for _ in range(3):
                await client.send_all(b"G")
                await trio.sleep(REQUEST_LIMIT / 4)
            await ended.wait()
            assert trio.current_time() == pytest.approx(REQUEST_LIMIT)
            assert await all_of(client) == b""

    tell(story)


def test_a_client_that_is_answered_need_not_speak_and_its_time_begins_anew() -> None:
    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.sleep(10 * REQUEST_LIMIT)
        await greets(scope, receive, send)

    async def story() -> None:
        async with connected(late) as (client, ended):
            await client.send_all(ASKED)
            await heard(client, b"GET /said")
            assert trio.current_time() == pytest.approx(10 * REQUEST_LIMIT)
            await ended.wait()
            assert trio.current_time() == pytest.approx(11 * REQUEST_LIMIT)

    tell(story)


def test_requests_follow_each_other_on_one_connection_also_when_they_come_at_once() -> None:
    async def story() -> None:
        async with connected(greets) as (client, _):
            await client.send_all(ASKED + ASKED.replace(b"said", b"%61gain"))
            text = await heard(client, b"GET /again")
            assert text.count(b"HTTP/1.1 200") == 2 and text.count(b"\r\ndate: ") == 2
            await client.send_all(ASKED.replace(b"1.1\r\n", b"1.1\r\nConnection: close\r\n"))
            assert (await all_of(client)).endswith(b"GET /said")

    tell(story)


def test_a_head_has_no_body() -> None:
    async def story() -> None:
        async with connected(greets) as (client, _):
            await client.send_all(ASKED.replace(b"GET", b"HEAD") + ASKED)
            text = await heard(client, b"GET /said")
            assert b"HEAD /said" not in text and b"content-length: 10\r\n" in text

    tell(story)


def test_a_body_is_read_when_the_application_wants_it() -> None:
    posted = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"

    async def story() -> None:
        async with connected(repeats) as (client, _):
            await client.send_all(posted)
            assert await heard(client, b"\r\n\r\n") == b"HTTP/1.1 100 \r\n\r\n"
            await client.send_all(b"hello")
            assert (await heard(client, b"hello")).startswith(b"HTTP/1.1 200")

    tell(story)


def test_a_body_that_nobody_wants_is_read_over_and_an_endless_one_is_not() -> None:
    posted = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"

    async def story() -> None:
        async with connected(greets) as (client, ended):
            await client.send_all(posted % 5 + b"hello" + ASKED)
            assert (await heard(client, b"GET /said")).count(b"HTTP/1.1 200") == 2
            await client.send_all(posted % (4 * LEFT_LIMIT) + b"x" * (2 * LEFT_LIMIT))
            await ended.wait()
            assert trio.current_time() == 0.0
        async with connected(greets) as (client, ended):
            await client.send_all(posted % 5 + b"half")
            await ended.wait()
            assert trio.current_time() == pytest.approx(LEFT_WITHIN)

    tell(story)


def test_who_breaks_off_within_a_body_is_told_so_to_the_application() -> None:
    posted = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nhalf"

    async def story() -> None:
        async with connected(repeats) as (client, _):
            await client.send_all(posted)
            await client.send_eof()
            assert (await all_of(client)).endswith(b"halfhttp.disconnect")

    tell(story)


@pytest.mark.parametrize("words", [b"", ASKED], ids=["hangs up", "asks for something else"])
def test_a_stream_ends_when_its_client_does_anything_but_listen(words: bytes) -> None:
    async def story() -> None:
        async with connected(streams) as (client, ended):
            await client.send_all(ASKED)
            await heard(client, b"hello\r\n")
            await trio.sleep(10 * REQUEST_LIMIT)
            await (client.send_all(words) if words else client.send_eof())
            await ended.wait()
            assert trio.current_time() == pytest.approx(10 * REQUEST_LIMIT)

    tell(story)


def test_what_is_said_to_a_client_that_has_gone_is_no_error() -> None:
    async def chatters(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})

    async def story() -> None:
        async with connected(chatters) as (client, ended):
            await client.send_all(ASKED)
            assert await client.receive_some(100)
            await client.aclose()
            await ended.wait()

    tell(story)


def test_nonsense_is_answered_once_and_hung_up() -> None:
    told: list[str] = []

    async def story() -> None:
        async with connected(greets, lambda: told.append("broken")) as (client, _):
            await client.send_all(b"GET /said HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            text = await all_of(client)
            assert text.startswith(b"HTTP/1.1 400") and b"connection: close" in text.lower()
            assert told == ["broken"]

    tell(story)


def test_a_bug_is_passed_on_unless_it_has_been_answered() -> None:
    async def answers_and_breaks(scope: Scope, receive: Receive, send: Send) -> None:
        await greets(scope, receive, send)
        raise KeyError("told already")

    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello", "more_body": True})
        raise KeyError("in the middle")

    async def story() -> None:
        async with connected(answers_and_breaks) as (client, _):
            for _ in range(2):  # and the connection goes on
                await client.send_all(ASKED)
                assert (await heard(client, b"GET /said")).startswith(b"HTTP/1.1 200")
        with pytest.RaisesGroup(KeyError):
            async with connected(breaks) as (client, _):
                await client.send_all(ASKED)
                await trio.sleep_forever()

    tell(story)
