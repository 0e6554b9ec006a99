"""A leader's brackets, in few words: an entry with a target and a stop behind it, and an OCO."""

from __future__ import annotations

from typing import Any

import attrs

from statecharts.values import Order, OrderId, Side, Status, Terms
from tests.statecharts.desk import BUY, SELL, limit, order, stop

ASLEEP = Status.SUSPENDED


def bracket(
    number: int,
    asked: Terms,
    filled: int = 0,
    *,
    side: Side = BUY,
    target: int = 5020,
    stopped: int = 4990,
    awake: bool | None = None,
    size: int | None = None,
    status: Status | None = None,
) -> tuple[Order, Order, Order]:
    """An entry, and the two that sleep until it has filled: `number` + 1 is the target, `number` + 2 the stop."""
    out = SELL if side is BUY else BUY
    entry = order(number, side, asked, filled, status)
    if awake is None:
        awake = entry.status is Status.FILLED
    state = Status.WORKING if awake else ASLEEP
    quantity = size or asked.quantity
    links: dict[str, Any] = {"parent_id": OrderId(number)}
    return (
        entry,
        order(number + 1, out, limit(quantity, target), status=state, oco_id=OrderId(number + 2), **links),
        order(number + 2, out, stop(quantity, stopped), status=state, oco_id=OrderId(number + 1), **links),
    )


def oco(number: int, one: tuple[Side, Terms], other: tuple[Side, Terms]) -> tuple[Order, Order]:
    return (
        order(number, *one, oco_id=OrderId(number + 1)),
        order(number + 1, *other, oco_id=OrderId(number)),
    )


def ended(one: Order, status: Status = Status.CANCELED) -> Order:
    return attrs.evolve(one, status=status)


def done(one: Order) -> Order:
    """All of it has filled."""
    assert one.terms is not None
    links: dict[str, Any] = {"parent_id": one.parent_id, "oco_id": one.oco_id}
    return order(one.id, one.side, one.terms, one.terms.quantity, **links)
