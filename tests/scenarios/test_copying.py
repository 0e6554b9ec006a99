"""A leader's orders reach its followers."""

from __future__ import annotations

from pathlib import Path

import trio

from tests.scenarios.world import SYMBOL, World, config_of, run


def test_a_market_order_is_copied_once_to_every_follower(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.broker.place("LEAD", "Buy", SYMBOL, 2)
            await world.until(lambda: world.positions("f1") == world.positions("f2") == {SYMBOL: 2})
            await trio.sleep(60)
            assert [c["outcome"] for c in world.copies()] == ["filled", "filled"]
            assert len(world.broker.accepted) == 3

    run(story, tmp_path, config_of(("f1", "f2")))
