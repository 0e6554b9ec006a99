"""A follower that lacks margin."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from statecharts import events as e
from tests.scenarios.world import SYMBOL, World, config_of, now, run


@pytest.mark.rule("outcomes.margin")
@pytest.mark.parametrize("stage", ["answer", "risk"])
def test_the_second_refusal_for_margin_in_a_row_pauses_that_follower_s_entries(stage: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 1, symbol="CLZ6")
            await trio.sleep(2)
            world.server.reject_next("F1", "MaxPosLimitReached", "Not enough margin", stage, times=2)
            first = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(first, "f1")["outcome"] == "rejected"
            second = world.lead("Buy", 1, symbol="NQZ6")
            await trio.sleep(2)
            assert world.row(second, "f1")["outcome"] == "rejected"
            assert [one for one in world.said("copy.failed") if "2 entries in a row were refused for margin" in one]
            third = world.lead("Buy", 1, symbol="GCZ6")
            world.lead("Sell", 1, symbol="CLZ6")
            await trio.sleep(2)
            row = world.row(third, "f1")
            assert row["outcome"] == "skipped" and "lacks margin" in str(row["reason"])
            assert world.positions("f1") == {}, "its exits go"
            assert world.positions("f2") == {SYMBOL: 1, "NQZ6": 1, "GCZ6": 1}
            for symbol in (SYMBOL, "NQZ6", "GCZ6"):
                world.lead("Sell", 1, symbol=symbol)
            await trio.sleep(2)
            world.account("f1").runner.post(e.ResumeAsked(at=now()))
            world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.positions("f1") == {SYMBOL: 1}

    run(story, tmp_path, config_of(("f1", "f2")))
