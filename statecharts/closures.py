"""When a lost connection is nobody's business: the broker is in maintenance, or nothing that is followed trades.

Rule 1: the markets are closed for an account when every product group that it follows is. It follows what its copies
        name (allow without deny, and what that is mapped to), and whatever of its own is still open.
Rule 2: copies that name nothing follow every group but crypto, which trades round the clock: that one is followed once
        somebody trades it.
Rule 3: a product that belongs to no group we know may trade at any time: then the platform's windows alone count.
Rule 4: a special day counts when it is verified or the operator's own word, the ordinary week always: an old table
        leads to a false alarm, not to an outage in silence.
Rule 5: what is lost up to half a minute before a closure belongs to it: clocks differ, and brokers are early.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import attrs

from statecharts.book import Book
from statecharts.market_hours import Markets, PlatformWindows, group_of
from statecharts.rules import Rules
from statecharts.values import Root, Symbol, root_of

EDGE = timedelta(seconds=30)
_ROUND_THE_CLOCK = "crypto"
_STRETCHES = 50  # of closed time that follow one upon the other, with nothing between: far more than there are


@attrs.frozen
class Closure:
    """Until when it lasts, and why, in words for the status."""

    until: datetime
    why: str


def closure(rules: Rules, book: Book, at: datetime) -> Closure | None:
    """The closure in which the account is at that moment; None when somebody may need its connection."""
    hours = _Hours(rules.reconnect.windows, rules.markets, followed(rules, book))
    for moment in (at, at + EDGE):
        why = hours.closed(moment)
        if why is not None:
            return Closure(hours.reopening(moment), why)
    return None


def followed(rules: Rules, book: Book) -> frozenset[str] | None:
    """The product groups that the account follows; None when one of its products belongs to none that we know."""
    roots = set(_open_here(book))
    groups: set[str] = set()
    if rules.products is not None:
        roots |= rules.products
    else:
        denied = rules.copy.deny if rules.copy is not None else frozenset()
        roots |= set(_seen(book)) - denied
        groups |= set(rules.markets.groups if rules.markets is not None else ()) - {_ROUND_THE_CLOCK}
    for root in roots:
        group = group_of(root)
        if group is None:
            return None
        groups.add(group)
    return frozenset(groups)


def _open_here(book: Book) -> Iterator[Root]:
    """What is ours and not over: positions, and copies on their way."""
    yield from (root_of(symbol) for symbol, contract in book.contracts.items() if contract.own)
    yield from (root_of(symbol) for symbol, copies in book.open.items() if copies)


def _seen(book: Book) -> Iterator[Root]:
    """Everything that is known to be traded, here and at the leader."""
    symbols: list[Symbol] = [*book.positions]
    for view in (book.mine, book.theirs):
        if view is not None:
            symbols += [symbol for symbol, net in view.net.items() if net]
            symbols += [order.symbol for order in view.orders.values()]
    yield from map(root_of, symbols)


@attrs.frozen
class _Hours:
    platform: PlatformWindows | None
    markets: Markets | None
    groups: frozenset[str] | None

    def closed(self, at: datetime) -> str | None:
        """Why it is closed; None when it is open."""
        if self.platform is not None and self.platform.in_maintenance(at):
            return "the broker's maintenance window"
        opening = self._opening(at)
        return None if opening is None else f"the market is closed: {opening[1]}"

    def reopening(self, at: datetime) -> datetime:
        """When a closed time ends that `at` is in."""
        for _ in range(_STRETCHES):
            opening = self._opening(at)
            ends = [opening[0]] if opening is not None else []
            if self.platform is not None and (end := self.platform.end_of(at)) is not None:
                ends.append(end)
            if not ends:
                break
            at = max(ends)
        return at

    def _opening(self, at: datetime) -> tuple[datetime, str] | None:
        """When the first of the markets opens, and why that one is closed; None when one of them is open."""
        if self.markets is None or not self.groups:
            return None
        openings = []
        for group in sorted(self.groups):
            hours = self.markets.groups.get(group)
            if hours is None or hours.is_open(at) or (vouched := self.markets.vouched[group]).is_open(at):
                return None
            nexts = [one for one in (hours.next_open(at), vouched.next_open(at)) if one is not None]
            if not nexts:
                return None  # a silence without an end is none
            window = hours.window_at(at)
            openings.append((min(nexts), window.reason.value + (f", {window.label}" if window.label else "")))
        return min(openings)
