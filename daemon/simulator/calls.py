"""One request and its answer, the same for REST and WebSocket, and how a request's fields are read."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import attrs

from daemon.simulator.exchange import ORDER_KINDS, Terms
from daemon.simulator.tokens import Token

TIMES_IN_FORCE = frozenset({"Day", "FOK", "GTC", "GTD", "IOC"})


@attrs.frozen
class Call:
    """A request. `token` is None where none is needed; `endpoint` is lower case without a leading slash."""

    endpoint: str
    query: Mapping[str, str]
    body: Mapping[str, Any]
    token: Token | None
    transport: str


@attrs.frozen
class Answer:
    """An HTTP-like status and what goes with it: JSON for 2xx, a text or nothing otherwise."""

    status: int
    payload: Any = None


class Refusal(Exception):
    """Ends the handling of a call with this answer."""

    def __init__(self, status: int, payload: Any = None) -> None:
        super().__init__(status, payload)
        self.answer = Answer(status, payload)


DENIED = Answer(401, "Access is denied")
BAD_REQUEST = "Invalid or missed parameters"


def fields_of(content_type: str, body: bytes) -> dict[str, Any]:
    """A request's body: a form, or JSON, which need not call itself so. Raises Refusal."""
    try:
        if content_type.startswith("application/x-www-form-urlencoded"):
            return dict(parse_qsl(body.decode(), keep_blank_values=True))
        fields = json.loads(body) if body.strip() else {}
    except ValueError as error:
        raise Refusal(400, BAD_REQUEST) from error
    return fields if isinstance(fields, dict) else {}


def text(body: Mapping[str, Any], name: str, longest: int = 64) -> str | None:
    """A string field of at most so many characters; absent is None."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > longest:
        raise Refusal(400, f"{BAD_REQUEST}: {name}")
    return value


def whole(body: Mapping[str, Any], name: str) -> int | None:
    """An integer field; absent is None."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal(400, f"{BAD_REQUEST}: {name}")
    return value


def needed(body: Mapping[str, Any], name: str) -> int:
    """An integer field that must be there."""
    value = whole(body, name)
    if value is None:
        raise Refusal(400, f"{BAD_REQUEST}: {name}")
    return value


def price(body: Mapping[str, Any], name: str) -> Decimal | None:
    """A price field; it arrives as a JSON number and goes on as the Decimal it reads as."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal(400, f"{BAD_REQUEST}: {name}")
    return Decimal(str(value))


def moment(body: Mapping[str, Any], name: str) -> datetime | None:
    """An ISO-8601 UTC field."""
    value = text(body, name)
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError as error:
        raise Refusal(400, f"{BAD_REQUEST}: {name}") from error
    if parsed.tzinfo is None:
        raise Refusal(400, f"{BAD_REQUEST}: {name}")
    return parsed


def side(body: Mapping[str, Any]) -> bool:
    """True for Buy."""
    action = body.get("action")
    if action not in ("Buy", "Sell"):
        raise Refusal(400, f"{BAD_REQUEST}: action")
    return str(action) == "Buy"


def flag(body: Mapping[str, Any], name: str) -> bool:
    """A boolean field, false when absent."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise Refusal(400, f"{BAD_REQUEST}: {name}")
    return value


def terms(body: Mapping[str, Any], qty: int | None = None) -> Terms:
    """The terms of an order; a bracket has no quantity of its own and takes its parent's."""
    if qty is None:
        qty = needed(body, "orderQty")
    if qty <= 0:
        violation = {"constraint": "orderQty", "value": str(qty), "description": "orderQty must be positive"}
        raise Refusal(200, {"violations": [violation]})
    kind, tif = body.get("orderType"), body.get("timeInForce", "Day")
    if kind not in ORDER_KINDS or tif not in TIMES_IN_FORCE:
        raise Refusal(400, f"{BAD_REQUEST}: orderType or timeInForce")
    return Terms(
        qty,
        str(kind),
        price(body, "price"),
        price(body, "stopPrice"),
        price(body, "pegDifference"),
        whole(body, "maxShow"),
        str(tif),
        moment(body, "expireTime"),
        text(body, "text"),
    )


def identifiers(query: Mapping[str, str], name: str) -> list[int]:
    """One or more ids of the query."""
    try:
        return [int(part) for part in query[name].split(",") if part]
    except (KeyError, ValueError) as error:
        raise Refusal(400, f"{BAD_REQUEST}: {name}") from error
