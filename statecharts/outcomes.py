"""What comes back: the answers to our requests, or the lack of them.

Rule 1: an answer only says that a request was heard; the order itself is the truth (`own_orders.py`).
Rule 2: a no is `refusals.py`'s, a lost answer `unknowns.py`'s.
"""

from __future__ import annotations

from datetime import datetime

from statecharts import denials, legs, own_orders, penalties, refusals, strangers, unknowns
from statecharts.book import Copy
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
            unknowns.lost(draft, evolve(copy, sent_at=event.sent_at), event.reason, rules)
        case NeverSent():
            unknowns.never_sent(draft, copy, event.reason, rules)
        case LookedUp() if copy.stage is Stage.UNKNOWN:
            if event.order_id is None or not event.shown:
                unknowns.not_found(draft, copy, event, rules)
            else:
                accepted(draft, copy, event.order_id, event.at, copy.sent_at or copy.decided_at, rules)
        case LookUpFailed() if copy.stage is Stage.UNKNOWN:
            unknowns.look_up(draft, copy, draft.at + unknowns.AFTER_A_FAILED_LOOK_UP)
    legs.errand_came_back(draft, carried, event, rules)


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
        draft.tell("copy.placed", unknowns.words(copy), copy=copy.id)
    if seen is not None:
        own_orders.absorb(draft, copy, seen, rules)
