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


@pytest.mark.rule("sizing.flat")
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


@pytest.mark.rule("sizing.flat", "sizing.exit-sign")
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


@pytest.mark.rule("sizing.working-orders")
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


@pytest.mark.rule("sizing.working-orders")
def test_an_entry_that_the_leader_makes_smaller_and_larger_is_followed_down_to_none_and_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        order = world.lead("Buy", 4, "Limit", price="5150")
        await trio.sleep(1)
        for quantity in (2, 1, 3, 1, 4, 2):
            world.change(order, quantity, price="5150")
            await trio.sleep(1)
            for name, size in (("half", quantity // 2), ("most", min(4, quantity * 3 // 2))):
                rests = [one.terms.qty for one in world.broker.working(name.upper())]
                assert rests == ([size] if size else []), (name, quantity)
        world.move("5140")
        await trio.sleep(1)
        assert world.positions("half") == {SYMBOL: 1} and world.positions("most") == {SYMBOL: 3}
        world.lead("Sell", 2)

    told(story, tmp_path, RATIOS)


@pytest.mark.rule("sizing.working-orders", "sizing.max-position")
def test_when_one_of_two_resting_entries_changes_the_other_has_what_the_cap_leaves_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        def rests() -> list[tuple[str, int]]:
            return [(str(one.terms.price), one.terms.qty) for one in world.broker.working("F1")]

        near = world.lead("Buy", 5, "Limit", price="5150")
        await trio.sleep(1)
        far = world.lead("Buy", 6, "Limit", price="5140")
        await trio.sleep(1)
        assert rests() == [("5150", 5), ("5140", 1)]
        world.change(near, 1, price="5150")
        await trio.sleep(1)
        assert rests() == [("5150", 1), ("5140", 5)]
        world.broker.cancel(far)
        await trio.sleep(1)
        assert rests() == [("5150", 1)]
        world.move("5149")
        await trio.sleep(1)
        assert world.positions("lead") == world.positions("f1") == {SYMBOL: 1}
        assert not world.rows("f1", "close")
        world.lead("Sell", 1)

    told(story, tmp_path, config_of(follower="max_order = 5\nmax_position = 6"))


@pytest.mark.rule("sizing.flat", "sizing.exit-sign")
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


@pytest.mark.rule("sizing.target")
@pytest.mark.parametrize("sign", [1, -1], ids=["long", "short"])
def test_a_target_is_cut_toward_zero_in_exact_decimals(sign: int, tmp_path: Path) -> None:
    """0.7 x 3 x 10 is 21, and 20 in binary fractions; 0.34 x 5 is 1.7, and no 2 on either side."""
    followers = {"exact": 'ratio = 0.7\nmap = { ES = { to = "MES", factor = 10 } }', "third": "ratio = 0.34"}
    action, back = ("Buy", "Sell") if sign > 0 else ("Sell", "Buy")

    async def story(world: World) -> None:
        world.lead(action, 3)
        await trio.sleep(1)
        assert world.positions("exact") == {"MESZ6": sign * 21} and world.positions("third") == {SYMBOL: sign}
        world.lead(action, 2)
        await trio.sleep(1)
        assert world.positions("exact") == {"MESZ6": sign * 35} and world.positions("third") == {SYMBOL: sign}
        world.lead(back, 5)

    told(story, tmp_path, config_of(tuple(followers), each=followers))


@pytest.mark.rule("sizing.attributed")
@pytest.mark.parametrize("seed", range(4))
def test_a_position_that_is_told_before_its_order_changes_no_size(seed: int, tmp_path: Path) -> None:
    """If the leader's position counted as it is told, his order would meet itself: a second one of 1 would be none."""

    async def story(world: World) -> None:
        world.fault(shuffle_props=True, one_message_per_frame=True, props_delay=(0.0, 0.3))
        for action, qty in (("Buy", 1), ("Buy", 1), ("Sell", 1), ("Sell", 4), ("Buy", 3)):
            world.lead(action, qty)
            await trio.sleep(2)
            net = world.broker.position("LEAD", SYMBOL)
            assert world.broker.position("HALF", SYMBOL) == int(net * 0.5)
        assert [(one.action, one.terms.qty) for one in world.ours("half")] == [
            ("Buy", 1), ("Sell", 1), ("Sell", 1), ("Buy", 1),
        ]  # fmt: skip

    told(story, tmp_path, RATIOS, seed)


@pytest.mark.rule("sizing.no-drift")
@pytest.mark.parametrize("name", ["half", "third"])
def test_after_each_partial_exit_the_position_is_the_target(name: str, tmp_path: Path) -> None:
    """Each exit rounded for itself would be none at all, and nine of them nothing."""
    hundredths = {"half": 50, "third": 34}[name]

    async def story(world: World) -> None:
        world.lead("Buy", 9)
        for net in range(8, -1, -1):
            await trio.sleep(1)
            world.lead("Sell", 1)
            await trio.sleep(1)
            assert world.positions(name).get(SYMBOL, 0) == net * hundredths // 100

    told(story, tmp_path, RATIOS)


@pytest.mark.rule("sizing.min-one")
def test_min_one_makes_one_of_none_for_openings_and_nothing_of_exits(tmp_path: Path) -> None:
    followers = {"some": "ratio = 0.25\nmin_one = true", "none": "ratio = 0.25"}

    async def story(world: World) -> None:
        steps = [("Buy", 1, 1), ("Buy", 1, 1), ("Buy", 6, 2), ("Sell", 1, 1), ("Sell", 6, 1), ("Sell", 1, 0)]
        for action, qty, held in steps:
            world.lead(action, qty)
            await trio.sleep(1)
            assert world.broker.position("SOME", SYMBOL) == held, (action, qty)
        assert [(one.action, one.terms.qty) for one in world.ours("some")] == [
            ("Buy", 1), ("Buy", 1), ("Sell", 1), ("Sell", 1),
        ]  # fmt: skip
        assert [(one.action, one.terms.qty) for one in world.ours("none")] == [("Buy", 2), ("Sell", 1), ("Sell", 1)]
        world.lead("Sell", 1)
        await trio.sleep(1)
        assert world.positions("some") == {SYMBOL: -1} and world.positions("none") == {}
        world.lead("Buy", 1)

    told(story, tmp_path, config_of(tuple(followers), each=followers))


@pytest.mark.rule("sizing.max-order")
def test_max_order_cuts_openings_and_never_exits(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 5)
        await trio.sleep(1)
        world.lead("Buy", 4, "Limit", price="5190")
        await trio.sleep(1)
        world.move("5189")
        await trio.sleep(1)
        assert world.positions("f1") == {SYMBOL: 4}
        world.lead("Sell", 9)
        await trio.sleep(1)
        assert [(one.action, one.terms.qty) for one in world.ours("f1")] == [("Buy", 2), ("Buy", 2), ("Sell", 4)]
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.lead("Sell", 7)  # through zero: out of two, and into no more than an order may open
        await trio.sleep(1)
        assert world.positions("f1") == {SYMBOL: -2}
        world.lead("Buy", 5)

    told(story, tmp_path, config_of(follower="max_order = 2"))


@pytest.mark.rule("sizing.max-position")
def test_max_position_bounds_a_position_on_either_side(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for action, back in (("Buy", "Sell"), ("Sell", "Buy")):
            sign = 1 if action == "Buy" else -1
            for qty, held in ((2, 2), (2, 3), (4, 3)):
                order = world.lead(action, qty)
                await trio.sleep(1)
                assert world.positions("f1") == {SYMBOL: sign * held}
            row = world.row(order)
            assert row["outcome"] == "skipped" and "max_position is reached" in str(row["reason"])
            for qty, held in ((5, 3), (1, 2)):  # 8, 3, 2: what is above the cap is nobody's
                world.lead(back, qty)
                await trio.sleep(1)
                assert world.positions("f1") == {SYMBOL: sign * held}
            world.lead(back, 2)
            await trio.sleep(1)
            assert world.positions("f1") == {}

    told(story, tmp_path, config_of(follower="max_position = 3"))


@pytest.mark.rule("sizing.max-position")
def test_an_exit_at_market_goes_also_beside_a_stop_and_a_target_that_are_not_linked(tmp_path: Path) -> None:
    """Together they would take the leader beyond flat, and there max_position is reached as well."""

    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        orders = [world.lead("Sell", 2, "Stop", stop="5100"), world.lead("Sell", 2, "Limit", price="5300")]
        await trio.sleep(1)
        for left in (1, 0):
            world.lead("Sell", 1)
            await trio.sleep(1)
            assert world.broker.position("F1", SYMBOL) == left
        for order in orders:
            world.broker.cancel(order)
        await trio.sleep(5)
        assert world.broker.working("F1") == []

    told(story, tmp_path, config_of(follower="max_position = 2"))


@pytest.mark.rule("sizing.max-position")
def test_max_position_is_of_the_product_whatever_contract_is_traded(tmp_path: Path) -> None:
    next_ = "ESH7"

    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.lead("Buy", 2, symbol=next_)
        await trio.sleep(1)
        assert sum(world.positions("f1").values()) == 3
        world.broker.flatten("LEAD", SYMBOL)
        await trio.sleep(1)
        assert world.positions("f1") == {next_: 1}
        world.broker.flatten("LEAD", next_)
        await trio.sleep(1)
        assert world.positions("f1") == {}
        world.lead("Buy", 3, symbol=next_)
        await trio.sleep(1)
        assert world.positions("f1") == {next_: 3}
        world.lead("Sell", 3, symbol=next_)

    told(story, tmp_path, config_of(follower="max_position = 3"))
