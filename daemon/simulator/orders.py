"""What the order desk knows of an order, and who asked for it."""

from datetime import datetime
from decimal import Decimal

import attrs

from daemon.simulator.exchange import Terms
from daemon.simulator.products import Listing

FINISHED = frozenset({"Canceled", "Completed", "Expired", "Filled", "Rejected"})
ZERO = Decimal(0)


def opposite(action: str) -> str:
    """Sell for Buy, Buy for Sell."""
    return "Sell" if action == "Buy" else "Buy"


@attrs.frozen
class Marks:
    """Who sent a command and with which words of its own."""

    sender: int
    session: int | None = None
    cl_ord_id: str | None = None
    tag: str | None = None
    automated: bool = False
    admin: bool = False


@attrs.frozen
class Ticket:
    """A new order as it is asked for."""

    account_id: int
    listing: Listing
    buy: bool
    terms: Terms
    marks: Marks


@attrs.define
class Order:
    """An order as the desk knows it."""

    order_id: int
    ticket: Ticket
    terms: Terms
    created: datetime
    status: str = "PendingNew"
    filled: int = 0
    value: Decimal = ZERO
    oco_id: int | None = None
    parent_id: int | None = None
    children: list[int] = attrs.Factory(list)
    pending: bool = False  # a command is on its way
    trading: bool = False  # a fill is on its way

    @property
    def action(self) -> str:
        """Buy or Sell, as the wire says it."""
        return "Buy" if self.ticket.buy else "Sell"

    @property
    def symbol(self) -> str:
        """The contract's name."""
        return self.ticket.listing.symbol

    @property
    def left(self) -> int:
        """What has not traded yet."""
        return self.terms.qty - self.filled

    @property
    def finished(self) -> bool:
        """Nothing can happen to it any more."""
        return self.status in FINISHED


@attrs.frozen
class Reject:
    """One refusal prepared in advance: at "answer" (200 + failureReason), "risk" or "exchange"."""

    reason: str
    text: str
    stage: str
