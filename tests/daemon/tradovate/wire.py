"""Entities as the broker writes them, for the tests of the mirror. Ids, names and prices are invented."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from daemon.tradovate.frames import Pushed
from statecharts.values import BrokerAccountId

Entity = dict[str, object]

NOW = datetime(2026, 3, 2, 14, 31, 6, tzinfo=UTC)
AT = datetime(2026, 3, 2, 14, 31, 5, 120000, tzinfo=UTC)
STAMP = "2026-03-02T14:31:05.120Z"
ACCOUNT = BrokerAccountId(900111)
CONTRACT = 2553027
ORDER = 3556122300
NAME = "cpd-abc"


def props(kind: str, entity: object, event: str = "Created") -> Pushed:
    return Pushed("props", {"entityType": kind, "eventType": event, "entity": entity})


def order(status: str = "PendingNew", id: int = ORDER, **more: object) -> Entity:  # noqa: A002 - the wire's own word
    return {
        "id": id,
        "accountId": ACCOUNT,
        "contractId": CONTRACT,
        "timestamp": STAMP,
        "action": "Buy",
        "ordStatus": status,
        "executionProviderId": 2,
        "admin": False,
        **more,
    }


def version(id: int = ORDER, order_id: int = ORDER, **more: object) -> Entity:  # noqa: A002 - the wire's own word
    return {
        "id": id,
        "orderId": order_id,
        "orderQty": 2,
        "orderType": "Market",
        "timeInForce": "Day",
        "text": NAME,
        **more,
    }


def command(id: int = ORDER, order_id: int = ORDER, **more: object) -> Entity:  # noqa: A002 - the wire's own word
    return {
        "id": id,
        "orderId": order_id,
        "timestamp": STAMP,
        "clOrdId": NAME,
        "commandType": "New",
        "commandStatus": "Pending",
        "customTag50": NAME,
        "isAutomated": True,
        **more,
    }


def fill(id: int = ORDER + 6, order_id: int = ORDER, **more: object) -> Entity:  # noqa: A002 - the wire's own word
    return {
        "id": id,
        "orderId": order_id,
        "contractId": CONTRACT,
        "timestamp": STAMP,
        "tradeDate": {"year": 2026, "month": 3, "day": 2},
        "action": "Buy",
        "qty": 2,
        "price": Decimal("5201.25"),
        "active": True,
        "finallyPaired": 0,
        **more,
    }


def execution(id: int, kind: str = "Trade", **more: object) -> Entity:  # noqa: A002 - the wire's own word
    return {
        "id": id,
        "commandId": ORDER,
        "name": f"er-{id}",
        "accountId": ACCOUNT,
        "contractId": CONTRACT,
        "timestamp": STAMP,
        "orderId": ORDER,
        "execType": kind,
        "action": "Buy",
        "lastQty": 2,
        "lastPx": Decimal("5201.25"),
        **more,
    }


def position(net: int, id: int = 700500, stamp: str = STAMP, **more: object) -> Entity:  # noqa: A002 - the wire's own word
    return {"id": id, "accountId": ACCOUNT, "contractId": CONTRACT, "timestamp": stamp, "netPos": net, **more}


def sync(**more: object) -> Entity:
    empty: Entity = {name: [] for name in ("positions", "orders", "orderVersions", "commands", "commandReports")}
    return {
        "users": [{"id": 40125, "name": "leader01"}],
        "accounts": [{"id": ACCOUNT, "name": "DEMO40125", "userId": 5, "active": True}],
        **empty,
        "executionReports": [],
        "fills": [],
        "contracts": [{"id": CONTRACT, "name": "MESM6", "contractMaturityId": 1}],
        **more,
    }
