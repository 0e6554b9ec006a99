"""Penalty tickets on orders: the request was not processed, and goes again as it was, with its ticket."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from statecharts import events as e
from tests.scenarios.test_brackets import bracket, known, pair
from tests.scenarios.test_copying import told
from tests.scenarios.world import SYMBOL, World, config_of, now, run

PLACE = "order/placeorder"
OSO = "order/placeoso"
OCO = "order/placeoco"
TICKET = pytest.mark.rule("outcomes.penalty")


@TICKET
@pytest.mark.parametrize("seconds", [4, 40])
def test_an_exit_goes_again_with_its_ticket(seconds: int, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(insist_on_tickets=True)
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.server.penalise(PLACE, seconds=seconds)
        exit_ = world.lead("Sell", 2)
        await trio.sleep(seconds - 1)
        assert world.positions("f1") == {SYMBOL: 2} and world.row(exit_)["outcome"] == "intended"
        await trio.sleep(3)
        assert world.positions("f1") == {} and world.row(exit_)["outcome"] == "filled"
        assert world.server.calls[PLACE] == 3, "once more, and no more"

    told(story, tmp_path)


@TICKET
def test_a_change_goes_again_with_its_ticket(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(insist_on_tickets=True)
        order = world.lead("Buy", 1, "Limit", price="5190")
        await trio.sleep(1)
        world.server.penalise("order/modifyorder", seconds=5)
        world.change(order, price="5185")
        await trio.sleep(8)
        (one,) = world.broker.working("F1")
        assert str(one.terms.price) == "5185"
        world.server.penalise("order/cancelorder", seconds=5)
        world.broker.cancel(order)
        await trio.sleep(8)
        assert world.broker.working("F1") == []

    told(story, tmp_path)


@TICKET
def test_an_entry_goes_again_only_while_it_is_fresh(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(insist_on_tickets=True)
        world.server.penalise(PLACE, seconds=5)
        fresh = world.lead("Buy", 1)
        await trio.sleep(8)
        assert world.row(fresh)["outcome"] == "filled"
        world.lead("Sell", 1)
        await trio.sleep(2)
        world.server.penalise(PLACE, seconds=15)
        stale = world.lead("Buy", 1)
        await trio.sleep(30)
        row = world.row(stale)
        assert row["outcome"] == "rejected" and "longer than an entry is fresh" in str(row["reason"])
        assert world.positions("f1") == {}
        world.lead("Sell", 1)

    told(story, tmp_path)


@TICKET
def test_a_restart_has_no_ticket_and_asks_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(5)
            world.server.penalise(PLACE, seconds=20)
            exit_ = world.lead("Sell", 2)
            await trio.sleep(2)
        async with world.daemon():
            await world.copying()
            await trio.sleep(40)
            assert world.positions("f1") == {} and world.row(exit_)["outcome"] == "filled"

    run(story, tmp_path)


@TICKET
def test_the_ticket_is_nowhere_but_in_the_request(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(1)
            world.server.penalise(PLACE, seconds=5)
            world.lead("Sell", 2)
            await trio.sleep(2)
            (ticket,) = [one.text for one in world.account("f1").errands._tickets.values()]
            await trio.sleep(5)
            assert world.positions("f1") == {}
            written = json.dumps([entry.message for entry in world.journal])
            assert ticket not in written
            assert ticket.encode() not in (tmp_path / "ledger.sqlite").read_bytes()
            assert ticket.encode() not in (tmp_path / "ledger.sqlite-wal").read_bytes()

    run(story, tmp_path)


@pytest.mark.rule("outcomes.penalty-captcha")
@pytest.mark.parametrize("solved", [True, False])
def test_a_captcha_silences_the_login_and_a_human_is_told(solved: bool, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(5)
            world.server.penalise(PLACE, captcha=True)
            world.lead("Sell", 2)
            await trio.sleep(2)
            asked = world.server.calls[PLACE]
            (first, *_) = [entry for entry in world.journal if entry.kind == "orders.denied"]
            assert first.severity == "page" and "log in to tradovate as a human" in first.message.lower()
            world.lead("Buy", 1)
            world.lead("Sell", 1)
            await trio.sleep(3000)
            assert world.server.calls[PLACE] == asked, "exits neither"
            held = [name for name in ("a", "b") if world.positions(name)]
            assert held
            if solved:
                for name in ("a", "b"):
                    world.account(name).runner.post(e.ResumeAsked(at=now()))
                await trio.sleep(10)
            else:
                await trio.sleep(590)
                assert world.server.calls[PLACE] == asked, "for the whole hour"
                await trio.sleep(60)
            assert world.positions("a") == world.positions("b") == {}

    run(story, tmp_path, config_of(("a", "b")))


@TICKET
def test_an_entry_with_its_children_goes_again_as_one_with_its_ticket(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await known(world)
        world.fault(insist_on_tickets=True)
        world.server.penalise(OSO, seconds=5)
        entry, stop, target = bracket(world, "Buy", 2, price="5190")
        await trio.sleep(3)
        assert [world.row(one)["outcome"] for one in (entry, stop, target)] == ["intended"] * 3
        names = {world.row(one)["cl_ord_id"] for one in (entry, stop, target)}
        await trio.sleep(5)
        assert world.server.calls[OSO] == 2, "once more, and no more"
        assert len(world.broker.working("F1")) == 3
        assert names == {world.row(one)["cl_ord_id"] for one in (entry, stop, target)}
        world.move("5190")
        await trio.sleep(2)
        assert world.positions("f1") == {SYMBOL: 2} and len(world.broker.working("F1")) == 2
        world.broker.flatten("LEAD", SYMBOL)

    told(story, tmp_path)


@TICKET
def test_an_entry_that_is_no_more_fresh_takes_its_children_along(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await known(world)
        world.server.penalise(OSO, seconds=30)
        entry, stop, target = bracket(world, "Buy", 2, price="5190")
        await trio.sleep(40)
        assert world.row(entry)["outcome"] == "rejected" and "longer than an entry is fresh" in str(
            world.row(entry)["reason"]
        )
        assert [world.row(one)["outcome"] for one in (stop, target)] == ["rejected"] * 2
        assert world.broker.working("F1") == [] and world.server.calls[OSO] == 1
        world.broker.flatten("LEAD", SYMBOL)

    told(story, tmp_path)


@TICKET
@pytest.mark.parametrize("seconds", [5, 30])
def test_a_pair_of_exits_goes_again_as_one_with_its_ticket(seconds: int, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(2)
        world.fault(insist_on_tickets=True)
        world.server.penalise(OCO, seconds=seconds)
        pair(world, 2)
        await trio.sleep(seconds - 1)
        assert world.broker.working("F1") == []
        await trio.sleep(4)
        assert world.server.calls[OCO] == 2
        assert len(world.broker.working("F1")) == 2
        world.move("5220")
        await trio.sleep(2)
        assert world.positions("f1") == {} and world.broker.working("F1") == []

    told(story, tmp_path)
