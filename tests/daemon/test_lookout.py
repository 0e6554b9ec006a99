"""Who is stuck is found and restarted; systemd's watchdog is fed while the rest goes on, and by nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
import trio
import trio.testing

from daemon.ledger import Ledger, LedgerError
from daemon.lookout import LOOK_EVERY, STUCK_AFTER, Lookout, fed_every
from daemon.outlet import Outlet, after
from daemon.runner import Inbox
from statecharts import states as s
from statecharts.events import TimerFired
from tests.scenarios.world import SYMBOL, World, config_of, run

EVENT = TimerFired(at=datetime(2026, 3, 4, tzinfo=UTC))


@attrs.define(eq=False)
class Desk:
    inbox: Inbox = attrs.field(factory=Inbox)


@attrs.define(eq=False)
class Person:
    """As much of an account as is looked at."""

    runner: Desk = attrs.field(factory=Desk)
    stuck: trio.Event = attrs.field(factory=trio.Event)


def looked_at(people: dict[str, Person], story: Callable[[], Any], fed: float | None = None) -> list[str]:
    """What systemd is told while the story goes on."""
    said: list[str] = []

    async def main() -> None:
        ledger = Ledger.open(Path(":memory:"))
        lookout = Lookout(ledger, cast("Any", people), said.append, fed)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lookout.run)
            await story()
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return said


def test_who_does_not_take_what_waits_is_stuck() -> None:
    people = {"f1": Person(), "f2": Person()}

    async def story() -> None:
        people["f1"].runner.inbox.post(EVENT)
        await trio.sleep(STUCK_AFTER - 1)
        assert not people["f1"].stuck.is_set()
        await trio.sleep(LOOK_EVERY + 2)
        assert people["f1"].stuck.is_set() and not people["f2"].stuck.is_set()

    assert looked_at(people, story) == []


def test_who_is_busy_all_the_time_is_not_stuck() -> None:
    people = {"f1": Person()}

    async def story() -> None:
        inbox = people["f1"].runner.inbox
        for _ in range(10):
            inbox.post(EVENT)
            inbox.post(EVENT)
            await trio.sleep(STUCK_AFTER / 3)
            await inbox.take()
        assert not people["f1"].stuck.is_set()

    looked_at(people, story)


def test_a_machine_that_was_asleep_has_left_nobody_stuck() -> None:
    people = {"f1": Person()}

    async def story() -> None:
        people["f1"].runner.inbox.post(EVENT)
        await trio.sleep(LOOK_EVERY)
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(3600)
        await trio.sleep(2 * LOOK_EVERY)
        assert not people["f1"].stuck.is_set()

    looked_at(people, story)


def test_the_watchdog_is_fed_twice_as_often_as_it_bites() -> None:
    async def story() -> None:
        await trio.sleep(9)

    assert looked_at({}, story, fed=2.0) == ["WATCHDOG=1"] * 5


def test_what_a_slow_reader_kept_waiting_is_said_although_nothing_else_is() -> None:
    reads, said = False, list[str]()

    def look() -> None:
        if not reads:
            raise BlockingIOError

    async def story() -> None:
        nonlocal reads
        Outlet(after(look, said.append)).put("an alarm")
        await trio.sleep(LOOK_EVERY + 1)
        reads = True
        assert said == []
        await trio.sleep(LOOK_EVERY)
        assert said == ["an alarm"]

    looked_at({}, story)


def test_a_ledger_that_does_not_answer_is_not_hidden() -> None:
    ledger = Ledger.open(Path(":memory:"))
    ledger.close()
    said: list[str] = []
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of SQLite or of the ledger: it ends the daemon either way
        trio.run(Lookout(ledger, {}, said.append, 1.0).run)
    assert said == [] and (isinstance(caught.value, LedgerError) or "closed" in str(caught.value))


@pytest.mark.parametrize(
    ("environ", "every"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_how_often_is_what_systemd_says(environ: dict[str, str], every: float | None) -> None:
    assert fed_every(environ) == every


def test_a_stuck_account_is_told_and_restarted_and_the_others_never_notice(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            running = world.daemon_now.accounts["f1"]
            hanging = running.errands
            real = hanging.run
            stuck_once = True

            async def hangs(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
                nonlocal stuck_once
                if stuck_once:
                    stuck_once = False
                    await trio.sleep_forever()
                await real(task_status=task_status)

            running.runner.errands = _Errands(hanging, hangs)
            running.stuck.set()  # its next run hangs at once
            await trio.sleep(5)
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f2") == {SYMBOL: 1}, within=5)
            assert world.positions("f1") == {} and not running.runner.inbox.empty, "the leader's order waits for it"
            await world.until(lambda: not isinstance(world.account("f1").account.connection, s.Copying), within=60)
            assert "Stuck" in world.said("turn.failed")[-1]
            await world.until(lambda: isinstance(world.account("f1").account.connection, s.Copying), within=60)
            assert isinstance(world.account("f2").account.connection, s.Copying)

    run(story, tmp_path, config_of(("f1", "f2")))


@attrs.define(eq=False)
class _Errands:
    """An account's errands that do not begin at once."""

    real: Any
    run: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)
