"""Changes of our working orders: a cancel, or the leader's newest terms.

Rule 1: one request at a time for each order, so AnotherCommandPending is not of our doing; what comes meanwhile is
        held, and the newest wins.
Rule 2: a modify restates all terms. It is done when the order shows them, not when the broker has said yes.
Rule 3: protection is not taken away for longer than one request without a close in its place.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from statecharts import exposure, legs, terms
from statecharts.book import Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import CancelOrder, ModifyOrder, Priority
from statecharts.evolution import evolve
from statecharts.identity import client_order_id
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import BrokerAccountId, OrderId, Terms

AT_ONCE = datetime.min.replace(tzinfo=UTC)  # whatever the clock says: it may have been set back since it was decided
PENDING_NEW = timedelta(seconds=2)  # risk and exchange take milliseconds; after this the event that says so is lost
ANOTHER_ORDER = "its terms can only be changed by another order"  # see renewals.py


def wish(copy: Copy) -> Copy:
    """The copy with what it wants: a modify, or a cancel where none can bring it about."""
    assert copy.terms is not None, "what is open has its terms"
    assert copy.wanted is not None, "there is a wish"
    if terms.needs_another_order(copy.terms, copy.wanted):
        return evolve(copy, renew=True, cancel_wanted=ANOTHER_ORDER)
    if copy.renew and copy.pending is None:  # the leader has changed his mind before it was asked for
        return evolve(copy, renew=False, cancel_wanted=None)
    return copy


def cut(copy: Copy, rest: int, why: str) -> Copy:
    """The copy that has, and wants, no more than `rest` contracts to fill yet; none: its cancel, for this reason."""
    if copy.cancel_wanted is not None or copy.terms is None:
        return copy
    if copy.rest and not rest:
        return evolve(copy, cancel_wanted=why)
    newest, whole = copy.wanted or copy.terms, copy.filled - copy.earlier + rest
    if copy.rest <= rest and newest.quantity <= whole:
        return copy
    return evolve(copy, wanted=evolve(newest, quantity=min(newest.quantity, whole)))


def wanted(draft: Draft, copy: Copy, rules: CopyRules) -> bool:
    """Exactly what `ask` will send at `not_before`: a deadline that nobody answers would ring without end."""
    able = copy.stage in (Stage.ACCEPTED, Stage.WORKING) and copy.trades
    able = able and copy.order_id is not None and copy.pending is None
    waits = able and (copy.cancel_wanted is not None or _new_terms(copy) is not None)
    waits = waits and not (copy.cancel_wanted is not None and legs.cancel_waits(draft.book, copy))
    return waits and not _still_protects(draft, copy, rules) and not _grows_beside_an_unknown(draft, copy)


def _grows_beside_an_unknown(draft: Draft, copy: Copy) -> bool:
    """A larger opening is an opening: it waits until it is known what an order without an answer has done."""
    newest = None if copy.cancel_wanted is not None or copy.kind is Kind.EXIT else _new_terms(copy)
    if newest is None:
        return False
    assert copy.terms is not None, "new terms are compared with the present ones"
    return newest.quantity > copy.terms.quantity and exposure.unknown(draft.book, copy.symbol)


def _still_protects(draft: Draft, copy: Copy, rules: CopyRules) -> bool:
    """The leader is out, and his stop is gone. Ours stays until we are out, or a close is about to take its place."""
    contract = draft.contract(copy.symbol)
    if copy.cancel_wanted is None or not exposure.is_stop(copy) or not exposure.reduces(copy, contract.own):
        return False
    if any(other.trades and other.stage is Stage.HELD for other in draft.book.in_progress(copy.symbol)):
        return False  # an exit waits until it has made way
    out = exposure.leader_flat(draft.book, copy.symbol, rules)
    return out and (contract.close_to is None or contract.retry_at is not None)


def not_before(copy: Copy) -> datetime:
    """When the order may be asked to change. Accepted is not yet working: its own New command is still pending."""
    moments = [] if copy.ask_after is None else [copy.ask_after]
    if copy.stage is Stage.ACCEPTED:
        moments.append((copy.answered_at or copy.decided_at) + PENDING_NEW)
    return max(moments, default=AT_ONCE)


def ask(draft: Draft, copy: Copy, rules: CopyRules) -> None:
    """Sends the newest wish for a working order, when no other request for it is under way."""
    if not wanted(draft, copy, rules) or not_before(copy) > draft.at:
        return
    assert copy.order_id is not None, "what the broker has accepted has its number"
    if copy.cancel_wanted is not None:
        change = _changing(draft, copy, Verb.CANCEL, copy.cancel_wanted)
    else:
        newest = _new_terms(copy)
        assert newest is not None, "what is wanted of it, and is no cancel, is a modify"
        change = _changing(draft, copy, Verb.MODIFY, None, newest)
    draft.do(_request(draft, change, copy.order_id))


def _new_terms(copy: Copy) -> Terms | None:
    """All terms as they are to be, when they ask for something else than the order's present ones."""
    if copy.wanted is None or copy.terms is None or terms.same(copy.wanted, copy.terms):
        return None
    return terms.restated(copy.terms, copy.wanted)


def _changing(draft: Draft, copy: Copy, verb: Verb, reason: str | None, newest: Terms | None = None) -> Copy:
    assert copy.order_id is not None, "what is changed is at the broker"
    change = row(draft, copy, verb, reason, newest or copy.terms)
    copy = evolve(copy, pending=change.id, changes=copy.changes + 1, changed_at=draft.at)
    draft.keep(evolve(copy, ask_after=None))
    return draft.keep(change)


def row(draft: Draft, copy: Copy, verb: Verb, reason: str | None, newest: Terms | None) -> Copy:
    """The row of a change, not yet kept."""
    book = draft.book
    assert book.mine is not None, "copying begins with both views"
    assert book.theirs is not None, "copying begins with both views"
    # The number of the order is part of it: an attempt that turned up has the cause of the one that was made instead.
    cause, number = copy.wanted_version or copy.cause, copy.order_id or 0
    name = client_order_id(book.theirs.broker_id, book.mine.broker_id, cause, verb.value, number, copy.changes)
    return Copy(
        id=name,
        client_id=name,
        copy=copy.copy,
        verb=verb,
        symbol=copy.symbol,
        side=copy.side,
        stage=Stage.INTENDED,
        decided_at=draft.at,
        cause=copy.wanted_version,
        kind=copy.kind,
        terms=newest,
        leader_order_id=copy.leader_order_id,
        leader_symbol=copy.leader_symbol,
        subject=copy.id,
        order_id=copy.order_id,
        reason=reason,
    )


def again(draft: Draft, change: Copy) -> None:
    """A change that the broker had put off is asked for once more, the very same, if it is still what is wanted."""
    subject = draft.book.copies.get(change.subject) if change.subject is not None else None
    wish = None
    if subject is not None and subject.open and subject.pending == change.id and subject.order_id is not None:
        wish = _request(draft, change, subject.order_id)
        if change.verb is Verb.CANCEL:
            wish = wish if subject.cancel_wanted is not None else None
        elif subject.cancel_wanted is not None or _new_terms(subject) != change.terms:
            wish = None
    if wish is None:
        draft.news(change, News.GIVEN_UP, "it is not wanted any more")
        draft.change_ended(change)
        return
    draft.keep(evolve(change, stage=Stage.INTENDED, ask_after=None))
    draft.do(wish)


def _request(draft: Draft, change: Copy, order_id: OrderId) -> CancelOrder | ModifyOrder:
    account = _account(draft)
    if change.verb is Verb.CANCEL:
        return CancelOrder(
            copy=change.id,
            client_id=change.client_id,
            account=account,
            priority=Priority.CANCEL,
            order_id=order_id,
        )
    assert change.terms is not None, "a modify has its terms"
    return ModifyOrder(
        copy=change.id,
        client_id=change.client_id,
        account=account,
        priority=Priority.MODIFY,
        order_id=order_id,
        terms=change.terms,
    )


def _account(draft: Draft) -> BrokerAccountId:
    assert draft.book.mine is not None
    return draft.book.mine.broker_id


def unanswered(draft: Draft, copy: Copy, rules: CopyRules) -> None:
    """A change without an answer: the order has not shown it within the settling time, so it is asked for again."""
    if copy.trades or copy.lost_at is None or draft.at < copy.lost_at + rules.settle:
        return
    draft.news(copy, News.ABSENT, "no answer, and the order does not show the change")
    draft.change_ended(copy)
