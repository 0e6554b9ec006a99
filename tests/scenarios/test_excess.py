"""Two markets, so that the leader's orders fill and the follower's do not, or the other way round."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest
import trio

from tests.scenarios import truth
from tests.scenarios.world import SYMBOL, World, config_of, run

MICRO = "MESZ6"
MAP = 'map = { ES = { to = "MES", factor = 1 } }'


def told(story: Callable[[World], Awaitable[None]], state: Path) -> None:
    async def whole(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await story(world)
            await trio.sleep(60)
            truth.all_is_well(world)

    run(whole, state, config_of(follower=MAP))


def away(world: World, symbol: str, points: int) -> Decimal:
    return world.broker.exchange.last[symbol] + points


def ours(world: World) -> int:
    return world.positions("f1").get(MICRO, 0)


async def enters(world: World, action: str, qty: int) -> None:
    world.lead(action, qty)
    await world.until(lambda: abs(ours(world)) == qty)


@pytest.mark.rule("orders.beyond")
def test_what_filled_before_the_leaders_own_is_closed_when_he_cancels_his(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await enters(world, "Buy", 2)
        more = world.lead("Buy", 2, "Limit", price=away(world, SYMBOL, -2))
        await world.until(lambda: len(world.broker.working("F1")) == 1)
        world.broker.move(MICRO, away(world, MICRO, -3))
        await world.until(lambda: ours(world) == 4)
        await trio.sleep(60)
        assert ours(world) == 4, "his may still fill"
        world.broker.cancel(more)
        await trio.sleep(4)
        assert ours(world) == 4
        await world.until(lambda: ours(world) == 2, within=5)
        assert any("we own 4, the leader's position stands for 2" in said for said in world.said("position.drifted"))
        world.lead("Sell", 2)
        await world.until(lambda: world.flat("f1"))

    told(story, tmp_path)


@pytest.mark.rule("orders.by-now")
def test_a_stop_that_only_exits_by_now_is_made_certain_when_the_leaders_alone_has_filled(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await enters(world, "Sell", 2)
        world.lead("Buy", 3, "Stop", stop=away(world, SYMBOL, 5))
        await world.until(lambda: len(world.broker.working("F1")) == 1)
        world.lead("Sell", 1)
        await world.until(lambda: ours(world) == -3)
        world.broker.move(SYMBOL, away(world, SYMBOL, 6))
        await world.until(lambda: not world.positions("lead"))
        await world.until(lambda: world.flat("f1"), within=10)
        assert world.broker.working("F1") == []

    told(story, tmp_path)


@pytest.mark.rule("orders.by-now")
def test_an_exit_that_the_leader_left_when_he_reversed_opens_nothing_in_a_pause(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await enters(world, "Buy", 2)
        world.lead("Sell", 2, "Limit", price=away(world, SYMBOL, 5))
        await world.until(lambda: len(world.broker.working("F1")) == 1)
        world.lead("Sell", 4)
        await world.until(lambda: ours(world) == -2)
        world.pause("f1")
        await trio.sleep(1)
        assert world.broker.working("F1") == []
        for symbol in (SYMBOL, MICRO):
            world.broker.move(symbol, away(world, symbol, 6))
        await trio.sleep(10)
        assert world.positions("lead") == {SYMBOL: -4}
        assert ours(world) == -2
        world.lead("Buy", 4)
        await world.until(lambda: world.flat("f1"))

    told(story, tmp_path)


@pytest.mark.rule("orders.missed")
def test_what_a_reversal_opened_for_the_leader_alone_is_missed_and_what_it_exited_is_closed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await enters(world, "Buy", 1)
        world.lead("Sell", 3, "Limit", price=away(world, SYMBOL, 5))
        await world.until(lambda: len(world.broker.working("F1")) == 1)
        world.broker.move(SYMBOL, away(world, SYMBOL, 6))
        await world.until(lambda: world.positions("lead") == {SYMBOL: -2})
        await world.until(lambda: world.flat("f1"), within=10)
        assert any("short by 2 of 2 (entry missed, not chased)" in said for said in world.said("position.drifted"))
        more = world.lead("Sell", 1)
        await trio.sleep(1)
        assert "waits until the leader is flat" in str(world.row(more)["reason"])
        world.lead("Buy", 3)
        await trio.sleep(1)
        await enters(world, "Buy", 1)
        world.lead("Sell", 1)
        await world.until(lambda: world.flat("f1"))

    told(story, tmp_path)
