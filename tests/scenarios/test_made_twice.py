"""A power cut takes the last decisions from the ledger, and the broker accepts an order only after we have read it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import trio

from tests.scenarios import truth
from tests.scenarios.world import SYMBOL, World, config_of, run

ON_THE_WAY = 20.0  # seconds


async def power_cut(world: World, kept: Path) -> None:
    """The machine dies, and its ledger is as it was when it was kept."""
    for file in world.state.glob("ledger.sqlite*"):
        file.unlink()
    shutil.copytree(kept, world.state, dirs_exist_ok=True)


async def decided_and_forgotten(world: World, action: str) -> None:
    """The leader trades two, ours is on its way, and nothing of that is in the ledger any more."""
    kept = world.state / "kept"
    kept.mkdir()
    with trio.CancelScope() as life:
        async with world.daemon():
            await world.copying()
            if action == "Sell":
                world.lead("Buy", 2)
                await world.until(lambda: world.positions("f1") == {SYMBOL: 2})
            await trio.sleep(1)
            for file in world.state.glob("ledger.sqlite*"):
                shutil.copy(file, kept)
            world.server.accept_late(ON_THE_WAY, endpoint="order/placeorder")
            world.lead(action, 2)
            await trio.sleep(0.5)
            life.cancel()
            await trio.lowlevel.checkpoint()
    await power_cut(world, kept)


@pytest.mark.parametrize(
    ("action", "left", "told"),
    [
        ("Buy", {SYMBOL: 2}, "the broker has made an order of ours twice"),  # a fresh entry: it has the same name
        ("Sell", {}, "an order believed lost turned up"),  # the leader is flat: what is ours is closed
    ],
)
def test_what_is_made_twice_is_taken_back_at_once(action: str, left: dict[str, int], told: str, tmp_path: Path) -> None:

    async def story(world: World) -> None:
        await decided_and_forgotten(world, action)
        async with world.daemon():
            await world.copying()
            await trio.sleep(3)
            assert world.positions("f1") == left, "it was made anew"
            await trio.sleep(ON_THE_WAY + 5)
            assert [len(world.ours("f1")), world.positions("f1")] == [3 if action == "Buy" else 4, left]
            assert any(told in words for words in world.said("copy.failed"))
            truth.in_step(world)

    run(story, tmp_path, config_of(copy='catch_up = "fresh"'))
