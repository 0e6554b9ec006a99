"""The follower's share of a leader's order: how large our copy of it is, by our position of now, in mode "orders".

Rule 1: the rule of sizes is `sizing.py`'s; here it meets what is ours, what other exits are to take, and the cap.
"""

from __future__ import annotations

from statecharts import exposure, sizing, stopped_out
from statecharts.book import Copy
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.rules import CopyRules
from statecharts.sizing import Kind, Size
from statecharts.values import Order


def size_of(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> Size:
    """The whole size of the copy of `order`, its own fills included; what other exits take already is not there."""
    book = draft.book
    assert book.theirs is not None, "copying begins with both views"
    if order.terms is not None and order.status.ended_early and order.filled:
        order = evolve(order, terms=evolve(order.terms, quantity=order.filled))
    own = met(draft, copy, order, rules)
    others = {symbol: n for symbol, n in book.theirs.net.items() if symbol != order.symbol}
    beside = exposure.target_of(others, copy.symbol, rules) if others and not rules.shadow else 0
    found = sizing.size(order, book.theirs, own, rules, beside)
    if found.why_nothing == sizing.NOTHING_TO_EXIT and copy.side.sign * book.contract(copy.symbol).own < 0:
        found = evolve(found, why_nothing="other exits of ours are to take what this follower has")
    found = within_cap(draft, copy, order, found, own, rules)
    return stopped_out.left_to_take(draft, copy, order, found, own, rules)


def met(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> int:
    """The position of ours that the whole of this copy meets."""
    book = draft.book
    assert book.theirs is not None, "copying begins with both views"
    if rules.shadow:  # nothing of ours is ever there: suppose that all before was copied
        own = sizing.target(book.theirs.position(order.symbol) - order.net, order.symbol, rules)
    else:
        own = book.contract(copy.symbol).own
        if book.open.get(copy.symbol):
            own = exposure.free(book, copy.symbol, own, copy.id, is_apart(draft, order))
    return own - copy.side.sign * copy.filled


def within_cap(draft: Draft, copy: Copy, order: Order, found: Size, own: int, rules: CopyRules) -> Size:
    cap = sizing.agreement(order.symbol, rules).max_position
    return found if cap is None else exposure.within_cap(draft.book, copy, found, own, cap)


def is_apart(draft: Draft, order: Order) -> bool:
    return draft.book.theirs is not None and sizing.apart(order, draft.book.theirs)


def held_size(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> Size:
    """The size of an order that has waited; of an exit or a reversal what it stood for, within what is ours now.

    The leader may have gone on since; his position of now says nothing about what this order was meant to do.
    """
    if copy.kind is Kind.ENTRY:
        found = size_of(draft, copy, order, rules)
        return evolve(found, quantity=max(0, found.quantity - copy.filled))
    own = exposure.free(draft.book, copy.symbol, draft.contract(copy.symbol).own, copy.id, copy.apart)
    left = copy.meant - copy.filled
    against = max(0, -copy.side.sign * own)
    opens = copy.opens if copy.kind is Kind.REVERSAL else 0  # one that nothing may open with has become an exit
    quantity = max(0, min(left, against + opens))
    return Size(copy.kind, copy.side, quantity, "nothing of ours is left for it to exit", left, opens)
