"""The broker says no: at once in its answer, or later through an order that it has rejected.

Rule 1: a refused entry is not retried; follower x contract is skipped until the leader is flat in it.
Rule 2: a refused exit is told at once. What the leader has exited is closed at market, again and again: after a wait
        that grows, in smaller pieces when it was too large, and with nothing of ours in its way when that may be why.
Rule 3: a refused exit that rests at the leader is asked for again: without end when the reason passes by itself, else a
        few times. When the leader's fills meanwhile, ours is closed at market. A stop that has been refused so often
        ends as `on_stop_refused` says, also when the reason should have passed: closed at market by `unprotected.py`,
        or told, and tried on.
Rule 4: when the broker limits requests, even exits are tried sparingly: a request prolongs the lock-out.
Rule 5: our own market order is the last resort. order/liquidateposition is not used: it takes the human's part too, and
        it has no client order id, so when its answer is lost it cannot be looked up.
"""

from __future__ import annotations

from datetime import timedelta

from statecharts import (
    attempts,
    calendar,
    closed_session,
    denials,
    exposure,
    facts,
    firm,
    guards,
    margin,
    reasons,
    shortage,
)
from statecharts.book import Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.events import RequestRefused
from statecharts.evolution import evolve
from statecharts.order import News, Stage
from statecharts.reasons import Refusal
from statecharts.rules import CopyRules
from statecharts.sizing import Kind

TRIES = 5  # of a resting exit, and of any stop before `on_stop_refused` has its say: half a minute in all
FIRST_RETRY = timedelta(seconds=1)  # after a refused closing; doubled with each further one
LONGEST_RETRY = timedelta(seconds=30)
FIRST_SPARING = timedelta(seconds=15)  # between exits while the broker limits requests; doubled with each further one
LONGEST_SPARING = timedelta(minutes=5)
_IN_THE_WAY = (Refusal.CONFLICT, Refusal.MARGIN)  # orders of ours may be why: their margin counts as well
_REMEDIES = {
    Refusal.DENIED: "it is tried on. Close {symbol} in Tradovate now; then look at why orders are denied",
    Refusal.LOCKED: "the account is locked: ask the firm or the broker now; it is tried on",
}


def wait(why: Refusal, before: int) -> timedelta:
    """Until the next try, after so many refusals in a row `before` this one."""
    if why is Refusal.LIMITED:
        return min(FIRST_SPARING * (1 << min(before, 10)), LONGEST_SPARING)
    return backed_off(before)


def backed_off(refused: int) -> timedelta:
    """The wait after so many refused closings in a row."""
    doublings = min(refused, 10)  # a bound for the arithmetic, far beyond the longest wait
    return min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY)


def answered(draft: Draft, copy: Copy, event: RequestRefused, rules: CopyRules) -> None:
    """A request of ours was refused in its answer."""
    refuse(draft, copy, f"{event.reason}: {event.text}" if event.text else event.reason, rules)


def refuse(draft: Draft, copy: Copy, why: str, rules: CopyRules) -> None:
    """A request of ours was refused."""
    copy = draft.news(copy, News.REFUSED, why)
    if copy.stage is not Stage.REJECTED:
        pass  # it was there, or what it asked for is done: the broker has cancelled the order by itself
    elif copy.trades:
        rejected(draft, copy, why, rules)
    elif calendar.session_closed(why):
        closed_session.change_waits(draft, copy, why)
    else:
        _change_refused(draft, copy, why, rules)


def rejected(draft: Draft, copy: Copy, why: str, rules: CopyRules) -> None:
    """The broker has said a definite no to an order of ours."""
    if calendar.session_closed(why) and closed_session.exit_waits(draft, copy, why, rules):
        return
    facts.refused(draft, copy.symbol, why)
    reason = reasons.refusal(why)
    if reason is Refusal.DENIED:
        denials.order_refused(draft, why, copy.sent_at or copy.decided_at)
    elif reason is Refusal.LOCKED:
        firm.order_refused(draft, copy.symbol, why)
    if copy.kind is not Kind.EXIT:
        what = "an entry" if copy.kind is Kind.ENTRY else "a reversal"
        draft.note(copy.symbol, no_entry=f"{what} was refused ({why}); waits until the leader is flat")
    if copy.kind is Kind.ENTRY:
        _entry_refused(draft, copy, reason, why)
    else:
        _exit_refused(draft, copy, reason, why, rules)


def _entry_refused(draft: Draft, copy: Copy, reason: Refusal, why: str) -> None:
    draft.tell(
        "copy.failed",
        f"{copy.symbol} entry refused: {why}. Not retried; this contract waits until the leader is flat in it",
        Severity.WARNING,
        reason=why,
        copy=copy.id,
    )
    if reason is Refusal.MARGIN:
        margin.entry_refused(draft, why)


def _exit_refused(draft: Draft, copy: Copy, reason: Refusal, why: str, rules: CopyRules) -> None:
    contract = draft.contract(copy.symbol)
    theirs = draft.book.leaders_order(copy)
    executed = copy.leader_fill_id is not None or (theirs is not None and theirs.filled > 0)
    left = copy.verb is Verb.CLOSE or executed
    remedy = _REMEDIES.get(reason, "when it does not close by itself, close {symbol} in Tradovate")
    stops = guards.is_stop(copy) and contract.own != 0
    often = not left and stops and copy.refusals + 1 >= TRIES
    answered = _closes_instead(copy, reason, rules) or (often and rules.flatten_when_stop_refused)
    paged = left or not (copy.refusals or answered) or (often and (answered or copy.refusals + 1 == TRIES))
    draft.tell(
        "copy.failed",
        f"{copy.symbol} EXIT REFUSED: {why}. {abs(contract.own)} of ours still open{_after_so_many(often, rules)}",
        Severity.PAGE if paged else Severity.WARNING,
        reason=why,
        remedy=remedy.format(symbol=copy.symbol),
        copy=copy.id,
    )
    if not left:
        if not answered:
            _try_again(draft, copy, reason, why)
        return
    if copy.verb is not Verb.CLOSE:
        exposure.want_as_leader(draft, copy.symbol, rules, f"the leader's exit has filled and ours was refused ({why})")
        if copy.leader_fill_id is not None and copy.kind is Kind.EXIT:
            shortage.lost(draft, copy, rules)
    asked = copy.terms.quantity if copy.terms is not None else 1
    limited = reason is Refusal.LIMITED
    draft.note(
        copy.symbol,
        refused=contract.refused + 1,
        limited=contract.limited + 1 if limited else 0,
        retry_at=draft.at + wait(reason, contract.limited if limited else contract.refused),
        clear=contract.clear or reason in _IN_THE_WAY,
        piece=max(1, asked // 2) if reason is Refusal.SIZE else contract.piece,
    )
    if reason not in (Refusal.LIMITED, Refusal.DENIED, Refusal.LOCKED):  # a stop would be refused as well
        attempts.protect_again(draft, copy.symbol)


def _closes_instead(copy: Copy, reason: Refusal, rules: CopyRules) -> bool:
    """Is this refusal of a resting exit answered by closing what it would have protected (`unprotected.py`)?"""
    return rules.flatten_when_stop_refused and guards.is_stop(copy) and not reason.passes


def _after_so_many(often: bool, rules: CopyRules) -> str:
    """What comes of a stop that is refused again and again, in words."""
    if not often:
        return ""
    doing = "closed at market" if rules.flatten_when_stop_refused else "nothing is closed (on_stop_refused = tell)"
    return f" without a stop, which was refused {TRIES} times or more: {doing}"


def _try_again(draft: Draft, copy: Copy, reason: Refusal, why: str) -> None:
    """The leader's exit rests, and ours is not there: the same is asked for again, after a while."""
    refusals = copy.refusals + 1
    if (copy.kind is Kind.EXIT or guards.is_stop(copy)) and (reason.passes or refusals < TRIES):
        # What a reversal would have opened is refused for good, as an entry is; its stop is what protects us.
        attempts.put_back(draft, evolve(copy, kind=Kind.EXIT, opens=0), why)
        again = draft.book.copies[copy.id]
        draft.keep(evolve(again, refusals=refusals, ask_after=draft.at + wait(reason, copy.refusals)))


def overtaken(draft: Draft, copy: Copy, rules: CopyRules) -> None:
    """A refused exit that waits to be asked for again, while the leader's has filled: it is closed at market."""
    theirs = draft.book.leaders_order(copy)
    if copy.stage is Stage.HELD and copy.refusals and theirs is not None and theirs.filled:
        draft.news(copy, News.GIVEN_UP, "ours was refused, and the leader's has filled")
        exposure.want_as_leader(draft, copy.symbol, rules, "the leader's exit has filled and ours was refused")


def _change_refused(draft: Draft, change: Copy, why: str, rules: CopyRules) -> None:
    """A cancel is asked for until the order shows its end; a change, when the reason passes by itself."""
    reason = reasons.refusal(why)
    subject = draft.book.copies.get(change.subject) if change.subject is not None else None
    if subject is None or subject.pending != change.id or not subject.open:
        return  # of an order that is at its end, or an answer to an earlier request
    refusals = subject.refusals + 1
    if reason is Refusal.DENIED and refusals >= denials.IN_A_ROW:
        denials.order_refused(draft, why, change.sent_at or change.decided_at)
    after = draft.at + max(wait(reason, subject.refusals), rules.chase_after)
    if change.verb is Verb.CANCEL or reason.passes:
        draft.change_ended(change, ask_after=after, refusals=refusals)
    else:
        draft.change_ended(change, wanted=None, ask_after=after, refusals=refusals)
    draft.tell(
        "copy.failed",
        f"{change.symbol}: the broker refused to {change.verb.value} order {change.order_id}: {why}",
        Severity.WARNING,
        reason=why,
        copy=change.id,
    )
