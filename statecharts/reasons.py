"""Why the broker refuses, in the groups that a copier acts upon.

Rule 1: the code decides (Tradovate has one enum for failureReason and rejectReason); the text, where the code says
        nothing.
Rule 2: what nobody knows is OTHER, which is treated like a moment's trouble and told in the broker's own words.
"""

from __future__ import annotations

import enum

NO_PERMISSION = "access is denied"  # captured as HTTP 401, and as UnknownReason with this text


class Refusal(enum.Enum):
    DENIED = "denied"  # this login may not place orders
    LOCKED = "locked"  # the firm or the broker has locked the account, or lets it only liquidate
    CLOSED = "closed"  # the session is closed
    CONFLICT = "conflict"  # with other orders of ours
    MARGIN = "margin"  # the account cannot carry it
    SIZE = "size"  # more contracts than one order may have
    LIMITED = "limited"  # too many requests
    PRICE = "price"
    TRANSIENT = "transient"  # a moment's trouble
    OTHER = "other"

    @property
    def passes(self) -> bool:
        """Will it pass by itself, so that the same order is worth asking for again, however often?"""
        return self not in (Refusal.PRICE, Refusal.SIZE, Refusal.MARGIN, Refusal.OTHER)


_CODES = {
    "AccessDenied": Refusal.DENIED,
    "Unauthorized": Refusal.DENIED,
    "AccountClosed": Refusal.LOCKED,
    "LiquidationOnly": Refusal.LOCKED,
    "TradingLocked": Refusal.LOCKED,
    "SessionClosed": Refusal.CLOSED,
    "MaxPosLimitReached": Refusal.MARGIN,
    "MaxTotalPosLimitReached": Refusal.MARGIN,
    "MaxOrderQtyLimitReached": Refusal.SIZE,
    "423": Refusal.LIMITED,
    "429": Refusal.LIMITED,
    "InvalidPrice": Refusal.PRICE,
    "AnotherCommandPending": Refusal.TRANSIENT,
    "ExecutionProviderUnavailable": Refusal.TRANSIENT,
    "NoQuote": Refusal.TRANSIENT,
    "Penalty": Refusal.TRANSIENT,
    "NotEnoughLiquidity": Refusal.TRANSIENT,  # of the market's, not of the account's: margin has words of its own
    "RiskCheckTimeout": Refusal.TRANSIENT,
}
_TEXTS = (
    (NO_PERMISSION, Refusal.DENIED),
    ("margin", Refusal.MARGIN),
    ("buying power", Refusal.MARGIN),
    ("insufficient", Refusal.MARGIN),
    ("self-match", Refusal.CONFLICT),
    ("self match", Refusal.CONFLICT),
    ("self trade", Refusal.CONFLICT),
    ("self-trade", Refusal.CONFLICT),
    ("wash", Refusal.CONFLICT),
    ("opposite", Refusal.CONFLICT),
    ("existing order", Refusal.CONFLICT),
)


def refusal(why: str) -> Refusal:
    """The group of a reason as the book keeps it: the broker's code, or the code, a colon and its text. Total."""
    code, _, text = why.partition(":")
    known = _CODES.get(code.strip())
    if known is not None:
        return known
    words = text.lower()
    return next((group for fragment, group in _TEXTS if fragment in words), Refusal.OTHER)
