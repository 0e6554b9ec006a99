"""Rounding, caps and pieces: whatever the sizes were, the leader flat means the follower flat, and no exit flips."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import trio

from tests.scenarios.test_copying import told
from tests.scenarios.world import SYMBOL, World, config_of

RATIOS = config_of(
    ("half", "third", "most"),
    each={"half": "ratio = 0.5", "third": "ratio = 0.34", "most": "ratio = 1.5\nmax_position = 4"},
)


def never_flipped(world: World, name: str, sign: int = 1) -> None:
    """Over all fills of the account, in order: its position never had the other sign."""
    net = 0
    for row in world.broker.entities.rows("fill"):
        fill = row.entity
        if fill["orderId"] in {one.order_id for one in world.broker.orders(name.upper())}:
            net += fill["qty"] if fill["action"] == "Buy" else -fill["qty"]
            assert net * sign >= 0, (name, net)


@pytest.mark.parametrize("entry", [1, 2, 3])
@pytest.mark.parametrize("pieces_in", [False, True])
@pytest.mark.parametrize("pieces_out", [False, True])
def test_in_and_out_whole_or_in_pieces_ends_flat(entry: int, pieces_in: bool, pieces_out: bool, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for _ in range(3):
            for quantity in [1] * entry if pieces_in else [entry]:
                world.lead("Buy", quantity)
                await trio.sleep(0.5)
            assert world.positions("half").get(SYMBOL, 0) == entry // 2
            for quantity in [1] * entry if pieces_out else [entry]:
                world.lead("Sell", quantity)
                await trio.sleep(0.5)
            assert world.positions("half") == {}
        for name in ("half", "third", "most"):
            never_flipped(world, name)

    told(story, tmp_path, RATIOS)


@pytest.mark.parametrize("entry", [1, 2, 3, 5])
def test_resting_exits_in_pieces_end_flat(entry: int, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", entry)
        await trio.sleep(0.5)
        for step in range(entry):
            world.lead("Sell", 1, "Limit", price=str(5205 + step))
            await trio.sleep(0.5)
        for step in range(entry):
            world.move(str(5205 + step))
            await trio.sleep(7)
        assert world.positions("lead") == {}
        for name in ("half", "third", "most"):
            assert world.positions(name) == {}, name
            assert world.broker.working(name.upper()) == []
            never_flipped(world, name)

    told(story, tmp_path, RATIOS)


def test_two_entries_that_rest_together_do_not_overshoot(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for price in ("5198", "5197", "5196"):
            world.lead("Buy", 1, "Limit", price=price)
            await trio.sleep(0.5)
        world.move("5190")
        await trio.sleep(7)
        assert world.positions("half") == {SYMBOL: 1}
        assert world.positions("third") == {SYMBOL: 1}
        assert world.positions("most") == {SYMBOL: 4}
        world.lead("Sell", 3)

    told(story, tmp_path, RATIOS)


@pytest.mark.parametrize("seed", range(12))
def test_a_random_day_never_flips_and_is_flat_when_the_leader_is(seed: int, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        dice = random.Random(seed)
        world.fault(fill_delay=(0.0, 0.3), answer_delay=(0.0, 0.2))
        for _ in range(4):
            while True:
                net = world.broker.position("LEAD", SYMBOL)
                if net == 0 or dice.random() < 0.4:
                    world.lead("Buy", dice.randint(1, 4))
                else:
                    world.lead("Sell", dice.randint(1, net))
                await trio.sleep(dice.uniform(0.35, 2.0))
                if world.broker.position("LEAD", SYMBOL) == 0:
                    break
            await trio.sleep(5)
            for name in ("half", "third", "most"):
                assert world.positions(name) == {}, (seed, name)
                never_flipped(world, name)

    told(story, tmp_path, RATIOS, seed)
