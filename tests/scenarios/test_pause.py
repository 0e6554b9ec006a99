"""Pause: nothing opens; exits, reductions and cancels go; it survives a restart; and what was missed is not chased."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.scenarios import truth
from tests.scenarios.test_copying import told
from tests.scenarios.world import SYMBOL, World, config_of, run


@pytest.mark.rule("operator.pause")
def test_nothing_opens_and_what_is_open_is_exited(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        stop = world.lead("Sell", 2, "Stop", stop="5180")
        await trio.sleep(1)
        world.pause("f1")
        resting = world.lead("Buy", 1, "Limit", price="5190")
        await trio.sleep(1)
        assert world.row(resting)["outcome"] == "skipped"
        world.change(stop, stop="5185")
        await trio.sleep(1)
        (ours,) = world.broker.working("F1")
        assert str(ours.terms.stop_price) == "5185", "protection follows"
        world.lead("Sell", 1)
        await trio.sleep(1)
        assert world.positions("f1") == {SYMBOL: 1}, "a reduction"
        world.broker.cancel(stop)
        await trio.sleep(1)
        assert world.broker.working("F1") == [], "a cancel"
        world.broker.cancel(resting)
        entry = world.lead("Buy", 1)
        await trio.sleep(1)
        assert world.row(entry)["outcome"] == "skipped"
        world.lead("Sell", 2)
        await trio.sleep(1)
        assert world.flat("f1")

    told(story, tmp_path)


def test_an_entry_that_rests_is_taken_back_and_its_fill_at_the_leader_is_not_followed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        entry = world.lead("Buy", 2, "Limit", price="5190")
        await trio.sleep(1)
        assert len(world.broker.working("F1")) == 1
        world.pause("f1")
        await trio.sleep(1)
        assert world.broker.working("F1") == [] and world.row(entry)["outcome"] == "canceled"
        world.change(entry, qty=5, price="5191")
        await trio.sleep(1)
        world.move("5190")
        await trio.sleep(5)
        assert world.positions("lead") == {SYMBOL: 5} and world.flat("f1")
        world.resume("f1")
        more = world.lead("Buy", 1)
        await trio.sleep(1)
        assert "waits until the leader is flat" in str(world.row(more)["reason"])
        world.lead("Sell", 6)
        await trio.sleep(1)
        again = world.lead("Buy", 1)
        await trio.sleep(1)
        assert world.row(again)["outcome"] == "filled"
        world.lead("Sell", 1)

    told(story, tmp_path)


def test_a_change_that_enlarges_and_a_pause_cross_each_other(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        entry = world.lead("Buy", 1, "Limit", price="5190")
        await trio.sleep(1)
        world.change(entry, price="5191")
        world.fault(cancel_delay=(0.6, 0.6))  # the leader's changes are quick, ours are not
        await trio.sleep(0.1)
        world.fault(cancel_delay=(0.0, 0.0))
        world.change(entry, qty=9)  # held until our first change is done
        world.fault(cancel_delay=(0.6, 0.6))
        await trio.sleep(0.1)
        world.pause("f1")
        await trio.sleep(5)
        assert world.broker.working("F1") == []
        assert max(row["quantity"] for row in world.rows("f1", "modify")) == 1  # type: ignore[type-var]
        world.broker.cancel(entry)

    told(story, tmp_path)


def test_an_exit_that_waits_for_its_entry_goes_while_paused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(fill_size=1, fill_gap=(0.4, 0.4))
        world.lead("Buy", 3)
        await trio.sleep(1.0)
        exit_ = world.lead("Sell", 3)
        await trio.sleep(0.05)
        world.pause("f1")
        await trio.sleep(15)
        assert world.flat("f1") and world.row(exit_)["outcome"] in ("filled", "skipped")

    told(story, tmp_path)


@pytest.mark.rule("operator.pause")
def test_it_survives_a_restart_and_the_exits_still_go(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(1)
            world.pause("f1")
            await trio.sleep(1)
        async with world.daemon():
            await world.copying()
            assert world.account("f1").account.paused and not world.account("f2").account.paused
            world.lead("Buy", 1)
            await trio.sleep(1)
            assert world.positions("f1") == {SYMBOL: 2} and world.positions("f2") == {SYMBOL: 3}
            world.lead("Sell", 2)
            await trio.sleep(1)
            assert world.positions("f1") == {} or world.positions("f1") == {SYMBOL: 1}
            world.lead("Sell", 1)
            await trio.sleep(5)
            assert world.flat("f1")
            world.resume("f1")
            await trio.sleep(1)
            world.lead("Buy", 1)
            await trio.sleep(1)
            assert world.positions("f1") == {SYMBOL: 1}
            world.lead("Sell", 1)
            await trio.sleep(60)
            truth.all_is_well(world)

    run(story, tmp_path, config_of(("f1", "f2")))
