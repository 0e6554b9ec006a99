"""A contract's last two sessions before it expires: nothing opens in it any more.

Rule 1: entries that rest in it are taken back when these sessions begin; exits go as always.
Rule 2: a contract whose end the broker has not told is not kept from being traded.
"""

from __future__ import annotations

from datetime import datetime

from statecharts.draft import Draft
from statecharts.trading_day import last_sessions
from statecharts.values import Symbol


def bar(draft: Draft, symbol: Symbol) -> str | None:
    """Why nothing opens in this contract any more; None when it may."""
    last = _last(draft, symbol)
    if last is None or draft.at < last:
        return None
    expires = draft.book.facts[symbol].expires
    return f"{symbol} is in its last two sessions (it expires {expires:%Y-%m-%d %H:%M} UTC)"


def edges(draft: Draft) -> list[datetime]:
    """When the last sessions begin of contracts in which orders of ours are at work."""
    begin = [_last(draft, symbol) for symbol, copies in draft.book.open.items() if copies]
    return [last for last in begin if last is not None and last > draft.at]


def _last(draft: Draft, symbol: Symbol) -> datetime | None:
    known = draft.book.facts.get(symbol)
    return None if known is None or known.expires is None else last_sessions(known.expires)
