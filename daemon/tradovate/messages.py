"""Order requests as the broker wants them, and its answers as a copier must take them.

Rule 1: the client order id goes out three times (clOrdId, customTag50, text), because the broker echoes each of them on
        another entity and promises none (Tradovate OpenAPI: command.clOrdId, command.customTag50, orderVersion.text).
Rule 2: an answer is a definite no only when the broker has said so. Whatever is unlisted, unreadable or a server's
        error, also in words, is doubtful: the order may exist, and is looked up.
Rule 3: `answer` is total: never raises.
"""

from __future__ import annotations

import contextlib
from decimal import ROUND_CEILING

import attrs

from daemon.tradovate.frames import decode
from daemon.tradovate.scalars import decimal, identity, iso, phrase
from statecharts.effects import CancelOrder, Leg, ModifyOrder, PlaceOco, PlaceOrder, PlaceOso
from statecharts.values import OrderType, Terms, TimeInForce

Body = dict[str, object]


def place(effect: PlaceOrder, account_name: str) -> tuple[str, Body]:
    """Endpoint and body of order/placeorder. `account_name` is the broker's account.name. (Tradovate OpenAPI.)

    The ids of `statecharts.identity` fit the 50 characters that customTag50 may have.
    """
    return "order/placeorder", {
        "accountSpec": account_name,
        "accountId": int(effect.account),
        "clOrdId": effect.client_id,
        "customTag50": effect.client_id,
        "text": effect.client_id,
        "action": effect.side.value,
        "symbol": str(effect.symbol),
        **_terms(effect.terms),
        "isAutomated": True,
    }


def place_oco(effect: PlaceOco, account_name: str) -> tuple[str, Body]:
    """Endpoint and body of order/placeoco: the fields of placeorder, and `other`. (Tradovate OpenAPI.)"""
    _, body = place(effect, account_name)
    return "order/placeoco", {**body, "other": _leg(effect.other)}


def place_oso(effect: PlaceOso, account_name: str) -> tuple[str, Body]:
    """Endpoint and body of order/placeoso: the fields of placeorder, and one or two brackets. (Tradovate OpenAPI.)"""
    _, body = place(effect, account_name)
    return "order/placeoso", {
        **body,
        **{f"bracket{number}": _leg(leg) for number, leg in enumerate(effect.brackets, start=1)},
    }


def _leg(leg: Leg) -> Body:
    """A RestrainedOrderVersion: it takes the other's orderQty, and has no customTag50."""
    terms = _terms(leg.terms)
    del terms["orderQty"]
    return {"action": leg.side.value, "clOrdId": leg.client_id, "text": leg.client_id, **terms}


def modify(effect: ModifyOrder) -> tuple[str, Body]:
    """Endpoint and body of order/modifyorder: all terms are restated, orderQty is the total. (Tradovate OpenAPI.)"""
    return "order/modifyorder", {
        "orderId": int(effect.order_id),
        "clOrdId": effect.client_id,
        "customTag50": effect.client_id,
        "text": effect.client_id,
        **_terms(effect.terms),
        "isAutomated": True,
    }


def cancel(effect: CancelOrder) -> tuple[str, Body]:
    """Endpoint and body of order/cancelorder. (Tradovate OpenAPI.)"""
    return "order/cancelorder", {
        "orderId": int(effect.order_id),
        "clOrdId": effect.client_id,
        "customTag50": effect.client_id,
        "isAutomated": True,
    }


def _terms(terms: Terms) -> Body:
    price, stop = terms.price, terms.stop_price
    if terms.order_type is OrderType.STOP:
        price, stop = None, price if stop is None else stop
    body: Body = {
        "orderQty": terms.quantity,
        "orderType": terms.order_type.value,
        "price": price,
        "stopPrice": stop,
        "pegDifference": terms.peg_difference,
        "timeInForce": terms.time_in_force.value,
    }
    if terms.time_in_force is TimeInForce.GTD and terms.expire_time is not None:
        body["expireTime"] = iso(terms.expire_time)
    return {name: value for name, value in body.items() if value is not None}


@attrs.frozen
class Accepted:
    """Accepted for processing; risk and the exchange may still refuse.

    `legs` are the ids of what went out with the order, in the order of the request; None where the answer names none.
    """

    order_id: int | None = None
    command_id: int | None = None
    legs: tuple[int | None, ...] = ()


@attrs.frozen
class Refused:
    """A definite no. `reason` is the broker's failureReason, or ErrorText, Violations, or the HTTP-like status."""

    reason: str
    text: str = ""


@attrs.frozen
class Penalty:
    """Not handled; asked to wait `seconds`. With `captcha` no program can go on. (Community forum, staff.)"""

    ticket: str = attrs.field(repr=False)
    seconds: int
    captcha: bool = False


@attrs.frozen
class Held:
    """Not handled: too many requests (423 warns, 429 refuses), or our session was pushed out by another login."""

    status: int


@attrs.frozen
class Doubtful:
    """Nobody knows: the order may exist."""

    why: str


Answer = Accepted | Refused | Penalty | Held | Doubtful

# The reasons that say for certain that nothing was placed or changed. UnknownReason and OtherExecutionRelated do not.
DEFINITE = frozenset(
    {
        "AccountClosed",
        "AdvancedTrailingStopUnsupported",
        "AnotherCommandPending",
        "BackMonthProhibited",
        "ExecutionProviderNotConfigured",
        "ExecutionProviderUnavailable",
        "InvalidContract",
        "InvalidPrice",
        "KeyInformationDocumentRequired",
        "LiquidationOnly",
        "LiquidationOnlyBeforeExpiration",
        "MaxOrderQtyIsNotSpecified",
        "MaxOrderQtyLimitReached",
        "MaxPosLimitMisconfigured",
        "MaxPosLimitReached",
        "MaxTotalPosLimitReached",
        "MultipleAccountPlanRequired",
        "NoQuote",
        "NotEnoughLiquidity",
        "ParentRejected",
        "RiskCheckTimeout",
        "SSFRiskDisclosureAcknowledgmentRequired",
        "SessionClosed",
        "TooLate",
        "TradingLocked",
        "TrailingStopNonOrderQtyModify",
        "Unauthorized",
        "Unsupported",
    }
)
# Words of an errorText that speak of the broker's health and not of the request; the catalogue is not published.
AILING = ("maintenance", "unavailable", "try again later", "temporarily", "timeout", "timed out", "internal error")
_DENIED = "access is denied"  # the text that turns UnknownReason into a certain no; captured on the wire
_NOT_HANDLED = {400: "BadRequest", 401: "AccessDenied", 403: "AccessDenied", 404: "NotFound"}
_HELD = (423, 429)
_WAIT = 60  # seconds of a penalty that names none
_HOUR = 3600  # seconds; what the documents say of a penalty with a captcha
_LONGEST = 7 * 24 * _HOUR  # seconds; no penalty is believed to be longer
_SHOWN = 300  # characters of the broker's text kept


def answer(status: int, data: object) -> Answer:
    """What came of an order request. `status` as in HTTP, `data` as in the frame. (Tradovate OpenAPI, conventions.)"""
    found = penalty(data)
    if found is not None:
        return found
    if 200 <= status < 300:
        return _success(data)
    if status in _HELD:
        return Held(status)
    if status in _NOT_HANDLED:
        return Refused(_NOT_HANDLED[status], text_of(data))
    return Doubtful(f"status {status} {text_of(data)}".rstrip())


def penalty(data: object) -> Penalty | None:
    """The penalty in an answer of any kind; None when there is none."""
    if not isinstance(data, dict) or not any(data.get(name) for name in ("p-ticket", "p-captcha")):
        return None
    captcha = data.get("p-captcha") in (True, "true")
    seconds = decimal(data.get("p-time"))
    if seconds is None or seconds < 0:
        seconds = decimal(_HOUR if captcha else _WAIT)
    assert seconds is not None, "a constant is a number"
    return Penalty(phrase(data.get("p-ticket")), min(_LONGEST, int(seconds.to_integral_value(ROUND_CEILING))), captcha)


def text_of(data: object) -> str:
    """The broker's own words in an answer: a text (sometimes JSON within JSON), or the usual fields of an object."""
    if isinstance(data, str) and data[:1] in ('"', "{"):
        with contextlib.suppress(ValueError):
            data = decode(data)
    if isinstance(data, dict):
        names = ("errorText", "failureText", "message", "error_description", "error", "p-message")
        data = next((data[name] for name in names if phrase(data.get(name))), "")
    return phrase(data)[:_SHOWN]


def objection(data: object) -> str:
    """What an answer with status 200 objects to, in the broker's words; empty where it objects to nothing."""
    if not isinstance(data, dict):
        return ""
    return phrase(data.get("errorText"))[:_SHOWN] or _violations(data)


def _success(data: object) -> Answer:
    if not isinstance(data, dict):
        return Doubtful("an answer without content")
    order_id, command_id = identity(data.get("orderId")), identity(data.get("commandId"))
    known = order_id is not None or command_id is not None
    text = text_of(data)
    reason = phrase(data.get("failureReason"))
    if reason not in ("", "Success"):
        if known:
            return Doubtful(f"{reason}, and yet an id {order_id or command_id}")
        if reason in DEFINITE or _DENIED in text.lower():
            return Refused(reason, text)
        return Doubtful(f"{reason}: {text}" if text else reason)
    if known:
        return Accepted(order_id, command_id, _legs(data))
    if data.get("violations") and isinstance(data["violations"], list):
        return Refused("Violations", _violations(data))
    if any(word in text.lower() for word in AILING):
        return Doubtful(text)
    if phrase(data.get("errorText")) or (_DENIED in text.lower()):
        return Refused("ErrorText", text)
    return Doubtful("an answer without an id")


def _legs(data: Body) -> tuple[int | None, ...]:
    """PlaceOCOResult has an ocoId; PlaceOSOResult oso1Id and, for two brackets, oso2Id. (Tradovate OpenAPI.)"""
    if "ocoId" in data:
        return (identity(data["ocoId"]),)
    if "oso1Id" in data or "oso2Id" in data:
        return (identity(data.get("oso1Id")), identity(data.get("oso2Id")))
    return ()


def _violations(data: Body) -> str:
    found = data.get("violations")
    return "; ".join(filter(None, map(_violation, found if isinstance(found, list) else [])))[:_SHOWN]


def _violation(one: object) -> str:
    if not isinstance(one, dict):
        return phrase(one)
    words = (phrase(one.get("constraint")), phrase(one.get("description")))
    return ": ".join(filter(None, words))
