"""The way out of the process, for every dial of every login: is the host there, and is there budget?

Rule 1: two handshakes at a time: the broker answers more at once with 429.
Rule 2: while the host is down nobody dials; one probe serves all (see host.py).
Rule 3: a dial costs, whatever becomes of it (see budget.py).
"""

from __future__ import annotations

import attrs

from daemon.logins.budget import Budget, Spent
from daemon.logins.host import PROBE_EVERY, Host
from statecharts.states import Cause


@attrs.frozen
class NotNow(Exception):
    """No dial is made now."""

    reason: str
    cause: Cause


@attrs.define(eq=False)
class Passage:
    """One dial on its way through the gate."""

    host: Host
    budget: Budget
    _there: bool = False  # has the host answered?

    async def begin(self) -> None:
        """Waits for its turn. Raises NotNow."""
        await self.budget.handshakes.acquire_on_behalf_of(self)
        if self.host.down:
            raise NotNow(f"the broker's host does not answer; it is probed every {PROBE_EVERY:g} s", Cause.NETWORK)
        try:
            self.budget.dial()
        except Spent as spent:
            raise NotNow(spent.reason, Cause.PENALTY) from spent

    def reached(self) -> None:
        """The host has answered, whatever it said."""
        self._there = True
        self.host.answered()

    def failed(self, *, silence: bool) -> None:
        """`silence`: nothing was heard at all, so the host may be down."""
        if silence and not self._there:
            self.host.failed()

    def through(self) -> None:
        """The handshake is over, well or not: the next one may begin."""
        if self in self.budget.handshakes.statistics().borrowers:
            self.budget.handshakes.release_on_behalf_of(self)


@attrs.define(eq=False)
class Gate:
    """One for each environment; `budget` is the process's."""

    host: Host
    budget: Budget

    def affordable(self) -> bool:
        """Takes a probe out of the budget, which is a dial like any other; False when there is none left."""
        try:
            self.budget.dial()
        except Spent:
            return False
        return True

    def passage(self) -> Passage:
        return Passage(self.host, self.budget)
