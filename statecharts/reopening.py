"""How an account comes back when a closure ends, and until when its absence is expected.

Rule 1: inside a closure the broker is probed slowly: that burns no attempt and asks for no token.
Rule 2: around every reopening, of the market and of the broker's platform, it is probed fast.
Rule 3: half a minute after the closure an account that is not yet read is an ordinary outage, and its time counts from
        the closure's end.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from statecharts import states as s
from statecharts.market_hours import PlatformWindows

LATE = timedelta(seconds=30)  # after the closure's end: enough for a probe, a dial and a reading
BEFORE, AFTER = timedelta(seconds=90), timedelta(minutes=5)  # a reopening, in which it is probed fast
SLOW = (timedelta(seconds=60), timedelta(seconds=120))
SHORTEST, LONGEST = timedelta(seconds=1), timedelta(seconds=15)  # of the fast waits


def ends(state: s.State) -> datetime | None:
    """The end of the closure in which the account's outage began; None when it began in none."""
    if isinstance(state, s.Maintenance):
        return state.until
    return state.reopens if isinstance(state, s.Reconnecting) else None


def late_at(state: s.State) -> datetime | None:
    """When the account's absence stops being expected; None where it never was, or is no more."""
    end = ends(state)
    return None if end is None or state.cause is not s.Cause.MAINTENANCE else end + LATE


def hurried(state: s.State, at: datetime) -> bool:
    """Has what the account waits for just reopened?"""
    end = ends(state)
    return end is not None and at < end + AFTER


def probing(state: s.Maintenance, windows: PlatformWindows | None, at: datetime) -> tuple[timedelta, timedelta]:
    """Bounds of the wait before the next probe. Fast ones wait as long as it has been fast: 1, 2, 4 s, up to 15."""
    reopenings = [state.until]
    if windows is not None:
        reopenings += [end for end in (windows.end_of(at), windows.end_of(at - AFTER)) if end is not None]
    fast = [at - (one - BEFORE) for one in reopenings if one - BEFORE <= at < one + AFTER]
    if fast:
        wait = max(SHORTEST, min(LONGEST, *fast))
        return wait, wait * 5 / 4
    low, high = SLOW
    ahead = min((one - BEFORE - at for one in reopenings if one - BEFORE > at), default=high)
    return min(low, ahead), min(high, ahead)
