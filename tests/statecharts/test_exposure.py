"""max_position is of a product: what is ours in its other contracts counts, and what is on its way there."""

from __future__ import annotations

from typing import Any

import pytest

from statecharts.order import Stage
from statecharts.sizing import Kind
from statecharts.values import Side, Symbol
from tests.statecharts.desk import BUY, ES, SELL, Desk, follower, limit, order, terms

NEXT = Symbol("ESH7")


def holding(quantity: int, **more: Any) -> Desk:
    """Long so many of one month, with three for the product."""
    desk = follower(max_position=3, **more)
    desk.leader(order(100, BUY, terms(quantity), quantity))
    desk.fills(desk.place, 900)
    return desk


def skipped(desk: Desk, number: int) -> str | None:
    copy = desk.copy_of(number)
    assert copy.stage is Stage.SKIPPED
    return copy.reason


@pytest.mark.parametrize("mode", ["orders", "fills"])
def test_another_contract_of_the_product_has_what_is_left(mode: str) -> None:
    desk = holding(2, mode=mode)
    desk.leader(order(101, BUY, terms(2), 2, symbol=NEXT))
    assert desk.quantities == [(BUY, 1)]
    desk.fills(desk.place, 901)
    desk.leader(order(102, SELL, terms(2), 2))
    desk.fills(desk.place, 902)
    assert desk.own == {NEXT: 1}
    desk.leader(order(103, BUY, terms(1), 1, symbol=NEXT))
    assert desk.quantities == [(BUY, 1)]


@pytest.mark.parametrize("mode", ["orders", "fills"])
def test_nothing_is_left_once_it_is_reached(mode: str) -> None:
    desk = holding(3, mode=mode)
    desk.leader(order(101, BUY, terms(1), 1, symbol=NEXT))
    assert desk.places == []
    last = list(desk.account.book.copies.values())[-1]
    assert (last.stage, last.reason) == (Stage.SKIPPED, "max_position is reached")


def test_what_rests_in_another_contract_counts_too() -> None:
    desk = follower(max_position=3)
    desk.leader(order(100, BUY, limit(2)))
    desk.accepted(desk.place, 900)
    desk.leader(order(101, BUY, limit(2), symbol=NEXT))
    assert desk.quantities == [(BUY, 1)]


@pytest.mark.parametrize(("symbol", "side"), [(NEXT, SELL), (Symbol("NQZ6"), BUY)])
@pytest.mark.parametrize("mode", ["orders", "fills"])
def test_the_other_side_and_another_product_are_apart(mode: str, symbol: Symbol, side: Side) -> None:
    """Long in one month and short in the next is no larger position of the product."""
    desk = holding(2, mode=mode)
    desk.leader(order(101, side, terms(3), 3, symbol=symbol))
    assert desk.quantities == [(side, 3)]


@pytest.mark.parametrize("mode", ["orders", "fills"])
@pytest.mark.parametrize(
    ("beside", "quantity", "kind"), [(0, 5, Kind.REVERSAL), (2, 4, Kind.REVERSAL), (3, 3, Kind.EXIT)]
)
def test_a_reversal_opens_what_is_left(mode: str, beside: int, quantity: int, kind: Kind) -> None:
    desk = follower(mode=mode, max_position=3)
    if beside:
        desk.leader(order(99, BUY, terms(beside), beside, symbol=NEXT))
        desk.fills(desk.place, 899)
    desk.leader(order(100, SELL, terms(3), 3))
    desk.fills(desk.place, 900)
    desk.leader(order(101, BUY, terms(5), 5))
    assert desk.quantities == [(BUY, quantity)]
    copy = next(copy for copy in desk.account.book.copies.values() if copy.id == desk.place.copy)
    assert (copy.kind, copy.opens) == (kind, quantity - 3)
    desk.fills(desk.place, 901)
    assert desk.own.get(ES, 0) == quantity - 3


def test_of_a_reversal_what_is_ours_on_its_side_already_counts() -> None:
    """Ours has filled ahead of the leader's, who is short yet when he reverses by another order."""
    desk = follower(max_position=2)
    desk.leader(order(100, SELL, terms(1), 1))
    desk.fills(desk.place, 900)
    desk.leader(order(101, BUY, limit(3, 4990)))
    ahead = desk.place
    desk.accepted(ahead, 901)
    desk.seen(ahead, 901, 3)
    assert desk.own == {ES: 2}
    desk.leader(order(102, BUY, terms(3)))
    assert desk.places == []
    assert skipped(desk, 102) == "max_position is reached"
    assert desk.account.book.barred == {}


def test_a_reversal_grows_by_what_the_product_leaves_when_it_is_asked_for() -> None:
    desk = follower(max_position=4)
    desk.leader(order(100, BUY, terms(1), 1))
    desk.fills(desk.place, 900)
    desk.leader(order(101, SELL, limit(3, 5010)))
    reversal = desk.place
    desk.accepted(reversal, 901)
    desk.leader(order(101, SELL, limit(3, 5011), version=201))
    (moved,) = desk.modifies
    desk.leader(order(101, SELL, limit(5, 5011), version=202))
    desk.leader(order(102, SELL, terms(1), 1, symbol=NEXT))
    desk.fills(desk.place, 902)
    desk.accepted(moved)
    desk.seen(reversal, 901, asked=limit(3, 5011), version=903)
    assert [one.terms for one in desk.modifies] == [limit(4, 5011)]
    assert desk.account.book.barred == {}


def test_an_entry_that_the_cap_leaves_a_part_of_says_so() -> None:
    desk = follower(max_position=3)
    desk.leader(order(101, BUY, limit(2)), order(102, BUY, terms(2)))
    assert desk.quantities == [(BUY, 1)]
    assert desk.copy_of(102).reason == "max_position is reached: 1 of 2 not copied"
    assert desk.heard("copy.skipped") == ["ESZ6: max_position is reached: 1 of 2 not copied"]
