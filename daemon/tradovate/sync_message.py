"""The SyncMessage: which of its collections matter here, and what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# The collections that matter here, and the type of their entities (Tradovate OpenAPI).
COLLECTIONS: dict[str, str] = {
    "users": "user",
    "accounts": "account",
    "contracts": "contract",
    "orders": "order",
    "orderVersions": "orderVersion",
    "commands": "command",
    "commandReports": "commandReport",
    "executionReports": "executionReport",
    "fills": "fill",
    "positions": "position",
}
# Those that may be missing: what a contract is is asked for when it is wanted, and a lock shows in a refusal too.
LISTED: dict[str, str] = {
    "contractMaturities": "contractMaturity",
    "products": "product",
    "accountRiskStatuses": "accountRiskStatus",
    "cashBalances": "cashBalance",
}


def collections(data: Mapping[str, Any]) -> Iterator[tuple[str, str, list[object] | None]]:
    """Those that are there, by name: the type of their entities, and their rows; None where that is no array."""
    for name, kind in (COLLECTIONS | LISTED).items():
        if name in data:
            yield name, kind, data[name] if isinstance(data[name], list) else None


def others(data: Mapping[str, Any]) -> Iterator[str]:
    """The names of all else in it."""
    return (name for name in data if name not in COLLECTIONS and name not in LISTED)
