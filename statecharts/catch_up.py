"""The catch-up table: after a reconnect, before copying resumes, the leader's view against ours.

Rule 1: it runs when the later of the two views is in, and what it cannot look at yet (an order of ours is in doubt) it
        looks at when the doubt is gone.
Rule 2: it reduces always, increases only when certain, and never buys a missed entry at any price.
Rule 3: what the leader has when copying begins is its own affair, until it is flat.
"""

from __future__ import annotations

import attrs

from statecharts import executions, exposure, flattening, resync, sizing
from statecharts.book import LEADERS_OWN, Copy
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.follower import consider, copied_or_not, new_copy
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Order, Symbol, View


def run(draft: Draft, rules: CopyRules) -> None:
    """Runs when the later of the two views is in: the account's own, and its leader's current one."""
    book = draft.book
    assert book.mine is not None, "copying begins with both views"
    assert book.theirs is not None, "copying begins with both views"
    first = book.caught_up is None
    draft.book = attrs.evolve(book, caught_up=(book.mine.generation, book.theirs.generation))
    if first:
        _baseline(draft, rules)
    elif rules.mode == "fills":
        executions.interrupted(draft, rules)
    else:
        _orders(draft, rules)
    for symbol in sorted(_symbols(draft, rules)):
        _position(draft, symbol, rules)


def go_on(draft: Draft, rules: CopyRules) -> None:
    """The contracts that the table could not look at, because an order of ours was in doubt."""
    for symbol in sorted(symbol for symbol, contract in draft.book.contracts.items() if contract.due):
        resync.compare_position(draft, symbol)  # what is no more in doubt explains nothing any more
        _position(draft, symbol, rules)


def _baseline(draft: Draft, rules: CopyRules) -> None:
    """What the leader has when copying begins is its own affair, until it is flat."""
    theirs = draft.book.theirs
    assert theirs is not None
    if rules.mode == "fills":
        executions.baseline(draft)
    else:
        _orders_before(draft, theirs, rules)
    for symbol, n in theirs.net.items():
        if n:
            why = "the leader's position was there before copying began; waits until it is flat"
            draft.note(sizing.follower_symbol(symbol, rules), no_entry=why)


def _orders_before(draft: Draft, theirs: View, rules: CopyRules) -> None:
    for order in _by_age(theirs):
        if order.status.finished:
            draft.book = attrs.evolve(draft.book, placed={**draft.book.placed, order.id: LEADERS_OWN})
        else:
            _skipped(draft, order, rules, "the leader had this order before copying began")


def _orders(draft: Draft, rules: CopyRules) -> None:
    theirs = draft.book.theirs
    assert theirs is not None
    for order in _by_age(theirs):
        if order.id in draft.book.placed:
            copied_or_not(draft, order, rules)
        elif order.status.finished:
            _skipped(draft, order, rules, "it came and went while copying was interrupted")
        elif rules.catch_up == "none":
            _skipped(draft, order, rules, "it was placed while copying was interrupted (catch_up = none)")
        else:
            consider(draft, order, rules, "it was placed while copying was interrupted, and it would open")
    for copy in tuple(draft.book.all_open()):
        gone = copy.leader_order_id is not None and copy.leader_order_id not in theirs.orders
        if gone and copy.trades and not _protects(draft, copy) and copy.cancel_wanted is None:
            why = "the leader's order is no longer there"
            if rules.catch_up == "none":
                draft.tell(
                    "position.drifted", f"{copy.symbol}: {why}; ours is left (catch_up = none)", Severity.WARNING
                )
            else:
                draft.keep(attrs.evolve(copy, cancel_wanted=why))


def _protects(draft: Draft, copy: Copy) -> bool:
    """The stop of an open position is never an order without a leader order."""
    stops = copy.terms is not None and copy.terms.order_type.stops
    return stops and exposure.reduces(copy, draft.contract(copy.symbol).own)


def _position(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    own = draft.contract(symbol).own
    target = exposure.total_target(draft.book, symbol, rules)
    working = [copy for copy in draft.book.in_progress(symbol) if copy.trades]
    in_doubt = any(copy.stage.in_doubt for copy in working)
    draft.note(symbol, due=in_doubt)
    if in_doubt or flattening.latched(draft.book, symbol) is not None:
        return
    keep = exposure.goal(own, target)
    if own != keep:
        what = "the leader is flat" if target == 0 else f"the leader's position stands for {target}"
        why = f"after a reconnect: we own {own}, {what}"
        if rules.catch_up == "none":
            draft.tell("position.drifted", f"{symbol}: {why}. Left as it is (catch_up = none)", Severity.WARNING)
            draft.note(symbol, left=True)
        else:
            exposure.want_closed(draft, symbol, keep, why)
    waits = draft.contract(symbol).no_entry is not None  # told already, with the reason of its own
    if abs(target) > abs(keep) and not waits and not any(copy.kind is not Kind.EXIT for copy in working):
        missing = abs(target - keep)
        draft.note(symbol, no_entry="short of the leader: a missed entry is not chased; waits until the leader is flat")
        draft.tell(
            "position.drifted",
            f"{symbol}: short by {missing} of {abs(target)} (entry missed, not chased)",
            Severity.WARNING,
            remedy="nothing to do: this contract is copied again when the leader is flat in it",
        )


def _symbols(draft: Draft, rules: CopyRules) -> set[Symbol]:
    theirs = draft.book.theirs
    assert theirs is not None
    owned = {symbol for symbol, contract in draft.book.contracts.items() if contract.own}
    return owned | {sizing.follower_symbol(symbol, rules) for symbol, n in theirs.net.items() if n}


def _skipped(draft: Draft, order: Order, rules: CopyRules, why: str) -> None:
    draft.skip(attrs.evolve(new_copy(draft, order, rules), stage=Stage.SKIPPED, reason=why), why)


def _by_age(view: View) -> list[Order]:
    return [order for _, order in sorted(view.orders.items())]
