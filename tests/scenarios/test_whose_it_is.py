"""What is ours on a follower, and what is not: a human's hands, what was there before, and a restart in between."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import trio

from tests.scenarios.world import SYMBOL, World, run

FOREIGN = pytest.mark.rule("outcomes.foreign")


def by_hand(world: World, action: str, qty: int) -> None:
    world.broker.place("F1", action, SYMBOL, qty)


def sold(world: World) -> int:
    return sum(one.filled for one in world.ours("f1") if one.action == "Sell")


def lose_ledger(state: Path) -> None:
    for file in state.glob("ledger.sqlite*"):
        file.unlink()


@pytest.mark.rule("outcomes.foreign-cleared")
@FOREIGN
def test_what_a_human_adds_is_never_touched_and_nothing_opens_beside_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(2)
            by_hand(world, "Buy", 1)
            await trio.sleep(2)
            (words,) = world.said("account.quarantined")
            assert "Ours 2, theirs 1" in words and "copierctl release f1 ESZ6" in words
            more = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(more)["outcome"] == "skipped" and "somebody else" in str(world.row(more)["reason"])
            world.lead("Sell", 3)
            await trio.sleep(5)
            assert world.positions("f1") == {SYMBOL: 1} and sold(world) == 2
            by_hand(world, "Sell", 1)
            await trio.sleep(2)
            again = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(again)["outcome"] == "filled", "both are flat"

    run(story, tmp_path)


@FOREIGN
def test_an_order_by_hand_bars_openings_before_it_fills_and_until_it_is_gone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(2)
            theirs = world.broker.place("F1", "Buy", SYMBOL, 1, "Limit", price=Decimal(5100))
            await trio.sleep(2)
            (words,) = world.said("account.quarantined")
            assert f"Buy 1 ESZ6 Limit (order {theirs})" in words and "Ours 2, theirs 0" in words
            more = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(more)["outcome"] == "skipped" and "somebody else" in str(world.row(more)["reason"])
            world.lead("Sell", 3)
            await trio.sleep(5)
            assert world.positions("f1") == {} and sold(world) == 2
            assert [one.order_id for one in world.broker.working("F1")] == [theirs], "it is not touched"
            world.broker.cancel(theirs)
            await trio.sleep(2)
            assert any("copied as before" in words for words in world.said("account.released"))
            again = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(again)["outcome"] == "filled"

    run(story, tmp_path)


@FOREIGN
def test_an_order_by_hand_that_was_there_at_the_start_or_in_a_gap_is_seen(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        first = world.broker.place("F1", "Buy", SYMBOL, 1, "Limit", price=Decimal(5100))
        async with world.daemon():
            await world.copying()
            await trio.sleep(2)
            assert any(f"order {first}" in words for words in world.said("account.quarantined"))
            world.release("f1")
            entry = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(entry)["outcome"] == "filled", "released"
            world.server.drop_sockets("apex")
            second = world.broker.place("F1", "Sell", SYMBOL, 1, "Limit", price=Decimal(5300))
            await world.copying()
            await trio.sleep(5)
            assert any(f"order {second}" in words for words in world.said("account.quarantined"))
            more = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(more)["outcome"] == "skipped"

    run(story, tmp_path)


@FOREIGN
@pytest.mark.parametrize("closed", [1, 2, 5])
def test_what_a_human_closes_of_ours_is_not_closed_once_more(closed: int, tmp_path: Path) -> None:
    """In part, whole, or through to the other side."""

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(2)
            by_hand(world, "Sell", closed)
            await trio.sleep(2)
            world.lead("Sell", 2)
            await trio.sleep(5)
            assert sold(world) == max(0, 2 - closed)
            assert world.broker.position("F1", SYMBOL) == min(0, 2 - closed), "the human's part stays"

    run(story, tmp_path)


@pytest.mark.rule("outcomes.baseline")
def test_what_the_leader_holds_at_start_is_not_copied_until_it_is_flat(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        resting = world.lead("Sell", 2, "Limit", price="5300")
        async with world.daemon():
            await world.copying()
            more = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(more)["outcome"] == "skipped" and "before copying began" in str(world.row(more)["reason"])
            world.broker.cancel(resting)
            world.lead("Sell", 3)
            await trio.sleep(2)
            assert world.ours("f1") == []
            again = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(again)["outcome"] == "filled"

    run(story, tmp_path)


@pytest.mark.rule("outcomes.baseline-proven", "outcomes.restart")
def test_a_position_that_the_ledger_proves_to_be_ours_goes_on_being_copied(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            stop = world.lead("Sell", 2, "Stop", stop="5150")
            await trio.sleep(5)
        async with world.daemon():
            await world.copying()
            await trio.sleep(5)
            assert len(world.ours("f1")) == 2, "nothing is sent twice, nothing is closed"
            more = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(more)["outcome"] == "filled"
            world.change(stop, qty=3)
            await trio.sleep(2)
            (one,) = world.broker.working("F1")
            assert one.terms.qty == 3
            world.broker.cancel(stop)
            world.lead("Sell", 3)
            await trio.sleep(5)
            assert world.positions("f1") == {} and world.broker.working("F1") == []

    run(story, tmp_path)


@pytest.mark.rule("outcomes.baseline")
def test_without_the_ledger_the_same_position_is_nobody_s_and_is_left_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(5)
        lose_ledger(tmp_path)
        async with world.daemon():
            await world.copying()
            await trio.sleep(2)
            assert any("2 are not touched" in words for words in world.said("account.quarantined"))
            world.lead("Sell", 2)
            await trio.sleep(10)
            assert world.positions("f1") == {SYMBOL: 2}

    run(story, tmp_path)


def test_a_broker_that_echoes_no_name_and_tells_before_it_answers_makes_no_stranger_of_us(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.fault(omit_cl_ord_id=True, omit_text=True, events_first=True)
            for _ in range(2):
                world.lead("Buy", 2)
                await trio.sleep(3)
                assert world.positions("f1") == {SYMBOL: 2}
                world.lead("Sell", 2)
                await trio.sleep(3)
                assert world.positions("f1") == {}
            assert world.said("account.quarantined") == []

    run(story, tmp_path)
