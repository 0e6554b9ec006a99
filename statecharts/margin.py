"""A follower that lacks margin.

Rule 1: an entry that is refused for margin is a refused entry like any other.
Rule 2: the second one in a row pauses the follower's entries until the operator resumes it, and is told. In a row means
        that no entry has gone to work in between.
"""

from __future__ import annotations

from statecharts.bars import Bar
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve

IN_A_ROW = 2


def entry_refused(draft: Draft, why: str) -> None:
    refusals = draft.book.margin_refusals + 1
    draft.book = evolve(draft.book, margin_refusals=refusals)
    if refusals < IN_A_ROW or not draft.bar(Bar.MARGIN, f"the account lacks margin: {why}"):
        return
    draft.tell(
        "copy.failed",
        f"{refusals} entries in a row were refused for margin ({why}). Nothing opens on this account; exits go",
        Severity.WARNING,
        reason=why,
        remedy="make room on the account, or a smaller ratio. Then: copierctl resume ACCOUNT",
    )


def entry_works(draft: Draft) -> None:
    if draft.book.margin_refusals:
        draft.book = evolve(draft.book, margin_refusals=0)
