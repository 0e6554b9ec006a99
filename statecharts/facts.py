"""Which contracts a follower must know, how it comes to know them, and which of them do not exist on its side.

Rule 1: a contract is asked for as soon as it turns up: at the leader, or among our own; so are the products of the map,
        before anything of them is traded. No copy ever waits for it.
Rule 2: what is known is kept through restarts. An answer that does not come is asked for again.
Rule 3: a contract that does not exist on the follower's side is skipped, with that reason. What we own there after all
        is exited like anything else: then the broker is wrong about the contract, or was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import TypeVar

from statecharts import events as e
from statecharts import sizing
from statecharts.book import Book
from statecharts.draft import Draft
from statecharts.effects import ReadContract, Severity
from statecharts.evolution import evolve
from statecharts.rules import CopyRules
from statecharts.values import Symbol, is_contract

ASK_AGAIN = timedelta(minutes=1)  # when no answer has come, or none that could be read
LOOK_AGAIN = timedelta(minutes=5)  # for a contract that did not exist: a 404 may be a slip, and contracts are listed
STALE = timedelta(days=1)  # after its end a name may mean the contract of ten years later
_Value = TypeVar("_Value")
_NO_CONTRACT = "InvalidContract"  # the broker's word for it when an order is refused (Tradovate OpenAPI)


def learn(draft: Draft, event: e.Event) -> None:
    """Keeps what the broker has said of a contract."""
    book = draft.book
    match event:
        case e.ContractRead(facts=facts):
            draft.book = evolve(
                book,
                facts={**book.facts, facts.symbol: facts},
                absent=_without(book.absent, [facts.symbol]),
                asked=_without(book.asked, [facts.symbol]),
            )
        case e.ContractAbsent(symbol=symbol, reason=reason):
            _does_not_exist(draft, symbol, reason)
        case e.SnapshotTaken():
            over = [
                symbol for symbol, facts in book.facts.items() if facts.expires and facts.expires + STALE < draft.at
            ]
            draft.book = evolve(book, facts=_without(book.facts, over), asked={})


def ask(draft: Draft, event: e.Event, rules: CopyRules) -> None:
    """Asks for what is wanted and not known."""
    match event:
        case e.LeaderOrderSeen(orders=orders):
            wanted = {s for order in orders if is_contract(s := sizing.agreement(order.symbol, rules).to)}
        case e.LeaderViewTaken() | e.SnapshotTaken() | e.RulesChanged() | e.AlarmRang():
            # What did not exist is looked for again, also while nobody trades it: the next order would come too early.
            wanted = _wanted(draft.book, rules) | draft.book.absent.keys()
            draft.book = evolve(draft.book, asked=_without(draft.book.asked, draft.book.asked.keys() - wanted))
        case _:
            return
    for symbol in sorted(wanted):
        if symbol in draft.book.facts and symbol not in draft.book.absent:
            continue
        again = draft.book.asked.get(symbol)
        if again is not None and again > draft.at:
            continue
        draft.book = evolve(draft.book, asked={**draft.book.asked, symbol: draft.at + ASK_AGAIN})
        draft.do(ReadContract(symbol=symbol))


def nowhere(book: Book, symbol: Symbol) -> str | None:
    """Why nothing of this contract can be copied: it does not exist, and we own nothing that would prove otherwise."""
    why = book.absent.get(symbol)
    return None if why is None or book.contract(symbol).own else why


def refused(draft: Draft, symbol: Symbol, why: str) -> None:
    """The broker has refused an order of ours. That there is no such contract says more than that."""
    if why.startswith(_NO_CONTRACT):
        _does_not_exist(draft, symbol, f"the broker refused it ({why})")


def _does_not_exist(draft: Draft, symbol: Symbol, reason: str) -> None:
    why = f"{symbol} does not exist on this account's side: {reason}"
    if symbol not in draft.book.absent:
        draft.tell("copy.skipped", f"nothing is copied into {symbol}: {reason}", Severity.WARNING, reason=why)
    draft.book = evolve(
        draft.book,
        absent={**draft.book.absent, symbol: why},
        asked={**draft.book.asked, symbol: draft.at + LOOK_AGAIN},
    )


def _wanted(book: Book, rules: CopyRules) -> set[Symbol]:
    """The products of the map, and the contracts that are ours or the leader's; a spread has no facts of its own."""
    wanted = {symbol for symbol, contract in book.contracts.items() if contract.own or contract.no_entry}
    wanted.update(symbol for symbol, copies in book.open.items() if copies)
    if book.theirs is not None:
        theirs = {symbol for symbol, net in book.theirs.net.items() if net}
        theirs |= {order.symbol for order in book.theirs.alive if order.rest}
        wanted |= {sizing.follower_symbol(symbol, rules) for symbol in theirs}
    return {Symbol(mapped.to) for mapped in rules.map.values()} | {one for one in wanted if is_contract(one)}


def _without(known: Mapping[Symbol, _Value], gone: Collection[Symbol]) -> Mapping[Symbol, _Value]:
    return {symbol: value for symbol, value in known.items() if symbol not in gone} if gone else known
