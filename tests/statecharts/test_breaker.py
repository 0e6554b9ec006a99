"""The circuit breaker: a runaway, and a book that cannot be."""

from __future__ import annotations

from datetime import timedelta

import attrs

from statecharts import breaker
from statecharts import events as e
from statecharts.bars import Bar
from statecharts.draft import Draft
from statecharts.effects import Effect, PlaceOrder, Priority, Severity
from statecharts.rules import Runaway
from statecharts.values import Symbol
from tests.statecharts.desk import BUY, ES, NOON, SELL, Desk, follower, in_position, limit, order, rules, terms

THREE = Runaway(orders=3, per=timedelta(seconds=5))


def places(desk: Desk, first: int, count: int) -> int:
    """The leader places so many limit orders, each in a contract of its own. Answers how many are copied."""
    copied = 0
    for number in range(first, first + count):
        desk.leader(order(number, BUY, limit(1), symbol=Symbol(f"A{number}Z6")))
        copied += len(desk.places)
    return copied


def test_more_placements_than_runaway_make_the_follower_close_only_until_resume() -> None:
    desk = follower(runaway=THREE)
    assert places(desk, 1, 6) == 4, "the one too many is what trips it"
    (page,) = [tell for tell in desk.told if tell.severity is Severity.PAGE]
    assert "CLOSE-ONLY: 4 orders within 5 s" in page.message
    desk.wait(3600)
    assert places(desk, 10, 1) == 0
    desk.hear(e.ResumeAsked(at=desk.now))
    assert places(desk, 20, 3) == 3


def test_as_many_as_allowed_and_more_over_a_longer_time_trip_nothing() -> None:
    desk = follower(runaway=THREE)
    for first in (1, 11, 21):
        assert places(desk, first, 3) == 3
        desk.wait(5)
    assert desk.account.book.barred == {}
    assert len(desk.account.book.placements) <= 4


def test_closings_count_and_are_never_blocked() -> None:
    desk = in_position(4, runaway=THREE)
    for number in range(101, 105):
        desk.leader(order(number, SELL, terms(1), 1))
        assert desk.quantities == [(SELL, 1)]
    assert Bar.RUNAWAY in desk.account.book.barred
    desk.leader(order(110, BUY, terms(1), 1))
    assert desk.places == []


def test_the_count_survives_a_restart() -> None:
    desk = follower(runaway=THREE)
    places(desk, 1, 3)
    desk.restarted()
    assert len(desk.account.book.placements) == 3


def test_a_position_beyond_its_cap_trips_it_once() -> None:
    desk = follower(max_position=2)
    desk.leader(order(1, BUY, terms(2), 2))
    place = desk.place
    desk.fills(place, 900)
    assert desk.account.book.barred == {}
    desk.seen(place, 900, 3)
    desk.seen(place, 900, 4)
    (page,) = [tell for tell in desk.told if tell.severity is Severity.PAGE]
    assert "we own 3 ESZ6, and max_position is 2" in page.message


def test_a_cap_that_was_lowered_under_a_position_trips_nothing() -> None:
    desk = in_position(4)
    lowered = attrs.evolve(desk.account.rules, copy=rules(max_position=2))
    desk.hear(e.RulesChanged(at=desk.now, rules=lowered))
    assert desk.account.book.barred == {}


def test_market_exits_beyond_our_position_would_trip_it() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(2), 2))
    book = desk.account.book
    less = book.with_contract(ES, attrs.evolve(book.contract(ES), own=1))
    asked: list[Effect] = [effect for effect in desk.effects if isinstance(effect, PlaceOrder)]
    assert [one.priority for one in desk.places] == [Priority.EXIT]
    draft = Draft(name=desk.account.name, at=NOON, book=less, acting=True, effects=asked)
    breaker.check(draft, book, rules())
    assert "market exits of 2 ESZ6 are on their way, and we own 1" in draft.book.barred[Bar.RUNAWAY]
