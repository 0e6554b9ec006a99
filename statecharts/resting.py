"""The sizes of our entries that rest: as the leader's working orders are by now, not as they were when ours came.

Rule 1: each is as large as if his entries filled one after the other, the oldest first: the change of target that its
        own makes. So together they never take us beyond the target.
Rule 2: down always; up only where nothing bars openings, and no further than what we own and our other openings, also
        those that are being cancelled, leave of the target.
Rule 3: a size of 0 is a cancel, told once. When the leader changes that order again, so that it is something, ours
        comes again. So it does when, within `chase_after`, what took its room has gone.
Exits are as large as what they protect: `protection.py`, and as what is ours: `pursuit.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from statecharts import attempts, changes, excess, legs, openings, shares, sizing
from statecharts.book import LEADERS_OWN, Copy, Verb
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind, Size
from statecharts.values import Order, Side, Status, Symbol

_NONE = (sizing.ROUNDS_TO_NOTHING, sizing.CAPPED)  # why there is none of ours


@attrs.frozen
class _Entry:
    """The copy of one of his working entries: `most` of it may stay, and up to `enough` it may be made larger."""

    copy: Copy
    order: Order
    most: int
    enough: int


def look_again(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    """Every entry of ours that rests in this contract wants the size that it should have now."""
    theirs = draft.book.theirs
    assert theirs is not None, "the leader's view is current"
    if not any(_rests(copy) for copy in draft.book.in_progress(symbol)):
        return
    working = (order for order in theirs.alive if order.rest)
    ours = {(o.symbol, o.side) for o in working if sizing.follower_symbol(o.symbol, rules) == symbol}
    for leaders, side in sorted(ours, key=str):
        for entry in tuple(_entries(draft, symbol, leaders, side, rules)):
            if _rests(entry.copy) and entry.order.rest and not entry.copy.left:
                _resize(draft, entry, rules)


def _rests(copy: Copy) -> bool:
    return copy.kind is Kind.ENTRY and copy.verb is Verb.PLACE and copy.stage in (Stage.ACCEPTED, Stage.WORKING)


def _entries(draft: Draft, symbol: Symbol, leaders: Symbol, side: Side, rules: CopyRules) -> Iterator[_Entry]:
    """The copies of his entries in one contract and on one side, oldest first."""
    theirs = draft.book.theirs
    assert theirs is not None, "the leader's view is current"
    entries = [
        order
        for order in sorted(theirs.alive, key=lambda one: one.id)
        if order.symbol == leaders and order.side is side and excess.to_come(order) and not theirs.asleep(order)
    ]
    net = theirs.position(leaders) - sum(order.net for order in entries)
    if net * side.sign < 0:
        return  # some of them take him to flat first
    ahead = _ahead(draft, symbol, entries, rules)
    cap = sizing.agreement(leaders, rules).max_order
    begun: dict[int, int] = {}  # the position before each: of two that cancel each other one counts
    for order in entries:
        assert order.terms is not None, "an order with fills to come has terms"
        first = begun.setdefault(order.id, begun.get(order.oco_id or order.id, net))
        then = first + side.sign * order.terms.quantity
        net = max(net, then) if side is Side.BUY else min(net, then)
        before, after = (abs(sizing.target(n, leaders, rules)) for n in (first, then))
        most = after - before if cap is None else min(after - before, cap)
        copy = draft.book.copies.get(draft.book.placed.get(order.id, LEADERS_OWN))
        if copy is not None:
            yield _Entry(copy, order, most, min(most, after - ahead))
            ahead += 0 if order.oco_id in begun else max(most, copy.filled + copy.rest)


def _ahead(draft: Draft, symbol: Symbol, entries: Sequence[Order], rules: CopyRules) -> int:
    """What we own on the side of these entries, or may yet, without what their own copies bring."""
    of_these = {draft.book.placed.get(order.id, LEADERS_OWN) for order in entries}
    sign = next((sizing.follower_side(order, rules).sign for order in entries), 0)
    own = sign * draft.contract(symbol).own
    own -= sum(draft.book.copies[one].filled for one in of_these if one in draft.book.copies)
    beside = (copy for copy in draft.book.in_progress(symbol) if copy.id not in of_these)
    return own + sum(c.rest for c in beside if c.trades and c.kind is not Kind.EXIT and c.side.sign == sign)


def _resize(draft: Draft, entry: _Entry, rules: CopyRules) -> None:
    copy = entry.copy
    assert copy.terms is not None, "what is at the broker has terms"
    newest = copy.wanted or copy.terms
    withdrawn = copy.cancel_wanted is not None
    if withdrawn and (copy.cancel_wanted not in _NONE or legs.cancel_is_asked(draft.book, copy)):
        return
    allowed = min(newest.quantity, copy.terms.quantity)  # what it was to be may have been barred since
    present = copy.filled if withdrawn else allowed + copy.earlier
    size = present if withdrawn else min(present, entry.most)
    if entry.enough > present:
        size = max(size, _larger(draft, entry, rules))
    if size == (copy.filled if withdrawn else newest.quantity + copy.earlier):
        return
    if size > copy.filled:
        copy = evolve(copy, cancel_wanted=None, reason=None)
        draft.keep(changes.wish(evolve(copy, wanted=evolve(newest, quantity=size - copy.earlier))))
    elif copy.filled:
        draft.keep(evolve(copy, cancel_wanted="the leader wants no more than has filled"))
    else:
        why = shares.size_of(draft, copy, entry.order, rules).why_nothing or sizing.CAPPED
        draft.skip(evolve(copy, cancel_wanted=why, reason=why), why)


def _larger(draft: Draft, entry: _Entry, rules: CopyRules) -> int:
    """As much as may be opened now. What the broker has refused to change is not made larger."""
    copy = entry.copy
    if copy.refusals or openings.bar(draft, entry.order, copy.symbol, rules) is not None:
        return 0
    own = shares.met(draft, copy, entry.order, rules)
    found = Size(Kind.ENTRY, copy.side, entry.enough)
    return shares.within_cap(draft, copy, entry.order, found, own, rules).quantity


def changed(copy: Copy, order: Order) -> bool:
    """Has the leader changed an order that works, and of which there was to be none of ours?"""
    if copy.reason not in _NONE or copy.kind is not Kind.ENTRY or not order.rest:
        return False
    return order.version not in (None, copy.wanted_version) and copy.stage in (Stage.CANCELED, Stage.SKIPPED)


def come_again(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> None:
    """The leader has changed an order of which there was to be none of ours: there may be now, with its exits."""
    if not changed(copy, order):
        return
    copy = draft.keep(evolve(copy, wanted_version=order.version or 0))
    if shares.size_of(draft, copy, order, rules).quantity <= copy.filled:
        return
    barred = openings.bar(draft, order, copy.symbol, rules)
    if barred is not None:
        not_again(draft, copy, order, barred, rules)
    else:
        _put_back(draft, copy, "the leader has changed it, and there is to be one of ours")


def not_again(draft: Draft, copy: Copy, order: Order, why: str, rules: CopyRules) -> None:
    """It would come again, and nothing may open now: missed, as any other entry is."""
    draft.skip(evolve(copy, reason=why, wanted_version=order.version or 0), why)
    openings.missed(draft, order, copy.symbol, why, rules)


def waits_for_room(draft: Draft, copy: Copy, rules: CopyRules) -> bool:
    """Is this an entry that the cap has just left nothing of? What it counted may be on its way out."""
    capped = copy.reason == sizing.CAPPED and copy.kind is Kind.ENTRY and copy.stage is Stage.SKIPPED
    return capped and copy.leader_fill_id is None and draft.at <= copy.decided_at + rules.chase_after


def room_again(draft: Draft, rules: CopyRules) -> None:
    """An order of ours is shown to be cancelled: the one that the leader has placed instead found no room beside it."""
    if draft.book.held_back():
        return
    for copy in tuple(draft.book.alive):
        order = draft.book.leaders_order(copy) if waits_for_room(draft, copy, rules) else None
        if order is None or not (order.rest or order.status is Status.FILLED):
            continue
        barred = openings.bar(draft, order, copy.symbol, rules) is not None
        if not barred and shares.size_of(draft, copy, order, rules).quantity > copy.filled:
            _put_back(draft, copy, "there is room for it now")


def _put_back(draft: Draft, copy: Copy, why: str) -> None:
    """Ours comes again, with its exits."""
    attempts.put_back(draft, copy, why)
    for leg in copy.guarded_by:
        draft.keep(evolve(draft.book.copies[leg], restore=True))
    if copy.guarded_by:
        others = (one for one in draft.contract(copy.symbol).guarded if one != copy.id)
        draft.note(copy.symbol, guarded=(*others, copy.id))
