"""What a shadow would change is decided and recorded, row by row, and nothing of it is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from statecharts.book import Copy, Verb
from statecharts.effects import Request
from statecharts.order import Stage
from statecharts.values import Order, OrderId, OrderType, Status, Terms
from tests.statecharts.desk import BUY, SELL, Desk, follower, limit, order, stop, terms
from tests.statecharts.families import oco

TRAILING = Terms(2, OrderType.TRAILING_STOP, stop_price=Decimal(5010), peg_difference=Decimal(10))


def shadow(*orders: Order, **more: Any) -> Desk:
    """A shadow that has copied these orders of the leader's."""
    desk = follower(shadow=True, **more)
    desk.frame(*orders)
    return desk


def rows(desk: Desk) -> list[tuple[Verb, int, str | None]]:
    """Of its changes: what, how many, and at which price; each of them recorded and not sent."""
    changes = [copy for copy in desk.account.book.copies.values() if copy.verb is not Verb.PLACE]
    assert all(one.stage is Stage.SHADOWED and one.order_id is None for one in changes)
    assert not any(isinstance(effect, Request) for effect in desk.everything)
    return [(one.verb, *_asked(one)) for one in changes]


def _asked(copy: Copy) -> tuple[int, str | None]:
    assert copy.terms is not None
    price = copy.terms.price or copy.terms.stop_price
    return copy.terms.quantity, None if price is None else str(price)


def ends(one: Order, status: Status, **more: Any) -> Order:
    return attrs.evolve(one, status=status, **more)


def test_each_change_and_the_cancel_are_rows_of_their_own() -> None:
    desk = shadow(order(1, BUY, limit(2)))
    desk.leader(order(1, BUY, limit(2, 4999), version=11))
    desk.leader(order(1, BUY, limit(4, 4999), version=12))
    desk.leader(order(1, BUY, limit(4, 4999), version=12))
    desk.leader(order(1, BUY, limit(4, 4999), version=12, status=Status.CANCELED))
    desk.leader(order(1, BUY, limit(4, 4999), version=12, status=Status.CANCELED))
    assert rows(desk) == [(Verb.MODIFY, 2, "4999"), (Verb.MODIFY, 4, "4999"), (Verb.CANCEL, 4, "4999")]
    cancel = list(desk.account.book.copies.values())[-1]
    assert (cancel.subject, cancel.reason) == (desk.copy_of(1).id, "the leader's order is canceled")
    assert desk.copy_of(1).stage is Stage.SHADOWED


def test_a_change_that_asks_for_nothing_else_has_no_row() -> None:
    desk = shadow(order(1, BUY, limit(4)), ratio=Decimal("0.5"))
    desk.leader(order(1, BUY, limit(5), version=11))
    assert rows(desk) == []
    desk.leader(order(1, BUY, limit(6), version=12))
    assert rows(desk) == [(Verb.MODIFY, 3, "5000")]


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.FILLED])
def test_what_ends_by_itself_has_none(status: Status) -> None:
    desk = shadow(order(1, BUY, limit(2)))
    desk.leader(order(1, BUY, limit(2), 2 if status is Status.FILLED else 0, status))
    assert rows(desk) == []


@pytest.mark.parametrize("filled", [True, False])
def test_the_partner_of_an_exit_that_has_filled_has_none(filled: bool) -> None:
    desk = shadow(order(100, BUY, terms(2), 2))
    first, second = oco(1, (SELL, limit(2, 5010)), (SELL, stop(2)))
    desk.frame(first, second)
    if filled:
        desk.leader(attrs.evolve(order(1, SELL, limit(2, 5010), 2), oco_id=OrderId(2)))
    else:
        desk.leader(ends(first, Status.CANCELED))
    desk.leader(ends(second, Status.CANCELED))
    assert [verb for verb, *_ in rows(desk)] == ([] if filled else [Verb.CANCEL] * 2)


def test_what_no_modify_can_bring_about_is_a_cancel_and_the_order_goes_on_with_its_new_terms() -> None:
    desk = shadow(order(1, BUY, TRAILING))
    wider = attrs.evolve(TRAILING, peg_difference=Decimal(20))
    desk.leader(order(1, BUY, wider, version=11))
    assert [verb for verb, *_ in rows(desk)] == [Verb.CANCEL]
    assert desk.copy_of(1).terms == wider
    desk.leader(order(1, BUY, attrs.evolve(wider, quantity=3), version=12))
    assert [verb for verb, *_ in rows(desk)] == [Verb.CANCEL, Verb.MODIFY]


def test_what_cannot_be_mirrored_any_more_is_cancelled() -> None:
    desk = shadow(order(1, BUY, limit(2)), ratio=Decimal(-1))
    desk.leader(order(1, BUY, TRAILING, version=11))
    desk.leader(order(1, BUY, limit(3), version=12))
    assert [verb for verb, *_ in rows(desk)] == [Verb.CANCEL]


def test_an_order_that_is_told_without_terms_changes_nothing() -> None:
    desk = shadow(order(1, BUY, limit(2)))
    desk.leader(order(1, BUY, None, version=11))
    assert rows(desk) == []
