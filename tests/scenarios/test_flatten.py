"""Flatten: cancels, closes, verifies with the broker, and stays out until it is resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.lowlevel

from statecharts import states as s
from tests.scenarios import truth
from tests.scenarios.test_copying import told
from tests.scenarios.world import SYMBOL, World, config_of, run

PLACE = "order/placeorder"
NQ = "NQZ6"
THREE = config_of(("f1", "f2", "f3"))


async def in_position(world: World, quantity: int = 2) -> None:
    world.lead("Buy", quantity)
    await trio.sleep(1)


@pytest.mark.rule("operator.flatten")
def test_working_orders_are_cancelled_the_position_is_closed_and_a_reading_shows_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_position(world)
        world.lead("Sell", 2, "Stop", stop="5180")
        world.lead("Sell", 2, "Limit", price="5220")
        world.lead("Buy", 1, "Limit", price="5170")
        await trio.sleep(1)
        assert len(world.broker.working("F1")) == 3
        world.flatten("f1")
        await world.until(lambda: world.verified("f1"), within=5)
        assert world.flat("f1") and world.account("f1").account.paused
        assert len(world.broker.working("LEAD")) == 3 and world.positions("lead") == {SYMBOL: 2}
        (close,) = world.rows("f1", "close")
        assert (close["action"], close["quantity"], close["outcome"]) == ("Sell", 2, "filled")
        assert len(world.rows("f1", "cancel")) == 3
        (words,) = world.said("account.flattened")
        assert words.startswith("f1: FLAT in everything of ours") and "copierctl resume f1" in words
        assert world.flat("f2") is False, "nobody asked for the others"

    told(story, tmp_path, config_of(("f1", "f2")))


def test_the_leader_goes_on_trading_and_nothing_opens(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_position(world)
        world.flatten("f1")
        await world.until(lambda: world.verified("f1"), within=5)
        before = len(world.ours("f1"))
        world.lead("Buy", 1)
        resting = world.lead("Buy", 1, "Limit", price="5190")
        stop = world.lead("Sell", 3, "Stop", stop="5170")
        await trio.sleep(1)
        world.change(resting, qty=3, price="5191")
        world.change(stop, stop="5175")
        await trio.sleep(1)
        world.move("5190")
        await trio.sleep(30)
        world.move("5174")
        await trio.sleep(5)
        assert world.flat("f1") and len(world.ours("f1")) == before
        rows = [row for row in world.rows("f1", "place") if row["outcome"] == "skipped"]
        assert len(rows) == 3 and all("flattened" in str(row["reason"]) for row in rows)

    told(story, tmp_path)


@pytest.mark.rule("operator.flatten-in-flight")
@pytest.mark.parametrize("events_first", [True, False])
def test_a_copy_in_flight_is_waited_for_and_what_it_opened_is_closed(events_first: bool, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(events_first=events_first, answer_delay=(0.3, 0.3), risk_delay=(0.2, 0.2), fill_size=1)
        world.lead("Buy", 3)
        await trio.sleep(0.35)  # the leader has filled, ours is on its way
        world.flatten("f1")
        world.flatten("f1")
        assert world.positions("f1") == {}
        await world.until(lambda: world.verified("f1"), within=20)
        assert world.flat("f1")
        first, *closings = world.ours("f1")
        assert (first.action, first.filled) == ("Buy", 3)
        assert {one.action for one in closings} == {"Sell"}
        assert sum(one.filled for one in world.ours("f1") if one.action == "Sell") == 3

    told(story, tmp_path)


@pytest.mark.rule("operator.flatten-in-flight")
def test_twice_at_once_is_the_same_as_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_position(world)
        for _ in range(5):
            world.flatten("f1")
        world.flatten("f1", SYMBOL)
        await world.until(lambda: world.verified("f1"), within=5)
        assert len(world.said("account.flattening")) == len(world.said("account.flattened")) == 1
        world.flatten("f1")
        await world.until(lambda: not world.verified("f1"), within=1)  # he is not told of what was seen before
        await world.until(lambda: world.verified("f1"), within=5)
        assert [(one.action, one.terms.qty) for one in world.ours("f1")] == [("Buy", 2), ("Sell", 2)]
        assert len(world.said("account.flattening")) == 1

    told(story, tmp_path)


def test_asked_again_without_a_connection_it_is_not_called_flat(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_position(world)
        world.flatten("f1")
        await world.until(lambda: world.verified("f1"), within=5)
        world.server.go_down(refusing=True)
        await world.until(lambda: not isinstance(world.account("f1").account.connection, s.Copying), within=30)
        world.flatten("f1")
        await trio.sleep(60)
        assert not world.verified("f1")
        world.server.come_up()
        await world.until(lambda: world.verified("f1"), within=120)

    told(story, tmp_path)


@pytest.mark.parametrize("arrived", [True, False])
def test_an_entry_without_an_answer_is_found_out_first(arrived: bool, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_position(world)
        if arrived:
            world.server.accept_and_lose_answer(endpoint=PLACE)
        else:
            world.server.lose_request(endpoint=PLACE)
        world.lead("Buy", 1)
        await trio.sleep(0.2)
        world.flatten("f1")
        await world.until(lambda: world.verified("f1"), within=40)
        assert world.flat("f1")
        bought = sum(one.filled for one in world.ours("f1") if one.action == "Buy")
        assert bought == (3 if arrived else 2)

    told(story, tmp_path)


@pytest.mark.parametrize("arrived", [True, False])
def test_a_closing_without_an_answer_is_not_repeated_before_it_is_certain(arrived: bool, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_position(world)
        if arrived:
            world.server.accept_and_lose_answer(endpoint=PLACE)
        else:
            world.server.lose_request(endpoint=PLACE)
        world.flatten("f1")
        await trio.sleep(9)
        assert len(world.ours("f1")) == (2 if arrived else 1)
        await world.until(lambda: world.verified("f1"), within=40)
        assert world.flat("f1")
        assert [(one.action, one.terms.qty) for one in world.ours("f1")] == [("Buy", 2), ("Sell", 2)]

    told(story, tmp_path)


def test_a_broker_that_refuses_is_asked_again_until_it_is_done(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_position(world)
        world.server.reject_next("F1", times=3)
        world.flatten("f1")
        await trio.sleep(2)
        assert world.positions("f1") == {SYMBOL: 2} and not world.verified("f1")
        assert world.said("copy.failed")
        await world.until(lambda: world.verified("f1"), within=30)
        assert world.flat("f1")

    told(story, tmp_path)


def test_asked_for_while_the_connection_is_away_it_is_done_when_it_is_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_position(world)
        world.lead("Sell", 2, "Stop", stop="5180")
        await trio.sleep(1)
        world.network.refusing = True
        world.server.drop_sockets("apex")
        await world.until(lambda: world.leaf("f1") is s.BackingOff)
        world.flatten("f1")
        await trio.sleep(5)
        assert world.positions("f1") == {SYMBOL: 2}
        (words,) = world.said("account.flattening")
        assert "as soon as the account is connected" in words
        world.network.refusing = False
        await world.until(lambda: world.verified("f1"), within=90)
        assert world.flat("f1")

    told(story, tmp_path)


def test_the_connection_falls_while_it_is_being_flattened(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_position(world)
        world.lead("Sell", 2, "Stop", stop="5180")
        await trio.sleep(1)
        world.fault(answer_delay=(0.2, 0.2), cancel_delay=(0.2, 0.2))
        world.flatten("f1")
        await trio.sleep(0.3)
        world.server.drop_sockets("apex")
        await trio.sleep(0.3)
        world.server.drop_sockets("apex")
        await world.until(lambda: world.verified("f1"), within=90)
        assert world.flat("f1")
        assert sum(one.filled for one in world.ours("f1") if one.action == "Sell") == 2

    told(story, tmp_path)


@pytest.mark.rule("operator.flatten-symbol")
def test_one_contract_is_closed_and_the_others_are_left(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_position(world)
        world.lead("Buy", 1, symbol=NQ)
        await trio.sleep(1)
        stop = world.lead("Sell", 1, "Stop", symbol=NQ, stop="15000")
        await trio.sleep(1)
        world.flatten("f1", SYMBOL)
        await world.until(lambda: world.verified("f1"), within=5)
        assert world.positions("f1") == {NQ: 1} and world.row(stop)["outcome"] == "working"
        world.broker.cancel(stop)
        world.lead("Sell", 1, symbol=NQ)
        await trio.sleep(1)
        assert world.flat("f1"), "exits go on being copied in the others"

    told(story, tmp_path)


@pytest.mark.rule("operator.resume")
def test_after_resume_a_contract_waits_until_the_leader_is_flat_in_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_position(world)
        world.flatten("f1")
        await world.until(lambda: world.verified("f1"), within=5)
        world.resume("f1")
        await trio.sleep(1)
        add = world.lead("Buy", 1)
        other = world.lead("Buy", 1, symbol=NQ)
        await trio.sleep(1)
        assert "waits until the leader is flat" in str(world.row(add)["reason"])
        assert world.row(other)["outcome"] == "filled" and world.positions("f1") == {NQ: 1}
        world.lead("Sell", 3)
        world.lead("Sell", 1, symbol=NQ)
        await trio.sleep(1)
        again = world.lead("Buy", 2)
        await trio.sleep(1)
        assert world.row(again)["outcome"] == "filled" and world.positions("f1") == {SYMBOL: 2}
        world.lead("Sell", 2)

    told(story, tmp_path)


def test_a_restart_in_the_middle_goes_on_and_a_restart_after_it_stays_out(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        with trio.CancelScope() as life:
            async with world.daemon():
                await world.copying()
                await in_position(world)
                world.lead("Sell", 2, "Stop", stop="5180")
                await trio.sleep(1)
                world.fault(answer_delay=(0.5, 0.5), cancel_delay=(0.5, 0.5))
                world.flatten("f1")
                await trio.sleep(0.3)
                life.cancel()
                await trio.sleep_forever()
        assert world.positions("f1") == {SYMBOL: 2}
        world.heal()
        async with world.daemon():
            await world.until(lambda: world.verified("f1"), within=90)
            assert world.flat("f1")
            world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.flat("f1")
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 1)
            await trio.sleep(10)
            assert world.flat("f1") and world.account("f1").account.paused
            truth.nothing_twice(world)

    run(story, tmp_path)


@pytest.mark.rule("operator.flatten-copy")
def test_all_followers_of_a_copy_get_out_each_for_itself(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_position(world)
        world.server.reject_next("F2", times=2)
        for name in truth.followers(world):
            world.flatten(name)
        await world.until(lambda: world.verified("f1") and world.verified("f3"), within=5)
        assert not world.verified("f2"), "one that is refused delays no other"
        await world.until(lambda: world.verified("f2"), within=30)
        assert all(world.flat(name) for name in ("f1", "f2", "f3"))
        assert world.positions("lead") == {SYMBOL: 2}
        assert not [one for one in world.broker.orders("LEAD") if one.ticket.marks.automated]

    told(story, tmp_path, THREE)


def test_what_a_human_holds_is_left_and_told(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_position(world)
        world.broker.place("F1", "Buy", SYMBOL, 1, "Market")
        resting = world.broker.place("F1", "Sell", SYMBOL, 1, "Limit", price=world.broker.exchange.last[SYMBOL] + 50)
        await trio.sleep(1)
        world.flatten("f1")
        await world.until(lambda: world.verified("f1"), within=5)
        assert world.positions("f1") == {SYMBOL: 1}
        assert [one.order_id for one in world.broker.working("F1")] == [resting]
        assert "left alone because it is not ours: +1 ESZ6" in world.said("account.flattened")[0]
        world.broker.cancel(resting)
        world.broker.place("F1", "Sell", SYMBOL, 1, "Market")
        world.lead("Sell", 2)
        await trio.sleep(1)

    told(story, tmp_path)


def test_while_the_leader_is_away_its_followers_get_out(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await in_position(world)
            world.disconnect("lead")
            await trio.sleep(1)
            world.flatten("f1")
            await world.until(lambda: world.verified("f1"), within=5)
            assert world.flat("f1")

    run(story, tmp_path)


@pytest.mark.rule("operator.flatten-leader")
def test_a_leader_that_follows_nobody_is_never_flattened(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_position(world)
        world.flatten("lead")
        await trio.sleep(5)
        assert world.positions("lead") == {SYMBOL: 2} and world.positions("f1") == {SYMBOL: 2}
        assert not world.account("lead").account.paused
        world.lead("Sell", 2)

    told(story, tmp_path)
