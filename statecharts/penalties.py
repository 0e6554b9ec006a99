"""The broker answers with a penalty ticket: the request was not processed, and is to wait.

Rule 1: an exit, and a change of an order, is sent again when the time is over: the very same request, with the ticket,
        and with the orders that went out in it. The daemon keeps the ticket; the book keeps the time.
Rule 2: an entry is sent again only while it is fresh (`fresh_age`, from the decision); else it is missed, and told.
        Nothing opens beside an exit that was put off. When the leader is in again with what is ours, it is given up.
Rule 3: with a captcha no program can go on: nothing at all is sent on this login for an hour. A human must log in to
        Tradovate. When it is over, or the operator resumes, the accounts are compared as after a reconnect.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from statecharts import (
    changes,
    counterpart,
    exposure,
    openings,
    refusals,
    shares,
)
from statecharts.bars import Bar
from statecharts.book import Copy
from statecharts.draft import Draft
from statecharts.effects import Severity, TellLogin
from statecharts.events import OrdersSilenced, RequestPenalised
from statecharts.evolution import evolve
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Order, Status, Symbol

SILENCE = timedelta(hours=1)  # after a captcha, as the broker's documents say


def answered(draft: Draft, copy: Copy, event: RequestPenalised, rules: CopyRules) -> None:
    """A request of ours was put off."""
    again_at = draft.at + timedelta(seconds=event.seconds)
    if event.captcha:
        refusals.refuse(draft, copy, "Penalty: the broker asks for a captcha", rules)
        until = max(again_at, draft.at + SILENCE)
        silence(draft, until)
        draft.do(TellLogin(event=OrdersSilenced(at=draft.at, account=draft.name, until=until)))
        return
    fresh_until = copy.fresh_until or copy.decided_at + rules.fresh_age
    if copy.kind is Kind.ENTRY and copy.trades and again_at > fresh_until:
        why = f"Penalty: the broker asks to wait {event.seconds} s, longer than an entry is fresh"
        refusals.refuse(draft, copy, why, rules)
        return
    copy = draft.news(copy, News.PUT_OFF, f"the broker asks to wait {event.seconds} s (penalty ticket)")
    if copy.stage is not Stage.HELD:
        return
    draft.keep(evolve(copy, ask_after=again_at, fresh_until=fresh_until))
    own = draft.contract(copy.symbol).own
    exits = copy.trades and copy.kind is not Kind.ENTRY and own != 0
    draft.tell(
        "copy.failed",
        f"{copy.symbol}: the broker puts our request off for {event.seconds} s (penalty ticket), and has not processed "
        f"it. It is sent again {again_at:%H:%M:%S} UTC" + (f"; {abs(own)} of ours still open" if exits else ""),
        Severity.PAGE if exits else Severity.WARNING,
        remedy=f"if you cannot wait, close {copy.symbol} in Tradovate" if exits else None,
        copy=copy.id,
    )


def pursue(draft: Draft, symbol: Symbol, rules: CopyRules, current: bool) -> None:
    """Changes whose time is over are asked for again; entries that are fresh no more are given up."""
    for copy in draft.book.in_progress(symbol):
        if current and copy.put_off and _needless(draft, copy, rules):
            draft.news(copy, News.GIVEN_UP, "the leader is in it again, with what is ours")
        elif not copy.put_off or copy.ask_after is None or copy.ask_after > draft.at:
            continue
        elif not copy.trades:
            assert copy.subject is not None, "what trades not is a change of what does"
            subject = draft.book.copies[copy.subject]
            openings.not_larger(draft, subject, draft.book.leaders_order(subject), current, rules)
            changes.again(draft, copy)
        elif copy.kind is Kind.ENTRY and (why := stale(draft, copy)) is not None:
            _missed(draft, copy, why)


def _needless(draft: Draft, copy: Copy, rules: CopyRules) -> bool:
    """Has the leader got out and in again while ours was put off, so that what we own is what he has by now?"""
    own, order = draft.contract(copy.symbol).own, draft.book.leaders_order(copy)
    if not exposure.reduces(copy, own) or copy.leader_fill_id is not None:
        return False
    if order is None or order.status is not Status.FILLED:
        return False
    beside = (c for c in draft.book.in_progress(copy.symbol) if c.trades and c.side is not copy.side)
    if any(c.kind is not Kind.EXIT and c.rest for c in beside):
        return False  # what they bring is not ours yet
    return exposure.total_target(draft.book, copy.symbol, rules) == own


def stale(draft: Draft, copy: Copy) -> str | None:
    """Why what this would open is not opened any more."""
    outlived = copy.fresh_until is not None and copy.fresh_until < draft.at
    return "the broker's penalty outlived it" if outlived else None


def entry(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> Copy | None:
    """The time of a fresh entry is over: it goes as large as it may be now, never larger than it was. None: missed."""
    assert copy.terms is not None, "an entry that was sent has its terms"
    if order.rest:
        quantity = min(copy.terms.quantity, shares.size_of(draft, copy, order, rules).quantity)
    else:  # complete at the leader, who may have gone on since
        ours = draft.contract(copy.symbol).own * copy.side.sign + exposure.opening(draft.book, copy)
        theirs = exposure.total_target(draft.book, copy.symbol, rules) * copy.side.sign
        quantity = min(copy.terms.quantity, theirs - ours)
    barred = openings.bar(draft, order, copy.symbol, rules)
    if quantity <= 0 or barred is not None:
        _missed(draft, copy, barred or "nothing is left to copy of it")
        return None
    terms = evolve(counterpart.asked(draft, copy, order, order.terms or copy.terms), quantity=quantity)
    return draft.keep(evolve(copy, terms=terms, wanted=None, reason=None, ask_after=None))


def _missed(draft: Draft, copy: Copy, why: str) -> None:
    draft.news(copy, News.GIVEN_UP, why)
    waits = draft.contract(copy.symbol).no_entry or f"an entry was missed ({why}); waits until the leader is flat"
    draft.note(copy.symbol, no_entry=waits)
    draft.tell("copy.skipped", f"{copy.words} not copied: {why}", Severity.WARNING, reason=why, copy=copy.id)


def silence(draft: Draft, until: datetime) -> None:
    """Nothing is sent before that. The operator is told, once."""
    draft.book = evolve(draft.book, silent_until=max(until, draft.book.silent_until or until))
    if not draft.bar(Bar.PENALTY, "the broker asks for a captcha: a human must log in to Tradovate"):
        return
    held = any(contract.own for contract in draft.book.contracts.values())
    draft.tell(
        "orders.denied",
        f"the broker asks for a captcha, which no program can solve. NOTHING IS SENT until {until:%H:%M:%S} UTC, exits "
        "neither",
        Severity.PAGE if held else Severity.WARNING,
        reason="captcha",
        remedy=f"log in to Tradovate as a human{' and close there what must not wait' if held else ''}. Then: "
        f"copierctl resume {draft.name}",
    )


def silent(draft: Draft, until: datetime) -> bool:
    """Is nothing to be sent at all yet? When the time is over, what was missed is made up for as after a reconnect."""
    if until > draft.at:
        return True
    draft.book = draft.book.unsilenced()
    draft.lift(Bar.PENALTY)
    return False
