"""Where the table ends, where there is no edge, and that MarketHours is a value."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest

from statecharts.market_hours import Coverage, Override, Reason, load_hours
from statecharts.sessions import Window
from tests.statecharts.test_market_hours import ES, GRAINS, TABLE, chicago, closed, opened, shown, utc


def test_the_day_after_the_table_is_an_ordinary_one_that_nobody_vouches_for() -> None:
    sunday, monday = chicago("2028-12-31 10:00"), chicago("2029-01-01 10:00")
    assert (ES.coverage(sunday), ES.coverage(monday)) == (Coverage.PROJECTED, Coverage.NONE)
    window = ES.window_at(monday)
    assert (window.open, shown(window.end), window.coverage) == (True, "Mon 2029-01-01 16:00", Coverage.NONE)
    assert ES.coverage(chicago("2023-12-30 10:00")) is Coverage.NONE
    assert opened(ES, "2040-07-04 10:00") == ("Tue 2040-07-03 17:00", "Wed 2040-07-04 16:00")


def test_coverage_is_the_weakest_of_the_window() -> None:
    assert ES.coverage(chicago("2026-12-31 23:59")) is Coverage.VERIFIED
    assert ES.coverage(chicago("2027-01-01 00:00")) is Coverage.PROJECTED
    assert ES.window_at(chicago("2026-12-31 18:00")).coverage is Coverage.PROJECTED


def test_the_first_holiday_of_the_table_begins_the_evening_before() -> None:
    window = ("Fri 2023-12-29 16:00", "Mon 2024-01-01 17:00", Reason.HOLIDAY, "New Year's Eve")
    assert closed(ES, "2024-01-01 00:00") == window


def test_a_holiday_that_begins_at_midnight_is_no_early_close() -> None:
    """The operator's line says nothing of the evening before, so that evening stands."""
    line = {"open": ["17:00-24:00"], "label": "Closed until the evening"}
    days = {**TABLE["groups"]["equity_index"]["days"], "2026-02-04": line}
    hours = load_hours({"groups": {"equity_index": {**TABLE["groups"]["equity_index"], "days": days}}})["equity_index"]
    window = ("Wed 2026-02-04 00:00", "Wed 2026-02-04 17:00", Reason.HOLIDAY, "Closed until the evening")
    assert closed(hours, "2026-02-04 09:00") == window


def test_a_market_that_never_closes_has_no_edge() -> None:
    crypto = load_hours(TABLE, maintenance="")["crypto"]
    t = chicago("2028-11-22 12:00")
    window = crypto.window_at(t)
    assert (window.open, window.end, crypto.next_open(t), crypto.next_close(t)) == (True, None, None, None)
    assert window.start == chicago("2027-10-19 00:00").astimezone(dt.UTC)  # as far as we look back: 400 days
    assert crypto.window_at(utc("2026-06-30 00:00")).start == utc("2026-05-28 22:00")


def test_a_group_that_is_closed_for_ever_has_no_edge() -> None:
    start = dt.date(2026, 2, 4)
    days = [Override(("livestock",), start + dt.timedelta(days=n), (), "closed") for n in range(1000)]
    hours = load_hours(TABLE, days)["livestock"]
    window = hours.window_at(chicago("2026-02-10 12:00"))
    assert (
        window
        == Window(
            chicago("2026-02-03 13:05").astimezone(dt.UTC), None, False, Reason.OVERRIDE, "closed", Coverage.OVERRIDE
        )
        or window.coverage is Coverage.PROJECTED
    )
    assert hours.next_open(window.start) is None and hours.next_close(window.start) is None


def test_an_ordinary_week_without_any_session_is_one_long_weekend() -> None:
    week: dict[str, list[str]] = {day: [] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    hours = load_hours({"groups": {"livestock": {**TABLE["groups"]["livestock"], "week": week, "days": {}}}})
    window = hours["livestock"].window_at(utc("2026-02-10 12:00"))
    assert (window.open, window.end, window.reason) == (False, None, Reason.WEEKEND)


def test_the_hours_are_frozen_and_remember_without_being_changed() -> None:
    fresh = load_hours(TABLE)["equity_index"]
    asked = load_hours(TABLE)["equity_index"]
    asked.window_at(utc("2026-02-10 12:00"))
    assert fresh == asked and hash(fresh) == hash(asked) and repr(fresh) == repr(asked)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        fresh.group = "fx"  # type: ignore[misc]


def test_many_threads_may_ask_at_once() -> None:
    hours = load_hours(TABLE)["grains"]
    instants = [utc("2026-01-01 00:00") + n * dt.timedelta(minutes=97) for n in range(2000)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(hours.window_at, instants))
    assert answers == [GRAINS.window_at(t) for t in instants]


def test_a_line_that_closes_a_day_is_a_holiday_on_a_weekend_too() -> None:
    days = {**TABLE["groups"]["livestock"]["days"], "2026-11-22": {"open": [], "label": "A Sunday"}}
    hours = load_hours({"groups": {"livestock": {**TABLE["groups"]["livestock"], "days": days}}})["livestock"]
    assert closed(hours, "2026-11-21 12:00")[2:] == (Reason.HOLIDAY, "A Sunday")


def test_a_window_that_ends_on_the_day_of_a_change_is_as_sure_as_its_end() -> None:
    crypto = {**TABLE["groups"]["crypto"]}
    change = crypto["changes"][0]
    crypto["changes"] = [{**change, "week": {**change["week"], "fri": ["00:00-20:00"]}}]
    window = load_hours({"groups": {"crypto": crypto}})["crypto"].window_at(chicago("2026-05-29 12:00"))
    assert (shown(window.end), window.coverage) == ("Fri 2026-05-29 20:00", Coverage.PROJECTED)


def test_the_label_is_the_first_that_there_is() -> None:
    silent = Override(("grains",), dt.date(2026, 11, 25), ("00:00-07:45", "08:30-13:20"))
    window = load_hours(TABLE, [silent])["grains"].window_at(chicago("2026-11-26 12:00"))
    assert (window.reason, window.label) == (Reason.OVERRIDE, "Thanksgiving")
