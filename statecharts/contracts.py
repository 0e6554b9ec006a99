"""What the broker says of a contract: its product, the step of its price, what a point is worth, when it ends.

Rule 1: facts only: what the broker has not said is not here, and nobody fills it in by guess.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import attrs

from statecharts.values import Root, Symbol


@attrs.frozen
class ContractFacts:
    """`tick` is the smallest step of a price, `value_per_point` the money of one point, in the product's currency.

    `expires` is None where the broker has not said, and for a product as a whole (`symbol` is then its root).
    """

    symbol: Symbol
    root: Root
    tick: Decimal
    value_per_point: Decimal
    expires: datetime | None = None
