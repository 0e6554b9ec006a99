"""One environment's host, as seen by all of its logins: is it there at all?

Rule: when it is not, one probe every 20 s (10 s while an account holds a position; more often where the settings let no
login wait for so long) serves all of its logins, and the first probe that reaches it wakes them. A login whose wait
ends meanwhile does not knock on a door that is known shut.
While nobody expects it, because the broker is in maintenance or the markets are closed, it is probed more slowly.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import attrs
import trio

from daemon.ports import Ports
from daemon.tradovate.socket import SocketLost, connected

FAILURES_THAT_TELL = 3  # in a row: one refused connection is not yet a host that is down
PROBE_EVERY = 20.0  # seconds
PROBE_IN_POSITION = 10.0  # seconds: the longest that a login with an open position waits
PROBE_LIMIT = 10.0  # seconds to connect
WRONG_HOST = 421  # what an upgrade is answered on a host that is not this login's


@attrs.define(eq=False, repr=False)
class Host:
    """`back` is called when a probe has reached the host again; a probe that is not `affordable` is left out."""

    websocket: str
    ports: Ports
    back: Callable[[], None]
    in_position: Callable[[], bool]
    affordable: Callable[[], bool] = lambda: True
    patience: Callable[[], float] = lambda: PROBE_EVERY  # seconds: so long a login waits at most, by its settings
    unexpected: Callable[[], tuple[float, float] | None] = lambda: None  # bounds of the wait meanwhile, in seconds
    probes: int = 0
    next_probe_at: datetime | None = None  # None while it is there
    _failures: int = 0
    _news: trio.Event = attrs.field(factory=trio.Event)

    @property
    def down(self) -> bool:
        return self._failures >= FAILURES_THAT_TELL

    @property
    def every(self) -> float:
        """Seconds from one probe to the next, when nobody expects that it is down."""
        return min(PROBE_IN_POSITION if self.in_position() else PROBE_EVERY, self.patience())

    def failed(self) -> None:
        """A connection could not be made at all: nobody answered."""
        self._failures += 1
        self._news.set()

    def answered(self) -> None:
        """Somebody is there, whatever he said."""
        self._failures = 0

    def doubted(self) -> None:
        """The operator says that it may be there again: the next dial finds out, and not only the next probe."""
        self._failures = min(self._failures, FAILURES_THAT_TELL - 1)

    async def watch(self) -> None:
        """Probes while the host is down, for as long as the daemon lives."""
        while True:
            if not self.down:
                self.next_probe_at = None
                self._news = trio.Event()
                await self._news.wait()
                continue
            wait = self.ports.dice.uniform(*(self.unexpected() or (self.every, self.every)))
            self.next_probe_at = self.ports.wall() + timedelta(seconds=wait)
            await trio.sleep(wait)
            if not self.affordable():
                continue
            self.probes += 1
            if await self.reachable():
                self.answered()
                self.back()

    async def reachable(self, websocket: str | None = None) -> bool:
        """Does the host, or the one of that address, upgrade a connection to a WebSocket? Needs no token."""
        try:
            async with connected(self.ports.network, websocket or self.websocket, limit=PROBE_LIMIT):
                return True
        except SocketLost as lost:
            return lost.status == WRONG_HOST  # there, though not ours: the next dial asks where to
