"""A machine's clock that is set, that is wrong, and that nobody has compared yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs

from daemon.clock import Clock

NOON = datetime(2026, 11, 17, 18, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@attrs.define(eq=False)
class Machine:
    """True time runs by `steady`; the machine's own clock is `wrong` by so much."""

    steady: float = 0.0
    wrong: timedelta = timedelta(0)
    told: list[str] = attrs.field(factory=list)
    asked: int = 0
    verdicts: list[bool] = attrs.field(factory=list)
    clock: Clock = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock = Clock(
            lambda: self.true + self.wrong,
            lambda: self.steady,
            tell=lambda kind, words: self.told.append(f"{kind}: {words}"),
            doubted=self._ask,
            judged=self.verdicts.append,
        )

    def _ask(self) -> None:
        self.asked += 1

    @property
    def true(self) -> datetime:
        return NOON + timedelta(seconds=self.steady)

    def later(self, seconds: float) -> datetime:
        self.steady += seconds
        return self.clock.now()

    def hear(self) -> None:
        self.clock.hear(self.true.replace(microsecond=0))

    @property
    def off(self) -> timedelta:
        return self.clock.now() - self.true


def test_it_goes_as_the_machine_s_clock_does() -> None:
    machine = Machine()
    for _ in range(1000):
        machine.wrong += timedelta(milliseconds=30)  # a time service slews it
        machine.later(60)
        assert machine.off == machine.wrong
    assert machine.told == []


def test_a_jump_that_the_broker_s_clock_bears_out_is_not_followed_and_told_once() -> None:
    machine = Machine()
    machine.clock.now()
    machine.hear()
    for wrong in (HOUR, -HOUR):
        machine.wrong = wrong
        for _ in range(10):
            machine.later(60)
            assert machine.off == timedelta(0)
    assert machine.asked == 2 and len(machine.told) == 2
    assert machine.told[0] == (
        "clock.stepped: this machine's clock was set by +3600 s, and the broker's was not: copierd goes on as before; "
        "set the clock right"
    )
    machine.wrong = timedelta(0)
    machine.later(60)
    assert machine.off == timedelta(0) and len(machine.told) == 2 and machine.verdicts == []


def test_a_clock_that_is_set_right_is_followed() -> None:
    machine = Machine(wrong=HOUR)
    machine.clock.now()
    machine.hear()
    assert not machine.clock.trusted and machine.verdicts == [False]
    (told,) = machine.told
    assert told.startswith("clock.skewed: this machine's clock is +3600 s off the broker's; the hours of the market ")
    machine.wrong = timedelta(0)
    machine.later(60)
    assert machine.off == timedelta(0) and machine.verdicts == [False, True]
    assert machine.told[-1] == "clock.stepped: this machine's clock was set by -3600 s; copierd goes by it"


def test_before_the_broker_has_been_heard_the_machine_is_right() -> None:
    machine = Machine(wrong=-HOUR)
    machine.clock.now()
    machine.wrong = timedelta(0)  # the time service has come up
    machine.later(1)
    assert machine.off == timedelta(0)


def test_a_machine_that_stood_still_is_behind_until_the_broker_is_heard() -> None:
    """A virtual machine that was stopped: no clock of it has gone on, and then its wall clock is set."""
    machine = Machine()
    machine.clock.now()
    machine.hear()
    machine.wrong = 2 * HOUR  # which is right: it is the steady clock that stood still
    machine.later(1)
    assert machine.off == timedelta(0) and machine.asked == 1
    machine.clock.hear(machine.true + 2 * HOUR)
    assert machine.off == 2 * HOUR and machine.clock.trusted


def test_a_small_skew_is_told_and_distrusts_nothing() -> None:
    machine = Machine(wrong=10 * SECOND)
    machine.clock.now()
    machine.hear()
    machine.later(3600)
    machine.hear()
    assert machine.clock.trusted and machine.verdicts == []
    assert machine.told == ["clock.skewed: this machine's clock is +10 s off the broker's"]


def test_a_date_without_fractions_is_no_skew() -> None:
    machine = Machine()
    for _ in range(20):
        machine.later(0.37)
        machine.hear()
    assert machine.told == [] and machine.clock.skew is not None and abs(machine.clock.skew) <= SECOND


def test_where_no_steady_clock_runs_yet_the_machine_s_counts() -> None:
    def not_yet() -> float:
        raise RuntimeError("must be called from async context")

    clock = Clock(lambda: NOON, not_yet)
    clock.hear(NOON + HOUR)
    assert clock.now() == NOON and clock.trusted
