"""The page that the browser comes back to: only ours, only from this machine, and nothing of the request shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import h11
import pytest
import trio
import trio.testing

from daemon.logins import redirect
from daemon.logins.redirect import NOTHING_HERE, Callback, Page

CALLBACK = Callback("http://127.0.0.1:8642/callback")


def request(target: str = "/callback?code=1", host: str = "127.0.0.1:8642", method: str = "GET") -> h11.Request:
    return h11.Request(method=method, target=target, headers=[("host", host)])


@pytest.mark.parametrize(
    ("uri", "port"),
    [
        ("http://127.0.0.1:8642/callback", 8642),
        ("http://localhost:9/", 9),
        ("http://127.0.0.1/callback", 80),
        ("https://127.0.0.1:8642/callback", None),
        ("http://[::1]:8642/callback", None),
        ("http://192.0.2.1:8642/callback", None),
    ],
)
def test_where_it_listens(uri: str, port: int | None) -> None:
    assert Callback(uri).port == port


def test_the_browser_that_comes_back_is_let_in_and_nobody_else() -> None:
    assert CALLBACK.objection(request()) is None
    assert CALLBACK.objection(request("/callback")) is None
    assert Callback("http://LocalHost:1").objection(request("/?code=1", "localhost:1")) is None
    for other in (
        request("/favicon.ico"),
        request("//[/callback"),
        request("/callback/"),
        request(host="evil.example:8642"),
        request(host="127.0.0.1"),
        request(method="POST"),
        h11.Request(method="GET", target="/callback", headers=[("host", "127.0.0.1:8642"), ("x", "y")]),
    ):
        wanted = None if other.headers[-1][0] == b"x" else NOTHING_HERE
        assert CALLBACK.objection(other) == wanted


def virtually(story: Callable[[trio.abc.Stream, trio.abc.Stream], Awaitable[None]]) -> None:
    async def main() -> None:
        await story(*trio.testing.memory_stream_pair())

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_request_in_pieces_is_heard() -> None:
    async def story(here: trio.abc.Stream, there: trio.abc.Stream) -> None:
        async def say() -> None:
            for part in (b"GET /callback?co", b"de=1 HTTP/1.1\r\nHo", b"st: x\r\n\r\n"):
                await there.send_all(part)
                await trio.sleep(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(say)
            found = await redirect.heard(here)
            assert found is not None
            assert redirect.target_of(found) == ("/callback", "code=1")

    virtually(story)


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x00\r\n\r\n", b"GET / HTTP/1.1\r\n", b"x" * 100_000])
def test_what_is_no_request_ends_after_a_while(said: bytes) -> None:
    async def story(here: trio.abc.Stream, there: trio.abc.Stream) -> None:
        await there.send_all(said)
        assert await redirect.heard(here) is None
        assert trio.current_time() <= redirect.READ_LIMIT

    virtually(story)


def test_a_browser_that_hangs_up_is_no_matter() -> None:
    async def story(here: trio.abc.Stream, there: trio.abc.Stream) -> None:
        await there.aclose()
        assert await redirect.heard(here) is None
        await redirect.show(here, Page(200, "x"))

    virtually(story)


def test_the_page_says_it_in_words_and_lets_nothing_in() -> None:
    async def story(here: trio.abc.Stream, there: trio.abc.Stream) -> None:
        await redirect.show(here, Page(403, "Access <Denied>", ("<script>alert(1)</script>",)))
        await here.aclose()
        said = b"".join([bytes(part) async for part in there]).decode()
        head, _, body = said.partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 403 Forbidden\r\n")
        assert f"content-length: {len(body)}" in head and "content-security-policy: default-src 'none'" in head
        assert "<script>" not in body and "Access &lt;Denied&gt;" in body
        assert "You may close this window." in body

    virtually(story)
