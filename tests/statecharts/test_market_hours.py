"""When the platform is in maintenance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from statecharts.market_hours import CHICAGO, TRADOVATE_WINDOWS, PlatformWindows


def chicago(day: int, hour: int, minute: int = 0) -> datetime:
    """March 2026: the 2nd is a Monday, and on the 8th the clocks go forward."""
    return datetime(2026, 3, day, hour, minute, tzinfo=CHICAGO)


@pytest.mark.parametrize(
    ("at", "end"),
    [
        (chicago(2, 15, 59), None),
        (chicago(2, 16), chicago(2, 17)),
        (chicago(2, 16, 59), chicago(2, 17)),
        (chicago(2, 17), None),
        (chicago(6, 16), chicago(6, 20)),
        (chicago(7, 12), None),
        # Two windows that touch are one.
        (chicago(7, 22), chicago(8, 6, 30)),
        (chicago(8, 6, 30), None),
    ],
)
def test_the_window_around_an_instant(at: datetime, end: datetime | None) -> None:
    assert TRADOVATE_WINDOWS.end_of(at) == end
    assert TRADOVATE_WINDOWS.end_of(at.astimezone(UTC)) == end


def test_the_night_of_the_clock_change_is_an_hour_shorter() -> None:
    begin = chicago(7, 22).astimezone(UTC)
    end = TRADOVATE_WINDOWS.end_of(begin)
    assert end is not None
    assert end - begin == timedelta(hours=7, minutes=30)


def test_an_instant_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        PlatformWindows(()).end_of(datetime(2026, 3, 2, 16))  # noqa: DTZ001  the mistake that is refused
