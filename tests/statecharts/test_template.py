"""The template bracket: an entry that comes without a stop gets one, until the leader's own takes its place."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from statecharts import events as e
from statecharts.effects import PlaceOco, PlaceOso
from statecharts.order import Stage
from statecharts.rules import MapTo, Runaway, Template
from statecharts.values import Order, OrderId, OrderType, Root, Side, Status, TimeInForce
from statecharts.view import View
from tests.statecharts.desk import BUY, ES, LEAD, MES, SELL, Desk, facts_of, follower, limit, order, stop, terms
from tests.statecharts.exchange import Exchange
from tests.statecharts.families import bracket, ended
from tests.statecharts.gaps import gap
from tests.statecharts.test_protection import live, stops, targets, work

BOTH = Template(stop=20, target=40)
GTC = TimeInForce.GTC


def templated(template: Template = BOTH, known: bool = True, **more: Any) -> tuple[Desk, Exchange]:
    """A follower with a template, that knows a tick of ES: 0.25."""
    desk = follower(template=template, **more)
    if known:
        desk.contract_read(facts_of(ES))
    return desk, Exchange(desk)


def fills(exchange: Exchange, number: int, quantity: int, price: int = 5000) -> None:
    """The market trades so many contracts of our order, at this price."""
    exchange.market = price
    exchange.fill(OrderId(number), quantity)
    exchange.tell(OrderId(number))
    exchange.take()


def prices(exchange: Exchange) -> list[tuple[str, int, str]]:
    """Type, rest and price of our exits that are awake."""
    exits = [one for one in live(exchange) if one.terms is not None and one.terms.time_in_force is GTC]
    return sorted((one.terms.order_type.value, one.rest, str(at(one))) for one in exits if one.terms)


def at(one: Order) -> Decimal | None:
    assert one.terms is not None
    return one.terms.price if one.terms.stop_price is None else one.terms.stop_price


def entered(desk: Desk, exchange: Exchange, quantity: int = 2, number: int = 100) -> None:
    """The leader has entered at market, and so have we: at 5000."""
    desk.leader(order(number, BUY, terms(quantity), quantity))
    work(exchange)


MODES = pytest.mark.parametrize("mode", ["orders", "fills"])
PAIR = [("Limit", 2, "5010.00"), ("Stop", 2, "4995.00")]


# When the entry goes out


@pytest.mark.parametrize(
    ("side", "asked", "stopped", "target"),
    [
        (BUY, limit(2, 5000), "4995", "5010"),
        (SELL, limit(2, 5000), "5005", "4990"),
        (BUY, terms(2, OrderType.STOP, stop_price=Decimal(5001)), "4996", "5011"),
        (BUY, terms(2, OrderType.STOP_LIMIT, stop_price=Decimal(5001), price=Decimal(5003)), "4996", "5011"),
        (BUY, terms(2, OrderType.MIT, price=Decimal(4999)), "4994", "5009"),
    ],
)
def test_an_entry_that_rests_takes_its_stop_and_target_along(side: Side, asked: Any, stopped: str, target: str) -> None:
    desk, _ = templated()
    desk.leader(order(1, side, asked))
    place = desk.place
    assert isinstance(place, PlaceOso)
    one, other = place.brackets
    assert (one.terms.order_type, one.terms.stop_price) == (OrderType.STOP, Decimal(stopped))
    assert (other.terms.order_type, other.terms.price) == (OrderType.LIMIT, Decimal(target))
    assert {leg.side for leg in place.brackets} == {SELL if side is BUY else BUY}
    assert {leg.terms.time_in_force for leg in place.brackets} == {GTC}
    assert len({place.client_id, one.client_id, other.client_id}) == 3


def test_the_legs_of_an_entry_that_comes_again_follow_it_and_have_names_of_their_own() -> None:
    """Fault world 16: they went out a second time under the names of those that had been cancelled with it."""
    desk, exchange = templated(ratio=Decimal("0.5"))
    desk.leader(order(1, BUY, limit(4)))
    before = desk.place
    exchange.take()
    exchange.settle()
    desk.leader(order(1, BUY, limit(1), version=2))
    exchange.take()
    exchange.settle()
    assert not exchange.working
    desk.leader(order(1, BUY, limit(4), version=3))
    place = desk.place
    assert not isinstance(place, PlaceOso) and place.client_id != before.client_id
    exchange.take()
    exchange.settle()
    fills(exchange, max(exchange.orders), 2)
    exchange.settle()
    assert prices(exchange) == PAIR
    names = [before.client_id, *(leg.client_id for leg in before.legs)]
    known = [sent.client_id for sent, _ in exchange.orders.values()]
    assert len(known) == len(set(known)) and set(names) < set(known)


def test_an_entry_that_comes_again_has_its_legs_at_its_fill_also_when_the_leader_s_has_begun_to_fill() -> None:
    """It had none: the bracket was for orders of the leader's of which nothing had filled."""
    desk, exchange = templated(ratio=Decimal("0.25"))
    desk.leader(order(1, BUY, limit(4)))
    exchange.take()
    exchange.settle()
    desk.leader(order(1, BUY, limit(3), version=2))
    exchange.take()
    exchange.settle()
    desk.leader(order(1, BUY, limit(3), 1, version=2))
    desk.leader(order(1, BUY, limit(4), 1, version=3))
    assert desk.quantities == [(BUY, 1)]
    exchange.take()
    exchange.settle()
    fills(exchange, max(exchange.orders), 1)
    assert isinstance(desk.place, PlaceOco)
    exchange.settle()
    assert prices(exchange) == [("Limit", 1, "5010.00"), ("Stop", 1, "4995.00")]
    assert desk.heard("position.unprotected") == []


def test_an_entry_comes_again_with_its_legs_also_after_a_reconnect() -> None:
    """The book had forgotten them, the entry asked for them, and the turn failed."""
    desk, exchange = templated(ratio=Decimal("0.5"))
    trailing = [terms(quantity, OrderType.TRAILING_STOP, peg_difference=Decimal(5)) for quantity in (2, 1, 2)]
    for version, asked in enumerate(trailing[:2], 1):
        desk.leader(order(1, BUY, asked, version=version))
        work(exchange)
    assert not exchange.working
    gap(desk, "theirs", order(1, BUY, trailing[1], version=2), mine=tuple(one for _, one in exchange.orders.values()))
    desk.leader(order(1, BUY, trailing[2], version=3))
    assert desk.quantities == [(BUY, 1)]
    exchange.take()
    exchange.settle()
    fills(exchange, max(exchange.orders), 1)
    exchange.settle()
    assert [kind for kind, *_ in prices(exchange)] == ["Limit", "Stop"]


def test_without_a_target_it_is_the_stop_alone() -> None:
    desk, exchange = templated(Template(stop=20))
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    assert isinstance(place, PlaceOso)
    (leg,) = place.brackets
    assert leg.terms.stop_price == Decimal(4995)
    desk.leader(order(2, BUY, terms(1), 1))
    exchange.take()
    work(exchange)
    assert prices(exchange) == [("Stop", 1, "4995.00")]


def test_an_entry_at_market_is_followed_by_its_pair_at_the_price_of_its_first_fill() -> None:
    desk, exchange = templated()
    exchange.at_once, exchange.market = 1, 5003
    desk.leader(order(100, BUY, terms(2), 2))
    (place,) = desk.places
    assert not isinstance(place, PlaceOso)
    exchange.take()
    exchange.answer("well")
    assert isinstance(desk.place, PlaceOco)
    assert desk.place.terms.quantity == 1
    work(exchange)
    fills(exchange, 5001, 1, 5010)
    work(exchange)
    assert prices(exchange) == [("Limit", 2, "5013.00"), ("Stop", 2, "4998.00")]


@pytest.mark.parametrize(
    "asked",
    [
        terms(2, OrderType.TRAILING_STOP, stop_price=Decimal(5002), peg_difference=Decimal(2)),
        terms(2, OrderType.LIMIT, price=Decimal(5002), time_in_force=TimeInForce.IOC),
    ],
)
def test_an_entry_whose_price_says_nothing_is_followed_by_its_pair(asked: Any) -> None:
    desk, exchange = templated()
    desk.leader(order(1, BUY, asked))
    assert not isinstance(desk.place, PlaceOso)
    exchange.take()
    exchange.answer("well")
    fills(exchange, 5001, 2)
    work(exchange)
    assert prices(exchange) == PAIR


def test_an_entry_that_has_filled_at_the_leaders_already_is_measured_from_our_fill() -> None:
    desk, exchange = templated()
    desk.leader(order(1, BUY, limit(2, 5100), 2))
    assert not isinstance(desk.place, PlaceOso)
    work(exchange)
    fills(exchange, 5001, 2)
    work(exchange)
    assert prices(exchange) == PAIR


def test_what_a_reversal_opens_is_protected_and_what_it_has_closed_is_not_any_more() -> None:
    desk, exchange = templated()
    entered(desk, exchange)
    exchange.at_once = 3
    desk.leader(order(101, SELL, terms(4), 4))
    work(exchange)
    number = exchange.working[0]
    assert prices(exchange) == [("Limit", 1, "4990.00"), ("Stop", 1, "5005.00")]
    fills(exchange, number, 1)
    work(exchange)
    assert exchange.position[ES] == -2
    assert prices(exchange) == [("Limit", 2, "4990.00"), ("Stop", 2, "5005.00")]


def test_an_exit_has_no_template_and_a_shadow_neither() -> None:
    desk, exchange = templated()
    entered(desk, exchange)
    desk.leader(order(101, SELL, limit(2, 5030)))
    assert not isinstance(desk.place, PlaceOso)
    shadow, _ = templated(shadow=True)
    shadow.leader(order(100, BUY, limit(2)))
    assert [copy.leg for copy in shadow.account.book.copies.values()] == [0]


def test_prices_off_the_tick_are_rounded_away_from_the_entry() -> None:
    desk, _ = templated(Template(stop=3, target=3), known=False)
    desk.contract_read(facts_of(ES, tick="0.3"))
    desk.leader(order(1, BUY, limit(1)))
    place = desk.place
    assert isinstance(place, PlaceOso)
    assert [at_price(leg.terms) for leg in place.brackets] == ["4998.9", "5001.0"]


def at_price(asked: Any) -> str:
    return str(asked.stop_price if asked.price is None else asked.price)


def test_a_follower_in_another_product_measures_in_its_own_ticks() -> None:
    desk, _ = templated(map={Root("ES"): MapTo(Root("MES"), Decimal(10))})
    desk.contract_read(facts_of(MES, tick="0.5"))
    desk.leader(order(1, BUY, limit(1)))
    place = desk.place
    assert isinstance(place, PlaceOso)
    assert [at_price(leg.terms) for leg in place.brackets] == ["4990.0", "5020.0"]


def test_while_the_tick_is_not_known_the_position_is_told_as_unprotected() -> None:
    desk, exchange = templated(known=False)
    desk.leader(order(100, BUY, terms(2), 2))
    desk.fills(desk.place, 900)
    exchange.read = len(desk.everything)  # what a tick is, nobody answers
    exchange.position[ES] = 2
    desk.wait(0.5)
    (told,) = desk.heard("position.unprotected")
    assert "HAS NO STOP: long 2 ESZ6" in told
    assert "waits for the broker to say what a tick of ESZ6 is. It goes out as soon as it can" in told
    desk.contract_read(facts_of(ES))
    work(exchange)
    assert prices(exchange) == PAIR
    assert desk.heard("position.unprotected")[-1] == "long 2 ESZ6 has its stop again"


# While the entry rests


def resting(**more: Any) -> tuple[Desk, Exchange]:
    desk, exchange = templated(**more)
    desk.leader(order(1, BUY, limit(2)))
    exchange.take()
    exchange.answer("well")
    return desk, exchange


@pytest.mark.parametrize("wake", ["first_fill", "each_fill", "last_fill"])
def test_legs_that_went_along_are_as_large_as_what_has_filled(wake: str) -> None:
    _, exchange = resting()
    exchange.wake = wake
    for filled in (1, 2):
        fills(exchange, 5001, 1)
        work(exchange)
        assert (stops(exchange), targets(exchange)) == (filled, filled)
    assert prices(exchange) == PAIR


def test_legs_go_along_when_the_leader_moves_his_entry_and_grow_with_it() -> None:
    desk, exchange = resting()
    desk.leader(order(1, BUY, limit(3, 4980), version=77))
    work(exchange)
    fills(exchange, 5001, 3, 4980)
    work(exchange)
    assert prices(exchange) == [("Limit", 3, "4990.00"), ("Stop", 3, "4975.00")]


def test_legs_are_moved_when_the_entry_has_filled_elsewhere_than_at_its_price() -> None:
    _, exchange = resting()
    fills(exchange, 5001, 1, 4990)
    work(exchange)
    fills(exchange, 5001, 1, 4995)
    work(exchange)
    assert prices(exchange) == [("Limit", 2, "5000.00"), ("Stop", 2, "4985.00")]


def test_legs_of_an_entry_that_comes_to_nothing_go_with_it() -> None:
    desk, exchange = resting()
    desk.leader(order(1, BUY, limit(2), status=Status.CANCELED))
    work(exchange)
    assert not exchange.working
    assert desk.account.book.contract(ES).guarded == ()
    assert sum(type(one).__name__ == "CancelOrder" for one in desk.everything) == 1


def test_legs_that_wait_for_an_entry_that_comes_to_nothing_are_given_up() -> None:
    desk, exchange = templated(known=False)
    desk.leader(order(1, BUY, limit(2)))
    exchange.take()
    exchange.answer("well")
    desk.leader(order(1, BUY, limit(2), status=Status.CANCELED))
    work(exchange)
    legs = [copy for copy in desk.account.book.copies.values() if copy.leg]
    assert [leg.stage for leg in legs] == [Stage.SKIPPED] * 2
    assert not exchange.working


# While it protects


def test_exits_of_the_leader_shrink_it_and_flat_ends_it() -> None:
    desk, exchange = templated()
    entered(desk, exchange, 3)
    desk.leader(order(101, SELL, terms(1), 1))
    work(exchange)
    assert prices(exchange) == PAIR
    desk.leader(order(102, SELL, terms(2), 2))
    work(exchange)
    assert not exchange.working
    assert desk.account.book.contract(ES).guarded == ()
    assert desk.heard("position.unprotected") == []


@MODES
@pytest.mark.parametrize("quantity", [2, 4])
def test_an_entry_that_is_sent_before_the_exit_is_told_has_a_bracket_of_its_own(mode: str, quantity: int) -> None:
    """It got that of the entry before it, at the prices of that."""
    desk, exchange = templated(mode=mode)
    entered(desk, exchange)
    exchange.market = 4980
    desk.leader(order(101, SELL, terms(quantity), quantity))
    desk.leader(order(102, BUY, terms(quantity), quantity))
    work(exchange)
    assert exchange.position == {ES: 2}
    assert prices(exchange) == [("Limit", 2, "4990.00"), ("Stop", 2, "4975.00")]
    assert len(desk.account.book.contract(ES).guarded) == 1


@pytest.mark.parametrize("reverses", [0, 1])
def test_an_entry_that_fills_before_the_order_that_was_to_bring_us_to_flat_keeps_its_bracket(reverses: int) -> None:
    desk, exchange = templated()
    desk.leader(order(100, SELL, terms(2), 2))
    work(exchange)
    desk.leader(order(101, BUY, terms(2 + reverses), 2 + reverses))
    desk.leader(order(102, BUY, terms(2), 2))
    exchange.take()
    exchange.queue.reverse()
    work(exchange)
    assert exchange.position == {ES: 2 + reverses}
    assert (stops(exchange), targets(exchange)) == (2 + reverses, 2 + reverses)
    assert desk.heard("position.unprotected") == []


def test_the_nearest_stops_of_several_entries_are_the_last_to_shrink() -> None:
    desk, exchange = templated()
    entered(desk, exchange, 1)
    desk.leader(order(101, BUY, limit(1, 5020), 1))
    exchange.take()
    exchange.answer("well")
    fills(exchange, exchange.working[-1], 1, 5020)
    work(exchange)
    assert [one for one in prices(exchange) if one[0] == "Stop"] == [("Stop", 1, "4995.00"), ("Stop", 1, "5015.00")]
    desk.leader(order(102, SELL, terms(1), 1))
    work(exchange)
    assert prices(exchange) == [("Limit", 1, "5030.00"), ("Stop", 1, "5015.00")]


def test_a_flatten_cancels_it() -> None:
    desk, exchange = templated()
    entered(desk, exchange)
    desk.hear(e.FlattenAsked(at=desk.now, symbol=None))
    work(exchange)
    assert not exchange.working and exchange.position[ES] == 0


def test_it_stays_over_a_restart_and_a_reconnect() -> None:
    desk, exchange = templated(catch_up="reduce")
    entered(desk, exchange)
    before = exchange.working
    for _ in range(2):
        desk.restarted()
        desk.hear(e.Authorized(at=desk.now))
        view = View(desk.theirs.broker_id, desk.theirs.generation + 1, desk.theirs.orders, desk.theirs.net)
        desk.leader_read_anew(view)
        exchange.is_read()
        work(exchange)
    assert exchange.working == before
    assert prices(exchange) == PAIR


def out(**more: Any) -> tuple[Desk, Exchange]:
    """The leader has left while nobody looked; ours is closed, and the template's legs are being cancelled for that."""
    desk, exchange = templated(**more)
    entered(desk, exchange)
    desk.lost()
    desk.theirs = desk.theirs.with_order(order(101, SELL, terms(2), 2))
    desk.hear(e.ReconnectAsked(at=desk.now))
    desk.hear(e.Authorized(at=desk.now))
    desk.leader_read_anew()
    exchange.is_read()
    exchange.take()
    return desk, exchange


@MODES
def test_what_the_leader_has_left_is_closed_and_the_template_goes(mode: str) -> None:
    _, exchange = out(mode=mode)
    work(exchange)
    assert not exchange.working and exchange.position[ES] == 0


@MODES
def test_its_stop_protects_between_two_tries_of_a_closing(mode: str) -> None:
    desk, exchange = out(mode=mode)
    exchange.answer("well")
    exchange.take()
    assert prices(exchange) == []
    exchange.answer("refused")
    exchange.take()
    exchange.answer("well")
    assert prices(exchange) == [("Stop", 2, "4995.00")]
    work(exchange)
    assert not exchange.working and exchange.position[ES] == 0
    assert desk.own == {}


def test_a_stop_that_somebody_has_cancelled_is_restored_with_its_target() -> None:
    desk, exchange = templated()
    entered(desk, exchange)
    number = next(one.id for one in live(exchange) if one.terms and one.terms.order_type is OrderType.STOP)
    exchange._set(number, status=Status.CANCELED)
    exchange._follow_up(number)
    exchange.tell(number)
    work(exchange)
    assert prices(exchange) == PAIR
    assert len(desk.heard("position.unprotected")) == 2


@pytest.mark.parametrize("flatten", [True, False])
def test_a_stop_that_is_refused_is_answered_as_any_other(flatten: bool) -> None:
    desk, exchange = templated(flatten_when_stop_refused=flatten)
    desk.leader(order(100, BUY, terms(2), 2))
    exchange.take()
    exchange.answer("well")
    exchange.take()
    exchange.answer("refused")
    for _ in range(20):
        exchange.take()
        exchange.answer("well" if flatten else "refused")
        desk.wait(0.5)
    assert exchange.position[ES] == (0 if flatten else 2)
    assert "HAS NO STOP" in desk.heard("position.unprotected")[0]


def test_legs_shrink_with_what_a_human_closes() -> None:
    desk, exchange = templated()
    entered(desk, exchange)
    exchange.position[ES] = 1
    desk.foreign(order(7000, SELL, terms(1), 1))
    work(exchange)
    assert (stops(exchange), targets(exchange)) == (1, 1)


# The leader's own


def test_a_bracket_of_the_leader_s_goes_out_instead() -> None:
    desk, _ = templated()
    desk.frame(*bracket(1, limit(2)))
    place = desk.place
    assert isinstance(place, PlaceOso)
    assert [leg.terms.time_in_force for leg in place.brackets] == [TimeInForce.DAY] * 2
    assert not any(copy.leg for copy in desk.account.book.copies.values())


def test_children_that_come_later_take_over_and_the_template_is_never_doubled_for_long() -> None:
    desk, exchange = templated()
    entered(desk, exchange, number=1)
    _, target, stopped = bracket(1, terms(2), 2)
    desk.frame(target, stopped)
    exchange.take()
    assert prices(exchange) == PAIR, "it stays until the leader's works"
    exchange.answer("well")
    exchange.take()
    assert (stops(exchange), targets(exchange)) == (4, 4)
    exchange.answer("well")
    assert (stops(exchange), targets(exchange)) == (2, 2)
    assert prices(exchange) == []
    work(exchange)
    assert (stops(exchange), targets(exchange)) == (2, 2)
    assert desk.heard("position.unprotected") == []
    desk.frame(ended(target), ended(stopped))
    work(exchange)
    assert not exchange.working, "it is over for good"


def test_a_stop_that_the_leader_places_by_itself_takes_over_the_whole_of_it() -> None:
    desk, exchange = templated()
    entered(desk, exchange)
    desk.leader(order(101, SELL, stop(2, 4980)))
    work(exchange)
    (one,) = live(exchange)
    assert (one.rest, at(one)) == (2, Decimal(4980))
    assert desk.heard("position.unprotected") == []


def test_a_stop_of_the_leader_s_for_a_part_leaves_the_template_for_the_rest() -> None:
    desk, exchange = templated()
    entered(desk, exchange, 3)
    desk.leader(order(101, SELL, stop(1, 4980)))
    work(exchange)
    assert prices(exchange) == PAIR
    assert stops(exchange) == 3
    desk.leader(order(102, SELL, stop(2, 4970)))
    work(exchange)
    assert prices(exchange) == []
    assert stops(exchange) == 3


def test_a_stop_of_the_leader_s_that_is_refused_leaves_the_template_in_its_place() -> None:
    desk, exchange = templated()
    entered(desk, exchange)
    desk.leader(order(101, SELL, stop(2, 4980)))
    exchange.take()
    exchange.answer("refused")
    work(exchange, 30)
    assert prices(exchange) == PAIR
    assert exchange.position[ES] == 2


def test_a_target_of_the_leader_s_leaves_the_stop_alone() -> None:
    desk, exchange = templated()
    entry, target, _ = bracket(1, limit(2))
    desk.frame(entry, attrs.evolve(target, oco_id=None))
    work(exchange)
    fills(exchange, 5001, 2)
    work(exchange)
    assert (stops(exchange), targets(exchange)) == (2, 2)
    assert prices(exchange) == [("Stop", 2, "4995.00")]


def test_an_inverse_follower_of_a_leader_with_a_stop_alone_has_the_template_s_stop() -> None:
    desk, exchange = templated(ratio=Decimal(-1))
    entry, _, stopped = bracket(1, limit(2))
    desk.frame(entry, attrs.evolve(stopped, oco_id=None))
    work(exchange)
    fills(exchange, 5001, 2)
    work(exchange)
    assert exchange.position[ES] == -2
    assert stops(exchange) == 2
    assert prices(exchange) == [("Stop", 2, "5005.00")]


def test_an_order_type_that_an_inverse_follower_cannot_copy_protects_nothing() -> None:
    desk, exchange = templated(ratio=Decimal(-1))
    entry, _, stopped = bracket(1, limit(2))
    trailing = terms(2, OrderType.TRAILING_STOP, peg_difference=Decimal(-5))
    desk.frame(entry, attrs.evolve(stopped, oco_id=None, terms=trailing))
    work(exchange)
    fills(exchange, 5001, 2)
    work(exchange)
    assert prices(exchange) == [("Stop", 2, "5005.00")]


# Mode "fills"


def test_in_mode_fills_what_each_order_makes_ours_is_protected() -> None:
    desk, exchange = templated(mode="fills")
    desk.leader(order(100, BUY, terms(2), 2))
    work(exchange)
    assert prices(exchange) == PAIR
    desk.leader(order(101, SELL, terms(1), 1))
    work(exchange)
    assert prices(exchange) == [("Limit", 1, "5010.00"), ("Stop", 1, "4995.00")]
    desk.leader(order(102, SELL, terms(3), 3))
    work(exchange)
    assert exchange.position[ES] == -2
    assert prices(exchange) == [("Limit", 2, "4990.00"), ("Stop", 2, "5005.00")]
    desk.leader(order(103, BUY, terms(2), 2))
    work(exchange)
    assert not exchange.working and exchange.position[ES] == 0


def test_in_mode_fills_the_leader_s_resting_stop_is_nothing_and_the_template_stays() -> None:
    desk, exchange = templated(mode="fills")
    desk.frame(*bracket(1, terms(2), 2))
    work(exchange)
    desk.leader(order(101, SELL, stop(2, 4980)))
    work(exchange)
    assert prices(exchange) == PAIR


# The same decisions again


def test_the_ids_of_the_legs_are_the_same_in_another_process() -> None:
    ids = []
    for _ in range(2):
        desk, _ = templated(runaway=Runaway(orders=5))
        desk.leader(order(1, BUY, limit(2)))
        ids.append([desk.place.client_id, *(leg.client_id for leg in desk.place.legs)])
    assert ids[0] == ids[1]


def test_a_closing_does_not_wait_for_legs_that_the_broker_has_put_off() -> None:
    desk, _ = templated()
    desk.leader(order(100, BUY, terms(2), 2))
    desk.fills(desk.place, 900)
    (pair,) = desk.places
    desk.sent(pair)
    desk.hear(e.RequestPenalised(at=desk.now, copy=pair.copy, client_id=pair.client_id, seconds=30, sent_at=desk.now))
    desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="closed", shown="Reconnecting"))
    desk.theirs = desk.theirs.with_order(order(101, SELL, terms(2), 2))
    desk.leader_read_anew()
    assert desk.quantities == [(SELL, 2)]
    assert desk.place.terms.order_type is OrderType.MARKET


def test_an_entry_that_the_broker_puts_off_has_its_legs_once() -> None:
    desk, exchange = templated()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.sent(place)
    desk.hear(e.RequestPenalised(at=desk.now, copy=place.copy, client_id=place.client_id, seconds=2, sent_at=desk.now))
    desk.wait(2)
    (again,) = desk.places
    assert isinstance(again, PlaceOso) and [leg.client_id for leg in again.legs] == [
        leg.client_id for leg in place.legs
    ]
    exchange.read = len(desk.everything) - len(desk.effects)
    exchange.take()
    exchange.answer("well")
    fills(exchange, 5001, 2)
    work(exchange)
    assert prices(exchange) == PAIR
