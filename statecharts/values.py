"""The words of the field as values: ids, symbols, sides, terms, orders, fills.

Rule 1: quantities are whole contracts (int), prices are Decimal in the contract's own points; no binary float.
Rule 2: names and spellings of enumerations are the broker's (Tradovate OpenAPI), so that a reader can follow the wire.
Rule 3: every value is frozen; a change is a new value made with `attrs.evolve`.
"""

from __future__ import annotations

import enum
import re
from collections import Counter
from datetime import datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import NewType

import attrs

from statecharts.evolution import evolve

AccountName = NewType("AccountName", str)  # the name in copier.toml
CopyName = NewType("CopyName", str)
Symbol = NewType("Symbol", str)  # a contract's name, MESZ6
Root = NewType("Root", str)  # a product's name, MES
BrokerAccountId = NewType("BrokerAccountId", int)
OrderId = NewType("OrderId", int)
VersionId = NewType("VersionId", int)  # orderVersion.id: newest is the order's current terms
FillId = NewType("FillId", int)
CopyId = NewType("CopyId", str)  # a row of the copies; the client order id of its first attempt

_CONTRACT = re.compile(r"^(?P<root>.+)(?P<month>[FGHJKMNQUVXZ]\d{1,2})$")


class Side(enum.Enum):
    """Tradovate's `action`."""

    BUY = "Buy"
    SELL = "Sell"

    @cached_property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @staticmethod
    def of(change: int) -> Side:
        """The side that moves a position by `change` contracts."""
        return Side.BUY if change > 0 else Side.SELL


class OrderType(enum.Enum):
    """Tradovate's `orderType`, those that can be copied."""

    MARKET = "Market"
    LIMIT = "Limit"
    STOP = "Stop"
    STOP_LIMIT = "StopLimit"
    MIT = "MIT"
    TRAILING_STOP = "TrailingStop"
    TRAILING_STOP_LIMIT = "TrailingStopLimit"

    @cached_property
    def trails(self) -> bool:
        """Does its trigger follow the market?"""
        return self in (OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT)

    @cached_property
    def stops(self) -> bool:
        """Does it wait for a worse price, and so protect a position that it exits?"""
        return self.trails or self in (OrderType.STOP, OrderType.STOP_LIMIT)


class TimeInForce(enum.Enum):
    """Tradovate's `timeInForce`."""

    DAY = "Day"
    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"


class Status(enum.Enum):
    """Tradovate's `ordStatus`."""

    __hash__ = object.__hash__  # a member is equal to nothing but itself, and that of `enum` is written in Python

    PENDING_NEW = "PendingNew"
    PENDING_CANCEL = "PendingCancel"
    PENDING_REPLACE = "PendingReplace"
    SUSPENDED = "Suspended"  # the child of an OSO before its parent fills
    WORKING = "Working"  # also while partly filled
    FILLED = "Filled"
    COMPLETED = "Completed"
    CANCELED = "Canceled"
    REJECTED = "Rejected"
    EXPIRED = "Expired"
    UNKNOWN = "Unknown"

    @cached_property
    def finished(self) -> bool:
        return self in _FINISHED

    @cached_property
    def ended_early(self) -> bool:
        """Is it over, and was it not completed?"""
        return self in _ENDED_EARLY


_ENDED_EARLY = frozenset({Status.CANCELED, Status.REJECTED, Status.EXPIRED})
_FINISHED = frozenset({Status.FILLED, Status.COMPLETED, Status.CANCELED, Status.REJECTED, Status.EXPIRED})


@lru_cache(4096)
def root_of(symbol: Symbol) -> Root:
    """The product of a contract: MESZ6 -> MES. A name that is no contract is its own product."""
    match = _CONTRACT.match(symbol)
    return Root(match["root"] if match else symbol)


@lru_cache(4096)
def is_contract(symbol: Symbol) -> bool:
    """Is this the name of one contract, and not of a product, a spread, or of nothing that has one?"""
    return _CONTRACT.match(symbol) is not None


def with_root(symbol: Symbol, root: Root) -> Symbol:
    """The same month of another product: (ESZ6, MES) -> MESZ6."""
    match = _CONTRACT.match(symbol)
    return Symbol(root + match["month"]) if match else Symbol(root)


@attrs.frozen
class Terms:
    """What an order asks for: the content of one orderVersion. `quantity` is the order's total, in contracts."""

    quantity: int
    order_type: OrderType
    price: Decimal | None = None
    stop_price: Decimal | None = None
    peg_difference: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    expire_time: datetime | None = None


@attrs.frozen
class Fill:
    """One execution. `active` is False once the exchange has busted it; `corrected` counts what it has corrected."""

    id: FillId
    side: Side
    quantity: int
    price: Decimal
    at: datetime
    active: bool = True
    corrected: int = 0


@attrs.frozen
class Order:
    """One order of one account, as far as the broker has told: order, orderVersion, command and fills joined.

    `unsupported` names an order type that copierd does not know; such an order is recorded and never copied.
    """

    id: OrderId
    symbol: Symbol
    side: Side
    status: Status
    at: datetime
    terms: Terms | None = None
    version: VersionId | None = None
    fills: tuple[Fill, ...] = ()
    client_ids: frozenset[str] = frozenset()  # every clOrdId and text that names this order
    parent_id: OrderId | None = None
    oco_id: OrderId | None = None
    admin: bool = False
    unsupported: str | None = None
    reject_reason: str | None = None
    first_version: VersionId | None = None  # where it has been changed: that of its first terms

    @cached_property
    def filled(self) -> int:
        """Contracts executed and not busted."""
        return sum([fill.quantity for fill in self.fills if fill.active])

    @cached_property
    def net(self) -> int:
        """What this order has done to the position, signed."""
        return self.side.sign * self.filled

    @cached_property
    def rest(self) -> int:
        """Contracts that may still fill."""
        if self.terms is None or self.status.finished:
            return 0
        return max(0, self.terms.quantity - sum(fill.quantity for fill in self.fills))  # what is busted fills no more

    @property
    def alive(self) -> bool:
        """Does it work, or is it told to be filled and some of its fills are still to come?"""
        if self.status is Status.FILLED:
            return self.terms is not None and sum(fill.quantity for fill in self.fills) < self.terms.quantity
        return not self.status.finished

    def joined(self, before: Order) -> Order:
        """This view on top of an earlier one: no fill, no end and no newer terms are forgotten, whatever came first."""
        fills = {fill.id: fill for fill in before.fills}
        fills |= {f.id: f for f in self.fills if f.id not in fills or f.corrected >= fills[f.id].corrected}
        busted = _taken_back(self.fills, before.fills)
        older = (before.version or 0) > (self.version or 0) or self.terms is None
        ended = before.status.finished and not self.status.finished
        return evolve(
            self,
            status=before.status if ended or before.status is Status.FILLED else self.status,
            terms=before.terms if older else self.terms,
            version=before.version if older else self.version,
            first_version=self.first_version or before.first_version,
            fills=tuple(evolve(fills[one], active=one not in busted) for one in sorted(fills)),
            client_ids=self.client_ids | before.client_ids,
            parent_id=self.parent_id or before.parent_id,
            oco_id=self.oco_id or before.oco_id,
            reject_reason=self.reject_reason or before.reject_reason,
        )


def _taken_back(fills: tuple[Fill, ...], before: tuple[Fill, ...]) -> frozenset[FillId]:
    """Those of an order's fills that were taken back, as it is known now and as it was.

    Real world: the report of it names none. Of several alike one was taken for it, and it turns out to be another: that
    is one and not two.
    """
    now = [fill for fill in fills if not fill.active]
    known = [fill for fill in before if not fill.active]
    if known:
        told, counted = (Counter([(one.quantity, one.price) for one in those]) for those in (now, known))
        now += [one for one in known if told[one.quantity, one.price] < counted[one.quantity, one.price]]
    return frozenset([fill.id for fill in now])
