"""What a follower makes of its leader's events, in mode "orders": each leader order becomes exactly one copy.

Rule 1: a fact about the leader is kept in every state; it becomes an order only while Copying, with the leader's view
        current and compared with our own (`Book.held_back`).
Rule 2: every leader order gets one copy with verb place, also when nothing is sent: then it is skipped, with why.
Rule 3: an exit is never stopped by what stops openings (pause, close-only, caps, a contract that waits for the leader).
"""

from __future__ import annotations

import attrs

from statecharts import sizing
from statecharts.book import LEADERS_OWN, Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import PlaceOrder, Priority, Severity
from statecharts.events import LeaderLost, LeaderOrderSeen, LeaderViewTaken
from statecharts.identity import client_order_id
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind, Size
from statecharts.values import Order, OrderType, Status, Symbol, root_of

COPIED_TYPES = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT})


def leader_order_seen(draft: Draft, event: LeaderOrderSeen, rules: CopyRules) -> None:
    theirs = draft.book.theirs
    if theirs is None or theirs.generation != event.generation:
        return  # of a generation whose view we do not have: that view will hold it
    theirs = theirs.with_order(event.order)
    draft.book = attrs.evolve(draft.book, theirs=theirs)
    if not draft.acting or draft.book.held_back():
        return
    copied_or_not(draft, theirs.orders[event.order.id], rules)


def copied_or_not(draft: Draft, order: Order, rules: CopyRules, only_exits: str | None = None) -> None:
    """Goes on with the order's copy, or makes one."""
    placed = draft.book.placed.get(order.id)
    if placed is None:
        consider(draft, order, rules, only_exits)
    elif placed != LEADERS_OWN:
        follow(draft, draft.book.copies[placed], order, rules)


def leader_view_taken(draft: Draft, event: LeaderViewTaken) -> None:
    draft.book = attrs.evolve(draft.book, theirs=event.view)


def leader_lost(draft: Draft, event: LeaderLost) -> None:
    if draft.book.theirs is not None:
        draft.book = attrs.evolve(draft.book, theirs=attrs.evolve(draft.book.theirs, current=False))


def consider(draft: Draft, order: Order, rules: CopyRules, only_exits: str | None = None) -> None:
    """A leader order without a copy: place it, hold it, or skip it. `only_exits` says why nothing may open now."""
    if order.terms is None and order.unsupported is None:
        return  # its terms come with a later fact
    if order.status is Status.SUSPENDED:
        return  # the child of a bracket sleeps until its parent fills; it is copied when it wakes
    copy = new_copy(draft, order, rules)
    why_not = _refusal(order)
    if why_not is not None or order.terms is None:
        draft.skip(attrs.evolve(copy, stage=Stage.SKIPPED, reason=why_not), why_not or "")
        return
    found = size_of(draft, copy, order, rules)
    copy = attrs.evolve(copy, kind=found.kind, terms=attrs.evolve(order.terms, quantity=found.quantity))
    if found.kind is not Kind.ENTRY and waits_for_entries(draft, copy):
        draft.keep(attrs.evolve(copy, stage=Stage.HELD, reason="waits for the entry that it exits"))
        return
    if found.kind is not Kind.EXIT:
        barred = only_exits or bar(draft, order, copy.symbol, rules)
        if barred is not None and found.kind is Kind.REVERSAL and found.quantity:
            found = _without_opening(draft, copy, found)
            copy = attrs.evolve(copy, kind=Kind.EXIT, terms=attrs.evolve(order.terms, quantity=found.quantity))
        elif barred is not None:
            found = attrs.evolve(found, quantity=0, why_nothing=barred)
    if found.quantity == 0:
        why = found.why_nothing or "nothing to do"
        draft.skip(attrs.evolve(copy, stage=Stage.SKIPPED, reason=why), why)
        return
    send(draft, copy, rules)


def new_copy(draft: Draft, order: Order, rules: CopyRules) -> Copy:
    """The row for a leader order, before anything about its size is known."""
    book = draft.book
    assert book.mine is not None, "copying begins with both views"
    assert book.theirs is not None, "copying begins with both views"
    cause = order.version or order.id
    name = client_order_id(book.theirs.broker_id, book.mine.broker_id, cause, Verb.PLACE.value, 0, 0)
    return Copy(
        id=name,
        client_id=name,
        copy=rules.name,
        verb=Verb.PLACE,
        symbol=sizing.follower_symbol(order.symbol, rules),
        side=order.side if rules.ratio > 0 else sizing.other_side(order.side),
        stage=Stage.INTENDED,
        decided_at=draft.at,
        cause=cause,
        wanted_version=cause,
        leader_order_id=order.id,
        leader_symbol=order.symbol,
        terms=order.terms,
    )


def size_of(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> Size:
    book = draft.book
    assert book.theirs is not None
    own = book.contract(copy.symbol).own
    if rules.shadow:  # nothing of ours is ever there: suppose that all before was copied
        own = sizing.target(book.theirs.position(order.symbol) - order.net, order.symbol, rules)
    own -= copy.side.sign * copy.filled  # the answer is the order's whole size, its own fills included
    return sizing.size(order, book.theirs, own, rules)


def waits_for_entries(draft: Draft, copy: Copy) -> bool:
    """Is an opening of ours on its way that this exit is meant for? Larger than our position, it would flip it."""
    return any(
        other.trades and other.side is not copy.side and other.kind is not Kind.EXIT and other.rest > 0
        for other in draft.book.in_progress(copy.symbol)
    )


def bar(draft: Draft, order: Order, symbol: Symbol, rules: CopyRules) -> str | None:
    """Why nothing may open in this contract now; None when it may."""
    root = root_of(order.symbol)
    if rules.allow is not None and root not in rules.allow:
        return f"{root} is not among the products to copy (allow)"
    if root in rules.deny:
        return f"{root} is not copied (deny)"
    contract = draft.contract(symbol)
    if contract.foreign:
        return f"somebody else trades {symbol} on this account"
    return draft.no_openings or contract.no_entry


def send(draft: Draft, copy: Copy, rules: CopyRules) -> None:
    """Writes the intention down and asks for the order. The copy has the size that is to be sent."""
    assert copy.terms is not None, "what is sent has its terms"
    assert draft.book.mine is not None, "copying begins with both views"
    if rules.shadow:
        draft.keep(attrs.evolve(copy, stage=Stage.SHADOWED, reason="shadow: decided and recorded, not sent"))
        return
    draft.keep(attrs.evolve(copy, stage=Stage.INTENDED, decided_at=draft.at))
    draft.do(
        PlaceOrder(
            copy=copy.id,
            client_id=copy.client_id,
            account=draft.book.mine.broker_id,
            priority=Priority.ENTRY if copy.kind is Kind.ENTRY else Priority.EXIT,
            symbol=copy.symbol,
            side=copy.side,
            terms=copy.terms,
        )
    )


def follow(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> None:
    """A leader order that has a copy has changed: want what the leader wants; `pursuit` asks for it when it may."""
    if not copy.open:
        return
    if order.status in (Status.CANCELED, Status.REJECTED, Status.EXPIRED):
        if order.status is Status.EXPIRED and copy.stage is Stage.WORKING:
            return  # ours expires by itself, at the broker's own hand
        draft.keep(attrs.evolve(copy, cancel_wanted=f"the leader's order is {order.status.value.lower()}"))
    elif order.status.finished:
        draft.keep(attrs.evolve(copy, chase_at=copy.chase_at or draft.at + rules.chase_after))
    elif order.terms is not None and order.version is not None and order.version != copy.wanted_version:
        found = size_of(draft, copy, order, rules)
        assert copy.terms is not None
        # A size that rounds to nothing leaves the order as large as it is: its prices still follow.
        wanted = attrs.evolve(order.terms, quantity=found.quantity or copy.terms.quantity)
        draft.keep(attrs.evolve(copy, wanted=wanted, wanted_version=order.version))


def _refusal(order: Order) -> str | None:
    """Why an order cannot be copied at all, whatever the account's state."""
    if order.unsupported is not None:
        return f"copierd does not copy orders of type {order.unsupported}"
    assert order.terms is not None
    if order.terms.order_type not in COPIED_TYPES:
        return f"copierd does not copy orders of type {order.terms.order_type.value} yet"
    if order.status.finished and order.filled == 0 and order.status is not Status.FILLED:
        return f"the leader's order was {order.status.value.lower()} before it could be copied"
    return None


def _without_opening(draft: Draft, copy: Copy, found: Size) -> Size:
    """The part of a reversal that only brings us to flat."""
    own = draft.contract(copy.symbol).own
    exits = min(found.quantity, abs(own)) if own * copy.side.sign < 0 else 0
    return Size(Kind.EXIT, copy.side, exits, "nothing of ours to exit, and nothing opens now")


def refused(draft: Draft, copy: Copy, why: str) -> None:
    """The broker has said a definite no to an order of ours."""
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
