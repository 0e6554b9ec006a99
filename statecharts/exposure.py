"""Where our position in a contract should be, and what is already on its way there.

Rule 1: market reductions in flight never exceed our position: what leaves already cannot leave again.
Rule 2: nothing here adds to a position; `goal` is never more than what is ours, and never on the other side.
Rule 3: one unknown at a time: while the answer to an order is lost, nothing is placed in its contract, no exit either,
        because what it should take depends on the unknown. What rests at the broker stays and protects; changes go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from statecharts import sizing
from statecharts.book import LEADERS_OWN, Book, Copy
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind, Size
from statecharts.values import CopyId, Order, OrderId, OrderType, Side, Symbol, root_of

STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT)


def total_target(book: Book, symbol: Symbol, rules: CopyRules) -> int:
    """Our target in `symbol` over every contract of the leader that is copied into it."""
    return target_of(book.theirs.net if book.theirs else {}, symbol, rules)


def target_of(net: Mapping[Symbol, int], symbol: Symbol, rules: CopyRules) -> int:
    """Our target in `symbol` if the leader held `net`; together the contracts have no more than the largest cap."""
    total, largest, caps = 0, 0, True
    for one, n in net.items():
        agreed = sizing.agreement(one, rules)
        if n and agreed.to == symbol:
            total += sizing.target_by(n, agreed)
            caps = caps and agreed.max_position is not None
            largest = max(largest, agreed.max_position or 0)
    return sizing.within(largest, total) if caps else total


def is_against_the_leader(book: Book, symbol: Symbol, rules: CopyRules) -> bool:
    """Is our position on the other side of his? Also where his is so small that our target is 0."""
    leans = Decimal(0)
    for one, n in (book.theirs.net if book.theirs else {}).items():
        agreed = sizing.agreement(one, rules)
        leans += n * agreed.ratio * agreed.factor if agreed.to == symbol else 0
    return book.contract(symbol).own * leans < 0


def leader_flat(book: Book, symbol: Symbol, rules: CopyRules) -> bool:
    theirs = book.theirs
    return theirs is not None and not any(
        n for s, n in theirs.net.items() if sizing.follower_symbol(s, rules) == symbol
    )


def leader_done(book: Book, symbol: Symbol, rules: CopyRules) -> bool:
    """Is the leader flat, and will no order of his that we have missed take him into a position?"""
    theirs = book.theirs
    if theirs is None or not leader_flat(book, symbol, rules):
        return False
    return not any(
        order.rest and sizing.follower_symbol(order.symbol, rules) == symbol and _missed(book, order.id)
        for order in theirs.alive
    )


def _missed(book: Book, number: OrderId) -> bool:
    """Has our copy come to its end before the leader's order? Also when it has filled: that was closed meanwhile."""
    copy = book.copies.get(book.placed.get(number, LEADERS_OWN))
    return copy is not None and not copy.open and copy.stage is not Stage.SHADOWED


def unknown(book: Book, symbol: Symbol) -> bool:
    """Is the answer to an order in this contract lost, so that nothing is placed there before it has been looked up?"""
    return bool([copy for copy in book.in_progress(symbol) if copy.stage is Stage.UNKNOWN and copy.trades])


def goal(own: int, target: int) -> int:
    """The part of our position that may stay: never more than it is, never on the other side."""
    if own * target <= 0:
        return 0
    return min(own, target) if own > 0 else max(own, target)


def reduces(copy: Copy, own: int) -> bool:
    """Is this an order of its own that takes from our position?"""
    return copy.trades and copy.kind is not Kind.ENTRY and copy.side.sign * own < 0


def is_stop(copy: Copy) -> bool:
    return copy.terms is not None and copy.terms.order_type in STOPS


def giving_way(copy: Copy) -> bool:
    """Is its cancel wanted, or about to be, and not yet confirmed? Until then it may fill."""
    at_market = copy.terms is not None and copy.terms.order_type is OrderType.MARKET
    going = copy.cancel_wanted is not None or (copy.chase_at is not None and not at_market)
    return going and copy.stage is not Stage.HELD and copy.open


def free(book: Book, symbol: Symbol, own: int, but: CopyId, resting: bool = False) -> int:
    """The part of our position `own` that no market order but `but`, and none that gives way, may be taking already.

    `resting`: nor any other exit, but those of a template, which give way. Of two that cancel each other one counts.
    """
    partner = _partner(book, but)
    taking = {
        copy.id: copy
        for copy in book.in_progress(symbol)
        if copy.id != but
        and reduces(copy, own)
        and copy.stage is not Stage.HELD
        and not book.asleep(copy)
        and copy.terms is not None
        and (
            (resting and not copy.leg and copy.id != partner)
            or copy.terms.order_type is OrderType.MARKET
            or giving_way(copy)
        )
    }
    leaving = sum(copy.rest for copy in taking.values() if copy.mate not in taking or (copy.mate or "") > copy.id)
    return max(0, own - leaving) if own > 0 else min(0, own + leaving)


def _partner(book: Book, number: CopyId) -> CopyId | None:
    """The copy of the order that the leader has linked with this one's, also where ours are not linked."""
    copy = book.copies.get(number)
    order = book.leaders_order(copy) if copy is not None else None
    return book.placed.get(order.oco_id) if order is not None and order.oco_id is not None else None


def opening(book: Book, but: Copy) -> int:
    """Contracts that our other openings on the side of `but` may still add."""
    return sum([_adds(copy, but.side) for copy in book.in_progress(but.symbol) if copy.id != but.id])


def within_cap(book: Book, copy: Copy, found: Size, own: int, cap: int) -> Size:
    """No more of `found` than max_position leaves; `own` is what the copy meets.

    The target of each contract is within the cap already. And yet an exit of ours may still be on its way when this
    one fills, and the cap is of the product: what we have in its other contracts counts too. Of a reversal what we have
    on its side already counts, ahead of the leader, and what enters there; his other reversals are in its size.
    """
    if found.kind is Kind.ENTRY:
        most = max(0, copy.filled + room(book, copy, cap))
        if found.quantity <= most:
            return found
        return evolve(found, quantity=most, why_nothing=sizing.CAPPED, no_room=found.no_room + found.quantity - most)
    if not found.opens:
        return found
    ahead = max(0, copy.side.sign * book.contract(copy.symbol).own - copy.filled)
    entering = sum(other.rest for other in book.in_progress(copy.symbol) if _enters_beside(other, copy))
    opens = max(0, min(found.opens, cap - beside(book, copy.symbol, copy.side) - ahead - entering))
    if opens == found.opens:
        return found
    quantity = min(found.quantity, max(0, -copy.side.sign * own) + opens)
    kind, less = Kind.REVERSAL if opens else Kind.EXIT, found.opens - opens
    meant = found.meant - less
    return evolve(found, kind=kind, quantity=quantity, meant=meant, opens=opens, why_nothing=sizing.CAPPED)


def room(book: Book, copy: Copy, cap: int) -> int:
    """Contracts that this order may yet fill within max_position, when all else that opens on its side fills too."""
    ours = copy.side.sign * book.contract(copy.symbol).own
    if book.open.get(copy.symbol):
        ours += opening(book, copy)
    return cap - beside(book, copy.symbol, copy.side) - ours


def _enters_beside(other: Copy, copy: Copy) -> bool:
    return other.trades and other.kind is Kind.ENTRY and other.side is copy.side and other.id != copy.id


def beside(book: Book, symbol: Symbol, side: Side) -> int:
    """Contracts that are ours on this side in other contracts of the product, or that we are opening there."""
    root = root_of(symbol)
    there = {s for s in (*book.contracts, *book.open) if s != symbol and root_of(s) == root}
    if not there:
        return 0
    ours = sum(max(0, side.sign * book.contract(one).own) for one in there)
    return ours + sum(_adds(copy, side) for one in there for copy in book.in_progress(one))


def _adds(copy: Copy, side: Side) -> int:
    """Contracts that this order of ours may still add on that side, at most."""
    return copy.rest if copy.trades and copy.kind is not Kind.EXIT and copy.side is side else 0


def coming(book: Book, symbol: Symbol, side: Side) -> int:
    """Contracts that our openings of this side are about to add, because the leader has them already."""
    openings = (c for c in book.in_progress(symbol) if c.trades and c.kind is not Kind.EXIT and c.side is side)
    return sum(due(book, copy) for copy in openings)


def due(book: Book, copy: Copy) -> int:
    """Contracts that this order has yet to fill of what the leader's has."""
    order = book.leaders_order(copy)
    return max(0, min(copy.rest, share(copy, order) - copy.filled)) if order is not None else 0


def share(copy: Copy, order: Order) -> int:
    """Contracts of the whole copy that what the leader's order has filled stands for; of a row's, all of them."""
    if copy.terms is None or order.terms is None:
        return 0
    if copy.leader_fill_id is not None:
        return copy.terms.quantity + copy.earlier
    return -(-(copy.terms.quantity + copy.earlier) * order.filled // max(1, order.terms.quantity))


def want_closed(draft: Draft, symbol: Symbol, close_to: int, why: str) -> None:
    """From now on our position in `symbol` is brought to `close_to` at market, until it is there."""
    if draft.contract(symbol).own != close_to:
        draft.note(symbol, close_to=close_to, close_why=why)


def want_as_leader(draft: Draft, symbol: Symbol, rules: CopyRules, why: str) -> None:
    """What of our position goes beyond the leader's is closed at market.

    What he has filled already and an entry of ours has yet to bring is not there: that part of his is not ours.
    """
    own, target = draft.contract(symbol).own, total_target(draft.book, symbol, rules)
    there = max(0, abs(target) - coming(draft.book, symbol, Side.of(target)))
    want_closed(draft, symbol, goal(own, there if target > 0 else -there), why)
