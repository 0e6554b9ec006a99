"""Terms that no modify can bring about: our order is cancelled, and placed anew as soon as that is confirmed.

Rule 1: cancelled first: two exits of one position at once could turn it round. For as long as one request takes, the
        position is without this order.
Rule 2: the new order has the leader's newest terms and a client order id of its own. Nothing is placed when the
        leader's order, or ours, has come to its end meanwhile.
Rule 3: the broker cancels the other of an OCO with it, and that is placed anew too. They wait for each other as long as
        the broker needs to tell of both.
"""

from __future__ import annotations

from statecharts import attempts, changes, guards, legs
from statecharts.book import LEADERS_OWN, Copy
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.order import Stage

_WITH_ITS_PARTNER = "the broker has cancelled it with its partner, which is placed anew"


def cancelled(draft: Draft, copy: Copy) -> None:
    """Our order is gone: the next one takes its place, where that was what it was cancelled for."""
    if not guards.wanted(draft, copy):
        return
    if copy.renew:
        coming = _take_along(draft, copy)
        attempts.put_back(draft, copy, changes.ANOTHER_ORDER)
        if coming:
            draft.keep(evolve(draft.book.copies[copy.id], ask_after=draft.at + legs.BY_ITSELF))
        return
    partner = _waiting(draft, copy)
    if partner is not None:
        draft.keep(evolve(partner, ask_after=None))
    elif not copy.restore or copy.guards is not None or draft.contract(copy.symbol).close_to is not None:
        return  # or `protection.py` and `closing.py` put it back when it is its time
    attempts.put_back(draft, copy, _WITH_ITS_PARTNER)


def _take_along(draft: Draft, copy: Copy) -> bool:
    """The other of its OCO is wanted again. Answers whether the end of that has yet to show."""
    mate = draft.book.copies.get(copy.mate or LEADERS_OWN)
    if mate is None or mate.cancel_wanted is not None or not guards.wanted(draft, mate):
        return False
    mate = draft.keep(evolve(mate, restore=True))
    if mate.stage is Stage.CANCELED:
        attempts.put_back(draft, mate, _WITH_ITS_PARTNER)
    return mate.open


def _waiting(draft: Draft, copy: Copy) -> Copy | None:
    """The partner of this copy that has been renewed, and is yet to be placed."""
    theirs = draft.book.leaders_order(copy)
    number = draft.book.placed.get(theirs.oco_id) if theirs is not None and theirs.oco_id is not None else None
    partner = draft.book.copies.get(number or LEADERS_OWN)
    waits = partner is not None and partner.stage is Stage.HELD and partner.reason == changes.ANOTHER_ORDER
    return partner if waits else None
