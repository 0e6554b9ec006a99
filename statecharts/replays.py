"""The past told again: Tradovate pushes the day's events once more around the turn of the session.

Rule 1: what is older than the snapshot never gets this far (daemon/tradovate/past.py): it is known, or over. That it
        came does, because it says that the broker is not done talking of the past.
Rule 2: while it does, and for `quiet` after, the catch-up table waits, and the follower holds.
"""

from __future__ import annotations

from datetime import datetime

from statecharts.draft import Draft
from statecharts.effects import Announce
from statecharts.events import LeaderReplaySeen, ReplaySeen
from statecharts.evolution import evolve
from statecharts.moments import OUT_OF_ORDER
from statecharts.rules import CopyRules


def seen(draft: Draft, event: ReplaySeen) -> None:
    """Something of this account was told again."""
    if draft.book.mine is not None:
        mine = evolve(draft.book.mine, replayed_at=event.at)
        draft.book = evolve(draft.book, mine=mine)


def announce(draft: Draft, event: ReplaySeen) -> None:
    """A leader's followers count on its view."""
    mine = draft.book.mine
    if draft.acting and mine is not None:
        draft.do(Announce(event=LeaderReplaySeen(at=event.at, leader=draft.name, generation=mine.generation)))


def of_leader(draft: Draft, event: LeaderReplaySeen) -> None:
    theirs = draft.book.theirs
    if theirs is not None and theirs.generation == event.generation:
        draft.book = evolve(draft.book, theirs=evolve(theirs, replayed_at=event.at))


def over_at(draft: Draft, rules: CopyRules) -> datetime | None:
    """Until when the catch-up table waits; None when it does not, or has other reasons."""
    if not draft.book.ready_to_catch_up():
        return None
    told = [view.replayed_at for view in (draft.book.mine, draft.book.theirs) if view and view.replayed_at]
    heard = [at for at in told if at <= draft.at + OUT_OF_ORDER]  # later: by a clock that has been set back since
    over = max(heard) + rules.quiet if heard else None
    return over if over is not None and over > draft.at else None
