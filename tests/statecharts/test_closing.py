"""Closings at market: what makes way, what comes back, what is asked again."""

from __future__ import annotations

from statecharts import refusals
from statecharts.book import Verb
from statecharts.effects import Priority
from statecharts.events import LeaderLost
from statecharts.order import Stage
from statecharts.values import OrderType, Status
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
from tests.statecharts.families import bracket


def missed_exit(net: int = 1, quantity: int = 3) -> Desk:
    """The leader was at `net` when copying resumed, and we hold more."""
    desk = in_position(quantity)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {ES: net} if net else {}))
    return desk


def test_a_closing_is_a_market_order_of_its_own_with_an_exits_priority() -> None:
    desk = missed_exit()
    place = desk.place
    copy = desk.account.book.copies[place.copy]
    assert (place.side, place.terms, place.priority) == (SELL, terms(2), Priority.EXIT)
    assert (copy.verb, copy.leader_order_id, copy.terms.order_type if copy.terms else None) == (
        Verb.CLOSE, None, OrderType.MARKET,
    )  # fmt: skip


def test_a_refused_closing_is_asked_again_under_another_id_each_wait_longer_than_the_last() -> None:
    desk = missed_exit()
    seen = set()
    for n in range(3):
        place = desk.place
        assert place.client_id not in seen
        seen.add(place.client_id)
        desk.refused(place)
        assert desk.places == []
        desk.wait(2**n - 0.5)
        assert desk.places == []
        desk.wait(0.5)
    assert refusals.backed_off(0) == SECOND
    assert refusals.backed_off(10**6) == 30 * SECOND


def test_a_closing_that_never_left_has_another_id_too() -> None:
    desk = missed_exit()
    first = desk.place
    desk.never_sent(first)
    desk.wait(1)
    assert desk.place.client_id != first.client_id


def test_an_absent_closing_is_asked_again_under_another_id() -> None:
    desk = missed_exit()
    first = desk.place
    desk.answer_lost(first)
    while desk.look_ups:
        desk.looked_up(desk.look_ups[0])
    assert desk.place.client_id != first.client_id


def test_resting_exits_are_cancelled_and_confirmed_before_a_close_and_come_back_after_it() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, stop(3)))
    protection = desk.place
    desk.accepted(protection, 901)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {ES: 2}))
    assert [one.order_id for one in desk.cancels] == [901]
    assert desk.places == []
    desk.seen(protection, 901, status=Status.CANCELED)
    assert desk.quantities == [(SELL, 1)]
    desk.fills(desk.place, 902)
    assert desk.place.terms == stop(2)
    assert desk.place.client_id != protection.client_id


def test_an_exit_whose_leader_order_has_ended_does_not_come_back() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, stop(3)))
    protection = desk.place
    desk.accepted(protection, 901)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {ES: 2}))
    desk.seen(protection, 901, status=Status.CANCELED)
    close = desk.place
    desk.leader(order(101, SELL, stop(3), status=Status.CANCELED))
    desk.fills(close, 902)
    assert desk.places == []
    assert desk.own == {ES: 2}


def test_a_closing_goes_on_while_the_leader_is_lost() -> None:
    desk = missed_exit()
    desk.refused(desk.place)
    desk.hear(LeaderLost(at=desk.now, leader=LEAD, reason="closed", shown="Reconnecting"))
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]


def test_while_a_closing_is_under_way_nothing_opens() -> None:
    desk = missed_exit()
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.places == []
    assert "being closed" in (desk.copy_of(102).reason or "")


def test_a_closing_goes_as_far_as_the_leader_has_gone_since() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, limit(1, 5020)))
    target = desk.place
    desk.accepted(target, 901)
    desk.leader(order(101, SELL, limit(1, 5020), 1))
    desk.wait(5)
    desk.leader(order(102, SELL, terms(2), 2))
    assert desk.quantities == [(SELL, 2)]
    desk.fills(desk.place, 902)
    desk.seen(target, 901, status=Status.CANCELED)
    assert desk.quantities == [(SELL, 1)]


def test_nothing_is_closed_while_an_order_of_the_contract_is_in_doubt() -> None:
    desk = in_position(2)
    desk.leader(order(102, BUY, limit(1)))
    place = desk.place
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {}))
    assert desk.places == []
    desk.accepted(place, 902, working=False)
    assert desk.quantities == [(SELL, 2)]


def test_a_held_exit_is_given_up_for_a_closing_and_comes_back_when_the_leader_still_has_it() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, stop(3)))
    desk.never_sent(desk.place)
    assert desk.copy_of(101).stage is Stage.HELD
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {ES: 2}))
    desk.wait(1)
    close = next(one for one in desk.places if one.terms.order_type is OrderType.MARKET)
    assert close.terms.quantity == 1
    desk.fills(close, 902)
    assert [one.terms for one in desk.places] == [stop(2)]


def test_a_closing_never_goes_to_the_other_side_when_ours_has_changed_it() -> None:
    desk = missed_exit(net=1, quantity=3)
    place = desk.place
    desk.accepted(place, 901)
    desk.seen(place, 901, 4, asked=terms(4))  # more than was asked for: we are short now
    assert desk.quantities == [(BUY, 1)]


def test_a_market_exit_leaves_to_a_resting_one_what_the_leader_has_exited_there() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(1, 5020)))
    desk.accepted(desk.place, 901)
    desk.leader(order(101, SELL, limit(1, 5020), 1), order(102, SELL, terms(1), 1))
    assert desk.quantities == [(SELL, 1)]
    desk.fills(desk.place, 902)
    desk.wait(5)
    assert [one.order_id for one in desk.cancels] == [901]


def test_the_stop_of_an_entry_protects_between_two_tries_of_a_closing() -> None:
    desk = follower()
    exchange = Exchange(desk)
    desk.frame(*bracket(1, terms(4), 4))
    exchange.take()
    exchange.settle()
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {ES: 2}))
    exchange.take()
    exchange.answer("well")
    exchange.take()
    exchange.answer("refused")
    assert [(one.terms.order_type, one.terms.quantity) for one in desk.places] == [(OrderType.STOP, 4)]
    exchange.take()
    exchange.settle()
    assert exchange.position == {ES: 2}
    assert [exchange.orders[number][1].rest for number in exchange.working] == [2, 2]


def test_a_refused_closing_that_another_order_has_made_needless_bars_nothing_until_its_next_try() -> None:
    """The leader was in again, and was not copied: our position was being closed, and there was none."""
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    protection = desk.place
    desk.accepted(protection, 901)
    desk.leader(order(102, SELL, terms(2), 2))
    out = desk.place
    desk.sent(out)
    desk.refused(out, "429", "too many requests")
    desk.leader(order(101, SELL, stop(2), status=Status.CANCELED))
    desk.seen(protection, 901, 2)
    assert desk.own == {}
    desk.leader(order(103, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]
