"""The broker's entities, decoded one at a time: what copierd needs of each, and a fault for what it could not read.

Rule 1: `decode` is total. An entity without the fields that place it becomes None and a fault, never an exception.
Rule 2: tolerant in spelling (numbers as texts, "Cancelled", absent fields), strict in meaning: terms that cannot be
        read whole are no terms, and the order says so in `unsupported`; it is never copied by guess.
Rule 3: names and types are those of the Tradovate OpenAPI.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import TypeVar

import attrs

from daemon.tradovate.parts import (
    AccountPart,
    BalancePart,
    CommandPart,
    CommandReportPart,
    ContractPart,
    ExecutionPart,
    FillPart,
    MaturityPart,
    OrderPart,
    Part,
    PositionPart,
    ProductPart,
    RiskPart,
    UserPart,
    VersionPart,
)
from daemon.tradovate.scalars import decimal, identity, moment, phrase, whole
from statecharts.values import OrderType, Side, Status, Terms, TimeInForce
from statecharts.view import RiskStatus

Fields = Mapping[str, object]
_E = TypeVar("_E", bound=enum.Enum)


@attrs.frozen
class Decoded:
    part: Part | None
    faults: tuple[str, ...] = ()


class _Unreadable(Exception):
    """A field without which the entity has no place."""


def decode(entity_type: str, entity: object) -> Decoded:
    """One entity of a type in `READERS`. A reader may also return a part together with faults in lesser fields."""
    if not isinstance(entity, dict):
        return Decoded(None, (f"{entity_type}: no object",))
    faults: list[str] = []
    try:
        part = READERS[entity_type](entity, faults)
    except _Unreadable as bad:
        return Decoded(None, (f"{entity_type} {phrase(str(entity.get('id')))[:20]}: unreadable {bad}", *faults))
    return Decoded(part, tuple(f"{entity_type} {part.id}: {fault}" for fault in faults))


def _id(of: Fields, name: str) -> int:
    value = identity(of.get(name))
    if value is None:
        raise _Unreadable(name)
    return value


def _named(of: Fields) -> str:
    value = phrase(of.get("name"))
    if not value:
        raise _Unreadable("name")
    return value


def _member(kind: type[_E], value: object) -> _E | None:
    return _words(kind).get(phrase(value).lower())


@cache
def _words(kind: type[_E]) -> dict[str, _E]:
    return {one.value.lower(): one for one in kind}


def _user(of: Fields, faults: list[str]) -> UserPart:
    return UserPart(_id(of, "id"), phrase(of.get("name")))


def _account(of: Fields, faults: list[str]) -> AccountPart:
    ended = of.get("active") is False or of.get("archived") is True or of.get("closed") is True
    return AccountPart(_id(of, "id"), _named(of), ended)


def _risk(of: Fields, faults: list[str]) -> RiskPart:
    """An action that is absent is taken for the usual one; a new one keeps its word."""
    action = phrase(of.get("adminAction")) or "Normal"
    by_user = of.get("userTriggeredLiqOnly") is True
    return RiskPart(_id(of, "id"), RiskStatus(action[:40], moment(of.get("adminTimestamp")), by_user))


def _contract(of: Fields, faults: list[str]) -> ContractPart:
    return ContractPart(_id(of, "id"), _named(of), identity(of.get("contractMaturityId")))


def _maturity(of: Fields, faults: list[str]) -> MaturityPart:
    expires = moment(of.get("expirationDate"))
    if expires is None:
        faults.append("no readable expirationDate")
    return MaturityPart(_id(of, "id"), _id(of, "productId"), expires)


def _product(of: Fields, faults: list[str]) -> ProductPart:
    return ProductPart(_id(of, "id"), _named(of), _above_zero(of, "tickSize"), _above_zero(of, "valuePerPoint"))


def _above_zero(of: Fields, name: str) -> Decimal:
    value = decimal(of.get(name))
    if value is None or value <= 0:
        raise _Unreadable(name)
    return value


# Seen in unofficial clients only, and harmless to understand.
_OTHER_STATUSES = {"cancelled": Status.CANCELED, "partiallyfilled": Status.WORKING}


def _order(of: Fields, faults: list[str]) -> OrderPart:
    side = _member(Side, of.get("action"))
    if side is None:
        raise _Unreadable("action")
    word = phrase(of.get("ordStatus"))
    status = _member(Status, word) or _OTHER_STATUSES.get(word.lower())
    if status is None:
        faults.append(f"unknown ordStatus {word[:40]!r}")
    return OrderPart(
        id=_id(of, "id"),
        account_id=_id(of, "accountId"),
        contract_id=identity(of.get("contractId")),
        spread_id=identity(of.get("spreadDefinitionId")),
        side=side,
        status=status or Status.UNKNOWN,
        at=moment(of.get("timestamp")),
        parent_id=_another(of, "parentId"),
        oco_id=_another(of, "ocoId"),
        admin=of.get("admin") is True,
    )


def _another(of: Fields, name: str) -> int | None:
    """The order that is named there. One that names itself would be copied twice, as its own partner, or never."""
    number = identity(of.get(name))
    return None if number == identity(of.get("id")) else number


def _version(of: Fields, faults: list[str]) -> VersionPart:
    terms, unsupported = _terms(of)
    if unsupported is not None:
        faults.append(f"not to be copied: {unsupported}")
    return VersionPart(_id(of, "id"), _id(of, "orderId"), terms, unsupported, phrase(of.get("text")))


MOST = 1_000_000_000  # contracts: a number beyond has not been meant
_PRICED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP_LIMIT})
_STOPPED = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


def _terms(of: Fields) -> tuple[Terms | None, str | None]:
    """The terms, or what is wrong with them."""
    word = phrase(of.get("orderType"))
    kind = _member(OrderType, word)
    if kind is None:
        return None, word[:40] or "(none given)"
    in_force = TimeInForce.DAY if of.get("timeInForce") is None else _member(TimeInForce, of["timeInForce"])
    if in_force is None:
        return None, f"{kind.value} in force {phrase(of['timeInForce'])[:40] or '(unreadable)'}"
    quantity = whole(of.get("orderQty"))
    if quantity is None or not 0 < quantity <= MOST:
        return None, f"{kind.value} without a readable quantity"
    prices = {name: decimal(of.get(name)) for name in ("price", "stopPrice", "pegDifference")}
    for name, value in prices.items():
        if value is None and of.get(name) is not None:
            return None, f"{kind.value} with an unreadable {name}"
    # A field that is not used may be 0 in the place of absent. Only a limit is ever at 0.
    price, stop, peg = prices["price"], prices["stopPrice"] or None, prices["pegDifference"] or None
    if kind not in _PRICED:
        price = price or None
    if kind is OrderType.STOP:
        # The documents say `price` for a Stop's one price, every working client says `stopPrice`: both are understood.
        price, stop = None, stop or price
    if kind is OrderType.MARKET:
        price = stop = None
    if (kind in _PRICED and price is None) or (kind in _STOPPED and stop is None):
        return None, f"{kind.value} without its price"
    until = moment(of.get("expireTime"))
    return Terms(quantity, kind, price, stop, peg, in_force, until), None


def _command(of: Fields, faults: list[str]) -> CommandPart:
    names = frozenset(filter(None, (phrase(of.get("clOrdId")), phrase(of.get("customTag50")))))
    new = phrase(of.get("commandType")).lower() not in ("modify", "cancel")
    return CommandPart(_id(of, "id"), _id(of, "orderId"), names, new, _is_rejected(of))


def _is_rejected(of: Fields) -> bool:
    return phrase(of.get("commandStatus")).lower() in ("riskrejected", "executionrejected")


def _reason(of: Fields) -> str:
    """rejectReason and text as one phrase; Success is a legal value and no reason."""
    word, text = phrase(of.get("rejectReason")), phrase(of.get("text"))
    if word in ("", "Success"):
        return ""
    return f"{word}: {text}" if text else word


def _command_report(of: Fields, faults: list[str]) -> CommandReportPart:
    return CommandReportPart(_id(of, "id"), _id(of, "commandId"), _reason(of), _is_rejected(of))


def _execution(of: Fields, faults: list[str]) -> ExecutionPart:
    return ExecutionPart(
        id=_id(of, "id"),
        order_id=_id(of, "orderId"),
        command_id=identity(of.get("commandId")),
        contract_id=identity(of.get("contractId")),
        kind=phrase(of.get("execType")),
        name=phrase(of.get("name")),
        ref=phrase(of.get("execRefId")),
        quantity=whole(of.get("lastQty")),
        price=decimal(of.get("lastPx")),
        at=moment(of.get("timestamp")),
        reject_reason=_reason(of),
    )


def _fill(of: Fields, faults: list[str]) -> FillPart:
    quantity, price = whole(of.get("qty")), decimal(of.get("price"))
    if quantity is None or quantity < 0:
        raise _Unreadable("qty")
    if price is None:
        raise _Unreadable("price")
    side = _member(Side, of.get("action"))
    if side is None and of.get("action") is not None:
        raise _Unreadable("action")
    return FillPart(
        id=_id(of, "id"),
        order_id=_id(of, "orderId"),
        contract_id=identity(of.get("contractId")),
        side=side,
        quantity=quantity,
        price=price,
        at=moment(of.get("timestamp")),
        active=of.get("active") is not False,
    )


def _position(of: Fields, faults: list[str]) -> PositionPart:
    net = whole(of.get("netPos"))
    if net is None:
        raise _Unreadable("netPos")
    return PositionPart(_id(of, "id"), _id(of, "accountId"), _id(of, "contractId"), net, moment(of.get("timestamp")))


def _balance(of: Fields, faults: list[str]) -> BalancePart:
    cash, realized, began = (decimal(of.get(name)) for name in ("amount", "realizedPnL", "amountSOD"))
    if cash is None:
        raise _Unreadable("amount")
    if realized is None and began is not None:
        realized = cash - began
    return BalancePart(
        _id(of, "id"), _id(of, "accountId"), _id(of, "currencyId"), cash, realized, moment(of.get("timestamp"))
    )


READERS: Mapping[str, Callable[[Fields, list[str]], Part]] = {
    "user": _user,
    "account": _account,
    "accountRiskStatus": _risk,
    "contract": _contract,
    "contractMaturity": _maturity,
    "product": _product,
    "order": _order,
    "orderVersion": _version,
    "command": _command,
    "commandReport": _command_report,
    "executionReport": _execution,
    "fill": _fill,
    "position": _position,
    "cashBalance": _balance,
}
