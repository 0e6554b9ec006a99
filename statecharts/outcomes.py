"""What comes back: the broker's word on our own orders, and the answers to our requests.

Rule 1: the order itself is the truth; an answer only says that a request was heard. They may come in any order.
Rule 2: a lost answer is never a reason to send again. The order is looked up by its own id; an entry that is not
        there is skipped and told, an exit is derived again from the position, after the settling time and two
        look-ups that agree.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs

from statecharts import closing, exposure, follower, strangers
from statecharts.book import Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import LookUp, Severity
from statecharts.events import (
    AnswerLost,
    ErrandEvent,
    LookedUp,
    LookUpFailed,
    NeverSent,
    RequestAccepted,
    RequestRefused,
    RequestSent,
)
from statecharts.order import News, Stage, news_of
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import CopyId, Order, Status

LOOK_UPS_THAT_AGREE = 2
NEXT_LOOK_UP = timedelta(seconds=2)  # between look-ups that find nothing
AFTER_A_FAILED_LOOK_UP = timedelta(seconds=5)
NOT_AT_ONCE = timedelta(seconds=1)  # a request that never left is not repeated into the same dead session


def own_order_seen(draft: Draft, order: Order, before: Order | None, rules: CopyRules) -> None:
    """The present view of one order of the follower's own account."""
    if not ours_seen(draft, order, before, rules):
        strangers.order_seen(draft, order, before)


def ours_seen(draft: Draft, order: Order, before: Order | None, rules: CopyRules) -> bool:
    """Folds the order into its copy; False when no copy of ours has made it."""
    book = draft.book
    known = book.orders.get(order.id)
    copy = book.copies.get(known) if known is not None else book.trade_named(order.client_ids)
    if copy is None:
        return False
    if order.id == copy.order_id or copy.client_id in order.client_ids:
        absorb(draft, copy, order, rules)
    else:
        _earlier_attempt_seen(draft, copy, order, before, rules)
    return True


def _earlier_attempt_seen(draft: Draft, copy: Copy, order: Order, before: Order | None, rules: CopyRules) -> None:
    """Real world: an attempt that was believed lost, and made again, was there after all; or it fills after its cancel.

    It gets a row of its own, which is cancelled; the present attempt makes way, and what is too much is closed.
    """
    counted = before.filled if before is not None else 0
    if order.status.finished and order.filled <= counted:
        return
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
        reason="an earlier attempt of the same copy",
    )
    if copy.open:
        draft.keep(attrs.evolve(copy, chase_at=draft.at))
    draft.keep(stray)
    draft.book = attrs.evolve(draft.book, orders={**draft.book.orders, order.id: stray.id})
    absorb(draft, stray, order, rules)
    _turned_up(draft, draft.book.copies[stray.id], rules)


def absorb(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> None:
    """Folds the broker's view of our order into its copy."""
    news = news_of(order.status)
    was = copy.stage
    copy = attrs.evolve(
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
        copy = draft.news(copy, news, order.reject_reason)
    _settle_change(draft, copy, order)
    if copy.stage is was:
        return
    if copy.stage is Stage.REJECTED:
        _rejected(draft, copy, order.reject_reason or "rejected by the broker", rules)
    elif was is Stage.SKIPPED:
        _turned_up(draft, copy, rules)


def _settle_change(draft: Draft, copy: Copy, order: Order) -> None:
    """Is the change that we asked for done, or overtaken by the order's end?"""
    if copy.pending is None:
        return
    change = draft.book.copies[copy.pending]
    done = change.verb is Verb.MODIFY and order.terms == change.terms
    if not done and not order.status.finished:
        return
    if change.verb is Verb.CANCEL:
        news = News.CANCELED if order.status is Status.CANCELED else News.REJECTED
    else:
        news = News.WORKING if done else News.REJECTED
    draft.news(change, news, None if news is not News.REJECTED else f"the order was {order.status.value.lower()} first")
    draft.keep(attrs.evolve(draft.book.copies[copy.id], pending=None))


def _rejected(draft: Draft, copy: Copy, why: str, rules: CopyRules) -> None:
    follower.refused(draft, copy, why)
    theirs = follower.leaders(draft, copy)
    left = copy.kind is not Kind.ENTRY and theirs is not None and theirs.filled > 0
    if left:
        exposure.want_as_leader(draft, copy.symbol, rules, f"the leader's exit has filled and ours was refused ({why})")
    if left or copy.verb is Verb.CLOSE:
        contract = draft.contract(copy.symbol)
        wait = closing.backed_off(contract.refused)
        draft.note(copy.symbol, refused=contract.refused + 1, retry_at=draft.at + wait)


def _turned_up(draft: Draft, copy: Copy, rules: CopyRules) -> None:
    """Real world: an order that two look-ups did not find exists after all. What it opened is closed at once."""
    draft.tell(
        "copy.failed",
        f"{copy.symbol}: an order believed lost turned up ({copy.stage.value}); what it did is corrected at once",
        Severity.WARNING,
        copy=copy.id,
    )
    draft.keep(attrs.evolve(draft.book.copies[copy.id], cancel_wanted="it turned up after it had been given up"))
    exposure.want_as_leader(draft, copy.symbol, rules, "an order believed lost turned up")


def errand_came_back(draft: Draft, event: ErrandEvent, rules: CopyRules) -> None:
    """An answer, or the lack of one. One for an earlier attempt of the same copy says nothing about the present one."""
    copy = draft.book.copies.get(event.copy)
    if copy is None or copy.client_id != event.client_id:
        return
    match event:
        case RequestSent(at=at):
            draft.news(draft.keep(attrs.evolve(copy, sent_at=at)), News.SENT)
        case RequestAccepted():
            _accepted(draft, copy, event, rules)
        case RequestRefused():
            _refused(draft, attrs.evolve(copy, sent_at=event.sent_at, answered_at=event.at), event, rules)
        case AnswerLost():
            _lost(draft, attrs.evolve(copy, sent_at=event.sent_at), event.reason, rules)
        case NeverSent():
            _never_sent(draft, copy, event.reason, rules)
        case LookedUp():
            _looked_up(draft, copy, event, rules)
        case LookUpFailed():
            if copy.stage is Stage.UNKNOWN:
                look_up(draft, copy, draft.at + AFTER_A_FAILED_LOOK_UP)


def _accepted(draft: Draft, copy: Copy, event: RequestAccepted, rules: CopyRules) -> None:
    copy = draft.keep(
        attrs.evolve(
            copy,
            order_id=(event.order_id if copy.trades else None) or copy.order_id,
            sent_at=event.sent_at,
            answered_at=copy.answered_at or event.at,
            lost_at=None,
        )
    )
    copy = draft.news(copy, News.ACCEPTED)
    if not copy.trades:
        # Accepted is queued, not done. The order itself must show it; until then it counts as unanswered.
        draft.keep(attrs.evolve(copy, lost_at=event.at))
        return
    draft.tell("copy.placed", _words(copy), copy=copy.id)
    mine = draft.book.mine
    seen = mine.orders.get(event.order_id) if mine is not None and event.order_id is not None else None
    if seen is not None:
        absorb(draft, copy, seen, rules)


def _refused(draft: Draft, copy: Copy, event: RequestRefused, rules: CopyRules) -> None:
    why = f"{event.reason}: {event.text}" if event.text else event.reason
    copy = draft.news(copy, News.REFUSED, why)
    if copy.trades:
        if copy.stage is Stage.REJECTED:
            _rejected(draft, copy, why, rules)
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


def _lost(draft: Draft, copy: Copy, reason: str, rules: CopyRules) -> None:
    copy = draft.news(attrs.evolve(copy, lost_at=copy.sent_at or draft.at), News.ANSWER_LOST, reason)
    if copy.trades and copy.stage is Stage.UNKNOWN:
        draft.tell(
            "copy.unknown",
            f"sent {_words(copy)}, no answer ({reason}). {copy.symbol} is frozen while the order is looked up by its "
            "own id. It will not be sent twice",
            Severity.WARNING,
            reason=reason,
            copy=copy.id,
        )
        look_up(draft, copy, draft.at + NEXT_LOOK_UP)


def look_up(draft: Draft, copy: Copy, not_before: datetime) -> None:
    assert draft.book.mine is not None
    draft.do(LookUp(copy=copy.id, client_id=copy.client_id, account=draft.book.mine.broker_id, not_before=not_before))


def _never_sent(draft: Draft, copy: Copy, reason: str, rules: CopyRules) -> None:
    if copy.kind is not Kind.ENTRY and copy.trades:
        draft.note(copy.symbol, retry_at=draft.at + NOT_AT_ONCE)
    elif not copy.trades:
        draft.change_ended(copy, ask_after=draft.at + NOT_AT_ONCE)
    why = f"it was never sent: {reason}"
    copy = draft.news(copy, News.NEVER_SENT, why)
    if copy.stage is Stage.SKIPPED:
        _not_there(draft, copy, why, rules)


def _looked_up(draft: Draft, copy: Copy, event: LookedUp, rules: CopyRules) -> None:
    if copy.stage is not Stage.UNKNOWN:
        return
    if event.order_id is not None:
        found = attrs.evolve(copy, answered_at=event.at)
        accepted = RequestAccepted(
            at=event.at,
            copy=copy.id,
            client_id=copy.client_id,
            order_id=event.order_id,
            sent_at=copy.sent_at or copy.decided_at,
        )
        _accepted(draft, found, accepted, rules)
        return
    settled = (copy.lost_at or copy.decided_at) + rules.settle
    if event.asked_at < settled:
        look_up(draft, copy, settled)
        return
    if copy.absent_at is not None and event.asked_at < copy.absent_at + NEXT_LOOK_UP:
        # The same moment asked twice agrees with itself: another look-up was under way when the account was read anew.
        look_up(draft, copy, copy.absent_at + NEXT_LOOK_UP)
        return
    copy = draft.keep(attrs.evolve(copy, absent=copy.absent + 1, absent_at=event.asked_at))
    if copy.absent < LOOK_UPS_THAT_AGREE:
        look_up(draft, copy, draft.at + NEXT_LOOK_UP)
        return
    why = f"no answer, and {LOOK_UPS_THAT_AGREE} look-ups agree that the broker does not have it"
    _not_there(draft, draft.news(copy, News.ABSENT, why), why, rules)


def _not_there(draft: Draft, copy: Copy, why: str, rules: CopyRules) -> None:
    """A request that certainly made no order. Entries are not repeated; exits and closings are derived again."""
    if not copy.trades:
        draft.change_ended(copy)
    elif copy.verb is Verb.PLACE and copy.kind is Kind.EXIT:
        closing.put_back(draft, copy, why)
    elif copy.verb is Verb.PLACE:
        if copy.kind is Kind.REVERSAL:  # what it would have closed is closed; what it would have opened is missed
            exposure.want_as_leader(draft, copy.symbol, rules, f"a reversal is not there: {why}")
        draft.note(copy.symbol, no_entry="an entry never reached the broker; waits until the leader is flat")
        draft.tell("copy.skipped", f"{_words(copy)} not copied: {why}", Severity.WARNING, reason=why, copy=copy.id)


def _words(copy: Copy) -> str:
    quantity = copy.terms.quantity if copy.terms else 0
    kind = copy.terms.order_type.value if copy.terms else ""
    return f"{copy.side.value} {quantity} {copy.symbol} {kind}".rstrip()
