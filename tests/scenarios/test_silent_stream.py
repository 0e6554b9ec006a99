"""A socket that beats but tells nothing: found by reading back, and never copied late."""

from __future__ import annotations

from pathlib import Path

import attrs
import trio

from statecharts import states as s
from tests.scenarios.world import SYMBOL, World, run


def test_a_socket_that_beats_but_delivers_no_events_is_found_within_40_s(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.server.faults = attrs.evolve(world.server.faults, drop_props=1.0)
            world.broker.place("LEAD", "Buy", SYMBOL, 1)
            lost_at = trio.current_time()
            await world.until(lambda: world.leaf("lead") is not s.Copying)
            assert trio.current_time() - lost_at <= 40
            assert "events were lost" in (world.account("lead").account.connection.reason or "")
            world.server.faults = attrs.evolve(world.server.faults, drop_props=0.0)
            await world.copying()
            await trio.sleep(5)
            assert world.positions("f1") == {}, "a missed entry is not chased"
            assert [c["outcome"] for c in world.copies("f1")] == ["skipped"]

    run(story, tmp_path)


def test_an_exit_whose_events_were_lost_is_caught_up(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.broker.place("LEAD", "Buy", SYMBOL, 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1})
            world.server.faults = attrs.evolve(world.server.faults, drop_props=1.0)
            world.broker.place("LEAD", "Sell", SYMBOL, 1)
            await world.until(lambda: world.leaf("lead") is not s.Copying)
            world.server.faults = attrs.evolve(world.server.faults, drop_props=0.0)
            await world.until(lambda: world.positions("f1") == {})

    run(story, tmp_path)


def test_a_quiet_but_healthy_socket_is_left_alone_all_night(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(8 * 3600)
            assert world.login().sockets == 1
            assert world.leaf("lead") is s.Copying

    run(story, tmp_path)
