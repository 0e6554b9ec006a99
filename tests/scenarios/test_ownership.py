"""Release and adopt: what the operator says of a position that is not ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.scenarios.test_copying import told
from tests.scenarios.world import SYMBOL, World, run


def by_hand(world: World, action: str, quantity: int) -> int:
    """A person trades the follower."""
    return world.broker.place("F1", action, SYMBOL, quantity, "Market")


@pytest.mark.rule("operator.release")
@pytest.mark.parametrize("action", ["Buy", "Sell"])
def test_a_released_contract_is_copied_beside_what_is_not_ours(action: str, tmp_path: Path) -> None:
    theirs = 1 if action == "Buy" else -1

    async def story(world: World) -> None:
        by_hand(world, action, 1)
        await trio.sleep(1)
        entry = world.lead("Buy", 1)
        await trio.sleep(1)
        assert "somebody else trades" in str(world.row(entry)["reason"])
        world.lead("Sell", 1)
        await trio.sleep(1)
        world.release("f1")
        await trio.sleep(1)
        world.lead("Buy", 2)
        await trio.sleep(1)
        assert world.account("f1").account.book.contract(SYMBOL).own == 2  # type: ignore[arg-type]
        world.lead("Sell", 2, "Stop", stop="5180")
        world.server.drop_sockets("apex")  # a reading in between changes nothing
        await trio.sleep(10)
        assert [one.terms.qty for one in world.broker.working("F1")] == [2]
        world.move("5179")
        await trio.sleep(5)
        assert world.positions("f1") == {SYMBOL: theirs} and world.positions("lead") == {}
        by_hand(world, "Sell" if action == "Buy" else "Buy", 1)
        await trio.sleep(1)

    told(story, tmp_path)


@pytest.mark.rule("outcomes.baseline-adopt")
def test_a_position_from_before_copying_is_adopted_with_its_protection(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        world.lead("Sell", 2, "Stop", stop="5180")
        by_hand(world, "Buy", 2)
        async with world.daemon():
            await world.copying()
            await trio.sleep(1)
            assert world.broker.working("F1") == []
            world.adopt("f1")
            await trio.sleep(1)
            (stop,) = world.broker.working("F1")
            assert (stop.terms.kind, stop.terms.qty) == ("Stop", 2)
            world.lead("Buy", 1)
            await trio.sleep(1)
            assert world.positions("f1") == {SYMBOL: 3}
            world.move("5179")
            await trio.sleep(5)
            world.lead("Sell", 1)
            await trio.sleep(5)
            assert world.flat("f1")

    run(story, tmp_path)


@pytest.mark.rule("outcomes.baseline-adopt")
@pytest.mark.parametrize(("bought", "kept"), [(1, 1), (2, 2), (3, 2)])
def test_after_a_flatten_what_was_bought_by_hand_is_adopted(bought: int, kept: int, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.flatten("f1")
        await world.until(lambda: world.verified("f1"), within=5)
        world.resume("f1")
        by_hand(world, "Buy", bought)
        await trio.sleep(1)
        world.adopt("f1")
        await trio.sleep(5)
        assert world.positions("f1") == {SYMBOL: kept}
        add = world.lead("Buy", 1)
        await trio.sleep(1)
        assert world.row(add)["outcome"] == ("filled" if kept == 2 else "skipped")
        world.lead("Sell", 3)
        await trio.sleep(5)
        assert world.flat("f1")

    told(story, tmp_path)
