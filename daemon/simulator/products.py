"""The contracts the look-alike trades: CME facts (tick, value of a point) and the entities made of them.

Contract names are root + month letter + one digit of the year, e.g. ESZ6 (Tradovate OpenAPI and staff examples).
"""

from datetime import datetime, timedelta
from decimal import Decimal

import attrs

MONTH_LETTERS = "FGHJKMNQUVXZ"
ABOUT_TO_EXPIRE = timedelta(days=10)


@attrs.frozen
class Product:
    """One product; `opening` is only where the price walk starts."""

    root: str
    description: str
    exchange: str
    tick: Decimal
    value_per_point: Decimal
    opening: Decimal

    @property
    def decimals(self) -> int:
        """Digits after the point, which is what `priceFormat` means for Decimal prices."""
        exponent = self.tick.as_tuple().exponent
        return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def _product(root: str, text: str, exchange: str, tick: str, value: str, opening: str) -> Product:
    return Product(root, text, exchange, Decimal(tick), Decimal(value), Decimal(opening))


PRODUCTS: tuple[Product, ...] = (
    _product("ES", "E-Mini S&P 500", "CME", "0.25", "50", "5200.00"),
    _product("MES", "Micro E-Mini S&P 500", "CME", "0.25", "5", "5200.00"),
    _product("NQ", "E-Mini NASDAQ-100", "CME", "0.25", "20", "18000.00"),
    _product("MNQ", "Micro E-Mini NASDAQ-100", "CME", "0.25", "2", "18000.00"),
    _product("YM", "E-Mini Dow", "CBOT", "1", "5", "39000"),
    _product("MYM", "Micro E-Mini Dow", "CBOT", "1", "0.5", "39000"),
    _product("RTY", "E-Mini Russell 2000", "CME", "0.1", "50", "2050.0"),
    _product("M2K", "Micro E-Mini Russell 2000", "CME", "0.1", "5", "2050.0"),
    _product("GC", "Gold", "COMEX", "0.1", "100", "2300.0"),
    _product("MGC", "Micro Gold", "COMEX", "0.1", "10", "2300.0"),
    _product("CL", "Crude Oil", "NYMEX", "0.01", "1000", "80.00"),
    _product("MCL", "Micro Crude Oil", "NYMEX", "0.01", "100", "80.00"),
    # Of these two the micro has the larger tick.
    _product("6E", "Euro FX", "CME", "0.00005", "125000", "1.08500"),
    _product("M6E", "Micro EUR/USD", "CME", "0.0001", "12500", "1.0850"),
)


@attrs.frozen
class Listing:
    """One tradable contract with the ids of the entities that describe it."""

    symbol: str
    product: Product
    contract_id: int
    maturity_id: int
    product_id: int


def expiration(month: str, today: datetime) -> datetime:
    """The expiry of a month such as `Z6`: the digit means the next year that ends with it, this year included.

    A contract about to expire is not listed: then the digit means ten years later. See `Terminal.expires` for one.
    """
    number = MONTH_LETTERS.index(month[0]) + 1
    year = today.year + (int(month[1]) - today.year) % 10
    expires = today.replace(year=year, month=number, day=20, hour=21, minute=0, second=0, microsecond=0)
    return expires if expires - today > ABOUT_TO_EXPIRE or year > today.year else expires.replace(year=year + 10)
