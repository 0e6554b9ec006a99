"""The status page: three files that are served as they are. It shows what the API says, and asks it for what is done.

Rule 1: nothing is loaded from elsewhere, and the page is told so: where our own words were markup, no script would run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemon.control import queries

HERE: Final = Path(__file__).parent
FILES: Final = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def routes() -> Iterator[Route]:
    for path, (name, kind) in FILES.items():
        yield Route(path, _serving((HERE / name).read_bytes(), kind), methods=["GET"])


def _serving(content: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        queries.nothing(request.query_params)
        headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
        return Response(content, media_type=kind, headers=headers)

    return serve
