"""Terms that no modify can bring about: our order is cancelled, and placed anew as soon as that is confirmed.

Rule 1: cancelled first: two exits of one position at once could turn it round. For as long as one request takes, the
        position is without this order.
Rule 2: the new order has the leader's newest terms and a client order id of its own. Nothing is placed when the
        leader's order, or ours, has come to its end meanwhile.
"""

from __future__ import annotations

from statecharts import changes, closing, follower
from statecharts.book import Copy
from statecharts.draft import Draft


def cancelled(draft: Draft, copy: Copy) -> None:
    """Our order is gone, as was asked for: the next one takes its place."""
    theirs = follower.leaders(draft, copy)
    if copy.renew and theirs is not None and theirs.rest:
        closing.put_back(draft, copy, changes.ANOTHER_ORDER)
