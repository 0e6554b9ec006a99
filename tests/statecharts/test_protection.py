"""Our stops are as large as our position, whatever the broker makes of them, and they are missed when they are gone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from statecharts import events as e
from statecharts import refusals
from statecharts.effects import ModifyOrder, PlaceOco, PlaceOso, Severity
from statecharts.order import Stage
from statecharts.values import Order, OrderId, OrderType, Status, VersionId
from tests.statecharts.desk import BUY, ES, LEAD, SELL, Desk, follower, in_position, limit, order, stop, terms
from tests.statecharts.exchange import Exchange
from tests.statecharts.families import bracket, done, ended

WAKES = ("first_fill", "each_fill", "last_fill")


def bracketed(wake: str = "last_fill", **more: Any) -> tuple[Desk, Exchange]:
    """A follower whose entry of 4, with a target and a stop, rests at the broker."""
    desk = follower(**more)
    exchange = Exchange(desk, wake=wake)
    desk.frame(*bracket(1, limit(4)))
    exchange.take()
    exchange.answer("well")
    assert [exchange.orders[n][1].status for n in exchange.working] == [
        Status.WORKING,
        Status.SUSPENDED,
        Status.SUSPENDED,
    ]
    return desk, exchange


def live(exchange: Exchange) -> list[Order]:
    return [exchange.orders[number][1] for number in exchange.tradable]


def stops(exchange: Exchange) -> int:
    """Contracts that live stops at the broker would close."""
    return sum(one.rest for one in live(exchange) if one.terms and one.terms.order_type is OrderType.STOP)


def targets(exchange: Exchange) -> int:
    limits = (one for one in live(exchange) if one.terms and one.terms.order_type is OrderType.LIMIT)
    return sum(one.rest for one in limits if one.side is SELL)


def fill(exchange: Exchange, number: int, quantity: int) -> None:
    exchange.fill(OrderId(number), quantity)
    exchange.tell(OrderId(number))
    exchange.take()


def work(exchange: Exchange, seconds: float = 2.0) -> None:
    """Everything is answered well, and so much time passes."""
    for _ in range(40):
        exchange.take()
        if exchange.queue:
            exchange.answer("well")
    exchange.desk.wait(seconds)
    for _ in range(40):
        exchange.take()
        if exchange.queue:
            exchange.answer("well")


@pytest.mark.parametrize("wake", WAKES)
def test_legs_have_the_size_of_what_our_entry_has_filled(wake: str) -> None:
    _, exchange = bracketed(wake=wake)
    for filled in (1, 3, 4):
        fill(exchange, 5001, filled - exchange.position.get(ES, 0))
        work(exchange)
        assert (stops(exchange), targets(exchange)) == (filled, filled)


@pytest.mark.parametrize("wake", WAKES)
def test_an_entry_that_is_cancelled_in_the_middle_keeps_what_it_has_filled_protected(wake: str) -> None:
    desk, exchange = bracketed(wake=wake)
    entry, target, stopped = bracket(1, limit(4), 1, awake=True, size=1)
    desk.frame(entry, target, stopped)
    fill(exchange, 5001, 1)
    work(exchange)
    desk.frame(ended(entry))
    work(exchange)
    assert exchange.position[ES] == 1
    assert (stops(exchange), targets(exchange)) == (1, 1)
    assert len(exchange.tradable) == 2


def test_a_family_that_the_leader_cancels_is_cancelled_with_one_request() -> None:
    desk, exchange = bracketed()
    desk.frame(*(ended(one) for one in bracket(1, limit(4))))
    (cancel,) = desk.cancels
    assert cancel.order_id == 5001
    work(exchange)
    assert not exchange.working
    assert not [tell for tell in desk.told if "refused" in tell.message]
    assert [desk.copy_of(n).stage for n in (1, 2, 3)] == [Stage.CANCELED] * 3


def test_legs_that_the_leader_takes_away_from_a_resting_entry_are_cancelled_with_one_request() -> None:
    desk, exchange = bracketed()
    _, target, stopped = bracket(1, limit(4))
    desk.frame(ended(target), ended(stopped))
    assert len(desk.cancels) == 1
    work(exchange)
    assert exchange.working == [5001]


def test_a_leg_is_not_cancelled_while_its_entry_is_unconfirmed() -> None:
    desk = follower()
    entry, target, stopped = bracket(1, limit(2))
    desk.frame(entry, target, stopped)
    (place,) = desk.places
    assert isinstance(place, PlaceOso)
    desk.answer_lost(place)
    stop_leg = place.brackets[1]
    seen = order(903, SELL, stop_leg.terms, symbol=ES, client_ids=frozenset({stop_leg.client_id}))
    desk.hear(e.OrderSeen(at=desk.now, order=attrs.evolve(seen, status=Status.SUSPENDED)))
    assert desk.copy_of(3).stage is Stage.WORKING
    desk.frame(ended(target), ended(stopped))
    assert desk.cancels == []
    desk.seen(place, 901)
    assert [one.order_id for one in desk.cancels] == [903]


def test_the_leaders_new_prices_reach_legs_that_sleep_and_legs_that_are_awake() -> None:
    desk, exchange = bracketed(wake="each_fill")
    _, target, stopped = bracket(1, limit(4))
    desk.leader(attrs.evolve(stopped, terms=stop(4, 4985), version=VersionId(103)))
    work(exchange)
    assert exchange.orders[OrderId(5003)][1].terms == stop(4, 4985)
    fill(exchange, 5001, 2)
    work(exchange)
    desk.leader(attrs.evolve(target, terms=limit(4, 5030), version=VersionId(102)))
    work(exchange)
    assert exchange.orders[OrderId(5002)][1].terms == limit(2, 5030)


def test_sleeping_legs_grow_with_their_entry() -> None:
    desk, exchange = bracketed()
    family = bracket(1, limit(6))
    desk.frame(*(attrs.evolve(one, version=VersionId(one.id + 100)) for one in family))
    work(exchange)
    assert [one.terms.quantity for _, one in exchange.orders.values() if one.terms] == [6, 6, 6]


def test_legs_of_an_entry_that_grows_alone_stay_for_the_part_that_the_leaders_are_for() -> None:
    desk, exchange = bracketed()
    entry, _, _ = bracket(1, limit(6))
    desk.leader(attrs.evolve(entry, version=VersionId(101)))
    work(exchange)
    assert [one.terms.quantity for _, one in exchange.orders.values() if one.terms] == [6, 4, 4]


def test_our_target_fills_and_the_stop_that_the_broker_cancels_is_not_missed() -> None:
    desk, exchange = bracketed()
    desk.frame(*bracket(1, limit(4), 4))
    fill(exchange, 5001, 4)
    work(exchange)
    fill(exchange, 5002, 4)
    work(exchange, 60)
    assert exchange.position[ES] == 0
    assert not exchange.working
    assert desk.heard("position.unprotected") == []


def test_a_target_that_has_filled_whole_and_is_not_yet_called_so_is_not_cancelled() -> None:
    desk, exchange = bracketed()
    desk.frame(*bracket(1, limit(4), 4))
    fill(exchange, 5001, 4)
    work(exchange)
    exchange.fill(OrderId(5002), 4)
    filled = exchange.orders[OrderId(5002)][1]
    desk.hear(e.OrderSeen(at=desk.now, order=attrs.evolve(filled, status=Status.WORKING)))
    assert desk.cancels == []
    exchange.tell(OrderId(5002))
    assert desk.heard("position.drifted") == []


def test_a_target_that_fills_in_part_leaves_the_stop_no_larger_than_the_rest() -> None:
    _, exchange = bracketed()
    fill(exchange, 5001, 4)
    work(exchange)
    fill(exchange, 5002, 3)
    work(exchange)
    assert (stops(exchange), targets(exchange)) == (1, 1)


def test_the_leaders_target_fills_first_and_our_stop_stays_until_ours_has_filled_too() -> None:
    desk, exchange = bracketed()
    entry, target, stopped = bracket(1, limit(4), 4)
    desk.frame(entry, target, stopped)
    fill(exchange, 5001, 4)
    work(exchange)
    desk.frame(ended(stopped), done(target))
    assert desk.cancels == []
    work(exchange)
    assert stops(exchange) == 4
    desk.wait(5)
    work(exchange)
    exchange.settle()
    assert exchange.position[ES] == 0
    assert not exchange.working


def test_the_cancel_of_a_partner_waits_for_what_became_of_the_other() -> None:
    desk, exchange = bracketed()
    entry, target, stopped = bracket(1, limit(4), 4)
    desk.frame(entry, target, stopped)
    fill(exchange, 5001, 4)
    work(exchange)
    desk.leader(ended(stopped))
    assert desk.cancels == []
    desk.leader(done(target))
    work(exchange)
    assert stops(exchange) == 4


def test_children_that_come_later_are_an_oco_of_what_has_filled() -> None:
    desk = follower()
    exchange = Exchange(desk)
    entry, target, stopped = bracket(1, limit(4))
    desk.leader(entry)
    exchange.take()
    exchange.answer("well")
    desk.frame(target, stopped)
    assert [desk.copy_of(n).stage for n in (2, 3)] == [Stage.HELD] * 2
    assert desk.places == []
    exchange.fill(OrderId(5001), 2)
    exchange.tell(OrderId(5001))
    (place,) = desk.places
    assert isinstance(place, PlaceOco)
    assert (place.terms, place.other.terms) == (limit(2, 5020), stop(2))
    work(exchange)
    fill(exchange, 5001, 2)
    work(exchange)
    assert (stops(exchange), targets(exchange)) == (4, 4)


def test_children_of_an_entry_that_comes_to_nothing_are_given_up() -> None:
    desk = follower()
    entry, target, stopped = bracket(1, limit(4))
    desk.leader(entry)
    place = desk.place
    desk.frame(target, stopped)
    desk.refused(place, "NotEnoughLiquidity")
    assert [desk.copy_of(n).stage for n in (2, 3)] == [Stage.SKIPPED] * 2
    assert not desk.account.book.contract(ES).guarded


def test_two_brackets_of_one_entry_share_what_has_filled() -> None:
    desk = follower(ratio=Decimal("0.5"))
    exchange = Exchange(desk)
    entry, target, stopped = bracket(1, terms(6), 6, size=4, awake=True)
    _, second_target, second_stop = bracket(3, terms(6), 6, size=2, awake=True, target=5040, stopped=4980)
    parent = OrderId(1)
    second_target = attrs.evolve(second_target, parent_id=parent)
    second_stop = attrs.evolve(second_stop, parent_id=parent)
    desk.frame(entry, target, stopped, second_target, second_stop)
    exchange.take()
    exchange.settle()
    assert exchange.position[ES] == 3
    asked = [one.terms for one in live(exchange) if one.terms is not None]
    assert sorted((one.quantity, one.order_type.value) for one in asked) == [
        (1, "Limit"),
        (1, "Stop"),
        (2, "Limit"),
        (2, "Stop"),
    ]


@pytest.mark.parametrize(("ratio", "exits"), [("1", 1), ("3", 3), ("0.5", 1)])
def test_a_bracket_that_the_leader_has_filled_before_ours_was_there_takes_its_own_part(ratio: str, exits: int) -> None:
    """Found by a world: it took all that its entry had filled, and we were out of what the leader still had."""
    desk = follower(ratio=Decimal(ratio))
    entry, target, stopped = bracket(1, terms(4), 4, size=1, awake=True)
    desk.frame(entry, target, stopped)
    ours = desk.place
    desk.frame(done(target), ended(stopped))
    desk.fills(ours, 900)
    assert desk.quantities == [(SELL, exits)]


def test_a_bracket_of_a_reversal_that_the_leader_has_filled_before_ours_was_there_takes_its_own_part() -> None:
    desk = follower()
    desk.leader(order(100, SELL, terms(2), 2))
    desk.fills(desk.place, 900)
    entry, first, _ = bracket(1, terms(6), 6, size=1, awake=True)
    _, second, _ = bracket(3, terms(6), 6, size=3, awake=True, target=5040)
    legs = [attrs.evolve(one, parent_id=OrderId(1), oco_id=None) for one in (first, second)]
    desk.frame(entry, *legs)
    ours = desk.place
    desk.frame(attrs.evolve(done(legs[0]), oco_id=None))
    desk.fills(ours, 901)
    assert (SELL, 1) in desk.quantities


def test_two_brackets_that_the_leader_has_filled_before_ours_were_there_take_both_parts() -> None:
    desk = follower(ratio=Decimal("0.5"))
    entry, first, _ = bracket(1, terms(4), 4, size=1, awake=True)
    _, second, _ = bracket(3, terms(4), 4, size=1, awake=True, target=5040)
    legs = [attrs.evolve(one, parent_id=OrderId(1), oco_id=None) for one in (first, second)]
    desk.frame(entry, *legs)
    ours = desk.place
    desk.frame(*(attrs.evolve(done(one), oco_id=None) for one in legs))
    desk.fills(ours, 900)
    assert desk.quantities == [(SELL, 1)]


def test_stops_of_several_entries_never_protect_more_than_we_own_and_the_nearest_keeps_its_size() -> None:
    desk = follower()
    exchange = Exchange(desk)
    desk.frame(*bracket(1, terms(2), 2, stopped=4990))
    desk.frame(*bracket(11, terms(2), 2, stopped=4980))
    exchange.take()
    exchange.settle()
    assert (exchange.position[ES], stops(exchange)) == (4, 4)
    desk.leader(order(21, SELL, terms(3), 3))
    exchange.take()
    exchange.settle()
    assert (exchange.position[ES], stops(exchange)) == (1, 1)
    prices = [one.terms.stop_price for one in live(exchange) if one.terms is not None]
    assert Decimal(4990) in prices
    assert Decimal(4980) not in prices


def test_what_the_leader_protects_again_gets_its_stop_again() -> None:
    desk = follower()
    exchange = Exchange(desk)
    desk.frame(*bracket(1, terms(2), 2))
    exchange.take()
    exchange.settle()
    desk.leader(order(21, SELL, terms(2), 2))
    exchange.take()
    exchange.settle()
    assert not exchange.working
    desk.leader(order(31, BUY, terms(1), 1))
    exchange.take()
    exchange.settle()
    assert (exchange.position[ES], stops(exchange), targets(exchange)) == (1, 1, 1)


def test_what_made_way_for_a_closing_and_has_nothing_left_to_protect_is_not_held_for_ever() -> None:
    """The leader's exits of a trade before still rest; a closing of ours moves the exits of both."""
    desk = follower()
    exchange = Exchange(desk)
    for number in (1, 11):
        desk.frame(*bracket(number, terms(4), 4))
        exchange.take()
        exchange.settle()
        if number == 1:
            desk.leader(order(6, SELL, terms(4), 4))
            exchange.take()
            exchange.settle()
    desk.leader_read_anew(attrs.evolve(desk.theirs, generation=2, net={ES: 1}))
    exchange.take()
    exchange.settle()
    assert (exchange.position[ES], stops(exchange), targets(exchange)) == (1, 1, 1)
    stages = [desk.copy_of(number).stage for number in (2, 3, 12, 13)]
    assert sorted(stage.value for stage in stages) == ["skipped", "skipped", "working", "working"]


# What is gone, refused or asleep


def protected(**more: Any) -> tuple[Desk, Exchange]:
    """A follower that owns 4, behind a target and a stop, as its leader does."""
    desk, exchange = bracketed(**more)
    desk.frame(*bracket(1, limit(4), 4))
    fill(exchange, 5001, 4)
    work(exchange)
    assert stops(exchange) == 4
    return desk, exchange


def vanish(exchange: Exchange, number: int, status: Status = Status.CANCELED, reason: str | None = None) -> None:
    """The broker, or a human, ends an order of ours; the broker cancels what is linked with it."""
    place, one = exchange.orders[OrderId(number)]
    exchange.orders[OrderId(number)] = (place, attrs.evolve(one, status=status, reject_reason=reason))
    if status is Status.CANCELED:
        exchange._follow_up(OrderId(number))
    exchange.tell(OrderId(number))
    exchange.take()


def test_a_stop_that_somebody_has_cancelled_is_told_and_restored_with_its_target() -> None:
    desk, exchange = protected()
    vanish(exchange, 5003)
    assert desk.heard("position.unprotected") == []
    desk.wait(0.5)
    (place,) = desk.places
    assert isinstance(place, PlaceOco)
    (told,) = desk.heard("position.unprotected")
    assert told == "HAS NO STOP: long 4 ESZ6 since 18:00:02 UTC; stop 4990 is canceled. It is placed anew"
    assert desk.told[-1].severity is Severity.PAGE
    work(exchange)
    assert (stops(exchange), targets(exchange)) == (4, 4)
    assert desk.heard("position.unprotected")[-1] == "long 4 ESZ6 has its stop again"


def test_what_is_gone_once_more_is_restored_with_the_next_read_back() -> None:
    desk, exchange = protected()
    vanish(exchange, 5003)
    work(exchange, 0.5)
    assert stops(exchange) == 4
    vanish(exchange, exchange.working[-1])
    work(exchange, 10)
    assert stops(exchange) == 0
    desk.hear(e.ReadBack(at=desk.now))
    work(exchange)
    assert (stops(exchange), targets(exchange)) == (4, 4)


def test_a_pair_that_was_never_sent_goes_out_as_a_pair_again() -> None:
    desk, exchange = protected()
    vanish(exchange, 5003)
    desk.wait(0.5)
    desk.never_sent(desk.places[0])
    desk.wait(1)
    (place,) = desk.places
    assert isinstance(place, PlaceOco)


def test_nothing_is_restored_while_an_order_of_ours_is_in_doubt() -> None:
    desk, exchange = protected()
    desk.leader(order(9, BUY, limit(1)))
    desk.answer_lost(desk.place)
    vanish(exchange, 5003)
    desk.wait(0.5)
    assert desk.places == []
    assert len(desk.heard("position.unprotected")) == 1
    desk.foreign(order(905, BUY, limit(1), status=Status.CANCELED, client_ids=frozenset({desk.copy_of(9).client_id})))
    assert len(desk.places) == 1


@pytest.mark.parametrize("flatten", [True, False])
def test_a_stop_that_is_refused_when_it_wakes(flatten: bool) -> None:
    desk, exchange = bracketed(flatten_when_stop_refused=flatten)
    desk.frame(*bracket(1, limit(4), 4))
    exchange.fill(OrderId(5001), 4)
    place, one = exchange.orders[OrderId(5003)]
    exchange.orders[OrderId(5003)] = (place, attrs.evolve(one, status=Status.REJECTED, reject_reason="InvalidPrice"))
    exchange.tell(OrderId(5001))
    if not flatten:
        desk.wait(0.5)
    (told,) = desk.heard("position.unprotected")
    assert bool(desk.cancels) == flatten, "what is in the way of the closing goes at once"
    doing = "Closing at market now" if flatten else "It is placed anew"
    assert told == f"HAS NO STOP: long 4 ESZ6 since 18:00:00 UTC; stop 4990 refused (InvalidPrice). {doing}"
    assert next(tell for tell in desk.told if tell.event == "position.unprotected").severity is Severity.PAGE
    exchange.take()
    exchange.settle()
    assert exchange.position[ES] == (0 if flatten else 4)
    assert (desk.account.book.contract(ES).no_entry is not None) == flatten
    assert len(desk.heard("position.unprotected")) == (1 if flatten else 2)
    assert (stops(exchange), targets(exchange)) == ((0, 0) if flatten else (4, 4))


def test_a_stop_that_is_refused_again_and_again_is_told_and_nothing_is_closed() -> None:
    desk = in_position(2, flatten_when_stop_refused=False)
    desk.leader(order(101, SELL, stop(2)))
    for _ in range(refusals.TRIES):
        desk.refused(desk.place, "InvalidPrice")
        desk.wait(20)
    assert desk.places == []
    assert desk.own == {ES: 2}
    exposed = desk.account.book.contract(ES).exposed
    assert exposed is not None
    assert (exposed.quantity, exposed.why) == (2, "stop 4990 refused (InvalidPrice)")
    assert len(desk.heard("position.unprotected")) == 1


@pytest.mark.parametrize("flatten", [True, False])
def test_an_entry_whose_stop_is_refused_before_it_has_filled(flatten: bool) -> None:
    desk, exchange = bracketed(flatten_when_stop_refused=flatten)
    vanish(exchange, 5003, Status.REJECTED, "InvalidPrice")
    assert [one.order_id for one in desk.cancels] == ([5001] if flatten else [])


def test_a_target_that_is_refused_leaves_the_stop_alone() -> None:
    desk, exchange = protected()
    vanish(exchange, 5002, Status.REJECTED, "InvalidPrice")
    work(exchange, 60)
    assert stops(exchange) == 4
    assert desk.heard("position.unprotected") == []


def test_legs_that_sleep_on_are_cancelled_and_placed_anew() -> None:
    desk, exchange = bracketed(wake="last_fill")
    desk.frame(*bracket(1, limit(4), 4))
    fill(exchange, 5001, 1)
    assert desk.cancels == []
    desk.wait(0.5)
    assert len(desk.cancels) == 1
    work(exchange, 0.2)
    assert (stops(exchange), targets(exchange)) == (1, 1)
    fill(exchange, 5001, 3)
    work(exchange)
    assert (stops(exchange), targets(exchange)) == (4, 4)
    assert desk.heard("position.unprotected") == []


def test_a_leg_that_sleeps_on_and_is_not_there_a_moment_later_is_told() -> None:
    desk, exchange = bracketed(wake="last_fill")
    desk.frame(*bracket(1, limit(4), 4))
    fill(exchange, 5001, 1)
    desk.wait(0.5)
    assert desk.heard("position.unprotected") == []
    desk.wait(0.5)
    (told,) = desk.heard("position.unprotected")
    assert "stop 4990 sleeps at the broker. It is placed anew" in told
    work(exchange)
    assert "has its stop again" in desk.heard("position.unprotected")[1]


def growing(step: float) -> tuple[Desk, Exchange, list[tuple[int, int]]]:
    """An entry that fills one by one; the sizes that are asked of its stop and of its target meanwhile, in pairs."""
    desk, exchange = bracketed(wake="last_fill")
    desk.frame(*bracket(1, limit(4), 4))
    fill(exchange, 5001, 1)
    desk.wait(0.5)
    work(exchange, 0)
    before = len(desk.everything)
    for _ in range(3):
        fill(exchange, 5001, 1)
        work(exchange, step)
    work(exchange)
    assert (stops(exchange), targets(exchange)) == (4, 4)
    changes = [one for one in desk.everything[before:] if isinstance(one, ModifyOrder)]
    return desk, exchange, [(one.order_id, one.terms.quantity) for one in changes]


def test_stops_that_follow_a_position_which_grows_are_no_page() -> None:
    desk, _, asked = growing(0.4)
    assert desk.heard("position.unprotected") == []
    assert [size for _, size in asked if size < 4] == [2, 3], "the stop's; the target has all of it at once"


def test_what_fills_within_a_moment_is_one_change_of_each_leg() -> None:
    _, _, asked = growing(0.05)
    assert sorted(size for _, size in asked) == [4, 4]


def test_a_leg_that_is_to_shrink_does_not_wait_to_grow() -> None:
    desk, exchange, _ = growing(0.4)
    desk.leader(order(21, SELL, terms(2), 2))
    exchange.take()
    exchange.answer("well")
    work(exchange, 0)
    assert (exchange.position[ES], stops(exchange), targets(exchange)) == (2, 2, 2)


def test_an_entry_that_fills_in_one_go_wakes_nobody_early() -> None:
    desk, exchange = bracketed(wake="last_fill")
    for _ in range(4):
        fill(exchange, 5001, 1)
        desk.wait(0.1)
    work(exchange)
    assert len(exchange.orders) == 3
    assert stops(exchange) == 4
    assert desk.heard("position.unprotected") == []


def test_legs_that_wake_whole_are_cut_only_when_the_rest_does_not_come() -> None:
    desk, exchange = bracketed(wake="first_fill")
    for filled in (1, 2):
        fill(exchange, 5001, 1)
        assert exchange.position[ES] == filled
        assert desk.modifies == []
        desk.wait(0.2)
    desk.wait(0.3)
    assert sorted(one.terms.quantity for one in desk.modifies) == [2, 2]


def too_small() -> tuple[Desk, Exchange]:
    """A stop for 2 of our 4, which the broker has refused to make larger; it is told."""
    desk, exchange = bracketed(wake="each_fill")
    desk.frame(*bracket(1, limit(4), 4))
    for _ in range(2):
        fill(exchange, 5001, 2)
        place, one = exchange.orders[OrderId(5003)]
        assert one.terms is not None
        exchange.orders[OrderId(5003)] = (place, attrs.evolve(one, terms=attrs.evolve(one.terms, quantity=2)))
        exchange.tell(OrderId(5003))
    exchange.take()
    (modify,) = desk.modifies
    desk.refused(modify, "UnknownReason")
    desk.wait(1)
    return desk, exchange


def test_a_size_that_the_broker_does_not_change_is_placed_anew_with_a_read_back() -> None:
    desk, exchange = too_small()
    assert "stop 4990 is too small" in desk.heard("position.unprotected")[0]
    desk.hear(e.ReadBack(at=desk.now))
    assert [one.order_id for one in desk.cancels] == [5003]
    exchange.queue.clear()
    exchange.take()
    exchange.settle()
    assert stops(exchange) == 4


def test_a_look_that_could_do_nothing_delays_no_restoring() -> None:
    _, exchange = too_small()
    exchange.queue.clear()
    vanish(exchange, 5003)
    work(exchange, 1)
    assert stops(exchange) == 4


# Stops that belong to no entry


def test_a_stop_of_its_own_grows_with_our_position_up_to_what_it_stands_for() -> None:
    desk = follower()
    exchange = Exchange(desk, at_once=1)
    desk.leader(order(1, BUY, terms(4), 4))
    exchange.take()
    exchange.answer("well")
    desk.leader(order(2, SELL, stop(4)))
    assert desk.quantities == [(SELL, 1)]
    work(exchange, 0)
    fill(exchange, 5001, 2)
    work(exchange, 0.25)  # it has just been placed
    assert (exchange.position[ES], stops(exchange)) == (3, 3)
    fill(exchange, 5001, 1)
    work(exchange, 0)
    assert stops(exchange) == 4


def test_a_stop_of_its_own_that_is_gone_is_restored() -> None:
    desk = follower()
    exchange = Exchange(desk)
    desk.leader(order(1, BUY, terms(2), 2))
    desk.leader(order(101, SELL, stop(2)))
    exchange.take()
    exchange.settle()
    vanish(exchange, 5002, Status.EXPIRED)
    desk.wait(0.5)
    assert desk.quantities == [(SELL, 2)]
    assert "stop 4990 is expired" in desk.heard("position.unprotected")[0]


def test_a_stop_of_a_type_that_cannot_be_copied_is_told() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, None, unsupported="QTS"))
    desk.wait(60)
    assert desk.heard("position.unprotected") == []  # nobody knows whether it was to be a stop


def away(desk: Desk) -> None:
    desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="closed", shown="Reconnecting"))


def test_what_the_leader_has_by_now_is_not_missed_when_he_is_soon_back() -> None:
    desk, exchange = protected()
    away(desk)
    vanish(exchange, 5003)
    desk.wait(5)
    without = {number: ended(one) if one.rest else one for number, one in desk.theirs.orders.items()}
    desk.leader_read_anew(attrs.evolve(desk.theirs, generation=2, orders=without))
    work(exchange, 60)
    assert desk.heard("position.unprotected") == []
    assert desk.account.book.contract(ES).exposed is None


def test_a_stop_that_is_gone_while_the_leader_is_away_is_told_once_and_restored() -> None:
    desk, exchange = protected()
    away(desk)
    vanish(exchange, 5003)
    work(exchange, 9)
    assert stops(exchange) == 0
    work(exchange, 1)
    assert (stops(exchange), targets(exchange)) == (4, 4)
    pages = [tell for tell in desk.told if tell.severity is Severity.PAGE]
    assert [tell.event for tell in pages] == ["position.unprotected"]
    assert "stop 4990 is canceled. It is placed anew" in pages[0].message


@pytest.mark.parametrize("flatten", [True, False])
def test_a_stop_that_is_refused_while_the_leader_is_away(flatten: bool) -> None:
    desk, exchange = bracketed(flatten_when_stop_refused=flatten)
    away(desk)
    exchange.fill(OrderId(5001), 4)
    place, one = exchange.orders[OrderId(5003)]
    exchange.orders[OrderId(5003)] = (place, attrs.evolve(one, status=Status.REJECTED, reject_reason="InvalidPrice"))
    exchange.tell(OrderId(5001))
    exchange.take()
    exchange.settle()
    assert exchange.position[ES] == (0 if flatten else 4)
    assert stops(exchange) == (0 if flatten else 4), "tell: it is tried again"
    assert any(tell.severity is Severity.PAGE for tell in desk.told)


def test_an_entry_whose_stop_is_refused_while_the_leader_is_away_is_cancelled() -> None:
    desk, exchange = bracketed()
    away(desk)
    vanish(exchange, 5003, Status.REJECTED, "InvalidPrice")
    assert [one.order_id for one in desk.cancels] == [5001]


def test_no_more_stops_are_restored_than_our_position_needs() -> None:
    desk = follower()
    exchange = Exchange(desk)
    desk.frame(*bracket(1, terms(2), 2, stopped=4990))
    desk.frame(*bracket(11, terms(1), 1, stopped=4980))
    exchange.take()
    exchange.settle()
    desk.leader(order(21, SELL, terms(1), 1))
    exchange.take()
    exchange.settle()
    vanish(exchange, next(one.id for one in live(exchange) if one.terms and one.terms.order_type is OrderType.STOP))
    work(exchange)
    assert (exchange.position[ES], stops(exchange)) == (2, 2)


def test_of_two_stops_for_the_same_position_one_is_enough_to_restore() -> None:
    desk = follower()
    exchange = Exchange(desk)
    desk.leader(order(1, BUY, terms(2), 2))
    desk.leader(order(101, SELL, stop(2)), order(102, SELL, stop(2, 4980)))
    exchange.take()
    exchange.settle()
    assert stops(exchange) == 4
    for number in (5002, 5003):
        vanish(exchange, number)
    desk.wait(0.5)
    assert desk.quantities == [(SELL, 2)]


# A stop that would reverse our position protects all of it


def behind_a_reversal(**more: Any) -> tuple[Desk, Exchange]:
    """A follower that owns 2, behind nothing but a stop that would make it short."""
    desk = follower(**more)
    exchange = Exchange(desk)
    desk.leader(order(1, BUY, terms(2), 2))
    exchange.take()
    exchange.settle()
    desk.leader(order(101, SELL, stop(4)))
    assert desk.quantities == [(SELL, 4)]
    exchange.take()
    return desk, exchange


def test_a_reversing_stop_that_is_refused_is_answered_as_any_stop() -> None:
    desk, exchange = behind_a_reversal()
    exchange.answer("refused")
    assert "HAS NO STOP: long 2 ESZ6" in desk.heard("position.unprotected")[0]
    assert desk.quantities == [(SELL, 2)]
    exchange.settle()
    assert exchange.position[ES] == 0
    assert desk.account.book.contract(ES).no_entry is not None


def test_a_reversing_stop_that_is_refused_is_tried_on_as_an_exit_where_nothing_is_to_be_closed() -> None:
    _, exchange = behind_a_reversal(flatten_when_stop_refused=False)
    exchange.answer("refused")
    work(exchange)
    assert (exchange.position[ES], stops(exchange)) == (2, 2), "its part beyond flat is not asked for again"


def test_a_reversing_stop_that_somebody_has_cancelled_is_told_and_restored_as_an_exit() -> None:
    desk, exchange = behind_a_reversal()
    work(exchange)
    assert stops(exchange) == 4
    vanish(exchange, 5002)
    desk.wait(0.5)
    assert "stop 4990 is canceled. It is placed anew" in desk.heard("position.unprotected")[0]
    work(exchange)
    assert stops(exchange) == 2
    desk.leader(order(2, BUY, terms(1), 1))
    exchange.take()
    exchange.settle()
    assert (exchange.position[ES], stops(exchange)) == (3, 3), "it grows with what it is to protect"


def test_a_reversing_stop_of_a_position_that_grows_covers_it_and_nothing_is_missed() -> None:
    desk, exchange = behind_a_reversal()
    work(exchange)
    desk.leader(order(2, BUY, terms(1), 1))
    exchange.take()
    exchange.settle()
    work(exchange, 60)
    assert (exchange.position[ES], stops(exchange)) == (3, 4)
    assert desk.heard("position.unprotected") == []
