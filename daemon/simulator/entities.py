"""Every entity of the look-alike, as the JSON object Tradovate would send, in one store with one id counter.

Ids are one global int64 sequence above 2^31, shared by all entity types (seen on wire captures). An absent optional
field is omitted, never null. Field names and types: Tradovate OpenAPI.
"""

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

import attrs

Entity: TypeAlias = dict[str, Any]

FIRST_ID = 3_556_122_200  # a value seen on the wire; clients with 32-bit ids must fail here


def lasting_id(name: str) -> int:
    """An id that is the same in each life of a broker, and is none that the counter has given or will give then."""
    return FIRST_ID + 1_000_000 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


PLURALS: dict[str, str] = {
    "user": "users",
    "account": "accounts",
    "accountRiskStatus": "accountRiskStatuses",
    "marginSnapshot": "marginSnapshots",
    "userAccountAutoLiq": "userAccountAutoLiqs",
    "cashBalance": "cashBalances",
    "currency": "currencies",
    "position": "positions",
    "fillPair": "fillPairs",
    "order": "orders",
    "contract": "contracts",
    "contractMaturity": "contractMaturities",
    "product": "products",
    "exchange": "exchanges",
    "spreadDefinition": "spreadDefinitions",
    "command": "commands",
    "commandReport": "commandReports",
    "executionReport": "executionReports",
    "orderVersion": "orderVersions",
    "fill": "fills",
    "orderStrategy": "orderStrategies",
    "orderStrategyLink": "orderStrategyLinks",
    "userProperty": "userProperties",
    "property": "properties",
    "userPlugin": "userPlugins",
    "contractGroup": "contractGroups",
    "orderStrategyType": "orderStrategyTypes",
}

# What `deps?masterid=` means for each type (operation texts of the Tradovate OpenAPI).
MASTERS: dict[str, str] = {
    "account": "userId",
    "accountRiskStatus": "id",
    "marginSnapshot": "id",
    "cashBalance": "accountId",
    "position": "accountId",
    "order": "accountId",
    "orderVersion": "orderId",
    "command": "orderId",
    "fill": "orderId",
    "commandReport": "commandId",
    "executionReport": "commandId",
    "fillPair": "positionId",
    "contract": "contractMaturityId",
    "contractMaturity": "productId",
    "product": "exchangeId",
}

# Gone when the trading session closes; lists then answer [] (measured by a practitioner on REST).
OF_THE_SESSION = ("order", "orderVersion", "command", "commandReport", "executionReport", "fill", "fillPair")


def number(value: Decimal) -> int | float:
    """A Decimal as the JSON number it stands for."""
    return int(value) if value == value.to_integral_value() else float(value)


def stamp(moment: datetime) -> str:
    """ISO-8601 UTC with milliseconds and Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def trade_date(moment: datetime) -> Entity:
    """The date object Tradovate puts into fills, reports and positions."""
    return {"year": moment.year, "month": moment.month, "day": moment.day}


@attrs.frozen
class Change:
    """One entity was created, updated or deleted. `owner` is the account it belongs to, None for reference data."""

    kind: str
    event: str
    entity: Entity
    owner: int | None


@attrs.define
class Row:
    """An entity, whose it is, and since when it can be read."""

    entity: Entity
    owner: int | None
    born: datetime


class Entities:
    """The store. Whoever wants to see changes appends a function to `listeners`."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._rows: dict[str, dict[int, Row]] = {kind: {} for kind in PLURALS}
        self._last_id = FIRST_ID
        self.listeners: list[Callable[[Change], None]] = []

    def begin_after(self, moment: datetime) -> None:
        """Ids from here on are none that an earlier life of this broker has given: a ledger would mix them up."""
        self._last_id = max(self._last_id, FIRST_ID + int(moment.timestamp()) * 1000)

    def issue(self) -> int:
        """The next id of the one global counter."""
        self._last_id += 1
        return self._last_id

    def create(self, kind: str, owner: int | None, entity_id: int | None = None, **fields: Any) -> Entity:
        """Add an entity and tell the listeners. Fields that are None are left out."""
        entity: Entity = {"id": self.issue() if entity_id is None else entity_id}
        entity.update({name: value for name, value in fields.items() if value is not None})
        self._rows[kind][entity["id"]] = Row(entity, owner, self._now())
        self._tell(kind, "Created", entity, owner)
        return entity

    def update(self, kind: str, entity_id: int, **fields: Any) -> Entity:
        """Replace fields and tell the listeners the whole entity. None removes a field."""
        row = self._rows[kind][entity_id]
        for name, value in fields.items():
            if value is None:
                row.entity.pop(name, None)
            else:
                row.entity[name] = value
        self._tell(kind, "Updated", row.entity, row.owner)
        return row.entity

    def row(self, kind: str, entity_id: int) -> Row | None:
        """One row, or None."""
        return self._rows[kind].get(entity_id)

    def rows(self, kind: str) -> Iterable[Row]:
        """All rows of one type, oldest first."""
        return self._rows[kind].values()

    def forget(self, kind: str, entity_id: int) -> None:
        """Remove without a word, as the turn of the session does."""
        self._rows[kind].pop(entity_id, None)

    def _tell(self, kind: str, event: str, entity: Entity, owner: int | None) -> None:
        change = Change(kind, event, dict(entity), owner)
        for listener in list(self.listeners):
            listener(change)
