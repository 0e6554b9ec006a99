"""Our table against another project's calendar, day by day, and minute by minute where the clocks change."""

from __future__ import annotations

import datetime as dt
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from daemon.hours_table import read_hours
from statecharts.market_hours import load_hours
from tests.oracle.draft import table
from tests.oracle.market_calendars import CALENDARS, CHICAGO, DAY, FIRST, LAST, days, interval_texts, sessions

HOURS = read_hours()
DST_WEEKS = (dt.date(2026, 3, 8), dt.date(2026, 11, 1))
MINUTE = dt.timedelta(minutes=1)


@cache
def reviewed() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("oracle_overrides.toml").read_text(encoding="utf-8"))


def expected(group: str) -> dict[dt.date, dict[str, Any]]:
    """The reviewed disagreements of a group, by day."""
    entries = [entry for entry in reviewed()["disagreements"] if entry["group"] == group]
    return {
        entry["date"] + n * DAY: entry
        for entry in entries
        for n in range((entry.get("through", entry["date"]) - entry["date"]).days + 1)
    }


@pytest.mark.parametrize("group", CALENDARS)
def test_the_table_and_the_oracle_disagree_where_somebody_has_looked_and_nowhere_else(group: str) -> None:
    theirs = days(group)
    ours = {day: interval_texts(HOURS[group].spans(day)) for day in theirs}
    known = expected(group)
    differing = {day for day in theirs if theirs[day] != ours[day]}
    new = {f"{day:%a} {day}": (theirs[day], ours[day]) for day in sorted(differing - set(known))}
    assert not new, f"new disagreements of {group} (oracle, ours): {new}"
    gone = sorted(day.isoformat() for day in set(known) - differing)
    assert not gone, f"{group} no longer disagrees on {gone}: take them out of oracle_overrides.toml"
    for day, entry in known.items():
        if "through" not in entry:
            assert (entry["oracle"], entry["ours"]) == (theirs[day], ours[day]), f"{group} {day} was reviewed otherwise"


def test_every_disagreement_is_given_once_and_has_its_reason_and_its_reviewer() -> None:
    entries = reviewed()["disagreements"]
    for entry in entries:
        assert reviewed()["why"][entry["why"]] and entry["reviewer"], entry
    assert {entry["why"] for entry in entries} == set(reviewed()["why"])
    places = [(entry["group"], entry["date"]) for entry in entries]
    assert len(places) == len(set(places))
    assert {entry["group"] for entry in entries} <= set(CALENDARS) == set(HOURS)


# Crypto in November is left out: the oracle does not know that it trades round the clock.
@pytest.mark.parametrize(
    ("group", "sunday"),
    [(group, sunday) for group in CALENDARS for sunday in DST_WEEKS if (group, sunday) != ("crypto", DST_WEEKS[1])],
)
def test_every_minute_of_the_weeks_in_which_the_clocks_change(group: str, sunday: dt.date) -> None:
    """From the Friday before the change to the Friday after it, in UTC, where no minute is missing or twice."""
    theirs = sessions(group)
    start = dt.datetime.combine(sunday - 2 * DAY, dt.time.min, tzinfo=CHICAGO).astimezone(dt.UTC)
    end = start + 8 * DAY
    at = [(a, b) for a, b in theirs if b > start and a < end]
    t = start
    while t < end:
        assert HOURS[group].is_open(t) == any(a <= t < b for a, b in at), f"{group} at {t}"
        t += MINUTE


def test_the_comparison_covers_the_whole_horizon() -> None:
    assert all(hours.valid_from <= FIRST and hours.projected_through == LAST for hours in HOURS.values())


def test_the_draft_is_a_table() -> None:
    drafted = load_hours(tomllib.loads("\n".join(table())))
    assert set(drafted) == set(HOURS)
