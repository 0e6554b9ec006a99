"""What others do on a follower's account: by hand, by another program, by the firm.

Rule 1: the human wins: his part of a position is never touched, and while there is one nothing opens in that contract.
Rule 2: what he closes of ours is closed: ours is never more than what the account holds.
"""

from __future__ import annotations

import attrs

from statecharts import exposure
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.values import Order, Symbol


def order_seen(draft: Draft, order: Order, before: Order | None) -> None:
    """An order that no copy of ours has made."""
    moved = order.net - (before.net if before else 0)
    if not moved:
        return
    contract = draft.contract(order.symbol)
    there = contract.own + contract.foreign + moved
    own = exposure.goal(contract.own, there)
    if own != contract.own:
        _closed(draft, order.symbol, contract.own, own)
    contract = draft.note(order.symbol, own=own, foreign=there - own)
    draft.tell(
        "account.quarantined",
        f"somebody else {order.side.value.lower()}s {abs(moved)} {order.symbol} (order {order.id}). "
        f"Ours {contract.own}, theirs {contract.foreign}. Nothing opens in it; we will close only ours",
        Severity.WARNING,
        remedy="nothing to do: it is copied again when the other part is flat",
    )


def _closed(draft: Draft, symbol: Symbol, before: int, own: int) -> None:
    """What a human has closed is not ours any more, and no exit of ours may close it once again."""
    why = f"somebody else closed {abs(before - own)} of ours"
    draft.note(symbol, no_entry=f"{why}; waits until the leader is flat")
    for copy in tuple(draft.book.in_progress(symbol)):
        if not exposure.reduces(copy, before) or copy.terms is None or copy.rest <= abs(own):
            continue
        if own:
            wanted = attrs.evolve(copy.wanted or copy.terms, quantity=copy.filled - copy.earlier + abs(own))
            draft.keep(attrs.evolve(copy, wanted=wanted))
        else:
            draft.keep(attrs.evolve(copy, cancel_wanted=why))
