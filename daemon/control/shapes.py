"""The shapes of what the control socket answers, as JSON Schema.

Rule 1: what is promised is required, and what is required is promised: fields may come, none may go.
"""

from __future__ import annotations

from typing import Any, Final

from daemon.control import queries

Json = dict[str, Any]

NAME: Final[Json] = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,31}$"}
TEXT: Final[Json] = {"type": "string"}
WORDS: Final[Json] = {"type": ["string", "null"]}
YES: Final[Json] = {"type": "boolean"}
COUNT: Final[Json] = {"type": "integer"}
FIGURE: Final[Json] = {"type": ["number", "null"]}
NUMBER: Final[Json] = {"type": ["integer", "null"]}
INSTANT: Final[Json] = {"type": "string", "format": "date-time"}
WHEN: Final[Json] = {"type": ["string", "null"], "format": "date-time"}
_CONTRACTS: Final[Json] = {"type": "object", "additionalProperties": COUNT}


def record(**properties: Json) -> Json:
    """An object in which these are always there; more may come."""
    named = {name.rstrip("_"): shape for name, shape in properties.items()}
    return {"type": "object", "required": list(named), "properties": named}


def listed(of: Json) -> Json:
    return {"type": "array", "items": of}


def maybe(shape: Json) -> Json:
    return {"anyOf": [shape, {"type": "null"}]}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_ACCOUNT: Final = record(
    account=NAME,
    login=NAME,
    name=TEXT,
    environment=TEXT,
    role={"enum": ["leader", "follower", "both"]},
    state={"enum": ["Connected", "Reconnecting", "Disconnected", "TokenExpired"]},
    colour={"enum": ["green", "yellow", "red", "gray"]},
    leaf=TEXT,
    since=INSTANT,
    reason=WORDS,
    attempt=COUNT,
    next_attempt_at=WHEN,
    cause={"enum": ["broker", "network", "credentials", "evicted", "penalty", "maintenance", "operator", "bug", None]},
    remedy=WORDS,
    expected=YES,
    until=WHEN,
    copying=YES,
    blocked_by=listed(TEXT),
    holding=WORDS,
    orders={"enum": ["proven", "untested", "denied"]},
    paused=YES,
    close_only=WORDS,
    barred={"type": "object", "additionalProperties": TEXT},
    armed=YES,
    shadow=YES,
    locked=maybe(record(limit=TEXT, reason=TEXT, since=INSTANT, until=INSTANT, remedy=TEXT)),
    pending_config=YES,
    positions=_CONTRACTS,
    unprotected=listed(record(symbol=TEXT, quantity=COUNT, since=INSTANT, why=TEXT)),
    quarantined=listed(record(symbol=TEXT, ours=COUNT, theirs=COUNT, since=WHEN, order_id=NUMBER, remedy=TEXT)),
    waiting={"type": "object", "additionalProperties": TEXT},
    flatten=maybe(
        record(
            by=TEXT,
            why=TEXT,
            symbols=maybe(listed(TEXT)),
            asked_at=INSTANT,
            verified_at=WHEN,
            left=listed(record(symbol=TEXT, ours=COUNT, orders=COUNT, why=TEXT, retry_at=WHEN)),
            not_ours=_CONTRACTS,
        )
    ),
    limits={"type": "object", "additionalProperties": record(used=FIGURE, limit={"type": "number"})},
)
_IN_FULL: Final[Json] = {
    "allOf": [
        ref("Account"),
        record(
            contracts=listed(
                record(
                    symbol=TEXT,
                    position=COUNT,
                    ours=COUNT,
                    theirs=COUNT,
                    target=NUMBER,
                    orders=COUNT,
                    waits=WORDS,
                    closing=WORDS,
                )
            ),
            symbols=listed(TEXT),
            working_orders=listed(
                record(
                    order_id=COUNT,
                    ours=YES,
                    symbol=TEXT,
                    action=TEXT,
                    status=TEXT,
                    quantity=NUMBER,
                    filled=COUNT,
                    order_type=WORDS,
                    price=FIGURE,
                    stop_price=FIGURE,
                )
            ),
        ),
    ]
}
_LOGIN: Final = record(
    login=NAME,
    user_id=NUMBER,
    state={"enum": ["Connected", "Connecting", "Refused", "Held", "Waiting", "Idle"]},
    cause=WORDS,
    reason=WORDS,
    remedy=WORDS,
    token_expires_at=WHEN,
    refresh_expires_at=WHEN,
    password_expires_at=WHEN,
    requests_left=COUNT,
    hold_until=WHEN,
    hold_reason=WORDS,
    clock_skew_ms=NUMBER,
)
_STATUS: Final = record(
    version=TEXT,
    started_at=INSTANT,
    now=INSTANT,
    accounts=listed(ref("Account")),
    logins=listed(ref("Login")),
    last_stop={"enum": ["clean", "crash", "reboot", "upgrade"]},
    copies=listed(record(copy=NAME, leader=NAME, followers=listed(NAME), mode={"enum": ["orders", "fills"]})),
    latency_ms=record(p50=FIGURE, p99=FIGURE, count=COUNT),
)
_COPY: Final = record(
    id=TEXT,
    copy=NAME,
    follower=NAME,
    leader_order_id=NUMBER,
    leader_fill_id=NUMBER,
    verb={"enum": ["place", "modify", "cancel", "close"]},
    cl_ord_id=TEXT,
    symbol=TEXT,
    action={"enum": ["Buy", "Sell"]},
    quantity=NUMBER,
    order_type=WORDS,
    price=FIGURE,
    stop_price=FIGURE,
    outcome={"enum": list(queries.OUTCOMES)},
    reason=WORDS,
    order_id=NUMBER,
    decided_at=INSTANT,
    sent_at=WHEN,
    answered_at=WHEN,
    latency_ms=FIGURE,
)
_EVENT: Final = record(
    id=COUNT,
    at=INSTANT,
    event=TEXT,
    severity={"enum": ["info", "warning", "page"]},
    account=WORDS,
    login=WORDS,
    state=WORDS,
    reason=WORDS,
    remedy=WORDS,
    detail=TEXT,
    cause=WORDS,
    copy=WORDS,
)
_LINK: Final = record(
    at=INSTANT,
    account=TEXT,
    state=TEXT,
    event=TEXT,
    effects=listed(TEXT),
    request=WORDS,
    answer=WORDS,
    ms={"type": "number"},
    failed=WORDS,
)
_PROBLEM: Final = record(type_=TEXT, title=TEXT, status=COUNT, detail=TEXT)

SCHEMAS: Final[Json] = {
    "Account": _ACCOUNT,
    "AccountInFull": _IN_FULL,
    "Login": _LOGIN,
    "Status": _STATUS,
    "Copy": _COPY,
    "Event": _EVENT,
    "Link": _LINK,
    "Problem": {**_PROBLEM, "description": "RFC 9457; with a `remedy` where there is one"},
}
