"""What must hold of any instant and any group, 2024 to 2028."""

from __future__ import annotations

import datetime as dt
import tomllib
from itertools import pairwise
from operator import add
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.hours_table import built_in
from statecharts.market_hours import CHICAGO, MarketHours, load_hours
from tests import examples

FIRST, LAST = dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2029, 1, 1, tzinfo=dt.UTC)
TICK = dt.timedelta(microseconds=1)
TABLE = tomllib.loads(built_in())
HOURS = {
    **load_hours(TABLE),
    "crypto without maintenance": load_hours(TABLE, maintenance="")["crypto"],
    "crypto with maintenance on Sundays": load_hours(TABLE, maintenance="sun 05:00-06:00")["crypto"],
}


def edges(hours: MarketHours) -> list[dt.datetime]:
    """Every edge of the horizon, one after the other."""
    found = []
    end = hours.window_at(FIRST).end
    while end is not None and end < LAST:
        found.append(end)
        end = hours.window_at(end).end
    return found


EDGES = {name: edges(hours) for name, hours in HOURS.items()}
# Half of the instants stand on an edge or beside it, where what can be wrong is wrong.
NUDGES = st.sampled_from([-TICK, dt.timedelta(0), TICK, dt.timedelta(minutes=1), dt.timedelta(hours=-1)])


def instants(name: str) -> st.SearchStrategy[dt.datetime]:
    naive = st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None) - TICK)
    return naive.map(lambda t: t.replace(tzinfo=dt.UTC)) | st.builds(add, st.sampled_from(EDGES[name]), NUDGES)


def places(count: int = 1) -> st.SearchStrategy[tuple[str, list[dt.datetime]]]:
    """A group and some instants."""

    def of_group(name: str) -> st.SearchStrategy[tuple[str, list[dt.datetime]]]:
        return st.tuples(st.just(name), st.lists(instants(name), min_size=count, max_size=count))

    return st.sampled_from(sorted(HOURS)).flatmap(of_group)


laws = settings(deadline=None, max_examples=examples(150))


@laws
@given(places(), st.integers(0, 999_999))
def test_a_window_is_of_one_state_and_the_next_begins_where_it_ends(
    place: tuple[str, list[dt.datetime]], millionths: int
) -> None:
    name, (t,) = place
    hours = HOURS[name]
    window = hours.window_at(t)
    assert window.start <= t and window.open == hours.is_open(t)
    assert (window.reason.value == "session") == window.open
    if window.end is None:
        return
    assert t < window.end
    within = window.start + (window.end - window.start) * millionths // 1_000_000
    assert hours.window_at(within) == window
    following = hours.window_at(window.end)
    assert following.open != window.open and following.start == window.end
    before = hours.window_at(window.start - TICK)
    assert before.open != window.open and before.end == window.start


@laws
@given(places())
def test_an_edge_is_the_first_instant_of_its_state(place: tuple[str, list[dt.datetime]]) -> None:
    name, (t,) = place
    hours = HOURS[name]
    opening, closing = hours.next_open(t), hours.next_close(t)
    if opening is not None:
        assert opening > t and hours.is_open(opening) and not hours.is_open(opening - TICK)
    if closing is not None:
        assert closing > t and not hours.is_open(closing) and hours.is_open(closing - TICK)


@laws
@given(places())
def test_the_nearer_edge_ends_the_window(place: tuple[str, list[dt.datetime]]) -> None:
    name, (t,) = place
    hours = HOURS[name]
    opening, closing = hours.next_open(t), hours.next_close(t)
    if hours.is_open(t):
        assert closing == hours.window_at(t).end
    else:
        assert opening == hours.window_at(t).end
    assert opening is None or opening != closing


@laws
@given(places(count=2))
def test_a_later_instant_has_no_earlier_edge(place: tuple[str, list[dt.datetime]]) -> None:
    name, both = place
    hours = HOURS[name]
    early, late = sorted(both)
    for ask in (hours.next_open, hours.next_close):
        first, second = ask(early), ask(late)
        assert second is None or (first is not None and first <= second)


@laws
@given(places())
def test_the_zone_of_the_question_does_not_matter(place: tuple[str, list[dt.datetime]]) -> None:
    name, (t,) = place
    hours = HOURS[name]
    local = t.astimezone(CHICAGO)
    for same in (local, t.astimezone(ZoneInfo("Asia/Kolkata"))):
        assert hours.window_at(same) == hours.window_at(t)
        assert (hours.next_open(same), hours.next_close(same)) == (hours.next_open(t), hours.next_close(t))
        assert hours.coverage(same) == hours.coverage(t)
    folded = local.replace(fold=1 - local.fold)  # elsewhere than in the hour that comes twice it is the same instant
    assert hours.window_at(folded) == hours.window_at(folded.astimezone(dt.UTC))


@laws
@given(places(), st.timedeltas(dt.timedelta(days=-2), dt.timedelta(days=2)))
def test_what_was_asked_before_changes_no_answer(place: tuple[str, list[dt.datetime]], later: dt.timedelta) -> None:
    name, (t,) = place
    hours = HOURS[name]
    for before, then in ((t, t + later), (t + later, t)):
        hours.window_at(before)
        answered = hours.window_at(then)
        hours._latest.clear()
        assert hours.window_at(then) == answered


def test_the_longest_closure_of_the_equity_index_is_christmas_of_2026() -> None:
    hours = HOURS["equity_index"]
    closed = [(end - start, start) for start, end in pairwise(EDGES["equity_index"]) if not hours.is_open(start)]
    assert max(closed) == (
        dt.timedelta(days=3, hours=4, minutes=45),
        dt.datetime(2026, 12, 24, 12, 15, tzinfo=CHICAGO).astimezone(dt.UTC),
    )


def test_every_session_of_the_equity_index_starts_at_17_00_in_chicago() -> None:
    hours = HOURS["equity_index"]
    starts = {f"{edge.astimezone(CHICAGO):%H:%M}" for edge in EDGES["equity_index"] if hours.is_open(edge)}
    assert starts == {"17:00"}


@pytest.mark.parametrize("name", [name for name in HOURS if name.startswith("crypto")])
def test_a_market_around_the_clock_is_closed_for_its_maintenance_alone(name: str) -> None:
    since = dt.datetime(2026, 5, 30, tzinfo=CHICAGO).astimezone(dt.UTC)
    closed = [(a, b) for a, b in pairwise(EDGES[name]) if a > since and not HOURS[name].is_open(a)]
    lengths = {b - a for a, b in closed}
    assert lengths == {"crypto": {dt.timedelta(hours=2)}, "crypto without maintenance": set()}.get(
        name, {dt.timedelta(hours=1)}
    )
