"""The circuit breaker: a follower that places orders as no leader does, or whose book is impossible, only closes.

Rule 1: more than `runaway.orders` placements within `runaway.per` for one follower trip it; so does a broken invariant
        (`monitor.py`).
Rule 2: it bars openings alone, until the operator resumes. Closings are never blocked by it, and they count too.
Rule 3: what counts are placements by their time in the book: a restart forgets none.
"""

from __future__ import annotations

from statecharts.bars import Bar
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve
from statecharts.rules import CopyRules


def placed(draft: Draft, rules: CopyRules) -> None:
    """An order is about to be placed."""
    runaway = rules.runaway
    since = draft.at - runaway.per
    recent = (*[at for at in draft.book.placements if at > since], draft.at)
    draft.book = evolve(draft.book, placements=recent[-runaway.orders - 1 :])
    if len(recent) > runaway.orders:
        seconds = runaway.per.total_seconds()
        trip(draft, f"{len(recent)} orders within {seconds:g} s are more than any leader makes (runaway)")


def trip(draft: Draft, why: str) -> None:
    """From now on it only closes. Told once."""
    if draft.bar(Bar.RUNAWAY, f"close-only: {why}"):
        draft.tell(
            "copy.failed",
            f"CLOSE-ONLY: {why}. Nothing opens on this account any more; its exits go",
            Severity.PAGE,
            reason=why,
            remedy="look at the orders of this account, and at the leader's. Then: copierctl resume ACCOUNT",
        )
