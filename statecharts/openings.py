"""Why nothing may open: every rule that bars an opening, in one list.

Rule 1: what bars openings never bars an exit; of a reversal it leaves the part that brings us to flat.
Rule 2: the first reason found is the one that is told; the order of the list is what the operator wants to hear first.
Rule 3: an opening that was barred is missed, and nothing is chased: its contract waits until the leader is flat in it.
Rule 4: while the account itself, or the contract, opens nothing, our entries that rest are cancelled: when they fill,
        they open. Of a reversal that rests the part is left that brings us to flat.
Rule 5: what a reversal opens is no younger for having waited: it goes while it is fresh (`fresh_age`, from the
        decision), and not after copying was interrupted. What it exits goes always.
"""

from __future__ import annotations

from statecharts import changes, expiry, exposure, flattening, risk, sizing, strangers
from statecharts.bars import Bar
from statecharts.book import Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind, Size
from statecharts.values import Order, Side, Symbol, root_of


def bar(draft: Draft, order: Order, symbol: Symbol, rules: CopyRules) -> str | None:
    """Why nothing may open in this contract now; None when it may."""
    kept_out = _not_copied(order.symbol, rules)
    if kept_out is not None:
        return kept_out
    latch = flattening.latched(draft.book, symbol)
    if latch is not None:
        return f"flattened: {latch.why}"
    contract = draft.contract(symbol)
    if strangers.quarantined(contract):
        return f"somebody else trades {symbol} on this account"
    if contract.left:
        return f"our position in {symbol} was left as it is (catch_up = none)"
    if contract.close_to is not None:
        return f"our position in {symbol} is being closed"
    if contract.due:
        return f"{symbol} is not yet compared with the leader: an order of ours is in doubt"
    if draft.book.open.get(symbol):
        if exposure.unknown(draft.book, symbol):
            return f"the answer to an order in {symbol} was lost, and it is looked up"
        if _exit_put_off(draft, order, symbol):
            return f"the broker has put off an exit of ours in {symbol}"
    return (
        draft.opens_nothing or risk.unread(draft.book, rules.limits) or expiry.bar(draft, symbol) or contract.no_entry
    )


def _exit_put_off(draft: Draft, order: Order, symbol: Symbol) -> bool:
    """Is the leader out by another order than this, while ours waits for its time? What it takes is still there."""
    own, theirs = draft.contract(symbol).own, draft.book.theirs
    put_off = (c for c in draft.book.in_progress(symbol) if c.put_off and exposure.reduces(c, own))
    waiting = {copy.leader_order_id for copy in put_off if copy.leader_order_id is not None}
    orders = theirs.orders if theirs is not None else {}
    others = (orders.get(number) for number in waiting - {order.id})
    return any(one is not None and one.filled for one in others)


def is_copied(draft: Draft, symbol: Symbol, rules: CopyRules) -> bool:
    """Does any position of the leader's stand for one of ours here, in a product that is to be copied?"""
    theirs = draft.book.theirs.net if draft.book.theirs is not None else {}
    here = (one for one, net in theirs.items() if net and sizing.follower_symbol(one, rules) == symbol)
    return any(_not_copied(one, rules) is None for one in here)


def _not_copied(leaders: Symbol, rules: CopyRules) -> str | None:
    root = root_of(leaders)
    if rules.allow is not None and root not in rules.allow:
        return f"{root} is not among the products to copy (allow)"
    if root in rules.deny:
        return f"{root} is not copied (deny)"
    return None


def allowed(draft: Draft, copy: Copy, found: Size, barred: str | None) -> Size:
    """What may be sent of this size when openings are `barred`: of a reversal, the part that brings us to flat."""
    if barred is None or found.kind is Kind.EXIT:
        return found
    if found.kind is Kind.ENTRY:
        return evolve(found, quantity=0, why_nothing=barred)
    own = exposure.free(draft.book, copy.symbol, draft.contract(copy.symbol).own, copy.id)
    exits = min(found.quantity, abs(own)) if own * copy.side.sign < 0 else 0
    return evolve(found, kind=Kind.EXIT, quantity=exits, why_nothing=barred)


def missed(draft: Draft, order: Order, symbol: Symbol, why: str | None, rules: CopyRules) -> None:
    """An opening for this order of the leader's was barred. What is not copied at all is not missed either."""
    if draft.contract(symbol).no_entry is None and _not_copied(order.symbol, rules) is None:
        draft.note(symbol, no_entry=f"an entry was missed ({why}); waits until the leader is flat")


def only_the_exit(draft: Draft, copy: Copy, order: Order, why: str, rules: CopyRules) -> Copy:
    """Of a reversal that waited its opening is an entry like any other, and missed. What it exits goes on waiting."""
    missed(draft, order, copy.symbol, why, rules)
    tell_only_exits(draft, copy, order.side, order.filled, why)
    return draft.keep(evolve(copy, kind=Kind.EXIT, opens=0, reason=why))


def missed_of(draft: Draft, copy: Copy, order: Order, found: Size, why: str | None, rules: CopyRules) -> None:
    """Openings are barred, and `found` is what that leaves of it. Of an entry nothing, which is told as skipped."""
    missed(draft, order, copy.symbol, why, rules)
    assert order.terms is not None, "an order is sized by its terms"
    if found.quantity:
        tell_only_exits(draft, copy, order.side, order.terms.quantity, why)


def tell_only_exits(draft: Draft, copy: Copy, side: Side, quantity: int, why: str | None) -> None:
    """`side` and `quantity` are the leader's."""
    draft.tell(
        "copy.skipped",
        f"{copy.symbol}: of the leader's {side.value} {quantity} only the exit is copied: {why}",
        Severity.WARNING,
        reason=why,
        copy=copy.id,
    )


def waited_to_open(copy: Copy, order: Order | None) -> bool:
    """Is this a reversal that is yet to be sent, and that the leader has opened with already?"""
    held = copy.stage is Stage.HELD and copy.kind is Kind.REVERSAL and order is not None and order.filled > 0
    return held and (copy.sent_at is None or copy.put_off)


def keep_small(draft: Draft, copy: Copy, order: Order | None, current: bool, rules: CopyRules) -> None:
    """A resting opening that is to grow, when it may at last be asked to, grows no more if openings are barred by then.

    It was smaller in the leader's mind for a moment, or its change waited for another. Its prices still follow.
    """
    if copy.pending is None:
        not_larger(draft, copy, order, current, rules)


def not_larger(draft: Draft, copy: Copy, order: Order | None, current: bool, rules: CopyRules) -> None:
    """What is about to be asked for opens no more than may be opened now: asked in the very turn that sends it."""
    if copy.wanted is None or copy.terms is None or (copy.kind is Kind.EXIT and not copy.opens):
        return
    present = copy.terms.quantity
    if copy.kind is Kind.EXIT:  # a reversal by now, of which kinds.py has not been sure yet: what exits may always grow
        exits = max(0, -copy.side.sign * draft.contract(copy.symbol).own)
        present = max(present, copy.filled - copy.earlier + exits)
    if copy.wanted.quantity <= present:
        return
    why, most = "the leader is not connected", present
    if current and order is not None:
        barred, cap = bar(draft, order, copy.symbol, rules), sizing.agreement(order.symbol, rules).max_position
        if barred is None and cap is None:
            return
        if barred is None and cap is not None:
            most = max(present, copy.filled - copy.earlier + exposure.room(draft.book, copy, cap))
        why = barred or sizing.CAPPED
    if copy.wanted.quantity > most:
        draft.keep(evolve(copy, wanted=evolve(copy.wanted, quantity=most)))
        if order is not None and why != sizing.CAPPED:
            missed(draft, order, copy.symbol, why, rules)


def withdraw(draft: Draft, symbol: Symbol) -> None:
    """Takes back what may still open in this contract, while it or the whole account opens nothing."""
    why = taken_back(draft, symbol)
    if why is None:
        return
    for copy in draft.book.in_progress(symbol):
        opens = copy.verb is Verb.PLACE and copy.kind is not Kind.EXIT and copy.stage is not Stage.HELD
        if not opens or copy.cancel_wanted is not None:
            continue
        room = 0 if copy.kind is Kind.ENTRY else max(0, -copy.side.sign * draft.contract(symbol).own)
        less = changes.cut(copy, room, why)
        if less is copy:
            continue
        draft.keep(evolve(less, kind=Kind.EXIT, opens=0) if room else less)
        if draft.contract(symbol).no_entry is None:
            draft.note(symbol, no_entry=f"an entry was taken back ({why}); waits until the leader is flat")


def taken_back(draft: Draft, symbol: Symbol) -> str | None:
    """Why what may open is to be cancelled. Not for orders that are denied alone: that would include the cancels."""
    latch = flattening.latched(draft.book, symbol)
    if latch is not None:
        return latch.why
    for bar, why in draft.book.barred.items():
        if bar is not Bar.DENIED:
            return draft.no_openings or why
    return draft.no_openings or expiry.bar(draft, symbol)
