"""A follower's order may fill before the leader's own: two queues, two sockets, two moments."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import trio

from tests.scenarios.world import SYMBOL, World, config_of, run

MICRO = "MESZ6"
MAP = 'map = { ES = { to = "MES", factor = 10 } }'


async def _micro_is_first(world: World) -> int:
    """The leader's limit order rests, and the follower's, in the other contract, has filled. The leader's order."""
    await world.copying()
    price = world.broker.exchange.last[SYMBOL] - 2
    order = world.broker.place("LEAD", "Buy", SYMBOL, 2, "Limit", price=price)
    await world.until(lambda: len(world.broker.working("F1")) == 1)
    world.broker.move(MICRO, price - Decimal("0.25"))
    await world.until(lambda: world.positions("f1") == {MICRO: 20})
    await trio.sleep(30)
    return order


def test_a_follower_that_fills_first_waits_for_its_leader(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await _micro_is_first(world)
            assert world.positions("f1") == {MICRO: 20}
            world.broker.move(SYMBOL, world.broker.exchange.last[MICRO])
            await world.until(lambda: world.positions("lead") == {SYMBOL: 2})
            await trio.sleep(30)
            assert world.positions("f1") == {MICRO: 20}
            world.broker.place("LEAD", "Sell", SYMBOL, 2)
            await world.until(lambda: not world.positions("f1"))
            assert [c["outcome"] for c in world.copies()] == ["filled", "filled"]

    run(story, tmp_path, config_of(follower=MAP))


def test_a_follower_that_filled_alone_is_closed_when_the_leader_cancels(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            order = await _micro_is_first(world)
            world.broker.cancel(order)
            await world.until(lambda: not world.positions("f1"))
            assert [c["verb"] for c in world.copies()] == ["place", "close"]

    run(story, tmp_path, config_of(follower=MAP))
