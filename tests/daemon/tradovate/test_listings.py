"""What the broker says of contracts: read from whatever has shown it, and asked for one question at a time."""

from __future__ import annotations

from decimal import Decimal

import pytest

from daemon.tradovate.listings import Question
from daemon.tradovate.mirror import Mirror
from statecharts.contracts import ContractFacts
from statecharts.values import Root, Symbol
from tests.daemon.tradovate.wire import CONTRACT, NOW, props, sync

MES = Symbol("MESM6")
MATURITY = {"id": 1, "productId": 3, "expirationMonth": 202606, "expirationDate": "2026-06-19T13:30Z", "isFront": True}
PRODUCT = {"id": 3, "name": "MES", "valuePerPoint": 5, "tickSize": Decimal("0.25"), "priceFormatType": "Decimal"}
EXPIRES = NOW.replace(year=2026, month=6, day=19, hour=13, minute=30, second=0, microsecond=0)
FACTS = ContractFacts(MES, Root("MES"), Decimal("0.25"), Decimal(5), EXPIRES)


def loaded(**more: object) -> Mirror:
    mirror = Mirror()
    assert mirror.load(sync(**more), NOW) == []
    return mirror


def test_a_snapshot_that_describes_its_contracts_leaves_nothing_to_ask() -> None:
    listings = loaded(contractMaturities=[MATURITY], products=[PRODUCT]).listings
    assert listings.question(MES) is None
    assert listings.facts(MES) == FACTS
    assert listings.facts(Symbol("MES")) == ContractFacts(Symbol("MES"), Root("MES"), Decimal("0.25"), Decimal(5))


def test_a_snapshot_without_descriptions_is_whole_all_the_same() -> None:
    assert loaded().absent == frozenset()
    described = loaded(contractMaturities=[MATURITY], products=[PRODUCT])
    assert not [name for name in described.ignored if "contractMaturities" in name or "products" in name]


def test_the_way_from_a_name_to_its_facts_is_three_questions() -> None:
    mirror = loaded(contracts=[])
    listings = mirror.listings
    assert listings.question(MES) == Question("contract/find", "name=MESM6", "contract")
    mirror.learn("contract", {"id": CONTRACT, "name": "MESM6", "contractMaturityId": 1}, NOW)
    assert listings.question(MES) == Question("contractMaturity/item", "id=1", "contractMaturity")
    mirror.learn("contractMaturity", MATURITY, NOW)
    assert listings.facts(MES) is None
    assert listings.question(MES) == Question("product/item", "id=3", "product")
    mirror.learn("product", PRODUCT, NOW)
    assert listings.question(MES) is None
    assert listings.facts(MES) == FACTS


def test_a_contract_known_by_its_name_alone_is_asked_for() -> None:
    mirror = loaded(contracts=[{"id": CONTRACT, "name": "MESM6"}])
    assert mirror.listings.question(MES) == Question("contract/find", "name=MESM6", "contract")


def test_a_product_is_found_by_its_root_and_names_are_encoded() -> None:
    listings = loaded().listings
    assert listings.question(Symbol("M2K")) == Question("product/find", "name=M2K", "product")
    assert listings.question(Symbol("A&B=C\nD")) == Question("product/find", "name=A%26B%3DC%0AD", "product")
    assert listings.facts(Symbol("M2K")) is None


def test_events_describe_too_and_later_ones_win() -> None:
    mirror = loaded()
    for pushed in (props("contractMaturity", MATURITY), props("product", PRODUCT)):
        assert mirror.fold(pushed, NOW) == ((), ())
    assert mirror.listings.facts(MES) == FACTS
    mirror.fold(props("product", {**PRODUCT, "tickSize": Decimal("0.5")}, "Updated"), NOW)
    facts = mirror.listings.facts(MES)
    assert facts is not None and facts.tick == Decimal("0.5")


@pytest.mark.parametrize("field", ["tickSize", "valuePerPoint"])
@pytest.mark.parametrize("value", [0, -1, None, "NaN", "a quarter"])
def test_a_product_whose_numbers_make_no_sense_is_none(field: str, value: object) -> None:
    mirror = loaded(contractMaturities=[MATURITY])
    _, faults = mirror.learn("product", {**PRODUCT, field: value}, NOW)
    assert faults == (f"product 3: unreadable {field}",)
    assert mirror.listings.facts(MES) is None


def test_a_maturity_without_a_readable_date_says_so_and_serves() -> None:
    mirror = loaded(products=[PRODUCT])
    _, faults = mirror.learn("contractMaturity", {**MATURITY, "expirationDate": "soon"}, NOW)
    assert faults == ("contractMaturity 1: no readable expirationDate",)
    facts = mirror.listings.facts(MES)
    assert facts is not None and facts.expires is None
