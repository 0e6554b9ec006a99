"""What an account has in each contract, whose it is, and what is left of a flatten: in the shapes of the contract.

Rule 1: a view reads and changes nothing.
"""

from __future__ import annotations

from datetime import datetime

from daemon.bulletins import instant
from statecharts import exposure, firm, flattening, sizing, strangers
from statecharts import states as s
from statecharts.account import Account
from statecharts.book import Copy, Latch, Verb
from statecharts.order import Stage
from statecharts.values import Symbol

Json = dict[str, object]


def quarantined(account: Account) -> list[Json]:
    return [
        {
            "symbol": symbol,
            "ours": contract.own,
            "theirs": contract.foreign,
            "since": _instant(contract.foreign_at),
            "order_id": contract.foreign_order,
            "remedy": f"copierctl release {account.name} {symbol}",
        }
        for symbol, contract in sorted(account.book.contracts.items())
        if strangers.quarantined(contract)
    ]


def waiting(account: Account) -> dict[str, str]:
    """The contracts in which nothing opens for a while, and why; the others are copied."""
    found = sorted(account.book.contracts.items())
    return {symbol: contract.no_entry for symbol, contract in found if contract.no_entry is not None}


def in_hand(account: Account) -> list[Json]:
    """One element for each contract in which we, somebody else or the leader have something, or that waits."""
    book, rules = account.book, account.in_force.copy
    symbols = {symbol for symbol, one in book.contracts.items() if one.own or one.foreign or one.beside or one.no_entry}
    symbols |= {symbol for symbol, copies in book.open.items() if copies} | set(book.positions)
    current = rules is not None and not book.held_back()
    if rules is not None and book.theirs is not None:
        symbols |= {sizing.follower_symbol(symbol, rules) for symbol, net in book.theirs.net.items() if net}
    return [
        {
            "symbol": symbol,
            "position": book.positions.get(symbol, 0),
            "ours": book.contract(symbol).own,
            "theirs": book.contract(symbol).foreign,
            "target": exposure.total_target(book, symbol, rules) if rules is not None and current else None,
            "orders": sum(1 for _ in _orders(account, symbol)),
            "waits": book.contract(symbol).no_entry,
            "closing": book.contract(symbol).close_why,
        }
        for symbol in sorted(symbols)
    ]


def known(account: Account) -> set[Symbol]:
    """Those that it, or its leader, has ever had in hand: which flatten, release and adopt may be asked for."""
    book, rules = account.book, account.in_force.copy
    symbols = {*book.contracts, *book.positions, *(copy.symbol for copy in book.copies.values())}
    if book.mine is not None:
        symbols |= {order.symbol for order in book.mine.orders.values()}
    if book.theirs is not None and rules is not None:
        theirs = {*book.theirs.net, *(order.symbol for order in book.theirs.orders.values())}
        symbols |= {sizing.follower_symbol(one, rules) for one in theirs}
    return symbols


def _orders(account: Account, symbol: Symbol) -> list[Copy]:
    """Orders of ours that may still fill."""
    return [copy for copy in account.book.in_progress(symbol) if copy.trades]


def words(account: Account) -> list[str]:
    """For `blocked_by`: is something on its way out, or is it out?"""
    latches = account.book.latches
    if not latches:
        return []
    return ["flattened" if all(latch.verified_at is not None for latch in latches) else "flattening"]


def flatten(account: Account) -> Json | None:
    """How far the way out is; None when nothing is flattened."""
    latches = account.book.latches
    if not latches:
        return None
    # What is not out yet comes first; it is what somebody waits for.
    latch = min(latches, key=lambda one: one.verified_at is not None)
    return {
        "by": latch.by.value,
        "why": latch.why,
        "symbols": None if latch.symbols is None else sorted(latch.symbols),
        "asked_at": instant(latch.since),
        "verified_at": _instant(latch.verified_at),
        "left": [_left(account, symbol) for symbol in flattening.left(account.book, latch)],
        "not_ours": _not_ours(account, latch),
    }


def _not_ours(account: Account, latch: Latch) -> dict[str, int]:
    contracts = account.book.contracts
    return {symbol: one.foreign for symbol, one in sorted(contracts.items()) if one.foreign and latch.holds(symbol)}


def _left(account: Account, symbol: Symbol) -> Json:
    contract = account.book.contract(symbol)
    return {
        "symbol": symbol,
        "ours": contract.own,
        "orders": len(_orders(account, symbol)),
        "why": _why(account, symbol),
        "retry_at": _instant(account.book.silent_until or contract.opens_at or contract.retry_at),
    }


def _why(account: Account, symbol: Symbol) -> str:
    """Why it is not out yet."""
    state = account.connection
    if not isinstance(state, s.Copying):
        return state.shown + (f": {state.reason}" if state.reason else "")
    if account.book.silent_until is not None:
        return "the broker asks for a human to solve its captcha: nothing is sent meanwhile"
    if firm.frozen(account.book, symbol):
        return "the firm or the broker has acted there: it is read again first"
    if any(copy.stage is Stage.UNKNOWN for copy in account.book.in_progress(symbol)):
        return "the answer to an order was lost, and it is looked up"
    if account.book.contract(symbol).opens_at is not None:
        return "its market is closed"
    asked = [copy for copy in account.book.copies.values() if copy.symbol == symbol]
    last = next((copy for copy in reversed(asked) if copy.verb in (Verb.CLOSE, Verb.CANCEL)), None)
    if last is not None and last.stage is Stage.REJECTED and last.reason:
        return last.reason
    return "on its way"


def _instant(at: datetime | None) -> str | None:
    return None if at is None else instant(at)
