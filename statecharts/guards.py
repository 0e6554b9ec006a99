"""Who guards what: the exits of each entry, and how much of ours they are to protect.

Rule 1: what an entry's exits protect is what the entry has filled of ours, never the leader's size.
Rule 2: all of them together never protect more than we own: the stop that would be hit first is the last to shrink.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import attrs

from statecharts import counterpart, exposure, legs, shares
from statecharts.book import LEADERS_OWN, Copy
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Order, Symbol

# The events of one fill come within milliseconds; what is not there then is missing.
GRACE = timedelta(milliseconds=500)
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


def assign(draft: Draft, entry: Copy, *legs: Copy) -> None:
    """From now on these exits guard what this entry fills."""
    entry = draft.book.copies[entry.id]
    draft.keep(evolve(entry, guarded_by=(*entry.guarded_by, *(leg.id for leg in legs))))
    contract = draft.contract(entry.symbol)
    if entry.id not in contract.guarded:
        draft.note(entry.symbol, guarded=(*contract.guarded, entry.id))


def wanted(draft: Draft, leg: Copy) -> bool:
    """Does the leader have this exit, asleep or awake? Of a template's: is it in force?"""
    if leg.leg:
        entry = draft.book.copies.get(leg.guards or LEADERS_OWN)
        return entry is not None and entry.template is not None
    theirs = draft.book.leaders_order(leg)
    return theirs is not None and theirs.rest > 0


def waits_for_its_entry(draft: Draft, copy: Copy) -> bool:
    """Is this a held exit that `protection.py` places when its entry has filled, and not before?

    While we are closing it places nothing, and what our entries have made ours is to be protected meanwhile.
    """
    contract = draft.contract(copy.symbol)
    if copy.guards not in contract.guarded or copy.cancel_wanted is not None:
        return False
    if copy.leg:
        return wanted(draft, copy)
    if contract.close_to is not None and not draft.book.copies[copy.guards or LEADERS_OWN].open:
        return False
    theirs = draft.book.leaders_order(copy)
    return theirs is not None and not theirs.status.finished


def give_up(draft: Draft, symbol: Symbol) -> None:
    """Exits that wait for an entry that has come to nothing; and entries that need nobody's care any more."""
    kept = []
    for number in draft.contract(symbol).guarded:
        entry = draft.book.copies[number]
        if not entry.open and not entry.filled:
            for leg in of_entry(draft, entry):
                leg = draft.keep(evolve(leg, restore=False))
                if leg.stage is Stage.HELD:
                    draft.news(leg, News.GIVEN_UP, "its entry came to nothing")
        if entry.open or any(leg.open or (entry.filled and wanted(draft, leg)) for leg in of_entry(draft, entry)):
            kept.append(number)
    if len(kept) != len(draft.contract(symbol).guarded):
        draft.note(symbol, guarded=tuple(kept))


def of_entries(draft: Draft, symbol: Symbol) -> list[Unit]:
    """The exits of each entry, with what they are to protect; the nearest to the market first."""
    if not draft.contract(symbol).guarded:
        return []
    templates = []
    for number in draft.contract(symbol).guarded:
        entry = draft.book.copies[number]
        legs = tuple(leg for leg in of_entry(draft, entry) if leg.leg and wanted(draft, leg))
        done = sum(leg.filled for leg in of_entry(draft, entry) if not leg.leg)
        if legs:
            templates.append(_unit(legs, opened(entry) - done, _asked(entry) - done))
    own = draft.contract(symbol).own
    beside = max(0, abs(own) - covered(draft, symbol))
    return [*_of_leader(draft, symbol), *_fitted(templates, own, beside)]


def _of_leader(draft: Draft, symbol: Symbol) -> list[Unit]:
    units = []
    for number in draft.contract(symbol).guarded:
        entry = draft.book.copies[number]
        groups = _grouped(draft, [leg for leg in of_entry(draft, entry) if not leg.leg and wanted(draft, leg)])
        done = sum(leg.filled for leg in of_entry(draft, entry) if leg.leg)  # a template's, before the leader's came
        shares = _shares(draft, entry, groups, max(0, opened(entry) - done))
        wholes = _shares(draft, entry, groups, max(0, _asked(entry) - done))
        for group, share, whole in zip(groups, shares, wholes, strict=True):
            units.append(_unit(group, share, whole))
    own = draft.contract(symbol).own
    return list(_fitted(units, own, abs(own)))


def _unit(exits: tuple[Copy, ...], share: int, whole: int) -> Unit:
    return Unit(exits, max(0, share - sum(leg.filled for leg in exits)), whole)


def _fitted(units: Sequence[Unit], own: int, left: int) -> Iterator[Unit]:
    """As large as they may be together: the nearest to the market first. None is for a position of its own side."""
    for unit in sorted(units, key=_distance):
        most = max(0, -unit.legs[0].side.sign * own)
        if unit.stop is not None:
            most = min(most, left)
            left -= min(unit.size, most)
        yield evolve(unit, size=min(unit.size, most))


def covered(draft: Draft, symbol: Symbol, entry: Copy | None = None) -> int:
    """Contracts of ours, or of this entry's, that stops protect which work and stand for the leader's own."""
    works = {
        copy.id: copy.rest
        for copy in draft.book.in_progress(symbol)
        if not copy.leg and copy.stage is Stage.WORKING and covers(draft, copy) and wanted(draft, copy)
    }
    found = 0
    for unit in _of_leader(draft, symbol):
        rest = works.pop(unit.stop.id, 0) if unit.stop is not None else 0
        found += min(unit.size, rest) if entry is None or unit.legs[0].guards == entry.id else 0
    return found + sum(works.values()) if entry is None else found


def covers(draft: Draft, copy: Copy) -> bool:
    """Does this order limit the loss of our position, or is about to?"""
    if not copy.trades or not is_stop(copy) or copy.side.sign * draft.contract(copy.symbol).own > 0:
        return False
    entry = draft.book.copies.get(copy.guards or LEADERS_OWN)
    if entry is not None and entry.open and not opened(entry):
        return False
    there = copy.open and copy.stage not in (Stage.HELD, Stage.UNKNOWN)
    return there and copy.cancel_wanted is None and not draft.book.asleep(copy)


def alone(draft: Draft, symbol: Symbol, rules: CopyRules) -> Iterator[Unit]:
    """Stops of the leader's that belong to no entry of ours."""
    own = draft.contract(symbol).own
    theirs = draft.book.theirs
    if not own or theirs is None:
        return
    for order in sorted(theirs.alive, key=lambda one: one.id):
        copy = draft.book.copies.get(draft.book.placed.get(order.id, LEADERS_OWN))
        if copy is None or copy.symbol != symbol or not order.rest:
            continue
        if copy.guards in draft.contract(symbol).guarded or copy.side.sign * own > 0:
            continue
        if theirs.asleep(order) or order.terms is None:
            continue
        if counterpart.asked(draft, copy, order, order.terms).order_type.stops:
            yield Unit((copy,), min(abs(own), max(0, _meant(draft, copy, order, rules) - copy.filled)))


def _meant(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> int:
    """What this stop of the leader's stands for, also when it was skipped before anything about its size was known.

    One that would reverse our position protects all of it, and it is more than it will ever have to protect.
    """
    if copy.stage is Stage.SKIPPED:
        found = shares.size_of(draft, copy, order, rules)
        return max(found.meant, found.quantity) if found.kind is not Kind.ENTRY else 0
    return copy.meant if copy.kind is not Kind.ENTRY else 0


def _grouped(draft: Draft, exits: Sequence[Copy]) -> list[tuple[Copy, ...]]:
    """Those of which one is done instead of the other."""
    groups: dict[int, tuple[Copy, ...]] = {}
    for leg in exits:
        theirs = draft.book.leaders_order(leg)
        assert theirs is not None, "wanted by the leader"
        key = min(theirs.id, theirs.oco_id or theirs.id)
        groups[key] = (*groups.get(key, ()), leg)
    return list(groups.values())


def _shares(draft: Draft, entry: Copy, groups: Sequence[tuple[Copy, ...]], filled: int) -> list[int]:
    """What each group protects of so many contracts: its part at the leader's, added up before it is cut."""
    theirs = draft.book.leaders_order(entry)
    sizes = [max(_leaders_size(draft, leg) for leg in group) for group in groups]
    whole = sum(sizes)
    if entry.kind is Kind.ENTRY and theirs is not None and theirs.terms is not None and whole != theirs.filled:
        whole = max(whole, theirs.terms.quantity)
    ends = [filled * sum(sizes[: place + 1]) // whole for place in range(len(sizes))]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def as_filled(draft: Draft, leg: Copy) -> Copy:
    """A leg that the leader has filled before ours was there: it stands for as much of its entry as that took.

    All such legs together leave of ours what his have left of his, cut as any size is.
    """
    entry, done = draft.book.copies.get(leg.guards or LEADERS_OWN), draft.book.leaders_order(leg)
    theirs = draft.book.leaders_order(entry) if entry is not None else None
    if entry is None or theirs is None or theirs.terms is None or done is None or not done.status.finished:
        return leg
    exits = [one for one in of_entry(draft, entry) if not one.leg and draft.book.leaders_order(one) is not None]
    taken = {one.id: _leaders_filled(draft, one) for one in exits}
    whole = theirs.filled or theirs.terms.quantity
    if entry.kind is Kind.REVERSAL:  # as in `_shares`: how much of his it opened is not known
        whole = sum(max(_leaders_size(draft, one) for one in group) for group in _grouped(draft, exits))
    stays = _asked(entry) * max(0, whole - sum(taken.values())) // max(1, whole)
    beside = sum(one.filled for one in of_entry(draft, entry) if one.id != leg.id)
    beside += sum(one.rest for one in exits if one.id != leg.id and taken[one.id] and one.stage is not Stage.HELD)
    return evolve(leg, meant=min(leg.meant, max(leg.filled, _asked(entry) - stays - beside)))


def _leaders_filled(draft: Draft, leg: Copy) -> int:
    theirs = draft.book.leaders_order(leg)
    return theirs.filled if theirs is not None else 0


def _leaders_size(draft: Draft, leg: Copy) -> int:
    theirs = draft.book.leaders_order(leg)
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


def _distance(unit: Unit) -> tuple[bool, Decimal]:
    """How soon the stop would be hit: without one, or without a price of its own, last."""
    price = unit.stop.terms.stop_price if unit.stop is not None and unit.stop.terms is not None else None
    if price is None or unit.stop is None:
        return (True, Decimal(0))
    return (False, unit.stop.side.sign * price)


def withdraw(draft: Draft, leg: Copy, why: str, again: bool = True) -> None:
    """Cancels an exit; one that is wanted `again` when there is something for it.

    What the broker cancels by itself is given the time to show it.
    """
    linked = [leg.mate, leg.guards if draft.book.asleep(leg) else None]
    known = (draft.book.copies.get(one or LEADERS_OWN) for one in linked)
    ended = any(other is not None and not other.rest for other in known)
    after = draft.at + legs.BY_ITSELF if ended else None
    draft.keep(evolve(leg, cancel_wanted=why, restore=again, ask_after=after))
