"""What a leader does: it says what it sees, with the generation of the snapshot that it stands on.

Rule 1: a leader announces facts, never decisions; each follower decides for itself.
Rule 2: nothing is announced before the leader has been read anew; then its whole view is, and every change after it.
"""

from __future__ import annotations

from statecharts import states as s
from statecharts.draft import Draft
from statecharts.effects import Announce, Severity
from statecharts.events import Event, LeaderLost, LeaderOrderSeen, LeaderViewTaken, OrderSeen, ReconnectAsked


def order_seen(draft: Draft, event: OrderSeen) -> None:
    mine = draft.book.mine
    if draft.acting and mine is not None:
        first, *beside = (mine.orders[order.id] for order in event.orders)
        draft.do(
            Announce(
                event=LeaderOrderSeen(
                    at=event.at, leader=draft.name, order=first, generation=mine.generation, beside=tuple(beside)
                )
            )
        )


def read_anew(draft: Draft) -> None:
    mine = draft.book.mine
    assert mine is not None, "a view is announced after the snapshot that it comes from"
    draft.do(Announce(event=LeaderViewTaken(at=draft.at, leader=draft.name, view=mine)))
    draft.tell("leader.back", f"leader {draft.name} is read anew; its followers compare themselves with it")


def lost(draft: Draft, event: Event, state: s.State) -> None:
    """It was Connected, and is not any more."""
    expected = state.cause is s.Cause.MAINTENANCE or isinstance(event, ReconnectAsked)
    reason = _say_away(draft, event, state)
    draft.tell(
        "leader.lost",
        f"LEADER {draft.name} LOST {event.at:%H:%M:%S} UTC ({reason}). Its followers hold: nothing opens, their orders "
        "stay at the broker",
        Severity.INFO if expected else Severity.WARNING,
        reason=reason,
    )


def still_away(draft: Draft, event: Event, before: s.State, after: s.State) -> None:
    """It is away, and has become expected, in a maintenance window, or is it no longer: its followers count on it."""
    was, expected = (state.cause is s.Cause.MAINTENANCE for state in (before, after))
    if was is expected:
        return
    reason = _say_away(draft, event, after)
    if was:
        draft.tell(
            "leader.lost",
            f"LEADER {draft.name} STILL AWAY {event.at:%H:%M:%S} UTC, after the maintenance window ({reason}). "
            "Its followers hold",
            reason=reason,  # no alarm of its own: that the connection outlives the window has been told
        )


def _say_away(draft: Draft, event: Event, state: s.State) -> str:
    reason = state.reason or "its connection ended"
    away = LeaderLost(at=event.at, leader=draft.name, reason=reason, shown=state.shown, cause=state.cause)
    draft.do(Announce(event=away))
    return reason
