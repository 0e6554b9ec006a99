"""An account's money: what the broker has told of it, and when it is asked for the rest, which is the open profit.

Rule 1: what is not known is not zero. A flat account has no open profit; that of a position is what was read last,
        until something has changed it.
Rule 2: what was realized counts for the trading day in which the broker has told it.
Rule 3: a reading is one small request: every 30 s while a position is open, every 5 s near a limit, soon when a trade
        has changed something, and one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from statecharts import events as e
from statecharts.book import Book
from statecharts.draft import Draft
from statecharts.effects import ReadBalance
from statecharts.evolution import evolve
from statecharts.standing import Standing
from statecharts.trading_day import trading_day
from statecharts.view import Balance

EVERY = timedelta(seconds=30)
NEAR_EVERY = timedelta(seconds=5)
SOON = timedelta(seconds=1)  # a burst of fills is one reading
AFTER_A_FAILURE = timedelta(seconds=5)
ANSWER_LIMIT = timedelta(seconds=15)  # what has not come back by then went with its session
ZERO = Decimal(0)


def heard(draft: Draft, standing: Standing, event: e.Event) -> Standing:
    """What the broker has told of the money."""
    match event:
        case e.Started():
            standing = evolve(standing, balance=None, open_profit=None, asked_at=None, read_next=None)
        case e.SnapshotTaken(snapshot=snapshot):
            standing = evolve(
                standing,
                balance=snapshot.balance,
                heard_at=draft.at,
                open_profit=None,
                read_at=None,
                asked_at=None,
                read_next=None,
            )
        case e.BalanceSeen(balance=balance) if balance != standing.balance:
            standing = evolve(
                standing, balance=balance, heard_at=draft.at, open_profit=None, read_next=_soon(standing, draft.at)
            )
        case e.PositionSeen():
            standing = evolve(standing, read_next=_soon(standing, draft.at))
        case e.BalanceUnread():
            standing = evolve(standing, asked_at=None, read_next=draft.at + AFTER_A_FAILURE)
        case e.BalanceRead():
            standing = _read(draft, standing, event)
    if flat(draft.book):
        return evolve(standing, open_profit=None, read_at=None)
    return standing if standing.read_at is not None else evolve(standing, read_at=draft.at)


def _soon(standing: Standing, at: datetime) -> datetime:
    due = at + SOON
    return due if standing.read_next is None else min(due, standing.read_next)


def _read(draft: Draft, standing: Standing, event: e.BalanceRead) -> Standing:
    """A whole reading. Real world: a trade that is told while the answer is on its way is not in the answer."""
    known = standing.balance
    differs = known is None or (known.cash, known.realized) != (event.cash, event.realized)
    if differs and known is not None and standing.heard_at is not None and standing.heard_at >= event.asked_at:
        return evolve(standing, asked_at=None, read_next=draft.at + SOON)
    if differs:
        known = Balance(event.cash, event.realized, draft.at)
    return evolve(
        standing, balance=known, open_profit=event.open_profit, read_at=draft.at, asked_at=None, read_next=None
    )


def flat(book: Book) -> bool:
    return not book.positions and not (book.mine is not None and any(book.mine.net.values()))


def money(standing: Standing, book: Book, at: datetime) -> tuple[Decimal, Decimal] | None:
    """What was realized today, and the open profit; None while either is not known."""
    balance = standing.balance
    if balance is None:
        return None
    # Real world: what was told before the day began is another day's; a day without a trade has realized nothing.
    of_today = balance.at is None or balance.at >= trading_day(at).start
    realized = balance.realized if of_today else ZERO
    open_profit = ZERO if flat(book) else standing.open_profit
    return None if realized is None or open_profit is None else (realized, open_profit)


def wanted(standing: Standing, draft: Draft) -> bool:
    """Is a reading wanted now, or after a while? A flat account's money is told by the stream."""
    return not flat(draft.book) or money(standing, draft.book, draft.at) is None


def watch(draft: Draft) -> None:
    """Asks for the balance when it is wanted. Only while Copying."""
    standing, mine = draft.book.standing, draft.book.mine
    if mine is None or not wanted(standing, draft):
        return
    under_way = standing.asked_at is not None and standing.asked_at + ANSWER_LIMIT > draft.at
    if under_way or (standing.read_next is not None and standing.read_next > draft.at):
        return
    draft.book = evolve(draft.book, standing=evolve(standing, asked_at=draft.at, read_next=None))
    draft.do(ReadBalance(account=mine.broker_id))


def deadlines(draft: Draft) -> Iterator[datetime]:
    """When it is to be read again."""
    standing = draft.book.standing
    if not wanted(standing, draft):
        return
    if standing.asked_at is not None:
        yield standing.asked_at + ANSWER_LIMIT
    elif standing.read_next is not None:
        yield standing.read_next
