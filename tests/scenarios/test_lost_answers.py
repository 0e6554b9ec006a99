"""A request without an answer: nobody knows, so nothing is sent again before everybody agrees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from daemon.simulator import Server
from daemon.simulator.service import Fate
from tests.scenarios import truth
from tests.scenarios.test_copying import told
from tests.scenarios.world import PASSWORD, SYMBOL, World, config_of, run

PLACE = "order/placeorder"
Deed = Callable[[Server], None]

ARRIVED: dict[str, Deed] = {
    "answer lost": lambda server: server.accept_and_lose_answer(endpoint=PLACE),
    "accepted after our timeout": lambda server: server.accept_late(13.0, endpoint=PLACE),
    "accepted, then 500": lambda server: server.accept_then_fail(500, endpoint=PLACE),
    "accepted, then 408": lambda server: server.accept_then_fail(408, endpoint=PLACE),
    "accepted, then cut": lambda server: server.accept_then_cut(endpoint=PLACE),
}


def test_a_request_was_sent_when_it_left_and_not_when_it_was_found_unanswered(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.server.accept_and_lose_answer(endpoint=PLACE)
        entry = world.lead("Buy", 2)
        await trio.sleep(2)
        row = world.row(entry)
        assert row["outcome"] == "filled" and str(row["sent_at"]) <= str(row["answered_at"])
        assert isinstance(row["latency_ms"], float) and row["latency_ms"] < 100

    told(story, tmp_path)


def test_who_may_hold_a_position_is_dialed_as_often_as_who_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer was lost with the connection: nobody knows whether the entry has filled, and unknown is not flat."""
    monkeypatch.setenv("COPIERD_FUND_PASSWORD", PASSWORD)

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.server.accept_then_cut(endpoint=PLACE)
            entry = world.lead("Buy", 1)
            await trio.sleep(0.5)
            assert world.row(entry)["outcome"] == "unknown"
            world.fault(handshake_status=503)
            await trio.sleep(240)
            world.heal()
            await world.copying("f1", within=11)
            assert world.row(entry)["outcome"] == "filled"

    run(story, tmp_path, config_of(("f1",), elsewhere=("f1",)))


def accepted(world: World) -> list[tuple[str, int]]:
    return [(one.action, one.terms.qty) for one in world.ours("f1")]


@pytest.mark.rule("outcomes.lost-arrived")
@pytest.mark.parametrize("deed", ARRIVED.values(), ids=ARRIVED)
def test_an_entry_that_arrived_is_found_and_never_sent_twice(deed: Deed, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        deed(world.server)
        entry = world.lead("Buy", 2)
        await trio.sleep(45)
        assert accepted(world) == [("Buy", 2)]
        row = world.row(entry)
        assert row["outcome"] == "filled" and row["order_id"] == world.ours("f1")[0].order_id
        exit_ = world.lead("Sell", 2)
        await trio.sleep(2)
        assert accepted(world) == [("Buy", 2), ("Sell", 2)]
        assert world.row(exit_)["outcome"] == "filled"

    told(story, tmp_path)


@pytest.mark.rule("outcomes.lost-entry", "outcomes.one-unknown")
def test_an_entry_that_never_arrived_is_skipped_and_told(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.server.lose_request(endpoint=PLACE)
        entry = world.lead("Buy", 2)
        await trio.sleep(12)
        assert world.row(entry)["outcome"] == "unknown"
        (words,) = world.said("copy.unknown")
        assert "Buy 2 ESZ6" in words and "not be sent twice" in words
        second = world.lead("Buy", 1)
        await trio.sleep(1)
        row = world.row(second)
        assert row["outcome"] == "skipped" and "looked up" in str(row["reason"])
        await trio.sleep(30)
        row = world.row(entry)
        assert row["outcome"] == "skipped" and "look-ups agree" in str(row["reason"]) and row["order_id"] is None
        assert accepted(world) == [] and world.positions("f1") == {}
        assert any("Buy 2 ESZ6" in words for words in world.said("copy.skipped"))
        exit_ = world.lead("Sell", 3)
        await trio.sleep(1)
        assert world.row(exit_)["outcome"] == "skipped"
        again = world.lead("Buy", 1)
        await trio.sleep(1)
        assert world.row(again)["outcome"] == "filled", "the leader was flat: the contract is copied again"
        world.lead("Sell", 1)

    told(story, tmp_path)


@pytest.mark.rule("outcomes.lost-exit")
def test_an_exit_that_never_arrived_is_derived_again_after_the_settling_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.server.lose_request(endpoint=PLACE)
        exit_ = world.lead("Sell", 2)
        await trio.sleep(14)
        assert accepted(world) == [("Buy", 2)] and world.row(exit_)["outcome"] == "unknown"
        assert world.said("copy.unknown")
        await trio.sleep(20)
        assert accepted(world) == [("Buy", 2), ("Sell", 2)] and world.positions("f1") == {}
        assert world.row(exit_)["outcome"] == "filled"
        assert world.row(exit_)["cl_ord_id"] == world.ours("f1")[1].ticket.marks.cl_ord_id

    told(story, tmp_path)


@pytest.mark.rule("outcomes.lost-arrived")
@pytest.mark.parametrize("deed", ARRIVED.values(), ids=ARRIVED)
def test_an_exit_that_arrived_is_not_repeated(deed: Deed, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        deed(world.server)
        exit_ = world.lead("Sell", 2)
        await trio.sleep(60)
        assert accepted(world) == [("Buy", 2), ("Sell", 2)]
        assert world.row(exit_)["outcome"] == "filled"

    told(story, tmp_path)


@pytest.mark.rule("outcomes.one-unknown")
@pytest.mark.parametrize("mode", ["orders", "fills"])
def test_an_exit_beside_an_unknown_goes_when_it_is_known_what_there_is_to_exit(mode: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.server.lose_request(endpoint=PLACE)
        world.lead("Buy", 1)
        await trio.sleep(12)
        assert world.said("copy.unknown")
        world.lead("Sell", 1)
        world.lead("Sell", 2)
        await trio.sleep(2)
        assert accepted(world) == [("Buy", 2)], "frozen"
        await trio.sleep(5)
        assert sum(quantity for action, quantity in accepted(world) if action == "Sell") == 2
        assert world.positions("f1") == {}

    told(story, tmp_path, config_of(copy=f'mode = "{mode}"'))


@pytest.mark.rule("outcomes.one-unknown")
def test_an_exit_waits_for_the_look_up_and_no_longer(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.server.fates.append(Fate(late=1.0, silent=True, endpoint=PLACE))
        world.lead("Buy", 1)
        await trio.sleep(0.5)
        world.fault(mute_props=True)
        await trio.sleep(1)
        world.fault(mute_props=False)
        await trio.sleep(9)
        assert accepted(world) == [("Buy", 2), ("Buy", 1)]
        world.lead("Sell", 3)
        await trio.sleep(1)
        assert accepted(world) == [("Buy", 2), ("Buy", 1), ("Sell", 3)], "the first look-up has found it"

    told(story, tmp_path)


@pytest.mark.rule("outcomes.lost-turned-up")
def test_a_lost_exit_that_turns_up_after_it_was_derived_again_is_corrected(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.server.accept_late(40.0, endpoint=PLACE)
        world.lead("Sell", 2)
        await trio.sleep(39)
        assert accepted(world) == [("Buy", 2), ("Sell", 2)]
        await trio.sleep(5)
        assert accepted(world) == [("Buy", 2), ("Sell", 2), ("Sell", 2), ("Buy", 2)]
        assert world.positions("f1") == {}
        assert any("turned up" in words for words in world.said("copy.failed"))

    async def whole(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await story(world)
            await trio.sleep(60)
            truth.nothing_open(world)
            truth.in_step(world)

    run(whole, tmp_path)


@pytest.mark.rule("outcomes.lost-turned-up")
def test_a_lost_closing_that_turns_up_after_the_account_was_read_anew_is_ours_still(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 1)
        await trio.sleep(1)
        world.lead("Sell", 1, "Limit", price="5210")
        await trio.sleep(1)
        world.server.accept_late(60.0, endpoint=PLACE)
        world.move("5210.25")  # the leader is out; we close at market, and that is not answered
        await trio.sleep(30)
        assert world.positions("f1") == {}, "closed a second time, by an order that was"
        world.server.drop_sockets("apex")
        await trio.sleep(20)
        assert accepted(world)[2:] == [("Sell", 10)]
        await trio.sleep(30)
        assert accepted(world)[2:] == [("Sell", 10), ("Sell", 10), ("Buy", 10)]
        assert world.positions("f1") == {}
        assert any("turned up" in words for words in world.said("copy.failed"))
        assert not world.said("account.quarantined")

    told(story, tmp_path, config_of(follower='map = { ES = { to = "MES", factor = 10 } }'))


@pytest.mark.rule("outcomes.lost-arrived")
@pytest.mark.parametrize("deed", ARRIVED.values(), ids=ARRIVED)
def test_the_socket_falls_before_the_answer_and_the_stream_knows_nothing(deed: Deed, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        deed(world.server)
        entry = world.lead("Buy", 1)
        await trio.sleep(0.2)
        world.server.drop_sockets("apex")
        await trio.sleep(60)
        assert accepted(world) == [("Buy", 1)]
        assert world.row(entry)["outcome"] == "filled"
        world.lead("Sell", 1)

    told(story, tmp_path)


def test_a_request_that_never_left_is_certain(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 1)
        await trio.sleep(1)
        world.server.drop_sockets("apex")
        exit_ = world.lead("Sell", 1)
        await trio.sleep(20)
        assert world.positions("f1") == {}
        assert truth.places(world, "f1", exit_) == 1
        assert world.said("copy.unknown") == []

    told(story, tmp_path)


@pytest.mark.parametrize("endpoint", ["order/modifyorder", "order/cancelorder"])
@pytest.mark.parametrize("lost", [True, False])
def test_a_change_without_an_answer(endpoint: str, lost: bool, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        order = world.lead("Buy", 1, "Limit", price="5190")
        await trio.sleep(1)
        if lost:
            world.server.lose_request(endpoint=endpoint)
        else:
            world.server.accept_and_lose_answer(endpoint=endpoint)
        if endpoint == "order/modifyorder":
            world.change(order, price="5180")
            await trio.sleep(40)
            (one,) = world.broker.working("F1")
            assert str(one.terms.price) == "5180"
            world.broker.cancel(order)
        else:
            world.broker.cancel(order)
        await trio.sleep(60)
        assert world.broker.working("F1") == []
        assert world.row(order)["outcome"] == "canceled"
        assert world.positions("f1").get(SYMBOL) is None

    told(story, tmp_path)


@pytest.mark.rule("outcomes.one-unknown")
@pytest.mark.parametrize("lost", ["an entry", "an exit"])
def test_while_one_is_unknown_nothing_is_sent_in_its_contract_and_what_waits_leaves_afterwards(
    lost: str, tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        for symbol in (SYMBOL, "NQZ6"):
            world.lead("Buy", 3, symbol=symbol)
        await trio.sleep(1)
        world.server.lose_request(endpoint=PLACE)
        first = world.lead("Buy" if lost == "an entry" else "Sell", 2)
        await trio.sleep(1)
        await world.until(lambda: world.row(first)["outcome"] == "unknown", within=15)
        exit_ = world.lead("Sell", 1)
        await trio.sleep(1)
        assert world.row(exit_)["outcome"] == "intended" and world.positions("f1") == {SYMBOL: 3, "NQZ6": 3}
        opens = world.lead("Buy", 1)
        elsewhere = world.lead("Buy", 1, symbol="NQZ6")
        await trio.sleep(1)
        assert world.row(opens)["outcome"] == "skipped" and "looked up" in str(world.row(opens)["reason"])
        assert world.row(elsewhere)["outcome"] == "filled", "another contract is not frozen"
        asked = world.server.calls[PLACE]
        world.broker.flatten("LEAD", SYMBOL)
        while world.row(first)["outcome"] == "unknown":
            assert world.server.calls[PLACE] == asked, "every exit waits"
            await trio.sleep(0.05)
        await trio.sleep(10)
        assert world.row(exit_)["outcome"] == "filled"
        assert world.row(first)["outcome"] == {"an entry": "skipped", "an exit": "filled"}[lost]
        assert world.positions("f1") == {"NQZ6": 4}
        world.broker.flatten("LEAD", "NQZ6")

    told(story, tmp_path)


@pytest.mark.rule("outcomes.one-unknown")
def test_a_look_up_that_finds_a_command_and_no_order_does_not_wait_for_ever(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.server.fates.append(Fate(late=1.0, silent=True, endpoint=PLACE))
        entry = world.lead("Buy", 1, "Limit", price="5150")
        await trio.sleep(0.5)
        world.fault(mute_props=True)
        await trio.sleep(1)
        world.fault(mute_props=False)
        (ours,) = world.ours("f1")
        world.broker.entities.forget("order", ours.order_id)
        await trio.sleep(45)
        row = world.row(entry)
        assert row["outcome"] == "skipped" and "shows none" in str(row["reason"])
        assert any("its position decides" in words for words in world.said("copy.failed"))

    async def whole(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await story(world)

    run(whole, tmp_path)


@pytest.mark.rule("outcomes.limited")
def test_nothing_is_looked_up_while_the_broker_limits_requests_and_the_doubt_ends_afterwards(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            for action in ("Buy", "Sell"):  # so that the contract is known
                world.lead(action, 1, symbol="NQZ6")
                await trio.sleep(2)
            world.server.lose_request(endpoint=PLACE)
            entry = world.lead("Buy", 1)
            await trio.sleep(1)
            world.server.throttle("apex", 20)
            world.lead("Buy", 1, symbol="NQZ6")
            await world.until(lambda: daemon.budget.held_until is not None, within=5)
            asked = world.server.calls["command/list"]
            while daemon.budget.held_until is not None:
                assert world.server.calls["command/list"] == asked
                await trio.sleep(1)
            await trio.sleep(60)
            row = world.row(entry)
            assert row["outcome"] == "skipped" and "look-ups agree" in str(row["reason"])

    run(story, tmp_path)
