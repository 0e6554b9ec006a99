"""By what a contract is copied at present: the configuration of the day on which copying went into it.

Rule 1: ratio, min_one, caps and map are agreed for a contract of the leader when copying goes into it, and kept until
        he is flat and nothing of ours is left there or on its way. Until then a changed configuration is pending.
Rule 2: an agreement is a value in the book, so it holds through a reload and through a restart with an edited file:
        nothing is traded because a file was edited.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from statecharts import sizing
from statecharts.book import Book
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.rules import Agreement, CopyRules, Rules
from statecharts.values import Symbol
from statecharts.view import View


def in_force(rules: Rules, book: Book) -> Rules:
    """The rules as they hold now: what has been agreed wins over what the file says today."""
    if rules.copy is None or rules.copy.agreed == book.agreed:
        return rules
    for agreed, known in rules.latest:
        if agreed is book.agreed:
            return known
    found = evolve(rules, copy=evolve(rules.copy, agreed=book.agreed))
    rules.latest[:] = [(book.agreed, found)]
    return found


def keep(draft: Draft, rules: CopyRules) -> None:
    """Agrees on the contracts that copying has gone into, and ends the agreements on those that it has left."""
    book = draft.book
    entered = {copy.leader_symbol for copy in book.all_open() if copy.leader_symbol is not None}
    if book.theirs is not None:
        for symbol, n in book.theirs.net.items():
            if n:
                entered.add(symbol)
        waiting = [symbol for symbol, contract in book.contracts.items() if contract.no_entry]
        entered |= _awaited(book.theirs, waiting, rules) if waiting else set()
    if entered == book.agreed.keys():
        return
    agreed = {symbol: kept for symbol, kept in book.agreed.items() if symbol in entered or _ours(book, kept)}
    agreed |= {symbol: sizing.configured(symbol, rules) for symbol in entered - agreed.keys()}
    if agreed != book.agreed:
        draft.book = evolve(book, agreed=agreed)


def _awaited(theirs: View, waiting: Collection[Symbol], rules: CopyRules) -> set[Symbol]:
    """Where our contract waits until the leader is flat, and an order of his may yet take him into a position."""
    copied = {order.symbol for order in theirs.alive if order.rest}
    return {symbol for symbol in copied if sizing.follower_symbol(symbol, rules) in waiting}


def _ours(book: Book, agreement: Agreement) -> bool:
    """Is there still something of ours in the contract that is traded by this agreement, or does it wait for him?"""
    contract = book.contract(agreement.to)
    return bool(contract.own or contract.no_entry or book.open.get(agreement.to))


def pending(book: Book, rules: CopyRules) -> Iterator[Symbol]:
    """The leader's contracts in which the configuration has changed, and does not hold yet."""
    return (symbol for symbol, kept in book.agreed.items() if kept != sizing.configured(symbol, rules))
