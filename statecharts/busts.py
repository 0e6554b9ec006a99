"""Trades that the exchange takes back or corrects: the leader's, and our own.

Rule 1: a bust moves the target back, and what goes beyond it then is closed at market: reduce always.
Rule 2: a bust opens nothing: what it leaves us short of is told, and the contract waits until the leader is flat.
Rule 3: the comparison waits until no order of ours is on its way. In mode "orders", what an order of the leader's that
        may still fill would bring is not too much (`excess.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from statecharts import exposure, sizing
from statecharts.book import Copy
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import FillId, Order, OrderType, Symbol


def leaders(draft: Draft, before: Order | None, order: Order, rules: CopyRules) -> None:
    """The leader's order as it was known and as it is."""
    change = _taken_back(before, order)
    if change:
        symbol = sizing.follower_symbol(order.symbol, rules)
        draft.note(symbol, busted=f"{_words(change, order)} of the leader's")


def ours(draft: Draft, before: Order | None, order: Order) -> None:
    """The same of an order of our own."""
    change = _taken_back(before, order)
    if change:
        draft.note(order.symbol, busted=f"{_words(change, order)} of ours")


def compare(draft: Draft, symbol: Symbol, rules: CopyRules, keep: int) -> None:
    """Ours against the leader's after a bust. `keep` is the part of ours that may stay."""
    contract = draft.contract(symbol)
    if contract.busted is None or contract.left or contract.due or contract.close_to is not None:
        return
    working = [copy for copy in draft.book.in_progress(symbol) if copy.trades]
    if any(_is_on_its_way(copy) for copy in working):
        return
    target = exposure.total_target(draft.book, symbol, rules)
    openings = any(copy.kind is not Kind.EXIT for copy in working)
    if keep != contract.own:
        exposure.want_closed(draft, symbol, keep, contract.busted)
    if abs(target) > abs(keep) and contract.no_entry is None and not openings:
        draft.note(symbol, no_entry=f"{contract.busted}; waits until the leader is flat")
        draft.tell(
            "position.drifted",
            f"{symbol}: {contract.busted}: short by {abs(target - keep)} of {abs(target)}, which is not chased",
            Severity.WARNING,
            reason=contract.busted,
            remedy="nothing to do: this contract is copied again when the leader is flat in it",
        )
    if not working:
        draft.note(symbol, busted=None)


def _is_on_its_way(copy: Copy) -> bool:
    at_market = copy.terms is not None and copy.terms.order_type is OrderType.MARKET
    return at_market or copy.stage.in_doubt or copy.stage is Stage.HELD


def _taken_back(before: Order | None, order: Order) -> int:
    """By how many contracts the executions that were known have become fewer (or, corrected, more)."""
    if before is None:
        return 0
    was, now = _counted(before), _counted(order)
    return sum(quantity - now.get(number, 0) for number, quantity in was.items())


def _counted(order: Order) -> Mapping[FillId, int]:
    return {fill.id: fill.quantity if fill.active else 0 for fill in order.fills}


def _words(change: int, order: Order) -> str:
    what = "took back" if change > 0 else "added"
    return f"the exchange {what} {abs(change)} {order.symbol} (order {order.id})"
