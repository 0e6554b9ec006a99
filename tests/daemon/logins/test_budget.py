"""The process's budget at the broker: by the clock, over all logins, through restarts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from daemon.logins.budget import DIALS, Budget, Spent

NOON = datetime(2026, 11, 18, 18, tzinfo=UTC)


@attrs.define
class Clock:
    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at

    def goes_on(self, **much: float) -> None:
        self.at += timedelta(**much)


class Shelf(dict[str, str]):
    """What is kept over a restart."""

    def fact(self, key: str) -> str | None:
        return self.get(key)

    def keep_fact(self, key: str, value: str) -> None:
        self[key] = value


def test_forty_dials_at_once_and_then_twelve_a_minute() -> None:
    clock = Clock()
    budget = Budget(clock, Shelf())
    for _ in range(DIALS):
        budget.dial()
    with pytest.raises(Spent) as spent:
        budget.dial()
    assert spent.value.until == NOON + timedelta(seconds=5)
    clock.goes_on(seconds=5)
    budget.dial()
    clock.goes_on(minutes=1)
    for _ in range(12):
        budget.dial()
    with pytest.raises(Spent):
        budget.dial()


def test_the_bucket_never_holds_more_than_forty() -> None:
    clock = Clock()
    budget = Budget(clock, Shelf())
    clock.goes_on(days=3)
    assert budget.dials_left == DIALS


def test_a_crash_loop_keeps_to_the_budget() -> None:
    clock, shelf = Clock(), Shelf()
    made = 0
    for _ in range(100):
        budget = Budget(clock, shelf)
        try:
            budget.dial()
        except Spent:
            continue
        made += 1
    assert made == DIALS


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    clock = Clock()
    budget = Budget(clock, Shelf())
    for _ in range(DIALS):
        budget.dial()
    clock.goes_on(hours=-1)
    with pytest.raises(Spent):
        budget.dial()


def test_a_clock_that_steps_back_makes_nothing_last_longer() -> None:
    clock, shelf = Clock(), Shelf()
    budget = Budget(clock, shelf)
    for _ in range(DIALS):
        budget.dial()
    for _ in range(5):
        budget.token_failed()
    budget.limited("told", timedelta(minutes=10))
    clock.goes_on(hours=-2)
    for one in (budget, Budget(clock, shelf)):
        assert one.held_until == clock.at + timedelta(minutes=10)
    clock.goes_on(minutes=10)
    assert budget.dials_left == DIALS
    with pytest.raises(Spent) as spent:
        budget.token_request()
    assert spent.value.until == clock.at + timedelta(minutes=50)


def test_five_failed_token_requests_within_an_hour_are_enough() -> None:
    clock, shelf = Clock(), Shelf()
    budget = Budget(clock, shelf)
    for _ in range(5):
        budget.token_request()
        budget.token_failed()
        clock.goes_on(minutes=1)
    with pytest.raises(Spent) as spent:
        Budget(clock, shelf).token_request()
    assert spent.value.until == NOON + timedelta(hours=1)
    clock.at = NOON + timedelta(hours=1)
    budget.token_request()


def test_a_limit_holds_everything_for_thirty_seconds_then_twice_as_long_up_to_an_hour() -> None:
    clock, shelf = Clock(), Shelf()
    budget = Budget(clock, shelf)
    holds = []
    for _ in range(9):
        until = budget.limited("the broker limits requests (429)")
        holds.append((until - clock.at).total_seconds())
        clock.at = until
    assert holds == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    budget.limited("again")
    with pytest.raises(Spent, match="again; nothing but exits is sent until"):
        Budget(clock, shelf).dial()
    with pytest.raises(Spent):
        budget.token_request()


def test_the_announced_time_is_believed() -> None:
    clock = Clock()
    budget = Budget(clock, Shelf())
    assert budget.limited("told", timedelta(seconds=7)) == NOON + timedelta(seconds=7)
    assert budget.hold_reason == "told"
    clock.goes_on(seconds=7)
    assert budget.held_until is None
    budget.dial()


def test_an_hour_without_a_limit_forgives() -> None:
    clock = Clock()
    budget = Budget(clock, Shelf())
    budget.limited("once")
    clock.goes_on(hours=1, seconds=30)
    assert budget.limited("much later") == clock.at + timedelta(seconds=30)
