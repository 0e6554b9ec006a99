"""What a shadow would change: decided and recorded as if it were sent.

Rule 1: the leader's change or cancel of an order that a shadow has copied is a row of its own, as on an account that
        trades. Nothing is ever sent, and nothing is known of what would have filled.
Rule 2: what the broker would end by itself has no row: what expires, and the partner of an exit that has filled.
"""

from __future__ import annotations

from statecharts import changes, terms
from statecharts.book import Copy, Verb
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.order import Stage
from statecharts.values import Order, Status

WHY = "shadow: decided and recorded, not sent"


def ended(draft: Draft, copy: Copy, order: Order) -> None:
    """The leader's order has ended, of which this shadow is the copy."""
    if order.status in (Status.CANCELED, Status.REJECTED) and not _ends_by_itself(draft, order):
        record(draft, evolve(copy, cancel_wanted=f"the leader's order is {order.status.value.lower()}"))


def _ends_by_itself(draft: Draft, order: Order) -> bool:
    theirs = draft.book.theirs
    partner = theirs.orders.get(order.oco_id) if theirs is not None and order.oco_id is not None else None
    return partner is not None and partner.filled > 0


def record(draft: Draft, copy: Copy) -> None:
    """The row for what this copy wants. It wants it no more; a copy that would be cancelled stays so."""
    assert copy.terms is not None, "what was decided has its terms"
    then = copy
    if copy.cancel_wanted is not None:
        change = changes.row(draft, copy, Verb.CANCEL, copy.cancel_wanted, copy.terms)
        if copy.renew and copy.wanted is not None:  # and then another order, in its place
            then = evolve(copy, terms=copy.wanted, cancel_wanted=None, renew=False)
    elif copy.wanted is None or terms.same(copy.wanted, copy.terms):
        draft.keep(copy)
        return
    else:
        newest = terms.restated(copy.terms, copy.wanted)
        change = changes.row(draft, copy, Verb.MODIFY, WHY, newest)
        then = evolve(copy, terms=newest)
    draft.keep(evolve(then, wanted=None, changes=copy.changes + 1))
    draft.keep(evolve(change, stage=Stage.SHADOWED))
