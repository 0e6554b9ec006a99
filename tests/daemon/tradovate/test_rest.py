"""Tokens: every shape of success and failure, and no secret in any of them."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import attrs
import httpx
import pytest
import trio
import trio.testing

from daemon.tradovate import rest
from daemon.tradovate.answers import (
    BadCredentials,
    Credentials,
    Granted,
    Limited,
    NotActive,
    Owner,
    Penalised,
    TokenAnswer,
    TokenExpired,
    Unreachable,
)
from daemon.tradovate.rest import LONGEST_PAUSE, Rest

BASE = "https://demo.example/v1"
WHO = Credentials(
    username="leader01",
    password="hunter2-secret",
    app_id="copyd",
    app_version="1.0",
    cid=8123,
    sec="sec-secret",
    device_id="3b0d9e52",
)
TOKEN = "tok-secret"
WRONG = "Incorrect username or password. Please try again, noting that passwords are case-sensitive."
GOOD: dict[str, object] = {
    "accessToken": TOKEN,
    "expirationTime": "2026-03-02T15:30:00.000Z",
    "userStatus": "Active",
    "userId": 40125,
    "name": "leader01",
}
DATE = {"Date": "Mon, 02 Mar 2026 14:00:00 GMT"}
EXPIRES = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)

Handler = Callable[[httpx.Request], httpx.Response]


async def _with(handler: Handler, *, renew: bool, ticket: str = "") -> TokenAnswer:
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
        calls = Rest(client, BASE + "/")
        return await (calls.renew(TOKEN, ticket) if renew else calls.access_token(WHO, ticket))


def ask(handler: Handler, *, renew: bool = False, ticket: str = "") -> TokenAnswer:
    async def main() -> TokenAnswer:
        return await _with(handler, renew=renew, ticket=ticket)

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def saying(status: int, body: object = None, headers: dict[str, str] | None = None) -> Handler:
    content = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
    return lambda _: httpx.Response(status, content=content, headers=headers)


def test_a_login_is_one_post_with_a_numeric_cid() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=GOOD, headers=DATE)

    granted = ask(handler)
    assert granted == Granted(TOKEN, EXPIRES, 40125, "Active", datetime(2026, 3, 2, 14, 0, tzinfo=UTC))
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", BASE + "/auth/accesstokenrequest")
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content) == {
        "name": "leader01",
        "password": "hunter2-secret",
        "appId": "copyd",
        "appVersion": "1.0",
        "deviceId": "3b0d9e52",
        "cid": 8123,
        "sec": "sec-secret",
    }


def test_the_end_of_the_password_is_told_where_the_broker_tells_it() -> None:
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    for ends, read in (("2027-01-01T00:00:00.000Z", new_year), ("some day", None), (None, None), (5, None)):
        answer = httpx.Response(200, json={**GOOD, "passwordExpirationTime": ends})
        told = ask(lambda request, answer=answer: answer)  # type: ignore[misc]  # bound now, and of one argument
        assert isinstance(told, Granted) and told.password_expires_at == read


def test_a_renewal_is_one_get_with_the_token() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert (request.method, str(request.url)) == ("GET", BASE + "/auth/renewaccesstoken")
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.content == b""
        return httpx.Response(200, json=GOOD)

    assert ask(handler, renew=True) == Granted(TOKEN, EXPIRES, 40125, "Active", None)


@pytest.mark.parametrize("renew", [False, True])
def test_a_ticket_that_was_waited_for_goes_along(renew: bool) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.method == "POST"
        assert json.loads(request.content)["p-ticket"] == "t1"
        return httpx.Response(200, json=GOOD)

    assert isinstance(ask(handler, renew=renew, ticket="t1"), Granted)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"errorText": WRONG}, BadCredentials(WRONG)),
        (200, {**GOOD, "errorText": WRONG}, BadCredentials(WRONG)),
        (401, {"error": "Invalid credentials", "message": "wrong"}, BadCredentials("wrong")),
        (401, None, BadCredentials("HTTP 401")),
        (400, "Invalid or missed parameters", BadCredentials("Invalid or missed parameters")),
        (
            200,
            {"errorText": "System maintenance, try again later"},
            Unreachable("System maintenance, try again later", 200),
        ),
        (200, {"p-ticket": "t", "p-time": 19, "p-captcha": True}, Penalised("t", 19, True)),
        (200, {**GOOD, "p-ticket": "t", "p-time": 5}, Penalised("t", 5, False)),
        (200, {**GOOD, "userStatus": "TemporaryLocked"}, NotActive("TemporaryLocked")),
        (200, {"userStatus": "Closed", "errorText": "closed"}, NotActive("Closed")),
        (
            200,
            {**GOOD, "accessToken": ""},
            Unreachable("an answer without a token or without its end", 200, useless=True),
        ),
        (
            200,
            {**GOOD, "expirationTime": "soon"},
            Unreachable("an answer without a token or without its end", 200, useless=True),
        ),
        (200, [], Unreachable("an answer that is no JSON object", 200)),
        (200, "<html>", Unreachable("an answer that is no JSON object", 200)),
        (204, None, Unreachable("an answer that is no JSON object", 204)),
        (403, "<html>firewall</html>", Unreachable("HTTP 403", 403)),
        (404, None, Unreachable("HTTP 404", 404)),
        (307, None, Unreachable("HTTP 307", 307)),
        (408, None, Unreachable("HTTP 408", 408)),
        (500, "oops", Unreachable("HTTP 500", 500)),
        (503, {"errorText": WRONG}, Unreachable("HTTP 503", 503)),
        (429, None, Limited(429, None)),
        (423, {"error": "Rate limit exceeded"}, Limited(423, None)),
    ],
)
def test_answers_to_a_login(status: int, body: object, expected: TokenAnswer) -> None:
    assert ask(saying(status, body)) == expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, {"error": "Token expired", "message": "gone"}, TokenExpired("gone")),
        (400, {"errorText": "Expired Access Token"}, TokenExpired("Expired Access Token")),
        (403, None, TokenExpired("HTTP 403")),
        (200, {"errorText": "Access is denied"}, TokenExpired("Access is denied")),
        (408, None, Limited(408, None)),
        (429, None, Limited(429, None)),
        (500, None, Unreachable("HTTP 500", 500)),
    ],
)
def test_answers_to_a_renewal(status: int, body: object, expected: TokenAnswer) -> None:
    assert ask(saying(status, body), renew=True) == expected


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("30", 30.0), ("Mon, 02 Mar 2026 14:00:00 GMT", None), ("-1", None), ("9" * 400, LONGEST_PAUSE)],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert ask(saying(429, None, {"Retry-After": header})) == Limited(429, seconds)


def test_an_unreadable_date_is_no_date() -> None:
    answer = ask(saying(200, GOOD, {"Date": "yesterday"}))
    assert isinstance(answer, Granted)
    assert answer.server_date is None


def behind(error: Exception, *causes: BaseException) -> Exception:
    """As httpx raises it: what the system has said is two or three exceptions further down."""
    one: BaseException = error
    for cause in causes:
        one.__cause__ = cause
        one = cause
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx.ConnectError(f"no route {TOKEN}"), "ConnectError"),
        (httpx.ReadTimeout("hunter2-secret"), "no answer in time"),
        (httpx.ConnectTimeout("hunter2-secret"), "no connection in time"),
        (httpx.RemoteProtocolError("x"), "RemoteProtocolError"),
        (OSError("x"), "OSError"),
        (trio.BrokenResourceError(), "BrokenResourceError"),
        (
            behind(httpx.ConnectError("x"), OSError("x"), ExceptionGroup("x", [ConnectionRefusedError(111, "x")])),
            "Connection refused",
        ),
        (
            behind(httpx.ConnectError("x"), socket.gaierror(-2, "Name or service not known")),
            "Name or service not known",
        ),
        (behind(httpx.ConnectError("x"), ssl.SSLError(1, "x")), "no TLS is spoken there"),
    ],
)
def test_what_the_network_does_is_a_value_with_the_place_and_without_secrets(error: Exception, said: str) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    answer = ask(handler)
    assert isinstance(answer, Unreachable)
    assert answer.reason == f"auth/accesstokenrequest: {urlsplit(BASE).hostname}:443: {said}"


def test_a_broker_that_never_answers_is_given_up() -> None:
    @attrs.frozen
    class Silence(httpx.AsyncBaseTransport):
        """Does not heed httpx's time-outs, as a custom transport need not."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await trio.sleep_forever()

    async def main() -> tuple[TokenAnswer, float]:
        async with httpx.AsyncClient(transport=Silence()) as client:
            return await Rest(client, BASE).renew(TOKEN), trio.current_time()

    answer, now = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert isinstance(answer, Unreachable)
    assert now == pytest.approx(rest.LIMIT + 2)


def test_a_bug_stays_a_bug() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(handler)


def test_no_secret_is_shown() -> None:
    shown = repr((WHO, Granted(TOKEN, EXPIRES, 1, "Active", None), Penalised("ticket-secret", 1, False)))
    assert "secret" not in shown


def owner(users: object, accounts: object, status: int = 200) -> Owner | Unreachable:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer tok-1"
        body = users if request.url.path == "/v1/user/list" else accounts
        return httpx.Response(status, json=body)

    async def main() -> Owner | Unreachable:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
            return await Rest(client, BASE).owner("tok-1")

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_whose_token_it_is() -> None:
    assert owner([{"id": 7, "name": "jane"}], [{"name": "A"}, {"name": "B"}]) == Owner(7, "jane", frozenset({"A", "B"}))
    assert owner([{"id": 7, "name": "jane"}], []) == Owner(7, "jane", frozenset())


@pytest.mark.parametrize(
    ("users", "accounts", "status"),
    [([], [], 200), ([{"name": "x"}], [], 200), ([{"id": 7}], {}, 200), ([{"id": 7}], [], 401), ("x", [], 200)],
)
def test_a_token_whose_owner_is_not_told(users: object, accounts: object, status: int) -> None:
    assert isinstance(owner(users, accounts, status), Unreachable)
