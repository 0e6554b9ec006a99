"""The broker's own windows, the groups of products, and a table that grows old."""

from __future__ import annotations

import datetime as dt
import tomllib

import pytest

from daemon.hours_table import built_in
from statecharts.market_hours import CHICAGO, TRADOVATE_WINDOWS, group_of, load_hours, staleness
from statecharts.sessions import zone

HOURS = load_hours(tomllib.loads(built_in()))


def chicago(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=CHICAGO)


@pytest.mark.parametrize(
    ("inside", "end"),
    [
        ("2026-11-16 16:00:00", "2026-11-16 17:00"),  # Monday
        ("2026-11-19 16:59:59", "2026-11-19 17:00"),  # Thursday
        ("2026-11-20 17:30:00", "2026-11-20 20:00"),  # Friday
        ("2026-11-21 22:00:00", "2026-11-22 06:30"),  # Saturday night
        ("2026-11-22 00:00:00", "2026-11-22 06:30"),
        ("2026-11-01 01:30:00", "2026-11-01 06:30"),  # the hour that comes twice
    ],
)
def test_maintenance_has_an_end(inside: str, end: str) -> None:
    assert TRADOVATE_WINDOWS.in_maintenance(chicago(inside))
    assert TRADOVATE_WINDOWS.end_of(chicago(inside)) == chicago(end).astimezone(dt.UTC)


@pytest.mark.parametrize(
    "outside",
    ["2026-11-16 15:59:59", "2026-11-16 17:00", "2026-11-20 20:00", "2026-11-21 21:59:59", "2026-11-22 06:30"],
)
def test_outside_of_maintenance_there_is_no_end(outside: str) -> None:
    assert not TRADOVATE_WINDOWS.in_maintenance(chicago(outside))
    assert TRADOVATE_WINDOWS.end_of(chicago(outside)) is None


def test_the_zone_of_the_question_does_not_matter() -> None:
    inside = chicago("2026-03-07 22:00")
    assert TRADOVATE_WINDOWS.end_of(inside) == TRADOVATE_WINDOWS.end_of(inside.astimezone(dt.UTC))


@pytest.mark.parametrize(("saturday", "hours"), [("2026-03-07", 7.5), ("2026-10-31", 9.5), ("2026-11-21", 8.5)])
def test_the_night_of_a_clock_change_is_an_hour_shorter_or_longer(saturday: str, hours: float) -> None:
    begin = chicago(f"{saturday} 22:00").astimezone(dt.UTC)
    end = TRADOVATE_WINDOWS.end_of(begin)
    assert end is not None and end - begin == dt.timedelta(hours=hours)


def test_crypto_trades_while_the_platform_is_in_maintenance() -> None:
    t = chicago("2026-11-21 23:00")
    assert HOURS["crypto"].is_open(t) and TRADOVATE_WINDOWS.in_maintenance(t)


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        TRADOVATE_WINDOWS.in_maintenance(dt.datetime.combine(dt.date(2026, 1, 1), dt.time.min))


@pytest.mark.parametrize(
    ("root", "group"),
    [
        ("MES", "equity_index"),
        ("ZN", "interest_rate"),
        ("6E", "fx"),
        ("MCL", "energy"),
        ("GC", "metals"),
        ("ZC", "grains"),
        ("LE", "livestock"),
        ("MBT", "crypto"),
        ("XC", None),
        ("mes", None),
        ("", None),
    ],
)
def test_a_product_belongs_to_a_group_or_is_unknown(root: str, group: str | None) -> None:
    assert group_of(root) == group
    assert group is None or group in HOURS


@pytest.mark.parametrize(
    ("now", "severity", "words"),
    [
        ("2026-10-31 23:59", None, ""),
        ("2026-11-01 00:00", "warning", "ends on 2026-12-31, in 60 days"),
        ("2026-12-16 12:00", "warning", "in 15 days"),
        ("2026-12-17 12:00", "error", "in 14 days"),
        ("2026-12-31 12:00", "error", "ended on 2026-12-31"),
        ("2030-01-01 00:00", "error", "ended on 2026-12-31"),
    ],
)
def test_an_old_table_is_told_in_time(now: str, severity: str | None, words: str) -> None:
    told = staleness(HOURS, chicago(now))
    assert (told and told.severity) == severity
    assert told is None or (words in told.text and "[[market_hours]]" in told.text)


def test_a_machine_without_the_zone_is_told_what_to_install() -> None:
    with pytest.raises(ImportError, match="America/Nowhere: install the package tzdata"):
        zone("America/Nowhere")
