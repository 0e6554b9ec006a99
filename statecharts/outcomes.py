"""What comes back: the answers to our requests, or the lack of them.

Rule 1: an answer only says that a request was heard; the order itself is the truth (`own_orders.py`).
Rule 2: a no is `refusals.py`'s, a lost answer `unknowns.py`'s.
Rule 3: one request is one unknown. It is looked up by the id of the order that carries it; only when that is found are
        its legs looked up by theirs. A leg is never sent again while it might exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from statecharts import denials, legs, own_orders, penalties, refusals, strangers, unknowns
from statecharts.book import LEADERS_OWN, Copy
from statecharts.draft import Draft
from statecharts.events import (
    AnswerLost,
    ErrandEvent,
    LookedUp,
    LookUpFailed,
    NeverSent,
    RequestAccepted,
    RequestPenalised,
    RequestRefused,
    RequestSent,
)
from statecharts.evolution import evolve
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import OrderId


def errand_came_back(draft: Draft, event: ErrandEvent, rules: CopyRules) -> None:
    """An answer, or the lack of one. One for an earlier attempt of the same copy says nothing about the present one."""
    copy = draft.book.copies.get(event.copy)
    if copy is None or copy.client_id != event.client_id:
        return
    carried = legs.of(draft.book, copy)
    match event:
        case RequestSent(at=at, sent_at=sent_at):
            draft.news(draft.keep(evolve(copy, sent_at=sent_at or at)), News.SENT)
        case RequestAccepted():
            accepted(draft, copy, event.order_id, event.at, event.sent_at, rules)
        case RequestRefused():
            refusals.answered(draft, evolve(copy, sent_at=event.sent_at, answered_at=event.at), event, rules)
        case RequestPenalised():
            sent = evolve(copy, sent_at=event.sent_at, answered_at=event.at)
            penalties.answered(draft, sent, event, rules)
        case AnswerLost():
            unknowns.lost(draft, evolve(copy, sent_at=event.sent_at), event.reason)
        case NeverSent():
            unknowns.never_sent(draft, copy, event.reason, rules)
        case LookedUp() if copy.stage is Stage.UNKNOWN:
            if event.order_id is None or not event.shown:
                unknowns.not_found(draft, copy, event, rules)
            else:
                accepted(draft, copy, event.order_id, event.at, copy.sent_at or copy.decided_at, rules)
        case LookUpFailed() if copy.stage is Stage.UNKNOWN:
            unknowns.look_up(draft, copy, draft.at + unknowns.AFTER_A_FAILED_LOOK_UP)
    _legs_came_back(draft, carried, event, rules)


def accepted(
    draft: Draft, copy: Copy, order_id: OrderId | None, answered_at: datetime, sent_at: datetime, rules: CopyRules
) -> None:
    """The broker has taken the request, or a look-up has found what it has made."""
    mine = draft.book.mine
    if order_id is not None and copy.trades and own_orders.has_another(draft.book, copy, order_id):
        order_id = None  # the broker has made it twice, and has told of the other first
    seen = mine.orders.get(order_id) if mine is not None and order_id is not None and copy.trades else None
    if seen is not None and strangers.counted(draft, copy, seen):
        strangers.ours_after_all(draft, seen)  # real world: it came without our name, and its answer late
    copy = draft.keep(
        evolve(
            copy,
            order_id=(order_id if copy.trades else None) or copy.order_id,
            sent_at=sent_at,
            answered_at=copy.answered_at or answered_at,
            lost_at=None,
        )
    )
    copy = draft.news(copy, News.ACCEPTED)
    if not copy.trades:
        # Accepted is queued, not done. The order itself must show it; until then it counts as unanswered.
        draft.keep(evolve(copy, lost_at=answered_at))
        return
    denials.order_accepted(draft)
    if copy.stage is not Stage.REJECTED:  # the broker's word on the order may overtake the one on the request
        draft.tell("copy.placed", copy.words, copy=copy.id)
    if seen is not None:
        own_orders.absorb(draft, copy, seen, rules)


# What went out within the request of another order


def _legs_came_back(draft: Draft, carried: Iterable[Copy], event: ErrandEvent, rules: CopyRules) -> None:
    """What an answer to a request says of the legs `carried` in it. Its own part has been taken already."""
    for before in carried:
        copy = draft.book.copies[before.id]
        if copy.stage.in_doubt:
            _leg_came_back(draft, copy, before, event, rules)


def _leg_came_back(draft: Draft, copy: Copy, before: Copy, event: ErrandEvent, rules: CopyRules) -> None:
    alone = before.sent_with != before.guards  # it does without the order that carried it
    match event:
        case RequestSent(at=at, sent_at=sent_at):
            draft.news(draft.keep(evolve(copy, sent_at=sent_at or at)), News.SENT)
        case RequestAccepted(legs=ids, sent_at=sent_at):
            found = dict(ids).get(copy.id)
            if found is not None:
                accepted(draft, copy, found, event.at, sent_at, rules)
            else:
                _leg_lost(draft, evolve(copy, sent_at=sent_at), "the answer does not name it")
                unknowns.look_up(draft, draft.book.copies[copy.id], draft.at + unknowns.NEXT_LOOK_UP)
        case RequestRefused() if alone and copy.kind is Kind.EXIT:  # an entry is refused once, with its partner
            refused = evolve(copy, sent_at=event.sent_at, answered_at=event.at)
            refusals.answered(draft, refused, event, rules)
        case RequestRefused():
            draft.news(evolve(copy, answered_at=event.at), News.REFUSED, f"refused with its order: {event.reason}")
        case RequestPenalised(seconds=seconds) if _waits_with_its_carrier(draft, before):
            _leg_put_off(draft, copy, seconds, alone)
        case RequestPenalised():
            draft.news(evolve(copy, answered_at=event.at), News.REFUSED, "refused with its order: Penalty")
        case AnswerLost(sent_at=sent_at, reason=reason):
            _leg_lost(draft, evolve(copy, sent_at=sent_at), reason)
        case NeverSent(reason=reason):
            _leg_absent(draft, copy, News.NEVER_SENT, f"it was never sent: {reason}", rules, alone)
        case LookedUp() if copy.stage is Stage.UNKNOWN and not legs.in_doubt_with_another(draft.book, copy):
            if event.order_id is None:
                _leg_absent(draft, copy, News.ABSENT, "the order that it went out with is not there", rules, alone)
            else:
                unknowns.look_up(draft, copy, draft.at)


def _leg_lost(draft: Draft, copy: Copy, why: str) -> None:
    draft.news(evolve(copy, lost_at=copy.sent_at or draft.at), News.ANSWER_LOST, why)


def _waits_with_its_carrier(draft: Draft, before: Copy) -> bool:
    carrier = draft.book.copies.get(before.sent_with or LEADERS_OWN)
    return carrier is not None and carrier.stage is Stage.HELD


def _leg_put_off(draft: Draft, copy: Copy, seconds: int, alone: bool) -> None:
    """Nothing was processed: it waits as its order does, and the leg of an entry goes again with that."""
    why = f"the broker asks to wait {seconds} s (penalty ticket)"
    copy = draft.news(copy, News.PUT_OFF, why)
    if alone:  # who is its partner is decided when it goes
        copy = evolve(copy, mate=None, sent_with=None)
    draft.keep(evolve(copy, ask_after=draft.at + timedelta(seconds=seconds)))


def _leg_absent(draft: Draft, copy: Copy, news: News, why: str, rules: CopyRules, alone: bool) -> None:
    """The other of an OCO is derived again, if it exits; the legs of an entry that is not there protect nothing."""
    copy = draft.news(copy, news, why)
    if alone:
        unknowns.not_there(draft, copy, why, rules)
    again = draft.book.copies[copy.id]
    if news is News.NEVER_SENT and again.open:  # nor is it repeated into the same dead session
        draft.keep(evolve(again, ask_after=draft.at + unknowns.NOT_AT_ONCE))
