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
    known = draft.book.facts.get(symbol)
    if known is None or known.expires is None or draft.at < last_sessions(known.expires):
        return None
    return f"{symbol} is in its last two sessions (it expires {known.expires:%Y-%m-%d %H:%M} UTC)"


def edges(draft: Draft) -> list[datetime]:
    """When the last sessions begin of contracts in which orders of ours are at work."""
    found = []
    for symbol, copies in draft.book.open.items():
        known = draft.book.facts.get(symbol) if copies else None
        if known is not None and known.expires is not None and last_sessions(known.expires) > draft.at:
            found.append(last_sessions(known.expires))
    return found
