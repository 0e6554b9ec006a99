"""The matching engine: one last price per symbol, and the orders that wait for it.

Rule 1: this file knows no accounts, no entities and no time; it says which orders can trade, the desk makes it happen.
Rule 2: a price is a Decimal on the tick; nothing is rounded here, an off-tick price is refused by the desk.
"""

from datetime import datetime
from decimal import Decimal

import attrs

from daemon.simulator.products import Product

TRIGGERED_KINDS = frozenset({"Stop", "StopLimit", "MIT", "TrailingStop", "TrailingStopLimit"})
LIMITED_KINDS = frozenset({"Limit", "StopLimit", "TrailingStopLimit"})
TRAILING_KINDS = frozenset({"TrailingStop", "TrailingStopLimit"})
ORDER_KINDS = TRIGGERED_KINDS | {"Limit", "Market", "QTS"}


@attrs.frozen
class Terms:
    """What an orderVersion says."""

    qty: int
    kind: str
    price: Decimal | None = None
    stop_price: Decimal | None = None
    peg: Decimal | None = None
    max_show: int | None = None
    tif: str = "Day"
    expires: datetime | None = None
    text: str | None = None

    @property
    def trigger(self) -> Decimal | None:
        """What wakes a stop or MIT: `stopPrice`, or `price` where the documents allow it for one-price types."""
        return self.stop_price if self.stop_price is not None or self.kind in LIMITED_KINDS else self.price


@attrs.define
class Resting:
    """One order as the exchange sees it. `passive` means it was here before its price came."""

    order_id: int
    symbol: str
    buy: bool
    terms: Terms
    triggered: bool = False
    passive: bool = False
    trail: Decimal | None = None


class Exchange:
    """Prices and resting orders."""

    def __init__(self, products: dict[str, Product]) -> None:
        self._products = products
        self.last: dict[str, Decimal] = {symbol: product.opening for symbol, product in products.items()}
        self.halted: set[str] = set()
        self._resting: dict[int, Resting] = {}

    def tick(self, symbol: str) -> Decimal:
        """The smallest step of the symbol's price."""
        return self._products[symbol].tick

    def flaw(self, symbol: str, terms: Terms) -> str | None:
        """Why the exchange would refuse these prices, in words; None when they are fine."""
        needed: list[Decimal | None] = []
        if terms.kind in LIMITED_KINDS:
            needed.append(terms.price)
        if terms.kind in TRIGGERED_KINDS and not (terms.kind in TRAILING_KINDS and terms.peg is not None):
            needed.append(terms.trigger)
        if None in needed:
            return "Price is required for this order type"
        given = [value for value in (terms.price, terms.stop_price, terms.peg) if value is not None]
        if any(value % self.tick(symbol) != 0 for value in given):
            return "Invalid price increment"
        return None

    def enter(self, order_id: int, symbol: str, buy: bool, terms: Terms) -> None:
        """Put an order on the book (again: a replaced order comes back with new terms)."""
        resting = Resting(order_id, symbol, buy, terms)
        if terms.kind in TRAILING_KINDS and terms.peg is not None:
            before = self._resting.get(order_id)
            resting.trail = before.trail if before is not None and before.trail is not None else terms.stop_price
        self._resting[order_id] = resting
        self._look(resting)
        resting.passive = self.executable(order_id) is None

    def leave(self, order_id: int) -> None:
        """Take an order off the book."""
        self._resting.pop(order_id, None)

    def move(self, symbol: str, price: Decimal) -> list[int]:
        """A trade happened at `price`. Returns the orders that can trade now, oldest first."""
        self.last[symbol] = price
        here = [resting for resting in self._resting.values() if resting.symbol == symbol]
        for resting in here:
            self._look(resting)
        return [resting.order_id for resting in here if self.executable(resting.order_id) is not None]

    def executable(self, order_id: int) -> Decimal | None:
        """The price at which the order would trade now, or None."""
        resting = self._resting.get(order_id)
        if resting is None or resting.symbol in self.halted:
            return None
        terms, last = resting.terms, self.last[resting.symbol]
        if terms.kind in TRIGGERED_KINDS and not resting.triggered:
            return None
        if terms.kind not in LIMITED_KINDS or terms.price is None:
            return last
        if (terms.price < last) if resting.buy else (terms.price > last):
            return None
        return terms.price if resting.passive else last

    def _look(self, resting: Resting) -> None:
        """Trail and trigger."""
        terms, last = resting.terms, self.last[resting.symbol]
        if resting.triggered or terms.kind not in TRIGGERED_KINDS:
            return
        trigger = terms.trigger
        if terms.kind in TRAILING_KINDS and terms.peg is not None:
            step = abs(terms.peg)
            candidate = last + step if resting.buy else last - step
            known = resting.trail
            if known is None or (candidate < known if resting.buy else candidate > known):
                resting.trail = candidate
            trigger = resting.trail
        if trigger is None:
            return
        upwards = resting.buy != (terms.kind == "MIT")  # a buy stop waits above the market, a buy MIT below it
        if (last >= trigger) if upwards else (last <= trigger):
            resting.triggered = True
