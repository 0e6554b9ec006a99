"""A leg of the template has taken us out, or out in part, while the leader is still in.

Rule 1: that is told, and the contract waits until he is flat in it. Before that he has `chase_after` to leave too: an
        exit of his within that time takes no more than leaves us his.
"""

from __future__ import annotations

from statecharts import exposure
from statecharts.book import STOP_LEG, Copy
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve
from statecharts.rules import CopyRules
from statecharts.sizing import Kind, Size
from statecharts.values import Order, OrderType, Symbol


def look_for(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    """A leg has filled. Where the leader has not left too, a moment later, we are short of him."""
    contract = draft.contract(symbol)
    copies = draft.book.copies
    guarding = [copies[leg] for number in contract.guarded for leg in copies[number].guarded_by]
    taken_by = next((leg.id for leg in guarding if leg.leg and leg.filled), contract.taken_by)
    target = 0 if taken_by is None else exposure.total_target(draft.book, symbol, rules)
    short = abs(target) - abs(exposure.goal(contract.own, target))
    if taken_by is None or contract.no_entry is not None or short <= 0:
        draft.note(symbol, taken_by=None, short_at=None)
        return
    short_at = contract.short_at or draft.at + rules.chase_after
    draft.note(symbol, taken_by=taken_by, short_at=short_at)
    if draft.at >= short_at:
        _tell(draft, draft.book.copies[taken_by], short, abs(target))


def left_to_take(draft: Draft, copy: Copy, order: Order, found: Size, own: int, rules: CopyRules) -> Size:
    """What an exit of the leader's at market has left to take of our `own`, when a leg of ours has just taken it."""
    if found.kind is not Kind.EXIT:
        return found
    short_at, theirs = draft.contract(copy.symbol).short_at, draft.book.theirs
    if short_at is None or draft.at >= short_at or theirs is None or order.terms is None:
        return found
    if order.terms.order_type is not OrderType.MARKET:
        return found  # what rests stays as large as his, and is made certain as his is
    then = theirs.position(order.symbol) - order.net + order.side.sign * order.terms.quantity
    target = exposure.target_of({**theirs.net, order.symbol: then}, copy.symbol, rules)
    left = abs(own) - abs(exposure.goal(own, target))
    if left >= found.quantity:
        return found
    return evolve(found, quantity=left, meant=left, why_nothing="the bracket of ours has taken it already")


def _tell(draft: Draft, leg: Copy, short: int, target: int) -> None:
    why = f"the {'stop' if leg.leg == STOP_LEG else 'target'} of the bracket has filled, and the leader is still in"
    draft.note(leg.symbol, no_entry=f"{why}; waits until the leader is flat", taken_by=None, short_at=None)
    draft.tell(
        "position.drifted",
        f"{leg.symbol}: {why}: short by {short} of {target}. Nothing opens in it until he is flat",
        Severity.WARNING,
        reason=why,
        remedy="nothing to do: this contract is copied again when the leader is flat in it",
        copy=leg.id,
    )
