"""Access is denied on an order: reading works, placing orders does not. It is the login's trouble, not one account's.

Rule 1: the openings of all accounts of the login stop; exits are tried all the same, and each refusal of one is told.
Rule 2: it ends for the login with `resume` of one of its accounts, and for an account with an order of its own that is
        accepted. An accepted order proves the login for the others too, but not for one that was refused itself.
Rule 3: a cancel or a change that is denied may only mean that the order is finished: what the order shows decides.
"""

from __future__ import annotations

from datetime import datetime

from statecharts.bars import Bar
from statecharts.book import Book
from statecharts.draft import Draft
from statecharts.effects import TellLogin
from statecharts.events import Event, OrdersDenied, OrdersProven, OrdersResumed, ResumeAsked
from statecharts.evolution import evolve

IN_A_ROW = 2  # denied changes of an order that still lives: then it is not the order


def order_refused(draft: Draft, why: str, sent_at: datetime) -> None:
    """An order of this account was denied. The daemon tells it once for the login, with the causes."""
    if draft.bar(Bar.DENIED, f"the broker denies orders ({why})") or draft.book.denied_by is not None:
        draft.book = evolve(draft.book, denied_by=None)
        draft.do(TellLogin(event=OrdersDenied(at=draft.at, account=draft.name, reason=why, sent_at=sent_at)))


def order_accepted(draft: Draft) -> None:
    draft.book = evolve(draft.book, proven_at=draft.at)
    if Bar.DENIED in draft.book.barred:
        _lift(draft)
        draft.do(TellLogin(event=OrdersProven(at=draft.at, account=draft.name)))


def hear(draft: Draft, before: Book, event: Event) -> None:
    """What the operator says, and the other accounts of the login. `before` is the book that the event found."""
    match event:
        case ResumeAsked() if Bar.DENIED in before.barred:
            draft.do(TellLogin(event=OrdersResumed(at=draft.at, account=draft.name)))
        case OrdersDenied() if before.proven_at is not None and before.proven_at >= event.sent_at:
            draft.do(TellLogin(event=OrdersProven(at=draft.at, account=draft.name)))
        case OrdersDenied():
            _denied_elsewhere(draft, event)
        case OrdersProven() if before.denied_by is not None:
            _lift(draft)
        case OrdersResumed():
            _lift(draft)


def _denied_elsewhere(draft: Draft, event: OrdersDenied) -> None:
    if draft.bar(Bar.DENIED, f"the broker denies orders of this login: {event.account} was refused one"):
        draft.book = evolve(draft.book, denied_by=event.account)


def _lift(draft: Draft) -> None:
    draft.lift(Bar.DENIED)
    draft.book = evolve(draft.book, denied_by=None)
