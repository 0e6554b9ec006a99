"""Another program logs in with our user, and the broker closes our session."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from statecharts import states as s
from tests.scenarios.world import SYMBOL, World, config_of, run

RETAKE = config_of().replace("cid = 8123", 'cid = 8123\non_evicted = "retake"', 1)


@pytest.mark.rule("outcomes.evicted-yield")
def test_yield_waits_a_minute_and_is_back_when_the_other_has_gone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(90)
            world.server.evict("apex")
            await world.until(lambda: world.leaf("f1") is s.BackingOff, within=5)
            assert world.account("f1").account.connection.cause is s.Cause.EVICTED
            await trio.sleep(55)
            assert world.leaf("f1") is s.BackingOff, "waiting, not fighting"
            await world.copying(within=120)
            world.lead("Buy", 1)
            await trio.sleep(5)
            assert world.positions("f1") == {SYMBOL: 1}

    run(story, tmp_path)


@pytest.mark.rule("outcomes.evicted-yield")
def test_yield_tries_three_times_and_stops_and_tells(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            evicted = 0
            for _ in range(1200):
                if world.leaf("f1") is s.Stopped:
                    break
                if world.leaf("f1") is s.Copying:
                    world.server.evict("apex")
                    evicted += 1
                await trio.sleep(1)
            assert evicted == 4, "the first, and three tries"
            assert world.account("f1").account.connection.cause is s.Cause.EVICTED
            sockets = world.server.sockets_opened
            await trio.sleep(3600)
            assert world.server.sockets_opened == sockets
            assert any("DISCONNECTED" in words for words in world.said("connection.broken"))

    run(story, tmp_path)


@pytest.mark.rule("outcomes.evicted-retake")
def test_retake_takes_the_session_back_at_once_and_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            for _ in range(5):
                world.server.evict("apex")
                await trio.sleep(0.5)
                await world.copying(within=40)
                await trio.sleep(70)
            world.lead("Buy", 1)
            await trio.sleep(5)
            assert world.positions("f1") == {SYMBOL: 1}

    run(story, tmp_path, RETAKE)
