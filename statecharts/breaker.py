"""The circuit breaker: a follower that places orders as no leader does, or whose book is impossible, only closes.

Rule 1: more than `runaway.orders` placements within `runaway.per` for one follower trip it; so does a broken invariant.
Rule 2: it bars openings alone, until the operator resumes. Closings are never blocked by it, and they count too.
Rule 3: what counts are placements by their time in the book: a restart forgets none.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from statecharts.bars import Bar
from statecharts.book import Book, Copy
from statecharts.draft import Draft
from statecharts.effects import PlaceOrder, Priority, Severity
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import OrderType, Symbol


def placed(draft: Draft, rules: CopyRules) -> None:
    """An order is about to be placed."""
    runaway = rules.runaway
    recent = (*(at for at in draft.book.placements if at > draft.at - runaway.per), draft.at)
    draft.book = attrs.evolve(draft.book, placements=recent[-runaway.orders - 1 :])
    if len(recent) > runaway.orders:
        seconds = runaway.per.total_seconds()
        _trip(draft, f"{len(recent)} orders within {seconds:g} s are more than any leader makes (runaway)")


def check(draft: Draft, before: Book, rules: CopyRules) -> None:
    """What must hold after every turn. It cannot fail, and when it does, the follower must not go on opening."""
    if Bar.RUNAWAY not in draft.book.barred:
        for broken in _broken(draft, before, rules):
            _trip(draft, f"an invariant does not hold: {broken}")


def _broken(draft: Draft, before: Book, rules: CopyRules) -> Iterator[str]:
    """Looks at what this turn has done: what a human closes meanwhile, and a cap that was lowered, break nothing."""
    for symbol, contract in draft.book.contracts.items():
        was = before.contract(symbol)
        cap = _cap(symbol, rules)
        filled = contract.newest_fill != was.newest_fill
        if cap is not None and filled and abs(contract.own) > max(cap, abs(was.own)):
            yield f"we own {contract.own} {symbol}, and max_position is {cap}"
    for symbol in {e.symbol for e in draft.effects if isinstance(e, PlaceOrder) and _exits_at_market(e)}:
        own = draft.contract(symbol).own
        leaving = sum(copy.rest for copy in draft.book.in_progress(symbol) if _leaves(copy))
        if leaving > abs(own):
            yield f"market exits of {leaving} {symbol} are on their way, and we own {own}"


def _cap(symbol: Symbol, rules: CopyRules) -> int | None:
    """The largest cap that has been agreed for what is copied into this contract, else the configured one."""
    caps = [one.max_position for one in rules.agreed.values() if one.to == symbol] or [rules.max_position]
    known = [cap for cap in caps if cap is not None]
    return max(known) if len(known) == len(caps) else None


def _leaves(copy: Copy) -> bool:
    at_market = copy.terms is not None and copy.terms.order_type is OrderType.MARKET
    return copy.trades and at_market and copy.kind is Kind.EXIT and copy.stage is not Stage.HELD


def _exits_at_market(placed: PlaceOrder) -> bool:
    return placed.priority is Priority.EXIT and placed.terms.order_type is OrderType.MARKET


def _trip(draft: Draft, why: str) -> None:
    if draft.bar(Bar.RUNAWAY, f"close-only: {why}"):
        draft.tell(
            "copy.failed",
            f"CLOSE-ONLY: {why}. Nothing opens on this account any more; its exits go",
            Severity.PAGE,
            reason=why,
            remedy="look at the orders of this account, and at the leader's. Then: copierctl resume ACCOUNT",
        )
