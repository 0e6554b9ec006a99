"""The stand-in's books: logins, accounts, orders at market that fill at once, and the entities that tell of them.

Rule 1: it knows no socket, and of the protocol just what the daemon under measurement needs (see `daemon/simulator` for
        all of it). It is not the look-alike: that one costs more than what is to be measured.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import attrs

Entity = dict[str, Any]

SYMBOL = "ESZ9"
CONTRACT, MATURITY, PRODUCT = 11, 12, 13
PRICE = 5000.25
_LISTED = {
    "order": "orders",
    "orderVersion": "orderVersions",
    "command": "commands",
    "fill": "fills",
    "position": "positions",
}


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@attrs.define(eq=False)
class Login:
    """A user with his accounts, by their names, and everything that is told of these."""

    name: str
    user_id: int
    accounts: dict[str, int]
    rows: dict[str, dict[int, Entity]] = attrs.field(factory=lambda: {kind: {} for kind in _LISTED})

    def named(self, account_id: int) -> str:
        return next(name for name, number in self.accounts.items() if number == account_id)


@attrs.define(eq=False)
class Books:
    """Everything that there is. Ids ascend over all of it, as the broker's do."""

    logins: dict[str, Login] = attrs.field(factory=dict)
    issued: Iterator[int] = attrs.field(factory=lambda: itertools.count(1_000_000))
    static: dict[str, list[Entity]] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        today = datetime.now(UTC)
        self.static = {
            "contract": [{"id": CONTRACT, "name": SYMBOL, "contractMaturityId": MATURITY}],
            "contractMaturity": [
                {
                    "id": MATURITY,
                    "productId": PRODUCT,
                    "expirationMonth": 202912,
                    "expirationDate": f"{today.year + 1}-12-20T14:30:00.000Z",
                    "isFront": True,
                }
            ],
            "product": [
                {
                    "id": PRODUCT,
                    "name": "ES",
                    "currencyId": 1,
                    "productType": "Futures",
                    "exchangeId": 1,
                    "contractGroupId": 1,
                    "status": "Verified",
                    "valuePerPoint": 50,
                    "priceFormatType": "Decimal",
                    "priceFormat": 2,
                    "tickSize": 0.25,
                }
            ],
        }

    def open(self, name: str, accounts: list[str]) -> Login:
        login = Login(name, next(self.issued), {account: next(self.issued) for account in accounts})
        self.logins[name] = login
        return login

    def snapshot(self, login: Login) -> dict[str, list[Entity]]:
        """The body of `user/syncrequest`."""
        now = stamp()
        accounts = [
            {
                "id": number,
                "name": name,
                "userId": login.user_id,
                "accountType": "Customer",
                "active": True,
                "clearingHouseId": 2,
                "riskCategoryId": 3,
                "autoLiqProfileId": 2,
                "marginAccountType": "Speculator",
                "legalStatus": "Individual",
                "timestamp": now,
            }
            for name, number in login.accounts.items()
        ]
        return {
            "users": [{"id": login.user_id, "name": login.name, "timestamp": now, "status": "Active"}],
            "accounts": accounts,
            "contracts": self.static["contract"],
            "contractMaturities": self.static["contractMaturity"],
            "products": self.static["product"],
            "commandReports": [],
            "executionReports": [],
            **{plural: list(login.rows[kind].values()) for kind, plural in _LISTED.items()},
        }

    def read(self, login: Login, endpoint: str, query: dict[str, str]) -> object:
        """The answer of a read; None when there is nothing of it."""
        kind, _, operation = endpoint.partition("/")
        if endpoint in ("user/list", "account/list"):
            return self.snapshot(login)[f"{kind}s"]
        if kind in self.static:
            key = "name" if operation == "find" else "id"
            return next((row for row in self.static[kind] if str(row[key]) == query.get(key)), None)
        return list(login.rows[kind].values()) if operation == "list" and kind in login.rows else None

    def traded(self, login: Login, account_id: int, side: str, quantity: int, name: str | None) -> tuple[int, str]:
        """An order at market that fills at once: its id, and the events that tell of it, as messages of a frame."""
        now, order_id, version, fill = stamp(), next(self.issued), next(self.issued), next(self.issued)
        date = {"year": int(now[:4]), "month": int(now[5:7]), "day": int(now[8:10])}
        own = {"accountId": account_id, "contractId": CONTRACT, "timestamp": now}
        order = {"id": order_id, **own, "action": side, "executionProviderId": 2, "admin": False}
        named = {} if name is None else {"text": name}
        terms = {"id": version, "orderId": order_id, "orderQty": quantity, "orderType": "Market"}
        terms |= {"timeInForce": "Day", **named}
        command = {"id": order_id, "orderId": order_id, "timestamp": now, "commandType": "New"}
        command |= {"senderId": login.user_id, "isAutomated": name is not None}
        command |= {} if name is None else {"clOrdId": name, "customTag50": name}
        report = {"commandId": order_id, "timestamp": now}
        execution = {**report, **own, "tradeDate": date, "orderId": order_id, "action": side}
        execution |= {"exchangeOrderId": f"X-{order_id}"}
        filled = {"id": fill, "orderId": order_id, "contractId": CONTRACT, "timestamp": now, "tradeDate": date}
        filled |= {"action": side, "qty": quantity, "price": PRICE, "active": True, "finallyPaired": 0}
        position, is_new = self._moved(login, account_id, quantity if side == "Buy" else -quantity, now, date)
        working, ended = {**order, "ordStatus": "Working"}, {**order, "ordStatus": "Filled"}
        at_execution = {**command, "commandStatus": "AtExecution"}
        rows = login.rows
        rows["order"][order_id], rows["orderVersion"][version] = ended, terms
        rows["command"][order_id], rows["fill"][fill] = at_execution, filled
        told = [
            ("order", "Created", {**order, "ordStatus": "PendingNew"}),
            ("orderVersion", "Created", terms),
            ("command", "Created", {**command, "commandStatus": "Pending"}),
            ("commandReport", "Created", {"id": next(self.issued), **report, "commandStatus": "RiskPassed"}),
            ("command", "Updated", {**command, "commandStatus": "RiskPassed"}),
            (
                "commandReport",
                "Created",
                {"id": next(self.issued), **report, "commandStatus": "AtExecution", "ordStatus": "Working"},
            ),
            ("command", "Updated", at_execution),
            (
                "executionReport",
                "Created",
                {"id": next(self.issued), **execution, "execType": "New", "ordStatus": "Working", "cumQty": 0},
            ),
            ("order", "Updated", working),
            (
                "executionReport",
                "Created",
                {
                    "id": next(self.issued),
                    **execution,
                    "execType": "Trade",
                    "ordStatus": "Filled",
                    "cumQty": quantity,
                    "avgPx": PRICE,
                    "lastQty": quantity,
                    "lastPx": PRICE,
                },
            ),
            ("fill", "Created", filled),
            ("position", "Created" if is_new else "Updated", position),
            ("order", "Updated", ended),
        ]
        return order_id, ",".join(props(kind, event, entity) for kind, event, entity in told)

    def _moved(self, login: Login, account_id: int, by: int, now: str, date: Entity) -> tuple[Entity, bool]:
        known = next((row for row in login.rows["position"].values() if row["accountId"] == account_id), None)
        number = next(self.issued) if known is None else known["id"]
        before: Entity = known or {"netPos": 0, "bought": 0, "sold": 0}
        position = {
            "id": number,
            "timestamp": now,
            "tradeDate": date,
            "netPos": before["netPos"] + by,
            "netPrice": PRICE,
            "bought": before["bought"] + max(0, by),
            "boughtValue": 0,
            "sold": before["sold"] + max(0, -by),
            "soldValue": 0,
            "prevPos": 0,
            "accountId": account_id,
            "contractId": CONTRACT,
        }
        login.rows["position"][number] = position
        return position, known is None


def props(kind: str, event: str, entity: Entity) -> str:
    return compact({"e": "props", "d": {"entityType": kind, "eventType": event, "entity": entity}})
