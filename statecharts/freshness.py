"""What is young enough to be made up for after a reconnect (catch_up = fresh), and at what price at most.

Rule 1: young is what the broker dates within fresh_age before now. What it dates after now is not certain.
Rule 2: a missed entry is the leader's young fills for which nothing of ours stands. What we lack of it is bought by
        one Limit order, IOC, at the best price of these fills plus fresh_ticks in our disfavour; never more than they
        stand for, within the caps, and never at any price: without the contract's tick there is no bound and no order.
Rule 3: an order of the leader's that still rests goes on resting with ours, at no worse a price than that bound.
Rule 4: it is the copy of the newest of these orders, so it is made once, whatever comes of it. The children of that
        order protect it as they would have protected the copy of the order itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from statecharts import (
    brackets,
    calendar,
    counterpart,
    executions,
    exposure,
    facts,
    openings,
    placement,
    sizing,
)
from statecharts.book import Copy
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Fill, Order, OrderId, OrderType, Side, Symbol, Terms, TimeInForce

CLOCKS_DIFFER = timedelta(seconds=2)  # what the broker may date after our now, and be believed


def young(at: datetime, draft: Draft, rules: CopyRules) -> bool:
    return -CLOCKS_DIFFER <= draft.at - at < rules.fresh_age


def untouched(order: Order, draft: Draft, rules: CopyRules) -> bool:
    """Is this an order that the leader has just placed, and nothing of it is missed yet?"""
    return order.rest > 0 and not order.fills and young(order.at, draft, rules)


def entries(draft: Draft, orders: Iterable[Order], rules: CopyRules) -> frozenset[OrderId]:
    """Makes up for what was missed of these orders, contract by contract of the leader's.

    Answers which of them must wait, while they are young: for the contract's tick, or for an order of ours in doubt;
    and their children with them. What is not made up for the catch-up table tells.
    """
    orders = tuple(orders)
    missed: dict[Symbol, list[Order]] = {}
    for order in orders:
        if _missed(order, draft, rules):
            missed.setdefault(order.symbol, []).append(order)
    waiting = [those for _, those in sorted(missed.items()) if _must_wait(draft, those, rules)]
    entries = {order.id for those in waiting for order in those}
    return frozenset(order.id for order in orders if order.id in entries or order.parent_id in entries)


def _missed(order: Order, draft: Draft, rules: CopyRules) -> bool:
    """Has this order just taken the leader further into a position, and nothing of ours stands for that?"""
    if rules.mode == "orders" and (order.id in draft.book.placed or order.terms is None):
        return False
    refusal = executions.refusal(order) if rules.mode == "fills" else counterpart.refusal(order, rules)
    return refusal is None and bool(_fills(order, draft, rules))


def _fills(order: Order, draft: Draft, rules: CopyRules) -> tuple[Fill, ...]:
    """Its young fills without a row of their own, when it is on the side of the leader's position."""
    theirs, rows = draft.book.theirs, draft.book.executions
    if theirs is None or theirs.position(order.symbol) * order.side.sign <= 0:
        return ()
    return tuple(f for f in order.fills if f.active and f.id not in rows and young(f.at, draft, rules))


def _must_wait(draft: Draft, orders: Collection[Order], rules: CopyRules) -> bool:
    """Makes up for what was missed in one contract of the leader's, unless it must wait."""
    newest = max(orders, key=lambda order: order.id)
    copy = _row(draft, newest, rules)
    if facts.nowhere(draft.book, copy.symbol) or openings.bar(draft, newest, copy.symbol, rules):
        return False
    quantity = _missing(draft, copy, newest, orders, rules)
    if quantity <= 0 or calendar.opens_at(draft, copy.symbol) is not None:
        return False
    price = _bound(draft, copy, orders, rules)
    in_doubt = any(other.trades and other.stage.in_doubt for other in draft.book.in_progress(copy.symbol))
    if price is None or in_doubt:
        return True
    terms = _terms(draft, copy, newest, price, quantity)
    chase_at = draft.at + rules.chase_after if terms.time_in_force is TimeInForce.IOC else None
    copy = evolve(copy, kind=Kind.ENTRY, terms=terms, meant=quantity, chase_at=chase_at)
    draft.tell(
        "position.drifted",
        f"{copy.symbol}: the leader entered less than {rules.fresh_age.total_seconds():g} s ago while copying was "
        f"interrupted: {copy.side.value} {quantity} at {terms.price} or better, or not at all",
        Severity.WARNING,
        copy=copy.id,
    )
    if rules.mode == "orders":
        brackets.send(draft, [copy], rules)  # with its children, or these held for it
    else:
        placement.send(draft, copy, rules)
    return False


def _row(draft: Draft, newest: Order, rules: CopyRules) -> Copy:
    """The copy of the newest order; in mode "fills" that of its newest execution."""
    copy = counterpart.new_copy(draft, newest, rules)
    if rules.mode == "orders":
        return copy
    fill = _fills(newest, draft, rules)[-1]
    name = executions.name_of(draft, fill)
    return evolve(copy, id=name, client_id=name, cause=fill.id, wanted_version=0, leader_fill_id=fill.id)


def _terms(draft: Draft, copy: Copy, newest: Order, price: Decimal, quantity: int) -> Terms:
    at_once = Terms(quantity, OrderType.LIMIT, price=price, time_in_force=TimeInForce.IOC)
    if newest.terms is None or not newest.rest or copy.leader_fill_id is not None:
        return at_once
    asked = counterpart.asked(draft, copy, newest, newest.terms)
    if asked.order_type is not OrderType.LIMIT or asked.price is None:
        return at_once
    stricter = min(price, asked.price) if copy.side is Side.BUY else max(price, asked.price)
    return evolve(asked, quantity=quantity, price=stricter)


def _bound(draft: Draft, copy: Copy, orders: Collection[Order], rules: CopyRules) -> Decimal | None:
    """The worst price at which it is made up for: no contract further from any young fill than fresh_ticks."""
    known = draft.book.facts_of(copy.symbol)
    if known is None:
        return None
    prices = [fill.price for order in orders for fill in _fills(order, draft, rules)]
    best = min(prices) if copy.side is Side.BUY else max(prices)
    steps = (best / known.tick).to_integral_value(ROUND_FLOOR if copy.side is Side.BUY else ROUND_CEILING)
    return (steps + copy.side.sign * rules.fresh_ticks) * known.tick


def _missing(draft: Draft, copy: Copy, newest: Order, orders: Collection[Order], rules: CopyRules) -> int:
    """Contracts that we lack, as far as the young fills (and what still rests of the newest order) stand for them."""
    theirs, own = draft.book.theirs, draft.contract(copy.symbol).own
    assert theirs is not None, "the table compares with the leader's view"
    n, sign = theirs.position(newest.symbol), newest.side.sign
    rest = newest.rest if copy.leader_fill_id is None else 0  # what rests is nothing to mode "fills"
    before = n - sign * sum(fill.quantity for order in orders for fill in _fills(order, draft, rules))
    targets = [
        sizing.target(amount, newest.symbol, rules)
        for amount in (n, n + sign * rest, before if before * sign > 0 else 0)
    ]
    now, then, earlier = (copy.side.sign * one for one in targets)
    total = copy.side.sign * exposure.total_target(draft.book, copy.symbol, rules)
    ours = copy.side.sign * own
    if ours < 0:
        return 0
    lacking = total + (then - now) - ours - exposure.coming(draft.book, copy.symbol, copy.side)
    agreed = sizing.agreement(newest.symbol, rules)
    quantity = min(lacking, then - earlier)
    if agreed.max_position is not None:
        there = ours + exposure.opening(draft.book, copy) + exposure.beside(draft.book, copy.symbol, copy.side)
        quantity = min(quantity, agreed.max_position - there)
    return quantity if agreed.max_order is None else min(quantity, agreed.max_order)
