"""Orders name their contract by a number; while one name is asked for, another number turns up."""

from __future__ import annotations

from pathlib import Path

import trio

from tests.scenarios.world import SYMBOL, World, config_of, run


def test_two_contracts_that_turn_up_together_are_both_known_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(answer_delay=(0.01, 0.03))
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 1)
            await trio.sleep(0.5)
            assert world.positions("f1") == {SYMBOL: 1} and world.positions("f2") == {"MESZ6": 10}
            assert [row["outcome"] for row in world.copies()] == ["filled", "filled"]

    micro = {"f2": 'map = { ES = { to = "MES", factor = 10 } }'}
    run(story, tmp_path, config_of(("f1", "f2"), each=micro, elsewhere=("f1", "f2")))
