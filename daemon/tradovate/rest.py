"""The broker's REST calls: getting a token and renewing it, and single questions where no session is open.

Rule 1: one call, one request. Nothing is retried here; the login decides with its budget.
Rule 2: an answer is a value. Nothing that the broker or the network does raises.
Rule 3: no password, secret or token is in a text or a repr that leaves this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
import trio

from daemon.tradovate import unreached
from daemon.tradovate.answers import (
    Asked,
    BadCredentials,
    Credentials,
    Granted,
    Limited,
    NotActive,
    Owner,
    Penalised,
    Said,
    TokenAnswer,
    TokenExpired,
    Unreachable,
)
from daemon.tradovate.frames import decode, encode
from daemon.tradovate.hosts import redirect_of, same_house
from daemon.tradovate.messages import AILING, penalty, text_of
from daemon.tradovate.scalars import identity, moment, phrase

LIMIT = 10.0  # seconds; the certification asks for logins within 2 s and renewals within 1 s, so this is generous
FURTHER = 2.0  # seconds; httpx's own time-outs come first and say which part was slow

EXPECTED = (
    httpx.RequestError,
    httpx.InvalidURL,  # of a redirect
    OSError,
    trio.TooSlowError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)


class Rest:
    """Calls to one environment. `base_url` ends in /v1; the client must not retry and must not follow redirects.

    `redirected` is told where the broker has sent us, when that is a host of its own.
    """

    def __init__(self, client: httpx.AsyncClient, base_url: str) -> None:
        self._client = client
        self._base = base_url.rstrip("/")
        self.redirected: Callable[[str], None] = lambda address: None
        self.spent: Callable[[], None] = lambda: None  # called for every request

    def move(self, base_url: str) -> None:
        """From now on this is the address."""
        self._base = base_url.rstrip("/")

    async def close(self) -> None:
        """Closes the connections that wait for a next request, also those that OAuth has made with this client."""
        await self._client.aclose()

    async def access_token(self, credentials: Credentials, ticket: str = "") -> TokenAnswer:
        """auth/accesstokenrequest: opens a session at the broker, and evicts an older one. (Tradovate OpenAPI.)

        `ticket` is that of a penalty that has been waited for.
        """
        body: dict[str, object] = {
            "name": credentials.username,
            "password": credentials.password,
            "appId": credentials.app_id,
            "appVersion": credentials.app_version,
            "deviceId": credentials.device_id,
            "cid": credentials.cid,  # a number, not a text (community forum, staff)
            "sec": credentials.sec,
            "p-ticket": ticket,
        }
        sent = {name: value for name, value in body.items() if value not in ("", None)}
        return await self._ask("POST", "auth/accesstokenrequest", encode(sent), None, BadCredentials)

    async def renew(self, token: str, ticket: str = "") -> TokenAnswer:
        """auth/renewaccesstoken: a later end for the same session, with a new token. (Tradovate OpenAPI.)"""
        if ticket:
            return await self._ask("POST", "auth/renewaccesstoken", encode({"p-ticket": ticket}), token, TokenExpired)
        return await self._ask("GET", "auth/renewaccesstoken", None, token, TokenExpired)

    async def question(self, endpoint: str, token: str | None, body: Mapping[str, object] | None = None) -> Asked:
        """A read, or a request that changes nothing: GET, and POST where there is a body."""
        method, content = ("GET", None) if body is None else ("POST", encode(body))
        response = await self._sent(method, endpoint, content, token)
        if isinstance(response, Unreachable):
            return response
        try:
            data = decode(response.content)
        except ValueError:
            data = response.text
        return Said(response.status_code, data, server_date(response), response.headers.get("Location", ""))

    async def accepted(self, token: str) -> bool:
        """Is the token good for a question? True also when that cannot be told."""
        answer = await self.question("user/list", token)
        return not isinstance(answer, Said) or answer.status not in (*_REFUSALS, _GONE)

    async def owner(self, token: str) -> Owner | Unreachable:
        """user/list is the token's own user; account.userId would be a prop firm's."""
        users, accounts = await self.question("user/list", token), await self.question("account/list", token)
        for answer in (users, accounts):
            if isinstance(answer, Unreachable):
                return answer
        rows, seen = _items(users), _items(accounts)
        user = identity(rows[0].get("id")) if rows else None
        if not rows or user is None or seen is None:
            return Unreachable("the broker did not say whose the token is")
        return Owner(user, phrase(rows[0].get("name")), frozenset(phrase(one.get("name")) for one in seen))

    async def _ask(
        self, method: str, endpoint: str, body: str | None, token: str | None, no: type[BadCredentials | TokenExpired]
    ) -> TokenAnswer:
        response = await self._sent(method, endpoint, body, token)
        if isinstance(response, httpx.Response) and response.status_code == MOVED:
            response = await self._moved(response, method, endpoint, body, token)
        return response if isinstance(response, Unreachable) else _judged(response, no)

    async def _moved(
        self, response: httpx.Response, method: str, endpoint: str, body: str | None, token: str | None
    ) -> httpx.Response | Unreachable:
        """Some organisations live on hosts of their own. Followed once, and only within the environment's domain."""
        there = redirect_of(f"{self._base}/{endpoint}", response.headers.get("Location", ""))
        if not same_house(self._base, there):
            host = urlsplit(there).hostname
            return Unreachable(
                f"{endpoint}: redirected to {host or 'no address'}, which is not the broker's; nothing was sent there",
                MOVED,
            )
        self.redirected(there)
        return await self._sent(method, endpoint, body, token, there)

    async def _sent(
        self, method: str, endpoint: str, body: str | None, token: str | None, url: str = ""
    ) -> httpx.Response | Unreachable:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self.spent()
        there = url or f"{self._base}/{endpoint}"
        try:
            with trio.fail_after(LIMIT + FURTHER):
                async with self._client.stream(method, there, content=body, headers=headers, timeout=LIMIT) as response:
                    return await _bounded(response, endpoint)
        except EXPECTED as error:
            return Unreachable(f"{endpoint}: {unreached.why(error, there)}")


def _items(answer: Asked) -> list[dict[object, object]] | None:
    if not isinstance(answer, Said) or not 200 <= answer.status < 300 or not isinstance(answer.data, list):
        return None
    return [one for one in answer.data if isinstance(one, dict)]


async def _bounded(response: httpx.Response, endpoint: str) -> httpx.Response | Unreachable:
    """The whole answer, if it is of a size that an answer has: to decode a giant one would stop everybody's turns.

    A giant is heard to its end, or to the deadline, because a stream that is left in the middle ties its connection up.
    """
    content, size = bytearray(), 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size <= LARGEST:
            content += chunk
    if size > LARGEST:
        return Unreachable(f"{endpoint}: the answer is larger than {LARGEST // 2**20} MiB", response.status_code)
    kept = [(name, value) for name, value in response.headers.items() if name.lower() not in _OF_THE_WIRE]
    return httpx.Response(response.status_code, headers=kept, content=bytes(content), request=response.request)


LARGEST = 8 * 2**20  # bytes; a session's lists have been seen to stay far below
_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})  # true of the bytes as they came
LONGEST_PAUSE = 24 * 3600.0  # seconds: whatever an answer asks for, by then somebody has looked
MOVED = 307  # what the wrong host answers (docs of the broker's dynamic hosts)
_REFUSALS = (400, 401, 403)
_GONE = 408
_HELD = (_GONE, 423, 429)
_OURS = ("password", "username", "credential", "locked", "disabled", "expired")


def _judged(response: httpx.Response, no: type[BadCredentials | TokenExpired]) -> TokenAnswer:
    """The failure shapes of the Tradovate OpenAPI and of the partner certification, stage 1."""
    status = response.status_code
    try:
        data = decode(response.content)
    except ValueError:
        data = None
    found = penalty(data)
    if found is not None:
        return Penalised(found.ticket, found.seconds, found.captcha)
    if status in _HELD and not (status == 408 and no is BadCredentials):
        return Limited(status, retry_after(response))
    page = response.content.lstrip()[:1] == b"<"  # a proxy's or a firewall's page is not the broker's word
    if status in _REFUSALS and not page:
        return no(text_of(response.text if data is None else data) or f"HTTP {status}")
    if not response.is_success:
        return Unreachable(f"HTTP {status}", status)
    if not isinstance(data, dict):
        return Unreachable("an answer that is no JSON object", status)
    return _granted(data, response, no)


def _granted(
    data: dict[object, object], response: httpx.Response, no: type[BadCredentials | TokenExpired]
) -> TokenAnswer:
    user_status = phrase(data.get("userStatus"))
    if user_status not in ("", "Active"):
        return NotActive(user_status)
    if phrase(data.get("errorText")):
        text = text_of(data)
        lower = text.lower()
        if any(word in lower for word in AILING) and not any(word in lower for word in _OURS):
            return Unreachable(text, response.status_code)
        return no(text)
    token, expires_at = phrase(data.get("accessToken")), moment(data.get("expirationTime"))
    if not token or expires_at is None:
        return Unreachable("an answer without a token or without its end", response.status_code, useless=True)
    user = identity(data.get("userId"))
    return Granted(
        token,
        expires_at,
        user,
        user_status or "Active",
        server_date(response),
        hosts=_hosts(data.get("apiHosts")),
        password_expires_at=moment(data.get("passwordExpirationTime")),
    )


def _hosts(data: object) -> Mapping[str, str]:
    """The document of `apiHosts` is not public: what is no name of a host is passed over."""
    found = data.items() if isinstance(data, dict) else ()
    return {str(kind): host for kind, host in found if isinstance(host, str) and host}


def server_date(response: httpx.Response) -> datetime | None:
    """The Date header as aware UTC."""
    try:
        at = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def retry_after(response: httpx.Response) -> float | None:
    """In seconds, a day at most; its other form, a date, is not used by the broker and not understood here."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), LONGEST_PAUSE) if text.isascii() and text.isdigit() else None
