"""Mode "fills": the follower trades what the leader has executed, at market.

Theory of operation. The target is a function of the leader's net position alone. What is ours lies between `low`, if
only the sells under way fill, and `high`, if only the buys do. What `low` still has beyond the target leaves at once.
An opening goes from `high` up to the target, as if every buy under way filled and no sell did. So whichever orders
fill, and in which order, ours is never beyond the target and never on the other side of it. (All of this for a long
target; for a short one the other way round.) The leader's own resting orders are nothing to this mode.

Rule 1: reductions are never delayed, but by an order whose answer was lost: nothing is sent before it is looked up.
        What only an opening that is under way would bring waits for it.
Rule 2: an opening needs an execution whose row waits. What was skipped, cut, refused or lost is never made up for.
Rule 3: openings are gathered for at most GATHER while the leader's order has more to come. One order carries the rows
        that are gathered: that of the newest execution; the others go with it.
Rule 4: a flip is one reversing order. While an order of ours is on its way to the other side, only what is ours
        already leaves, and the flip waits; when that order's answer was lost, it only exits.
Rule 5: what is beyond the target with no row that could carry it leaves by an order of our own, with verb close.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs

from statecharts import closing, executions, exposure, openings, placement, sizing
from statecharts.book import Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import OrderType, Side, Symbol, Terms

GATHER = timedelta(milliseconds=100)


@attrs.frozen
class Span:
    """What is ours, and what the orders under way may still make of it. Contracts; `own` is signed."""

    own: int
    buys: int
    sells: int

    @property
    def low(self) -> int:
        return self.own - self.sells

    @property
    def high(self) -> int:
        return self.own + self.buys

    @property
    def expected(self) -> int:
        """Where it ends when everything fills."""
        return self.own + self.buys - self.sells

    def beyond(self, target: int) -> int:
        """The signed change that brings what is certainly beyond the target back to it, or to flat."""
        return min(0, max(0, target) - self.low) or max(0, min(0, target) - self.high)

    def room(self, target: int) -> int:
        """The signed change that may be opened, up to the target."""
        if target > 0:
            return max(0, target - max(0, self.high))
        return min(0, target - min(0, self.low))


def advance(draft: Draft, symbol: Symbol, rules: CopyRules, current: bool) -> None:
    """Sends what may be sent now. `current`: is the leader's view so, and compared with ours?"""
    for copy in draft.book.in_progress(symbol):
        if copy.put_off and copy.verb is Verb.CLOSE and draft.contract(symbol).close_to is None:
            wanted = draft.contract(symbol).own + copy.side.sign * copy.rest
            exposure.want_closed(draft, symbol, wanted, copy.reason or "it was put off")
    if exposure.unknown(draft.book, symbol):
        _bar(draft, [row for row in _rows(draft, symbol) if row.opens], rules, current)
    else:
        while _order(draft, symbol, rules, current):
            pass
    _let_go(draft, symbol, rules)


def gathered_until(draft: Draft, row: Copy) -> datetime | None:
    """When a row that waits for more of the leader's order is sent at the latest."""
    return row.decided_at + GATHER if row.opens and _waits(draft, row) else None


def _waits(draft: Draft, copy: Copy) -> bool:
    put_off = copy.put_off and copy.ask_after is not None and copy.ask_after > draft.at
    return copy.leader_fill_id is not None and copy.stage is Stage.HELD and not put_off


def _rows(draft: Draft, symbol: Symbol) -> list[Copy]:
    return [copy for copy in draft.book.in_progress(symbol) if _waits(draft, copy)]


def _span(draft: Draft, symbol: Symbol) -> Span:
    """A resting exit counts only when it gives way: it is not what this mode sends. What was put off is on its way."""
    moving = {Side.BUY: 0, Side.SELL: 0}
    for copy in draft.book.in_progress(symbol):
        sent = copy.stage is not Stage.HELD or (copy.put_off and not _waits(draft, copy))
        if copy.trades and sent and (not _rests(copy) or exposure.giving_way(copy)):
            moving[copy.side] += copy.rest
    return Span(draft.contract(symbol).own, moving[Side.BUY], moving[Side.SELL])


def _rests(copy: Copy) -> bool:
    """Is it an exit that waits at the broker for its price?"""
    return copy.kind is Kind.EXIT and copy.terms is not None and copy.terms.order_type is not OrderType.MARKET


def _order(draft: Draft, symbol: Symbol, rules: CopyRules, current: bool) -> bool:
    """Sends one order for the rows of one side, or takes one row out of the way; False when there is nothing to do."""
    span = _span(draft, symbol)
    target = exposure.total_target(draft.book, symbol, rules)
    beyond, room = span.beyond(target), span.room(target)
    if not beyond and not room:
        return False
    side = Side.of(beyond or room)
    rows = [row for row in _rows(draft, symbol) if row.side is side]
    opening = [row for row in rows if row.opens]
    if opening and room:
        if _bar(draft, opening, rules, current):
            return True
        against = span.sells if side is Side.BUY else span.buys
        if not current or against or not (beyond or _due(draft, opening)):
            rows, room = [row for row in rows if not row.opens], 0
    if beyond and not rows:
        return current and _correct(draft, symbol, beyond, target, rules)
    batch, opens = _gathered(rows, abs(beyond) + abs(room), rules)
    quantity = abs(beyond) + min(opens, abs(room))
    if not batch or not quantity:
        return False
    _send(draft, batch, quantity, abs(beyond), rules)
    return True


def _bar(draft: Draft, rows: list[Copy], rules: CopyRules, current: bool) -> bool:
    """Bars those that nothing may open for now; were there any? An entry waits for a leader that is not connected."""
    barred = 0
    for row in rows:
        order = draft.book.leaders_order(row)
        if order is None or (not current and row.kind is Kind.ENTRY):
            continue
        why = openings.bar(draft, order, row.symbol, rules) if current else "the leader is not connected"
        if why is not None:
            executions.bar(draft, row, order, why, rules)
            barred += 1
    return barred > 0


def _due(draft: Draft, rows: list[Copy]) -> bool:
    """Is there nothing more to gather, or has it been gathered for long enough?"""
    return any(_complete(draft, row) or row.decided_at + GATHER <= draft.at for row in rows)


def _complete(draft: Draft, row: Copy) -> bool:
    order = draft.book.leaders_order(row)
    return order is None or not order.rest


def _gathered(rows: list[Copy], wanted: int, rules: CopyRules) -> tuple[list[Copy], int]:
    """The oldest rows that one order of at most `wanted` contracts may stand for, and what they open together.

    One that was sent already, and put off, is sent again by itself, with those that it carries.
    """
    batch: list[Copy] = []
    meant = opens = 0
    for row in rows:
        most = sizing.agreement(row.leader_symbol or row.symbol, rules).max_order
        too_much = most is not None and opens + row.opens > most
        if batch and (too_much or meant >= wanted or row.put_off or batch[-1].put_off):
            break
        batch.append(row)
        meant += row.meant
        opens += row.opens
    return batch, opens


def _send(draft: Draft, batch: list[Copy], quantity: int, exits: int, rules: CopyRules) -> None:
    carrier = batch[-1]
    kind = Kind.ENTRY if not exits else Kind.EXIT if quantity == exits else Kind.REVERSAL
    order = evolve(
        carrier,
        kind=kind,
        terms=Terms(quantity, OrderType.MARKET),
        meant=quantity,
        opens=quantity - exits,
        carries=(*carrier.carries, *(row.id for row in batch[:-1])),
        ask_after=None,
        chase_at=draft.at + rules.chase_after,
    )
    placement.send(draft, order, rules)


def _correct(draft: Draft, symbol: Symbol, beyond: int, target: int, rules: CopyRules) -> bool:
    """What is beyond the target, with no row that could carry it: an entry came late, or a flip still waits."""
    contract = draft.contract(symbol)
    waits = contract.left or contract.due or contract.close_to is not None or contract.retry_at is not None
    if waits or rules.shadow:
        return False
    why = f"we own {contract.own}, the leader's position stands for {target}"
    in_the_way = any(_rests(copy) and exposure.reduces(copy, contract.own) for copy in draft.book.in_progress(symbol))
    if in_the_way or contract.refused:  # the way that closings take: one after the other, in pieces where it must be
        exposure.want_closed(draft, symbol, contract.own + beyond, why)
        return False
    closing.send(draft, symbol, Side.of(beyond), abs(beyond), rules, why, Severity.INFO)
    return True


def _let_go(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    """Rows that no order under way can make work for any more."""
    span = _span(draft, symbol)
    target = exposure.total_target(draft.book, symbol, rules)
    for row in _rows(draft, symbol):
        wanted = row.side.sign * target
        if row.side.sign * span.expected < (wanted if row.opens else min(0, wanted)):
            continue
        if row.kind is not Kind.EXIT:
            why = "the leader took it back before it was sent"
        elif span.own:
            why = "what is ours is no more than the leader's already"
        else:
            why = sizing.NOTHING_TO_EXIT
        executions.give_up(draft, row, why)
