"""The exits of our position: as large as what they protect, whatever the broker makes of them.

Rule 1: how the broker wakes the legs of a partly filled OSO is documented nowhere: their size is read, and changed
        where it is wrong.
Rule 2: what waits for its entry is placed as soon as that has filled something, as large as that is.
        What is held for an entry that has ended, and for which nothing of ours is left, ends too, until there is.
Rule 3: while an entry fills, its exits grow in steps: the first at once, and what fills within the moment after a
        change is one change.
Rule 4: here nothing is decided from one event alone: what belongs together comes in several, within `guards.GRACE`.
Who guards what is `guards.py`'s, what is missing `unprotected.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from statecharts import attempts, brackets, calendar, exposure, flattening, guards, template, unprotected
from statecharts.book import LEADERS_OWN, Contract, Copy
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Symbol

BETWEEN = timedelta(milliseconds=250)  # a stop is no later than this and a round trip: within `guards.GRACE`
BETWEEN_OF_A_TARGET = timedelta(seconds=1)


def look_after(draft: Draft, symbol: Symbol, rules: CopyRules, current: bool) -> None:
    """Makes the exits of this contract fit what we own. `current`: is the leader's view?"""
    template.look_after(draft, symbol, rules, current)
    guards.give_up(draft, symbol)
    contract = draft.contract(symbol)
    if contract.close_to is not None or contract.left or flattening.latched(draft.book, symbol) is not None:
        told = contract.exposed is not None and contract.exposed.told and contract.own != 0
        draft.note(symbol, exposed=contract.exposed if told else None, excess_since=None)
        if contract.retry_at is not None:
            _place(draft, symbol, rules, between_tries=True)
        return
    units = guards.of_entries(draft, symbol)
    _fit(draft, symbol, units)
    plain = list(guards.alone(draft, symbol, rules)) if rules.mode == "orders" else []
    if current:
        _grow(draft, plain)
    unprotected.look_for(draft, symbol, [*guards.of_entries(draft, symbol), *plain], rules, current)
    if not exposure.unknown(draft.book, symbol):
        _place(draft, symbol, rules)


def next_deadline(contract: Contract, at: datetime) -> datetime | None:
    """When the contract's exits want to be looked at again."""
    deadlines = [contract.excess_since + guards.GRACE] if contract.excess_since is not None else []
    if contract.short_at is not None and contract.short_at > at:
        deadlines.append(contract.short_at)
    if contract.exposed is not None and not contract.exposed.told:
        deadlines.extend(one for one in unprotected.deadlines(contract.exposed) if one > at)
    return min(deadlines, default=None)


def _fit(draft: Draft, symbol: Symbol, units: Sequence[guards.Unit]) -> None:
    """Legs that are awake get the size of what they protect; those that sleep keep that of their entry."""
    contract = draft.contract(symbol)
    excess = contract.excess_since if contract.excess_since is not None else draft.at
    patient = draft.at < excess + guards.GRACE and _is_coming(draft, symbol)
    too_large = False
    for unit in units:
        for leg in unit.legs:
            entry = draft.book.copies[leg.guards or LEADERS_OWN]
            if leg.stage is Stage.HELD and not entry.open and not unit.size:
                draft.news(evolve(leg, restore=True), News.GIVEN_UP, "nothing of ours is left for it to protect")
            if leg.stage not in (Stage.ACCEPTED, Stage.WORKING) or leg.cancel_wanted is not None:
                continue
            if entry.open and not guards.opened(entry):
                _want(draft, leg, unit.whole or leg.rest)
            elif draft.book.asleep(leg):
                continue
            elif leg.rest > unit.size and patient:
                too_large = True  # its entry is filling up to it at this moment: two changes less
            elif unit.size:
                _want(draft, leg, unit.size, gathers=bool(entry.rest))
            elif leg.rest or leg.pending is not None or leg.wanted not in (None, leg.terms):
                guards.withdraw(draft, leg, "nothing of ours is left for it to protect")
            # Real world: a fill may be told before its order is called Filled. That one ends without us.
    draft.note(symbol, excess_since=excess if too_large else None)


def _grow(draft: Draft, units: Sequence[guards.Unit]) -> None:
    """A stop of the leader's alone grows up to what it stands for, as our position does."""
    for unit in units:
        for stop in unit.legs:
            live = stop.stage in (Stage.ACCEPTED, Stage.WORKING) and stop.cancel_wanted is None
            if live and stop.rest < unit.size:
                _want(draft, stop, unit.size, gathers=_is_coming(draft, stop.symbol))


def _is_coming(draft: Draft, symbol: Symbol) -> bool:
    """Are there openings that may still fill?"""
    return any(copy.trades and copy.kind is not Kind.EXIT and copy.rest for copy in draft.book.in_progress(symbol))


def _want(draft: Draft, leg: Copy, rest: int, gathers: bool = False) -> None:
    """`gathers`: more is coming, and a request for each of it would be too many."""
    terms = leg.wanted or leg.terms
    assert terms is not None, "what is sent has its terms"
    quantity = leg.filled - leg.earlier + rest
    if gathers and quantity > terms.quantity and leg.ask_after is None:
        between = BETWEEN if guards.is_stop(leg) else BETWEEN_OF_A_TARGET
        leg = evolve(leg, ask_after=(leg.changed_at or leg.decided_at) + between)
    elif quantity < terms.quantity and not leg.refusals:
        leg = evolve(leg, ask_after=None)
    draft.keep(evolve(leg, wanted=evolve(terms, quantity=quantity)))


def _place(draft: Draft, symbol: Symbol, rules: CopyRules, between_tries: bool = False) -> None:
    """Places what has waited for its entry, and what we have cancelled to place it anew.

    `between_tries` of a closing the stops of a template that have made way for it, and nothing else.
    """
    ready = []
    for unit in guards.of_entries(draft, symbol):
        for leg in unit.legs if unit.size else ():
            if between_tries and not leg.leg:
                continue  # `pursuit.py` releases those that stand for the leader's
            if leg.restore and leg.stage in guards.GONE and not between_tries:
                attempts.put_back(draft, leg, "there is something of ours for it to protect")
                leg = draft.book.copies[leg.id]
            if leg.stage is not Stage.HELD or calendar.held(draft, leg) or (leg.ask_after or draft.at) > draft.at:
                continue
            leg = brackets.newest(draft, leg)
            if leg.terms is not None and template.has_a_price(leg):
                terms = evolve(leg.terms, quantity=unit.size)
                ready.append(evolve(leg, terms=terms, wanted=None, reason=None, ask_after=None))
    brackets.send(draft, ready, rules)
