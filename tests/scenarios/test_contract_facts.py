"""What the daemon knows of the contracts that it trades, and what it makes of one that the broker does not have."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import trio

from statecharts.contracts import ContractFacts
from statecharts.values import Root, Symbol
from tests.scenarios import truth
from tests.scenarios.test_copying import told
from tests.scenarios.world import SYMBOL, World, config_of, run

MICRO = config_of(("f1", "f2"), each={"f2": 'map = { ES = { to = "MES", factor = 10 } }'})


def facts(world: World, name: str, symbol: str) -> ContractFacts | None:
    return world.account(name).account.book.facts_of(Symbol(symbol))


def requests(world: World, endpoint: str) -> int:
    return sum(1 for seen in world.requests if seen == endpoint)


def test_the_product_of_a_map_is_known_before_anything_is_traded(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(1)
            known = facts(world, "f2", "MESZ6")
            assert known == ContractFacts(Symbol("MES"), Root("MES"), Decimal("0.25"), Decimal(5))

    run(story, tmp_path, MICRO)


def test_a_contract_that_is_traded_is_known_and_stays_so_over_a_restart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 1)
            await trio.sleep(1)
            known = {name: facts(world, name, symbol) for name, symbol in (("f1", SYMBOL), ("f2", "MESZ6"))}
            for name, value in (("f1", Decimal(50)), ("f2", Decimal(5))):
                found = known[name]
                assert found is not None and found.expires is not None
                assert (found.value_per_point, found.expires.date().isoformat()) == (value, "2026-12-20")
        asked = [one for one in world.requests if one.startswith(("contract", "product"))]
        async with world.daemon():
            assert {name: facts(world, name, found.symbol) for name, found in known.items() if found} == known
            await world.copying()
            await trio.sleep(1)
            assert [one for one in world.requests if one.startswith(("contract", "product"))] == asked
            world.lead("Sell", 1)
            await trio.sleep(60)
            truth.all_is_well(world)

    run(story, tmp_path, MICRO)


def test_what_the_leader_holds_is_known_at_a_sessions_start(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 1)
        world.lead("Buy", 1, "Limit", "NQZ6", price="17000")
        async with world.daemon():
            await world.copying()
            await trio.sleep(1)
            assert set(world.account("f2").account.book.facts) == {"MES", "MESZ6", "NQZ6"}

    run(story, tmp_path, MICRO)


@pytest.mark.rule("sizing.map-missing")
@pytest.mark.parametrize("seen_before", [True, False])
def test_a_contract_that_does_not_exist_is_skipped_and_the_others_go_on(seen_before: bool, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.broker.delist("MESZ6")
        async with world.daemon():
            await world.copying()
            if seen_before:
                world.lead("Buy", 1, "Limit", price="5100")
                await trio.sleep(1)
            orders = [world.lead("Buy", 1), world.lead("Sell", 1)]
            await trio.sleep(1)
            other = world.lead("Buy", 1, symbol="NQZ6")
            await trio.sleep(60)
            for order in orders:
                row = world.row(order, "f2")
                assert (row["outcome"], row["order_id"]) in (("skipped", None), ("rejected", None))
                assert "MESZ6" in str(row["reason"]), row
                if seen_before:
                    assert "MESZ6 does not exist on this account's side" in str(row["reason"]), row
                assert world.row(order, "f1")["outcome"] == "filled"
            assert world.row(other, "f2")["outcome"] == "filled"
            assert world.positions("f2") == {"NQZ6": 1}
            assert len([words for words in world.said("copy.skipped") if "nothing is copied into MESZ6" in words]) == 1

    run(story, tmp_path, MICRO)


def test_a_broker_that_says_nothing_of_its_contracts_keeps_nothing_from_being_copied(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for endpoint in ("contract/find", "product/find"):
            world.server.lose_request(50, endpoint)
        world.lead("Buy", 2)
        await trio.sleep(0.5)
        assert world.positions("f1") == {SYMBOL: 2}
        assert world.positions("f2") == {"MESZ6": 20}
        world.lead("Sell", 2)
        await trio.sleep(120)
        assert world.positions("f2") == {}

    told(story, tmp_path, MICRO)


@pytest.mark.parametrize("never", ["9999-12-31T23:59:59.000Z", "0001-01-01T00:00:00.000Z"])
def test_a_contract_that_expires_when_no_calendar_has_a_day_is_traded_as_any_other(never: str, tmp_path: Path) -> None:
    """What databases keep for a date that there is not."""

    async def story(world: World) -> None:
        broker = world.broker
        broker.entities.update("contractMaturity", broker.listings[SYMBOL].maturity_id, expirationDate=never)
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 1)
            await trio.sleep(5)
            world.lead("Sell", 1, "Stop", stop=world.broker.exchange.last[SYMBOL] - 50)
            await trio.sleep(5)
            world.reconnect("f1")
            await trio.sleep(60)
            assert world.account("f1").account.failures == 0
            assert world.positions("f1") == {SYMBOL: 1} and len(world.ours("f1")) == 2
            world.lead("Sell", 1)
            await trio.sleep(30)
            assert world.positions("f1") == {}

    run(story, tmp_path)
