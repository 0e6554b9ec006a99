"""The whole of an account's money: what getcashbalancesnapshot answers. Pure."""

from __future__ import annotations

from decimal import Decimal

import attrs

from daemon.tradovate.scalars import decimal, phrase

SNAPSHOT = "cashBalance/getcashbalancesnapshot"


@attrs.frozen
class Reading:
    """The whole of an account's money at one moment."""

    cash: Decimal
    realized: Decimal
    open_profit: Decimal


def reading(data: object) -> Reading | None:
    """The answer of getcashbalancesnapshot (Tradovate OpenAPI: CashBalanceSnapshot); None when it is not whole."""
    if not isinstance(data, dict) or phrase(data.get("errorText")):
        return None
    cash, realized, open_profit = (decimal(data.get(name)) for name in ("totalCashValue", "realizedPnL", "openPnL"))
    if cash is None or realized is None or open_profit is None:
        return None
    return Reading(cash, realized, open_profit)
