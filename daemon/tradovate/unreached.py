"""Why nobody was reached, in words for the operator.

Rule 1: only what the system says of names, connections and certificates is repeated. The text of any other exception is
        not known to be free of secrets: its type must say enough.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

_LATE = {
    "ConnectTimeout": "no connection in time",
    "ReadTimeout": "no answer in time",
    "TooSlowError": "no answer in time",
}
_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}


def why(error: BaseException, url: str) -> str:
    """Which host, and what went wrong on the way to it or back."""
    return f"{_place(url)}: {what(error)}"


def what(error: BaseException) -> str:
    """What went wrong, without where."""
    said = next(filter(None, map(_of_the_system, _chain(error))), None)
    name = type(error).__name__
    return said or _LATE.get(name, name)


def first(error: BaseException) -> BaseException:
    """Of a connection that was tried at several addresses, why the first was not had."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _chain(error: BaseException) -> Iterator[BaseException]:
    under: BaseException | None = error
    while under is not None:
        one = first(under)
        yield one
        under = one.__cause__ or one.__context__


def _of_the_system(error: BaseException) -> str | None:
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {error.verify_message}"
        case ssl.SSLError():
            return "no TLS is spoken there"
        case socket.gaierror():
            return error.strerror
        case OSError(errno=int(number)):
            return os.strerror(number)
        case _:
            return None


def _place(url: str) -> str:
    """Of an address that nobody can read, as a redirect may give one, this says nothing."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        host, port = "", None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
