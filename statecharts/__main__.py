"""Prints the charts as Mermaid diagrams, drawn by walking `step`: a picture of what the code does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from statecharts import connection, order
from statecharts import events as e
from statecharts import states as s
from statecharts.chart import Arrow
from statecharts.closures import Closure
from statecharts.rules import ReconnectRules
from statecharts.values import BrokerAccountId
from statecharts.view import Snapshot

NOON = datetime(2026, 3, 3, 18, tzinfo=UTC)  # a Tuesday, Chicago noon
CLOSED = Closure(NOON + timedelta(hours=1), "the broker's maintenance window")


def samples() -> tuple[tuple[s.State, ...], tuple[e.Event, ...]]:
    """A state of every leaf, and an event of every kind that the connection's chart knows."""
    long_ago = NOON - timedelta(hours=1)
    states = (
        s.Copying(since=long_ago),
        s.BackingOff(since=NOON, attempt=1),
        s.BackingOff(since=long_ago, attempt=9),
        s.BackingOff(since=long_ago, attempt=2, cause=s.Cause.EVICTED),
        s.Maintenance(since=NOON, until=NOON + timedelta(hours=1), cause=s.Cause.MAINTENANCE),
        s.Maintenance(since=long_ago, until=NOON - timedelta(minutes=1), cause=s.Cause.MAINTENANCE),
        s.Dialing(since=NOON),
        s.Dialing(since=long_ago),
        s.Dialing(since=NOON, evictions=connection.EVICTED_TRIES),
        s.Resyncing(since=NOON),
        s.Stopped(since=NOON),
        s.GivenUp(since=NOON, lost_at=long_ago),
        s.Unauthorized(since=NOON),
    )
    happened = (
        e.Started(at=NOON),
        e.TimerFired(at=NOON),
        e.SessionFound(at=NOON),
        e.Authorized(at=NOON),
        e.SessionLost(at=NOON, reason="socket closed (1006)"),
        e.SessionLost(at=NOON, reason="another login took the session", cause=s.Cause.EVICTED),
        e.TokenRefused(at=NOON, reason="Incorrect username or password"),
        e.AccountMissing(at=NOON, reason="the login does not see it"),
        e.SnapshotTaken(at=NOON, snapshot=Snapshot(BrokerAccountId(1), NOON)),
        e.DisconnectAsked(at=NOON),
        e.ReconnectAsked(at=NOON),
        e.Reauthorized(at=NOON),
    )
    return states, happened


def connection_arrows() -> list[Arrow]:
    """Every way through the connection's chart, in and outside of a closure."""
    states, happened = samples()
    arrows = set()
    for closure in (None, CLOSED):
        for state in states:
            for event in happened:
                after = connection.step(state, event, ReconnectRules(), closure)
                if after is not None and after is not state:
                    arrows.add(Arrow(type(state).__name__, type(event).__name__, type(after).__name__))
    return sorted(arrows)


def order_arrows() -> list[Arrow]:
    return sorted(
        Arrow(stage.name.title(), news.value, after.name.title())
        for stage in order.Stage
        for news in order.News
        if (after := order.step(stage, news)) is not None and after is not stage
    )


def connection_diagram() -> str:
    lines = ["stateDiagram-v2", "    [*] --> Stopped"]
    for shown in dict.fromkeys(leaf.shown for leaf in s.LEAVES):
        lines.append(f"    state {shown} {{")
        lines.extend(f"        {leaf.__name__}" for leaf in s.LEAVES if leaf.shown == shown)
        lines.append("    }")
    return "\n".join([*lines, *_drawn(connection_arrows())])


def order_diagram() -> str:
    return "\n".join(["stateDiagram-v2", "    [*] --> Intended", "    [*] --> Held", *_drawn(order_arrows())])


def _drawn(arrows: Iterable[Arrow]) -> list[str]:
    """One line for each pair of states, with every event that leads from the one to the other."""
    between: dict[tuple[str, str], list[str]] = {}
    for arrow in arrows:
        between.setdefault((arrow.source, arrow.target), []).append(arrow.event)
    return [f"    {source} --> {target}: {', '.join(events)}" for (source, target), events in between.items()]


def diagrams() -> str:
    """Both charts, as they stand in the README."""
    parts = []
    for title, diagram in (("An account's connection", connection_diagram()), ("A copy", order_diagram())):
        parts.append(f"#### {title}\n\n```mermaid\n{diagram}\n```")
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(diagrams())
