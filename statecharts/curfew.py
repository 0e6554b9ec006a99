"""The hours that an operator gives a follower, every trading day: `no_open_after` and `flat_by`, Chicago's wall clock.

Rule 1: from `no_open_after` to the end of the trading day nothing opens, and entries that rest are taken back.
Rule 2: from `flat_by` to the end of the trading day nothing opens either, and what is ours is closed.
"""

from __future__ import annotations

from datetime import datetime

from statecharts.rules import Limits
from statecharts.trading_day import trading_day


def bar(limits: Limits, at: datetime) -> str | None:
    """Why nothing opens at this hour; None when it may."""
    closing = closes(limits, at)
    if closing is None and limits.no_open_after is not None and trading_day(at).moment(limits.no_open_after) <= at:
        return f"no_open_after {limits.no_open_after:%H:%M} (Chicago)"
    return closing


def closes(limits: Limits, at: datetime) -> str | None:
    """Why everything of ours is closed at this hour; None when it may stay."""
    if limits.flat_by is None or trading_day(at).moment(limits.flat_by) > at:
        return None
    return f"flat_by {limits.flat_by:%H:%M} (Chicago)"


def edges(limits: Limits, at: datetime) -> list[datetime]:
    """The moments to come in this trading day at which the answers change."""
    walls = [wall for wall in (limits.no_open_after, limits.flat_by) if wall is not None]
    day = trading_day(at)
    return [moment for wall in walls for moment in (day.moment(wall), day.end) if moment > at]
