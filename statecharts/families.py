"""Who of the leader's orders belong together, and whether all of them are known by now.

Rule 1: an order that names a partner which is not there yet waits for it a moment, and so does the entry of such a
        child; an entry without children waits `bracket_wait` for them. What waits has no copy yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from statecharts import sizing
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Order, Status
from statecharts.view import Orders, View

PARTNER_WAIT = timedelta(milliseconds=500)  # the broker makes both at once; what tells of the second is on its way


def partner_of(view: View, order: Order) -> Order | None:
    """The other of two orders that name each other as OCO."""
    other = view.orders.get(order.oco_id) if order.oco_id is not None else None
    return other if other is not None and other.oco_id == order.id else None


def children_of(view: View, order: Order) -> list[Order]:
    return Orders.of(view.orders).children_of(order.id)


def is_single(draft: Draft, order: Order, rules: CopyRules) -> bool:
    """Does it belong to nobody, and nobody to it? Then all that is asked of a family need not be asked of it."""
    if order.oco_id is not None or order.parent_id is not None or order.status is Status.SUSPENDED:
        return False
    return not rules.bracket_wait and not children_of(view_of(draft), order)


def undecided(draft: Draft, order: Order) -> tuple[Order, ...]:
    """The order, and its partner when that has no copy either."""
    other = partner_of(view_of(draft), order)
    if other is None or other.id in draft.book.placed or (other.terms is None and other.unsupported is None):
        return (order,)
    return (order, other)


def asleep(draft: Draft, order: Order) -> bool:
    """Does it wait at the leader's broker for its parent? It is copied when it wakes, or with its parent."""
    return view_of(draft).asleep(order)


def without_fills(orders: Sequence[Order]) -> list[Order]:
    """Those of a frame that belong to others and have moved nothing: known before anything is decided."""
    return [one for one in orders if not one.fills and (one.parent_id is not None or one.oco_id is not None)]


def view_of(draft: Draft) -> View:
    """The leader's orders, in which they are looked for."""
    assert draft.book.theirs is not None, "copying begins with both views"
    return draft.book.theirs


def too_early(draft: Draft, order: Order, rules: CopyRules) -> bool:
    """May some of the order's family still be on its way, so that nothing is decided about it yet?"""
    if not is_missing_somebody(draft, order, rules):
        return False
    until = draft.book.waiting.get(order.id)
    if until is None:
        until = draft.at + (PARTNER_WAIT if order.oco_id is not None else rules.bracket_wait or PARTNER_WAIT)
        draft.book = evolve(draft.book, waiting={**draft.book.waiting, order.id: until})
    return draft.at < until


def is_missing_somebody(draft: Draft, order: Order, rules: CopyRules) -> bool:
    """Is somebody of its family still to be told of?"""
    view = view_of(draft)
    if order.status.finished and not order.filled:
        return False
    if not order.status.finished and _lacks_its_partner(view, order):
        return True
    if order.parent_id is not None or order.terms is None:
        return False
    children = children_of(view, order)
    if children:
        return any(_lacks_its_partner(view, child) for child in children)
    if not rules.bracket_wait:
        return False
    held = view.position(order.symbol) - order.net
    return sizing.kind_of(held, order.side, order.terms.quantity) is not Kind.EXIT


def _lacks_its_partner(view: View, order: Order) -> bool:
    if order.oco_id is None:
        return False
    other = view.orders.get(order.oco_id)
    return other is None or (other.terms is None and other.unsupported is None)
