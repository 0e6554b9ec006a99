"""The daemon's own REST calls, with every answer also looked at as it came over the wire.

Rule 1: what is certified is the client that trades: tokens are asked for and renewed by it, and judged by it.
Rule 2: whatever looks like a token is told to the masks before anything else may see it.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

import attrs
import trio

from daemon.journal import Masks
from daemon.ports import Network
from daemon.tradovate.answers import Unreachable
from daemon.tradovate.frames import decode
from daemon.tradovate.rest import EXPECTED, LIMIT, Rest
from daemon.tradovate.scalars import phrase

SESSION, RENEWAL = "auth/accesstokenrequest", "auth/renewaccesstoken"
_SECRETS = ("accessToken", "mdAccessToken", "p-ticket")


class _Request(Protocol):
    @property
    def url(self) -> object: ...


class _Response(Protocol):
    """What is needed of the HTTP library's answer."""

    status_code: int

    @property
    def request(self) -> _Request: ...

    async def aread(self) -> bytes: ...


@attrs.frozen
class Seen:
    """One answer. `data` is its JSON, else its text, else None; `ms` from the request to the last byte."""

    endpoint: str
    status: int
    data: object = attrs.field(repr=False)
    ms: float

    def field(self, name: str) -> str:
        """A text of the answer's JSON object; empty when there is none."""
        return phrase(self.data.get(name)) if isinstance(self.data, dict) else ""

    @property
    def shape(self) -> str:
        """The answer's form in words, as the lists of errors name them."""
        if self.field("error") and self.field("message"):
            return f"HTTP {self.status} with error and message"
        if self.field("errorText"):
            return f"HTTP {self.status} with errorText"
        if isinstance(self.data, str) and self.data.strip():
            return f"HTTP {self.status} with a text"
        return f"HTTP {self.status} without error and message"


class Witness:
    """`rest` is the daemon's client; `asked` counts its requests by endpoint, `seen` has its answers, oldest first."""

    def __init__(self, network: Network, base: str, masks: Masks) -> None:
        self._client = network.http()
        self._client.event_hooks = {"request": [self._note], "response": [self._look]}
        self._base = base.rstrip("/")
        self._masks = masks
        self._began = 0.0
        self.rest = Rest(self._client, base)
        self.asked: Counter[str] = Counter()
        self.seen: list[Seen] = []

    async def read(self, endpoint: str, token: str) -> Seen | Unreachable:
        """GET with this token."""
        headers = {"Accept": "application/json", "Authorization": f"Bearer {token}"}
        try:
            with trio.fail_after(LIMIT):
                await self._client.get(f"{self._base}/{endpoint}", headers=headers, timeout=LIMIT)
        except EXPECTED as error:
            return Unreachable(f"{endpoint}: {type(error).__name__}")
        return self.seen[-1]

    def last(self, endpoint: str) -> Seen | None:
        """The newest answer of this endpoint."""
        return next((seen for seen in reversed(self.seen) if seen.endpoint == endpoint), None)

    async def close(self) -> None:
        await self._client.aclose()

    async def _note(self, request: _Request) -> None:
        self._began = trio.current_time()
        self.asked[self._endpoint(request)] += 1

    async def _look(self, response: _Response) -> None:
        content = await response.aread()
        ms = (trio.current_time() - self._began) * 1000
        try:
            data = decode(content)
        except ValueError:
            data = content.decode("utf-8", "replace") or None
        for name in _SECRETS:
            secret = data.get(name) if isinstance(data, dict) else None
            if isinstance(secret, str):
                self._masks.add(secret)
        self.seen.append(Seen(self._endpoint(response.request), response.status_code, data, ms))

    def _endpoint(self, request: _Request) -> str:
        return str(request.url).removeprefix(self._base).strip("/").partition("?")[0]
