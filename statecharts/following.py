"""Whom a follower follows, and as whom: another leader, another broker account, another mode, or nobody any more.

Rule 1: then copying begins anew, with the baseline: what the leader has is his own affair until he is flat.
Rule 2: what belonged to the former leader is forgotten, but not what has been copied of him: that is done.
Rule 3: what is ours stays ours, and nothing is traded by it. The daemon lets nobody change this while the follower owns
        something (daemon/reloading.py).
"""

from __future__ import annotations

from statecharts.book import LEADERS_OWN, Book, FlattenedBy
from statecharts.draft import Draft
from statecharts.events import FollowsAnew
from statecharts.evolution import evolve


def anew(draft: Draft, event: FollowsAnew) -> None:
    if event.elsewhere:  # nothing that is known of the former account is true of this one
        draft.book = Book()
        return
    book = draft.book
    draft.book = evolve(
        book,
        theirs=None,
        unlisted=frozenset(),
        caught_up=None,
        placed=dict.fromkeys(book.placed, LEADERS_OWN),
        executions=dict.fromkeys(book.executions, LEADERS_OWN),
        leader_lost_at=None,
        contracts={
            symbol: evolve(contract, no_entry=None, left=False, due=False, guarded=())
            for symbol, contract in book.contracts.items()
        },
        latches=tuple(latch for latch in book.latches if latch.by is not FlattenedBy.LEADER_LOST),
    )
