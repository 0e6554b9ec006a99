"""What the broker tells again although it is over: Tradovate pushes the day's events once more around the turn of the
session, also to a socket whose snapshot knows nothing of that day any more. Pure.

Rule 1: an order or a fill that nobody has shown, and that the broker dates before the snapshot, is of the past: the
        snapshot's positions hold what it did. Known ones need no rule: the same entity twice is no news.
Rule 2: in doubt it is taken as new. One that is wrongly left out is in the broker's lists; the next read-back finds it
        there and ends the session, and the next snapshot tells what to make of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from daemon.tradovate.paperwork import Paperwork
from daemon.tradovate.parts import FillPart, OrderPart, Part, PositionPart
from statecharts.values import BrokerAccountId

OLDER = timedelta(seconds=60)  # than our moment of the snapshot: clocks differ, and fills are dated by the exchange
SLOWEST = timedelta(days=366)  # that a clock of ours may be: behind that no certificate of the broker's is valid yet
TELL_AGAIN = timedelta(seconds=0.5)  # a day may be hundreds of events


class Past:
    """`told_at` is when something of an account's past came last, `left_out` how much came in all."""

    def __init__(self, paperwork: Paperwork) -> None:
        self.told_at: dict[BrokerAccountId, datetime] = {}
        self.left_out = 0
        self._paperwork = paperwork
        self._taken_at: datetime | None = None  # by our clock
        self._ahead: Callable[[], timedelta] = timedelta
        self._ahead_then = timedelta(0)
        self._shown_at: datetime | None = None  # the newest date in the snapshot
        self._passed_on: dict[BrokerAccountId, datetime] = {}

    def ends(self, at: datetime, ahead: Callable[[], timedelta]) -> None:
        """The snapshot was taken at this moment of our clock; `ahead` is how far the broker's is known to be before it.

        Real world: with a token that is kept, that is heard only after the snapshot.
        """
        if self._taken_at is None:  # its further parts are of the same moment
            self._taken_at, self._ahead, self._ahead_then = at, ahead, ahead()

    def ends_after(self, part: Part) -> None:
        """The snapshot has shown this, so it was taken later, however far behind our own clock may be.

        A date that it cannot be behind tells nothing: by it, all that happens would be of the past.
        """
        if not isinstance(part, OrderPart | FillPart | PositionPart) or part.at is None or self._taken_at is None:
            return
        if part.at - self._taken_at <= SLOWEST:
            self._shown_at = part.at if self._shown_at is None else max(self._shown_at, part.at)

    @property
    def _ends(self) -> datetime | None:
        if self._taken_at is None:
            return None
        taken_at = self._taken_at + min(self._ahead_then, self._ahead())  # ours may have been set right since
        return max(taken_at, self._shown_at or taken_at) - OLDER

    def takes(self, part: Part, now: datetime) -> bool:
        """Is this of the past, and unknown?"""
        ends = self._ends
        if not isinstance(part, OrderPart | FillPart) or part.at is None or ends is None or part.at >= ends:
            return False
        if not (self._paperwork.lacks(part) if isinstance(part, FillPart) else self._paperwork.unknown(part.id)):
            return False
        self.left_out += 1
        owner = part.account_id if isinstance(part, OrderPart) else self._paperwork.account(part.order_id)
        if owner is not None:
            self.told_at[BrokerAccountId(owner)] = now
        return True

    def news(self) -> list[BrokerAccountId]:
        """The accounts of whose past something has come, and whom it was not said just now."""
        told = [
            account
            for account, at in sorted(self.told_at.items())
            if account not in self._passed_on or at - self._passed_on[account] >= TELL_AGAIN
        ]
        self._passed_on.update((account, self.told_at[account]) for account in told)
        return told
