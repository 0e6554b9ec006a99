"""What a follower asks for where the leader asks for some terms."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statecharts import terms as asking
from statecharts.effects import CancelOrder, ModifyOrder, PlaceOrder
from statecharts.order import Stage
from statecharts.rules import MapTo
from statecharts.sizing import Kind
from statecharts.values import OrderType, Root, Side, Status, Symbol, Terms, TimeInForce
from tests.statecharts.desk import (
    BUY,
    ES,
    NOON,
    SELL,
    Desk,
    facts_of,
    follower,
    in_position,
    limit,
    order,
    stop,
    terms,
)

TICK = Decimal("0.25")


def made(order_type: OrderType, price: str | None = None, at: str | None = None, peg: str | None = None) -> Terms:
    """Terms of one contract; `at` is the trigger."""
    price_, at_, peg_ = (None if one is None else Decimal(one) for one in (price, at, peg))
    return Terms(1, order_type, price_, at_, peg_)


LIMIT, STOP, MIT = OrderType.LIMIT, OrderType.STOP, OrderType.MIT
STOP_LIMIT, TRAILING, TRAILING_LIMIT = OrderType.STOP_LIMIT, OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT


# The same side


@pytest.mark.parametrize("order_type", list(OrderType))
def test_all_terms_are_the_leaders(order_type: OrderType) -> None:
    gtd = attrs.evolve(made(order_type, "1", "2", "3"), time_in_force=TimeInForce.GTD, expire_time=NOON)
    assert asking.unmirrored(gtd, inverse=False) is None
    assert asking.asked(gtd, False, BUY, None) is gtd


# The other side


@pytest.mark.parametrize(("theirs", "ours"), [
    (made(LIMIT, "5190"), made(STOP, None, "5190")),
    (made(STOP, None, "5190"), made(LIMIT, "5190")),
    (made(MIT, None, "5190"), made(STOP, None, "5190")),
    (made(MIT, "5190"), made(STOP, None, "5190")),
    (made(STOP_LIMIT, "5212", "5210"), made(LIMIT, "5210")),
    (terms(1), terms(1)),
])  # fmt: skip
def test_an_inverse_follower_waits_on_the_other_side_of_the_same_price(theirs: Terms, ours: Terms) -> None:
    assert asking.unmirrored(theirs, inverse=True) is None
    assert asking.asked(theirs, True, BUY, None) == ours


@pytest.mark.parametrize("order_type", [TRAILING, TRAILING_LIMIT])
def test_nothing_trails_on_the_other_side(order_type: OrderType) -> None:
    why = asking.unmirrored(made(order_type, peg="5"), inverse=True)
    assert why is not None and order_type.value in why


@pytest.mark.parametrize("at_once", [TimeInForce.IOC, TimeInForce.FOK])
def test_on_the_other_side_nothing_but_a_market_order_is_filled_at_once(at_once: TimeInForce) -> None:
    why = asking.unmirrored(attrs.evolve(limit(1), time_in_force=at_once), inverse=True)
    assert why is not None and f"Limit {at_once.value}" in why
    assert asking.unmirrored(attrs.evolve(terms(1), time_in_force=at_once), inverse=True) is None


# Another tick


@pytest.mark.parametrize(("side", "theirs", "ours"), [
    (BUY, made(LIMIT, "5190.30"), made(LIMIT, "5190.25")),
    (SELL, made(LIMIT, "5190.30"), made(LIMIT, "5190.50")),
    (BUY, made(STOP, None, "5190.30"), made(STOP, None, "5190.50")),
    (SELL, made(STOP, None, "5190.30"), made(STOP, None, "5190.25")),
    (BUY, made(MIT, None, "5190.30"), made(MIT, None, "5190.25")),
    (SELL, made(MIT, None, "5190.30"), made(MIT, None, "5190.50")),
    (BUY, made(MIT, "5190.30"), made(MIT, "5190.25")),
    (BUY, made(STOP_LIMIT, "5191.30", "5190.30"), made(STOP_LIMIT, "5191.25", "5190.50")),
    (SELL, made(STOP_LIMIT, "5189.30", "5190.30"), made(STOP_LIMIT, "5189.50", "5190.25")),
    # The limit would lie before its own trigger, and nothing could fill: it is the trigger.
    (BUY, made(STOP_LIMIT, "5190.30", "5190.30"), made(STOP_LIMIT, "5190.50", "5190.50")),
    (SELL, made(STOP_LIMIT, "5190.30", "5190.30"), made(STOP_LIMIT, "5190.25", "5190.25")),
    # A leader who waits for the price to come back has said so.
    (BUY, made(STOP_LIMIT, "5185.30", "5190.30"), made(STOP_LIMIT, "5185.25", "5190.50")),
    (BUY, made(TRAILING, None, "5195.30", "5.10"), made(TRAILING, None, "5195.50", "5.25")),
    (SELL, made(TRAILING, None, "5185.30", "-5.10"), made(TRAILING, None, "5185.25", "-5.25")),
    (SELL, made(TRAILING_LIMIT, "5184.30", "5185.30", "5.1"), made(TRAILING_LIMIT, "5184.50", "5185.25", "5.25")),
    (SELL, made(LIMIT, "-37.63"), made(LIMIT, "-37.50")),
    (BUY, made(LIMIT, "-37.63"), made(LIMIT, "-37.75")),
    (BUY, terms(1), terms(1)),
])  # fmt: skip
def test_prices_off_the_tick_are_rounded_away_from_the_market(side: Side, theirs: Terms, ours: Terms) -> None:
    assert asking.asked(theirs, False, side, TICK) == ours


def test_prices_are_rounded_for_the_order_that_is_sent() -> None:
    assert asking.asked(made(LIMIT, "5190.30"), True, SELL, TICK) == made(STOP, None, "5190.25")


PRICES = st.decimals("-100", "100", places=4)


@given(
    st.sampled_from([LIMIT, STOP, MIT, TRAILING]), PRICES, st.sampled_from(list(Side)),
    st.sampled_from([Decimal("0.0001"), Decimal("0.25"), Decimal("0.3"), Decimal(5)]),
)  # fmt: skip
def test_a_rounded_price_is_on_the_tick_and_less_than_one_further_from_the_market(
    order_type: OrderType, price: Decimal, side: Side, tick: Decimal
) -> None:
    theirs = Terms(1, order_type, price if order_type is LIMIT else None, None if order_type is LIMIT else price)
    ours = asking.asked(theirs, False, side, tick)
    found = ours.price if order_type is LIMIT else ours.stop_price
    assert found is not None and found % tick == 0
    waits_above = (side is BUY) == order_type.stops
    later = found - price if waits_above else price - found
    assert 0 <= later < tick


# What is the same, and what a modify can do


def test_where_a_trailing_order_stands_is_no_difference_and_an_expiry_counts_for_gtd_alone() -> None:
    assert asking.same(made(TRAILING, None, "5190", "5"), made(TRAILING, None, "5195", "5"))
    assert not asking.same(made(TRAILING, None, "5190", "5"), made(TRAILING, None, "5190", "6"))
    assert not asking.same(made(STOP, None, "5190"), made(STOP, None, "5195"))
    assert asking.same(limit(1), attrs.evolve(limit(1), expire_time=NOON))
    gtd = attrs.evolve(limit(1), time_in_force=TimeInForce.GTD, expire_time=NOON)
    assert not asking.same(gtd, attrs.evolve(gtd, expire_time=None))


def test_only_the_quantity_of_a_trailing_order_can_be_modified() -> None:
    trail = made(TRAILING, None, "5190", "5")
    larger = attrs.evolve(trail, quantity=3, stop_price=Decimal(5195))
    assert not asking.needs_another_order(trail, larger)
    assert asking.restated(trail, larger) == attrs.evolve(trail, quantity=3)
    assert asking.needs_another_order(trail, attrs.evolve(larger, peg_difference=Decimal(6)))
    assert asking.needs_another_order(stop(1), trail)
    assert not asking.needs_another_order(stop(1), limit(3))
    assert asking.restated(stop(1), limit(3)) == limit(3)


# In the account


def mapped(tick: str) -> Desk:
    desk = follower(map={Root("6E"): MapTo(Root("M6E"), Decimal(10))})
    desk.contract_read(facts_of(Symbol("M6E"), tick))
    return desk


EURO = Symbol("6EZ6")


@pytest.mark.parametrize(("side", "price"), [(BUY, "1.0850"), (SELL, "1.0851")])
def test_a_mapped_order_is_sent_on_its_own_products_tick(side: Side, price: str) -> None:
    desk = mapped("0.0001")
    desk.leader(order(100, side, made(LIMIT, "1.08505"), symbol=EURO))
    assert desk.place.terms.price == Decimal(price)
    desk.accepted(desk.place, 900)
    desk.leader(order(100, side, attrs.evolve(made(LIMIT, "1.08445"), quantity=1), symbol=EURO, version=101))
    assert desk.modifies[0].terms.price == Decimal("1.0844" if side is BUY else "1.0845")


def test_in_the_leaders_own_contract_his_prices_are_right() -> None:
    desk = follower()
    desk.contract_read(facts_of(ES, "0.25"))
    desk.leader(order(100, BUY, made(LIMIT, "5190.30")))
    assert desk.place.terms.price == Decimal("5190.30")


def trailing(quantity: int, peg: str = "5", at: str = "4990") -> Terms:
    return attrs.evolve(made(TRAILING, None, at, peg), quantity=quantity)


def protected() -> tuple[Desk, PlaceOrder]:
    """Two contracts, protected by a trailing stop that works."""
    desk = in_position()
    desk.leader(order(101, SELL, trailing(2)))
    placed = desk.place
    desk.accepted(placed, 901)
    return desk, placed


def test_a_trailing_stop_follows_the_leaders_quantity_by_a_modify_that_restates_what_it_shows() -> None:
    desk, placed = protected()
    desk.seen(placed, 901, asked=trailing(2, at="4995"))  # the market has pulled it along
    desk.leader(order(101, SELL, trailing(1, at="4990"), version=200))
    (change,) = desk.modifies
    assert change.terms == trailing(1, at="4995")
    desk.accepted(change)
    desk.seen(placed, 901, asked=trailing(1, at="4996"), version=950)
    assert desk.account.book.copies[change.copy].stage is Stage.WORKING
    desk.wait(60)
    assert desk.modifies == []


def test_a_trailing_stop_that_only_trails_is_left_alone() -> None:
    desk, placed = protected()
    desk.leader(order(101, SELL, trailing(2, at="4999"), version=200))
    desk.seen(placed, 901, asked=trailing(2, at="4998"), version=950)
    assert [one for one in desk.everything if isinstance(one, ModifyOrder | CancelOrder)] == []


def test_other_terms_of_a_trailing_stop_are_another_order_as_soon_as_the_cancel_is_confirmed() -> None:
    desk, placed = protected()
    desk.leader(order(101, SELL, trailing(2, "8"), version=200))
    (cancel,) = desk.cancels
    assert desk.places == []
    desk.accepted(cancel)
    desk.leader(order(101, SELL, trailing(2, "9"), version=201))
    assert desk.places == []
    desk.seen(placed, 901, status=Status.CANCELED)
    assert desk.place.terms == trailing(2, "9")
    assert desk.place.client_id != placed.client_id
    desk.accepted(desk.place, 902)
    assert desk.copy_of(101).stage is Stage.WORKING
    assert desk.copy_of(101).terms == trailing(2, "9")


def test_a_leader_who_changes_his_mind_in_time_changes_nothing() -> None:
    desk = in_position()
    desk.leader(order(101, SELL, trailing(2)))
    placed = desk.place
    desk.sent(placed)
    desk.leader(order(101, SELL, trailing(2, "8"), version=200))
    desk.leader(order(101, SELL, trailing(2), version=201))
    desk.accepted(placed, 901)
    assert desk.cancels == []
    assert desk.copy_of(101).cancel_wanted is None


@pytest.mark.parametrize("how", ["filled", "leader cancels", "flattened"])
def test_an_order_that_is_not_wanted_any_more_is_not_placed_anew(how: str) -> None:
    desk, placed = protected()
    desk.leader(order(101, SELL, trailing(2, "8"), version=200))
    desk.accepted(desk.cancels[0])
    if how == "filled":
        desk.seen(placed, 901, 2)
    else:
        if how == "leader cancels":
            desk.leader(order(101, SELL, trailing(2, "8"), version=200, status=Status.CANCELED))
        else:
            desk.leader(order(102, SELL, terms(2), 2))  # flat by another order, and this one is gone
            desk.leader(order(101, SELL, trailing(2, "8"), version=200, status=Status.CANCELED))
        desk.seen(placed, 901, status=Status.CANCELED)
    assert [one for one in desk.places if one.terms.order_type is TRAILING] == []


def test_a_trailing_entry_is_placed_anew_too_with_what_is_left_of_it() -> None:
    desk = follower()
    desk.leader(order(100, BUY, trailing(3)))
    placed = desk.place
    desk.accepted(placed, 900)
    desk.seen(placed, 900, 1)
    desk.leader(order(100, BUY, trailing(3, "8"), version=200))
    desk.accepted(desk.cancels[0])
    desk.seen(placed, 900, 1, status=Status.CANCELED)
    assert (desk.place.terms.quantity, desk.place.terms.peg_difference) == (2, Decimal(8))
    desk.fills(desk.place, 901)
    assert desk.own == {ES: 3}


@pytest.mark.parametrize("theirs", [trailing(1), attrs.evolve(limit(1), time_in_force=TimeInForce.IOC)])
def test_what_an_inverse_follower_cannot_mirror_is_skipped_with_the_reason_and_its_exit_is_made_up_for(
    theirs: Terms,
) -> None:
    desk = in_position(2, ratio=Decimal(-1))
    assert desk.own == {ES: -2}
    desk.leader(order(101, SELL, theirs))
    assert desk.places == []
    copy = desk.copy_of(101)
    assert (copy.stage, copy.kind) == (Stage.SKIPPED, Kind.EXIT)
    assert "no counterpart" in str(copy.reason)
    desk.leader(order(101, SELL, theirs, 1))
    assert desk.quantities == [(BUY, 1)]
    desk.fills(desk.place, 902)
    assert desk.own == {ES: -1}
    desk.leader(order(101, SELL, theirs, 1))  # told once more
    assert desk.places == []


def test_an_entry_that_an_inverse_follower_cannot_mirror_is_not_made_up_for() -> None:
    desk = follower(ratio=Decimal(-1))
    desk.leader(order(100, BUY, trailing(1)))
    desk.leader(order(100, BUY, trailing(1), 1))
    assert desk.places == []
    assert desk.own == {}


def test_an_order_that_comes_to_trail_is_cancelled_on_the_other_side() -> None:
    desk = in_position(2, ratio=Decimal(-1))
    desk.leader(order(101, SELL, stop(2)))
    placed = desk.place
    desk.accepted(placed, 901)
    desk.leader(order(101, SELL, trailing(2), version=200))
    desk.accepted(desk.cancels[0])
    desk.seen(placed, 901, status=Status.CANCELED)
    assert desk.places == []
    desk.leader(order(101, SELL, trailing(2), 2, version=200))
    assert desk.quantities == [(BUY, 2)]


@pytest.mark.parametrize("in_force", [TimeInForce.IOC, TimeInForce.FOK])
@pytest.mark.parametrize("leader_first", [True, False])
def test_an_exit_at_once_that_the_leader_got_and_we_did_not_is_made_certain(
    in_force: TimeInForce, leader_first: bool
) -> None:
    desk = in_position(3)
    at_once = attrs.evolve(limit(1, 5020), time_in_force=in_force)
    desk.leader(order(101, SELL, at_once))
    placed = desk.place
    assert placed.terms == at_once
    desk.sent(placed)
    desk.accepted(placed, 901, working=False)
    for leaders in (leader_first, not leader_first):
        if leaders:
            desk.leader(order(101, SELL, at_once, 1))
        else:
            desk.seen(placed, 901, status=Status.CANCELED)
    assert desk.quantities == [(SELL, 1)]
    assert desk.place.terms.order_type is OrderType.MARKET
    desk.fills(desk.place, 902)
    assert desk.own == {ES: 2}


def test_an_entry_at_once_that_we_did_not_get_is_missed() -> None:
    desk = follower()
    at_once: dict[str, Any] = {"time_in_force": TimeInForce.IOC}
    desk.leader(order(100, BUY, attrs.evolve(limit(2), **at_once), 2))
    desk.accepted(desk.place, 900)
    desk.seen(desk.everything[0], 900, status=Status.CANCELED)  # type: ignore[arg-type]  # the one request so far
    desk.wait(60)
    assert desk.own == {}
    assert [one for one in desk.everything if isinstance(one, PlaceOrder)] == desk.everything[:1]
