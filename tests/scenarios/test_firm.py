"""The firm or the broker closes, or locks."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from statecharts import events as e
from statecharts.bars import Bar
from tests.scenarios.world import SYMBOL, World, config_of, now, run

FIRM = pytest.mark.rule("outcomes.firm")
TWO = config_of(("f1", "f2"))


def sold(world: World, name: str) -> int:
    """Contracts that the daemon has sold on this account."""
    return sum(one.filled for one in world.ours(name) if one.action == "Sell")


async def resumed(world: World, name: str) -> None:
    world.account(name).runner.post(e.ResumeAsked(at=now()))
    await trio.sleep(1)


@FIRM
@pytest.mark.parametrize("said", ["LiquidateImmediately", None])
@pytest.mark.parametrize("delay", [0.0, 2.0])
def test_a_liquidation_by_the_firm_is_never_sold_twice(said: str | None, delay: float, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            stop = world.lead("Sell", 2, "Stop", stop="5150")
            await trio.sleep(5)
            world.fault(fill_delay=(delay, delay))
            world.broker.liquidate("F1", said)
            world.lead("Sell", 2)  # in the same moment
            await trio.sleep(15)
            assert world.positions("f1") == {} and world.positions("f2") == {}
            assert sold(world, "f1") == 0, "the firm has sold it"
            assert world.broker.working("F1") == []
            (page,) = [entry for entry in world.journal if entry.kind == "risk.liquidated"]
            assert page.severity == "page" and "copierctl resume f1" in page.message
            world.broker.cancel(stop)
            await trio.sleep(2)
            entry = world.lead("Buy", 1)
            await trio.sleep(10)
            assert world.row(entry, "f1")["outcome"] == "skipped" and world.row(entry, "f2")["outcome"] == "filled"
            world.lead("Sell", 1)
            await trio.sleep(10)
            await resumed(world, "f1")
            again = world.lead("Buy", 1)
            await trio.sleep(10)
            assert world.row(again, "f1")["outcome"] == "filled"

    run(story, tmp_path, TWO)


@FIRM
def test_a_lock_stops_openings_and_exits_are_tried_until_it_is_lifted(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(5)
            world.broker.lock("F1")
            await trio.sleep(2)
            assert "LockTradingImmediately" in world.said("risk.liquidated")[0]
            world.lead("Sell", 2)
            await trio.sleep(20)
            assert world.positions("f1") == {SYMBOL: 2}
            assert any("the account is locked: ask the firm" in one.lower() for one in world.said("copy.failed"))
            world.broker.lock("F1", None)
            await trio.sleep(40)
            assert world.positions("f1") == {}
            assert Bar.FIRM in world.account("f1").account.book.barred, "until resume"

    run(story, tmp_path, TWO)


@FIRM
def test_a_lock_that_only_a_refusal_shows(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.server.reject_next("F1", "LiquidationOnly", "only liquidation", "risk")
            first = world.lead("Buy", 1)
            await trio.sleep(5)
            assert world.row(first, "f1")["outcome"] == "rejected"
            assert "LiquidationOnly" in world.said("risk.liquidated")[0]
            other = world.lead("Buy", 1, symbol="NQZ6")
            await trio.sleep(5)
            assert world.row(other, "f1")["outcome"] == "skipped"
            assert world.row(other, "f2")["outcome"] == "filled"

    run(story, tmp_path, TWO)


@FIRM
def test_a_liquidation_while_copierd_was_away_is_told_when_it_is_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(5)
        world.broker.liquidate("F1", "LiquidateImmediately")
        async with world.daemon():
            await world.copying()
            await trio.sleep(5)
            assert len(world.said("risk.liquidated")) == 1
            assert world.positions("f1") == {} and sold(world, "f1") == 0
            more = world.lead("Buy", 1)
            await trio.sleep(5)
            assert world.row(more, "f1")["outcome"] == "skipped"
            world.lead("Sell", 3)
            await trio.sleep(5)
            assert world.positions("f1") == {} and world.positions("f2") == {}
        async with world.daemon():
            await world.copying()
            await trio.sleep(5)
            assert len(world.said("risk.liquidated")) == 1, "the same after another restart is no news"

    run(story, tmp_path, TWO)
