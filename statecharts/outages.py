"""What the operator hears of an account's outages, and what he can do about one.

Rule: a loss is told once, its end once; in between only what outlives its closure, or is given up.
"""

from __future__ import annotations

from statecharts import events as e
from statecharts import reopening
from statecharts import states as s
from statecharts.effects import Effect, Severity, Tell


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
    outlived = reopening.late_at(before) is not None and reopening.late_at(after) is None
    if (
        isinstance(after, (s.Stopped, s.GivenUp))
        or (isinstance(before, s.Copying) and not isinstance(after, s.Copying))
        or (outlived and isinstance(after, s.Reconnecting))
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
        case s.Reconnecting(reopens=reopens) if reopens is not None and after.cause is not s.Cause.MAINTENANCE:
            over = f"not back {moment}, and the closure ended {reopens:%H:%M:%S} UTC"
            return f"{over} ({after.reason}). Nothing is copied meanwhile; its orders stay at the broker"
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
