"""kill -9 at every call of a port while a follower is being flattened: it ends flat, and nothing is doubled."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.scenarios import truth
from tests.scenarios.mortality import Mortality
from tests.scenarios.test_kills import DEAD, MOST, STRIDE, TEXT, first_life
from tests.scenarios.world import SYMBOL, World, run

SOON = 0.2  # seconds between the deeds: the process lives for a second


async def flattened_while_the_leader_trades(world: World) -> None:
    world.lead("Buy", 2)
    await trio.sleep(SOON)
    world.lead("Sell", 2, "Stop", stop="5180")
    world.lead("Buy", 1, "Limit", price="5190")
    await trio.sleep(SOON)
    world.flatten("f1")
    world.lead("Buy", 1)


@pytest.mark.rule("operator.flatten-in-flight")
def test_a_death_at_any_port_call_ends_flat_and_doubles_nothing(tmp_path: Path) -> None:
    deaths = flats = 0

    async def story(world: World, number: int) -> tuple[bool, bool]:
        mortality: Mortality = await first_life(world, flattened_while_the_leader_trades, number)
        await trio.sleep(DEAD)
        async with world.daemon():
            await world.copying()
            asked = bool(world.account("f1").account.book.latches)
            if asked:
                await world.until(lambda: world.verified("f1"), within=60)
                before = len(world.ours("f1"))
                world.lead("Buy", 1)
                await trio.sleep(20)
                assert world.flat("f1") and len(world.ours("f1")) == before
            else:  # the wish died with the process before it was written down
                await trio.sleep(45)
            held = sum(one.filled if one.action == "Buy" else -one.filled for one in world.ours("f1"))
            assert world.positions("f1") == ({SYMBOL: held} if held else {})
            truth.nothing_twice(world)
        return mortality.dead and len(mortality.calls) == number + 1, asked

    for number in range(0, MOST, STRIDE):
        place = tmp_path / str(number)
        place.mkdir()

        async def whole(world: World, number: int = number) -> tuple[bool, bool]:
            return await story(world, number)

        try:
            died, asked = run(whole, place, TEXT)
        except BaseException as error:
            error.add_note(f"dead at port call {number}")
            raise
        flats += asked
        if not died:
            break
        deaths += 1
    assert deaths * STRIDE > 80 and 20 < flats * STRIDE < deaths * STRIDE
