"""The authorization-code grant's requests: every shape of success and failure, and no secret in any of them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
import trio
import trio.testing

from daemon.tradovate import oauth
from daemon.tradovate.answers import Limited, Penalised, Unreachable
from daemon.tradovate.oauth import Application, Declined, OAuth, Pair, PairAnswer

TOKEN_URL = "https://demo.example/auth/oauthtoken"
APPLICATION = Application("8123", "client-secret-1", "http://127.0.0.1:8642/callback")
GOOD: dict[str, object] = {
    "access_token": "tok-1",
    "token_type": "bearer",
    "expires_in": 5400,
    "refresh_token": "rt-1",
    "refresh_token_expires_in": 93600,
}
DATE = {"Date": "Mon, 02 Mar 2026 14:00:00 GMT"}
PAIR = Pair("tok-1", timedelta(minutes=90), "rt-1", timedelta(hours=26), datetime(2026, 3, 2, 14, 0, tzinfo=UTC))
Handler = Callable[[httpx.Request], httpx.Response]
T = TypeVar("T")


def ask(handler: Handler, what: Callable[[OAuth], Awaitable[T]]) -> T:
    async def main() -> T:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
            return await what(OAuth(client, TOKEN_URL))

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def refreshed(handler: Handler) -> PairAnswer:
    return ask(handler, lambda calls: calls.refresh(APPLICATION, "rt-0"))


def saying(status: int, body: object = None, headers: dict[str, str] | None = None) -> Handler:
    content = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
    return lambda _: httpx.Response(status, content=content, headers=headers)


def test_the_address_carries_the_state_and_the_challenge_and_keeps_what_was_there() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    parts = urlsplit(oauth.authorize_url("https://trader.example/oauth?lang=en", APPLICATION, "st", verifier))
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "trader.example", "/oauth")
    assert parse_qs(parts.query) == {
        "lang": ["en"],
        "response_type": ["code"],
        "client_id": ["8123"],
        "redirect_uri": ["http://127.0.0.1:8642/callback"],
        "state": ["st"],
        "code_challenge": ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],  # RFC 7636, appendix B
        "code_challenge_method": ["S256"],
    }
    assert verifier not in parts.query


def test_a_code_is_exchanged_in_one_form() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=GOOD, headers=DATE)

    assert ask(handler, lambda calls: calls.exchange(APPLICATION, "c0de", "ver")) == PAIR
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", TOKEN_URL)
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(request.content.decode())) == {
        "grant_type": "authorization_code",
        "code": "c0de",
        "redirect_uri": "http://127.0.0.1:8642/callback",
        "code_verifier": "ver",
        "client_id": "8123",
        "client_secret": "client-secret-1",
    }


def test_an_application_without_a_secret_sends_none() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert dict(parse_qsl(request.content.decode())) == {
            "grant_type": "refresh_token",
            "refresh_token": "rt-0",
            "client_id": "1",
        }
        return httpx.Response(200, json=GOOD, headers=DATE)

    assert ask(handler, lambda calls: calls.refresh(Application("1", "", "http://127.0.0.1/"), "rt-0")) == PAIR


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"error": "invalid_grant", "error_description": "used"}, Declined("invalid_grant", "used")),
        (200, {**GOOD, "error": "invalid_token"}, Declined("invalid_token", "")),
        (400, {"error": "invalid_client"}, Declined("invalid_client", "")),
        (200, {"errorText": "no"}, Declined("refused", "no")),
        (200, {"p-ticket": "t", "p-time": 7}, Penalised("t", 7, False)),
        (429, None, Limited(429, None)),
        (408, {"error": "invalid_token"}, Limited(408, None)),
        (503, None, Unreachable("the token's address answered HTTP 503", 503)),
        (200, "<html>", Unreachable("the token's address answered HTTP 200", 200)),
        (200, [], Unreachable("the token's address answered HTTP 200", 200)),
        (200, {"expires_in": 3}, Unreachable("an answer without a token or without its end", 200, useless=True)),
        (200, {"access_token": "t"}, Unreachable("an answer without a token or without its end", 200, useless=True)),
        (500, GOOD, Unreachable("an answer without a token or without its end", 500)),
        (200, {"access_token": "t", "expires_in": "60"}, Pair("t", timedelta(minutes=1), "", None, None)),
        (200, {**GOOD, "refresh_token": 5, "expires_in": 9}, Pair("tok-1", timedelta(0, 9), "", None, None)),
    ],
)  # fmt: skip
def test_what_may_be_answered(status: int, body: object, expected: PairAnswer) -> None:
    assert refreshed(saying(status, body)) == expected


def test_an_absurd_life_is_still_a_date() -> None:
    answer = refreshed(saying(200, {**GOOD, "expires_in": 2**40}))
    assert isinstance(answer, Pair)
    assert datetime(2026, 1, 1, tzinfo=UTC) + answer.life > datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("error", [httpx.ConnectError("rt-0"), httpx.ReadTimeout("client-secret-1"), OSError("rt-0")])
def test_a_network_that_fails_is_a_value_without_secrets(error: Exception) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    answer = refreshed(handler)
    assert isinstance(answer, Unreachable)
    assert answer.reason.startswith("auth/oauthtoken: ")
    assert "rt-0" not in answer.reason and "secret" not in answer.reason


def test_silence_has_an_end() -> None:
    async def silent(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    async def main() -> PairAnswer:
        async with httpx.AsyncClient(transport=httpx.MockTransport(silent)) as client:
            return await OAuth(client, TOKEN_URL).refresh(APPLICATION, "rt-0")

    assert isinstance(trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)), Unreachable)


def test_no_repr_shows_a_secret() -> None:
    for value in (PAIR, APPLICATION):
        assert not any(secret in repr(value) for secret in ("tok-1", "rt-1", "client-secret"))
