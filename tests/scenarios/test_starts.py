"""The daemon starts: beside a leader who trades already, or in the middle of a trade that it has copied."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from daemon.config import ConfigErrors, loads
from statecharts.values import Symbol
from tests.scenarios import truth
from tests.scenarios.mortality import Killed, Mortality
from tests.scenarios.world import SYMBOL, World, config_of, run

Story = Callable[[World], Awaitable[None]]


@pytest.mark.rule("outcomes.baseline")
def test_what_the_leader_has_at_the_first_start_is_not_copied_until_it_is_flat(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        old = world.lead("Sell", 2, "Limit", price="5250")
        async with world.daemon():
            await world.copying()
            await trio.sleep(3)
            row = world.row(old)
            assert row["outcome"] == "skipped" and "before copying began" in str(row["reason"])
            more = world.lead("Buy", 1)
            other = world.lead("Buy", 1, symbol="NQZ6")
            await trio.sleep(1)
            assert world.row(more)["outcome"] == "skipped"
            assert world.row(other)["outcome"] == "filled", "flat there: copied at once"
            half = world.lead("Sell", 1)
            await trio.sleep(1)
            assert world.row(half)["outcome"] == "skipped"
            world.broker.flatten("LEAD", SYMBOL)
            await trio.sleep(1)
            assert {one.symbol for one in world.ours("f1")} == {"NQZ6"}
            again = world.lead("Buy", 1)
            await trio.sleep(1)
            assert world.row(again)["outcome"] == "filled"
            world.lead("Sell", 1)
            world.lead("Sell", 1, symbol="NQZ6")
            await trio.sleep(30)
            truth.all_is_well(world)

    run(story, tmp_path)


@pytest.mark.rule("outcomes.baseline")
def test_an_order_that_rested_at_the_first_start_is_told_when_it_fills_and_the_follower_stays_out(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2, "Limit", price="5190")
        async with world.daemon():
            await world.copying()
            await trio.sleep(3)
            world.move("5189")
            await trio.sleep(1)
            assert world.positions("lead") == {SYMBOL: 2} and world.positions("f1") == {}
            assert any("short by 2 of 2" in words for words in world.said("position.drifted"))
            await truth.waits_until_the_leader_is_flat(world, holds=2)
            await trio.sleep(30)
            truth.all_is_well(world)

    run(story, tmp_path)


async def clean(world: World, before: Story) -> None:
    async with world.daemon():
        await world.copying()
        await before(world)


async def killed(world: World, before: Story) -> None:
    mortality = Mortality()
    try:
        async with world.daemon(mortality):
            await world.copying()
            await before(world)
            mortality.dead = True
            raise Killed
    except* Killed:
        pass
    finally:
        await mortality.bury()


@pytest.mark.rule("outcomes.restart")
@pytest.mark.parametrize("end", [clean, killed])
@pytest.mark.parametrize("catch_up", ["none", "reduce"])
def test_a_restart_in_the_middle_of_a_trade(
    end: Callable[[World, Story], Awaitable[None]], catch_up: str, tmp_path: Path
) -> None:
    async def before(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.lead("Sell", 2, "Stop", stop="5180")
        await trio.sleep(1)

    async def story(world: World) -> None:
        await end(world, before)
        stop = world.broker.working("LEAD")[0].order_id
        world.change(stop, stop="5185")
        await trio.sleep(60)
        async with world.daemon():
            await world.copying()
            await trio.sleep(3)
            (one,) = world.broker.working("F1")
            assert str(one.terms.stop_price) == "5185"
            assert world.positions("f1") == {SYMBOL: 2} and len(world.ours("f1")) == 2
            world.lead("Buy", 1)
            await trio.sleep(1)
            assert world.positions("f1") == {SYMBOL: 3}, "ours and right: copying goes on"
            world.broker.flatten("LEAD", SYMBOL)
            await trio.sleep(30)
            truth.all_is_well(world)

    run(story, tmp_path, config_of(copy=f'catch_up = "{catch_up}"'))


@pytest.mark.rule("outcomes.restart")
@pytest.mark.parametrize("end", [clean, killed])
def test_the_leader_closes_while_no_daemon_runs(end: Callable[[World, Story], Awaitable[None]], tmp_path: Path) -> None:
    async def before(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)

    async def story(world: World) -> None:
        await end(world, before)
        exit_ = world.lead("Sell", 2)
        await trio.sleep(600)
        assert world.positions("f1") == {SYMBOL: 2}
        async with world.daemon():
            await world.copying()
            await trio.sleep(5)
            assert world.positions("f1") == {}
            assert truth.places(world, "f1", exit_) == 1
            await trio.sleep(30)
            truth.all_is_well(world)

    run(story, tmp_path)


def test_the_session_s_lists_are_emptied_while_no_daemon_runs(tmp_path: Path) -> None:
    async def before(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.lead("Sell", 2, "Limit", price="5250", tif="GTC")
        await trio.sleep(1)

    async def story(world: World) -> None:
        await clean(world, before)
        world.server.close_session()
        await trio.sleep(60)
        async with world.daemon():
            await world.copying()
            await trio.sleep(3)
            assert world.positions("f1") == {SYMBOL: 2} and len(world.broker.working("F1")) == 1
            world.move("5251")
            await trio.sleep(30)
            assert world.positions("f1") == {}
            truth.nothing_open(world)
            assert len(world.ours("f1")) == 2

    run(story, tmp_path)


def test_nothing_is_sold_on_an_account_that_the_broker_says_is_flat(tmp_path: Path) -> None:
    """An order of ours in doubt, and the position gone: closed by hand overnight, and the lists are new."""

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1})
            world.lead("Buy", 1, "Limit", price="4500")
            await trio.sleep(2)
        for account in ("LEAD", "F1"):
            world.broker.flatten(account, SYMBOL)
        world.server.close_session()
        async with world.daemon():
            await world.copying()
            await trio.sleep(120)
            assert world.positions("f1") == {}
            assert world.account("f1").account.book.contract(Symbol(SYMBOL)).own == 0

    run(story, tmp_path)


@pytest.mark.parametrize("root", ["es", "ESZ6", "", "E S"])
def test_a_product_that_is_none_is_refused_and_not_taken_for_no_rule(root: str) -> None:
    with pytest.raises(ConfigErrors, match="a product such as ES"):
        loads(config_of(copy=f'deny = ["{root}"]'))
    with pytest.raises(ConfigErrors, match="a product such as ES"):
        loads(config_of(follower=f'map = {{ "{root}" = {{ to = "MES", factor = 10 }} }}'))
