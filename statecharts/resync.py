"""After a reconnect, before copying resumes: the snapshot against the book, then the leader's view against ours.

Rule 1: the snapshot is the truth about this account's orders; a position that we cannot explain is not ours.
Rule 2: an order whose answer was lost and that the snapshot does not show is still unknown: it is looked up.
Rule 3: the catch-up table reduces always, increases only when certain, and never buys a missed entry at any price.
"""

from __future__ import annotations

import attrs

from statecharts import exposure, own_orders, sizing, unknowns
from statecharts.book import LEADERS_OWN, Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.follower import consider, copied_or_not, new_copy
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Order, OrderType, Snapshot, Symbol, View


def start(draft: Draft) -> None:
    """A new process: whatever was on its way when the last one ended may have arrived, and its answer is lost."""
    theirs = draft.book.theirs
    if theirs is not None:  # what the last process knew of the leader is history until the leader has been read anew
        draft.book = attrs.evolve(draft.book, theirs=attrs.evolve(theirs, current=False))
    for copy in tuple(draft.book.all_open()):
        lose_answer(draft, copy, "the daemon ended before the answer came")


def lose_answer(draft: Draft, copy: Copy, why: str) -> None:
    """Nobody waits any more for the answer to this request, if there was one to come."""
    if copy.stage in (Stage.INTENDED, Stage.SENT):
        draft.news(attrs.evolve(copy, lost_at=copy.sent_at or copy.decided_at), News.ANSWER_LOST, why)


def read(draft: Draft, snapshot: Snapshot) -> None:
    """Takes the snapshot as the account's own view, under the next generation."""
    before = draft.book.mine
    generation = before.generation + 1 if before else 1
    draft.book = attrs.evolve(
        draft.book,
        mine=View.of(snapshot, generation),
        positions={symbol: n for symbol, n in snapshot.positions.items() if n},
    )


def compare(draft: Draft, before: View | None, snapshot: Snapshot, rules: CopyRules) -> None:
    """A follower's own orders and positions in the snapshot against its book, and against the view `before`."""
    for _, order in sorted(snapshot.orders.items()):
        known = before.orders.get(order.id) if before is not None else None
        own_orders.ours_seen(draft, order.joined(known) if known is not None else order, known, rules)
    for copy in tuple(draft.book.all_open()):
        if copy.trades:
            if copy.order_id is None or copy.order_id not in snapshot.orders:
                _missing(draft, copy, rules)
        elif copy.stage in (Stage.ACCEPTED, Stage.UNKNOWN):
            # The order's own view, folded in above, has settled the change if it was made.
            draft.keep(attrs.evolve(copy, lost_at=draft.at - rules.settle))
    for symbol in sorted({*draft.book.positions, *draft.book.contracts}):
        _compare_position(draft, symbol)
    _forget(draft)


def _missing(draft: Draft, copy: Copy, rules: CopyRules) -> None:
    """An order of ours that the snapshot does not show."""
    if copy.stage in (Stage.ACCEPTED, Stage.WORKING):
        lost = attrs.evolve(copy, lost_at=draft.at)
        copy = draft.news(lost, News.VANISHED, "the broker's lists no longer show it")
    if copy.stage is Stage.UNKNOWN:
        settled = (copy.lost_at or copy.decided_at) + rules.settle
        unknowns.look_up(draft, copy, max(draft.at, settled))


def _compare_position(draft: Draft, symbol: Symbol) -> None:
    if any(copy.stage.in_doubt for copy in draft.book.in_progress(symbol)):
        return  # an order in doubt may explain the difference: it is compared again when the doubt is gone
    contract = draft.contract(symbol)
    assert draft.book.mine is not None, "compared after the account has been read"
    there = draft.book.mine.position(symbol)  # the snapshot's figure and the fills since: no event has to come for it
    own = exposure.goal(contract.own, there)
    foreign = there - own
    if own != contract.own:
        draft.tell(
            "position.drifted",
            f"{symbol}: {abs(contract.own - own)} of our {abs(contract.own)} were closed by somebody else",
            Severity.WARNING,
        )
    if foreign and foreign != contract.foreign:
        draft.tell(
            "account.quarantined",
            f"{symbol}: the account holds {there}, ours are {own}. {abs(foreign)} are not touched, and nothing opens",
            Severity.WARNING,
            remedy="nothing to do: it is copied again when the other part is flat",
        )
    draft.note(symbol, own=own, foreign=foreign)


def _forget(draft: Draft) -> None:
    """Finished copies whose orders the broker's lists no longer hold: the ledger keeps them, the book need not."""
    book = draft.book
    assert book.mine is not None
    old = {
        copy.id
        for copy in book.copies.values()
        if not copy.open
        and (copy.order_id is None or copy.order_id not in book.mine.orders)
        and (book.theirs is None or copy.leader_order_id not in book.theirs.orders)
        # A closing's id is made of our newest fill: until there is a newer one, it must not be given again.
        and not (copy.verb is Verb.CLOSE and copy.cause == book.contract(copy.symbol).newest_fill)
    }
    if old:
        draft.book = attrs.evolve(
            book,
            copies={k: c for k, c in book.copies.items() if k not in old},
            names={k: c for k, c in book.names.items() if c not in old},
            placed={k: c for k, c in book.placed.items() if c not in old},
            orders={k: c for k, c in book.orders.items() if c not in old},
        )


def catch_up(draft: Draft, rules: CopyRules) -> None:
    """Runs when the later of the two views is in: the account's own, and its leader's current one."""
    book = draft.book
    assert book.mine is not None, "copying begins with both views"
    assert book.theirs is not None, "copying begins with both views"
    first = book.caught_up is None
    draft.book = attrs.evolve(book, caught_up=(book.mine.generation, book.theirs.generation))
    if first:
        _baseline(draft, rules)
    else:
        _orders(draft, rules)
    for symbol in sorted(_symbols(draft, rules)):
        _position(draft, symbol, rules)


def go_on(draft: Draft, rules: CopyRules) -> None:
    """The contracts that the table could not look at, because an order of ours was in doubt."""
    for symbol in sorted(symbol for symbol, contract in draft.book.contracts.items() if contract.due):
        _compare_position(draft, symbol)  # what is no more in doubt explains nothing any more
        _position(draft, symbol, rules)


def _baseline(draft: Draft, rules: CopyRules) -> None:
    """What the leader has when copying begins is its own affair, until it is flat."""
    theirs = draft.book.theirs
    assert theirs is not None
    for order in _by_age(theirs):
        if order.status.finished:
            draft.book = attrs.evolve(draft.book, placed={**draft.book.placed, order.id: LEADERS_OWN})
        else:
            _skipped(draft, order, rules, "the leader had this order before copying began")
    for symbol, n in theirs.net.items():
        if n:
            why = "the leader's position was there before copying began; waits until it is flat"
            draft.note(sizing.follower_symbol(symbol, rules), no_entry=why)


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
    stops = copy.terms is not None and copy.terms.order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
    return stops and exposure.reduces(copy, draft.contract(copy.symbol).own)


def _position(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    own = draft.contract(symbol).own
    target = exposure.total_target(draft.book, symbol, rules)
    working = [copy for copy in draft.book.in_progress(symbol) if copy.trades]
    in_doubt = any(copy.stage.in_doubt for copy in working)
    draft.note(symbol, due=in_doubt)
    if in_doubt:
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
