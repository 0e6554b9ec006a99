"""The firm or the broker closes, or locks: an order of the risk desk, an auto-liquidation, a lock of the account.

Rule 1: nothing is sent in that contract until the account has been read again and no order of theirs works in it any
        more: two sellers of one position would turn it round.
Rule 2: openings are off until the operator resumes, whatever becomes of the lock meanwhile. It is told once.
Rule 3: what they close of ours is closed (`strangers`). Exits are tried on when the account has been read.
Rule 4: what the broker says of the account is news only when it changes: the same lock after a reconnect is not.
"""

from __future__ import annotations

from statecharts.bars import Bar
from statecharts.book import NOTHING, Book
from statecharts.draft import Draft
from statecharts.effects import ReadAnew, Severity
from statecharts.evolution import evolve
from statecharts.values import Order, Symbol
from statecharts.view import RiskStatus, Snapshot, View


def status_seen(draft: Draft, status: RiskStatus | None) -> None:
    """What the broker says of the whole account."""
    if status is None or status == draft.book.risk:
        return
    draft.book = evolve(draft.book, risk=status)
    if status.restricts:
        concerned = {symbol for symbol, contract in draft.book.contracts.items() if contract.own} | set(draft.book.open)
        _acted(draft, f"the account is set to {status.words}", *sorted(concerned))


def order_seen(draft: Draft, order: Order, before: Order | None) -> None:
    """An order that nobody but the firm can have placed; the same view twice is no news."""
    if order.admin and order != before:
        said = f"{order.side.value} {order.terms.quantity} " if order.terms else ""
        _acted(draft, f"order {order.id} ({said}{order.symbol}) is theirs", order.symbol)


def snapshot_seen(draft: Draft, before: View | None, snapshot: Snapshot) -> None:
    """What has happened while nobody could see it. What was there before copying began is history."""
    status_seen(draft, snapshot.risk)
    if before is not None:
        for number, order in sorted(snapshot.orders.items()):
            known = before.orders.get(number)
            if known is None or known.status != order.status:
                order_seen(draft, order, known)


def order_refused(draft: Draft, symbol: Symbol, why: str) -> None:
    """An order of ours was refused because the account is locked."""
    if Bar.FIRM not in draft.book.barred:
        _acted(draft, f"an order of ours was refused: {why}", symbol)


def frozen(book: Book, symbol: Symbol) -> bool:
    """Is nothing to be sent in this contract yet?"""
    since = book.contracts.get(symbol, NOTHING).frozen_since
    if since is None or book.mine is None:
        return False
    return book.mine.generation <= since or any(
        order.admin and order.symbol == symbol and not order.status.finished for order in book.mine.alive
    )


def holds(draft: Draft, symbol: Symbol) -> bool:
    """As `frozen`; what is over is forgotten."""
    if draft.book.contracts.get(symbol, NOTHING).frozen_since is None:
        return False
    if frozen(draft.book, symbol):
        return True
    draft.note(symbol, frozen_since=None)
    return False


def _acted(draft: Draft, what: str, *symbols: Symbol) -> None:
    mine = draft.book.mine
    if mine is not None:
        for symbol in symbols:
            draft.note(symbol, frozen_since=mine.generation)
        draft.do(ReadAnew(account=mine.broker_id))
    if not draft.bar(Bar.FIRM, f"the firm or the broker has acted on this account: {what}"):
        return
    held = any(contract.own for contract in draft.book.contracts.values())
    draft.tell(
        "risk.liquidated",
        f"THE FIRM OR THE BROKER HAS ACTED: {what}. It is read again before anything is sent there. Nothing opens on "
        "this account any more; its exits go",
        Severity.PAGE if held else Severity.WARNING,
        reason=what,
        remedy=f"look at the account at the broker, ask the firm. Then: copierctl resume {draft.name}",
    )
