"""The circuit breaker: a runaway, and what is none."""

from __future__ import annotations

from datetime import timedelta

import attrs

from statecharts import events as e
from statecharts.bars import Bar
from statecharts.effects import Severity
from statecharts.rules import Runaway
from statecharts.values import Symbol
from tests.statecharts.desk import BUY, ES, SELL, Desk, follower, in_position, limit, order, rules, terms

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


def test_fills_that_no_code_could_prevent_trip_nothing_and_are_closed() -> None:
    """The broker fills more than was asked for; an exit fills between the leader's reversal and its own cancel."""
    desk = follower(max_position=2)
    desk.leader(order(1, BUY, terms(2), 2))
    place = desk.place
    desk.fills(place, 900)
    assert desk.account.book.barred == {}
    desk.seen(place, 900, 3)
    desk.seen(place, 900, 4)
    assert desk.own == {ES: 4}
    desk.wait(5)
    assert desk.quantities == [(SELL, 2)]
    crossed = in_position(2, max_position=2)
    crossed.leader(order(101, SELL, limit(2, 5010)))
    late = crossed.place
    crossed.accepted(late, 910)
    crossed.leader(order(102, SELL, terms(4), 4))
    crossed.fills(crossed.place, 902)
    crossed.seen(late, 910, 2)
    assert crossed.own == {ES: -4}
    crossed.wait(5)
    assert crossed.quantities == [(BUY, 2)]
    for one in (desk, crossed):
        assert one.account.book.barred == {} and len(one.heard("position.drifted")) == 1


def test_a_cap_that_was_lowered_under_a_position_trips_nothing() -> None:
    desk = in_position(4)
    lowered = attrs.evolve(desk.account.rules, copy=rules(max_position=2))
    desk.hear(e.RulesChanged(at=desk.now, rules=lowered))
    assert desk.account.book.barred == {}
