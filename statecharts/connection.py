"""THE TABLE of an account's connection.

Theory of operation. An account is always in one leaf of `states.py`. While it holds a session (Dialing, Resyncing,
Copying) it has a lease on its login's one socket. A loss leads to BackingOff, whose timer leads back to Dialing; every
wait is longer than the last, up to a limit. Inside a maintenance window of the broker a loss leads to Maintenance
instead, which burns no attempt. After `give_up_after` without success the account is GivenUp: shown as Disconnected,
still probing slowly. A refused credential leads to Unauthorized and is never retried by itself. Copying is entered from
Resyncing alone, with the account just read anew.

Rule 1: this file does not know whether it serves a leader or a follower.
Rule 2: it has no clock and no dice. Events carry their time; `delay` answers bounds, the daemon rolls within them.
Rule 3: a row answers with the next state; the same object means "stay", and what runs in the state goes on running.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from statecharts import events as e
from statecharts import states as s
from statecharts.chart import Chart, Row
from statecharts.effects import Effect, Severity, Tell
from statecharts.rules import ReconnectRules

HELD_LONG_ENOUGH = timedelta(minutes=1)  # in Copying: only then are earlier failed attempts forgotten
EVICTED_TRIES = 3  # another session of this user wins: fighting it would evict the human

Then = Callable[[Any, Any, ReconnectRules], s.State]


def _stay(state: s.State, event: e.Event, rules: ReconnectRules) -> s.State:
    return state


def _dial_first(state: s.State, event: e.Event, rules: ReconnectRules) -> s.State:
    return s.Dialing(since=event.at)


def _start(state: s.Stopped, event: e.Started, rules: ReconnectRules) -> s.State:
    """What the operator has disconnected, and what a bug has stopped, stays so through a restart of the daemon."""
    return state if state.cause in (s.Cause.OPERATOR, s.Cause.BUG) else _dial_first(state, event, rules)


def _dial(state: s.Reconnecting, event: e.Event, rules: ReconnectRules) -> s.State:
    return s.Dialing(since=state.since, **_why(state), **_tries(state))


def _why(told: s.State | e.SessionLost) -> dict[str, Any]:
    return {"reason": told.reason, "cause": told.cause, "advice": told.advice}


def _tries(state: s.Reconnecting | s.Copying) -> dict[str, Any]:
    return {"attempt": state.attempt, "evictions": state.evictions}


def _dial_or_give_up(state: s.BackingOff, event: e.TimerFired, rules: ReconnectRules) -> s.State:
    inside = rules.windows is not None and rules.windows.end_of(event.at) is not None
    if event.at - state.since >= rules.give_up_after and not inside:
        return s.GivenUp(since=event.at, lost_at=state.since, **_why(state))
    return _dial(state, event, rules)


def _dial_again(state: s.GivenUp, event: e.SessionFound, rules: ReconnectRules) -> s.State:
    # The outage goes on counting: when this dial fails too, the account is GivenUp again at once.
    return s.Dialing(since=state.lost_at, **_why(state))


def _window_over(state: s.Maintenance, event: e.Event, rules: ReconnectRules) -> s.State:
    # Time in a window never counts: the outage begins anew, also when a probe ends the wait before the window does.
    return s.Dialing(since=event.at, **_why(state))


def _authorized(state: s.Dialing, event: e.Authorized, rules: ReconnectRules) -> s.State:
    return s.Resyncing(since=state.since, **_why(state), **_tries(state))


def _read_again(state: s.Copying, event: e.ReconnectAsked, rules: ReconnectRules) -> s.State:
    return s.Resyncing(since=event.at, reason="reading the account again", cause=s.Cause.OPERATOR, **_tries(state))


def _resynced(state: s.Resyncing, event: e.SnapshotTaken, rules: ReconnectRules) -> s.State:
    return s.Copying(since=event.at, **_tries(state))


def _lost_while_copying(state: s.Copying, event: e.SessionLost, rules: ReconnectRules) -> s.State:
    held = event.at - state.since >= HELD_LONG_ENOUGH
    return _lost(s.Dialing(since=event.at, **({} if held else _tries(state))), event, rules)


def _lost(state: s.Reconnecting, event: e.SessionLost, rules: ReconnectRules) -> s.State:
    evictions = state.evictions + (event.cause is s.Cause.EVICTED)
    if evictions > EVICTED_TRIES and not rules.retake:
        return s.Stopped(since=event.at, **_why(event))
    until = rules.windows.end_of(event.at) if rules.windows else None
    if until is not None and event.cause is not s.Cause.EVICTED:
        return s.Maintenance(
            since=state.since,
            attempt=state.attempt,
            evictions=evictions,
            until=until,
            reason=f"the broker's maintenance window ({event.reason})",
            cause=s.Cause.MAINTENANCE,
        )
    attempt = state.attempt + 1
    if event.at - state.since >= rules.give_up_after:
        return s.GivenUp(since=event.at, lost_at=state.since, **_why(event))
    return s.BackingOff(since=state.since, attempt=attempt, evictions=evictions, **_why(event))


def _refused(state: s.State, event: e.TokenRefused, rules: ReconnectRules) -> s.State:
    return s.Unauthorized(since=event.at, reason=event.reason, cause=s.Cause.CREDENTIALS)


def _missing(state: s.State, event: e.AccountMissing, rules: ReconnectRules) -> s.State:
    return s.Stopped(since=event.at, reason=event.reason, cause=s.Cause.CREDENTIALS)


def _stop(state: s.State, event: e.DisconnectAsked, rules: ReconnectRules) -> s.State:
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
    Row(s.Maintenance,   e.TimerFired,       _window_over),
    Row(s.Maintenance,   e.SessionFound,     _window_over),
    Row(s.Maintenance,   e.ReconnectAsked,   _window_over),
    Row(s.Dialing,       e.Authorized,       _authorized),
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


def step(state: s.State, event: e.Event, rules: ReconnectRules) -> s.State | None:
    """The state after `event`; None when the table has no row for it. Total: never raises."""
    row = CHART.find(type(state).__mro__, type(event).__mro__)
    return None if row is None else row.then(state, event, rules)


def delay(state: s.BackingOff, rules: ReconnectRules, in_position: bool) -> tuple[timedelta, timedelta]:
    """Bounds of the wait before this attempt: between d and 2d, d = first_delay x 2^(attempt - 1).

    2d is at most `longest_delay`, or `in_position_delay` while an account of the login holds a position.
    """
    if state.cause is s.Cause.EVICTED and not rules.retake:
        return rules.evicted_delay, rules.evicted_delay * 2
    longest = min(rules.longest_delay, rules.in_position_delay) if in_position else rules.longest_delay
    doubled = min(state.attempt, 30)  # a bound for the arithmetic, far beyond the longest delay
    upper = min(rules.first_delay * 2**doubled, longest)
    return upper / 2, upper


def told(before: s.State, after: s.State, event: e.Event) -> tuple[Effect, ...]:
    """What the operator hears of a change of state."""
    if isinstance(after, s.Copying) and not isinstance(before, s.Copying):
        message = f"Connected {event.at:%H:%M:%S} UTC: read anew, copying"
        return (Tell(event="connection.fixed", message=message, reason=before.reason),)
    if isinstance(after, s.Unauthorized):
        return (
            Tell(
                event="token.refused",
                message=f"TOKEN EXPIRED {event.at:%H:%M:%S} UTC: {after.reason}. It is not asked again by itself",
                severity=Severity.WARNING,
                reason=after.reason,
                remedy=remedy(after),
            ),
        )
    if isinstance(after, (s.Stopped, s.GivenUp)) or (
        isinstance(before, s.Copying) and not isinstance(after, s.Copying)
    ):
        quiet = after.cause in (s.Cause.OPERATOR, s.Cause.MAINTENANCE)
        return (
            Tell(
                event="connection.broken",
                message=_broken(after, event),
                severity=Severity.INFO if quiet else Severity.WARNING,
                reason=after.reason,
                remedy=remedy(after),
            ),
        )
    return ()


def _broken(after: s.State, event: e.Event) -> str:
    moment = f"{event.at:%H:%M:%S} UTC"
    match after:
        case s.Stopped():
            return f"DISCONNECTED {moment}: {after.reason}. Nothing is copied; its orders stay at the broker"
        case s.GivenUp():
            lost = f"no connection since {after.lost_at:%H:%M:%S} UTC"
            return f"DISCONNECTED {moment}: {lost} ({after.reason}). Nothing is copied; its orders stay at the broker"
        case _ if after.cause is s.Cause.EVICTED:
            return f"another login took the session {moment} ({after.reason}). Waiting, not fighting"
        case _ if after.cause is s.Cause.OPERATOR:
            return f"{after.shown} {moment}: {after.reason}"
    return f"connection lost {moment} ({after.reason}). Nothing is copied meanwhile; its orders stay at the broker"


def remedy(state: s.State) -> str | None:
    """What the operator can do about it, as a sentence; None when all is well."""
    if isinstance(state, s.Connected):
        return None
    if state.advice is not None:
        return state.advice
    if isinstance(state, s.Unauthorized):
        return "correct the login's credential where it is wrong, then: copierctl authorize LOGIN"
    if state.cause is s.Cause.EVICTED:
        return "log out of Tradovate there, then: copierctl reconnect --login LOGIN"
    if isinstance(state, s.Stopped):
        return "when the reason is mended: copierctl reconnect ACCOUNT"
    if isinstance(state, s.GivenUp):
        return "nothing to do when the broker or the network is down: it is probed until it answers"
    return "nothing to do: retrying"


def forgiven(state: s.State) -> s.State:
    """The state in which a saved account is loaded: nothing runs yet. What was stopped for good is loaded stopped."""
    if isinstance(state, s.Stopped) and state.cause is not None:
        return state
    return s.Stopped(since=state.since, reason="not started yet")
