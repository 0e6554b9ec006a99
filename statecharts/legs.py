"""What went out within the request of another order: which it is, and what ends with what.

Rule 1: the broker need not echo a leg's own id: a leg is known by the order that it belongs to as well.
Rule 2: where the broker cancels by itself (the other of an OCO, the legs of an entry), nothing is asked for until that
        has had its time; and a leg is not cancelled while its entry is unconfirmed.
What the answer to the request says of it is `outcomes.py`'s.
"""

from __future__ import annotations

from datetime import timedelta

from statecharts.book import LEADERS_OWN, Book, Copy, Verb
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.order import News, Stage
from statecharts.values import Order

# The broker's own cancel is in the same instant; what tells of it is on its way.
BY_ITSELF = timedelta(milliseconds=500)


def of(book: Book, carrier: Copy) -> tuple[Copy, ...]:
    """The copies whose present attempts went out within the request of this one."""
    known = (book.copies.get(one) for one in (*carrier.guarded_by, carrier.mate or LEADERS_OWN))
    return tuple(copy for copy in known if copy is not None and copy.sent_with == carrier.id)


def in_doubt_with_another(book: Book, copy: Copy) -> bool:
    """Is the request in which this copy went out in doubt, so that it is not looked for by itself?"""
    carrier = book.copies.get(copy.sent_with or LEADERS_OWN)
    return carrier is not None and carrier.stage.in_doubt


def why_gone(draft: Draft, copy: Copy, news: News) -> str | None:
    """In words, where the broker has cancelled a leg because we had cancelled its entry; None for all else."""
    entry = draft.book.copies.get(copy.guards or LEADERS_OWN)
    if news is not News.CANCELED or entry is None or copy.sent_with != entry.id or entry.filled:
        return None
    return f"cancelled with its entry: {entry.cancel_wanted}" if entry.cancel_wanted is not None else None


def unnamed(book: Book, order: Order) -> Copy | None:
    """The leg in doubt that this order must be, though no name says so: by its parent or partner, side and type."""
    for number in (order.parent_id, order.oco_id):
        carrier = book.copies.get(book.orders.get(number, LEADERS_OWN)) if number is not None else None
        for copy in of(book, carrier) if carrier is not None else ():
            if copy.stage.in_doubt and copy.order_id is None and _alike(copy, order):
                return copy
    return None


def _alike(copy: Copy, order: Order) -> bool:
    same_type = copy.terms is not None and order.terms is not None and copy.terms.order_type is order.terms.order_type
    return same_type and copy.side is order.side


def part(draft: Draft, copy: Copy) -> None:
    """Its present attempt is no more: what was linked with it is linked no longer."""
    for other in (*of(draft.book, copy), draft.book.copies.get(copy.mate or LEADERS_OWN)):
        if other is not None:
            mate = None if other.mate == copy.id else other.mate
            sent_with = None if other.sent_with == copy.id else other.sent_with
            draft.keep(evolve(other, mate=mate, sent_with=sent_with))


def ended(draft: Draft, copy: Copy) -> None:
    """This order is at its end: what the broker cancels with it is given the time to show it."""
    for other in draft.book.in_progress(copy.symbol):
        with_it = other.id == copy.mate or other.sent_with == copy.id
        if with_it and other.cancel_wanted is not None and other.pending is None:
            draft.keep(evolve(other, ask_after=draft.at + BY_ITSELF))


def cancel_waits(book: Book, copy: Copy) -> bool:
    """Is the cancel of this order not to be asked for: because another brings it about, or its entry is unconfirmed?"""
    mate = book.copies.get(copy.mate or LEADERS_OWN)
    if mate is not None and mate.open and cancel_is_asked(book, mate):
        return True
    entry = book.copies.get(copy.guards or LEADERS_OWN)
    if entry is None or not entry.open:
        return False
    if entry.stage.in_doubt or entry.stage is Stage.ACCEPTED:
        return True
    return copy.sent_with == entry.id and book.asleep(copy) and _is_going(book, entry)


def _is_going(book: Book, copy: Copy) -> bool:
    return copy.cancel_wanted is not None or cancel_is_asked(book, copy)


def cancel_is_asked(book: Book, copy: Copy) -> bool:
    return copy.pending is not None and book.copies[copy.pending].verb is Verb.CANCEL
