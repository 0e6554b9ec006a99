"""Contract facts."""

from decimal import Decimal

from daemon.simulator.products import PRODUCTS, expiration
from tests.simulator.client import EPOCH
from tests.simulator.desktop import make_broker, rows


def test_facts_of_the_exchange() -> None:
    facts = {product.root: (str(product.tick), str(product.value_per_point)) for product in PRODUCTS}
    assert facts["ES"] == ("0.25", "50")
    assert facts["MES"] == ("0.25", "5")
    assert facts["MYM"] == ("1", "0.5")
    assert facts["M2K"] == ("0.1", "5")
    assert facts["MCL"] == ("0.01", "100")
    assert all(product.opening % product.tick == Decimal(0) for product in PRODUCTS)


def test_the_digit_of_a_month_is_the_next_such_year() -> None:
    assert expiration("Z6", EPOCH).year == 2026
    assert (expiration("H7", EPOCH).year, expiration("H7", EPOCH).month) == (2027, 3)
    assert expiration("Z5", EPOCH).year == 2035
    # One about to expire would be of no use to a demonstration.
    assert expiration("Z6", EPOCH.replace(month=12, day=9)).year == 2026
    assert expiration("Z6", EPOCH.replace(month=12, day=11)).year == 2036
    assert expiration("Z6", EPOCH.replace(month=12, day=31)).year == 2036


def test_months_are_configurable_and_described_by_entities() -> None:
    broker = make_broker(months=("H7", "M7", "U7"))
    assert {"ESH7", "MESM7", "MCLU7"} <= set(broker.listings)
    (contract,) = rows(broker, "contract", name="MESM7")
    (maturity,) = rows(broker, "contractMaturity", id=contract["contractMaturityId"])
    (product,) = rows(broker, "product", id=maturity["productId"])
    assert (maturity["expirationMonth"], maturity["isFront"]) == (202706, False)
    assert (product["name"], product["tickSize"], product["valuePerPoint"]) == ("MES", 0.25, 5)
