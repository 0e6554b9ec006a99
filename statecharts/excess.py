"""What is ours beyond the leader's: whatever the reason, it is closed at market, and told.

Rule 1: level-triggered: it asks how we stand and not how it came about, so a restart decides the same.
Rule 2: real world: our order fills before the leader's own, which it mirrors. While his may still fill, what it would
        bring is not too much; once it has ended without, it is.
Rule 3: what an order of ours is about to take away is waited for. One that is being cancelled is about to take nothing.
Rule 4: the leader flat means the follower flat, a position on his other side, and what he has exited by an order that
        ours cannot follow: at once. All else that is too much for longer than `chase_after`.
Rule 5: never opens anything. What is missing is not chased.
"""

from __future__ import annotations

from datetime import datetime

from statecharts import counterpart, exposure, guards, sizing
from statecharts.book import LEADERS_OWN, Contract, Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Order, OrderType, Status, Symbol
from statecharts.view import View

_WITHOUT_AN_ORDER = frozenset({Stage.SKIPPED, Stage.CANCELED, Stage.EXPIRED})


def look_for(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    """Wants closed what is too much of ours, the leader's view being current."""
    contract = draft.contract(symbol)
    if contract.left or contract.close_to is not None or nothing(draft, symbol, rules):
        draft.note(symbol, too_much_since=None)
        return
    keep = may_stay(draft, symbol, rules)  # nothing below changes it: what is wanted closed is still there
    _flat_with_the_leader(draft, symbol, rules, keep)
    untold = _untold_exits(draft, symbol, rules)
    if not untold:
        _on_the_leaders_side(draft, symbol, rules, keep)
        _exit_what_had_no_order(draft, symbol, rules, keep)
    _for_too_long(draft, symbol, rules, keep, untold)


def nothing(draft: Draft, symbol: Symbol, rules: CopyRules) -> bool:
    """Is nothing of ours too much: is there none, is all of it about to leave, or may all of it stay?"""
    own = draft.contract(symbol).own
    return not own or leaving(draft, symbol) >= abs(own) or may_stay(draft, symbol, rules) == own


def next_deadline(contract: Contract, rules: CopyRules) -> datetime | None:
    """When what is too much has been so for long enough."""
    return None if contract.too_much_since is None else contract.too_much_since + rules.chase_after


def may_stay(draft: Draft, symbol: Symbol, rules: CopyRules) -> int:
    """The part of our position that the leader's stands for, or will when the orders that ours are ahead of fill."""
    own, theirs = draft.contract(symbol).own, draft.book.theirs
    assert theirs is not None, "copying begins with both views"
    kept = exposure.goal(own, exposure.total_target(draft.book, symbol, rules))
    if kept == own or not theirs.alive:  # he has no order that could bring more
        return kept
    return exposure.goal(own, _reach(draft, symbol, own, theirs, rules))


def _reach(draft: Draft, symbol: Symbol, own: int, theirs: View, rules: CopyRules) -> int:
    """Our target once his orders that ours are ahead of have caught up. His exits take him no further than flat."""
    net, is_ahead = dict(theirs.net), False
    for order in theirs.alive:  # of the others nothing is to come
        copy = draft.book.copies.get(draft.book.placed.get(order.id, LEADERS_OWN))
        if copy is None or copy.symbol != symbol or (copy.kind is Kind.EXIT and not _adds(theirs, order)):
            continue
        if copy.side.sign * own > 0:
            coming = min(to_come(order), behind(copy, order, rules))
            net[order.symbol] = net.get(order.symbol, 0) + order.side.sign * coming
            is_ahead = is_ahead or (copy.filled > 0 and coming > 0)
    if not is_ahead and exposure.leader_flat(draft.book, symbol, rules):
        # What rounds to nothing is a part of what came after it: when he is out of that, it is a part of nothing.
        return 0
    return exposure.target_of(net, symbol, rules)


def _adds(theirs: View, order: Order) -> bool:
    """Real world: his target stays behind when he is out, he goes in again, and it adds to that; ours fills first."""
    return (theirs.position(order.symbol) - order.net) * order.side.sign > 0


def to_come(order: Order) -> int:
    """Contracts of this order whose fills are still to be told. Those that were busted or corrected have been."""
    if order.terms is None or (order.status.finished and order.status is not Status.FILLED):
        return 0
    if order.status is Status.FILLED and any(fill.corrected for fill in order.fills):
        return 0
    return max(0, order.terms.quantity - sum(fill.quantity for fill in order.fills))


def behind(copy: Copy, order: Order, rules: CopyRules) -> int:
    """Contracts that the leader's order has yet to fill before it stands for what ours has filled.

    One that rounds to nothing by itself stands for a part of what came after it. One that a cap has cut to nothing
    stands for nothing of ours.
    """
    size = copy.terms.quantity + copy.earlier if copy.terms is not None else 0
    if not size or order.terms is None:
        return order.rest if copy.stage is Stage.SKIPPED and not copy.meant and _rounds_to_nothing(order, rules) else 0
    return max(0, -(-copy.filled * order.terms.quantity // size) - order.filled)


def _rounds_to_nothing(order: Order, rules: CopyRules) -> bool:
    return order.terms is not None and not sizing.uncapped(order.terms.quantity, order.symbol, rules)


def leaving(draft: Draft, symbol: Symbol) -> int:
    """Contracts of our position that orders of ours are about to take away."""
    in_progress = draft.book.in_progress(symbol)
    if not in_progress:
        return 0
    own = draft.contract(symbol).own
    return sum([_coming(draft, c) for c in in_progress if c.trades and c.side.sign * own < 0])


def expected(draft: Draft, symbol: Symbol) -> int:
    """Our position when all has filled that is about to: exits as above, and openings that the leader has already."""
    position = draft.contract(symbol).own
    for copy in draft.book.in_progress(symbol):
        if copy.trades:
            opens = copy.kind is not Kind.EXIT
            position += copy.side.sign * (exposure.due(draft.book, copy) if opens else _coming(draft, copy))
    return position


def _coming(draft: Draft, copy: Copy) -> int:
    """Contracts that this order is about to fill. One that rests at the leader too, untouched, fills none."""
    if copy.guards is not None and guards.waits_for_its_entry(draft, copy):
        return 0
    if copy.stage is Stage.HELD and copy.leader_fill_id is not None and not copy.put_off:
        return 0  # `fills.py` sends it for what is beyond the target, and for nothing else
    if copy.stage is Stage.HELD:
        return max(copy.rest, copy.meant - copy.filled)  # as large as what it stands for, when it goes
    if copy.stage.in_doubt or (copy.terms is not None and copy.terms.order_type is OrderType.MARKET):
        return copy.rest
    return 0 if copy.cancel_wanted is not None or copy.kind is Kind.ENTRY else exposure.due(draft.book, copy)


def _flat_with_the_leader(draft: Draft, symbol: Symbol, rules: CopyRules, keep: int) -> None:
    """The leader flat means the follower flat: what no order of ours is about to close is closed at market."""
    own = draft.contract(symbol).own
    if not exposure.leader_flat(draft.book, symbol, rules) or leaving(draft, symbol) >= abs(own):
        return
    if any(copy.stage.in_doubt for copy in draft.book.in_progress(symbol)):
        return
    exposure.want_closed(draft, symbol, keep, "the leader is flat")


def _on_the_leaders_side(draft: Draft, symbol: Symbol, rules: CopyRules, keep: int) -> None:
    """Real world: two exits of ours fill at once. A position on the other side of the leader's is closed, and paged."""
    contract = draft.contract(symbol)
    if contract.due or contract.close_to is not None or keep:
        return
    if not exposure.is_against_the_leader(draft.book, symbol, rules):
        return
    in_progress = draft.book.in_progress(symbol)
    if any(c.stage.in_doubt or (c.trades and _coming(draft, c)) for c in in_progress):
        return
    why = f"we hold {contract.own}, on the other side of the leader"
    draft.tell("position.drifted", f"{symbol}: {why}. Closing at market now", Severity.PAGE, reason=why)
    if contract.no_entry is None:
        draft.note(symbol, no_entry=f"{why}; waits until the leader is flat")
    exposure.want_closed(draft, symbol, 0, why)


def _exit_what_had_no_order(draft: Draft, symbol: Symbol, rules: CopyRules, keep: int) -> None:
    """What the leader has exited by an order that we do not mirror, or by one whose copy has ended, is closed."""
    contract = draft.contract(symbol)
    if contract.due or contract.close_to is not None or keep == contract.own:
        return
    if leaving(draft, symbol) or any(copy.stage.in_doubt for copy in draft.book.in_progress(symbol)):
        return
    ended = (c for c in draft.book.copies.values() if c.symbol == symbol and c.kind is not Kind.ENTRY)
    theirs = [draft.book.leaders_order(c) for c in ended if c.verb is Verb.PLACE and c.stage in _WITHOUT_AN_ORDER]
    if any(order is not None and order.filled for order in theirs):
        exposure.want_as_leader(draft, symbol, rules, "the leader's exit has filled, and ours is not there")


def _untold_exits(draft: Draft, symbol: Symbol, rules: CopyRules) -> list[Order]:
    """His orders that have taken from what we hold as well, and of which we know nothing but that.

    Real world: a fill is told before the terms of its order. With those ours is placed, and takes its part: what has
    been closed until then would be taken away twice.
    """
    own, theirs = draft.contract(symbol).own, draft.book.theirs
    assert theirs is not None, "copying begins with both views"
    return [
        order
        for order in theirs.orders.values()
        if order.terms is None
        and order.unsupported is None
        and order.filled
        and order.id not in draft.book.placed
        and sizing.follower_symbol(order.symbol, rules) == symbol
        and sizing.follower_side(order, rules).sign * own < 0
    ]


def _for_too_long(draft: Draft, symbol: Symbol, rules: CopyRules, keep: int, untold: list[Order]) -> None:
    """Whatever it was: nothing explains any more that we have more than the leader's, and nothing will mend it.

    What of his is still `untold` gets no order of ours any more: it is closed here.
    """
    contract = draft.contract(symbol)
    if contract.due or contract.close_to is not None or abs(contract.own - keep) <= leaving(draft, symbol):
        draft.note(symbol, too_much_since=None)
        return
    contract = draft.note(symbol, too_much_since=contract.too_much_since or draft.at)
    if contract.too_much_since is not None and draft.at >= contract.too_much_since + rules.chase_after:
        target = exposure.total_target(draft.book, symbol, rules)
        draft.note(symbol, too_much_since=None)
        for order in untold:
            why = "the broker does not say what it asks for; what it has exited is closed at market"
            _give_up(draft, order, why, rules)
        exposure.want_closed(draft, symbol, keep, f"we own {contract.own}, the leader's position stands for {target}")


def _give_up(draft: Draft, order: Order, why: str, rules: CopyRules) -> None:
    """An exit of the leader's that no order of ours will follow, whatever is still told of it."""
    copy = counterpart.new_copy(draft, order, rules)
    draft.skip(evolve(copy, stage=Stage.SKIPPED, kind=Kind.EXIT, reason=why), why)
