"""The stops that are not there: looked for after every event and with every read-back, told, and restored.

Rule 1: a stop that the leader has and we have not (gone, refused, too small) is restored; one that was refused is
        answered by closing at market, or told only.
Rule 2: a leg that sleeps although its entry has filled something protects nothing: it is cancelled and placed anew.
        Not while its market is closed: whatever sleeps then has slept since the close, and wakes with it. So it is
        with what the broker's lists do not show meanwhile.
Rule 3: what is missing is missing for `guards.GRACE` before anything is done: its events may be on their way. Where
        our answer is under way already, or the leg only sleeps, it is told after as long again.
Rule 4: while the leader is not Connected his stops are those that he had when he was last seen; what is missing of
        those is missing for `WHILE_AWAY`: he may be back by then, without it. What the broker has refused, and what is
        a template's, is certain without him.
Rule 5: stops that follow a position which grows are always a moment late. What was missing and is there has not been
        missing since; what has come meanwhile has a time of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import accumulate

from statecharts import attempts, calendar, counterpart, exposure, guards, template
from statecharts.book import LEADERS_OWN, Copy, Exposure
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Symbol

AT_MOST_EVERY = timedelta(seconds=20)  # what is restored and gone again: less often than once in a read-back


WHILE_AWAY = timedelta(seconds=10)  # one outage is often everybody's, and the logins are back one after the other


def look_for(draft: Draft, symbol: Symbol, units: Sequence[guards.Unit], rules: CopyRules, current: bool) -> None:
    """Is there a stop for as much of ours as the leader has one for?"""
    _refused_beforehand(draft, symbol, rules)
    contract = draft.contract(symbol)
    needed = min(abs(contract.own), sum(unit.size for unit in units if unit.stop is not None))
    covered = sum(copy.rest for copy in draft.book.in_progress(symbol) if guards.covers(draft, copy))
    gap = needed - covered
    missing = [unit for unit in units if unit.size and not _is_behind(draft, unit)]
    stops = [unit.stop for unit in missing if unit.stop is not None]
    if gap <= 0 or not stops:
        _protected(draft, symbol)
        return
    stop = next((one for one in stops if one.stage is Stage.REJECTED), stops[0])
    exposed = contract.exposed
    sleeps = all(draft.book.asleep(one) or one.stage is Stage.UNKNOWN for one in stops)
    if sleeps and calendar.wakes_at(draft, symbol) is not None:
        draft.note(symbol, exposed=exposed if exposed is not None and exposed.told else None)
        return
    if exposed is None or (not exposed.told and covered >= exposed.needed):  # what was missing then is there by now
        exposed = Exposure(since=draft.at, quantity=gap, why="", needed=needed)
    mending = exposed.mending or stop.pending is not None or draft.book.asleep(stop)
    exposed = evolve(exposed, quantity=gap, why=_why(draft, stop), mending=mending)
    draft.note(symbol, exposed=exposed)
    since = exposed.since if current or stop.leg else exposed.since + WHILE_AWAY - guards.GRACE
    if stop.stage is not Stage.REJECTED and draft.at < since + guards.GRACE:
        return
    doing = "Nothing is closed (on_stop_refused = tell)"
    if stop.stage is not Stage.REJECTED:
        doing = "It is placed anew" if template.has_a_price(stop) else "It goes out as soon as it can"
        _restore(draft, symbol, _enough(missing, gap), rules, again=exposed.told and draft.read_back)
    elif rules.flatten_when_stop_refused:
        doing = "Closing at market now"
        draft.note(symbol, no_entry=f"{exposed.why}, and it was closed; waits until the leader is flat")
        exposure.want_closed(draft, symbol, 0, exposed.why)
    patient = mending and stop.stage is not Stage.REJECTED and draft.at < since + 2 * guards.GRACE
    if not exposed.told and not patient:
        _tell(draft, symbol, exposed, doing)


def deadlines(exposed: Exposure) -> tuple[datetime, ...]:
    """When it is mended, and when it is told if that takes long; then the same while the leader is away."""
    moments = (guards.GRACE, 2 * guards.GRACE, WHILE_AWAY, WHILE_AWAY + guards.GRACE)
    return tuple(exposed.since + moment for moment in moments)


def _enough(missing: Iterable[guards.Unit], gap: int) -> Iterator[guards.Unit]:
    """Those of the missing that make up for the gap."""
    units = [unit for unit in missing if unit.stop is not None]
    before = accumulate((unit.size for unit in units), initial=0)
    return (unit for unit, sum_before in zip(units, before, strict=False) if sum_before < gap)


def _is_behind(draft: Draft, unit: guards.Unit) -> bool:
    return unit.stop is not None and guards.covers(draft, unit.stop) and unit.stop.rest >= unit.size


def _restore(draft: Draft, symbol: Symbol, missing: Iterable[guards.Unit], rules: CopyRules, again: bool) -> None:
    """What is gone is placed anew; what is there and does not help is cancelled first. `again`: it has been tried."""
    if any(copy.stage.in_doubt for copy in draft.book.in_progress(symbol)):
        return  # it may be what is missing
    tried = draft.contract(symbol).restored_at
    if tried is not None and draft.at < tried + AT_MOST_EVERY and not draft.read_back:
        return  # it is gone again: no faster than the account is read back
    before = draft.book.copies
    for size, leg in [(unit.size, leg) for unit in missing for leg in unit.legs]:
        entry = draft.book.copies.get(leg.guards or LEADERS_OWN)
        if leg.stage in guards.GONE and not _cannot_be_copied(draft, leg, rules):
            meant = max(leg.meant, leg.filled + size)
            leg = draft.keep(evolve(leg, kind=Kind.EXIT, meant=meant, opens=0))
            attempts.put_back(draft, leg, "the leader has it, and ours is not there")
        elif leg.cancel_wanted is None and leg.order_id is not None and leg.stage is Stage.WORKING:
            if entry is not None and draft.book.asleep(leg):
                guards.withdraw(draft, leg, "it sleeps although its entry has filled; it is placed anew")
            elif again and guards.is_stop(leg):
                guards.withdraw(draft, leg, "the broker does not change its size; it is placed anew")
    if draft.book.copies is not before:  # where nothing could be done yet, the next try need not wait
        draft.note(symbol, restored_at=draft.at)


def _cannot_be_copied(draft: Draft, leg: Copy, rules: CopyRules) -> bool:
    theirs = draft.book.leaders_order(leg)
    return not leg.leg and (theirs is None or counterpart.refusal(theirs, rules) is not None)


def _refused_beforehand(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    """An entry whose stop was refused before it has filled would open a position that nothing protects."""
    for number in draft.contract(symbol).guarded if rules.flatten_when_stop_refused else ():
        entry = draft.book.copies[number]
        stop = next(
            (leg for leg in guards.of_entry(draft, entry) if guards.is_stop(leg) and leg.stage is Stage.REJECTED), None
        )
        if stop is not None and guards.wanted(draft, stop) and entry.open and entry.cancel_wanted is None:
            draft.keep(evolve(entry, cancel_wanted=_why(draft, stop)))


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
    draft.note(symbol, exposed=evolve(exposed, told=True))


def _position(net: int, symbol: Symbol) -> str:
    return f"{'long' if net > 0 else 'short'} {abs(net)} {symbol}"


def _why(draft: Draft, stop: Copy) -> str:
    """What is the matter with this stop, in words."""
    price = stop.terms.stop_price if stop.terms is not None else None
    name = f"stop {price}" if price is not None else "its stop"
    if stop.stage is Stage.REJECTED or (stop.stage is Stage.HELD and stop.refusals):
        return f"{name} refused ({stop.reason})"
    if not template.has_a_price(stop):
        return f"its stop waits for the broker to say what a tick of {stop.symbol} is"
    if stop.stage is Stage.SKIPPED:
        return f"{name} was not copied ({stop.reason})"
    if draft.book.asleep(stop):
        return f"{name} sleeps at the broker"
    if stop.stage is Stage.WORKING:
        return f"{name} is too small"
    return f"{name} is {stop.stage.outcome}"
