"""Keeps web pages out: the socket may be forwarded to a port of the operator's machine, where a browser runs.

Rule 1: only `localhost` is answered to: a foreign name that leads to this machine (DNS rebinding) reaches nothing.
Rule 2: a request from a page of another site is refused; our own page is served from where it asks.
Rule 3: who speaks another HTTP than 1.1 (or 1.0) is told so.
"""

from __future__ import annotations

import re

import attrs
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.control.problems import Problem, problem_response

_LOCAL = re.compile(r"localhost(:\d{1,5})?", re.IGNORECASE)


@attrs.frozen
class Guard:
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = _objection(scope["http_version"], Headers(scope=scope)) if scope["type"] == "http" else None
        if problem is not None:
            await problem_response(problem)(scope, receive, send)
            return

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SAFE]
            await send(message)

        await self.app(scope, receive, safely)


SAFE = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


def _objection(version: str, headers: Headers) -> Problem | None:
    if version not in ("1.1", "1.0"):
        return Problem(status=505, detail=f"HTTP/{version} is not spoken here", remedy="ask in HTTP/1.1")
    host = headers.get("host", "")
    if not _LOCAL.fullmatch(host):
        return Problem(
            status=421,
            kind="foreign-host",
            detail=f"this is the control socket of copierd, and not {host[:100]!r}",
            remedy="ask for http://localhost/, with or without a port",
        )
    origins = headers.getlist("origin")
    allowed = {f"{scheme}://{host.lower()}" for scheme in ("http", "https")}
    if any(origin.lower() not in allowed for origin in origins):
        return Problem(
            status=403,
            kind="foreign-origin",
            detail="a page of another site may not speak with copierd",
            remedy="open the status page itself, or use copierctl",
        )
    return None
