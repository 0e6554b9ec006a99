"""The daemon is asked to stop: nothing new is copied, what is in flight is waited for, and the end is clean."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.scenarios.world import SYMBOL, World, config_of, run

TWO = config_of(("f1", "f2"))


async def _stopped_after(world: World) -> float:
    """Asks the daemon to stop and answers how long that took."""
    asked_at = trio.current_time()
    world.daemon_now.stopping.set()
    with trio.fail_after(10):
        while not any("stopped cleanly" in line for line in world.said("daemon.stopped")):
            await trio.sleep(0.01)
    return trio.current_time() - asked_at


def test_an_idle_daemon_stops_at_once_and_cleanly(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            assert daemon.last_stop == "clean"
            assert await _stopped_after(world) <= 1.5
            assert "without an answer" not in world.said("daemon.stopped")[-1]
        assert world.server.live_sockets() == []
        async with world.daemon() as daemon:
            assert daemon.last_stop == "clean"

    run(story, tmp_path, TWO)


@pytest.mark.parametrize("delay", [0.5, 3.0, 4.5])
def test_an_order_in_flight_is_waited_for_and_its_answer_is_written_down(tmp_path: Path, delay: float) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.server.accept_late(delay, times=2)
            world.lead("Buy", 1)
            await trio.sleep(0.2)
            took = await _stopped_after(world)
            assert delay - 0.25 <= took <= delay + 1.5
        assert len(world.broker.accepted) == 3
        async with world.daemon():
            rows = world.copies()
            assert all(row["order_id"] is not None for row in rows)
            await world.copying()
            await trio.sleep(30)
            assert world.positions("f1") == world.positions("f2") == {SYMBOL: 1}
            assert len(world.broker.accepted) == 3

    run(story, tmp_path, TWO)


@pytest.mark.rule("outcomes.restart")
@pytest.mark.parametrize("delay", [20.0, None])
def test_an_answer_that_does_not_come_is_waited_for_five_seconds_and_looked_up_afterwards(
    tmp_path: Path, delay: float | None
) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            if delay is None:
                world.server.accept_and_lose_answer(times=2)
            else:
                world.server.accept_late(delay, times=2)
            world.lead("Buy", 1)
            await trio.sleep(0.2)
            assert 4.5 <= await _stopped_after(world) <= 6.5
            assert "2 without an answer, looked up at the next start" in world.said("daemon.stopped")[-1]
        async with world.daemon() as daemon:
            assert daemon.last_stop == "clean"
            await world.copying()
            await trio.sleep(90)
            assert world.positions("f1") == world.positions("f2") == {SYMBOL: 1}
            assert len(world.broker.accepted) == 3

    run(story, tmp_path, TWO)


def test_nothing_new_is_copied_while_the_daemon_waits_for_its_end(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.server.accept_and_lose_answer(times=2)
            world.lead("Buy", 1)
            await trio.sleep(0.2)
            accepted = len(world.broker.accepted)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_trade, world)
                await _stopped_after(world)
                nursery.cancel_scope.cancel()
            leaders = sum(one.account == "LEAD" for one in world.broker.accepted)
            assert leaders >= 10
            assert len(world.broker.accepted) - leaders == accepted - 1

    async def _trade(world: World) -> None:
        for turn in range(100):
            world.lead("Buy" if turn % 2 else "Sell", 1)
            await trio.sleep(0.2)

    run(story, tmp_path, TWO)


def test_a_stop_in_the_middle_of_a_dial_hangs_on_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(handshake_silent=True)
        async with world.daemon():
            await trio.sleep(5)
            assert await _stopped_after(world) <= 1.5
        world.heal()
        world.fault(authorize_silent=True)
        async with world.daemon():
            await trio.sleep(5)
            assert await _stopped_after(world) <= 1.5

    run(story, tmp_path, TWO)


def test_a_stop_on_a_half_open_socket_is_clean_too(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.server.half_open()
            world.lead("Buy", 1)
            await trio.sleep(1)
            assert await _stopped_after(world) <= 6.5

    run(story, tmp_path, TWO)


def test_a_daemon_that_was_killed_says_so_at_its_next_start(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        with trio.CancelScope() as kill:
            async with world.daemon():
                await world.copying()
                kill.cancel()
                await trio.lowlevel.checkpoint()
        async with world.daemon() as daemon:
            assert daemon.last_stop == "crash"
            await world.copying()
            assert world.server.token_requests["jane"] == 1

    run(story, tmp_path, TWO)
