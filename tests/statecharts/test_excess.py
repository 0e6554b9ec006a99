"""What is ours beyond the leader's is closed, whatever led to it, once nothing of his can bring it any more."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from statecharts import events as e
from statecharts import exposure
from statecharts.effects import PlaceOrder
from statecharts.values import OrderId, Status
from statecharts.view import View
from tests.statecharts.desk import (
    BUY,
    ES,
    LEAD,
    LEAD_ID,
    SECOND,
    SELL,
    Desk,
    follower,
    in_position,
    limit,
    order,
    stop,
    terms,
)
from tests.statecharts.exchange import Exchange


def ahead() -> Desk:
    """Both hold 2, and ours of the leader's limit order 101 for 2 more has filled before his."""
    desk = in_position(2)
    desk.leader(order(101, BUY, limit(2, 4999)))
    desk.fills(desk.place, 901)
    assert desk.own == {ES: 4}
    return desk


def test_what_has_filled_before_the_leaders_own_stays_as_long_as_his_may_fill() -> None:
    desk = ahead()
    desk.wait(3600)
    assert desk.places == []
    desk.leader(order(101, BUY, limit(2, 4999), 2))
    desk.wait(3600)
    assert desk.heard("position.drifted") == []
    assert desk.own == {ES: 4}


def test_what_has_filled_before_the_leaders_own_is_closed_when_he_cancels_his() -> None:
    desk = ahead()
    desk.leader(order(101, BUY, limit(2, 4999), status=Status.CANCELED))
    assert desk.places == []  # he may be about to place it elsewhere
    desk.wait(4)
    assert desk.places == []
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]
    assert desk.heard("position.drifted") == [
        "closing 2 ESZ6 at market (Sell): we own 4, the leader's position stands for 2"
    ]
    desk.fills(desk.place, 902)
    desk.wait(60)
    assert desk.places == []
    assert desk.own == {ES: 2}


def test_of_what_has_filled_before_the_leaders_own_the_part_that_he_gets_stays() -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(3, 4999)))
    desk.fills(desk.place, 901)
    desk.leader(order(101, BUY, limit(3, 4999), 1), order(101, BUY, limit(3, 4999), 1, Status.CANCELED))
    desk.wait(5)
    assert desk.quantities == [(SELL, 2)]


def test_of_what_has_filled_before_the_leaders_own_the_part_that_he_wants_no_more_is_closed() -> None:
    desk = ahead()
    desk.leader(order(101, BUY, limit(1, 4999), version=107))
    desk.wait(5)
    assert desk.quantities == [(SELL, 1)]


def test_a_restart_decides_the_same() -> None:
    desk = ahead()
    desk.leader_read_anew()
    assert desk.places == []
    desk.leader(order(101, BUY, limit(2, 4999), status=Status.CANCELED))
    desk.leader_read_anew()
    assert desk.quantities == [(SELL, 2)]


def test_a_bracket_that_filled_alone_is_closed_when_the_leader_cancels_it_whole() -> None:
    desk = in_position(2)
    desk.leader(order(102, SELL, stop(2, 4980)))
    exchange = Exchange(desk, read=len(desk.everything) - 1, position={ES: 2})
    exchange.settle()
    entry, leg = order(103, BUY, limit(2, 4999)), order(104, SELL, stop(2), parent_id=OrderId(103))
    asleep = attrs.evolve(leg, status=Status.SUSPENDED)
    desk.frame(entry, asleep)
    exchange.settle()
    number = next(n for n, (_, one) in exchange.orders.items() if one.side is BUY)
    exchange.fill(number, 2)
    exchange.tell(number)
    exchange.settle()
    assert exchange.position == {ES: 4}
    desk.frame(attrs.evolve(entry, status=Status.CANCELED), attrs.evolve(leg, status=Status.CANCELED))
    exchange.settle()
    assert exchange.position == {ES: 2}
    (stays,) = (exchange.orders[n][1] for n in exchange.working)
    assert (stays.side, stays.rest) == (SELL, 2)
    assert any("we own 4, the leader's position stands for 2" in told for told in desk.heard("position.drifted"))


def test_what_rounding_leaves_too_much_over_two_brackets_is_closed() -> None:
    desk = follower(ratio=Decimal("1.5"))
    exchange = Exchange(desk)
    for number, price in ((100, 4990), (200, 4980)):
        parent = OrderId(number)
        desk.frame(order(number, BUY, terms(1), 1), order(number + 1, SELL, stop(1, price), parent_id=parent))
        exchange.settle()
    assert exchange.position == {ES: 3}
    hit = next(n for n, (_, one) in exchange.orders.items() if one.terms is not None and one.terms.stop_price == 4990)
    exchange.fill(hit, 1)
    exchange.tell(hit)
    desk.leader(order(101, SELL, stop(1, 4990), 1, parent_id=OrderId(100)))
    exchange.settle()
    assert exchange.position == {ES: 1}


def test_what_a_part_of_the_leaders_that_rounds_to_nothing_would_bring_stays_while_that_may_fill() -> None:
    desk = follower(ratio=Decimal("0.5"))
    desk.leader(order(1, BUY, limit(1, 4998)))
    assert desk.places == []
    desk.leader(order(2, BUY, limit(1, 4999)))
    desk.fills(desk.place, 900)
    desk.leader(order(2, BUY, limit(1, 4999), 1))
    desk.wait(60)
    assert desk.places == []
    desk.leader(order(1, BUY, limit(1, 4998), status=Status.CANCELED))
    desk.wait(5)
    assert desk.quantities == [(SELL, 1)]


def test_parts_that_round_to_nothing_do_not_keep_us_in_when_the_leader_is_out_of_what_they_were_parts_of() -> None:
    """Found by a world: two of his resting orders of one contract each stood for ours, and he was flat."""
    desk = follower(ratio=Decimal("0.5"))
    first, last = order(1, BUY, limit(1, 4998)), order(3, BUY, limit(1, 4997))
    desk.leader(first)
    desk.leader(order(2, BUY, terms(1)))
    desk.fills(desk.place, 900)
    desk.leader(order(2, BUY, terms(1), 1))
    desk.leader(last)
    assert desk.places == [] and desk.own == {ES: 1}
    desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="closed", shown="Reconnecting"))
    desk.leader_read_anew(View(LEAD_ID, 2, {first.id: first, last.id: last}))
    assert desk.quantities == [(SELL, 1)]


def test_what_has_been_skipped_for_another_reason_brings_nothing() -> None:
    desk = ahead()
    desk.hear(e.PauseAsked(at=desk.now))
    desk.leader(order(103, BUY, limit(5, 4990)))
    desk.leader(order(101, BUY, limit(2, 4999), status=Status.CANCELED))
    desk.wait(5)
    assert desk.quantities == [(SELL, 2)]


def test_what_a_cap_has_cut_to_nothing_does_not_keep_us_in_when_the_leader_is_flat() -> None:
    desk = in_position(2, max_position=2)
    more = order(101, BUY, limit(1, 4990))
    desk.leader(more)
    assert desk.places == []
    desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="closed", shown="Reconnecting"))
    desk.leader_read_anew(View(LEAD_ID, 2, {more.id: more}))
    assert desk.quantities == [(SELL, 2)]


def test_an_order_without_terms_brings_nothing() -> None:
    desk = ahead()
    strange = attrs.evolve(order(103, BUY, None, status=Status.WORKING), unsupported="QTS")
    desk.leader(strange, order(101, BUY, limit(2, 4999), status=Status.CANCELED))
    desk.wait(5)
    assert desk.quantities == [(SELL, 2)]


def test_a_fill_that_is_told_after_its_order_was_called_filled_is_waited_for() -> None:
    desk = ahead()
    desk.leader(order(101, BUY, limit(2, 4999), status=Status.FILLED))
    desk.wait(60)
    assert desk.places == []


def test_a_fill_that_was_corrected_to_fewer_is_not_waited_for() -> None:
    desk = ahead()
    filled = order(101, BUY, limit(2, 4999), 2)
    desk.leader(filled)
    fewer = attrs.evolve(filled.fills[1], quantity=0, corrected=1)
    desk.leader(attrs.evolve(filled, fills=(filled.fills[0], fewer)))
    assert desk.quantities == [(SELL, 1)]


def test_while_the_leader_is_away_nothing_is_too_much_for_long() -> None:
    desk = ahead()
    desk.leader(order(101, BUY, limit(2, 4999), status=Status.CANCELED))
    desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="socket closed", shown="Reconnecting"))
    desk.wait(60)
    assert desk.places == []


def test_what_is_on_its_way_out_is_not_too_much() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, terms(2), 2))
    out = desk.place
    desk.sent(out)
    desk.wait(14)
    assert desk.heard("position.drifted") == []
    desk.accepted(out, 901)
    desk.wait(14)
    assert desk.heard("position.drifted") == []


def test_what_a_resting_exit_of_ours_is_about_to_take_is_waited_for_and_no_more_than_that() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, limit(2, 5010)))
    desk.accepted(desk.place, 901)
    desk.leader(order(101, SELL, limit(2, 5010), 1))
    desk.wait(60)
    assert desk.places == []
    desk.leader(order(102, SELL, None, 1, Status.FILLED, unsupported="QTS"))
    desk.wait(5)
    assert [one.order_id for one in desk.cancels] == [901]


def test_nothing_is_too_much_that_was_left_by_the_operators_wish() -> None:
    desk = in_position(2, catch_up="none")
    desk.leader_read_anew(View(LEAD_ID, 2, {}, {ES: 1}))
    assert desk.account.book.contract(ES).left
    desk.wait(60)
    assert desk.places == []


def test_what_is_closed_is_never_opened_again() -> None:
    desk = ahead()
    desk.leader(order(101, BUY, limit(2, 4999), status=Status.CANCELED))
    desk.wait(5)
    desk.fills(desk.place, 902)
    desk.leader(order(103, SELL, terms(1), 1))
    assert desk.quantities == [(SELL, 1)]


@pytest.mark.parametrize("seconds", [2, 20])
def test_it_is_waited_for_as_long_as_a_chase(seconds: int) -> None:
    desk = in_position(2, chase_after=seconds * SECOND)
    desk.leader(order(101, BUY, limit(2, 4999)))
    desk.fills(desk.place, 901)
    desk.leader(order(101, BUY, limit(2, 4999), status=Status.CANCELED))
    desk.wait(seconds - 1)
    assert desk.places == []
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]


def test_a_stop_of_the_leaders_that_has_filled_does_not_keep_us_in_while_ours_is_being_cancelled() -> None:
    desk = in_position(1)
    desk.leader(order(101, SELL, stop(1)))
    protection = desk.place
    desk.accepted(protection, 901)
    desk.leader(order(101, SELL, stop(1), 1))
    desk.wait(5)
    assert [one.order_id for one in desk.cancels] == [901]
    desk.seen(protection, 901, 0, Status.CANCELED)
    assert desk.quantities == [(SELL, 1)]


def test_a_position_on_the_other_side_is_closed_at_once_and_paged() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5010)), order(102, SELL, stop(2)))
    target, protection = (one for one in desk.everything if isinstance(one, PlaceOrder) and one.side is SELL)
    desk.accepted(target, 901)
    desk.accepted(protection, 902)
    desk.seen(target, 901, 2)
    desk.seen(protection, 902, 2)
    assert desk.quantities == [(BUY, 2)]
    assert any("we hold -2, on the other side of the leader" in told for told in desk.heard("position.drifted"))


def test_a_position_on_the_other_side_waits_for_the_answer_to_an_order_that_may_change_it() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5010)), order(102, SELL, stop(2)))
    target, protection = (one for one in desk.everything if isinstance(one, PlaceOrder) and one.side is SELL)
    desk.accepted(target, 901)
    desk.accepted(protection, 902)
    desk.leader(order(103, BUY, limit(1)))
    desk.seen(target, 901, 2)
    desk.seen(protection, 902, 2)
    assert desk.own == {ES: -2}
    assert desk.quantities == []
    assert not any("on the other side of the leader" in told for told in desk.heard("position.drifted"))


def test_a_reversal_that_has_filled_before_the_leaders_is_not_on_the_other_side() -> None:
    desk = in_position(1)
    desk.leader(order(101, SELL, stop(3)))
    desk.fills(desk.place, 901)
    assert desk.own == {ES: -2}
    desk.wait(60)
    desk.leader_read_anew()
    assert desk.places == []
    desk.leader(order(101, SELL, stop(3), 3))
    desk.wait(60)
    assert desk.heard("position.drifted") == []


def test_what_a_reversal_of_the_leaders_has_exited_is_closed_when_ours_does_not_fill() -> None:
    """Both are short 2, he would turn long by 1; then he sells 1 more, so that his order only exits."""
    desk = follower()
    desk.leader(order(100, SELL, terms(2), 2))
    desk.fills(desk.place, 900)
    desk.leader(order(101, BUY, stop(3, 5020)))
    reversal = desk.place
    desk.accepted(reversal, 901)
    desk.leader(order(102, SELL, terms(1), 1))
    desk.fills(desk.place, 902)
    desk.leader(order(101, BUY, stop(3, 5020), 3))
    desk.wait(5)
    assert [one.order_id for one in desk.cancels] == [901]
    desk.seen(reversal, 901, 0, Status.CANCELED)
    assert desk.quantities == [(BUY, 3)]
    desk.fills(desk.place, 903)
    assert desk.own == {}


def test_what_a_reversal_has_exited_before_the_leader_cancelled_it_is_closed() -> None:
    desk = in_position(1)
    desk.leader(order(101, SELL, stop(2)))
    reversal = desk.place
    desk.accepted(reversal, 901)
    desk.leader(order(101, SELL, stop(2), 1))
    desk.leader(order(101, SELL, stop(2), 1, Status.CANCELED))
    assert [one.order_id for one in desk.cancels] == [901]
    desk.seen(reversal, 901, 0, Status.CANCELED)
    assert desk.quantities == [(SELL, 1)]


def test_a_contract_that_waits_already_goes_on_waiting_for_what_it_did() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5010)), order(102, SELL, stop(2)))
    target, protection = (one for one in desk.everything if isinstance(one, PlaceOrder) and one.side is SELL)
    desk.accepted(target, 901)
    desk.accepted(protection, 902)
    desk.hear(e.PauseAsked(at=desk.now))
    desk.leader(order(103, BUY, terms(1), 1))
    waits = desk.account.book.contract(ES).no_entry
    assert waits is not None
    desk.seen(target, 901, 2)
    desk.seen(protection, 902, 2)
    assert desk.quantities == [(BUY, 2)]
    assert desk.account.book.contract(ES).no_entry == waits


def test_what_is_known_of_an_order_without_its_terms_stands_for_nothing() -> None:
    desk = in_position(2)
    assert exposure.share(desk.copy_of(100), order(100, BUY, terms(2), 2)) == 2
    assert exposure.share(desk.copy_of(100), order(100, BUY, None, 2, Status.FILLED)) == 0


def had_an_exit_skipped() -> Desk:
    """Both are short 2; an exit of the leader's before that found nothing of ours, and was skipped."""
    desk = follower()
    strange = order(101, BUY, None, 1, Status.FILLED, unsupported="QTS")
    desk.leader(strange, order(102, SELL, terms(1), 1))
    assert desk.places == []
    desk.leader(order(103, SELL, terms(2), 2))
    desk.fills(desk.place, 901)
    assert desk.own == {ES: -2}
    return desk


def test_a_fill_that_is_told_before_the_terms_of_its_exit_is_exited_once() -> None:
    desk = had_an_exit_skipped()
    desk.leader(order(104, BUY, None, 1, Status.WORKING))
    assert desk.places == [], "its terms are about to come"
    desk.wait(1)
    desk.leader(order(104, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]
    desk.fills(desk.place, 902)
    desk.wait(60)
    assert desk.own == {ES: -1} and desk.places == []


def test_an_exit_whose_terms_do_not_come_is_closed_and_what_comes_later_is_nothing() -> None:
    desk = had_an_exit_skipped()
    desk.leader(order(104, BUY, None, 1, Status.WORKING))
    desk.wait(4)
    assert desk.places == []
    desk.wait(1)
    assert desk.quantities == [(BUY, 1)]
    assert "does not say what it asks for" in desk.heard("copy.skipped")[-1]
    desk.fills(desk.place, 902)
    desk.leader(order(104, BUY, terms(1), 1))
    desk.wait(60)
    assert desk.own == {ES: -1} and desk.places == []


def test_a_reversal_whose_terms_come_after_its_fill_is_no_position_on_the_wrong_side() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, None, 4, Status.WORKING))
    assert desk.places == [] and desk.heard("position.drifted") == []
    desk.leader(order(101, SELL, terms(4), 4))
    assert desk.quantities == [(SELL, 4)]
