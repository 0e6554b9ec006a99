"""Who guards what: the exits of each entry, and how much of ours they are to protect.

Rule 1: what an entry's exits protect is what the entry has filled of ours, never the leader's size.
Rule 2: all of them together never protect more than we own: the stop that would be hit first is the last to shrink.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import attrs

from statecharts import exposure, follower, legs
from statecharts.book import LEADERS_OWN, Copy
from statecharts.draft import Draft
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Order, Symbol

GRACE = timedelta(
    milliseconds=500
)  # the events of one fill come within milliseconds; what is not there then is missing
GONE = frozenset({Stage.CANCELED, Stage.EXPIRED, Stage.SKIPPED})


@attrs.frozen
class Unit:
    """Exits that protect the same contracts, one instead of the other: `size` contracts of ours.

    `whole` is what they are to protect when their entry has filled.
    """

    legs: tuple[Copy, ...]
    size: int
    whole: int = 0

    @property
    def stop(self) -> Copy | None:
        return next((leg for leg in self.legs if is_stop(leg)), None)


def is_stop(copy: Copy) -> bool:
    """Would this order limit a loss of ours?"""
    return exposure.is_stop(copy) and copy.kind is not Kind.ENTRY


def of_entry(draft: Draft, entry: Copy) -> tuple[Copy, ...]:
    return tuple(draft.book.copies[leg] for leg in entry.guarded_by)


def wanted(draft: Draft, leg: Copy) -> bool:
    """Does the leader have this exit, asleep or awake?"""
    theirs = follower.leaders(draft, leg)
    return theirs is not None and theirs.rest > 0


def give_up(draft: Draft, symbol: Symbol) -> None:
    """Exits that wait for an entry that has come to nothing; and entries that need nobody's care any more."""
    kept = []
    for number in draft.contract(symbol).guarded:
        entry = draft.book.copies[number]
        if not entry.open and not entry.filled:
            for leg in of_entry(draft, entry):
                leg = draft.keep(attrs.evolve(leg, restore=False))
                if leg.stage is Stage.HELD:
                    draft.news(leg, News.GIVEN_UP, "its entry came to nothing")
        if entry.open or any(leg.open or (entry.filled and wanted(draft, leg)) for leg in of_entry(draft, entry)):
            kept.append(number)
    if len(kept) != len(draft.contract(symbol).guarded):
        draft.note(symbol, guarded=tuple(kept))


def of_entries(draft: Draft, symbol: Symbol) -> list[Unit]:
    """The exits of each entry, with what they are to protect; the nearest to the market first."""
    units = []
    for number in draft.contract(symbol).guarded:
        entry = draft.book.copies[number]
        groups = _grouped(draft, [leg for leg in of_entry(draft, entry) if wanted(draft, leg)])
        shares, wholes = _shares(draft, entry, groups, opened(entry)), _shares(draft, entry, groups, _asked(entry))
        for group, share, whole in zip(groups, shares, wholes, strict=True):
            units.append(Unit(group, max(0, share - sum(leg.filled for leg in group)), whole))
    left = abs(draft.contract(symbol).own)
    fitted = []
    for unit in sorted(units, key=lambda one: _distance(draft, one)):
        if unit.stop is not None:
            unit = attrs.evolve(unit, size=min(unit.size, left))
            left -= unit.size
        fitted.append(attrs.evolve(unit, size=min(unit.size, abs(draft.contract(symbol).own))))
    return fitted


def alone(draft: Draft, symbol: Symbol, rules: CopyRules) -> Iterator[Unit]:
    """Stops of the leader's that belong to no entry of ours."""
    own = draft.contract(symbol).own
    theirs = draft.book.theirs
    if not own or theirs is None:
        return
    for _, order in sorted(theirs.orders.items()):
        copy = draft.book.copies.get(draft.book.placed.get(order.id, LEADERS_OWN))
        if copy is None or copy.symbol != symbol or not order.rest:
            continue
        if copy.guards in draft.contract(symbol).guarded or copy.side.sign * own > 0:
            continue
        if theirs.asleep(order) or order.terms is None:
            continue
        if follower.asked(draft, copy, order, order.terms).order_type.stops:
            yield Unit((copy,), min(abs(own), max(0, _meant(draft, copy, order, rules) - copy.filled)))


def _meant(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> int:
    """What this stop of the leader's stands for, also when it was skipped before anything about its size was known."""
    if copy.stage is Stage.SKIPPED:
        found = follower.size_of(draft, copy, order, rules)
        return max(found.meant, found.quantity) if found.kind is not Kind.ENTRY else 0
    return copy.meant if copy.kind is Kind.EXIT else 0


def _grouped(draft: Draft, exits: Sequence[Copy]) -> list[tuple[Copy, ...]]:
    """Those of which one is done instead of the other."""
    groups: dict[int, tuple[Copy, ...]] = {}
    for leg in exits:
        theirs = follower.leaders(draft, leg)
        assert theirs is not None, "wanted by the leader"
        key = min(theirs.id, theirs.oco_id or theirs.id)
        groups[key] = (*groups.get(key, ()), leg)
    return list(groups.values())


def _shares(draft: Draft, entry: Copy, groups: Sequence[tuple[Copy, ...]], filled: int) -> list[int]:
    """What each group protects of so many contracts: its part at the leader's, added up before it is cut."""
    theirs = follower.leaders(draft, entry)
    sizes = [max(_leaders_size(draft, leg) for leg in group) for group in groups]
    whole = sum(sizes)
    if entry.kind is Kind.ENTRY and theirs is not None and theirs.terms is not None and whole != theirs.filled:
        whole = max(whole, theirs.terms.quantity)
    ends = [filled * sum(sizes[: place + 1]) // whole for place in range(len(sizes))]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def _leaders_size(draft: Draft, leg: Copy) -> int:
    theirs = follower.leaders(draft, leg)
    return theirs.terms.quantity if theirs is not None and theirs.terms is not None else 0


def opened(entry: Copy) -> int:
    """What this entry has made ours: of a reversal, the part beyond flat."""
    if entry.kind is not Kind.REVERSAL or entry.terms is None:
        return entry.filled
    return max(0, entry.filled - max(0, entry.terms.quantity + entry.earlier - entry.opens))


def _asked(entry: Copy) -> int:
    """What this entry is to make ours."""
    if entry.terms is None or entry.kind is Kind.REVERSAL:
        return entry.opens
    return entry.terms.quantity + entry.earlier


def _distance(draft: Draft, unit: Unit) -> tuple[bool, Decimal]:
    """How soon the stop would be hit: without one, or without a price of its own, last."""
    price = unit.stop.terms.stop_price if unit.stop is not None and unit.stop.terms is not None else None
    if price is None or unit.stop is None:
        return (True, Decimal(0))
    return (False, unit.stop.side.sign * price)


def withdraw(draft: Draft, leg: Copy, why: str) -> None:
    """Cancels an exit that is wanted again when there is something for it."""
    mate = draft.book.copies.get(leg.mate or LEADERS_OWN)
    after = draft.at + legs.BY_ITSELF if mate is not None and not mate.open else None
    draft.keep(attrs.evolve(leg, cancel_wanted=why, restore=True, ask_after=after))
