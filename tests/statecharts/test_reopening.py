"""A closure from its beginning to its end: what is silent, what is not, and how an account comes back."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statecharts import connection, outages, reopening
from statecharts import events as e
from statecharts import states as s
from statecharts.closures import Closure
from statecharts.effects import Severity, Tell
from statecharts.market_hours import TRADOVATE_WINDOWS
from statecharts.rules import ReconnectRules
from tests.statecharts.desk import SECOND
from tests.statecharts.trading_hours import chicago

RULES = ReconnectRules()
AT = chicago("2026-03-03 16:10")  # a Tuesday
ENDS = chicago("2026-03-03 17:00")
TUESDAY = Closure(ENDS, "the broker's maintenance window")
MINUTE = timedelta(minutes=1)


def lost(at: datetime, cause: s.Cause = s.Cause.NETWORK, advice: str | None = None) -> e.SessionLost:
    return e.SessionLost(at=at, reason="closed", cause=cause, advice=advice)


def after(state: s.State, event: e.Event, closure: Closure | None = None) -> s.State:
    found = connection.step(state, event, RULES, closure)
    assert found is not None
    return found


def waiting(**more: object) -> s.Maintenance:
    state = after(s.Copying(since=AT - 30 * MINUTE), lost(AT), TUESDAY)
    assert isinstance(state, s.Maintenance)
    return attrs.evolve(state, **more)  # type: ignore[arg-type]  # fields by their names


def found_at(at: datetime) -> s.State:
    return after(waiting(), e.SessionFound(at=at))


def told(before: s.State, then: s.State, at: datetime) -> list[Tell]:
    return [one for one in outages.told(before, then, e.Event(at=at)) if isinstance(one, Tell)]


def test_a_loss_inside_waits_for_the_end_burns_no_attempt_and_is_no_alarm() -> None:
    state = waiting()
    assert (state.attempt, state.until, state.cause) == (0, ENDS, s.Cause.MAINTENANCE)
    assert state.reason == "the broker's maintenance window (closed)"
    (tell,) = told(s.Copying(since=AT), state, AT)
    assert tell.severity is Severity.INFO
    again = after(s.Dialing(since=AT, attempt=2), lost(AT), TUESDAY)
    assert isinstance(again, s.Maintenance) and again.attempt == 2


@pytest.mark.parametrize(
    "loss", [lost(AT, s.Cause.EVICTED), lost(AT, s.Cause.BUG), lost(AT, advice="solve the captcha")]
)
def test_what_a_closure_does_not_explain_is_told_inside_of_it_too(loss: e.SessionLost) -> None:
    state = after(s.Copying(since=AT), loss, TUESDAY)
    assert isinstance(state, s.BackingOff)
    (tell,) = told(s.Copying(since=AT), state, AT)
    assert tell.severity is Severity.WARNING


def test_outside_of_a_closure_a_loss_is_a_loss() -> None:
    assert isinstance(after(s.Dialing(since=AT), lost(AT)), s.BackingOff)


def test_a_probe_or_the_operator_ends_the_wait_and_another_loss_begins_it_again() -> None:
    for event in (e.SessionFound(at=AT + MINUTE), e.ReconnectAsked(at=AT + MINUTE)):
        dialing = after(waiting(), event)
        assert isinstance(dialing, s.Dialing) and dialing.cause is s.Cause.MAINTENANCE
        again = after(dialing, lost(AT + 2 * MINUTE), TUESDAY)
        assert isinstance(again, s.Maintenance) and (again.attempt, again.since) == (0, AT)


def test_until_half_a_minute_after_the_end_a_failed_dial_is_still_expected() -> None:
    state = after(found_at(ENDS - SECOND), lost(ENDS + 29 * SECOND))
    assert isinstance(state, s.Maintenance) and state.until == ENDS
    assert state.reason == "it has only just reopened (closed)"
    dialing = after(state, e.TimerFired(at=ENDS + 29 * SECOND))
    assert isinstance(dialing, s.Dialing)


def outlived() -> tuple[tuple[s.State, s.State], ...]:
    """Every way in which a closure is outlived: before, after."""
    late = ENDS + 30 * SECOND
    dialing = found_at(ENDS)
    resyncing = after(dialing, e.Authorized(at=ENDS + SECOND))
    return (
        (waiting(), after(waiting(), e.TimerFired(at=late))),
        (dialing, after(dialing, lost(late))),
        (resyncing, after(resyncing, lost(late))),
        (dialing, after(dialing, e.TimerFired(at=late))),
        (resyncing, after(resyncing, e.TimerFired(at=late))),
    )


@pytest.mark.parametrize("way", range(5))
def test_what_outlives_a_closure_is_an_ordinary_outage_from_its_end_on_and_told_once(way: int) -> None:
    before, state = outlived()[way]
    assert isinstance(state, s.Reconnecting) and state.since == ENDS
    assert state.cause in (s.Cause.BROKER, s.Cause.NETWORK)
    late = ENDS + 30 * SECOND
    (tell,) = told(before, state, late)
    assert (tell.event, tell.severity) == ("connection.broken", Severity.WARNING)
    assert tell.message.startswith("not back 23:00:30 UTC, and the closure ended 23:00:00 UTC (")
    if isinstance(state, s.BackingOff):
        assert state.attempt == 1
        dialing = after(state, e.TimerFired(at=late + SECOND))
    else:
        dialing = state
    assert told(state, dialing, late + SECOND) == []
    again = after(dialing, lost(late + 2 * SECOND))
    assert isinstance(again, s.BackingOff) and told(dialing, again, late + 2 * SECOND) == []


def test_it_is_given_up_five_minutes_after_the_end_and_not_before() -> None:
    state = after(waiting(), e.TimerFired(at=ENDS + 30 * SECOND))
    early = after(state, e.TimerFired(at=ENDS + 5 * MINUTE - SECOND))
    assert isinstance(early, s.Dialing)
    given_up = after(state, e.TimerFired(at=ENDS + 5 * MINUTE))
    assert isinstance(given_up, s.GivenUp) and given_up.lost_at == ENDS


def test_a_timer_of_a_dial_that_is_not_late_changes_nothing() -> None:
    for state in (s.Dialing(since=AT), s.Resyncing(since=AT), found_at(ENDS), outlived()[3][1]):
        assert after(state, e.TimerFired(at=ENDS + 29 * SECOND)) is state


def test_a_real_drop_waits_for_the_end_too_once_the_closure_has_begun() -> None:
    real = after(s.Copying(since=AT - 60 * MINUTE), lost(AT - 20 * MINUTE))
    assert isinstance(real, s.BackingOff)
    state = after(real, e.TimerFired(at=AT), TUESDAY)
    assert isinstance(state, s.Maintenance) and state.attempt == 1  # nobody dials, and nobody gives up
    evicted = attrs.evolve(real, cause=s.Cause.EVICTED)
    assert not isinstance(after(evicted, e.TimerFired(at=AT), TUESDAY), s.Maintenance)


def test_an_eviction_inside_counts_from_when_it_happens() -> None:
    state = after(found_at(AT + MINUTE), lost(AT + 2 * MINUTE, s.Cause.EVICTED), TUESDAY)
    assert isinstance(state, s.BackingOff) and state.since == AT + 2 * MINUTE


def test_after_a_reopening_no_wait_is_longer_than_15_seconds_for_five_minutes() -> None:
    state = attrs.evolve(s.BackingOff(since=ENDS, attempt=9), reopens=ENDS)
    assert connection.delay(state, RULES, False, ENDS + 5 * MINUTE - SECOND) == (7.5 * SECOND, 15 * SECOND)
    assert connection.delay(state, RULES, False, ENDS + 5 * MINUTE) == (30 * SECOND, 60 * SECOND)
    assert connection.delay(attrs.evolve(state, attempt=1), RULES, False, ENDS) == (SECOND, 2 * SECOND)
    assert connection.delay(attrs.evolve(state, reopens=None), RULES, False, ENDS) == (30 * SECOND, 60 * SECOND)


def probes(state: s.Maintenance, start: datetime, until: datetime, roll: float = 1.0) -> list[datetime]:
    """When it is probed, with the dice showing `roll` of the bounds."""
    at, found = start, []
    while at < until:
        low, high = reopening.probing(state, TRADOVATE_WINDOWS, at)
        at += low + (high - low) * roll
        found.append(at)
    return found


def gaps(moments: list[datetime]) -> list[timedelta]:
    return [later - earlier for earlier, later in pairwise(moments)]


@pytest.mark.parametrize("roll", [0.0, 0.5, 1.0])
def test_it_is_probed_slowly_and_fast_from_90_seconds_before_the_end(roll: float) -> None:
    found = probes(waiting(), AT, ENDS + 5 * MINUTE, roll)
    hurry = ENDS - 90 * SECOND
    slow = [one for one in [AT, *found] if one <= hurry]
    waits = gaps(slow)
    assert all(60 * SECOND <= one <= 120 * SECOND for one in waits[:-1]) and slow[-1] == hurry
    fast = [one for one in found if one >= hurry]
    first = gaps(fast)[:4]
    assert SECOND <= first[0] <= 1.25 * SECOND
    assert all(before <= after <= 2.5 * before for before, after in pairwise(first))
    assert 15 * SECOND <= max(gaps(fast)) <= 18.75 * SECOND


def test_the_end_of_the_broker_s_own_window_is_a_reopening_too() -> None:
    """On Friday evening the platform comes back long before the market does."""
    friday, back = chicago("2026-03-06 16:10"), chicago("2026-03-06 20:00")
    state = waiting(until=chicago("2026-03-08 17:00"))
    found = probes(state, friday, back + 10 * MINUTE)
    around = [one for one in found if back - 90 * SECOND <= one <= back + 5 * MINUTE]
    assert len(around) > 20
    assert any(back <= one <= back + 20 * SECOND for one in found)
    assert all(gap >= 60 * SECOND for gap in gaps(probes(state, back + 5 * MINUTE, back + 60 * MINUTE)))


@given(st.integers(0, 7 * 24 * 3600), st.integers(0, 100 * 3600))
def test_a_probe_is_never_later_than_the_next_hurry(second: int, more: int) -> None:
    at = chicago("2026-03-01 00:00") + second * SECOND
    state = waiting(until=at + more * SECOND)
    low, high = reopening.probing(state, TRADOVATE_WINDOWS, at)
    assert timedelta(0) < low <= high <= 120 * SECOND
    if at < state.until - reopening.BEFORE:
        assert at + high <= state.until - reopening.BEFORE or high <= 18.75 * SECOND


def test_without_windows_only_the_market_s_opening_counts() -> None:
    low, high = reopening.probing(waiting(), None, ENDS - 10 * MINUTE)
    assert (low, high) == reopening.SLOW
