"""The leader trades while a socket is down: what is caught up, what is told, and what is left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.scenarios import truth
from tests.scenarios.world import SYMBOL, World, config_of, run

Story = Callable[[World], Awaitable[None]]
ADDRESS = {"apex": "ws://127.0.0.1:1/", "fund": "ws://127.0.0.1:2/"}
ONE_LOGIN = ("apex",)
# Whether the follower is on a login of its own, and the logins whose sockets fall, in the order in which they are back.
WHERE: dict[str, tuple[bool, tuple[str, ...]]] = {
    "one login for both": (False, ONE_LOGIN),
    "the leader's": (True, ("apex",)),
    "the follower's": (True, ("fund",)),
    "both, the leader is back first": (True, ("apex", "fund")),
    "both, the follower is back first": (True, ("fund", "apex")),
}
EVERYWHERE = pytest.mark.parametrize("where", WHERE)


@asynccontextmanager
async def gap(world: World, logins: tuple[str, ...]) -> AsyncIterator[None]:
    """The sockets of these logins are gone within, and back afterwards, one after the other."""
    world.network.refused |= {ADDRESS[login] for login in logins}
    for login in logins:
        world.server.drop_sockets(login)
    await trio.sleep(0.1)
    yield
    for login in logins:
        await trio.sleep(0.5)
        world.network.refused.discard(ADDRESS[login])
        accounts = [name for name, account in world.config.accounts.items() if account.login == login]
        await world.copying(*accounts, within=120)
    await world.copying(within=120)
    await trio.sleep(3)


def with_gap(where: str, state: Path, before: Story, within: Story, after: Story, catch_up: str = "reduce") -> None:
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
            await trio.sleep(30)
            truth.nothing_twice(world)
            truth.nothing_open(world)
            if catch_up != "none":
                truth.in_step(world)

    run(story, state, config_of(copy=f'catch_up = "{catch_up}"', elsewhere=("f1",) if apart else ()))


async def nothing(world: World) -> None:
    """Nothing happens."""


async def buy_two(world: World) -> None:
    world.lead("Buy", 2)


async def sell_two(world: World) -> None:
    world.lead("Sell", 2)


def last(world: World) -> int:
    """The leader's newest order."""
    return world.broker.orders("LEAD")[-1].order_id


# The follower's socket alone is down: its book keeps what the leader announces. The leader's is: its view comes later.


@EVERYWHERE
@pytest.mark.parametrize("catch_up", ["none", "reduce"])
def test_an_entry_in_the_gap_is_missed_and_told_and_its_contract_waits(
    where: str, catch_up: str, tmp_path: Path
) -> None:
    async def after(world: World) -> None:
        row = world.row(last(world))
        assert row["outcome"] == "skipped" and row["reason"]
        assert world.ours("f1") == [] and any("short by 2 of 2" in words for words in world.said("position.drifted"))
        await truth.waits_until_the_leader_is_flat(world, holds=2)

    with_gap(where, tmp_path, nothing, buy_two, after, catch_up)


@EVERYWHERE
def test_an_exit_in_the_gap_is_caught_up(where: str, tmp_path: Path) -> None:
    async def after(world: World) -> None:
        assert world.positions("f1") == {}
        assert len([one for one in world.ours("f1") if one.filled]) == 2
        assert len(world.rows("f1", "place", last(world))) == 1

    with_gap(where, tmp_path, buy_two, sell_two, after)


@EVERYWHERE
def test_with_none_an_exit_in_the_gap_is_told_and_nothing_is_sent(where: str, tmp_path: Path) -> None:
    async def after(world: World) -> None:
        assert world.positions("f1") == {SYMBOL: 2}
        assert any("we own 2" in words and "none" in words for words in world.said("position.drifted"))
        assert world.row(last(world))["outcome"] == "skipped"

    with_gap(where, tmp_path, buy_two, sell_two, after, "none")


@EVERYWHERE
def test_half_an_exit_in_the_gap_is_trimmed(where: str, tmp_path: Path) -> None:
    async def within(world: World) -> None:
        world.lead("Sell", 1)

    async def after(world: World) -> None:
        assert world.positions("f1") == {SYMBOL: 1}
        world.lead("Sell", 1)

    with_gap(where, tmp_path, buy_two, within, after)


@EVERYWHERE
@pytest.mark.parametrize("catch_up", ["none", "reduce"])
def test_a_round_trip_in_the_gap_leaves_two_skipped_copies(where: str, catch_up: str, tmp_path: Path) -> None:
    async def within(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(0.5)
        world.lead("Sell", 2)

    async def after(world: World) -> None:
        assert world.ours("f1") == [] and [row["outcome"] for row in world.rows("f1")] == ["skipped", "skipped"]
        entry = world.lead("Buy", 1)
        await trio.sleep(1)
        assert world.row(entry)["outcome"] == "filled"
        world.lead("Sell", 1)

    with_gap(where, tmp_path, nothing, within, after, catch_up)


@EVERYWHERE
def test_a_reversal_in_the_gap_closes_ours_and_does_not_open(where: str, tmp_path: Path) -> None:
    async def within(world: World) -> None:
        world.lead("Sell", 5)

    async def after(world: World) -> None:
        assert world.positions("f1") == {} and world.positions("lead") == {SYMBOL: -3}
        assert world.account("f1").account.book.contracts[SYMBOL].no_entry is not None  # type: ignore[index]
        world.lead("Buy", 3)

    with_gap(where, tmp_path, buy_two, within, after)


async def rest(world: World) -> None:
    world.lead("Buy", 2, "Limit", price="5190")


@EVERYWHERE
def test_a_change_in_the_gap_follows(where: str, tmp_path: Path) -> None:
    async def within(world: World) -> None:
        world.change(last(world), price="5185")
        await trio.sleep(0.1)
        world.change(last(world), qty=1, price="5186")

    async def after(world: World) -> None:
        (one,) = world.broker.working("F1")
        assert (one.terms.qty, str(one.terms.price)) == (1, "5186")
        assert world.row(last(world))["outcome"] == "working"
        world.broker.cancel(last(world))

    with_gap(where, tmp_path, rest, within, after)


@EVERYWHERE
def test_a_cancel_in_the_gap_follows(where: str, tmp_path: Path) -> None:
    async def within(world: World) -> None:
        world.broker.cancel(last(world))

    async def after(world: World) -> None:
        assert world.broker.working("F1") == [] and world.row(last(world))["outcome"] == "canceled"
        assert len(world.rows("f1", "cancel")) == 1

    with_gap(where, tmp_path, rest, within, after)


@EVERYWHERE
def test_an_order_that_fills_for_both_in_the_gap_is_only_read(where: str, tmp_path: Path) -> None:
    async def within(world: World) -> None:
        world.move("5189")

    async def after(world: World) -> None:
        assert world.positions("f1") == {SYMBOL: 2} and len(world.ours("f1")) == 1
        world.lead("Sell", 2)

    with_gap(where, tmp_path, rest, within, after)


@EVERYWHERE
@pytest.mark.parametrize("catch_up", ["none", "reduce"])
def test_a_resting_entry_of_the_gap_is_skipped(where: str, catch_up: str, tmp_path: Path) -> None:
    async def after(world: World) -> None:
        assert world.ours("f1") == [] and world.row(last(world))["outcome"] == "skipped"
        world.broker.cancel(last(world))

    with_gap(where, tmp_path, nothing, rest, after, catch_up)


@EVERYWHERE
@pytest.mark.parametrize("catch_up", ["none", "reduce"])
def test_a_stop_of_the_gap_is_placed_because_it_reduces(where: str, catch_up: str, tmp_path: Path) -> None:
    async def within(world: World) -> None:
        world.lead("Sell", 2, "Stop", stop="5180")

    async def after(world: World) -> None:
        assert world.row(last(world))["outcome"] == ("skipped" if catch_up == "none" else "working")
        world.broker.flatten("LEAD", SYMBOL)

    with_gap(where, tmp_path, buy_two, within, after, catch_up)
