"""Whose is it: what the operator says of a position that is not ours, or that waits.

Rule 1: `release` ends a quarantine. What is not ours now, orders too, stays untouched, and the contract is copied
        again beside it, sized by ours alone; what was missed meanwhile is not chased.
Rule 2: `adopt` says that the whole position is ours from now on. Then the catch-up table decides: as much as the
        leader's ends the wait, more is trimmed, less goes on waiting until the leader is flat.
Rule 3: in mode "orders" the leader's exits that rest are copied for what was adopted; they protect it.
Rule 4: neither is guessed at: where it makes no sense it is refused with the reason, and nothing is changed.
"""

from __future__ import annotations

from statecharts import attempts, counterpart, exposure, flattening, shares, sizing, strangers
from statecharts.book import LEADERS_OWN, Book
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Order, Symbol


def no_release(book: Book, symbol: Symbol) -> str | None:
    """Why there is nothing to release; None when there is."""
    if not strangers.quarantined(book.contract(symbol)):
        return f"nothing in {symbol} is quarantined"
    return None


def release(draft: Draft, symbol: Symbol) -> None:
    if no_release(draft.book, symbol) is not None:
        return
    contract = draft.contract(symbol)
    draft.note(symbol, accepted=contract.foreign, beside=frozenset(), tolerated=contract.tolerated | contract.beside)
    waits = f"; {contract.no_entry}" if contract.no_entry else ""
    orders = f" and {len(contract.beside)} orders" if contract.beside else ""
    draft.tell(
        "account.released",
        f"{symbol} is copied again beside {contract.foreign:+d}{orders} that are not ours and are not touched. "
        f"Ours are {contract.own}{waits}",
    )


def no_adoption(book: Book, symbol: Symbol, acting: bool, rules: CopyRules) -> str | None:
    """Why a position cannot be adopted now; None when it can."""
    if not acting or book.mine is None:
        return "the account is not connected: what it holds now is not known"
    if rules.shadow:
        return "the account only shadows: nothing on it is ours"
    if book.held_back():
        return "the leader's position is not known now"
    latch = flattening.latched(book, symbol)
    if latch is not None:
        return f"{symbol} is flattened ({latch.why}): what were ours would be closed at once"
    if any(copy.stage.in_doubt for copy in book.in_progress(symbol)):
        return f"an order of ours in {symbol} is not answered yet: whose the position is, is not known before"
    contract = book.contract(symbol)
    there = book.mine.position(symbol)
    if there == contract.own and not (contract.no_entry and there == exposure.total_target(book, symbol, rules)):
        return f"all that the account holds in {symbol} ({there}) is ours already"
    return None


def adopt(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    mine = draft.book.mine
    if mine is None or no_adoption(draft.book, symbol, draft.acting, rules) is not None:
        return
    own = mine.position(symbol)
    draft.note(symbol, own=own, close_to=None, close_why=None, left=False, no_entry=None, due=True)
    strangers.note(draft, symbol, own, 0)
    target = exposure.total_target(draft.book, symbol, rules)
    keep = exposure.goal(own, target)
    then = "as much as the leader's: it is copied again" if own == target else f"the leader's stands for {target}"
    if own != keep:
        then += f", so {abs(own - keep)} of it are closed"
    elif own != target:
        then += "; what is missing is not chased"
    draft.tell("account.adopted", f"{symbol}: all {own:+d} count as ours now, {then}")
    if rules.mode == "orders":
        _exits(draft, symbol, rules)


def _exits(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    """Those of the leader's orders that had come to nothing here, and that have something to exit now."""
    theirs = draft.book.theirs
    assert theirs is not None, "adopted is what is compared with the leader"
    for order in theirs.alive:
        works = order.rest and not theirs.asleep(order) and counterpart.refusal(order, rules) is None
        if works and sizing.follower_symbol(order.symbol, rules) == symbol:
            _exit(draft, order, rules)


def _exit(draft: Draft, order: Order, rules: CopyRules) -> None:
    copy = draft.book.copies.get(draft.book.placed.get(order.id, LEADERS_OWN))
    if copy is None or not attempts.may_come_back(copy):
        return
    found = shares.size_of(draft, copy, order, rules)
    if found.kind is not Kind.EXIT or not found.quantity:
        return
    meant = max(found.meant, found.quantity)
    version = order.version or copy.wanted_version
    copy = draft.keep(evolve(copy, kind=Kind.EXIT, meant=meant, opens=0, wanted_version=version))
    attempts.put_back(draft, copy, "its position was adopted")
