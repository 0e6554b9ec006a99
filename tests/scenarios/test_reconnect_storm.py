"""Reconnects by the hundred, or a thousand: what a session had started ends with it, and nothing grows."""

from __future__ import annotations

import gc
from itertools import pairwise
from pathlib import Path

import trio

from daemon.logins.session import Session
from tests import each
from tests.scenarios.world import World, config_of, run

RECONNECTS = 1000 // each(4)
FOUR = config_of(("f1", "f2", "f3"))


def _tasks() -> int:
    root = trio.lowlevel.current_root_task()
    assert root is not None
    found, count = [root], 0
    while found:
        task = found.pop()
        count += 1
        for nursery in task.child_nurseries:
            found += nursery.child_tasks
    return count


class Ear:
    """Counts what the client says: heartbeats are `[]`."""

    def __init__(self, world: World) -> None:
        self.beats: list[float] = []
        (session,) = world.server.live_sockets("apex")
        wire = session._wire
        hear = wire.receive

        async def receive() -> str:
            frame = await hear()
            if frame == "[]":
                self.beats.append(trio.current_time())
            return frame

        wire.receive = receive  # type: ignore[method-assign]  # an ear at the wire, which hears and changes nothing


def test_hundreds_of_reconnects_leave_the_same_tasks_and_one_heartbeat(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            await trio.sleep(61)
            tasks = _tasks()
            hearers = len(world.login()._hearers)
            for count in range(RECONNECTS):
                if count % 50 == 0:
                    world.server.half_open()
                    await trio.sleep(10)
                else:
                    world.server.drop_sockets()
                await trio.sleep(0.5)
                await world.copying(within=30)
                await trio.sleep(61)
            assert _tasks() == tasks
            login = world.login()
            assert login.sockets == RECONNECTS + 1 == world.server.sockets_opened
            assert len(world.server.live_sockets()) == 1
            assert len(login._hearers) == hearers
            assert login._wakes == {}
            assert login._leases == len(world.config.accounts)
            assert login.session is not None
            assert login.session.correspondence.under_way == {}
            assert len(login.session.correspondence.queue) == 0
            assert all(running.errands.under_way == 0 for running in daemon.accounts.values())
            gc.collect()
            assert sum(isinstance(one, Session) for one in gc.get_objects()) <= 2
            assert daemon.crashes == 0
            ear = Ear(world)
            await trio.sleep(250)
            assert len(ear.beats) in (99, 100, 101)
            pauses = [later - earlier for earlier, later in pairwise(ear.beats)]
            assert all(abs(pause - 2.5) < 0.01 for pause in pauses)

    run(story, tmp_path, FOUR)


def test_the_heartbeat_goes_on_under_many_messages_and_before_everything_queued(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            ear = Ear(world)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_trade, world)
                await trio.sleep(15)
                nursery.cancel_scope.cancel()
            assert len(ear.beats) >= 5
            assert max(b - a for a, b in pairwise(ear.beats)) < 2.6

    async def _trade(world: World) -> None:
        for turn in range(10_000):
            world.lead("Buy" if turn % 2 else "Sell", 1)
            await trio.sleep(0.1)

    run(story, tmp_path, FOUR)


def test_a_quiet_but_healthy_socket_is_never_given_up(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(8 * 3600)
            assert world.login().sockets == 1

    run(story, tmp_path)
