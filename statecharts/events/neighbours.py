"""What accounts tell each other: those of one login, and a leader his followers."""

from __future__ import annotations

from datetime import datetime

import attrs

from statecharts.events.event import Event
from statecharts.states import Cause
from statecharts.values import AccountName, Order
from statecharts.view import View


@attrs.frozen(kw_only=True)
class LoginEvent(Event):
    account: AccountName  # that it comes from


@attrs.frozen(kw_only=True)
class OrdersDenied(LoginEvent):
    """The broker does not let this login place orders: an order that was sent at `sent_at` was refused so."""

    reason: str
    sent_at: datetime


@attrs.frozen(kw_only=True)
class OrdersProven(LoginEvent):
    """The broker has accepted an order of the login."""


@attrs.frozen(kw_only=True)
class OrdersResumed(LoginEvent):
    """The operator says that the login may place orders again."""


@attrs.frozen(kw_only=True)
class OrdersSilenced(LoginEvent):
    """The broker asks for a captcha: no request of the login is processed."""

    until: datetime


@attrs.frozen(kw_only=True)
class LeaderEvent(Event):
    leader: AccountName


@attrs.frozen(kw_only=True)
class LeaderOrderSeen(LeaderEvent):
    """As `OrderSeen`: `beside` came in the same frame."""

    order: Order
    generation: int
    beside: tuple[Order, ...] = ()

    @property
    def orders(self) -> tuple[Order, ...]:
        return (self.order, *self.beside)


@attrs.frozen(kw_only=True)
class LeaderViewTaken(LeaderEvent):
    """The leader has been read anew: everything that is known of it."""

    view: View


@attrs.frozen(kw_only=True)
class LeaderReplaySeen(LeaderEvent):
    """The broker tells the leader of what is older than its snapshot."""

    generation: int


@attrs.frozen(kw_only=True)
class LeaderLost(LeaderEvent):
    """The leader is not Connected, now for this cause; its followers hold."""

    reason: str
    shown: str
    cause: Cause | None = None
