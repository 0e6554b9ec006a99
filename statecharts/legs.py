"""What went out within the request of another order: its answer, its doubt and its end.

Rule 1: one request is one unknown. It is looked up by the id of the order that carries it; only when that is found are
        its legs looked up by theirs. A leg is never sent again while it might exist.
Rule 2: the broker need not echo a leg's own id: a leg is known by the order that it belongs to as well.
Rule 3: where the broker cancels by itself (the other of an OCO, the legs of an entry), nothing is asked for until that
        has had its time; and a leg is not cancelled while its entry is unconfirmed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from statecharts import outcomes, refusals, unknowns
from statecharts.book import LEADERS_OWN, Book, Copy, Verb
from statecharts.draft import Draft
from statecharts.events import (
    AnswerLost,
    ErrandEvent,
    LookedUp,
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
from statecharts.values import Order

BY_ITSELF = timedelta(
    milliseconds=500
)  # the broker's own cancel is in the same instant; what tells of it is on its way


def of(book: Book, carrier: Copy) -> tuple[Copy, ...]:
    """The copies whose present attempts went out within the request of this one."""
    known = (book.copies.get(one) for one in (*carrier.guarded_by, carrier.mate or LEADERS_OWN))
    return tuple(copy for copy in known if copy is not None and copy.sent_with == carrier.id)


def in_doubt_with_another(book: Book, copy: Copy) -> bool:
    """Is the request in which this copy went out in doubt, so that it is not looked for by itself?"""
    carrier = book.copies.get(copy.sent_with or LEADERS_OWN)
    return carrier is not None and carrier.stage.in_doubt


def why_gone(draft: Draft, copy: Copy, news: News) -> str | None:
    """In words, where the broker has cancelled a leg because we had cancelled its entry; None for all else."""
    entry = draft.book.copies.get(copy.guards or LEADERS_OWN)
    if news is not News.CANCELED or entry is None or copy.sent_with != entry.id or entry.filled:
        return None
    return f"cancelled with its entry: {entry.cancel_wanted}" if entry.cancel_wanted is not None else None


def errand_came_back(draft: Draft, carried: Iterable[Copy], event: ErrandEvent, rules: CopyRules) -> None:
    """What an answer to a request says of the legs `carried` in it. Its own part has been taken already."""
    for before in carried:
        copy = draft.book.copies[before.id]
        if copy.stage.in_doubt:
            _came_back(draft, copy, before, event, rules)


def _came_back(draft: Draft, copy: Copy, before: Copy, event: ErrandEvent, rules: CopyRules) -> None:
    alone = before.sent_with != before.guards  # it does without the order that carried it
    match event:
        case RequestSent(at=at, sent_at=sent_at):
            draft.news(draft.keep(evolve(copy, sent_at=sent_at or at)), News.SENT)
        case RequestAccepted(legs=ids, sent_at=sent_at):
            found = dict(ids).get(copy.id)
            if found is not None:
                outcomes.accepted(draft, copy, found, event.at, sent_at, rules)
            else:
                _lost(draft, evolve(copy, sent_at=sent_at), "the answer does not name it")
                unknowns.look_up(draft, draft.book.copies[copy.id], draft.at + unknowns.NEXT_LOOK_UP)
        case RequestRefused() if alone and copy.kind is Kind.EXIT:  # an entry is refused once, with its partner
            refused = evolve(copy, sent_at=event.sent_at, answered_at=event.at)
            refusals.answered(draft, refused, event, rules)
        case RequestRefused():
            draft.news(evolve(copy, answered_at=event.at), News.REFUSED, f"refused with its order: {event.reason}")
        case RequestPenalised(seconds=seconds) if _waits(draft, before):
            _put_off(draft, copy, seconds, alone)
        case RequestPenalised():
            draft.news(evolve(copy, answered_at=event.at), News.REFUSED, "refused with its order: Penalty")
        case AnswerLost(sent_at=sent_at, reason=reason):
            _lost(draft, evolve(copy, sent_at=sent_at), reason)
        case NeverSent(reason=reason):
            _absent(draft, copy, News.NEVER_SENT, f"it was never sent: {reason}", rules, alone)
        case LookedUp() if copy.stage is Stage.UNKNOWN and not in_doubt_with_another(draft.book, copy):
            if event.order_id is None:
                _absent(draft, copy, News.ABSENT, "the order that it went out with is not there", rules, alone)
            else:
                unknowns.look_up(draft, copy, draft.at)


def _lost(draft: Draft, copy: Copy, why: str) -> None:
    draft.news(evolve(copy, lost_at=copy.sent_at or draft.at), News.ANSWER_LOST, why)


def _waits(draft: Draft, before: Copy) -> bool:
    carrier = draft.book.copies.get(before.sent_with or LEADERS_OWN)
    return carrier is not None and carrier.stage is Stage.HELD


def _put_off(draft: Draft, copy: Copy, seconds: int, alone: bool) -> None:
    """Nothing was processed: it waits as its order does, and the leg of an entry goes again with that."""
    why = f"the broker asks to wait {seconds} s (penalty ticket)"
    copy = draft.news(copy, News.PUT_OFF, why)
    if alone:  # who is its partner is decided when it goes
        copy = evolve(copy, mate=None, sent_with=None)
    draft.keep(evolve(copy, ask_after=draft.at + timedelta(seconds=seconds)))


def _absent(draft: Draft, copy: Copy, news: News, why: str, rules: CopyRules, alone: bool) -> None:
    """The other of an OCO is derived again, if it exits; the legs of an entry that is not there protect nothing."""
    copy = draft.news(copy, news, why)
    if alone:
        unknowns.not_there(draft, copy, why, rules)
    again = draft.book.copies[copy.id]
    if news is News.NEVER_SENT and again.open:  # nor is it repeated into the same dead session
        draft.keep(evolve(again, ask_after=draft.at + unknowns.NOT_AT_ONCE))


def carrier_seen(draft: Draft, carrier: Copy) -> None:
    """The order itself has ended the doubt about its request: it was made, and its legs with it."""
    for copy in of(draft.book, carrier):
        if copy.stage is Stage.UNKNOWN:
            unknowns.look_up(draft, copy, draft.at + unknowns.NEXT_LOOK_UP)


def unnamed(book: Book, order: Order) -> Copy | None:
    """The leg in doubt that this order must be, though no name says so: by its parent or partner, side and type."""
    for number in (order.parent_id, order.oco_id):
        carrier = book.copies.get(book.orders.get(number, LEADERS_OWN)) if number is not None else None
        for copy in of(book, carrier) if carrier is not None else ():
            if copy.stage.in_doubt and copy.order_id is None and _alike(copy, order):
                return copy
    return None


def _alike(copy: Copy, order: Order) -> bool:
    same_type = copy.terms is not None and order.terms is not None and copy.terms.order_type is order.terms.order_type
    return same_type and copy.side is order.side


def part(draft: Draft, copy: Copy) -> None:
    """Its present attempt is no more: what was linked with it is linked no longer."""
    for other in (*of(draft.book, copy), draft.book.copies.get(copy.mate or LEADERS_OWN)):
        if other is not None:
            mate = None if other.mate == copy.id else other.mate
            sent_with = None if other.sent_with == copy.id else other.sent_with
            draft.keep(evolve(other, mate=mate, sent_with=sent_with))


def ended(draft: Draft, copy: Copy) -> None:
    """This order is at its end: what the broker cancels with it is given the time to show it."""
    for other in draft.book.in_progress(copy.symbol):
        with_it = other.id == copy.mate or other.sent_with == copy.id
        if with_it and other.cancel_wanted is not None and other.pending is None:
            draft.keep(evolve(other, ask_after=draft.at + BY_ITSELF))


def cancel_waits(book: Book, copy: Copy) -> bool:
    """Is the cancel of this order not to be asked for: because another brings it about, or its entry is unconfirmed?"""
    mate = book.copies.get(copy.mate or LEADERS_OWN)
    if mate is not None and mate.open and cancel_is_asked(book, mate):
        return True
    entry = book.copies.get(copy.guards or LEADERS_OWN)
    if entry is None or not entry.open:
        return False
    if entry.stage.in_doubt or entry.stage is Stage.ACCEPTED:
        return True
    return copy.sent_with == entry.id and book.asleep(copy) and _is_going(book, entry)


def _is_going(book: Book, copy: Copy) -> bool:
    return copy.cancel_wanted is not None or cancel_is_asked(book, copy)


def cancel_is_asked(book: Book, copy: Copy) -> bool:
    return copy.pending is not None and book.copies[copy.pending].verb is Verb.CANCEL
