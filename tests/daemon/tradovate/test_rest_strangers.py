"""What a stranger, or a broken broker, may make of a request: another host, and an answer without end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import trio

from daemon.tradovate.answers import Granted, TokenAnswer, Unreachable
from daemon.tradovate.rest import Rest

HERE = "https://demo.tradovateapi.com/v1"
GOOD = {"accessToken": "tok-2", "expirationTime": "2026-11-18T16:30:00.000Z", "userStatus": "Active", "userId": 7}


def renewed(location: str) -> tuple[TokenAnswer, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def broker(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.host == "demo.tradovateapi.com":
            return httpx.Response(307, headers={"Location": location})
        return httpx.Response(200, json=GOOD)

    async def main() -> TokenAnswer:
        async with httpx.AsyncClient(transport=httpx.MockTransport(broker)) as client:
            return await Rest(client, HERE).renew("tok-1")

    return trio.run(main), seen


def test_the_token_goes_along_to_another_host_of_the_same_domain() -> None:
    answer, seen = renewed("https://demo-7.tradovateapi.com/v1/auth/renewaccesstoken")
    assert isinstance(answer, Granted)
    assert [request.headers["Authorization"] for request in seen] == ["Bearer tok-1", "Bearer tok-1"]


@pytest.mark.parametrize(
    "location",
    [
        "https://tradovateapi.com.example.org/v1/auth/renewaccesstoken",
        "https://example.org/v1/auth/renewaccesstoken",
        "http://demo-7.tradovateapi.com/v1/auth/renewaccesstoken",
        "",
        "https://[bad",
    ],
)
def test_the_token_goes_to_no_stranger_and_never_in_the_clear(location: str) -> None:
    answer, seen = renewed(location)
    assert isinstance(answer, Unreachable)
    assert len(seen) <= 2
    assert all(request.url.host == "demo.tradovateapi.com" and request.url.scheme == "https" for request in seen)


def test_an_answer_of_a_giants_size_is_none() -> None:

    async def flood() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 2**20

    async def main() -> TokenAnswer:
        transport = httpx.MockTransport(lambda request: httpx.Response(200, content=flood()))
        async with httpx.AsyncClient(transport=transport) as client:
            return await Rest(client, HERE).renew("tok-1")

    answer = trio.run(main)
    assert isinstance(answer, Unreachable)
    assert "larger than 8 MiB" in answer.reason
