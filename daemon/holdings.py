"""What the accounts hold, in words: for the operator who has just lost sight of one of them.

Rule 1: these are facts of the books, as of the last thing that the broker said; a sentence here decides nothing.
Rule 2: of a follower it is our own position that counts; what somebody else holds there is not ours to close.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import attrs

from daemon.config import Config
from statecharts import exposure, sizing
from statecharts import states as s
from statecharts.account import Account
from statecharts.book import Book
from statecharts.rules import CopyRules
from statecharts.values import Status, Symbol

_STOPS = ("Stop", "StopLimit", "TrailingStop", "TrailingStopLimit")
NAMED = 3  # accounts that a sentence names, before it counts the others


@attrs.frozen
class Held:
    """A position that is ours. `stop`: is all of it behind a stop that works at the broker?"""

    account: str
    symbol: Symbol
    net: int
    stop: bool


def at_stake(account: Account) -> bool:
    """Is there a position, or an order without an answer, which may have become one?"""
    book = account.book
    return bool(book.positions) or any(copy.trades and copy.stage.in_doubt for copy in book.all_open())


def names(accounts: Collection[str]) -> str:
    """lead, f1, f2 and 17 more"""
    listed = list(accounts)
    more = len(listed) - NAMED
    if more > 1:
        return f"{', '.join(listed[:NAMED])} and {more} more"
    return ", ".join(listed)


def own(account: Account) -> dict[str, int]:
    """Contracts, flat ones left out."""
    if account.rules.copy is None:
        return {symbol: net for symbol, net in account.book.positions.items() if net}
    return {symbol: contract.own for symbol, contract in account.book.contracts.items() if contract.own}


def held(accounts: Iterable[Account]) -> list[Held]:
    return [
        Held(account.name, Symbol(symbol), net, _has_stop(account, Symbol(symbol), net))
        for account in accounts
        for symbol, net in own(account).items()
    ]


def sentence(accounts: Iterable[Account], noun: str = "account") -> str:
    """10 followers hold 20 MESZ6 long; 10 of 10 have a stop at the broker"""
    positions = held(accounts)
    if not positions:
        return f"No {noun} holds a position"
    parts = []
    for symbol, long in sorted({(one.symbol, one.net > 0) for one in positions}):
        these = [one.net for one in positions if one.symbol == symbol and (one.net > 0) == long]
        who = f"1 {noun} holds" if len(these) == 1 else f"{len(these)} {noun}s hold"
        parts.append(f"{who} {abs(sum(these))} {symbol} {'long' if long else 'short'}")
    stops = sum(one.stop for one in positions)
    verb = "has" if len(positions) == 1 else "have"
    return "; ".join([*parts, f"{stops} of {len(positions)} {verb} a stop at the broker"])


def circumstances(event: str, name: str, config: Config, accounts: Iterable[Account]) -> tuple[str, str | None]:
    """What belongs beside an event of this account: a sentence more, and how to get out (None: the event's own)."""
    known: dict[str, Account] = {account.name: account for account in accounts}
    if event == "leader.lost":
        copies = config.leads(name)
        followers = [known[f.account] for copy in copies for f in copy.followers if f.account in known]
        out = "; ".join(f"copierctl flatten --copy {copy.name}" for copy in copies)
        return sentence(followers, "follower"), f"to get out: {out}" if held(followers) else None
    if event in ("connection.broken", "token.refused"):
        mine = [account for account in known.values() if account.name == name and own(account)]
        return sentence(mine) if mine else "", None
    return "", None


def uncompared(account: Account) -> bool:
    """Is this a follower that has yet to be compared with its leader?"""
    following = account.rules.copy is not None
    return following and (not isinstance(account.connection, s.Copying) or account.book.held_back())


def mismatches(accounts: Iterable[Account]) -> Iterator[str]:
    """The followers that are not like their leaders, one phrase for each."""
    for account in accounts:
        rules = account.in_force.copy
        if rules is None:
            continue
        if not isinstance(account.connection, s.Connected):
            yield f"{account.name} is {account.connection.shown}"
        elif account.book.held_back():
            yield f"{account.name} waits for its leader {rules.leader}"
        else:
            odd = list(_differences(account.book, rules))
            if odd:
                yield f"{account.name} {', '.join(odd)}"


def _differences(book: Book, rules: CopyRules) -> Iterator[str]:
    theirs = book.theirs.net if book.theirs is not None else {}
    copied = {sizing.follower_symbol(symbol, rules) for symbol in theirs}
    for symbol in sorted(copied | set(book.contracts)):
        ours, target = book.contract(symbol).own, exposure.total_target(book, symbol, rules)
        if exposure.goal(ours, target) != ours:
            yield f"holds {ours:+d} {symbol} where {target:+d} would be the leader's"
        elif ours != target:
            yield f"short by {abs(target - ours)} of {abs(target)} {symbol}"


def _has_stop(account: Account, symbol: Symbol, net: int) -> bool:
    orders = account.book.mine.orders.values() if account.book.mine is not None else ()
    behind = sum(
        order.rest
        for order in orders
        if order.symbol == symbol
        and order.side.sign * net < 0
        and order.status is not Status.SUSPENDED  # asleep: it would stop nothing
        and order.terms is not None
        and order.terms.order_type.value in _STOPS
    )
    return behind >= abs(net)
