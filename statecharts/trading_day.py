"""The trading day: from 17:00 to 17:00 in Chicago, by the wall clock there, every day of the week.

Rule 1: a day is made of wall-clock times and is an interval of instants afterwards: it has 23, 24 or 25 hours.
Rule 2: half-open: 17:00:00 belongs to the next day. A day is called by the date on which it ends.
Rule 3: a time of day means its one moment within the trading day: 20:00 comes before 14:45, and 17:00 is its end. Where
        the clocks are changed, a time that there is twice means the first, one that there is not as much later.
"""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime, time, timedelta

import attrs

from statecharts.sessions import CHICAGO

TURN = time(17)
LAST_SESSIONS = 2  # of a contract, in which nothing opens any more
_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)
_SATURDAY = 5


@attrs.frozen
class TradingDay:
    date: date

    @property
    def start(self) -> datetime:
        return _instant(self.date - _DAY, TURN)

    @property
    def end(self) -> datetime:
        return _instant(self.date, TURN)

    def moment(self, wall: time) -> datetime:
        """When it is this time in Chicago, within this day; 17:00 is the end of it."""
        return _instant(self.date if wall <= TURN else self.date - _DAY, wall)


def trading_day(at: datetime) -> TradingDay:
    """The day that an instant (aware) belongs to."""
    local = at.astimezone(CHICAGO)
    return TradingDay(local.date() if local.time() < TURN else local.date() + _DAY)


@functools.lru_cache(maxsize=1024)  # asked for at every event
def last_sessions(expires: datetime) -> datetime:
    """The beginning of the last sessions before a contract expires; days of the weekend are none."""
    day = trading_day(expires - _TICK).date
    left = LAST_SESSIONS
    while True:
        left -= day.weekday() < _SATURDAY
        if not left:
            return TradingDay(day).start
        day -= _DAY


def _instant(day: date, wall: time) -> datetime:
    return datetime.combine(day, wall, CHICAGO).astimezone(UTC)
