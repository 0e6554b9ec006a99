"""A leader's orders reach its followers: the right size, once, whatever the order of the events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest
import trio

from tests.scenarios import truth
from tests.scenarios.world import SYMBOL, World, config_of, run

SIZES = config_of(
    ("one", "half", "double", "inverse", "micro"),
    each={
        "half": "ratio = 0.5",
        "double": "ratio = 2",
        "inverse": "ratio = -1\ninverse = true",
        "micro": 'map = { ES = { to = "MES", factor = 10 } }',
    },
)


def told(story: Callable[[World], Awaitable[None]], state: Path, text: str | None = None, seed: int = 1) -> None:
    """The story, then everything that must be true afterwards."""

    async def whole(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await story(world)
            await trio.sleep(60)
            truth.all_is_well(world)

    run(whole, state, text, seed)


def test_a_market_order_is_copied_once_to_every_follower(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await world.until(lambda: world.positions("f1") == world.positions("f2") == {SYMBOL: 2})
        await trio.sleep(60)
        assert [c["outcome"] for c in world.copies()] == ["filled", "filled"]
        assert len(world.broker.accepted) == 3

    told(story, tmp_path, config_of(("f1", "f2")))


@pytest.mark.rule("sizing.map")
def test_a_market_order_has_each_follower_s_own_size_side_and_product(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        assert world.positions("one") == {SYMBOL: 2}
        assert world.positions("half") == {SYMBOL: 1}
        assert world.positions("double") == {SYMBOL: 4}
        assert world.positions("inverse") == {SYMBOL: -2}
        assert world.positions("micro") == {"MESZ6": 20}
        world.lead("Sell", 2)
        await trio.sleep(1)
        assert all(len(world.ours(name)) == 2 for name in truth.followers(world))
        world.lead("Buy", 1, symbol="ESH7")
        await trio.sleep(1)
        assert world.positions("one") == {"ESH7": 1} and world.positions("micro") == {"MESH7": 10}, "the month stays"
        world.lead("Sell", 1, symbol="ESH7")
        await trio.sleep(1)

    told(story, tmp_path, SIZES)


@pytest.mark.parametrize(
    ("kind", "prices", "tif"),
    [
        ("Limit", {"price": "5190.25"}, "Day"),
        ("Limit", {"price": "5190.25"}, "GTC"),
        ("Stop", {"stop": "5210.25"}, "GTC"),
        ("StopLimit", {"stop": "5210.25", "price": "5211.75"}, "Day"),
    ],
)
def test_a_resting_order_has_the_leader_s_type_prices_and_time_in_force(
    kind: str, prices: dict[str, str], tif: str, tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        order = world.lead("Buy", 3, kind, tif=tif, **prices)
        await trio.sleep(1)
        sizes = {"one": 3, "half": 1, "double": 6, "micro": 30}
        for name, quantity in sizes.items():
            (one,) = world.broker.working(name.upper())
            assert (one.action, one.terms.qty, one.terms.kind, one.terms.tif) == ("Buy", quantity, kind, tif)
            assert (str(one.terms.price), str(one.terms.stop_price)) == (
                prices.get("price", "None"),
                prices.get("stop", "None"),
            )
            row = world.row(order, name)
            assert (row["outcome"], row["quantity"], row["order_type"]) == ("working", quantity, kind)
            assert row["action"] == "Buy" and row["order_id"] == one.order_id
        world.broker.cancel(order)
        await trio.sleep(1)
        assert all(world.row(order, name)["outcome"] == "canceled" for name in sizes)
        assert all(len(world.rows(name, "cancel", order)) == 1 for name in sizes)

    told(story, tmp_path, SIZES)


@pytest.mark.parametrize(("kind", "its_kind"), [("Limit", "Stop"), ("Stop", "Limit")])
def test_an_inverse_follower_waits_for_the_same_price_from_the_other_side(
    kind: str, its_kind: str, tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        price = {"price": "5190.25"} if kind == "Limit" else {"stop": "5210.25"}
        order = world.lead("Buy", 1, kind, **price)
        await trio.sleep(1)
        (one,) = world.broker.working("INVERSE")
        assert (one.action, one.terms.kind, one.terms.qty) == ("Sell", its_kind, 1)
        assert str(one.terms.price or one.terms.stop_price) in price.values()
        new = Decimal("5191.25") if kind == "Limit" else Decimal("5211.25")
        world.broker.modify(order, price=new if kind == "Limit" else None, stop=new if kind == "Stop" else None)
        await trio.sleep(1)
        (one,) = world.broker.working("INVERSE")
        assert (one.terms.price or one.terms.stop_price) == new
        world.broker.move(SYMBOL, new)
        await trio.sleep(1)
        assert world.positions("one") == {SYMBOL: 1}
        assert world.positions("inverse") == {SYMBOL: -1}

    told(story, tmp_path, SIZES)


@pytest.mark.rule("sizing.zero", "copies.one-row", "copies.told")
def test_a_skipped_order_has_its_one_copy_with_the_reason(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        rounded = world.lead("Buy", 1)
        await trio.sleep(1)
        denied = world.lead("Buy", 1, symbol="NQZ6")
        await trio.sleep(1)
        other = world.lead("Buy", 1, "QTS", price="5190")
        await trio.sleep(1)
        words = {
            rounded: ("half", "rounds to 0"),
            denied: ("one", "deny"),
            other: ("one", "type QTS"),
        }
        for order, (name, reason) in words.items():
            row = world.row(order, name)
            assert row["outcome"] == "skipped" and reason in str(row["reason"]), row
            assert row["sent_at"] is None and row["order_id"] is None
        skipped = [words for words in world.said("copy.skipped") if words.startswith("half") and SYMBOL in words]
        assert len(skipped) == 2, skipped  # told once each: rounded, MIT
        world.broker.flatten("LEAD", SYMBOL)
        world.broker.flatten("LEAD", "NQZ6")

    told(story, tmp_path, config_of(("one", "half"), copy='deny = ["NQ"]', each={"half": "ratio = 0.5"}))


def test_events_in_any_order_twice_or_before_their_answers_change_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(
            events_first=True,
            shuffle_props=True,
            duplicate_props=0.5,
            one_message_per_frame=True,
            props_delay=(0.0, 0.3),
            answer_delay=(0.0, 0.4),
            unknown_events=0.2,
            unknown_fields=True,
            fill_delay=(0.0, 0.2),
        )
        for _ in range(3):
            world.lead("Buy", 2)
            limit = world.lead("Buy", 1, "Limit", price="5190")
            await trio.sleep(3)
            world.change(limit, qty=2, price="5189.50")
            world.server.replay()
            await trio.sleep(3)
            world.broker.cancel(limit)
            world.lead("Sell", 1)
            await trio.sleep(2)
            world.lead("Sell", 1)
            world.server.replay()
            await trio.sleep(4)
        verbs = Counter(c["verb"] for c in world.copies("f1"))
        # A cancel more: of an exit of ours with nothing of ours left, when our own fills come before the leader's.
        assert verbs["place"] == 12
        assert verbs["cancel"] in (3, 4)

    for seed in range(6):
        state = tmp_path / str(seed)
        state.mkdir()
        told(story, state, config_of(("f1", "f2"), each={"f2": "ratio = 2"}), seed)


def test_partial_fills_are_counted_and_never_copied(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(fill_size=1, fill_gap=(0.2, 0.9))
        entry = world.lead("Buy", 4)
        await trio.sleep(10)
        assert world.positions("f1") == {SYMBOL: 4}
        exit_ = world.lead("Sell", 4, "Limit", price="5200")
        await trio.sleep(10)
        assert [len(world.rows("f1", "place", order)) for order in (entry, exit_)] == [1, 1]
        assert len(world.ours("f1")) == 2

    told(story, tmp_path)
