"""When a product group trades, and when Tradovate's platform is in maintenance: two things that differ.

Rule 1: an instant is aware, a result is UTC, an interval is half-open.
Rule 2: a product that nobody has put into a group trades always, as far as we know: nothing is gated or silenced.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Literal

import attrs

from statecharts.sessions import CHICAGO, Coverage, MarketHours, Reason
from statecharts.timetable import Fault, HoursFaults, Override, load_hours

__all__ = [
    "CHICAGO",
    "TRADOVATE_WINDOWS",
    "Coverage",
    "Fault",
    "HoursFaults",
    "MarketHours",
    "Markets",
    "Override",
    "PlatformWindows",
    "Reason",
    "Staleness",
    "Window",
    "group_of",
    "load_hours",
    "staleness",
]

_MON, _TUE, _WED, _THU, _FRI, _SAT, _SUN = range(7)
_WARN_DAYS, _ALARM_DAYS = 60, 14  # CME confirms a holiday about two weeks ahead

# The mini-sized grains (XC, XK, XW) are left out: they are reported to close later, and nobody has confirmed it.
_ROOTS = {
    "equity_index": "ES MES NQ MNQ YM MYM RTY M2K EMD",
    "interest_rate": "ZN ZB ZF ZT UB TN Z3N SR1 SR3 ZQ 2YY 5YY 10Y 30Y",
    "fx": "6A 6B 6C 6E 6J 6L 6M 6N 6S 6Z E7 J7 M6A M6B M6E MCD MIR MJY MSF",
    "energy": "CL MCL QM NG MNG QG RB HO BZ",
    "metals": "GC MGC QO SI SIL QI HG MHG QC PL PA",
    "grains": "ZC ZS ZW ZL ZM KE",
    "livestock": "LE HE GF",
    "crypto": "BTC MBT ETH MET SOL MSL XRP MXP",
}
_GROUPS = {root: group for group, roots in _ROOTS.items() for root in roots.split()}


def group_of(root: str) -> str | None:
    """The group of a product root ("MES"); None when we do not know it."""
    return _GROUPS.get(root)


@attrs.frozen
class Markets:
    """The hours of an environment's product groups.

    `vouched` are the same, without the special days that nobody has verified: what a silence may rest on.
    """

    groups: Mapping[str, MarketHours]
    vouched: Mapping[str, MarketHours] = attrs.field(init=False, eq=False, repr=False)

    @vouched.default
    def _without_guesses(self) -> Mapping[str, MarketHours]:
        return {name: hours.vouched() for name, hours in self.groups.items()}

    def of(self, root: str) -> MarketHours | None:
        """The hours of a product; None when it belongs to no group that we know."""
        return self.groups.get(group_of(root) or "")


@attrs.frozen
class Staleness:
    """That the table of hours nears its end, in words for the operator."""

    severity: Literal["warning", "error"]
    text: str


def staleness(hours: Mapping[str, MarketHours], now: datetime) -> Staleness | None:
    """To be asked at the start and daily. An old table is never a reason not to start: it means false alarms."""
    until = min(group.verified_through for group in hours.values())
    left = (until - now.astimezone(CHICAGO).date()).days
    if left > _WARN_DAYS:
        return None
    end = f"ends on {until}, in {left} days" if left > 0 else f"ended on {until}"
    text = f"the verified table of market hours {end}: install a newer release, or give holidays as [[market_hours]]"
    return Staleness("error" if left <= _ALARM_DAYS else "warning", text)


@attrs.frozen
class Window:
    """From `start` on `weekday` to `end` on the same day; `end` of midnight means the day's end.

    A maintenance window of the platform's. A market's window is `sessions.Window`.
    """

    weekday: int
    start: time
    end: time

    def covers(self, local: datetime) -> bool:
        clock = local.time()
        return local.weekday() == self.weekday and self.start <= clock and (clock < self.end or self.end == time.min)


@attrs.frozen
class PlatformWindows:
    """The weekly windows in which the broker's platform may be away, in Chicago's wall-clock time."""

    windows: tuple[Window, ...]

    def in_maintenance(self, t: datetime) -> bool:
        """Is `t` (aware) within a window? Raises ValueError when naive."""
        return self.end_of(t) is not None

    def end_of(self, t: datetime) -> datetime | None:
        """When the window around `t` (aware) ends, in UTC; None outside of any. Raises ValueError when naive."""
        if t.utcoffset() is None:
            raise ValueError("an instant needs a time zone")
        local = t.astimezone(CHICAGO)
        end: datetime | None = None
        while (window := next((w for w in self.windows if w.covers(local)), None)) is not None:
            day = local.date() + timedelta(days=1) if window.end == time.min else local.date()
            local = datetime.combine(day, window.end, tzinfo=CHICAGO)
            end = local.astimezone(UTC)
        return end


# Tradovate's partner documentation, "Maintenance Windows"; where its two copies differ (Friday), the union.
TRADOVATE_WINDOWS = PlatformWindows(
    (
        *(Window(day, time(16), time(17)) for day in (_MON, _TUE, _WED, _THU)),
        Window(_FRI, time(16), time(20)),
        Window(_SAT, time(22), time.min),
        Window(_SUN, time.min, time(6, 30)),
    )
)
