"""What an account wants done. An effect is an imperative; the daemon carries it out and decides nothing."""

from __future__ import annotations

import enum
from datetime import datetime

import attrs

from statecharts.events import LeaderEvent, LoginEvent
from statecharts.values import BrokerAccountId, CopyId, OrderId, Side, Symbol, Terms


class Priority(enum.IntEnum):
    """Who goes first in the login's queue."""

    EXIT = 0
    CANCEL = 1
    MODIFY = 2
    ENTRY = 3


class Severity(enum.Enum):
    INFO = "info"
    WARNING = "warning"
    PAGE = "page"  # a position is open and unprotected, or cannot be closed


@attrs.frozen(kw_only=True)
class Effect:
    pass


@attrs.frozen(kw_only=True)
class Leg:
    """An order that goes out within the request of another. It has no size of its own: it takes the other's."""

    copy: CopyId
    client_id: str
    side: Side
    terms: Terms


@attrs.frozen(kw_only=True)
class Request(Effect):
    """Something to send on the account's session, once, under the client order id `client_id`.

    `cause`: what the leader did, by its number at the broker. Entries of one cause are sent for all followers of a
    login or for none.
    """

    copy: CopyId
    client_id: str
    account: BrokerAccountId
    priority: Priority
    cause: int | None = None

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The orders that go out within it."""
        return ()


@attrs.frozen(kw_only=True)
class PlaceOrder(Request):
    symbol: Symbol
    side: Side
    terms: Terms


@attrs.frozen(kw_only=True)
class PlaceOco(PlaceOrder):
    """Two orders in one request, of which one cancels the other."""

    other: Leg

    @property
    def legs(self) -> tuple[Leg, ...]:
        return (self.other,)


@attrs.frozen(kw_only=True)
class PlaceOso(PlaceOrder):
    """An order with the one or two that sleep until it fills, in one request; two of them are an OCO."""

    brackets: tuple[Leg, ...]

    @property
    def legs(self) -> tuple[Leg, ...]:
        return self.brackets


@attrs.frozen(kw_only=True)
class ModifyOrder(Request):
    order_id: OrderId
    terms: Terms


@attrs.frozen(kw_only=True)
class CancelOrder(Request):
    order_id: OrderId


@attrs.frozen(kw_only=True)
class LookUp(Effect):
    """Ask the broker for an order whose answer was lost, by its client order id."""

    copy: CopyId
    client_id: str
    account: BrokerAccountId
    not_before: datetime


@attrs.frozen(kw_only=True)
class ReadAnew(Effect):
    """Read the account once more, without leaving its state: it comes back as a SnapshotTaken."""

    account: BrokerAccountId


@attrs.frozen(kw_only=True)
class ReadBalance(Effect):
    """Ask the broker for the account's money, open profit included."""

    account: BrokerAccountId


@attrs.frozen(kw_only=True)
class ReadContract(Effect):
    """Ask the broker what it says of a contract, or of a product as a whole."""

    symbol: Symbol


@attrs.frozen(kw_only=True)
class Announce(Effect):
    """Tell the followers of this account."""

    event: LeaderEvent


@attrs.frozen(kw_only=True)
class TellLogin(Effect):
    """Tell the other accounts of this account's login."""

    event: LoginEvent


@attrs.frozen(kw_only=True)
class WakeAt(Effect):
    """Set the account's one alarm, or clear it."""

    at: datetime | None


@attrs.frozen(kw_only=True)
class Tell(Effect):
    """One line for the operator: journal, notifications, live views."""

    event: str  # a name of the contract, such as copy.skipped
    message: str
    severity: Severity = Severity.INFO
    reason: str | None = None
    remedy: str | None = None
    copy: CopyId | None = None


@attrs.frozen(kw_only=True)
class Unexpected(Effect):
    """An event that its state has no row for: journaled and counted, never raised, never dropped in silence."""

    state: str
    event: str
