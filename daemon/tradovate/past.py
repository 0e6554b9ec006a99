"""What the broker tells again although it is over: Tradovate pushes the day's events once more around the turn of the
session, also to a socket whose snapshot knows nothing of that day any more. Pure.

Rule 1: an order or a fill that nobody has shown, and that the broker dates before the snapshot, is of the past: the
        snapshot's positions hold what it did. Known ones need no rule: the same entity twice is no news.
Rule 2: in doubt it is taken as new. One that is wrongly left out is in the broker's lists; the next read-back finds it
        there and ends the session, and the next snapshot tells what to make of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from daemon.tradovate.paperwork import Paperwork
from daemon.tradovate.parts import FillPart, OrderPart, Part
from statecharts.values import BrokerAccountId

OLDER = timedelta(seconds=60)  # than our moment of the snapshot: clocks differ, and fills are dated by the exchange
TELL_AGAIN = timedelta(seconds=0.5)  # a day may be hundreds of events


class Past:
    """`told_at` is when something of an account's past came last, `left_out` how much came in all."""

    def __init__(self, paperwork: Paperwork) -> None:
        self.told_at: dict[BrokerAccountId, datetime] = {}
        self.left_out = 0
        self._paperwork = paperwork
        self._ends: datetime | None = None
        self._passed_on: dict[BrokerAccountId, datetime] = {}

    def ends(self, at: datetime) -> None:
        """The snapshot was taken at this moment of the broker's clock."""
        if self._ends is None:  # its further parts are of the same moment
            self._ends = at - OLDER

    def takes(self, part: Part, now: datetime) -> bool:
        """Is this of the past, and unknown?"""
        if not isinstance(part, OrderPart | FillPart) or part.at is None or self._ends is None or part.at >= self._ends:
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
