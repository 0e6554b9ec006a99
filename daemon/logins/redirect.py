"""The loopback redirect (RFC 8252): one small page for the browser that comes back from the broker.

Rule 1: 127.0.0.1 alone; whoever asks for another host (DNS rebinding) or path gets nothing.
Rule 2: nothing of what the browser sends is shown again, and nothing of it is logged: it holds a code.
"""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from urllib.parse import urlsplit

import attrs
import h11
import trio

HOST = "127.0.0.1"
READ_LIMIT = 10.0  # seconds for a request: browsers open connections that they never use
WRITE_LIMIT = 5.0  # seconds for the page

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>copierd: {title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root {{ color-scheme: light dark }}
body {{ font: 1.1rem/1.5 sans-serif; max-width: 34rem; margin: 4rem auto; padding: 0 1rem }}</style></head>
<body><h1>{title}</h1>{words}<p>You may close this window.</p></body></html>
"""
_HEADERS = (
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("connection", "close"),
)


@attrs.frozen
class Page:
    status: int
    title: str
    words: tuple[str, ...] = ()


NOTHING_HERE = Page(404, "Nothing here")


@attrs.frozen
class Callback:
    """Where the browser is sent back to."""

    uri: str

    @property
    def port(self) -> int | None:
        """The one to listen on; None when the browser cannot reach us there and the address must be pasted."""
        parts = urlsplit(self.uri)
        return (parts.port or 80) if parts.scheme == "http" and parts.hostname in (HOST, "localhost") else None

    def objection(self, request: h11.Request) -> Page | None:
        """Why this request is not the browser that comes back; None when it is."""
        parts = urlsplit(self.uri)
        hosts = [value.decode("latin-1").lower() for name, value in request.headers if name == b"host"]
        if hosts != [parts.netloc.lower()] or request.method != b"GET":
            return NOTHING_HERE
        path, _ = target_of(request)
        return None if path == (parts.path or "/") else NOTHING_HERE


def target_of(request: h11.Request) -> tuple[str, str]:
    """Path and query."""
    path, _, query = request.target.decode("latin-1").partition("?")
    return path, query


async def heard(stream: trio.abc.Stream) -> h11.Request | None:
    """One request; None when there is none within READ_LIMIT, or it is no HTTP."""
    connection = h11.Connection(h11.SERVER)
    request: h11.Request | None = None
    try:
        with trio.fail_after(READ_LIMIT):
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(bytes(await stream.receive_some(4096)))
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.EndOfMessage):
                    return request
                elif not isinstance(event, h11.Data):
                    return None
    except (h11.RemoteProtocolError, trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError):
        return None


async def show(stream: trio.abc.Stream, page: Page) -> None:
    """Sends the page; a browser that has gone away misses it."""
    words = "".join(f"<p>{escape(line)}</p>" for line in page.words)
    body = _PAGE.format(title=escape(page.title), words=words).encode()
    head = f"HTTP/1.1 {page.status} {HTTPStatus(page.status).phrase}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in (*_HEADERS, ("content-length", str(len(body)))))
    with trio.move_on_after(WRITE_LIMIT):
        try:
            await stream.send_all(head.encode() + b"\r\n" + body)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
