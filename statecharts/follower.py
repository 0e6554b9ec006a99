"""What a follower makes of its leader's events, in mode "orders": each leader order becomes exactly one copy.

In mode "fills" that is each execution (`executions.py`, `fills.py`).

Rule 1: a fact about the leader is kept in every state; it becomes an order only while Copying, with the leader's view
        current and compared with our own (`Book.held_back`).
Rule 2: every leader order gets one copy with verb place, also when nothing is sent: then it is skipped, with why.
Rule 3: an exit is never stopped by what stops openings (pause, close-only, caps, a contract that waits for the leader).
"""

from __future__ import annotations

from statecharts import (
    brackets,
    busts,
    calendar,
    counterpart,
    executions,
    exposure,
    facts,
    families,
    firm,
    flattening,
    openings,
    remnants,
    revisions,
    shares,
    shortage,
    sizing,
)
from statecharts.book import LEADERS_OWN, Copy
from statecharts.draft import Draft
from statecharts.events import LeaderOrderSeen
from statecharts.evolution import evolve
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind, Size
from statecharts.values import Order, Terms


def leader_order_seen(draft: Draft, event: LeaderOrderSeen, rules: CopyRules) -> None:
    theirs = draft.book.theirs
    if theirs is None or theirs.generation != event.generation:
        return  # of a generation whose view we do not have: that view will hold it
    known, copied, orders = theirs.orders, draft.book.placed, event.orders
    for order in families.without_fills(orders) if event.beside else ():
        theirs = theirs.with_order(order)
    copies = draft.acting and not draft.book.held_back()
    for order in orders:  # one after the other: what an order is to the position depends on those before it
        before = known.get(order.id)
        calendar.leader_seen(draft, order, before, tells=False)
        theirs = theirs.with_order(order)
        order = theirs.orders[order.id]
        draft.book = evolve(draft.book, theirs=theirs)
        busts.leaders(draft, before, order, rules)
        if not copies:
            continue
        if rules.mode == "fills":
            executions.of_order(draft, order, rules)
        elif order.id not in draft.book.placed:
            consider(draft, order, rules)
        elif order.filled > (before.filled if before is not None else 0):
            shortage.of_before(draft, order, rules)
    if rules.mode == "orders" and copies:
        for order in orders:  # what becomes of an order may depend on what its partner has become
            if order.id in copied:
                go_on_copying(draft, theirs.orders[order.id], rules)


def go_on_copying(draft: Draft, order: Order, rules: CopyRules) -> None:
    """Goes on with the copy of an order that has one, or had one before copying began."""
    placed = draft.book.placed[order.id]
    if placed != LEADERS_OWN:
        revisions.follow(draft, draft.book.copies[placed], order, rules)


def consider(draft: Draft, order: Order, rules: CopyRules, only_exits: str | None = None) -> None:
    """A leader order without a copy: place it, hold it, or skip it. `only_exits` says why nothing may open now."""
    if order.terms is None and order.unsupported is None:
        return  # its terms come with a later fact
    family: tuple[Order, ...] = (order,)
    if not families.is_single(draft, order, rules):
        if only_exits is None and families.too_early(draft, order, rules):
            return
        if brackets.hold(draft, order, rules) or families.asleep(draft, order):
            return  # the child of a bracket sleeps until its parent fills
        family = families.undecided(draft, order)
    decided = []
    for one in family:
        copy = _decided(draft, one, rules, only_exits)
        if copy is not None:
            decided.append(copy)
    brackets.send(draft, decided, rules)


def go_on(draft: Draft, rules: CopyRules) -> None:
    """The orders that have waited for their family, and need not any more."""
    for number, until in tuple(draft.book.waiting.items()):
        order = families.view_of(draft).orders.get(number)
        if number not in draft.book.placed and order is not None:
            if draft.at < until and families.is_missing_somebody(draft, order, rules):
                continue
            consider(draft, order, rules)
        waiting = {one: at for one, at in draft.book.waiting.items() if one != number}
        draft.book = evolve(draft.book, waiting=waiting)


def _decided(draft: Draft, order: Order, rules: CopyRules, only_exits: str | None) -> Copy | None:
    """The copy of a leader order with the size that is to be sent; None when it is held or skipped."""
    copy = counterpart.new_copy(draft, order, rules)
    if remnants.known_again(draft, copy, order, rules):
        go_on_copying(draft, order, rules)
        return None
    latch = flattening.latched(draft.book, copy.symbol)
    flattened = f"flattened: {latch.why}" if latch is not None else None
    why_not = counterpart.refusal(order, rules) or facts.nowhere(draft.book, copy.symbol) or flattened
    if why_not is not None or order.terms is None:
        kind = counterpart.kind_now(draft, order)
        draft.skip(evolve(copy, stage=Stage.SKIPPED, kind=kind, reason=why_not), why_not or "")
        return None
    found = shares.size_of(draft, copy, order, rules)
    # An order that is complete when it is first seen is not chased either.
    chase_at = draft.at + rules.chase_after if order.status.finished else None
    wanted = counterpart.asked(draft, copy, order, order.terms)
    copy = evolve(
        copy,
        kind=found.kind,
        terms=_of_size(wanted, found),
        chase_at=chase_at,
        meant=max(found.meant, found.quantity),
        opens=found.opens,
        apart=shares.is_apart(draft, order),
    )
    whole, barred = found.quantity, only_exits or openings.bar(draft, order, copy.symbol, rules)
    if found.kind is not Kind.ENTRY and exposure.unknown(draft.book, copy.symbol):
        _waits_for_a_look_up(draft, copy, order, barred, rules)
        return None
    if awaited(draft, copy, found) or (found.kind is not Kind.ENTRY and firm.frozen(draft.book, copy.symbol)):
        draft.keep(evolve(copy, stage=Stage.HELD, reason="waits for what is on its way in this contract"))
        return None
    if barred is not None:
        found = openings.allowed(draft, copy, found, barred)
        if found.quantity < whole:
            openings.missed_of(draft, copy, order, found, barred, rules)
        copy = evolve(copy, kind=found.kind, terms=_of_size(wanted, found))
    if found.quantity == 0:
        why = found.why_nothing or "nothing to do"
        draft.skip(evolve(copy, stage=Stage.SKIPPED, reason=why), why)
        return None
    opens = calendar.opens_at(draft, copy.symbol) if only_exits is not None else None
    if opens is not None:  # it is made up for, which is our own doing
        draft.keep(evolve(copy, stage=Stage.HELD, opens_at=opens, reason="waits for its market to open"))
        return None
    return _smaller(draft, copy, found)


def _smaller(draft: Draft, copy: Copy, found: Size) -> Copy:
    """Of an entry max_position leaves a part out, maybe for what else is to fill and never will: that is told."""
    if not found.no_room:
        return copy
    why = f"{sizing.CAPPED}: {found.no_room} of {found.quantity + found.no_room} not copied"
    draft.tell("copy.skipped", f"{copy.symbol}: {why}", reason=why, copy=copy.id)
    return evolve(copy, reason=why)


def _waits_for_a_look_up(draft: Draft, copy: Copy, order: Order, barred: str | None, rules: CopyRules) -> None:
    """What is to be exited depends on an order whose answer was lost. Of a reversal nothing opens so late."""
    assert order.terms is not None, "an order is sized by its terms"
    if copy.kind is Kind.REVERSAL:
        openings.missed(draft, order, copy.symbol, barred, rules)
        openings.tell_only_exits(draft, copy, order.side, order.terms.quantity, barred)
        copy = evolve(copy, kind=Kind.EXIT, opens=0)
    draft.keep(evolve(copy, stage=Stage.HELD, reason="waits until an order without an answer has been looked up"))


def awaited(draft: Draft, copy: Copy, found: Size) -> tuple[Copy, ...]:
    """The orders of ours that this exit waits for, when our position is too small without them.

    Openings that it is meant for, until they have become a position: those whose leader order is ahead of ours; one
    that rests at both, untouched, delays no exit. And exits that give way, until their cancel is confirmed.
    """
    if found.kind is Kind.ENTRY or found.quantity >= found.meant:
        return ()
    if found.quantity and exposure.is_stop(copy) and found.kind is Kind.EXIT:
        return ()  # it protects what there is, and grows
    orders = []
    for other in draft.book.in_progress(copy.symbol):
        if other.id == copy.id:
            break  # those that came later wait for this one
        if other.trades and other.side is not copy.side and other.kind is not Kind.EXIT and other.rest > 0:
            theirs = draft.book.leaders_order(other)
            if theirs is not None and theirs.filled and (theirs.rest == 0 or other.stage is not Stage.WORKING):
                orders.append(other)
        elif other.trades and other.side is copy.side and other.kind is not Kind.ENTRY and exposure.giving_way(other):
            orders.append(other)
    return tuple(orders)


def _of_size(wanted: Terms, found: Size) -> Terms:
    return wanted if wanted.quantity == found.quantity else evolve(wanted, quantity=found.quantity)
