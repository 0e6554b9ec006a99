"""THE TABLE of an account's connection.

Theory of operation. An account is always in one leaf of `states.py`. While it holds a session (Dialing, Resyncing,
Copying) it has a lease on its login's one socket. A loss leads to BackingOff, whose timer leads back to Dialing; every
wait is longer than the last, up to a limit. Inside a closure, of the broker's platform or of all markets that the
account follows, a loss leads to Maintenance instead, which burns no attempt; what outlives the closure is an ordinary
outage from its end on. After `give_up_after` without success the account is GivenUp: shown as Disconnected, still
probing slowly; but where another session of this user has won it is Stopped, because a probe would end that one.
A refused credential leads to Unauthorized and is never retried by itself. Copying is entered from Resyncing alone, with
the account just read anew.

Rule 1: this file does not know whether it serves a leader or a follower.
Rule 2: it has no clock and no dice. Events carry their time; `delay` answers bounds, the daemon rolls within them.
Rule 3: a row answers with the next state; the same object means "stay", and what runs in the state goes on running.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import attrs

from statecharts import events as e
from statecharts import reopening
from statecharts import states as s
from statecharts.chart import Chart, Row
from statecharts.closures import Closure
from statecharts.evolution import evolve
from statecharts.rules import ReconnectRules

HELD_LONG_ENOUGH = timedelta(minutes=1)  # in Copying: only then are earlier failed attempts forgotten
HELD_ALONE = timedelta(hours=1)  # in Copying: only then are earlier evictions forgotten
EVICTED_TRIES = 3  # another session of this user wins: fighting it would evict the human

# Losses that a closure does not explain: they are told, and dialed about, as at any other time.
_UNEXPLAINED = (s.Cause.EVICTED, s.Cause.BUG, s.Cause.OPERATOR)


@attrs.frozen
class Surroundings:
    """What counts beside state and event. `closure`: the one in which the event happens."""

    rules: ReconnectRules
    closure: Closure | None = None


Then = Callable[[Any, Any, Surroundings], s.State]


def _stay(state: s.State, event: e.Event, around: Surroundings) -> s.State:
    return state


def _dial_first(state: s.State, event: e.Event, around: Surroundings) -> s.State:
    return s.Dialing(since=event.at)


def _start(state: s.Stopped, event: e.Started, around: Surroundings) -> s.State:
    """What the operator has disconnected, and what a bug has stopped, stays so through a restart of the daemon."""
    return state if state.cause in (s.Cause.OPERATOR, s.Cause.BUG) else _dial_first(state, event, around)


def _dial(state: s.Reconnecting, event: e.Event, around: Surroundings) -> s.State:
    return s.Dialing(since=state.since, reopens=state.reopens, **_why(state), **_tries(state))


def _why(told: s.State | e.SessionLost) -> dict[str, Any]:
    return {"reason": told.reason, "cause": told.cause, "advice": told.advice}


def _tries(state: s.Reconnecting | s.Copying) -> dict[str, Any]:
    return {"attempt": state.attempt, "evictions": state.evictions}


def _dial_or_give_up(state: s.BackingOff, event: e.TimerFired, around: Surroundings) -> s.State:
    if around.closure is not None and _explained(state):
        return _wait_for(around.closure, state, state.reason)
    if event.at - state.since >= around.rules.give_up_after:
        return _give_up(event, state.since, state, state.evictions, around)
    return _dial(state, event, around)


def _give_up(
    event: e.Event, lost_at: datetime, why: s.State | e.SessionLost, evictions: int, around: Surroundings
) -> s.State:
    if why.cause is s.Cause.EVICTED and not around.rules.retake:
        return s.Stopped(since=event.at, **_why(why))  # a probe is answered, and the dial would evict the human
    return s.GivenUp(since=event.at, lost_at=lost_at, evictions=evictions, **_why(why))


def _dial_again(state: s.GivenUp, event: e.SessionFound, around: Surroundings) -> s.State:
    # The outage goes on counting: when this dial fails too, the account is GivenUp again at once.
    return s.Dialing(since=state.lost_at, evictions=state.evictions, **_why(state))


def _found(state: s.Maintenance, event: e.Event, around: Surroundings) -> s.State:
    return s.Dialing(since=state.since, evictions=state.evictions, reopens=state.until, **_why(state))


def _closure_over(state: s.Maintenance, event: e.TimerFired, around: Surroundings) -> s.State:
    if event.at < state.until + reopening.LATE:
        return _found(state, event, around)
    return s.BackingOff(
        since=state.until, attempt=1, evictions=state.evictions, reopens=state.until, **_not_back(state)
    )


def _late(state: s.Dialing | s.Resyncing, event: e.TimerFired, around: Surroundings) -> s.State:
    late = reopening.late_at(state)
    if late is None or event.at < late:
        return state
    return evolve(state, since=late - reopening.LATE, **_not_back(state))


def _not_back(state: s.Reconnecting) -> dict[str, Any]:
    return {"reason": f"{state.reason}; it is over, and nobody answers", "cause": s.Cause.BROKER}


def _explained(loss: s.State | e.SessionLost) -> bool:
    """May a closure be all that there is behind it?"""
    return loss.cause not in _UNEXPLAINED and loss.advice is None


def _wait_for(closure: Closure, state: s.Reconnecting, reason: str | None) -> s.State:
    return s.Maintenance(
        since=state.since,
        attempt=state.attempt,
        evictions=state.evictions,
        until=closure.until,
        reason=f"{closure.why} ({reason})",
        cause=s.Cause.MAINTENANCE,
    )


def _authorized(state: s.Dialing, event: e.Authorized, around: Surroundings) -> s.State:
    return s.Resyncing(since=state.since, reopens=state.reopens, **_why(state), **_tries(state))


def _read_again(state: s.Copying, event: e.ReconnectAsked, around: Surroundings) -> s.State:
    return s.Resyncing(since=event.at, reason="reading the account again", cause=s.Cause.OPERATOR, **_tries(state))


def _resynced(state: s.Resyncing, event: e.SnapshotTaken, around: Surroundings) -> s.State:
    return s.Copying(since=event.at, **_tries(state))


def _lost_while_copying(state: s.Copying, event: e.SessionLost, around: Surroundings) -> s.State:
    held = event.at - state.since
    attempt = 0 if held >= HELD_LONG_ENOUGH else state.attempt
    evictions = 0 if held >= HELD_ALONE else state.evictions
    return _lost(s.Dialing(since=event.at, attempt=attempt, evictions=evictions), event, around)


def _lost(state: s.Reconnecting, event: e.SessionLost, around: Surroundings) -> s.State:
    evictions = state.evictions + (event.cause is s.Cause.EVICTED)
    if evictions > EVICTED_TRIES and not around.rules.retake:
        return s.Stopped(since=event.at, **_why(event))
    closure, late = around.closure, reopening.late_at(state)
    if closure is None and late is not None and event.at < late:
        closure = Closure(late - reopening.LATE, "it has only just reopened")
    if closure is not None and _explained(event):
        return _wait_for(closure, evolve(state, evictions=evictions), event.reason)
    # Time in a closure never counts: what outlives it counts from its end.
    since = state.since if late is None else min(event.at, late - reopening.LATE)
    if event.at - since >= around.rules.give_up_after:
        return _give_up(event, since, event, evictions, around)
    return s.BackingOff(
        since=since, attempt=state.attempt + 1, evictions=evictions, reopens=state.reopens, **_why(event)
    )


def _refused(state: s.State, event: e.TokenRefused, around: Surroundings) -> s.State:
    return s.Unauthorized(since=event.at, reason=event.reason, cause=s.Cause.CREDENTIALS)


def _missing(state: s.State, event: e.AccountMissing, around: Surroundings) -> s.State:
    return s.Stopped(since=event.at, reason=event.reason, cause=s.Cause.CREDENTIALS)


def _stop(state: s.State, event: e.DisconnectAsked, around: Surroundings) -> s.State:
    return s.Stopped(since=event.at, reason="disconnected by the operator", cause=s.Cause.OPERATOR)


CHART: Chart[Then] = Chart.build(
    # in this state      on this event       what follows
    Row(s.Stopped,       e.Started,          _start),
    Row(s.Stopped,       e.ReconnectAsked,   _dial_first),
    Row(s.Stopped,       e.DisconnectAsked,  _stay),
    Row(s.Unauthorized,  e.Reauthorized,     _dial_first),
    Row(s.Unauthorized,  e.ReconnectAsked,   _dial_first),
    Row(s.GivenUp,       e.SessionFound,     _dial_again),
    Row(s.GivenUp,       e.ReconnectAsked,   _dial_first),
    Row(s.BackingOff,    e.TimerFired,       _dial_or_give_up),
    Row(s.BackingOff,    e.SessionFound,     _dial),
    Row(s.BackingOff,    e.ReconnectAsked,   _dial),
    Row(s.Maintenance,   e.TimerFired,       _closure_over),
    Row(s.Maintenance,   e.SessionFound,     _found),
    Row(s.Maintenance,   e.ReconnectAsked,   _found),
    Row(s.Dialing,       e.Authorized,       _authorized),
    Row(s.Dialing,       e.TimerFired,       _late),
    Row(s.Resyncing,     e.TimerFired,       _late),
    Row(s.Resyncing,     e.SnapshotTaken,    _resynced),
    Row(s.Copying,       e.SnapshotTaken,    _stay),
    Row(s.Copying,       e.SessionLost,      _lost_while_copying),
    Row(s.Copying,       e.ReconnectAsked,   _read_again),
    Row(s.HoldsSession,  e.SessionLost,      _lost),
    Row(s.HoldsSession,  e.TokenRefused,     _refused),
    Row(s.HoldsSession,  e.AccountMissing,   _missing),
    Row(s.HoldsSession,  e.SessionFound,     _stay),
    # An operator in a hurry must not make a second socket: the dial under way is the one.
    Row(s.HoldsSession,  e.ReconnectAsked,   _stay),
    Row(s.State,         e.Reauthorized,     _stay),
    Row(s.State,         e.DisconnectAsked,  _stop),
)  # fmt: skip

EVENTS: tuple[type[e.Event], ...] = tuple(dict.fromkeys(row.event for row in CHART.rows if isinstance(row.event, type)))


def step(state: s.State, event: e.Event, rules: ReconnectRules, closure: Closure | None = None) -> s.State | None:
    """The state after `event`, which happens in that closure; None when the table has no row for it.

    Total: never raises.
    """
    row = CHART.find(type(state).__mro__, type(event).__mro__)
    return None if row is None else row.then(state, event, Surroundings(rules, closure))


def delay(
    state: s.BackingOff, rules: ReconnectRules, in_position: bool, at: datetime | None = None
) -> tuple[timedelta, timedelta]:
    """Bounds of the wait before this attempt: between d and 2d, d = first_delay x 2^(attempt - 1).

    2d is at most `longest_delay`, or `in_position_delay` while an account of the login holds a position. It is less
    while, `at` this moment, what the account waits for has just reopened.
    """
    if state.cause is s.Cause.EVICTED and not rules.retake:
        return rules.evicted_delay, rules.evicted_delay * 2
    longest = min(rules.longest_delay, rules.in_position_delay) if in_position else rules.longest_delay
    if at is not None and reopening.hurried(state, at):
        longest = min(longest, reopening.LONGEST)
    doubled = min(state.attempt, 30)  # a bound for the arithmetic, far beyond the longest delay
    upper = min(rules.first_delay * 2**doubled, longest)
    return upper / 2, upper


def forgiven(state: s.State) -> s.State:
    """The state in which a saved account is loaded: nothing runs yet. What was stopped for good is loaded stopped."""
    if isinstance(state, s.Stopped) and state.cause is not None:
        return state
    return s.Stopped(since=state.since, reason="not started yet")
