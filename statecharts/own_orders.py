"""The broker's word on our own orders: each is folded into the copy that made it.

Rule 1: the order itself is the truth; an answer to a request only says that it was heard. They may come in any order.
Rule 2: an order that no copy of ours has made is a stranger's (`strangers.py`).
Rule 3: an attempt has one order. What else comes of it, or of an attempt that is over, gets a row of its own, is
        cancelled, and what it did is taken back.
"""

from __future__ import annotations

from statecharts import busts, legs, margin, refusals, renewals, resting, shortage, strangers, terms, unknowns
from statecharts.book import Book, Copy, Verb
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.order import News, Stage, news_of
from statecharts.register import Register
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import CopyId, Order, OrderId, Status


def own_order_seen(draft: Draft, order: Order, before: Order | None, rules: CopyRules) -> None:
    """The present view of one order of the follower's own account."""
    if not ours_seen(draft, order, before, rules) and not strangers.postponed(draft, order, before):
        strangers.order_seen(draft, order, before)


def ours_seen(draft: Draft, order: Order, before: Order | None, rules: CopyRules) -> bool:
    """Folds the order into its copy; False when no copy of ours has made it."""
    book = draft.book
    known = book.orders.get(order.id)
    copy = book.copies.get(known) if known is not None else book.trade_named(order.client_ids)
    if copy is None:
        copy = legs.unnamed(book, order)
        if copy is not None:
            copy = draft.keep(evolve(copy, order_id=order.id))
    if copy is None:
        return False
    busts.ours(draft, before, order)
    if known is None and before is not None:  # real world: its name comes after itself
        if strangers.counted(draft, copy, before):
            strangers.ours_after_all(draft, before)
        before = None  # nothing of it has been counted as ours
    present = copy.client_id in order.client_ids
    if order.id == copy.order_id or (present and not has_another(draft.book, copy, order.id)):
        absorb(draft, copy, order, rules)
        return True
    if before is not None:
        counted = before.filled
    else:  # one that the broker's lists have not shown for a while was counted when it was the present one
        counted = min(order.filled, copy.earlier) if known is not None else 0
    if order.filled > counted or not order.status.finished:
        _too_many(draft, copy, order, counted, present, rules)
    return True


def has_another(book: Book, copy: Copy, number: OrderId) -> bool:
    """Does the broker show another order than this of the copy's present attempt? It bears the same name."""
    there = book.mine.orders.get(copy.order_id) if book.mine is not None and copy.order_id is not None else None
    return there is not None and there.id != number and copy.client_id in there.client_ids


def _too_many(draft: Draft, copy: Copy, order: Order, counted: int, present: bool, rules: CopyRules) -> None:
    """Real world: an attempt that was believed lost, and made again, was there after all; or it fills after its cancel.

    It gets a row of its own, which is cancelled; the present attempt makes way, and what is too much is closed. So it
    is with what the broker has made twice under one name (a power cut had taken the first from the ledger, and the
    snapshot did not show it yet), but that the first one stays. `counted` is what of it has been counted as ours.
    """
    stray = Copy(
        id=CopyId(f"{copy.id}+{order.id}"),
        client_id=f"{copy.id}+{order.id}",
        copy=copy.copy,
        verb=Verb.CLOSE,
        symbol=copy.symbol,
        side=copy.side,
        stage=Stage.UNKNOWN,
        decided_at=draft.at,
        cause=copy.cause,
        kind=copy.kind,
        terms=order.terms or copy.terms,
        order_id=order.id,
        earlier=-counted,
        reason="it was made twice" if present else "an earlier attempt of the same copy",
    )
    if copy.open and not present:
        draft.keep(evolve(copy, chase_at=draft.at))
    draft.keep(stray)
    draft.book = evolve(draft.book, orders=Register.of(draft.book.orders).entered(order.id, stray.id))
    absorb(draft, stray, order, rules)
    what = "the broker has made an order of ours twice" if present else unknowns.TURNED_UP
    unknowns.turned_up(draft, draft.book.copies[stray.id], rules, what)


def absorb(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> None:
    """Folds the broker's view of our order into its copy."""
    news = news_of(order.status)
    if copy.stage is Stage.HELD:
        copy = draft.news(evolve(copy, sent_at=copy.sent_at or draft.at, ask_after=None), News.SENT)
    was = copy.stage
    copy = evolve(
        copy,
        order_id=order.id,
        filled=copy.earlier + order.filled,
        terms=order.terms or copy.terms,
        answered_at=copy.answered_at or draft.at,
        lost_at=None,
        absent=0,
        absent_at=None,
    )
    draft.keep(copy)
    newest = max((fill.id for fill in order.fills), default=0)
    contract = draft.contract(copy.symbol)
    if newest > contract.newest_fill:
        draft.note(copy.symbol, newest_fill=newest)
    if news is not None and not (news is News.ACCEPTED and was not in (Stage.INTENDED, Stage.SENT, Stage.UNKNOWN)):
        copy = draft.news(copy, news, order.reject_reason or legs.why_gone(draft, copy, news))
    _settle_change(draft, copy, order)
    if copy.stage is was:
        return
    if was.in_doubt and not copy.stage.in_doubt:
        unknowns.found(draft, copy)
    if not copy.open:
        legs.ended(draft, copy)
    if copy.stage in (Stage.WORKING, Stage.FILLED):
        _goes_to_work(draft, copy)
    if copy.stage is Stage.REJECTED:
        refusals.rejected(draft, copy, order.reject_reason or "rejected by the broker", rules)
    elif was is Stage.SKIPPED:
        unknowns.turned_up(draft, copy, rules)
    elif copy.stage is Stage.CANCELED:
        renewals.cancelled(draft, draft.book.copies[copy.id])
        resting.room_again(draft, rules)
    shortage.look(draft, draft.book.copies[copy.id], draft.book.leaders_order(copy), rules)


def _shows(order: Order, change: Copy) -> bool:
    return order.terms is not None and change.terms is not None and terms.same(order.terms, change.terms)


def _goes_to_work(draft: Draft, copy: Copy) -> None:
    if draft.book.copies[copy.id].refusals:
        draft.keep(evolve(draft.book.copies[copy.id], refusals=0))
    if copy.kind is Kind.ENTRY:
        margin.entry_works(draft)


def _settle_change(draft: Draft, copy: Copy, order: Order) -> None:
    """Is the change that we asked for done, or overtaken by the order's end?"""
    if copy.pending is None:
        return
    change = draft.book.copies[copy.pending]
    done = change.verb is Verb.MODIFY and _shows(order, change)
    if not done and not order.status.finished:
        return
    if change.verb is Verb.CANCEL:
        news = News.CANCELED if order.status is Status.CANCELED else News.REJECTED
    else:
        news = News.WORKING if done else News.REJECTED
    draft.news(change, news, None if news is not News.REJECTED else f"the order was {order.status.value.lower()} first")
    draft.keep(evolve(draft.book.copies[copy.id], pending=None, refusals=0))
