"""A gap: the session is lost, the leader goes on, and both are read anew. Words for the tests of what follows."""

from __future__ import annotations

from typing import Any

from statecharts import events as e
from statecharts.effects import PlaceOrder
from statecharts.values import Order, Status, Symbol
from statecharts.view import View
from tests.statecharts.desk import ES, LEAD, LEAD_ID, Desk, in_position, order


def ours(desk: Desk, place: PlaceOrder, number: int, filled: int = 0, status: Status | None = None) -> Order:
    """Our own order as the snapshot shows it."""
    return order(number, place.side, place.terms, filled, status, client_ids=frozenset({place.client_id}))


def away(desk: Desk, *leaders: Order, net: int = 0) -> None:
    """The session is lost, the leader goes on, and both are read anew: the leader at once, we by `read_anew`."""
    desk.lost()
    desk.hear(e.ReconnectAsked(at=desk.now))
    desk.hear(e.Authorized(at=desk.now))
    orders = {**desk.theirs.orders, **{one.id: one for one in leaders}}
    desk.leader_read_anew(View(LEAD_ID, desk.theirs.generation + 1, orders, {ES: net} if net else {}))


def gap(
    desk: Desk,
    first: str,
    *leaders: Order,
    net: int = 0,
    mine: tuple[Order, ...] = (),
    positions: dict[Symbol, int] | None = None,
) -> None:
    """Both are away; the view of `first` ("mine" or "theirs") is in first, the later one is the last event."""
    desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="socket closed (1006)", shown="Reconnecting"))
    desk.lost()
    desk.resuming()
    orders = {**desk.theirs.orders, **{one.id: one for one in leaders}}
    view = View(LEAD_ID, desk.theirs.generation + 1, orders, {ES: net} if net else {})
    if first == "theirs":
        desk.leader_read_anew(view)
        desk.read_anew(*mine, positions=positions)
    else:
        desk.read_anew(*mine, positions=positions)
        assert not desk.places and not desk.cancels and desk.account.book.held_back()
        desk.leader_read_anew(view)
    assert not desk.account.book.held_back()


def holding(quantity: int = 2, **more: Any) -> tuple[Desk, Order]:
    """A follower in position, and the order that brought it there as a snapshot shows it."""
    desk = in_position(quantity, **more)
    (place,) = (one for one in desk.everything if isinstance(one, PlaceOrder))
    return desk, ours(desk, place, 900, quantity)
