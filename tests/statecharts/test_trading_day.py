"""17:00 to 17:00 in Chicago: also when the clocks are changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statecharts.sessions import CHICAGO
from statecharts.trading_day import TradingDay, last_sessions, trading_day

ANY = st.datetimes(datetime(2024, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
WALL = st.times().map(lambda one: one.replace(microsecond=0))


def chicago(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHICAGO).astimezone(UTC)


@given(ANY)
def test_every_instant_has_one_day_and_days_follow_one_another(at: datetime) -> None:
    day = trading_day(at)
    assert day.start <= at < day.end
    assert trading_day(day.start) == day
    assert trading_day(day.end) == TradingDay(day.date + timedelta(days=1))
    assert trading_day(day.end).start == day.end
    assert day.start.astimezone(CHICAGO).time() == day.end.astimezone(CHICAGO).time() == time(17)


@given(ANY, WALL)
def test_a_time_of_day_is_one_moment_of_the_day(at: datetime, wall: time) -> None:
    day = trading_day(at)
    moment = day.moment(wall)
    assert day.start < moment <= day.end
    local = moment.astimezone(CHICAGO).time()
    # The hour that there is not, in March, is an hour later.
    assert local == wall or (wall.hour == 2 and local == wall.replace(hour=3))


@given(ANY, WALL, WALL)
def test_times_come_in_the_order_of_the_day(at: datetime, one: time, other: time) -> None:
    day = trading_day(at)

    def rank(wall: time) -> tuple[bool, time]:
        return wall <= time(17), wall

    if rank(one) < rank(other):
        assert day.moment(one) <= day.moment(other)


@pytest.mark.parametrize(("at", "day", "hours"), [
    ("2026-03-03T16:59:59", date(2026, 3, 3), 24),
    ("2026-03-03T17:00:00", date(2026, 3, 4), 24),
    ("2026-03-08T01:59:00", date(2026, 3, 8), 23),
    ("2026-11-01T12:00:00", date(2026, 11, 1), 25),
    ("2026-03-08T17:00:00", date(2026, 3, 9), 24),
])  # fmt: skip
def test_a_day_is_called_by_its_end_and_has_23_to_25_hours(at: str, day: date, hours: int) -> None:
    found = trading_day(chicago(at))
    assert found.date == day
    assert found.end - found.start == timedelta(hours=hours)


def test_the_evening_comes_before_the_afternoon() -> None:
    day = TradingDay(date(2026, 3, 4))
    assert day.moment(time(20)) == chicago("2026-03-03T20:00:00")
    assert day.moment(time(14, 45)) == chicago("2026-03-04T14:45:00")
    assert day.moment(time(17)) == day.end
    assert day.moment(time(17, 0, 1)) == day.start + timedelta(seconds=1)


def test_an_hour_that_there_is_twice_is_the_first() -> None:
    assert TradingDay(date(2026, 11, 1)).moment(time(1, 30)) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(("expires", "since"), [
    ("2026-12-18T08:30:00", "2026-12-16T17:00:00"),  # a Friday morning: its session, and Thursday's
    ("2026-12-21T08:30:00", "2026-12-17T17:00:00"),  # a Monday: its session, and Friday's
    ("2026-12-20T12:00:00", "2026-12-16T17:00:00"),  # a Sunday, as it is told of no real contract: Friday's, Thursday's
    ("2026-12-18T17:00:00", "2026-12-16T17:00:00"),  # the end of a session belongs to it
    ("2026-12-17T18:00:00", "2026-12-16T17:00:00"),  # midnight UTC of the 18th
])  # fmt: skip
def test_the_last_two_sessions_are_days_of_the_week(expires: str, since: str) -> None:
    assert last_sessions(chicago(expires)) == chicago(since)
