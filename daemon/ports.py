"""The seams to the world: the wall clock, the dice, the network. Everything else in the daemon is handed these.

Production uses `Ports.real()`; tests hand in virtual time, seeded dice and in-memory streams, and run the same code.
"""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

import attrs
import httpx
import trio


class Network(Protocol):
    """How bytes get out of the process."""

    async def connect(self, url: str) -> trio.abc.Stream:
        """A stream to the host of a ws, wss, http or https URL. Raises OSError; the caller sets the deadline."""
        ...

    def http(self) -> httpx.AsyncClient:
        """A client without retries of its own: a request is sent once."""
        ...


@attrs.frozen
class TcpNetwork:
    """Real sockets; TLS with the system's certificates."""

    tls: ssl.SSLContext = attrs.field(factory=ssl.create_default_context)

    async def connect(self, url: str) -> trio.abc.Stream:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme in ("https", "wss"):
            return await trio.open_ssl_over_tcp_stream(host, parts.port or 443, ssl_context=self.tls)
        return await trio.open_tcp_stream(host, parts.port or 80)

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(verify=self.tls, transport=httpx.AsyncHTTPTransport(verify=self.tls, retries=0))


def _now() -> datetime:
    return datetime.now(UTC)


def _since_boot() -> float:
    """Seconds, those in which the machine was suspended too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def _in_a_thread(act: Callable[[], None]) -> None:
    await trio.to_thread.run_sync(act)


@attrs.frozen
class Ports:
    """`wall` answers aware UTC; waiting is always done with trio's own clock. `aside` does what blocks the loop.

    `steady` counts seconds, and nobody sets it: the time of day is held against it. `ahead` is how far the broker's
    clock is known to be before `wall`.
    """

    wall: Callable[[], datetime]
    dice: random.Random
    network: Network
    aside: Callable[[Callable[[], None]], Awaitable[None]] = _in_a_thread
    steady: Callable[[], float] = trio.current_time
    ahead: Callable[[], timedelta] = timedelta

    @staticmethod
    def real() -> Ports:
        return Ports(_now, random.Random(), TcpNetwork(), steady=_since_boot)
