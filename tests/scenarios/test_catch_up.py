"""The catch-up table on the wire: every row with every policy, whichever of the two views is the later."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import trio

from tests.scenarios import truth
from tests.scenarios.test_gaps import WHERE, Story, gap, last, nothing
from tests.scenarios.world import SYMBOL, World, config_of, run

# Where the sockets fall: whose view comes later decides who runs the table.
LATER = pytest.mark.parametrize(
    "where", ["one login for both", "both, the leader is back first", "both, the follower is back first"]
)


def table(
    where: str, policy: str, state: Path, before: Story, within: Story, after: Story, fresh_age: str = "60s"
) -> None:
    apart, dropped = WHERE[where]

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await before(world)
            await trio.sleep(1)
            async with gap(world, dropped):
                await within(world)
                await trio.sleep(1)
            await after(world)
            truth.nothing_twice(world)
            truth.nothing_open(world)

    copy = f'catch_up = "{policy}"\nfresh_age = "{fresh_age}"'
    run(story, state, config_of(copy=copy, elsewhere=("f1",) if apart else ()))


async def buy_two(world: World) -> None:
    world.lead("Buy", 2)


async def sell_two(world: World) -> None:
    world.lead("Sell", 2)


async def bracketed(world: World) -> None:
    """The leader buys two, with a target and a stop behind them."""
    ticket = world.broker.ticket
    world.broker.place_oso(
        ticket("LEAD", "Buy", SYMBOL, 2, "Market"),
        ticket("LEAD", "Sell", SYMBOL, 2, "Limit", price=Decimal(5260)),
        ticket("LEAD", "Sell", SYMBOL, 2, "Stop", stop=Decimal(5150)),
    )


async def flat_again(world: World) -> None:
    """The leader gets out of everything, and copying goes on."""
    for order in world.broker.working("LEAD"):
        world.broker.cancel(order.order_id)
    world.broker.flatten("LEAD", SYMBOL)
    await trio.sleep(10)


async def joins_the_next_trade(world: World) -> None:
    entry = world.lead("Buy", 1)
    await trio.sleep(2)
    assert world.row(entry)["outcome"] == "filled"
    world.lead("Sell", 1)
    await trio.sleep(2)


def drifted(world: World, words: str) -> bool:
    return any(words in told for told in world.said("position.drifted"))


@LATER
@pytest.mark.parametrize(
    "policy",
    [
        pytest.param("none", marks=pytest.mark.rule("catch-up.leader-flat.none")),
        pytest.param("reduce", marks=pytest.mark.rule("catch-up.leader-flat.reduce", "catch-up.when.leader-later")),
        pytest.param("fresh", marks=pytest.mark.rule("catch-up.leader-flat.fresh")),
    ],
)
def test_leader_flat_follower_owns_some(policy: str, where: str, tmp_path: Path) -> None:
    async def after(world: World) -> None:
        assert drifted(world, "we own 2, the leader is flat")
        if policy == "none":
            await trio.sleep(600)
            assert world.positions("f1") == {SYMBOL: 2} and len(world.ours("f1")) == 1
            return
        assert world.positions("f1") == {}
        await joins_the_next_trade(world)

    table(where, policy, tmp_path, buy_two, sell_two, after)


@LATER
@pytest.mark.parametrize(
    "policy",
    [
        pytest.param("none", marks=pytest.mark.rule("catch-up.above-target.none")),
        pytest.param("reduce", marks=pytest.mark.rule("catch-up.above-target.reduce")),
        pytest.param("fresh", marks=pytest.mark.rule("catch-up.above-target.fresh")),
    ],
)
def test_follower_above_target(policy: str, where: str, tmp_path: Path) -> None:
    async def within(world: World) -> None:
        world.lead("Sell", 1)

    async def after(world: World) -> None:
        assert drifted(world, "we own 2, the leader's position stands for 1")
        assert world.positions("f1") == {SYMBOL: 2 if policy == "none" else 1}
        await flat_again(world)
        assert world.positions("f1") == {} if policy != "none" else {SYMBOL: 1}

    table(where, policy, tmp_path, buy_two, within, after)


@LATER
@pytest.mark.rule("catch-up.below-target.fresh")
def test_a_fresh_entry_is_protected_by_its_children_from_the_first_moment(where: str, tmp_path: Path) -> None:
    async def after(world: World) -> None:
        assert world.positions("f1") == {SYMBOL: 2}
        assert world.server.calls["order/placeoso"] == 1
        legs = sorted((one.terms.kind, one.terms.qty) for one in world.broker.working("F1"))
        assert legs == [("Limit", 2), ("Stop", 2)]
        world.move("5150")
        await trio.sleep(2)
        assert world.positions("f1") == {} == world.positions("lead") and not world.broker.working("F1")

    table(where, "fresh", tmp_path, nothing, bracketed, after)


@LATER
@pytest.mark.parametrize(
    "policy",
    [
        pytest.param("none", marks=pytest.mark.rule("catch-up.below-target.none")),
        pytest.param("reduce", marks=pytest.mark.rule("catch-up.below-target.reduce")),
        pytest.param("fresh", marks=pytest.mark.rule("catch-up.below-target.fresh")),
    ],
)
def test_follower_below_target(policy: str, where: str, tmp_path: Path) -> None:
    async def after(world: World) -> None:
        missed = last(world)
        if policy == "fresh":
            assert world.positions("f1") == {SYMBOL: 2}
            (one,) = world.ours("f1")
            assert (one.terms.kind, one.terms.tif) == ("Limit", "IOC")
            assert one.terms.price == price_of(world, missed) + 1
            assert world.row(missed)["outcome"] == "filled"
        else:
            assert world.ours("f1") == []
            assert drifted(world, "short by 2 of 2") and world.row(missed)["outcome"] == "skipped"
            more = world.lead("Buy", 1)
            await trio.sleep(1)
            assert world.row(more)["outcome"] == "skipped"
        await flat_again(world)
        assert world.positions("f1") == {}
        await joins_the_next_trade(world)

    table(where, policy, tmp_path, nothing, buy_two, after)


def price_of(world: World, number: int) -> Decimal:
    """What the leader's order has filled at."""
    lead = world.account("lead").account.book.mine
    assert lead is not None
    return next(iter(one for key, one in lead.orders.items() if key == number)).fills[0].price


@LATER
@pytest.mark.rule("catch-up.below-target.fresh")
def test_an_old_entry_is_never_made_up_for(where: str, tmp_path: Path) -> None:
    async def within(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(10)

    async def after(world: World) -> None:
        assert world.ours("f1") == [] and drifted(world, "short by 2 of 2")
        await flat_again(world)
        await joins_the_next_trade(world)

    table(where, "fresh", tmp_path, nothing, within, after, "10s")


@LATER
@pytest.mark.rule("catch-up.below-target.fresh", "catch-up.never-at-any-price")
def test_there_is_no_policy_that_buys_a_missed_entry_at_any_price(where: str, tmp_path: Path) -> None:
    async def within(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(0.2)
        world.move("5203")

    async def after(world: World) -> None:
        (one,) = world.ours("f1")
        assert one.filled == 0 and one.finished
        assert world.positions("f1") == {} and drifted(world, "short by 2 of 2")
        more = world.lead("Buy", 1)
        await trio.sleep(1)
        assert world.row(more)["outcome"] == "skipped"
        await flat_again(world)
        await joins_the_next_trade(world)

    table(where, "fresh", tmp_path, nothing, within, after)


@LATER
@pytest.mark.parametrize(
    "policy",
    [
        pytest.param("none", marks=pytest.mark.rule("catch-up.other-side.none")),
        pytest.param("reduce", marks=pytest.mark.rule("catch-up.other-side.reduce")),
        pytest.param("fresh", marks=pytest.mark.rule("catch-up.other-side.fresh")),
    ],
)
def test_follower_on_the_other_side(policy: str, where: str, tmp_path: Path) -> None:
    async def within(world: World) -> None:
        world.lead("Sell", 5)

    async def after(world: World) -> None:
        assert world.positions("lead") == {SYMBOL: -3}
        assert world.positions("f1") == ({SYMBOL: 2} if policy == "none" else {})
        assert any("other side of the leader" in words for words in world.said("account.quarantined"))
        more = world.lead("Sell", 1)
        await trio.sleep(1)
        assert world.row(more)["outcome"] == "skipped"
        await flat_again(world)
        if policy != "none":
            await joins_the_next_trade(world)

    table(where, policy, tmp_path, buy_two, within, after)


@LATER
@pytest.mark.parametrize(
    "policy",
    [
        pytest.param("none", marks=pytest.mark.rule("catch-up.no-copy.none")),
        pytest.param("reduce", marks=pytest.mark.rule("catch-up.no-copy.reduce")),
        pytest.param("fresh", marks=pytest.mark.rule("catch-up.no-copy.fresh")),
    ],
)
def test_leader_order_with_no_copy(policy: str, where: str, tmp_path: Path) -> None:
    async def within(world: World) -> None:
        world.lead("Sell", 2, "Stop", stop="5180")
        await trio.sleep(0.1)
        world.lead("Buy", 1, "Limit", price="5190")

    async def after(world: World) -> None:
        kinds = sorted(one.terms.kind for one in world.broker.working("F1"))
        assert kinds == {"none": [], "reduce": ["Stop"], "fresh": ["Limit", "Stop"]}[policy]
        skipped = [row for row in world.rows("f1", "place") if row["outcome"] == "skipped"]
        assert len(world.said("copy.skipped")) == len(skipped), "each is told"
        assert len(skipped) == {"none": 2, "reduce": 1, "fresh": 0}[policy] and all(row["reason"] for row in skipped)
        await flat_again(world)
        assert world.positions("f1") == {} and world.broker.working("F1") == []

    table(where, policy, tmp_path, buy_two, within, after)


@LATER
@pytest.mark.rule("catch-up.no-copy.fresh")
def test_an_old_order_that_would_open_is_skipped(where: str, tmp_path: Path) -> None:
    async def within(world: World) -> None:
        world.lead("Buy", 1, "Limit", price="5190")
        await trio.sleep(10)

    async def after(world: World) -> None:
        assert world.ours("f1") == [] and world.row(last(world))["outcome"] == "skipped"

    table(where, "fresh", tmp_path, nothing, within, after, "10s")


@LATER
@pytest.mark.parametrize(
    "policy",
    [
        pytest.param("none", marks=pytest.mark.rule("catch-up.no-leader-order.none")),
        pytest.param("reduce", marks=pytest.mark.rule("catch-up.no-leader-order.reduce")),
        pytest.param("fresh", marks=pytest.mark.rule("catch-up.no-leader-order.fresh")),
    ],
)
@pytest.mark.parametrize("listed", [True, False], ids=["still in the lists", "gone from the lists"])
def test_our_order_with_no_leader_order(policy: str, listed: bool, where: str, tmp_path: Path) -> None:
    async def before(world: World) -> None:
        world.lead("Buy", 2, "Limit", price="5190", tif="GTC")

    async def within(world: World) -> None:
        world.broker.cancel(last(world))
        if not listed:
            await trio.sleep(0.2)
            world.server.close_session()

    async def after(world: World) -> None:
        (one,) = world.ours("f1")
        assert one.finished is (policy != "none")
        if policy == "none":
            assert drifted(world, "left as it is (catch_up = none)")
            await trio.sleep(600)
            assert not one.finished
            world.broker.cancel(one.order_id)
            await trio.sleep(1)

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await before(world)
            await trio.sleep(1)
            async with gap(world, WHERE[where][1]):
                await within(world)
                await trio.sleep(1)
            await after(world)
            await joins_the_next_trade(world)

    run(story, tmp_path, config_of(copy=f'catch_up = "{policy}"', elsewhere=("f1",) if WHERE[where][0] else ()))


@LATER
@pytest.mark.parametrize(
    "policy",
    [
        pytest.param("none", marks=pytest.mark.rule("catch-up.not-ours.none")),
        pytest.param("reduce", marks=pytest.mark.rule("catch-up.not-ours.reduce")),
        pytest.param("fresh", marks=pytest.mark.rule("catch-up.not-ours.fresh")),
    ],
)
def test_not_ours(policy: str, where: str, tmp_path: Path) -> None:
    async def within(world: World) -> None:
        world.broker.place("F1", "Buy", SYMBOL, 1, "Market")
        world.broker.place("F1", "Buy", "NQZ6", 1, "Market")
        world.broker.place("F1", "Sell", SYMBOL, 1, "Limit", price=Decimal(5250))

    async def after(world: World) -> None:
        assert len(world.said("account.quarantined")) == 2
        assert world.positions("f1") == {SYMBOL: 3, "NQZ6": 1} and len(world.broker.working("F1")) == 1
        more = world.lead("Buy", 1)
        other = world.lead("Buy", 1, symbol="NQZ6")
        await trio.sleep(1)
        assert world.row(more)["outcome"] == world.row(other)["outcome"] == "skipped"
        world.lead("Sell", 3)
        world.lead("Sell", 1, symbol="NQZ6")
        await trio.sleep(10)
        assert world.positions("f1") == {SYMBOL: 1, "NQZ6": 1} and len(world.broker.working("F1")) == 1

    table(where, policy, tmp_path, buy_two, within, after)
