"""The catch-up table: after a reconnect, before copying resumes, the leader's view against ours.

Rule 1: it runs when the later of the two views is in, and what it cannot look at yet (an order of ours is in doubt) it
        looks at when the doubt is gone.
Rule 2: it reduces always, increases only when certain, and never buys a missed entry at any price.
Rule 3: what the leader has when copying begins is its own affair, until it is flat.
Rule 4: a leader's order that his lists do not show is gone; while its market is closed it may be there at the opening.
"""

from __future__ import annotations

from statecharts import (
    calendar,
    counterpart,
    excess,
    executions,
    exposure,
    flattening,
    freshness,
    openings,
    remnants,
    resting,
    resync,
    revisions,
    shares,
    shortage,
    sizing,
)
from statecharts.book import LEADERS_OWN, Copy
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve
from statecharts.follower import consider
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Order, Side, Status, Symbol, TimeInForce
from statecharts.view import View

GONE = "the leader's order is no longer there"


def run(draft: Draft, rules: CopyRules) -> None:
    """Runs when the later of the two views is in: the account's own, and its leader's current one."""
    due = _taken_up(draft)
    book = draft.book
    assert book.mine is not None, "copying begins with both views"
    assert book.theirs is not None, "copying begins with both views"
    first = book.caught_up is None
    waiting: set[Symbol] = set()
    draft.book = evolve(book, caught_up=(book.mine.generation, book.theirs.generation))
    if first:
        _baseline(draft, rules)
    elif rules.mode == "fills":
        executions.interrupted(draft)
        waiting = _missed(draft, _by_age(book.theirs), rules)
    else:
        _pairs(draft, rules)
        _reversals(draft, rules)
        waiting = _missed(draft, _by_age(book.theirs), rules)
    remnants.look(draft, rules)
    for symbol in sorted(_symbols(draft, rules) | due):
        _position(draft, symbol, rules, symbol in waiting)


def go_on(draft: Draft, rules: CopyRules) -> None:
    """The contracts that the table could not look at, because an order of ours was in doubt or a tick not known."""
    due = sorted(_taken_up(draft))
    if not due:
        return
    for symbol in due:
        resync.compare_position(draft, symbol)  # what is no more in doubt explains nothing any more
    theirs = _by_age(draft.book.theirs) if draft.book.theirs is not None else []
    orders = [order for order in theirs if sizing.follower_symbol(order.symbol, rules) in due]
    waiting = _missed(draft, orders, rules)
    for symbol in due:
        _position(draft, symbol, rules, symbol in waiting)


def _taken_up(draft: Draft) -> set[Symbol]:
    """The contracts that were put off. They are looked at now; what is still in doubt puts them off again."""
    due = {symbol for symbol, contract in draft.book.contracts.items() if contract.due}
    for symbol in due:
        draft.note(symbol, due=False)
    return due


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
    unknown = [order for order in _by_age(theirs) if order.id not in draft.book.placed]
    over = {order.id: LEADERS_OWN for order in unknown if order.status.finished}
    draft.book = evolve(draft.book, placed={**draft.book.placed, **over})
    for order in unknown:
        if order.id not in over:
            _skipped(draft, order, rules, shortage.BEFORE)


def _pairs(draft: Draft, rules: CopyRules) -> None:
    """Leader orders that have a copy, and copies of ours whose leader order is gone."""
    theirs = draft.book.theirs
    assert theirs is not None
    for order in _by_age(theirs):
        copy = draft.book.copies.get(draft.book.placed.get(order.id, LEADERS_OWN))
        if copy is not None:
            _pair(draft, copy, order, rules)
    for copy in draft.book.all_open():
        if copy.leader_order_id not in draft.book.unlisted:
            _goes_with(draft, copy, theirs, rules)


def _goes_with(draft: Draft, copy: Copy, theirs: View, rules: CopyRules) -> None:
    """When its leader order is not there."""
    gone = copy.leader_order_id is not None and copy.leader_order_id not in theirs.orders
    if not gone or not copy.trades or _protects(draft, copy) or copy.cancel_wanted is not None:
        return
    if rules.catch_up == "none":
        _leave(draft, copy, GONE)
    else:
        draft.keep(evolve(copy, cancel_wanted=GONE))


def await_no_longer(draft: Draft, rules: CopyRules) -> None:
    """What his emptied lists did not show, and what is not there a minute after the opening, or is of no use to us."""
    theirs = draft.book.theirs
    assert theirs is not None, "what his lists do not show was seen in his view"
    for number in sorted(draft.book.unlisted):
        copy = draft.book.copies[draft.book.placed[number]]
        over = calendar.wakes_at(draft, copy.symbol, calendar.LISTED_AGAIN) is None
        if over or (rules.catch_up != "none" and _is_left_over(draft, copy)):
            _goes_with(draft, copy, theirs, rules)
        if over:
            draft.book = evolve(draft.book, unlisted=draft.book.unlisted - {number})


def _is_left_over(draft: Draft, copy: Copy) -> bool:
    """Is it an exit, and is there nothing any more to exit? It would open."""
    entry = draft.book.copies.get(copy.guards or LEADERS_OWN)
    return copy.kind is Kind.EXIT and not draft.contract(copy.symbol).own and (entry is None or not entry.open)


def _pair(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> None:
    if rules.catch_up == "none" and order.status.finished and copy.stage in (Stage.ACCEPTED, Stage.WORKING):
        if not copy.left and order.status is not Status.EXPIRED:  # an expired one takes ours along
            draft.keep(evolve(copy, left=True))
            _leave(draft, copy, f"the leader's order is {order.status.value.lower()}")
    else:
        revisions.follow(draft, _not_again(draft, copy, order, rules), order, rules)


def _not_again(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> Copy:
    """An order of which there was none of ours, and that he has changed since, would open now: it is missed."""
    if resting.waits_for_room(draft, copy, rules):
        return draft.keep(evolve(copy, reason=f"{sizing.CAPPED}, and copying was interrupted"))
    if not resting.changed(copy, order) or shares.size_of(draft, copy, order, rules).quantity <= copy.filled:
        return copy
    resting.not_again(draft, copy, order, "it was changed while copying was interrupted, and it would open", rules)
    return draft.book.copies[copy.id]


def _reversals(draft: Draft, rules: CopyRules) -> None:
    """What waited to turn us round opens nothing any more: the leader has been there for nobody knows how long."""
    for copy in draft.book.all_open():
        order = draft.book.leaders_order(copy)
        if order is not None and openings.waited_to_open(copy, order):
            openings.only_the_exit(draft, copy, order, "copying was interrupted while it waited", rules)


def _leave(draft: Draft, copy: Copy, why: str) -> None:
    assert copy.terms is not None, "what is at the broker has terms"
    draft.tell(
        "position.drifted",
        f"{copy.symbol}: {why}; ours ({copy.side.value} {copy.rest} {copy.terms.order_type.value}, order "
        f"{copy.order_id}) is left as it is (catch_up = none)",
        Severity.WARNING,
        copy=copy.id,
    )


def _protects(draft: Draft, copy: Copy) -> bool:
    """The stop of an open position is never an order without a leader order."""
    stops = copy.terms is not None and copy.terms.order_type.stops
    return stops and exposure.reduces(copy, draft.contract(copy.symbol).own)


def _missed(draft: Draft, orders: list[Order], rules: CopyRules) -> set[Symbol]:
    """What the leader did while copying was interrupted gets its rows. Answers where some of them must wait."""
    waiting = freshness.entries(draft, orders, rules) if rules.catch_up == "fresh" else frozenset()
    for order in orders:
        if order.id in waiting:
            continue
        if rules.mode == "fills":
            executions.of_order(draft, order, rules, executions.INTERRUPTED)
        elif order.id not in draft.book.placed:
            _without_a_copy(draft, order, rules)
    return {sizing.follower_symbol(order.symbol, rules) for order in orders if order.id in waiting}


def _without_a_copy(draft: Draft, order: Order, rules: CopyRules) -> None:
    if order.status.finished and remnants.known_again(draft, counterpart.new_copy(draft, order, rules), order, rules):
        _pair(draft, draft.book.copies[draft.book.placed[order.id]], order, rules)
        return
    if order.status.finished:
        _skipped(draft, order, rules, "it came and went while copying was interrupted")
    elif rules.catch_up == "none":
        _skipped(draft, order, rules, "it was placed while copying was interrupted (catch_up = none)")
    elif rules.catch_up == "fresh" and freshness.untouched(order, draft, rules):
        consider(draft, order, rules)
    else:
        consider(draft, order, rules, "it was placed while copying was interrupted, and it would open")


def _position(draft: Draft, symbol: Symbol, rules: CopyRules, waits: bool) -> None:
    if rules.shadow:
        return  # nothing of ours is ever there
    own = draft.contract(symbol).own
    target = exposure.total_target(draft.book, symbol, rules)
    working = [copy for copy in draft.book.in_progress(symbol) if copy.trades]
    undecided = waits or any(copy.stage.in_doubt or _at_once(copy) for copy in working)
    draft.note(symbol, due=undecided)
    if undecided or flattening.latched(draft.book, symbol) is not None:
        return
    keep = excess.may_stay(draft, symbol, rules)
    if own != keep:
        _too_much(draft, symbol, keep, target, rules)
    if own * target < 0 and own != keep:
        _other_side(draft, symbol, own, target)
    elif abs(target) > abs(keep):
        missing = abs(target - keep) - exposure.coming(draft.book, symbol, Side.of(target))
        shortage.tell(draft, symbol, missing, target, "entry missed", rules)


def _at_once(copy: Copy) -> bool:
    """An order that fills when it arrives, or never: what it has come to is compared when it is at its end."""
    return copy.terms is not None and copy.terms.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)


def _too_much(draft: Draft, symbol: Symbol, keep: int, target: int, rules: CopyRules) -> None:
    own = draft.contract(symbol).own
    what = "the leader is flat" if target == 0 else f"the leader's position stands for {target}"
    why = f"after a reconnect: we own {own}, {what}"
    if rules.catch_up == "none":
        draft.tell("position.drifted", f"{symbol}: {why}. Left as it is (catch_up = none)", Severity.WARNING)
        draft.note(symbol, left=True)
    else:
        exposure.want_closed(draft, symbol, keep, why)


def _other_side(draft: Draft, symbol: Symbol, own: int, target: int) -> None:
    why = f"we were on the other side of the leader: ours {own}, his stands for {target}"
    draft.note(symbol, no_entry=f"{why}; waits until the leader is flat")
    draft.tell(
        "account.quarantined",
        f"{symbol}: {why}. Nothing opens in it until the leader is flat",
        Severity.WARNING,
        remedy="nothing to do: this contract is copied again when the leader is flat in it",
    )


def _symbols(draft: Draft, rules: CopyRules) -> set[Symbol]:
    theirs = draft.book.theirs
    assert theirs is not None
    owned = {symbol for symbol, contract in draft.book.contracts.items() if contract.own}
    return owned | {sizing.follower_symbol(symbol, rules) for symbol, n in theirs.net.items() if n}


def _skipped(draft: Draft, order: Order, rules: CopyRules, why: str) -> None:
    draft.skip(evolve(counterpart.new_copy(draft, order, rules), stage=Stage.SKIPPED, reason=why), why)


def _by_age(view: View) -> list[Order]:
    return [order for _, order in sorted(view.orders.items())]
