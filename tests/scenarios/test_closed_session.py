"""SessionClosed: an exit waits for the opening and is asked for once a minute at most; an entry does not come again."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import trio

from tests.scenarios.test_copying import told
from tests.scenarios.world import SYMBOL, World, config_of

TWO = config_of(("f1", "f2"))
STAGES = pytest.mark.parametrize("stage", ["answer", "risk", "exchange"])


def close_session(world: World, stage: str, times: int) -> None:
    """The broker refuses so many orders of f1."""
    world.server.reject_next("F1", "SessionClosed", "Cannot place order outside of market hours", stage, times)


def loud(world: World) -> list[str]:
    return [entry.kind for entry in world.journal if entry.severity in ("warning", "page") and "f1" in entry.message]


@STAGES
@pytest.mark.rule("outcomes.exit-closed")
def test_an_exit_at_market_waits_and_is_closed_when_the_session_opens(stage: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        close_session(world, stage, 4)
        exit_ = world.lead("Sell", 2)
        await trio.sleep(185)
        assert world.row(exit_, "f1")["outcome"] == "rejected"
        assert world.positions("f1") == {SYMBOL: 2} and world.positions("f2") == {}
        asked = [
            one.created for one in world.broker.desk.log if one.ticket.account_id == world.broker.account_ids["F1"]
        ]
        if stage != "answer":  # what is refused in the answer is no order at the broker
            assert all((later - earlier).total_seconds() >= 60 for earlier, later in pairwise(asked[1:]))
        assert loud(world).count("copy.failed") == 1 and "page" not in {entry.severity for entry in world.journal}
        assert len(world.said("calendar.contradicted")) == 1
        await trio.sleep(60)
        assert world.positions("f1") == {}
        assert [row["outcome"] for row in world.rows("f1", "close")] == ["rejected"] * 3 + ["filled"]

    told(story, tmp_path, TWO)


@STAGES
def test_a_resting_exit_is_placed_when_the_session_opens(stage: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        close_session(world, stage, 1)
        exit_ = world.lead("Sell", 2, "Limit", price="5210")
        await trio.sleep(50)
        assert world.row(exit_, "f1")["outcome"] == "intended"
        await trio.sleep(15)
        assert world.row(exit_, "f1")["outcome"] == "working"
        world.move("5211")
        await trio.sleep(3)
        assert world.positions("f1") == {}

    told(story, tmp_path, TWO)


def test_an_entry_does_not_come_at_the_reopening(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        close_session(world, "answer", 1)
        entry = world.lead("Buy", 2)
        await trio.sleep(300)
        assert world.row(entry, "f1")["outcome"] == "rejected"
        assert world.positions("f1") == {} and world.positions("f2") == {SYMBOL: 2}
        world.lead("Sell", 2)

    told(story, tmp_path, TWO)
