"""How long an account waits, when it gives up."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import attrs
import pytest

from statecharts import connection, outages
from statecharts import events as e
from statecharts import states as s
from statecharts.closures import Closure
from statecharts.rules import ReconnectRules
from tests.statecharts.desk import NOON, SECOND
from tests.statecharts.samples import LEAVES

RULES = ReconnectRules()


def waiting(attempt: int, cause: s.Cause | None = s.Cause.NETWORK) -> s.BackingOff:
    return s.BackingOff(since=NOON, attempt=attempt, cause=cause)


def lost(at: datetime = NOON, cause: s.Cause = s.Cause.NETWORK) -> e.SessionLost:
    return e.SessionLost(at=at, reason="closed", cause=cause)


def after(state: s.State, event: e.Event, rules: ReconnectRules = RULES) -> s.State:
    found = connection.step(state, event, rules)
    assert found is not None
    return found


def test_attempt_n_waits_between_d_and_2d_each_longer_than_the_last_up_to_a_minute() -> None:
    bounds = [connection.delay(waiting(n), RULES, in_position=False) for n in range(1, 10)]
    assert bounds[0] == (SECOND, 2 * SECOND)
    for (low, high), (next_low, next_high) in pairwise(bounds):
        assert high == 2 * low
        assert (next_low, next_high) == (min(2 * low, 30 * SECOND), min(2 * high, 60 * SECOND))
    assert bounds[-1] == (30 * SECOND, 60 * SECOND)
    assert connection.delay(waiting(10**6), RULES, in_position=False) == (30 * SECOND, 60 * SECOND)


def test_no_wait_is_longer_than_the_cap_while_a_position_is_open() -> None:
    assert connection.delay(waiting(9), RULES, in_position=True) == (5 * SECOND, 10 * SECOND)
    assert connection.delay(waiting(1), RULES, in_position=True) == (SECOND, 2 * SECOND)


def test_an_evicted_session_waits_a_minute_and_does_not_fight() -> None:
    evicted = waiting(1, s.Cause.EVICTED)
    assert connection.delay(evicted, RULES, in_position=True) == (60 * SECOND, 120 * SECOND)


def test_evicted_at_most_three_tries_then_stopped() -> None:
    state: s.State = s.Dialing(since=NOON)
    for n in range(1, connection.EVICTED_TRIES + 1):
        state = after(state, lost(NOON + n * SECOND, s.Cause.EVICTED))
        assert isinstance(state, s.BackingOff)
        state = after(state, e.TimerFired(at=NOON + n * SECOND))
    assert isinstance(after(state, lost(cause=s.Cause.EVICTED)), s.Stopped)


@pytest.mark.parametrize("event", [lost(NOON + timedelta(minutes=5)), e.TimerFired(at=NOON + timedelta(minutes=5))])
def test_given_up_after_five_minutes_without_copying(event: e.Event) -> None:
    state = s.Dialing(since=NOON) if isinstance(event, e.SessionLost) else waiting(3)
    given_up = after(state, event)
    assert isinstance(given_up, s.GivenUp)
    assert given_up.lost_at == NOON
    early = after(waiting(3), e.TimerFired(at=NOON + timedelta(minutes=4)))
    assert isinstance(early, s.Dialing)


def test_given_up_again_at_once_when_the_broker_answers_and_then_fails() -> None:
    found = after(s.GivenUp(since=NOON, lost_at=NOON), e.SessionFound(at=NOON + timedelta(hours=1)))
    assert isinstance(found, s.Dialing)
    assert isinstance(after(found, lost(NOON + timedelta(hours=1))), s.GivenUp)


def test_failed_attempts_are_forgotten_only_after_a_minute_in_copying() -> None:
    copying = s.Copying(since=NOON, attempt=4)
    short = after(copying, lost(NOON + 59 * SECOND))
    assert isinstance(short, s.BackingOff)
    assert short.attempt == 5
    long = after(copying, lost(NOON + 60 * SECOND))
    assert isinstance(long, s.BackingOff)
    assert long.attempt == 1


def test_the_attempt_is_carried_through_dial_and_resync_into_copying() -> None:
    state: s.State = waiting(4)
    for event in (e.TimerFired(at=NOON), e.Authorized(at=NOON)):
        state = after(state, event)
    assert isinstance(state, s.Resyncing)
    assert state.attempt == 4


def test_an_operator_in_a_hurry_makes_no_second_socket() -> None:
    for state in (s.Dialing(since=NOON), s.Resyncing(since=NOON)):
        assert after(state, e.ReconnectAsked(at=NOON)) is state
    assert isinstance(after(s.Copying(since=NOON), e.ReconnectAsked(at=NOON)), s.Resyncing)


def test_the_leafs_row_wins_over_the_superstates() -> None:
    assert isinstance(after(s.Copying(since=NOON), e.ReconnectAsked(at=NOON)), s.Resyncing)
    stopped = s.Stopped(since=NOON)
    assert after(stopped, e.DisconnectAsked(at=NOON)) is stopped


def test_a_saved_account_is_loaded_stopped_and_starts_by_dialing() -> None:
    for leaf in LEAVES:
        loaded = connection.forgiven(leaf)
        assert isinstance(loaded, s.Stopped)
        assert isinstance(after(loaded, e.Started(at=NOON)), s.Dialing)


def test_evictions_are_counted_by_themselves_three_tries_then_stopped() -> None:
    state: s.State = s.Copying(since=NOON, attempt=7)
    for lost in range(1, 5):
        after = connection.step(
            state, e.SessionLost(at=NOON, reason="another login took the session", cause=s.Cause.EVICTED), RULES
        )
        if lost <= 3:
            assert isinstance(after, s.BackingOff)
            assert after.evictions == lost
            low, _ = connection.delay(after, RULES, in_position=False)
            assert low.total_seconds() == 60
            state = s.Dialing(since=NOON, attempt=after.attempt, evictions=after.evictions)
    assert isinstance(after, s.Stopped)
    assert after.cause is s.Cause.EVICTED
    assert outages.remedy(after) == "log out of Tradovate there, then: copierctl reconnect --login LOGIN"


def test_retaking_the_session_neither_waits_a_minute_nor_stops() -> None:
    rules = attrs.evolve(RULES, retake=True)
    state = s.Dialing(since=NOON, evictions=9)
    after = connection.step(state, e.SessionLost(at=NOON, reason="taken", cause=s.Cause.EVICTED), rules)
    assert isinstance(after, s.BackingOff)
    assert connection.delay(after, rules, in_position=False)[1].total_seconds() == 2


@pytest.mark.parametrize("cause", [s.Cause.OPERATOR, s.Cause.BUG])
def test_what_was_stopped_for_good_stays_so_through_a_restart(cause: s.Cause) -> None:
    stopped = s.Stopped(since=NOON, reason="disconnected by the operator", cause=cause)
    loaded = connection.forgiven(stopped)
    assert connection.step(loaded, e.Started(at=NOON), RULES) is stopped


def test_an_account_that_another_session_stopped_dials_again_after_a_restart() -> None:
    stopped = s.Stopped(since=NOON, reason="taken", cause=s.Cause.EVICTED)
    assert isinstance(connection.step(connection.forgiven(stopped), e.Started(at=NOON), RULES), s.Dialing)


@pytest.mark.parametrize(
    "event", [lost(NOON + timedelta(minutes=5), s.Cause.EVICTED), e.TimerFired(at=NOON + timedelta(minutes=5))]
)
def test_whom_another_session_has_pushed_out_until_it_gives_up_is_stopped_and_never_probes(event: e.Event) -> None:
    state = s.Dialing(since=NOON) if isinstance(event, e.SessionLost) else waiting(2, s.Cause.EVICTED)
    stopped = after(state, event)
    assert isinstance(stopped, s.Stopped) and stopped.cause is s.Cause.EVICTED
    assert outages.remedy(stopped) == "log out of Tradovate there, then: copierctl reconnect --login LOGIN"
    assert isinstance(after(state, event, attrs.evolve(RULES, retake=True)), s.GivenUp)


def test_evictions_are_remembered_through_a_probe_and_a_closure() -> None:
    state = after(attrs.evolve(waiting(2), evictions=2), e.TimerFired(at=NOON + timedelta(minutes=5)))
    assert isinstance(state, s.GivenUp)
    closed = s.Maintenance(since=NOON, until=NOON + timedelta(hours=1), evictions=2)
    for waits in (state, closed):
        dialing = after(waits, e.SessionFound(at=NOON + timedelta(minutes=9)))
        assert isinstance(dialing, s.Dialing) and dialing.evictions == 2


def test_evictions_are_forgotten_after_an_hour_in_copying() -> None:
    copying = s.Copying(since=NOON, attempt=4, evictions=3)
    soon = after(copying, lost(NOON + timedelta(minutes=59), s.Cause.EVICTED))
    assert isinstance(soon, s.Stopped)
    late = after(copying, lost(NOON + timedelta(hours=1), s.Cause.EVICTED))
    assert isinstance(late, s.BackingOff) and (late.attempt, late.evictions) == (1, 1)


def test_what_the_operator_ends_on_a_weekend_is_dialed_anew_and_waits_for_no_opening() -> None:
    closed = Closure(NOON + timedelta(hours=40), "the weekend")
    asked = connection.step(s.Copying(since=NOON), lost(NOON, s.Cause.OPERATOR), RULES, closed)
    assert isinstance(asked, s.BackingOff)
    assert isinstance(connection.step(asked, e.TimerFired(at=NOON + SECOND), RULES, closed), s.Dialing)
