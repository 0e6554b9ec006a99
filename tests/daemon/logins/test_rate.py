"""The budget of one login: who may go when little is left, and what is never forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config.sense import FLATTEN_REQUESTS
from daemon.logins.calls import Urgency
from daemon.logins.rate import AHEAD, DOUBLED_IN, PROMISED_FOR, Limits, Rate
from statecharts.effects import Priority

NOON = datetime(2026, 11, 18, 18, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@attrs.define
class Desk:
    """A rate with a clock and a memory in the test's hand."""

    minute: int = 60
    hour: int = 1000
    followers: int = 2
    held: bool = False
    now: datetime = NOON
    facts: dict[str, str] = attrs.field(factory=dict)
    written: int = 0
    rate: Rate = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.start()

    def fact(self, key: str) -> str | None:
        return self.facts.get(key)

    def keep_fact(self, key: str, value: str) -> None:
        self.written += 1
        self.facts[key] = value

    def start(self) -> None:
        """A process."""
        limits = Limits(self.minute, self.hour)
        self.rate = Rate("apex", limits, self, lambda: self.now, lambda: self.followers, lambda: self.held)

    def left(self, requests: int) -> None:
        """Spends until so many are left."""
        self.rate.spend(self.rate.left - requests)
        assert self.rate.left == requests


def test_a_full_bucket_is_spent_and_refilled_within_a_minute() -> None:
    desk = Desk()
    assert desk.rate.left == 60
    desk.rate.spend(60)
    assert desk.rate.left == 0
    desk.now += 10 * SECOND
    assert desk.rate.left == 10
    desk.now += 10 * MINUTE
    assert desk.rate.left == 60


def test_the_hour_is_a_limit_of_its_own() -> None:
    desk = Desk(minute=60, hour=100)
    for _ in range(3):
        desk.rate.spend(40)
        desk.now += MINUTE
    assert desk.rate.left == 0
    desk.now += HOUR / 2
    assert 30 <= desk.rate.left <= 40, "what was overdrawn is paid first"


ALWAYS = (Priority.EXIT, Priority.CANCEL, Priority.ENTRY, Urgency.HEARTBEAT, Urgency.VITAL)


@pytest.mark.parametrize("urgency", ALWAYS)
def test_what_gets_us_out_and_what_a_session_is_made_of_is_never_kept_waiting(urgency: int) -> None:
    desk = Desk()
    desk.rate.spend(1000)
    desk.held = True
    assert desk.rate.allows(urgency)


def test_changes_and_reads_leave_what_gets_everybody_out_and_the_spare_ones_more() -> None:
    desk = Desk(minute=100, followers=3)
    reserve = 3 * FLATTEN_REQUESTS
    assert desk.rate.reserve == reserve
    for urgency, least in ((Priority.MODIFY, reserve), (Urgency.READ, reserve), (Urgency.SPARE, reserve + 25)):
        desk.left(least + 1)
        assert desk.rate.allows(urgency)
        desk.rate.spend()
        assert not desk.rate.allows(urgency)
        desk.now += MINUTE


def test_a_hold_of_the_process_stops_reads_and_nothing_that_trades() -> None:
    desk = Desk(held=True)
    assert not desk.rate.allows(Urgency.READ)
    assert not desk.rate.allows(Urgency.SPARE)
    assert desk.rate.allows(Priority.MODIFY)


def test_the_entries_of_one_cause_are_for_all_followers_or_for_none() -> None:
    desk = Desk(minute=30, followers=3)
    desk.left(9 + 3)
    assert [desk.rate.admit(1, lambda: 3) for _ in range(3)] == [None] * 3
    assert desk.rate.left == 9
    desk.now += SECOND
    refusals = [desk.rate.admit(2, lambda: 3) for _ in range(3)]
    assert len(set(refusals)) == 1 and refusals[0] is not None
    assert refusals[0].startswith("the login's budget of requests is short: 9 left of this minute")
    assert "9 are kept to get everybody out" in refusals[0]
    desk.now += 20 * SECOND
    assert desk.rate.admit(2, lambda: 3) is not None, "what was refused for one is not sent for another later"
    assert desk.rate.admit(3, lambda: 3) is None


def test_what_the_others_did_not_need_is_given_back() -> None:
    desk = Desk(minute=60, followers=4)
    desk.left(30)
    assert desk.rate.admit(1, lambda: 4) is None
    assert desk.rate.left == 26
    desk.now += PROMISED_FOR
    assert desk.rate.admit(2, lambda: 1) is None
    assert desk.rate.left == 30 + 5 - 2  # five seconds have refilled five; two entries went out


def test_more_entries_of_one_cause_than_followers_are_asked_about_one_by_one() -> None:
    desk = Desk(minute=30, followers=2)
    desk.left(6 + 2 + 1)
    assert [desk.rate.admit(1, lambda: 2) for _ in range(3)] == [None] * 3
    assert desk.rate.admit(1, lambda: 2) is not None


def test_a_limit_halves_it_and_time_gives_it_back() -> None:
    desk = Desk(minute=100, hour=1000, followers=0)
    desk.rate.shrink()
    assert desk.rate.left == 50
    desk.rate.shrink()
    assert desk.rate.left == 25
    desk.now += DOUBLED_IN
    assert 49 <= desk.rate.left <= 50
    desk.now += 2 * DOUBLED_IN
    assert desk.rate.left == 100


def test_a_limit_of_last_month_is_nothing_to_reckon_with() -> None:
    desk = Desk()
    desk.rate.shrink()
    desk.now += timedelta(days=31)
    assert desk.rate.left == 60
    desk.rate.spend()
    desk.start()
    assert desk.rate.left == 60 - 1 - 6, "what a restart believes to be spent"


def test_it_never_shrinks_so_far_that_nothing_can_be_copied() -> None:
    desk = Desk(minute=100, followers=10)
    for _ in range(20):
        desk.rate.shrink()
    desk.now += MINUTE
    assert desk.rate.left == 10 * FLATTEN_REQUESTS + 10
    assert desk.rate.admit(1, lambda: 10) is None


def test_a_restart_forgets_nothing_that_was_spent_and_not_each_request_is_written_down() -> None:
    desk = Desk(minute=300, hour=5000)
    for _ in range(290):
        desk.rate.spend()
    assert desk.written <= 290 / AHEAD + 1
    spent = desk.rate.left
    desk.start()
    assert spent - AHEAD <= desk.rate.left <= spent
    desk.rate.shrink()
    left = desk.rate.left
    desk.start()
    assert desk.rate.left == left
    desk.now += MINUTE
    assert desk.rate.left < 300, "shrunk also for the next process"


def test_a_row_of_crashes_makes_no_debt_of_what_may_have_been_spent() -> None:
    """Found by a world: nine crashes in a row forbade for minutes to look for an order that was in doubt."""
    desk = Desk(minute=300, hour=5000)
    for _ in range(20):
        desk.rate.spend()
        desk.start()
    assert desk.rate.left == 0
    desk.now += 10 * SECOND
    assert desk.rate.allows(Urgency.READ)


def test_another_configuration_takes_effect_and_forgives_nothing() -> None:
    desk = Desk(minute=60, hour=1000)
    desk.rate.spend(50)
    desk.rate.limit(Limits(100, 1000))
    assert desk.rate.left == 50
    desk.rate.limit(Limits(30, 1000))
    assert desk.rate.left == 0
    desk.now += MINUTE
    assert desk.rate.left == 30 - 20  # what was overdrawn is paid first


Acts = st.lists(st.tuples(st.sampled_from(("spend", "admit", "wait", "shrink", "restart")), st.integers(0, 40)))


@given(Acts, st.integers(1, 5))
def test_no_entry_ever_takes_what_gets_everybody_out(acts: list[tuple[str, int]], followers: int) -> None:
    desk = Desk(minute=50, hour=400, followers=followers)
    for number, (act, amount) in enumerate(acts):
        match act:
            case "spend" if desk.rate.allows(Urgency.READ):
                desk.rate.spend()
            case "admit":
                before = desk.rate.left
                admitted = [desk.rate.admit(number, lambda: followers) is None for _ in range(followers)]
                assert len(set(admitted)) == 1
                if admitted[0]:
                    assert before - followers >= desk.rate.reserve - 1  # -1: fractions
            case "wait":
                desk.now += amount * SECOND
            case "shrink":
                desk.rate.shrink()
            case "restart":
                left = desk.rate.left
                desk.start()
                assert desk.rate.left <= left
        assert desk.rate.left >= 0
