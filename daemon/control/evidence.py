"""What the copies prove: whether an account's orders work at all, and how fast we are.

Rule 1: a green account proves that reading works; only an order that was accepted proves that orders do.
Rule 2: nothing here may delay a copy: of the books the newest is looked at, and the ledger is asked once an account.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Literal

import attrs

from statecharts.account import Account
from statecharts.bars import Bar
from statecharts.book import Book, Copy

if TYPE_CHECKING:
    from daemon.ledger import Ledger

Orders = Literal["proven", "untested", "denied"]

DENIED = "Access is denied"  # Tradovate's words where reads are allowed and orders are not
MEASURED = 200  # the newest copies of each account,
MEASURED_IN_ALL = 4000  # and so many of all together: the status must not delay what it tells of
LOOKED_THROUGH = 500  # rows of the ledger, for an account whose book has forgotten its orders


@attrs.frozen
class Kept:
    """One account as it was shown, as JSON too, and the frozen values that it was made of."""

    made_of: tuple[object, ...]
    shown: dict[str, object]
    text: str


@attrs.define
class Evidence:
    """`earlier` is what the ledger said of the time before this process.

    `kept` are the accounts as the status has shown them last (see views.py).
    """

    ledger: Ledger
    earlier: dict[str, Orders] = attrs.field(factory=dict)
    kept: dict[str, Kept] = attrs.field(factory=dict)

    def of_orders(self, account: Account) -> Orders:
        if Bar.DENIED in account.book.barred:
            return "denied"
        for copy in _newest_first(account.book):
            said = _said(copy.order_id, copy.reason)
            if said is not None:
                self.earlier[account.name] = said  # for when the book forgets this copy
                return said
        if account.name not in self.earlier:
            self.earlier[account.name] = self._of_ledger(account.name)
        return self.earlier[account.name]

    def _of_ledger(self, account: str) -> Orders:
        for row in self.ledger.copies(follower=account, limit=LOOKED_THROUGH):
            said = _said(row["order_id"], row["reason"])
            if said is not None:
                return said
        return "untested"


def _said(order_id: object, reason: object) -> Orders | None:
    if isinstance(reason, str) and DENIED in reason:
        return "denied"
    return "proven" if order_id is not None else None


def _newest_first(book: Book) -> Iterator[Copy]:
    return reversed(tuple(book.copies.values()))


def latency(books: Iterable[Book]) -> dict[str, object]:
    """From decision to sent, in milliseconds, over the newest copies that the books hold."""
    books = tuple(books)
    each = min(MEASURED, MEASURED_IN_ALL // max(1, len(books)))
    took = sorted(
        (copy.sent_at - copy.decided_at) / timedelta(milliseconds=1)
        for book in books
        for copy in islice(_newest_first(book), each)
        if copy.sent_at is not None
    )
    return {"p50": _percentile(took, 50), "p99": _percentile(took, 99), "count": len(took)}


def _percentile(values: list[float], percent: int) -> float | None:
    """By the nearest rank, so that it is a time that was really measured."""
    if not values:
        return None
    rank = -(-len(values) * percent // 100)
    return round(values[rank - 1], 3)
