"""What the broker tells of this account, and of the contracts that it trades: facts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import attrs

from statecharts.contracts import ContractFacts
from statecharts.events.event import Event
from statecharts.values import Order, Symbol
from statecharts.view import Balance, RiskStatus


@attrs.frozen(kw_only=True)
class OrderSeen(Event):
    """The present view of one order of this account. The same view twice is no news.

    `beside` are the other orders that the same frame of the broker tells of: whether orders belong together is decided
    once for each frame.
    """

    order: Order
    beside: tuple[Order, ...] = ()

    @property
    def orders(self) -> tuple[Order, ...]:
        return (self.order, *self.beside)


@attrs.frozen(kw_only=True)
class ReplaySeen(Event):
    """The broker tells of what is older than the snapshot: the past once more."""


@attrs.frozen(kw_only=True)
class PositionSeen(Event):
    """The broker's own figure of a position: signed contracts."""

    symbol: Symbol
    net: int


@attrs.frozen(kw_only=True)
class BalanceSeen(Event):
    """The account's money has changed. Only for an account that has a limit."""

    balance: Balance


@attrs.frozen(kw_only=True)
class BalanceRead(Event):
    """The whole of the account's money, as it was asked for at `asked_at`."""

    cash: Decimal
    realized: Decimal
    open_profit: Decimal
    asked_at: datetime


@attrs.frozen(kw_only=True)
class BalanceUnread(Event):
    """The broker could not be asked, or its answer not be read."""

    reason: str


@attrs.frozen(kw_only=True)
class ContractRead(Event):
    facts: ContractFacts


@attrs.frozen(kw_only=True)
class ContractAbsent(Event):
    """The broker knows no contract of this name."""

    symbol: Symbol
    reason: str


@attrs.frozen(kw_only=True)
class ContractUnread(Event):
    """The broker could not be asked, or its answer not be read."""

    symbol: Symbol
    reason: str


@attrs.frozen(kw_only=True)
class RiskStatusSeen(Event):
    """What the firm or the broker has set this account to."""

    status: RiskStatus


@attrs.frozen(kw_only=True)
class ReadBack(Event):
    """The broker's lists were read on the live session, and show nothing that its events have not told."""
