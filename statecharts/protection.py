"""The stops of our position: as large as it is, whatever the broker makes of them, and missed when they are gone.

Rule 1: what an entry's exits protect is what the entry has filled of ours, never the leader's size. How the broker
        wakes the legs of a partly filled OSO is documented nowhere: their size is read, and changed where it is wrong.
Rule 2: all of them together never protect more than we own: the stop that would be hit first is the last to shrink.
Rule 3: a leg that sleeps although its entry has filled something protects nothing: it is cancelled and placed anew.
Rule 4: a stop that the leader has and we have not (gone, refused, too small) is looked for after every event and with
        every read-back. It is restored; one that was refused is answered by closing at market, or told only.
Rule 5: here nothing is decided from one event alone: what belongs together comes in several, within `GRACE`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate

import attrs

from statecharts import brackets, calendar, closing, exposure, flattening, follower, legs
from statecharts.book import LEADERS_OWN, Contract, Copy, Exposure
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.order import News, Stage
from statecharts.reasons import Refusal
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Order, Symbol

GRACE = timedelta(
    milliseconds=500
)  # the events of one fill come within milliseconds; what is not there then is missing
AT_MOST_EVERY = timedelta(seconds=20)  # what is restored and gone again: less often than once in a read-back
_GONE = frozenset({Stage.CANCELED, Stage.EXPIRED, Stage.SKIPPED})


@attrs.frozen
class _Unit:
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


def answers(copy: Copy, reason: Refusal, rules: CopyRules) -> bool:
    """Is this refusal of a resting exit answered here, by closing what it would have protected?"""
    return rules.flatten_when_stop_refused and is_stop(copy) and not reason.passes


def look_after(draft: Draft, symbol: Symbol, rules: CopyRules, current: bool) -> None:
    """Makes the exits of this contract fit what we own. `current`: is the leader's view?"""
    _give_up(draft, symbol)
    contract = draft.contract(symbol)
    if contract.close_to is not None or contract.left or flattening.latched(draft.book, symbol) is not None:
        told = contract.exposed is not None and contract.exposed.told and contract.own != 0
        draft.note(symbol, exposed=contract.exposed if told else None, excess_since=None)
        return
    units = _units_of_entries(draft, symbol)
    _fit(draft, symbol, units)
    if current:
        plain = list(_plain_units(draft, symbol, rules))
        _grow(draft, plain)
        _miss(draft, symbol, [*_units_of_entries(draft, symbol), *plain], rules)
    elif contract.exposed is not None and not contract.exposed.told:
        draft.note(symbol, exposed=None)  # nobody knows what the leader has by now
    _place(draft, symbol, rules)


def next_deadline(contract: Contract) -> datetime | None:
    """When the contract's exits want to be looked at again."""
    since = [contract.excess_since] if contract.excess_since is not None else []
    if contract.exposed is not None and not contract.exposed.told:
        since.append(contract.exposed.since)
    return min(since, default=None) and min(since) + GRACE


# What protects what


def _give_up(draft: Draft, symbol: Symbol) -> None:
    """Exits that wait for an entry that has come to nothing; and entries that need nobody's care any more."""
    kept = []
    for number in draft.contract(symbol).guarded:
        entry = draft.book.copies[number]
        if not entry.open and not entry.filled:
            for leg in _guards(draft, entry):
                leg = draft.keep(attrs.evolve(leg, restore=False))
                if leg.stage is Stage.HELD:
                    draft.news(leg, News.GIVEN_UP, "its entry came to nothing")
        if entry.open or any(leg.open or (entry.filled and _wanted(draft, leg)) for leg in _guards(draft, entry)):
            kept.append(number)
    if len(kept) != len(draft.contract(symbol).guarded):
        draft.note(symbol, guarded=tuple(kept))


def _guards(draft: Draft, entry: Copy) -> tuple[Copy, ...]:
    return tuple(draft.book.copies[leg] for leg in entry.guarded_by)


def _wanted(draft: Draft, leg: Copy) -> bool:
    """Does the leader have this exit, asleep or awake?"""
    theirs = follower.leaders(draft, leg)
    return theirs is not None and theirs.rest > 0


def _units_of_entries(draft: Draft, symbol: Symbol) -> list[_Unit]:
    """The exits of each entry, with what they are to protect; the nearest to the market first."""
    units = []
    for number in draft.contract(symbol).guarded:
        entry = draft.book.copies[number]
        groups = _grouped(draft, [leg for leg in _guards(draft, entry) if _wanted(draft, leg)])
        shares, wholes = _shares(draft, entry, groups, _opened(entry)), _shares(draft, entry, groups, _asked(entry))
        for group, share, whole in zip(groups, shares, wholes, strict=True):
            units.append(_Unit(group, max(0, share - sum(leg.filled for leg in group)), whole))
    left = abs(draft.contract(symbol).own)
    fitted = []
    for unit in sorted(units, key=lambda one: _distance(draft, one)):
        if unit.stop is not None:
            unit = attrs.evolve(unit, size=min(unit.size, left))
            left -= unit.size
        fitted.append(attrs.evolve(unit, size=min(unit.size, abs(draft.contract(symbol).own))))
    return fitted


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


def _opened(entry: Copy) -> int:
    """What this entry has made ours: of a reversal, the part beyond flat."""
    if entry.kind is not Kind.REVERSAL or entry.terms is None:
        return entry.filled
    return max(0, entry.filled - max(0, entry.terms.quantity + entry.earlier - entry.opens))


def _asked(entry: Copy) -> int:
    """What this entry is to make ours."""
    if entry.terms is None or entry.kind is Kind.REVERSAL:
        return entry.opens
    return entry.terms.quantity + entry.earlier


def _distance(draft: Draft, unit: _Unit) -> tuple[bool, Decimal]:
    """How soon the stop would be hit: without one, or without a price of its own, last."""
    price = unit.stop.terms.stop_price if unit.stop is not None and unit.stop.terms is not None else None
    if price is None or unit.stop is None:
        return (True, Decimal(0))
    return (False, unit.stop.side.sign * price)


def _plain_units(draft: Draft, symbol: Symbol, rules: CopyRules) -> Iterator[_Unit]:
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
            yield _Unit((copy,), min(abs(own), max(0, _meant(draft, copy, order, rules) - copy.filled)))


def _meant(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> int:
    """What this stop of the leader's stands for, also when it was skipped before anything about its size was known."""
    if copy.stage is Stage.SKIPPED:
        found = follower.size_of(draft, copy, order, rules)
        return max(found.meant, found.quantity) if found.kind is not Kind.ENTRY else 0
    return copy.meant if copy.kind is Kind.EXIT else 0


# As large as it is to be


def _fit(draft: Draft, symbol: Symbol, units: Sequence[_Unit]) -> None:
    """Legs that are awake get the size of what they protect; those that sleep keep that of their entry."""
    contract = draft.contract(symbol)
    excess = contract.excess_since if contract.excess_since is not None else draft.at
    patient = draft.at < excess + GRACE and _is_coming(draft, symbol)
    too_large = False
    for unit in units:
        for leg in unit.legs:
            entry = draft.book.copies[leg.guards or LEADERS_OWN]
            if leg.stage not in (Stage.ACCEPTED, Stage.WORKING) or leg.cancel_wanted is not None:
                continue
            if entry.open and not _opened(entry):
                _want(draft, leg, unit.whole or leg.rest)
            elif draft.book.asleep(leg):
                continue
            elif leg.rest > unit.size and patient:
                too_large = True  # its entry is filling up to it at this moment: two changes less
            elif unit.size:
                _want(draft, leg, unit.size)
            else:
                _withdraw(draft, leg, "nothing of ours is left for it to protect")
    draft.note(symbol, excess_since=excess if too_large else None)


def _grow(draft: Draft, units: Sequence[_Unit]) -> None:
    """A stop of the leader's alone grows up to what it stands for, as our position does."""
    for unit in units:
        for stop in unit.legs:
            live = stop.stage in (Stage.ACCEPTED, Stage.WORKING) and stop.cancel_wanted is None
            if live and stop.rest < unit.size:
                _want(draft, stop, unit.size)


def _is_coming(draft: Draft, symbol: Symbol) -> bool:
    """Are there openings that may still fill?"""
    return any(copy.trades and copy.kind is not Kind.EXIT and copy.rest for copy in draft.book.in_progress(symbol))


def _want(draft: Draft, leg: Copy, rest: int) -> None:
    terms = leg.wanted or leg.terms
    assert terms is not None, "what is sent has its terms"
    draft.keep(attrs.evolve(leg, wanted=attrs.evolve(terms, quantity=leg.filled - leg.earlier + rest)))


def _withdraw(draft: Draft, leg: Copy, why: str) -> None:
    """Cancels an exit that is wanted again when there is something for it."""
    mate = draft.book.copies.get(leg.mate or LEADERS_OWN)
    after = draft.at + legs.BY_ITSELF if mate is not None and not mate.open else None
    draft.keep(attrs.evolve(leg, cancel_wanted=why, restore=True, ask_after=after))


# There at all


def _place(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    """Places what has waited for its entry, and what we have cancelled to place it anew."""
    ready = []
    for unit in _units_of_entries(draft, symbol):
        for leg in unit.legs if unit.size else ():
            if leg.restore and leg.stage in _GONE:
                closing.put_back(draft, leg, "there is something of ours for it to protect")
                leg = draft.book.copies[leg.id]
            if leg.stage is not Stage.HELD or calendar.held(draft, leg) or (leg.ask_after or draft.at) > draft.at:
                continue
            theirs = follower.leaders(draft, leg)
            assert theirs is not None, "wanted by the leader"
            assert theirs.terms is not None, "an order with a rest has terms"
            terms = attrs.evolve(follower.asked(draft, leg, theirs, theirs.terms), quantity=unit.size)
            leg = attrs.evolve(leg, terms=terms, wanted=None, reason=None, ask_after=None)
            ready.append(attrs.evolve(leg, wanted_version=theirs.version or leg.wanted_version))
    brackets.send(draft, ready, rules)


def _miss(draft: Draft, symbol: Symbol, units: Sequence[_Unit], rules: CopyRules) -> None:
    """Is there a stop for as much of ours as the leader has one for?"""
    _refused_beforehand(draft, symbol, rules)
    contract = draft.contract(symbol)
    needed = min(abs(contract.own), sum(unit.size for unit in units if unit.stop is not None))
    gap = needed - sum(copy.rest for copy in draft.book.in_progress(symbol) if _covers(draft, copy))
    missing = [unit for unit in units if unit.size and not _is_behind(draft, unit)]
    stops = [unit.stop for unit in missing if unit.stop is not None]
    if gap <= 0 or not stops:
        _protected(draft, symbol)
        return
    since = contract.exposed.since if contract.exposed is not None else draft.at
    told = contract.exposed is not None and contract.exposed.told
    stop = next((one for one in stops if one.stage is Stage.REJECTED), stops[0])
    exposed = Exposure(since=since, quantity=gap, why=_why(draft, stop), told=told)
    draft.note(symbol, exposed=exposed)
    if stop.stage is not Stage.REJECTED and draft.at < since + GRACE:
        return
    doing = "Nothing is closed (on_stop_refused = tell)"
    if stop.stage is not Stage.REJECTED:
        doing = "It is placed anew"
        _restore(draft, symbol, _enough(missing, gap), rules, again=told and draft.read_back)
    elif rules.flatten_when_stop_refused:
        doing = "Closing at market now"
        draft.note(symbol, no_entry=f"{exposed.why}, and it was closed; waits until the leader is flat")
        exposure.want_closed(draft, symbol, 0, exposed.why)
    if not told:
        _tell(draft, symbol, exposed, doing)


def _enough(missing: Iterable[_Unit], gap: int) -> Iterator[_Unit]:
    """Those of the missing that make up for the gap."""
    units = [unit for unit in missing if unit.stop is not None]
    before = accumulate((unit.size for unit in units), initial=0)
    return (unit for unit, sum_before in zip(units, before, strict=False) if sum_before < gap)


def _is_behind(draft: Draft, unit: _Unit) -> bool:
    return unit.stop is not None and _covers(draft, unit.stop) and unit.stop.rest >= unit.size


def _covers(draft: Draft, copy: Copy) -> bool:
    """Does this order limit the loss of our position, or is about to?"""
    if not copy.trades or not is_stop(copy) or copy.side.sign * draft.contract(copy.symbol).own > 0:
        return False
    entry = draft.book.copies.get(copy.guards or LEADERS_OWN)
    if entry is not None and entry.open and not _opened(entry):
        return False
    there = copy.open and copy.stage not in (Stage.HELD, Stage.UNKNOWN)
    return there and copy.cancel_wanted is None and not draft.book.asleep(copy)


def _restore(draft: Draft, symbol: Symbol, missing: Iterable[_Unit], rules: CopyRules, again: bool) -> None:
    """What is gone is placed anew; what is there and does not help is cancelled first. `again`: it has been tried."""
    if any(copy.stage.in_doubt for copy in draft.book.in_progress(symbol)):
        return  # it may be what is missing
    tried = draft.contract(symbol).restored_at
    if tried is not None and draft.at < tried + AT_MOST_EVERY and not draft.read_back:
        return  # it is gone again: no faster than the account is read back
    draft.note(symbol, restored_at=draft.at)
    for size, leg in [(unit.size, leg) for unit in missing for leg in unit.legs]:
        entry = draft.book.copies.get(leg.guards or LEADERS_OWN)
        if leg.stage in _GONE and not _cannot_be_copied(draft, leg, rules):
            meant = max(leg.meant, leg.filled + size)
            leg = draft.keep(attrs.evolve(leg, kind=Kind.EXIT, meant=meant, opens=0))
            closing.put_back(draft, leg, "the leader has it, and ours is not there")
        elif leg.cancel_wanted is None and leg.order_id is not None and leg.stage is Stage.WORKING:
            if entry is not None and draft.book.asleep(leg):
                _withdraw(draft, leg, "it sleeps although its entry has filled; it is placed anew")
            elif again and is_stop(leg):
                _withdraw(draft, leg, "the broker does not change its size; it is placed anew")


def _cannot_be_copied(draft: Draft, leg: Copy, rules: CopyRules) -> bool:
    theirs = follower.leaders(draft, leg)
    return theirs is None or follower.refusal(theirs, rules) is not None


def _refused_beforehand(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    """An entry whose stop was refused before it has filled would open a position that nothing protects."""
    for number in draft.contract(symbol).guarded if rules.flatten_when_stop_refused else ():
        entry = draft.book.copies[number]
        stop = next((leg for leg in _guards(draft, entry) if is_stop(leg) and leg.stage is Stage.REJECTED), None)
        if stop is not None and _wanted(draft, stop) and entry.open and entry.cancel_wanted is None:
            draft.keep(attrs.evolve(entry, cancel_wanted=_why(draft, stop)))


def _protected(draft: Draft, symbol: Symbol) -> None:
    contract = draft.contract(symbol)
    if contract.exposed is not None and contract.exposed.told and contract.own:
        draft.tell("position.unprotected", f"{_position(contract.own, symbol)} has its stop again")
    draft.note(symbol, exposed=None)


def _tell(draft: Draft, symbol: Symbol, exposed: Exposure, doing: str) -> None:
    own = draft.contract(symbol).own
    held = _position(exposed.quantity if own > 0 else -exposed.quantity, symbol)
    draft.tell(
        "position.unprotected",
        f"HAS NO STOP: {held} since {exposed.since:%H:%M:%S} UTC; {exposed.why}. {doing}",
        Severity.PAGE,
        reason=exposed.why,
        remedy=f"when it does not get one, close {symbol} in Tradovate",
    )
    draft.note(symbol, exposed=attrs.evolve(exposed, told=True))


def _position(net: int, symbol: Symbol) -> str:
    return f"{'long' if net > 0 else 'short'} {abs(net)} {symbol}"


def _why(draft: Draft, stop: Copy) -> str:
    """What is the matter with this stop, in words."""
    price = stop.terms.stop_price if stop.terms is not None else None
    name = f"stop {price}" if price is not None else "its stop"
    if stop.stage is Stage.REJECTED or (stop.stage is Stage.HELD and stop.refusals):
        return f"{name} refused ({stop.reason})"
    if stop.stage is Stage.SKIPPED:
        return f"{name} was not copied ({stop.reason})"
    if draft.book.asleep(stop):
        return f"{name} sleeps at the broker"
    if stop.stage is Stage.WORKING:
        return f"{name} is too small"
    return f"{name} is {stop.stage.outcome}"
