"""When Tradovate's platform is in maintenance. Local wall-clock windows in Chicago, half-open [start, end).

Source: Tradovate partner documentation, "Maintenance Windows"; where its two copies differ (Friday), the union.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import attrs

CHICAGO = ZoneInfo("America/Chicago")
_MON, _TUE, _WED, _THU, _FRI, _SAT, _SUN = range(7)


@attrs.frozen
class Window:
    """From `start` on `weekday` to `end` on the same day; `end` of midnight means the day's end."""

    weekday: int
    start: time
    end: time

    def covers(self, local: datetime) -> bool:
        clock = local.time()
        return local.weekday() == self.weekday and self.start <= clock and (clock < self.end or self.end == time.min)


@attrs.frozen
class PlatformWindows:
    """The weekly windows in which the broker's platform may be away."""

    windows: tuple[Window, ...]

    def end_of(self, t: datetime) -> datetime | None:
        """When the window around `t` (aware) ends, in UTC; None outside of any. Raises ValueError when naive."""
        if t.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        local = t.astimezone(CHICAGO)
        end: datetime | None = None
        while (window := next((w for w in self.windows if w.covers(local)), None)) is not None:
            day = local.date() + timedelta(days=1) if window.end == time.min else local.date()
            local = datetime.combine(day, window.end, tzinfo=CHICAGO)
            end = local.astimezone(UTC)
        return end


TRADOVATE_WINDOWS = PlatformWindows(
    (
        *(Window(day, time(16), time(17)) for day in (_MON, _TUE, _WED, _THU)),
        Window(_FRI, time(16), time(20)),
        Window(_SAT, time(22), time.min),
        Window(_SUN, time.min, time(6, 30)),
    )
)
