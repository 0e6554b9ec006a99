"""What a leader's order is to this follower, before anything about its size is known: its row, its terms, or why none.

Rule 1: the row's name is made of the leader's terms, so the same decision has the same name, also after a crash
        (`identity.py`). A name that an order of ours at the broker has already is that decision's (`remnants.py`).
Rule 2: its terms are the leader's, in our contract, on our side, and on our tick (`terms.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime

from statecharts import sizing, terms
from statecharts.book import Book, Copy, Verb
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.identity import client_order_id
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import CopyId, CopyName, Order, Side, Status, Symbol, Terms
from statecharts.view import Orders

_PLACE = Verb.PLACE.value
_BLANK = Copy(  # a row is made of it in two thirds of the time that it takes to set each field by its name
    id=CopyId(""),
    client_id="",
    copy=CopyName(""),
    verb=Verb.PLACE,
    symbol=Symbol(""),
    side=Side.BUY,
    stage=Stage.INTENDED,
    decided_at=datetime.min.replace(tzinfo=UTC),
)


def new_copy(draft: Draft, order: Order, rules: CopyRules) -> Copy:
    """The row for a leader order, before anything about its size is known.

    Its name is made of the leader's present terms; of his first ones, where an order of ours has that name already.
    """
    newest = _row(draft, order, order.version or order.id, rules)
    if order.first_version is None or forgotten(draft.book, newest) is not None:
        return newest
    first = _row(draft, order, order.first_version, rules)
    return first if forgotten(draft.book, first) is not None else newest


def _row(draft: Draft, order: Order, cause: int, rules: CopyRules) -> Copy:
    book = draft.book
    assert book.mine is not None, "copying begins with both views"
    assert book.theirs is not None, "copying begins with both views"
    agreed = sizing.agreement(order.symbol, rules)
    name = client_order_id(book.theirs.broker_id, book.mine.broker_id, cause, _PLACE, 0, 0)
    return evolve(
        _BLANK,
        id=name,
        client_id=name,
        copy=rules.name,
        symbol=agreed.to,
        side=sizing.side_by(order, agreed),
        decided_at=draft.at,
        cause=cause,
        wanted_version=cause,
        leader_order_id=order.id,
        leader_symbol=order.symbol,
        terms=order.terms,
    )


def forgotten(book: Book, copy: Copy) -> Order | None:
    """The order at the broker that this copy would make, and that no copy of ours has made.

    A closing where nothing of ours has filled yet has the same name in every contract.
    """
    assert book.mine is not None, "copying begins with both views"
    order = Orders.of(book.mine.orders).named(copy.client_id)
    known = order is None or order.id in book.orders or (order.symbol, order.side) != (copy.symbol, copy.side)
    return None if known else order


def asked(draft: Draft, copy: Copy, order: Order, theirs: Terms) -> Terms:
    """The leader's terms as this follower asks for them, in the contract and on the side of its copy."""
    known = draft.book.facts_of(copy.symbol) if copy.symbol != copy.leader_symbol else None
    return terms.asked(theirs, copy.side is not order.side, copy.side, known.tick if known is not None else None)


def kind_now(draft: Draft, order: Order) -> Kind:
    """What the whole of it is to the leader's own position, as that is without it."""
    assert draft.book.theirs is not None, "copying begins with both views"
    held = draft.book.theirs.position(order.symbol) - order.net
    return sizing.kind_of(held, order.side, order.terms.quantity if order.terms else 0)


def refusal(order: Order, rules: CopyRules) -> str | None:
    """Why an order cannot be copied at all, whatever the account's state."""
    if order.unsupported is not None:
        return f"copierd does not copy orders of type {order.unsupported}"
    assert order.terms is not None
    if order.status.finished and order.filled == 0 and order.status is not Status.FILLED:
        return f"the leader's order was {order.status.value.lower()} before it could be copied"
    return terms.unmirrored(order.terms, sizing.follower_side(order, rules) is not order.side)
