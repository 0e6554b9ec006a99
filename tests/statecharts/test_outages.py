"""What the operator hears of a loss and of its end, and what he is told to do."""

from __future__ import annotations

from datetime import timedelta

import attrs

from statecharts import events as e
from statecharts import outages
from statecharts import states as s
from statecharts.effects import Severity, Tell
from tests.statecharts.desk import NOON
from tests.statecharts.samples import LEAVES
from tests.statecharts.test_connection import after, lost, waiting


def told(before: s.State, then: s.State) -> list[Tell]:
    return [one for one in outages.told(before, then, lost()) if isinstance(one, Tell)]


def test_what_the_operator_hears() -> None:
    dialing, copying = s.Dialing(since=NOON), s.Copying(since=NOON)
    assert [one.event for one in told(s.Resyncing(since=NOON), copying)] == ["connection.fixed"]
    assert told(copying, copying) == []
    assert told(dialing, waiting(1)) == []
    (refused,) = told(dialing, s.Unauthorized(since=NOON, reason="wrong password"))
    assert (refused.event, refused.severity) == ("token.refused", Severity.WARNING)
    (broken,) = told(copying, waiting(1))
    assert (broken.event, broken.severity) == ("connection.broken", Severity.WARNING)
    (by_operator,) = told(copying, s.Stopped(since=NOON, reason="asked", cause=s.Cause.OPERATOR))
    assert by_operator.severity is Severity.INFO
    (given_up,) = told(waiting(9), s.GivenUp(since=NOON, lost_at=NOON, reason="closed"))
    assert given_up.message.startswith("DISCONNECTED 18:00:00 UTC: no connection since 18:00:00 UTC (closed)")


def test_every_state_but_connected_has_a_remedy() -> None:
    for leaf in (*LEAVES, waiting(1, s.Cause.EVICTED), waiting(1)):
        assert (outages.remedy(leaf) is None) == isinstance(leaf, s.Connected)
    assert "log out" in (outages.remedy(waiting(1, s.Cause.EVICTED)) or "")


def test_what_a_human_can_do_about_it_is_told_until_it_is_over() -> None:
    state = after(s.Dialing(since=NOON), e.SessionLost(at=NOON, reason="closed", advice="solve the captcha"))
    for event in (e.TimerFired(at=NOON), lost(NOON + timedelta(minutes=5))):
        assert outages.remedy(state) == "solve the captcha"
        state = after(state, event)
    assert outages.remedy(state) != "solve the captcha", "the newest loss says what helps"
    given_up = after(attrs.evolve(waiting(3), advice="solve it"), e.TimerFired(at=NOON + timedelta(minutes=5)))
    (broken,) = told(waiting(3), given_up)
    assert broken.remedy == outages.remedy(given_up) == "solve it"
