"""What came of an errand."""

from __future__ import annotations

from datetime import datetime

import attrs

from statecharts.events.event import Event
from statecharts.values import CopyId, OrderId


@attrs.frozen(kw_only=True)
class ErrandEvent(Event):
    copy: CopyId
    client_id: str  # the attempt that was sent


@attrs.frozen(kw_only=True)
class RequestSent(ErrandEvent):
    """The last byte of the request has been handed to the connection, which is said when the answer is slow to come.

    `sent_at` is when; older ledgers have none.
    """

    sent_at: datetime | None = None


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
