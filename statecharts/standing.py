"""How an account stands with its limits: its money as the broker tells it, its peak, and its lock.

Rule 1: money that is not known is None, never zero.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import attrs

from statecharts.view import Balance


@attrs.frozen(kw_only=True)
class Lock:
    """A limit is reached: nothing opens until then. `closes`: what is ours is closed too.

    `limit` is the limit's key in copier.toml.
    """

    limit: str
    why: str
    since: datetime
    until: datetime
    closes: bool


@attrs.frozen(kw_only=True)
class Standing:
    """`open_profit` belongs to `read_at`; None once something has changed it. `heard_at`: when `balance` was told.

    `day_end` is the end of the trading day that all this counts for. `forgiven` is what `unlock` does not count any
    more of the day's profit; `forgive` while it has yet to be known. `checked` names the limits that have been found
    unbroken. `closed_at` is the last equity that was known on an earlier day.
    """

    balance: Balance | None = None
    heard_at: datetime | None = None
    open_profit: Decimal | None = None
    read_at: datetime | None = None
    asked_at: datetime | None = None  # a reading is under way
    read_next: datetime | None = None
    blind: bool = False  # it was told that nothing could be read for too long
    day_end: datetime | None = None
    equity: Decimal | None = None
    closed_at: Decimal | None = None
    peak: Decimal | None = None
    forgiven: Decimal = Decimal(0)
    forgive: bool = False
    checked: str | None = None
    lock: Lock | None = None


AT_EASE = Standing()  # of an account without limits
