"""Views and their orders: what is told twice, or late, or taken back."""

from __future__ import annotations

import attrs
import pytest

from statecharts.values import Fill, Order, OrderId, Status
from statecharts.view import Orders, View
from tests.statecharts.desk import BUY, ES, LEAD_ID, SELL, limit, order, stop, terms


def test_the_same_fact_twice_changes_nothing() -> None:
    view = View(LEAD_ID, 1).with_order(order(1, BUY, terms(2), 2))
    assert view.with_order(order(1, BUY, terms(2), 2)) is view
    assert view.position(ES) == 2


def test_an_older_fact_takes_nothing_back() -> None:
    facts = [
        order(1, BUY, limit(2)),
        order(1, BUY, limit(2, 5001), 1, version=7),
        order(1, BUY, limit(2, 5001), 2, version=7),
    ]
    for first, second, third in ((0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)):
        view = View(LEAD_ID, 1)
        for n in (first, second, third):
            view = view.with_order(facts[n])
        one = view.orders[facts[0].id]
        assert (one.status, one.filled, one.terms, one.version) == (Status.FILLED, 2, limit(2, 5001), 7)
        assert view.position(ES) == 2


def test_a_busted_fill_stays_busted_and_moves_the_position_back() -> None:
    whole = order(1, SELL, terms(1), 1)
    busted = attrs.evolve(whole, fills=tuple(attrs.evolve(fill, active=False) for fill in whole.fills))
    view = View(LEAD_ID, 1).with_order(whole).with_order(busted).with_order(whole)
    assert view.position(ES) == 0
    assert isinstance(whole.fills[0], Fill)


def test_a_bust_that_is_told_of_one_fill_and_then_of_another_like_it_is_one_bust() -> None:
    """The report of it comes first, and names none."""
    whole = order(1, SELL, terms(3), 3)

    def without(*places: int) -> Order:
        return attrs.evolve(
            whole, fills=tuple(attrs.evolve(fill, active=n not in places) for n, fill in enumerate(whole.fills))
        )

    view = View(LEAD_ID, 1).with_order(whole).with_order(without(0)).with_order(without(2))
    assert view.position(ES) == -2
    view = view.with_order(without(1, 2)).with_order(whole)
    assert view.position(ES) == -1


@pytest.mark.parametrize(
    ("status", "parent", "asleep"),
    [
        (Status.SUSPENDED, None, True),
        (Status.WORKING, None, False),
        (Status.PENDING_NEW, order(1, BUY, limit(1)), True),
        (Status.PENDING_NEW, order(1, BUY, limit(1), 1), True),
        (Status.WORKING, order(1, BUY, limit(1), 1), False),
        (Status.WORKING, order(1, BUY, limit(2), 1), False),
        (Status.WORKING, order(1, BUY, limit(2)), True),
        (Status.WORKING, order(1, BUY, limit(2), status=Status.CANCELED), False),
    ],
)
def test_a_child_sleeps_until_its_parent_fills_whatever_it_is_called(
    status: Status, parent: Order | None, asleep: bool
) -> None:
    child = order(2, SELL, stop(1), status=status, parent_id=OrderId(1))
    view = View(LEAD_ID, 1, {child.id: child, **({parent.id: parent} if parent else {})})
    assert view.asleep(child) is asleep
    assert view.asleep(attrs.evolve(child, parent_id=None)) is (status is Status.SUSPENDED)


def test_an_order_is_found_by_each_name_that_it_ever_had_and_the_oldest_of_several() -> None:
    view = View(LEAD_ID, 1)
    for number, names in ((7, {"made", "moved"}), (8, {"moved"}), (3, {"moved"}), (7, {"made", "moved", "again"})):
        view = view.with_order(order(number, BUY, limit(2), client_ids=frozenset(names)))
    found = {name: Orders.of(view.orders).named(name) for name in ("made", "moved", "again", "never")}
    assert {name: one and one.id for name, one in found.items()} == {"made": 7, "moved": 3, "again": 7, "never": None}
    assert Orders(dict(view.orders)).named("moved") == found["moved"], "also when it is loaded"
