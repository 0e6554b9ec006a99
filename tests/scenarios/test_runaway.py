"""More placements than any leader makes: that follower only closes, until the operator has looked at it."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from statecharts import events as e
from tests.scenarios.world import SYMBOL, World, config_of, now, run

TEXT = config_of(("calm", "wild"), each={"wild": 'runaway = { orders = 5, per = "5s" }'})


@pytest.mark.rule("outcomes.runaway", "copies.apart")
def test_a_runaway_follower_closes_only_and_the_others_never_notice(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 1)
            for _ in range(8):
                world.lead("Buy", 1, "Limit", price="5150")
                await trio.sleep(0.2)
            await trio.sleep(5)
            assert len(world.ours("wild")) == 6 and len(world.ours("calm")) == 9
            pages = [entry.message for entry in world.journal if entry.severity == "page"]
            assert len(pages) == 1 and "wild: CLOSE-ONLY: 6 orders within 5 s" in pages[0]
            await trio.sleep(60)
            world.lead("Sell", 1)
            await trio.sleep(5)
            assert world.positions("wild") == world.positions("calm") == {}, "its exits go"
            for order in world.broker.working("LEAD"):
                world.broker.cancel(order.order_id)
            await trio.sleep(10)
            assert world.broker.working("WILD") == []
            skipped = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(skipped, "wild")["outcome"] == "skipped"
            assert "runaway" in str(world.row(skipped, "wild")["reason"])
            world.lead("Sell", 1)
            await trio.sleep(2)
            world.account("wild").runner.post(e.ResumeAsked(at=now()))
            world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.positions("wild") == {SYMBOL: 1}

    run(story, tmp_path, TEXT)


def test_the_bar_survives_a_restart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            for _ in range(8):
                world.lead("Buy", 1, "Limit", price="5150")
            await trio.sleep(2)
        async with world.daemon():
            await world.copying()
            order = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(order, "wild")["outcome"] == "skipped"
            assert world.row(order, "calm")["outcome"] == "filled"

    run(story, tmp_path, TEXT)
