"""What a follower does while its leader is not Connected.

Rule 1: it holds: nothing opens (`Book.held_back`), and its orders stay at the broker.
Rule 2: with on_leader_lost = flatten, what is ours is closed when the leader has been away for leader_lost_after. The
        moment of the loss is in the book, so it counts through a restart; his return before that ends it.
Rule 3: time inside a maintenance window, where the loss is expected, never counts.
Rule 4: when he is back nothing is paused: each contract waits until he is flat in it.
Rule 5: a follower that was away itself gives its leader a moment to come back too: one outage is often everybody's.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from statecharts import calendar, flattening
from statecharts.book import LEADERS_OWN, FlattenedBy
from statecharts.draft import Draft
from statecharts.events import LeaderLost, LeaderViewTaken
from statecharts.evolution import evolve
from statecharts.rules import CopyRules
from statecharts.states import Cause
from statecharts.values import OrderId
from statecharts.view import View

BACK_TOGETHER = timedelta(seconds=30)  # a network that is back brings the logins back one after the other


def started(draft: Draft) -> None:
    """A new process: what the last one knew of the leader is history until he has been read anew."""
    _away(draft, draft.book.leader_lost_at or draft.at)


def lost(draft: Draft, event: LeaderLost) -> None:
    expected = event.cause is Cause.MAINTENANCE
    _away(draft, None if expected else draft.book.leader_lost_at or event.at)


def _away(draft: Draft, since: datetime | None) -> None:
    theirs = draft.book.theirs
    if theirs is not None:
        theirs = evolve(theirs, current=False)
    draft.book = evolve(draft.book, theirs=theirs, leader_lost_at=since)


def over(draft: Draft, event: LeaderViewTaken, rules: CopyRules) -> None:
    """The leader has been read anew."""
    unlisted = frozenset(_unlisted(draft, event.view))
    draft.book = evolve(draft.book, theirs=event.view, leader_lost_at=None, unlisted=unlisted)
    flattening.lift(draft, FlattenedBy.LEADER_LOST, rules)


def _unlisted(draft: Draft, view: View) -> Iterator[OrderId]:
    """What still worked of his and is not in his lists now, where these may be empty because its market is closed."""
    book = draft.book
    before = [order.id for order in book.theirs.alive] if book.theirs is not None else []
    for number in {*before, *book.unlisted} - view.orders.keys():
        row = book.copies.get(book.placed.get(number, LEADERS_OWN))
        if row is not None and calendar.wakes_at(draft, row.symbol, calendar.LISTED_AGAIN) is not None:
            yield number


def listed_again_by(draft: Draft) -> Iterator[datetime]:
    """When what of ours stands for such an order need not wait any more for it."""
    for number in draft.book.unlisted:
        row = draft.book.copies[draft.book.placed[number]]
        until = calendar.wakes_at(draft, row.symbol, calendar.LISTED_AGAIN)
        if until is not None:
            yield until


def returned(draft: Draft, rules: CopyRules) -> None:
    """This account has been read: if it could not act when it should have, the leader may be on his way as well."""
    lost_at = draft.book.leader_lost_at
    if lost_at is not None and not _latched(draft):
        soon = draft.at + BACK_TOGETHER - rules.leader_lost_after
        draft.book = evolve(draft.book, leader_lost_at=max(lost_at, soon))


def deadline(draft: Draft, rules: CopyRules) -> datetime | None:
    """When what is ours is closed because the leader is away; None when it is not, or is being closed already."""
    lost_at = draft.book.leader_lost_at
    if lost_at is None or not rules.flatten_when_leader_lost or _latched(draft):
        return None
    ours = any(contract.own for contract in draft.book.contracts.values()) or any(draft.book.open.values())
    return lost_at + rules.leader_lost_after if ours else None


def pursue(draft: Draft, rules: CopyRules) -> None:
    """Closes what is ours when the time has come. Only while Copying."""
    if not rules.flatten_when_leader_lost:
        if draft.book.latches:
            flattening.lift(draft, FlattenedBy.LEADER_LOST, rules)
        return
    due = deadline(draft, rules)
    if due is not None and due <= draft.at:
        assert draft.book.leader_lost_at is not None, "a deadline has its beginning"
        minutes = (draft.at - draft.book.leader_lost_at) / timedelta(minutes=1)
        flattening.ask(draft, FlattenedBy.LEADER_LOST, f"leader {rules.leader} has been away for {minutes:.0f} min")


def _latched(draft: Draft) -> bool:
    return flattening.by_whom(draft.book, FlattenedBy.LEADER_LOST) is not None
