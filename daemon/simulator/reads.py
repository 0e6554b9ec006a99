"""The endpoints that only read: item, items, list, find, suggest, deps, ldeps of every entity type.

GET is conventional but not enforced; not every type has every operation (Tradovate OpenAPI paths). More than ten ids
in `items` come back as 404 without a body, as measured by a practitioner.
"""

from datetime import timedelta

from daemon.simulator.broker import Broker
from daemon.simulator.calls import BAD_REQUEST, DENIED, Answer, Call, Refusal, identifiers, needed
from daemon.simulator.entities import MASTERS, OF_THE_SESSION, Entity, Row, stamp
from daemon.simulator.logins import Login

_PLAIN = ("deps", "item", "items", "ldeps", "list")
OPERATIONS: dict[str, tuple[str, ...]] = {
    "user": ("find", "item", "items", "list", "suggest"),
    "account": (*_PLAIN, "find", "suggest"),
    "accountRiskStatus": _PLAIN,
    "marginSnapshot": _PLAIN,
    "cashBalance": _PLAIN,
    "position": (*_PLAIN, "find"),
    "order": _PLAIN,
    "orderVersion": _PLAIN,
    "command": _PLAIN,
    "commandReport": _PLAIN,
    "executionReport": (*_PLAIN, "find"),
    "fill": _PLAIN,
    "fillPair": _PLAIN,
    "contract": ("deps", "find", "item", "items", "ldeps", "suggest"),
    "contractMaturity": ("deps", "item", "items", "ldeps"),
    "product": (*_PLAIN, "find", "suggest"),
    "currency": ("find", "item", "items", "list", "suggest"),
    "exchange": ("find", "item", "items", "list", "suggest"),
}
_KINDS = {kind.lower(): kind for kind in OPERATIONS}
MOST_IDS = 10


def read(broker: Broker, login: Login, call: Call) -> Answer | None:
    """The answer of a read, None when the endpoint is none."""
    if call.endpoint == "cashbalance/getcashbalancesnapshot":
        account_id = needed(call.body, "accountId")
        if account_id not in login.account_ids:
            return Answer(200, {"errorText": f"account is not found (ID:{account_id})"})
        return Answer(200, broker.balance(account_id))
    if call.endpoint == "auth/me":
        me = {"userId": login.user_id, "name": login.spec.username, "fullName": login.spec.username}
        return Answer(
            200, {**me, "email": f"{login.spec.username}@example.org", "emailVerified": True, "isTrial": False}
        )
    if call.endpoint == "order/dryrun":
        return _dry_run(broker, login, call)
    if call.endpoint == "marketdatasubscription/list":
        return Answer(200, _subscriptions(broker, login))
    name, _, operation = call.endpoint.partition("/")
    kind = _KINDS.get(name)
    if kind is None or operation not in OPERATIONS[kind]:
        return None
    if login.spec.orders == "denied" and kind in OF_THE_SESSION:
        return DENIED
    rows = _visible(broker, login, kind)
    if operation == "list":
        return Answer(200, rows)
    if operation == "item":
        wanted = identifiers(call.query, "id")
        return _one([row for row in rows if row["id"] in wanted])
    if operation == "items":
        wanted = identifiers(call.query, "ids")
        if len(wanted) > MOST_IDS:
            return Answer(404)
        return Answer(200, [row for row in rows if row["id"] in wanted])
    if operation == "find":
        return _find(kind, rows, call)
    if operation == "suggest":
        return _suggest(rows, call)
    masters = identifiers(call.query, "masterid" if operation == "deps" else "masterids")
    return Answer(200, [row for row in rows if row.get(MASTERS[kind]) in masters])


def _dry_run(broker: Broker, login: Login, call: Call) -> Answer:
    """order/dryrun: what pre-trade risk would say of up to four orders; none is placed. (Partner documentation.)"""
    account_id = needed(call.body, "accountId")
    if account_id not in broker.account_ids.values():
        return Answer(404, "Not found")
    if account_id not in login.account_ids or login.spec.orders != "full":
        return DENIED
    return Answer(200, {"rejectReason": broker.desk.risk.locked.get(account_id, "Success")})


def _subscriptions(broker: Broker, login: Login) -> list[Entity]:
    """marketDataSubscription/list: one, which has ended where the user has none that counts."""
    today = broker.now()
    return [
        {
            "id": login.user_id,
            "userId": login.user_id,
            "timestamp": stamp(today),
            "planPrice": 0,
            "marketDataSubscriptionPlanId": 1,
            "year": today.year,
            "month": today.month,
            "expired": not login.spec.market_data,
        }
    ]


def _visible(broker: Broker, login: Login, kind: str) -> list[Entity]:
    """Copies of what this user sees, as old as reads are."""
    youngest = broker.now() - timedelta(seconds=broker.faults.read_lag)

    def seen(row: Row) -> bool:
        return login.sees(row.owner) and row.born <= youngest

    return [dict(row.entity) for row in broker.entities.rows(kind) if seen(row)]


def _one(rows: list[Entity]) -> Answer:
    return Answer(200, rows[0]) if rows else Answer(404, "Not found")


def _find(kind: str, rows: list[Entity], call: Call) -> Answer:
    if kind == "position":
        wanted = (identifiers(call.query, "accountId")[0], identifiers(call.query, "contractId")[0])
        return _one([row for row in rows if (row["accountId"], row["contractId"]) == wanted])
    if "name" not in call.query:
        raise Refusal(400, f"{BAD_REQUEST}: name")
    return _one([row for row in rows if row["name"] == call.query["name"]])


def _suggest(rows: list[Entity], call: Call) -> Answer:
    start, most = call.query.get("t", "").upper(), identifiers(call.query, "l")[0]
    return Answer(200, [row for row in rows if row["name"].upper().startswith(start)][:most])
