"""The broker says no: at once in its answer, or later through an order that it has rejected.

Rule 1: a refused entry is not retried; follower x contract is skipped until the leader is flat in it.
Rule 2: a refused exit is told at once, and what the leader has exited is closed at market, again and again.
"""

from __future__ import annotations

from statecharts import calendar, closed_session, closing, exposure, facts, follower
from statecharts.book import Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.events import RequestRefused
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind


def answered(draft: Draft, copy: Copy, event: RequestRefused, rules: CopyRules) -> None:
    """A request of ours was refused in its answer."""
    why = f"{event.reason}: {event.text}" if event.text else event.reason
    copy = draft.news(copy, News.REFUSED, why)
    if copy.trades:
        if copy.stage is Stage.REJECTED:
            rejected(draft, copy, why, rules)
        return
    if calendar.session_closed(why):
        closed_session.change_waits(draft, copy, why)
        return
    if copy.verb is Verb.CANCEL:
        # The order may just have filled, which its own news will tell; if not, the cancel is asked for again.
        draft.change_ended(copy, ask_after=draft.at + rules.chase_after)
    else:
        draft.change_ended(copy, wanted=None)
    draft.tell(
        "copy.failed",
        f"{copy.symbol}: the broker refused to {copy.verb.value} order {copy.order_id}: {why}",
        Severity.WARNING,
        reason=why,
        copy=copy.id,
    )


def rejected(draft: Draft, copy: Copy, why: str, rules: CopyRules) -> None:
    """The broker has said a definite no to an order of ours."""
    if calendar.session_closed(why) and closed_session.exit_waits(draft, copy, why, rules):
        return
    _told(draft, copy, why)
    facts.refused(draft, copy.symbol, why)
    theirs = follower.leaders(draft, copy)
    executed = copy.leader_fill_id is not None or (theirs is not None and theirs.filled > 0)
    left = copy.kind is not Kind.ENTRY and executed
    if copy.kind is Kind.REVERSAL:
        draft.note(copy.symbol, no_entry=f"a reversal was refused ({why}); waits until the leader is flat")
    if left:
        exposure.want_as_leader(draft, copy.symbol, rules, f"the leader's exit has filled and ours was refused ({why})")
    if left or copy.verb is Verb.CLOSE:
        contract = draft.contract(copy.symbol)
        wait = closing.backed_off(contract.refused)
        draft.note(copy.symbol, refused=contract.refused + 1, retry_at=draft.at + wait)


def _told(draft: Draft, copy: Copy, why: str) -> None:
    if copy.kind is Kind.ENTRY:
        draft.note(copy.symbol, no_entry=f"an entry was refused ({why}); waits until the leader is flat")
        draft.tell(
            "copy.failed",
            f"{copy.symbol} entry refused: {why}. Not retried; this contract waits until the leader is flat in it",
            Severity.WARNING,
            reason=why,
            copy=copy.id,
        )
        return
    contract = draft.contract(copy.symbol)
    draft.tell(
        "copy.failed",
        f"{copy.symbol} EXIT REFUSED: {why}. {abs(contract.own)} of ours still open",
        Severity.PAGE,
        reason=why,
        remedy=f"when it does not close by itself, close {copy.symbol} in Tradovate",
        copy=copy.id,
    )
