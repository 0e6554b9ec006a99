"""What copierd keeps of each of the broker's entities. Names and types are those of the Tradovate OpenAPI."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import attrs

from statecharts.values import Side, Status, Terms
from statecharts.view import RiskStatus


@attrs.frozen
class UserPart:
    id: int
    name: str


@attrs.frozen
class AccountPart:
    """`name` is what orders call the accountSpec. `ended`: it is not active, or archived, or closed."""

    id: int
    name: str
    ended: bool = False


@attrs.frozen
class RiskPart:
    """accountRiskStatus: its id is the account's."""

    id: int
    status: RiskStatus


@attrs.frozen
class ContractPart:
    id: int
    name: str
    maturity_id: int | None = None


@attrs.frozen
class MaturityPart:
    """One contractMaturity: a month of a product."""

    id: int
    product_id: int
    expires: datetime | None


@attrs.frozen
class ProductPart:
    """One product; `name` is the root of its contracts' names."""

    id: int
    name: str
    tick: Decimal
    value_per_point: Decimal


@attrs.frozen
class OrderPart:
    """An order has no quantity, price, type or client id of its own; those are on its versions and commands."""

    id: int
    account_id: int
    contract_id: int | None
    spread_id: int | None
    side: Side
    status: Status
    at: datetime | None
    parent_id: int | None
    oco_id: int | None
    admin: bool


@attrs.frozen
class VersionPart:
    """One orderVersion. `terms` is None when they cannot be copied, and `unsupported` says why."""

    id: int
    order_id: int
    terms: Terms | None
    unsupported: str | None
    text: str


@attrs.frozen
class CommandPart:
    """One command. `names` are its client order ids; `new` is False for a Modify or a Cancel.

    `rejected`: risk or the exchange has refused it.
    """

    id: int
    order_id: int
    names: frozenset[str]
    new: bool
    rejected: bool = False


@attrs.frozen
class CommandReportPart:
    id: int
    command_id: int
    reject_reason: str
    rejected: bool = False


@attrs.frozen
class ExecutionPart:
    """One executionReport. `name` is its own name, by which a TradeCancel's `ref` may point at it."""

    id: int
    order_id: int
    command_id: int | None
    contract_id: int | None
    kind: str
    name: str
    ref: str
    quantity: int | None
    price: Decimal | None
    at: datetime | None
    reject_reason: str


@attrs.frozen
class FillPart:
    """One fill; it names no account. `side` is None when the broker left it out: then it is its order's."""

    id: int
    order_id: int
    contract_id: int | None
    side: Side | None
    quantity: int
    price: Decimal
    at: datetime | None
    active: bool


@attrs.frozen
class BalancePart:
    """One cashBalance. `realized` is None where the broker says neither that nor what the day began with."""

    id: int
    account_id: int
    currency_id: int
    cash: Decimal
    realized: Decimal | None
    at: datetime | None


@attrs.frozen
class PositionPart:
    id: int
    account_id: int
    contract_id: int
    net: int
    at: datetime | None


Part = (
    UserPart
    | AccountPart
    | RiskPart
    | ContractPart
    | MaturityPart
    | ProductPart
    | OrderPart
    | VersionPart
    | CommandPart
    | CommandReportPart
    | ExecutionPart
    | FillPart
    | PositionPart
    | BalancePart
)
