"""Orders as values: what is not forgotten, and what may still fill."""

from __future__ import annotations

from statecharts.values import Status
from statecharts.view import View
from tests.statecharts.desk import BUY, LEAD_ID, SELL, limit, order


def test_terms_that_were_known_are_not_forgotten() -> None:
    view = View(LEAD_ID, 1).with_order(order(1, BUY, limit(2))).with_order(order(1, BUY, None, version=1))
    assert next(iter(view.orders.values())).terms == limit(2)


def test_nothing_of_a_finished_order_may_still_fill() -> None:
    assert order(1, BUY, limit(2), 1).rest == 1
    assert order(1, BUY, limit(2), 1, Status.CANCELED).rest == 0
    assert order(1, BUY, None).rest == 0


def test_the_side_of_a_change() -> None:
    assert (BUY.of(2), BUY.of(-1)) == (BUY, SELL)
