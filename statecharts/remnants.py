"""What a power cut has made us forget, and the broker has still: an order of ours is known again by its name.

Rule 1: the same decision has the same name (`identity.py`). An order that has it, and that no copy of ours has made,
        was that decision's: it is claimed, not sent again, and followed as any copy is. The leader may have changed
        his order since it was made.
Rule 2: what of the position nobody could explain is its own, as far as it has filled, and no further.
Rule 3: of what went out with it nothing is known: each part is known again by its own name, or looked up by it.
"""

from __future__ import annotations

from statecharts import attempts, counterpart, legs, own_orders, revisions, shares, strangers, template
from statecharts.book import LEADERS_OWN, Book, Copy
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.values import Order

_WHY = "it is at the broker already, and the ledger of before a power cut does not know it"
_GONE = frozenset({Stage.CANCELED, Stage.EXPIRED})


def known_again(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> bool:
    """Is ours for this order of the leader's there already? `copy` is its row."""
    if counterpart.forgotten(draft.book, copy) is None:
        return False
    if order.terms is not None:
        found = shares.size_of(draft, copy, order, rules)
        meant, apart = max(found.meant, found.quantity), shares.is_apart(draft, order)
        copy = evolve(copy, kind=found.kind, meant=meant, opens=found.opens, apart=apart)
    return claimed(draft, copy, rules)


def look(draft: Draft, rules: CopyRules) -> None:
    """What waits in the book and is at the broker: exits, that went out with an entry which is known again."""
    for copy in draft.book.all_open():
        order = draft.book.leaders_order(copy)
        if copy.stage is Stage.HELD and claimed(draft, draft.book.copies[copy.id], rules) and order is not None:
            revisions.follow(draft, draft.book.copies[copy.id], order, rules)
    strangers.look(draft)  # what is ours again bars nothing


def claimed(draft: Draft, copy: Copy, rules: CopyRules) -> bool:
    """Is an order there already that this decision has made? Then it is this copy's, and nothing is to be sent."""
    order = counterpart.forgotten(draft.book, copy)
    if order is None:
        return False
    strangers.ours_after_all(draft, order)
    copy = draft.keep(
        evolve(copy, stage=Stage.UNKNOWN, decided_at=draft.at, order_id=order.id, terms=order.terms or copy.terms)
    )
    draft.tell("copy.unknown", f"{copy.words} (order {order.id}) is ours: {_WHY}", copy=copy.id)
    for leg in legs.of(draft.book, copy):
        draft.news(evolve(leg, lost_at=draft.at), News.ANSWER_LOST, _WHY)
    own_orders.absorb(draft, copy, order, rules)
    _linked(draft, copy, order)
    copy = draft.book.copies[copy.id]
    if copy.stage in _GONE and _has_come_again(draft.book, copy):
        attempts.put_back(draft, copy, _WHY)
        return claimed(draft, draft.book.copies[copy.id], rules)  # of several attempts the last one is the present one
    if (copy.open or copy.filled) and not copy.guarded_by:
        template.provide(draft, copy, rules)
    return True


def _has_come_again(book: Book, copy: Copy) -> bool:
    """Is the attempt that comes after this one at the broker as well?"""
    return counterpart.forgotten(book, evolve(copy, client_id=attempts.next_name(book, copy))) is not None


def _linked(draft: Draft, copy: Copy, order: Order) -> None:
    """It ends with another that is known, or went out with it."""
    orders = draft.book.orders
    mate = draft.book.copies.get(orders.get(order.oco_id, LEADERS_OWN)) if order.oco_id is not None else None
    if mate is not None:
        draft.keep(evolve(mate, mate=copy.id))
        draft.keep(evolve(draft.book.copies[copy.id], mate=mate.id))
    if order.parent_id is not None and copy.guards is not None and orders.get(order.parent_id) == copy.guards:
        draft.keep(evolve(draft.book.copies[copy.id], sent_with=copy.guards))
