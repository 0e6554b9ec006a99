"""What a resting order of ours is by now: the leader's position has changed under it, and with that what it would do.

Rule 1: whatever depends on it (pause, caps, who is in whose way, what is made certain) asks for what the order would do
        now, never for what it was when it came.
Rule 2: an exit stays one for as long as there is something of ours for it, also when the leader is out already.
Rule 3: an exit that has become an opening has never been allowed as one. It is now, or it is cut or cancelled.
Rule 4: while an order of the contract is in doubt nobody knows what another one would do: it stays what it was.
"""

from __future__ import annotations

from statecharts import changes, counterpart, openings, shares, sizing
from statecharts.book import Copy, Verb
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind, Size
from statecharts.values import Order, Symbol


def look_again(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    """Every order of ours that rests in this contract is what it would be if it came now."""
    in_progress = draft.book.in_progress(symbol)
    if any(copy.trades and copy.stage.in_doubt for copy in in_progress):
        return
    for copy in in_progress:
        order = draft.book.leaders_order(copy)
        if copy.verb is not Verb.PLACE or copy.stage not in (Stage.ACCEPTED, Stage.WORKING):
            continue
        if copy.guards in draft.contract(symbol).guarded or order is None or not order.rest:
            continue  # the exits of an entry are protection.py's
        kind = counterpart.kind_now(draft, order)
        against = copy.side.sign * draft.contract(symbol).own < 0
        if kind is Kind.ENTRY and copy.kind is not Kind.ENTRY and against:
            continue
        if kind is not copy.kind or kind is Kind.REVERSAL:
            _becomes(draft, copy, order, kind, rules)


def _becomes(draft: Draft, copy: Copy, order: Order, kind: Kind, rules: CopyRules) -> None:
    found = shares.size_of(draft, copy, order, rules)
    opened = copy.rest if copy.kind is Kind.ENTRY else copy.opens
    opens_more = found.opens > opened or (kind is Kind.ENTRY and copy.kind is not Kind.ENTRY)
    if kind is copy.kind and not opens_more:
        return
    meant = max(found.meant, found.quantity)
    copy = evolve(copy, kind=kind, meant=meant, opens=found.opens, apart=shares.is_apart(draft, order))
    draft.keep(_as_if_it_came_now(draft, copy, order, found, rules) if opens_more else copy)


def _as_if_it_came_now(draft: Draft, copy: Copy, order: Order, found: Size, rules: CopyRules) -> Copy:
    """As much of what has become an opening as may be: the rest of it is cut, or all of it is cancelled."""
    barred = openings.bar(draft, order, copy.symbol, rules)
    allowed = openings.allowed(draft, copy, _bounded(draft, copy, order, found, rules), barred)
    if barred is not None:
        copy = evolve(copy, opens=0)
        if copy.rest > allowed.quantity:
            openings.missed(draft, order, copy.symbol, barred, rules)
    return changes.cut(copy, allowed.quantity, allowed.why_nothing or "no more of it may open")


def _bounded(draft: Draft, copy: Copy, order: Order, found: Size, rules: CopyRules) -> Size:
    """What is left of it within the caps: it was sized when it came, and no more than that is asked of it."""
    own, most = shares.met(draft, copy, order, rules), sizing.agreement(order.symbol, rules).max_order
    whole = copy.filled + copy.rest
    if found.kind is Kind.REVERSAL:
        whole = min(whole, max(0, -copy.side.sign * own) + found.opens)
    elif most is not None:
        whole = min(whole, most)
    found = shares.within_cap(draft, copy, order, evolve(found, quantity=whole), own, rules)
    return evolve(found, quantity=max(0, found.quantity - copy.filled))
