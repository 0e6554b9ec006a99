"""Whether the indexes of a book agree with its copies: `invariants.py` asks it of every copy that a turn has touched.

Rule 1: every index that points to a copy points to this one, and it stands where it belongs.
"""

from __future__ import annotations

from collections.abc import Iterator

from statecharts.book import LEADERS_OWN, Book, Copy, Verb
from statecharts.values import CopyId


def misplaced(book: Book, copy: Copy) -> Iterator[str]:
    """Why this copy does not stand where it belongs."""
    if book.copies.get(copy.id) is not copy:
        yield "the book has it under another name"
    if book.names.get(copy.client_id) != (copy.carrier or copy.id):
        yield f"the name {copy.client_id} is another's"
    if leaders_row(book, copy) not in (copy.id, LEADERS_OWN):
        yield "what it copies has another copy"
    if copy.trades and copy.order_id is not None and book.orders.get(copy.order_id) != copy.id:
        yield f"order {copy.order_id} is another's"
    if book.open.get(copy.symbol, ()).count(copy.id) != copy.open:
        yield "it is open and not listed as such" if copy.open else "it is at its end and listed as open"
    change = book.copies.get(copy.pending) if copy.pending is not None else None
    if copy.pending is not None and (change is None or change.subject != copy.id):
        yield f"the change {copy.pending} that it waits for is not one of it"


def leaders_row(book: Book, copy: Copy) -> CopyId | None:
    """The copy that stands for what this one copies: itself, where it copies nothing."""
    if copy.verb is not Verb.PLACE or copy.leader_order_id is None:
        return copy.id
    if copy.leader_fill_id is not None:
        return book.executions.get(copy.leader_fill_id)
    return book.placed.get(copy.leader_order_id)
