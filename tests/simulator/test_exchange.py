"""Matching: what trades at which price."""

from decimal import Decimal

import pytest

from daemon.simulator.exchange import Exchange, Terms
from daemon.simulator.products import PRODUCTS

ES = next(product for product in PRODUCTS if product.root == "ES")
D = Decimal


def exchange(last: str = "100") -> Exchange:
    made = Exchange({"ESZ6": ES})
    made.last["ESZ6"] = D(last)
    return made


@pytest.mark.parametrize(
    ("buy", "terms", "path", "price"),
    [
        (True, Terms(1, "Market"), [], "100"),
        (True, Terms(1, "Limit", D(101)), [], "100"),  # marketable at once: at the market, not at the limit
        (True, Terms(1, "Limit", D(99)), ["99.25"], None),
        (True, Terms(1, "Limit", D(99)), ["99"], "99"),  # touched
        (True, Terms(1, "Limit", D(99)), ["98"], "99"),  # crossed: a resting order gets its price
        (False, Terms(1, "Limit", D(101)), ["102"], "101"),
        (True, Terms(1, "Stop", stop_price=D(101)), ["100.75"], None),
        (True, Terms(1, "Stop", stop_price=D(101)), ["101.5"], "101.5"),
        (True, Terms(1, "Stop", D(101)), ["101"], "101"),  # the one price of a single-price type may come as `price`
        (False, Terms(1, "Stop", stop_price=D(99)), ["98"], "98"),
        (False, Terms(1, "Stop", stop_price=D(99)), ["98", "103"], "103"),  # triggered is triggered
        (True, Terms(1, "MIT", stop_price=D(99)), ["98"], "98"),
        (False, Terms(1, "MIT", stop_price=D(101)), ["101"], "101"),
        (True, Terms(1, "StopLimit", D("101.25"), D(101)), ["101"], "101.25"),
        (True, Terms(1, "StopLimit", D("101.25"), D(101)), ["102"], None),  # triggered beyond its limit: rests
        (True, Terms(1, "StopLimit", D("101.25"), D(101)), ["102", "101.25"], "101.25"),
        (False, Terms(1, "TrailingStop", peg=D(2)), ["105", "103.25"], None),
        (False, Terms(1, "TrailingStop", peg=D(2)), ["105", "103"], "103"),
        (True, Terms(1, "TrailingStop", stop_price=D(103), peg=D(2)), ["97", "99"], "99"),
    ],
)
def test_executable(buy: bool, terms: Terms, path: list[str], price: str | None) -> None:
    market = exchange()
    market.enter(1, "ESZ6", buy, terms)
    for step in path:
        market.move("ESZ6", D(step))
    assert market.executable(1) == (None if price is None else D(price))


def test_move_names_what_can_trade_oldest_first() -> None:
    market = exchange()
    for order_id, price in ((1, 98), (2, 99), (3, 97)):
        market.enter(order_id, "ESZ6", True, Terms(1, "Limit", D(price)))
    assert market.move("ESZ6", D(98)) == [1, 2]
    market.leave(1)
    assert market.move("ESZ6", D(97)) == [2, 3]


def test_nothing_trades_in_a_halt() -> None:
    market = exchange()
    market.enter(1, "ESZ6", True, Terms(1, "Market"))
    market.halted.add("ESZ6")
    assert market.executable(1) is None


@pytest.mark.parametrize(
    ("terms", "flaw"),
    [
        (Terms(1, "Market"), None),
        (Terms(1, "Limit", D("100.25")), None),
        (Terms(1, "Limit", D("100.30")), "Invalid price increment"),
        (Terms(1, "Limit"), "Price is required for this order type"),
        (Terms(1, "Stop"), "Price is required for this order type"),
        (Terms(1, "StopLimit", D(100)), "Price is required for this order type"),
        (Terms(1, "TrailingStop", peg=D(1)), None),
        (Terms(1, "TrailingStop", peg=D("0.1")), "Invalid price increment"),
    ],
)
def test_flaws(terms: Terms, flaw: str | None) -> None:
    assert exchange().flaw("ESZ6", terms) == flaw
