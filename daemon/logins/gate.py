"""The way out of the process, for every dial of every login: is the host there, and is there budget?

Rule 1: two handshakes at a time: the broker answers more at once with 429. Who leads goes first (see turns.py).
Rule 2: while the host is down nobody dials; one probe serves all (see host.py). Of a login that lives on a host of its
        own it says nothing.
Rule 3: a dial costs, whatever becomes of it (see budget.py). For the next one that the bucket has it is waited here.
"""

from __future__ import annotations

import attrs
import trio

from daemon.logins.budget import DIALS_A_MINUTE, Budget, Spent
from daemon.logins.home import Home
from daemon.logins.host import Host
from daemon.logins.turns import Rank
from statecharts.states import Cause

MOMENT = 0.001  # seconds: what rounding leaves of a wait may be none at all, and no dial has come of it yet
LET_BY = 0.05  # seconds: somebody more important takes the dial that there is
NEXT_DIAL = 60 / DIALS_A_MINUTE + 0.1  # seconds: an empty bucket has another one by then, rounding included


@attrs.frozen
class NotNow(Exception):
    """No dial is made now."""

    reason: str
    cause: Cause


@attrs.define(eq=False, repr=False)
class Passage:
    """One dial on its way through the gate. `home` is the login's; None: it lives on the environment's host."""

    host: Host
    budget: Budget
    home: Home | None = None
    rank: Rank = Rank.WAITS
    _there: bool = False  # has the host answered?

    @property
    def address(self) -> str:
        """Where to: known for good when there is a token, for asking for it may have shown another host."""
        return self.host.websocket if self.home is None else self.home.socket_address

    @property
    def _elsewhere(self) -> bool:
        return self.home is not None and self.home.elsewhere is not None

    async def begin(self) -> None:
        """Waits for its turn. Raises NotNow."""
        turns = self.budget.turns
        await turns.take(self, self.rank)
        if self.host.down and not self._elsewhere:
            raise NotNow(f"the broker's host does not answer; it is probed every {self.host.every:g} s", Cause.NETWORK)
        while True:
            if not turns.may_dial(self):
                await trio.sleep(LET_BY)
                continue
            try:
                self.budget.dial()
            except Spent as spent:
                wait = (spent.until - self.budget.wall()).total_seconds()
                if wait > NEXT_DIAL:
                    raise NotNow(spent.reason, Cause.PENALTY) from spent
                await trio.sleep(max(MOMENT, wait))  # it may be over meanwhile
                await turns.give_way(self)
            else:
                turns.dialed(self)
                return

    def reached(self) -> None:
        """The host has answered, whatever it said."""
        self._there = True
        if self.home is not None:
            self.home.reached()
        if not self._elsewhere:
            self.host.answered()

    def failed(self, *, silence: bool) -> None:
        """`silence`: nothing was heard at all, so the host may be down."""
        if not silence or self._there:
            return
        if self.home is not None and self._elsewhere:
            self.home.failed()
        else:
            self.host.failed()

    def through(self) -> None:
        """The handshake is over, well or not: the next one may begin."""
        self.budget.turns.leave(self)


@attrs.define(eq=False, repr=False)
class Gate:
    """One for each environment; `budget` is the process's."""

    host: Host
    budget: Budget
    _probing: trio.Lock = attrs.field(factory=trio.Lock)
    _probed: tuple[float, bool] | None = None  # when the environment's host was probed last, and its answer

    def __attrs_post_init__(self) -> None:
        self.host.affordable = self.affordable

    async def probe(self, address: str | None = None, shared: float = 0.0) -> bool:
        """Is the host there, or the one of that address? A probe costs as a dial does; False when there is none left.

        What the environment's host answered within the last `shared` seconds is its answer still.
        """
        if address is not None:
            return self.affordable() and await self.host.reachable(address)
        async with self._probing:
            if self._probed is None or trio.current_time() - self._probed[0] >= shared:
                self._probed = trio.current_time(), self.affordable() and await self.host.reachable()
            return self._probed[1]

    def affordable(self) -> bool:
        """Takes a probe out of the budget, which is a dial like any other; False when there is none left."""
        try:
            self.budget.dial()
        except Spent:
            return False
        return True

    def passage(self, home: Home | None = None, rank: Rank = Rank.WAITS) -> Passage:
        return Passage(self.host, self.budget, home, rank)
