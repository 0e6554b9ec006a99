"""What we lack of the leader's: told once, and never chased. The contract waits until the leader is flat in it.

Rule 1: an order of ours has ended with less than the leader's order has filled, and we are short of his position: an
        entry, or the part of a reversal beyond flat, was missed. A restart decides the same (`catch_up.py`).
Rule 2: what our own caps, rounding or the operator leave out is not missed.
"""

from __future__ import annotations

from statecharts import exposure, flattening
from statecharts.book import Copy
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.values import Order, Side, Symbol

_ENDED = frozenset({Stage.CANCELED, Stage.EXPIRED})  # what was skipped or refused was told then


def look(draft: Draft, copy: Copy, order: Order | None, rules: CopyRules) -> None:
    """Our copy of this order of the leader's has come to its end, or his goes on filling after that."""
    if rules.mode != "orders" or not draft.acting or draft.book.held_back():
        return  # the catch-up table looks at it
    if copy.stage not in _ENDED or order is None or flattening.latched(draft.book, copy.symbol) is not None:
        return
    target = exposure.total_target(draft.book, copy.symbol, rules)
    if exposure.share(copy, order) > copy.filled and copy.side.sign * target > 0:
        tell(draft, copy.symbol, target - exposure.goal(draft.contract(copy.symbol).own, target), target)


def tell(draft: Draft, symbol: Symbol, lacking: int, target: int) -> None:
    """`lacking` of our target are not ours; what is on its way does not lack."""
    missing = abs(lacking) - exposure.coming(draft.book, symbol, Side.of(target))
    if missing <= 0 or draft.contract(symbol).no_entry is not None:  # told already, with a reason of its own
        return
    draft.note(symbol, no_entry="short of the leader: a missed entry is not chased; waits until the leader is flat")
    draft.tell(
        "position.drifted",
        f"{symbol}: short by {missing} of {abs(target)} (entry missed, not chased)",
        Severity.WARNING,
        remedy="nothing to do: this contract is copied again when the leader is flat in it",
    )
