"""What is ours alone is what our exits may take: found by a cold review, each with the story that showed it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from statecharts import events as e
from statecharts.account import fail
from statecharts.effects import Severity, Tell
from statecharts.order import Stage
from statecharts.values import Status
from tests.statecharts.desk import BUY, ES, SELL, follower, in_position, limit, order, stop, terms


def test_an_exit_of_ours_that_fills_before_the_leaders_takes_its_sibling_with_it() -> None:
    desk = in_position(1)
    desk.leader(order(101, SELL, limit(1, 5020)))
    target = desk.place
    desk.accepted(target, 901)
    desk.leader(order(102, SELL, stop(1)))
    protection = desk.place
    desk.accepted(protection, 902)
    desk.seen(target, 901, 1)
    assert desk.own == {}
    assert [cancel.order_id for cancel in desk.cancels] == [902], "or it would open the other side"


def test_an_exit_of_ours_is_made_no_larger_than_what_is_left_of_ours() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, limit(1, 5020)))
    target = desk.place
    desk.accepted(target, 901)
    desk.leader(order(102, SELL, stop(2)))
    protection = desk.place
    desk.accepted(protection, 902)
    desk.seen(target, 901, 1)
    assert desk.modifies == [], "two are left, and two are asked"
    desk.leader(order(103, SELL, limit(1, 5030)))
    second = desk.place
    desk.accepted(second, 903)
    desk.seen(second, 903, 1)
    (modify,) = desk.modifies
    assert (modify.order_id, modify.terms.quantity) == (902, 1)


def test_an_entry_that_was_chased_away_takes_the_stop_beside_it() -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(1, 4990)))
    entry = desk.place
    desk.accepted(entry, 901)
    desk.leader(order(102, SELL, stop(1, 4980)))
    desk.accepted(desk.place, 902)
    desk.leader(order(101, BUY, limit(1, 4990), 1))
    desk.wait(5)
    assert [cancel.order_id for cancel in desk.cancels] == [901]
    desk.seen(entry, 901, 0, Status.CANCELED)
    assert 902 in [cancel.order_id for cancel in desk.cancels], "the leader is long and we are not"


def test_a_position_on_the_other_side_of_the_leader_is_closed_and_paged() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(1, 5020)))
    target = desk.place
    desk.accepted(target, 901)
    desk.seen(target, 901, 1)
    desk.leader(order(102, SELL, stop(1)))
    protection = desk.place
    desk.accepted(protection, 902)
    desk.seen(protection, 902, 1)
    # Real world: the exchange has filled an order of ours once more than was asked.
    desk.seen(target, 901, 2, asked=limit(2, 5020))
    assert desk.own == {ES: -1}
    assert desk.quantities == [(BUY, 1)]
    assert any(tell.severity is Severity.PAGE and "other side" in tell.message for tell in desk.made(Tell))


def test_a_stop_that_was_skipped_is_placed_once_there_is_something_of_ours() -> None:
    desk = follower(ratio=Decimal("0.5"))
    desk.leader(order(101, BUY, terms(1), 1))
    assert desk.places == [], "half of one rounds to nothing"
    desk.leader(order(102, SELL, stop(1)))
    assert desk.copy_of(102).stage is Stage.SKIPPED
    desk.leader(order(103, BUY, terms(1), 1))
    entry = desk.place
    desk.leader(order(102, SELL, stop(2), version=1102))
    desk.fills(entry, 903)
    assert desk.own == {ES: 1}
    assert desk.quantities == [(SELL, 1)], "our position has its stop"
    assert desk.copy_of(102).stage is Stage.INTENDED


def test_a_stop_that_was_skipped_and_sleeps_is_not_placed_for_what_is_ours() -> None:
    desk = follower(ratio=Decimal("0.5"))
    desk.leader(order(101, BUY, terms(1), 1))
    desk.leader(order(102, SELL, stop(1)))
    desk.leader(order(103, BUY, terms(1), 1))
    entry = desk.place
    desk.leader(order(102, SELL, stop(2), version=1102, status=Status.SUSPENDED))
    desk.fills(entry, 903)
    assert desk.own == {ES: 1}
    assert desk.places == []
    desk.leader(order(102, SELL, stop(2), version=1102))
    assert desk.quantities == [(SELL, 1)], "it is awake"


def test_an_answer_that_went_with_a_failed_turn_is_lost_and_looked_up() -> None:
    desk = in_position(1)
    desk.leader(order(101, SELL, terms(1), 1))
    exit_ = desk.place
    desk.sent(exit_)
    answer = e.AnswerLost(at=desk.now, copy=exit_.copy, client_id=exit_.client_id, reason="timeout", sent_at=desk.now)
    desk.account = fail(desk.account, desk.now, "KeyError", answer).account
    assert desk.copy_of(101).stage is Stage.UNKNOWN
    desk.read_anew(positions={ES: 1})
    assert [look_up.client_id for look_up in desk.look_ups] == [exit_.client_id]


def test_an_answer_of_another_turn_is_still_waited_for() -> None:
    desk = in_position(1)
    desk.leader(order(101, SELL, terms(1), 1))
    desk.account = fail(desk.account, desk.now, "KeyError", e.AlarmRang(at=desk.now)).account
    assert desk.copy_of(101).stage is Stage.INTENDED


def test_the_same_moment_asked_twice_agrees_with_itself_only() -> None:
    desk = in_position(1)
    desk.leader(order(101, SELL, terms(1), 1))
    exit_ = desk.place
    desk.answer_lost(exit_)
    (first,) = desk.look_ups
    desk.wait(15)
    desk.looked_up(first)
    assert desk.copy_of(101).absent == 1
    desk.looked_up(first)
    assert desk.copy_of(101).absent == 1
    assert desk.copy_of(101).stage is Stage.UNKNOWN
    desk.wait(2)
    desk.looked_up(first)
    assert desk.copy_of(101).stage is not Stage.UNKNOWN, "two moments agree"


@pytest.mark.parametrize("gone", [Status.CANCELED, Status.EXPIRED])
def test_a_skipped_exit_whose_leader_order_has_ended_is_not_wanted_any_more(gone: Status) -> None:
    desk = follower(ratio=Decimal("0.5"))
    desk.leader(order(101, BUY, terms(1), 1), order(102, SELL, stop(1)))
    desk.leader(order(102, SELL, stop(1), 0, gone))
    desk.leader(order(103, BUY, terms(1), 1))
    desk.fills(desk.place, 903)
    assert desk.places == []


def test_a_reversal_that_fills_in_parts_is_not_taken_for_an_exit_when_it_has_come_to_flat() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, terms(6), 3))
    reversal = desk.place
    desk.accepted(reversal, 901)
    desk.seen(reversal, 901, 3)
    assert desk.own == {}
    assert desk.cancels == [], "the other half of it is still to open"
    desk.leader(order(101, SELL, terms(6), 6))
    desk.seen(reversal, 901, 6)
    assert desk.own == {ES: -3}
