"""What happens to an account. Every event says when (`at`, aware UTC): the core has no clock of its own."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import attrs

from statecharts.contracts import ContractFacts
from statecharts.rules import Rules
from statecharts.states import Cause
from statecharts.values import AccountName, Balance, CopyId, Order, OrderId, RiskStatus, Snapshot, Symbol, View


@attrs.frozen(kw_only=True)
class Event:
    at: datetime


# The connection


@attrs.frozen(kw_only=True)
class Started(Event):
    """The daemon has started this account."""


@attrs.frozen(kw_only=True)
class TimerFired(Event):
    """The wait of the present state is over."""


@attrs.frozen(kw_only=True)
class SessionFound(Event):
    """A session of the same login is up, or a slow probe reached the broker: no need to wait any longer."""


@attrs.frozen(kw_only=True)
class Authorized(Event):
    """The login's socket is authorized."""


@attrs.frozen(kw_only=True)
class SessionLost(Event):
    """The session ended, or could not be made. `advice`: what a human can do, where it is more than to wait."""

    reason: str
    cause: Cause = Cause.NETWORK
    advice: str | None = None


@attrs.frozen(kw_only=True)
class TokenRefused(Event):
    """The broker refused the credential or the token for good."""

    reason: str


@attrs.frozen(kw_only=True)
class AccountMissing(Event):
    """The login does not see an account of the configured name."""

    reason: str


@attrs.frozen(kw_only=True)
class SnapshotTaken(Event):
    """The account has been read anew."""

    snapshot: Snapshot


# The operator


@attrs.frozen(kw_only=True)
class DisconnectAsked(Event):
    pass


@attrs.frozen(kw_only=True)
class ReconnectAsked(Event):
    """Dial again, or read again where the session is alive."""


@attrs.frozen(kw_only=True)
class Reauthorized(Event):
    """A new credential is there: authorize, or a changed secret."""


@attrs.frozen(kw_only=True)
class PauseAsked(Event):
    pass


@attrs.frozen(kw_only=True)
class ResumeAsked(Event):
    pass


@attrs.frozen(kw_only=True)
class FlattenAsked(Event):
    """Get out of this contract, or of all of them (None), and stay out until resumed."""

    symbol: Symbol | None = None


@attrs.frozen(kw_only=True)
class ReleaseAsked(Event):
    """What is not ours in this contract is accepted as not ours: trade beside it."""

    symbol: Symbol


@attrs.frozen(kw_only=True)
class AdoptAsked(Event):
    """The whole position in this contract counts as ours."""

    symbol: Symbol


@attrs.frozen(kw_only=True)
class UnlockAsked(Event):
    """End the lock that a limit has set, before its session is over."""


@attrs.frozen(kw_only=True)
class RulesChanged(Event):
    """The configuration was read again."""

    rules: Rules


@attrs.frozen(kw_only=True)
class FollowsAnew(Event):
    """From now on it follows another leader, or nobody, or in another way; `elsewhere`: as another broker account."""

    elsewhere: bool = False


# What the broker tells of this account: facts


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


# What the broker tells of the contracts that this account trades


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


# What came of an errand


@attrs.frozen(kw_only=True)
class ErrandEvent(Event):
    copy: CopyId
    client_id: str  # the attempt that was sent


@attrs.frozen(kw_only=True)
class RequestSent(ErrandEvent):
    """The last byte of the request has been handed to the connection."""


@attrs.frozen(kw_only=True)
class RequestAccepted(ErrandEvent):
    """Accepted for processing, which is not yet accepted by risk or by the exchange.

    `legs` are the orders that went out within the same request, as far as the answer names them.
    """

    order_id: OrderId | None = None
    sent_at: datetime
    legs: tuple[tuple[CopyId, OrderId], ...] = ()


@attrs.frozen(kw_only=True)
class RequestRefused(ErrandEvent):
    """A definite no: the order was not placed, the change not made."""

    reason: str
    text: str = ""
    sent_at: datetime


@attrs.frozen(kw_only=True)
class RequestPenalised(ErrandEvent):
    """Not processed: to be sent again, with the ticket that came along, after `seconds`. With `captcha`: never."""

    seconds: int
    captcha: bool = False
    sent_at: datetime


@attrs.frozen(kw_only=True)
class AnswerLost(ErrandEvent):
    """The request may have arrived and may not: nobody knows."""

    reason: str
    sent_at: datetime


@attrs.frozen(kw_only=True)
class NeverSent(ErrandEvent):
    """Not a byte left: certain."""

    reason: str


@attrs.frozen(kw_only=True)
class LookedUp(ErrandEvent):
    """An unknown order was looked for by its own id: found, or absent (order_id None) at `asked_at`."""

    order_id: OrderId | None
    asked_at: datetime
    shown: bool = True  # False: a command of it is there, and the broker shows no order of that number


@attrs.frozen(kw_only=True)
class LookUpFailed(ErrandEvent):
    """The broker could not be asked."""

    reason: str


# What the daemon tells of its machine


@attrs.frozen(kw_only=True)
class DiskFilled(Event):
    """What is decided can hardly be written down any more."""


@attrs.frozen(kw_only=True)
class DiskWritable(Event):
    """There is room again."""


# What the accounts of one login tell each other


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


# What a leader announces to its followers


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


# Time


@attrs.frozen(kw_only=True)
class AlarmRang(Event):
    """A deadline in the book has come."""
