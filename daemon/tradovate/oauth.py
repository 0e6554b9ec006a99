"""The authorization-code grant: the address for the browser, the exchange of a code, refreshing.

Rule 1: one call, one request. Nothing is retried here; what is doubtful is the login's to judge.
Rule 2: an answer is a value. Errors come as HTTP 200 with `error` and `error_description` (Tradovate OpenAPI, 2026) and
        are taken with any other status as well (RFC 6749, 5.2).
Rule 3: no code, verifier, secret or token is in a text or a repr that leaves this file.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit, urlunsplit

import attrs
import httpx
import trio

from daemon.tradovate import unreached
from daemon.tradovate.answers import Limited, Penalised, Unreachable
from daemon.tradovate.frames import decode
from daemon.tradovate.hosts import redirect_of, same_house
from daemon.tradovate.messages import penalty
from daemon.tradovate.rest import EXPECTED, FURTHER, LIMIT, MOVED, retry_after, server_date
from daemon.tradovate.scalars import phrase, whole

_FORM = "application/x-www-form-urlencoded"
_HELD = (408, 423, 429)
_LONGEST = 300  # characters of a text that the broker says and an operator reads
_TOO_LONG = 10 * 366 * 86400  # seconds: a date must come of it


@attrs.frozen
class Application:
    """What is registered at the broker. `redirect_uri` must be the registered one byte for byte; no secret: ""."""

    client_id: str
    client_secret: str = attrs.field(repr=False)
    redirect_uri: str


@attrs.frozen
class Pair:
    """`life` counts from the answer. `refresh` is "" where the broker gave none (Tradovate OpenAPI before 2026)."""

    access: str = attrs.field(repr=False)
    life: timedelta
    refresh: str = attrs.field(repr=False)
    refresh_life: timedelta | None
    server_date: datetime | None


@attrs.frozen
class Declined:
    """`error` is a word of RFC 6749, or invalid_token; `text` is the broker's sentence."""

    error: str
    text: str

    def __str__(self) -> str:
        return f"{self.error}: {self.text}" if self.text else self.error


PairAnswer = Pair | Declined | Limited | Penalised | Unreachable


def authorize_url(base: str, application: Application, state: str, verifier: str) -> str:
    """The page where the user says yes. PKCE with S256 (RFC 7636): only who knows the verifier can use the code."""
    parts = urlsplit(base)
    query = {
        "response_type": "code",
        "client_id": application.client_id,
        "redirect_uri": application.redirect_uri,
        "state": state,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    joined = "&".join(part for part in (parts.query, urlencode(query)) if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, joined, ""))


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class OAuth:
    """Calls to one environment. `token_url` is the whole address; the client must not retry."""

    def __init__(self, client: httpx.AsyncClient, token_url: str) -> None:
        self._client = client
        self._token_url = token_url
        self.spent: Callable[[], None] = lambda: None  # called for every request

    async def exchange(self, application: Application, code: str, verifier: str) -> PairAnswer:
        """A code, which is good once and for about a minute, becomes tokens."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": application.redirect_uri,
            "code_verifier": verifier,
        }
        return await self._token(application, fields)

    async def refresh(self, application: Application, refresh: str, ticket: str = "") -> PairAnswer:
        """A later pair. The broker then forgets `refresh`: write the new one down before anything else.

        `ticket` is that of a penalty that has been waited for.
        """
        fields = {"grant_type": "refresh_token", "refresh_token": refresh}
        return await self._token(application, {**fields, "p-ticket": ticket} if ticket else fields)

    async def _token(self, application: Application, fields: dict[str, str]) -> PairAnswer:
        fields = {**fields, "client_id": application.client_id}
        if application.client_secret:
            fields["client_secret"] = application.client_secret
        headers = {"Content-Type": _FORM, "Accept": "application/json"}
        response = await self._sent(self._token_url, urlencode(fields), headers)
        if isinstance(response, httpx.Response) and response.status_code == MOVED:
            there = redirect_of(self._token_url, response.headers.get("Location", ""))
            if same_house(self._token_url, there):
                response = await self._sent(there, urlencode(fields), headers)
        return response if isinstance(response, Unreachable) else _judged(response)

    async def _sent(self, url: str, content: str, headers: dict[str, str]) -> httpx.Response | Unreachable:
        self.spent()
        try:
            with trio.fail_after(LIMIT + FURTHER):
                return await self._client.post(url, content=content, headers=headers, timeout=LIMIT)
        except EXPECTED as error:
            return Unreachable(f"{urlsplit(url).path.strip('/')}: {unreached.why(error, url)}")


def _judged(response: httpx.Response) -> PairAnswer:
    data = _decoded(response)
    found = penalty(data)
    if found is not None:
        return Penalised(found.ticket, found.seconds, found.captcha)
    if response.status_code in _HELD:
        return Limited(response.status_code, retry_after(response))
    if not isinstance(data, dict):
        return Unreachable(f"the token's address answered HTTP {response.status_code}", response.status_code)
    error = phrase(data.get("error"))
    if error or phrase(data.get("errorText")):
        text = phrase(data.get("error_description")) or phrase(data.get("errorText"))
        return Declined(error[:64] or "refused", text[:_LONGEST])
    access, life = phrase(data.get("access_token")), whole(data.get("expires_in"))
    if not response.is_success or not access or not life or life < 0:
        words = "an answer without a token or without its end"
        return Unreachable(words, response.status_code, useless=response.is_success)
    refresh, refresh_life = phrase(data.get("refresh_token")), whole(data.get("refresh_token_expires_in"))
    return Pair(
        access,
        timedelta(seconds=min(life, _TOO_LONG)),
        refresh,
        timedelta(seconds=min(refresh_life, _TOO_LONG)) if refresh and refresh_life and refresh_life > 0 else None,
        server_date(response),
    )


def _decoded(response: httpx.Response) -> object:
    try:
        return decode(response.content)
    except ValueError:
        return None
