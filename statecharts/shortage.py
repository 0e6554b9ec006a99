"""What we lack of the leader's: told once, and never chased. The contract waits until the leader is flat in it.

Rule 1: an order of ours has ended with less than the leader's order has filled, and we are short of his position: an
        entry, or the part of a reversal beyond flat, was missed. So it is when he has made an entry larger and ours
        has filled before it was allowed or able to grow, when an exit of ours has filled before his, and his ends
        without, and when an exit of his has taken him through flat, and ours could not. A restart decides the same
        (`catch_up.py`).
Rule 2: in mode "fills" an exit of ours that came to nothing is missing on the other side, where the leader has gone
        on through flat: the entries behind it have brought only their own part, and may have filled before it was lost.
Rule 3: an exit of ours that is done twice, because the first one was believed lost, leaves us short as well.
Rule 4: an order that the leader had before copying began, and that fills now, is not copied: we are short of it.
Rule 5: what our own caps, rounding or the operator leave out is not missed.
"""

from __future__ import annotations

from statecharts import excess, exposure, flattening, openings, shares, sizing
from statecharts.book import LEADERS_OWN, Copy
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Order, Side, Status, Symbol

_ENDED = frozenset({Stage.FILLED, Stage.CANCELED, Stage.EXPIRED})  # what was skipped or refused was told then

BEFORE = "the leader had this order before copying began"


def look(draft: Draft, copy: Copy, order: Order | None, rules: CopyRules) -> None:
    """Our copy of this order of the leader's has come to its end, or his has news after that."""
    if not draft.acting or draft.book.held_back():
        return  # the catch-up table looks at it
    if copy.stage not in _ENDED or flattening.latched(draft.book, copy.symbol) is not None:
        return
    if rules.mode == "fills":
        lost(draft, copy, rules)
        return
    if order is None:
        return
    if copy.stage is Stage.FILLED and copy.kind is Kind.EXIT and copy.cancel_wanted is not None:
        done_twice(draft, copy, rules)
    target = exposure.total_target(draft.book, copy.symbol, rules)
    share, towards = exposure.share(copy, order), copy.side.sign * target > 0
    less = towards and (_was_small(draft, copy, order, rules) if copy.stage is Stage.FILLED else copy.filled < share)
    if less or (copy.filled > share and not towards and order.status.finished):
        why = "entry missed" if towards else "ours has filled and the leader's has not"
        there = max(0, Side.of(target).sign * excess.expected(draft, copy.symbol))
        tell(draft, copy.symbol, abs(target) - there, target, why, rules)


def of_before(draft: Draft, order: Order, rules: CopyRules) -> None:
    """This order of the leader's has filled. Had he it before copying began, and are we short of him now?"""
    row = draft.book.copies.get(draft.book.placed.get(order.id, LEADERS_OWN))
    symbol = sizing.follower_symbol(order.symbol, rules)
    if (row is not None and row.reason != BEFORE) or rules.shadow or flattening.latched(draft.book, symbol) is not None:
        return
    target = exposure.total_target(draft.book, symbol, rules)
    if sizing.follower_side(order, rules).sign * target > 0:
        there = max(0, Side.of(target).sign * excess.expected(draft, symbol))
        tell(draft, symbol, abs(target) - there, target, BEFORE, rules)


def _was_small(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> bool:
    """Ours has filled whole. Was it smaller than it should have been?

    An entry that he made larger, and ours did not grow. Or the exit of an entry, that is bounded by what we have, and
    has taken him through flat.
    """
    theirs = draft.book.theirs
    if order.status is not Status.FILLED or order.terms is None or theirs is None:
        return False
    if copy.kind is Kind.EXIT:
        return 0 < theirs.position(order.symbol) * order.side.sign <= order.filled
    return copy.kind is Kind.ENTRY and copy.filled < shares.size_of(draft, copy, order, rules).quantity


def done_twice(draft: Draft, copy: Copy, rules: CopyRules) -> None:
    """This order of ours has filled though another was made in its place, or was to: has it taken us out too far?"""
    target = exposure.total_target(draft.book, copy.symbol, rules)
    if not draft.acting or draft.book.held_back() or copy.side.sign * target >= 0:
        return
    coming = sum(exposure.due(draft.book, one) for one in draft.book.in_progress(copy.symbol) if one.kind is Kind.ENTRY)
    there = max(0, Side.of(target).sign * draft.contract(copy.symbol).own) + coming
    why = "an exit that was believed lost was there, and was done twice"
    tell(draft, copy.symbol, abs(target) - there, target, why, rules)


def lost(draft: Draft, copy: Copy, rules: CopyRules) -> None:
    """Mode "fills": this order of ours has ended with less than it asked for, was refused, or is not there.

    No more of what we are short of is missed by it than it has not filled: the rest our own caps have left out.
    """
    target = exposure.total_target(draft.book, copy.symbol, rules)
    if copy.leader_fill_id is None or copy.terms is None or copy.side.sign * target <= 0:
        return
    there = max(0, copy.side.sign * excess.expected(draft, copy.symbol))
    missing = min(abs(target) - there, copy.terms.quantity + copy.earlier - copy.filled)
    exits = copy.kind is Kind.EXIT
    why = "an exit came to nothing, and the leader went on" if exits else "entry missed"
    tell(draft, copy.symbol, missing, target, why, rules)


def tell(draft: Draft, symbol: Symbol, missing: int, target: int, why: str, rules: CopyRules) -> None:
    if missing <= 0 or draft.contract(symbol).no_entry is not None:  # told already, with a reason of its own
        return
    if not openings.is_copied(draft, symbol, rules):
        return
    draft.note(symbol, no_entry=f"short of the leader: {why}, which is not chased; waits until the leader is flat")
    draft.tell(
        "position.drifted",
        f"{symbol}: short by {missing} of {abs(target)} ({why}, not chased)",
        Severity.WARNING,
        remedy="nothing to do: this contract is copied again when the leader is flat in it",
    )
