"""The template bracket: a stop, and a target where one is configured, for an entry that comes without protection.

Rule 1: it is measured in ticks from the price at which our entry has first filled; while it rests, from its own price.
Rule 2: an entry that rests at a price takes its legs along in one OSO. One whose price nobody knows (at market,
        trailing, at once or not at all), or whose tick is not known yet, is followed by them when it has filled
        (`protection.py` places and sizes them).
Rule 3: an entry of which the leader shows a stop when it goes out gets none; where he shows a target only, it gets the
        stop alone. What is a stop is what is one for this follower: an inverse one has his targets for stops.
Rule 4: a stop of the leader's that comes later takes over: the template's shrink by as much as his protect, once they
        work, and when they protect all of ours it is over for good. So protection is never away, and it is doubled for
        no longer than a cancel takes.
Rule 5: it is over, too, when nothing of ours is left. A rule that is changed meanwhile holds for later entries.
What it has taken out while the leader stays in is `stopped_out.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from statecharts import counterpart, families, guards, sizing, stopped_out
from statecharts.book import STOP_LEG, TARGET_LEG, Copy, Verb
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.identity import client_order_id
from statecharts.order import News, Stage
from statecharts.rules import CopyRules, Template
from statecharts.sizing import Kind
from statecharts.terms import AT_ONCE, rounded
from statecharts.values import Order, OrderType, Symbol, Terms, TimeInForce

# When the entry goes out


def along(draft: Draft, entry: Copy, order: Order, rules: CopyRules) -> tuple[Copy, list[Copy]]:
    """The entry, and the legs that go out with it in one request; none when they can only follow it."""
    template = None if entry.kind is not Kind.ENTRY or order.filled else _for(draft, entry, rules)
    if template is None:
        return entry, []
    if any(leg.leg for leg in guards.of_entry(draft, entry)):  # it comes again: those of before follow, as new attempts
        return entry, []
    measured = evolve(entry, template=template, measured=_rests_at(entry))
    legs = list(_legs(draft, measured, template))
    return (measured, legs) if all(has_a_price(leg) for leg in legs) else (entry, [])


def provide(draft: Draft, entry: Copy, rules: CopyRules) -> None:
    """An opening goes out: the legs that are to protect it wait for what it fills, unless they go out with it."""
    template = entry.template or _for(draft, entry, rules)
    if template is None:
        return
    entry = draft.keep(evolve(entry, template=template))
    known = [leg for leg in guards.of_entry(draft, entry) if leg.leg]
    for leg in known:
        if leg.stage is not Stage.INTENDED:  # it does not go out with it: it has before, and follows
            draft.keep(evolve(leg, restore=True))
    if known:
        return
    legs = [draft.keep(leg) for leg in _legs(draft, entry, template)]
    guards.assign(draft, entry, *legs)


def _for(draft: Draft, entry: Copy, rules: CopyRules) -> Template | None:
    """What the template has to give to this order, beside what the leader has for it."""
    if rules.template is None or entry.kind is Kind.EXIT or entry.verb is not Verb.PLACE:
        return None
    order, view = draft.book.leaders_order(entry), draft.book.theirs
    if order is None or view is None or rules.mode == "fills":  # there his resting orders are nothing to us
        return rules.template
    children = [child for child in families.children_of(view, order) if child.rest]
    if any(_is_stop(draft, child, rules) for child in children):
        return None
    return evolve(rules.template, target=None) if children else rules.template


def _is_stop(draft: Draft, child: Order, rules: CopyRules) -> bool:
    """Does this child of the leader's limit a loss of ours?"""
    if child.terms is None or counterpart.refusal(child, rules) is not None:
        return False
    return counterpart.asked(draft, counterpart.new_copy(draft, child, rules), child, child.terms).order_type.stops


def _legs(draft: Draft, entry: Copy, template: Template) -> Iterator[Copy]:
    for number in (STOP_LEG, TARGET_LEG) if template.target is not None else (STOP_LEG,):
        leg = _leg(draft, entry, number)
        yield evolve(leg, terms=_priced(draft, entry, leg))


def _leg(draft: Draft, entry: Copy, number: int) -> Copy:
    book = draft.book
    assert book.mine is not None, "copying begins with both views"
    assert book.theirs is not None, "copying begins with both views"
    assert entry.terms is not None, "what is sent has its terms"
    quantity = entry.terms.quantity + entry.earlier
    name = client_order_id(book.theirs.broker_id, book.mine.broker_id, entry.cause, Verb.PLACE.value, number, 0)
    return Copy(
        id=name,
        client_id=name,
        copy=entry.copy,
        verb=Verb.PLACE,
        symbol=entry.symbol,
        side=sizing.other_side(entry.side),
        stage=Stage.HELD,
        decided_at=draft.at,
        cause=entry.cause,
        kind=Kind.EXIT,
        # A position may be held beyond the end of the session: its stop does not expire there.
        terms=Terms(quantity, OrderType.STOP if number == STOP_LEG else OrderType.LIMIT, time_in_force=TimeInForce.GTC),
        meant=quantity,
        guards=entry.id,
        leg=number,
        reason="the template's; waits for its entry to fill",
    )


# Where it is, and for how long


def look_after(draft: Draft, symbol: Symbol, rules: CopyRules, current: bool) -> None:
    """Keeps the legs of this contract's entries where they belong, and ends those that nothing needs any more."""
    if current:
        stopped_out.look_for(draft, symbol, rules)
    for number in draft.contract(symbol).guarded:
        entry = draft.book.copies[number]
        why = _over(draft, entry)
        if entry.template is not None and why is not None:
            entry = draft.keep(evolve(entry, template=None))
        legs = [leg for leg in guards.of_entry(draft, entry) if leg.leg]
        if entry.template is not None:
            _measure(draft, entry, legs)
            continue
        for leg in legs:
            _end(draft, leg, why or "its entry needs it no more")


def _over(draft: Draft, entry: Copy) -> str | None:
    """Why this entry needs no template any more. One that may still fill needs it on."""
    own = draft.contract(entry.symbol).own
    if entry.open:
        return None
    if not entry.filled:
        return "its entry came to nothing"
    if own * entry.side.sign + _brought_back(draft, entry) <= 0:
        return "nothing of ours is left for it to protect"
    if own * entry.side.sign <= 0:
        return None
    taken = guards.covered(draft, entry.symbol) >= abs(own)
    taken = taken or guards.covered(draft, entry.symbol, entry) >= min(guards.opened(entry), abs(own))
    return "the leader's own protection has taken its place" if taken else None


def _brought_back(draft: Draft, entry: Copy) -> int:
    """Real world: a closing of ours crosses with the entry, and brings back what that has taken.

    What an order opens is its own, and has a bracket of its own.
    """
    closings = (c for c in draft.book.in_progress(entry.symbol) if c.trades and c.kind is not Kind.ENTRY)
    return sum(max(0, c.rest - c.opens) for c in closings if c.side is entry.side and _at_market(c))


def _at_market(copy: Copy) -> bool:
    return copy.terms is not None and copy.terms.order_type is OrderType.MARKET


def _end(draft: Draft, leg: Copy, why: str) -> None:
    leg = draft.keep(evolve(leg, restore=False))
    if leg.stage is Stage.HELD:
        draft.news(leg, News.GIVEN_UP, why)
    elif leg.open and leg.cancel_wanted is None:
        guards.withdraw(draft, leg, why, again=False)


def _measure(draft: Draft, entry: Copy, legs: list[Copy]) -> None:
    """Its legs go along when our entry is moved, and once when it has filled elsewhere than at its price."""
    at = _measured(draft, entry)
    moved = at != entry.measured
    entry = draft.keep(evolve(entry, measured=at))
    for leg in legs:
        priced = _priced(draft, entry, leg)
        if leg.stage is Stage.HELD:
            draft.keep(evolve(leg, terms=priced))
        elif moved and leg.open and has_a_price(leg):
            wanted = evolve(priced, quantity=(leg.wanted or priced).quantity)
            draft.keep(evolve(leg, wanted=wanted))


def _measured(draft: Draft, entry: Copy) -> Decimal | None:
    if not entry.filled:
        return _rests_at(entry)
    mine = draft.book.mine
    order = mine.orders.get(entry.order_id) if mine is not None and entry.order_id is not None else None
    fills = [fill for fill in order.fills if fill.active] if order is not None else []
    return fills[0].price if fills else entry.measured


def _rests_at(entry: Copy) -> Decimal | None:
    """The price at which an order is to fill, if it has one."""
    asked = entry.terms
    if asked is None or asked.time_in_force in AT_ONCE or asked.order_type.trails:
        return None
    if asked.order_type is OrderType.LIMIT:
        return asked.price
    return asked.price if asked.stop_price is None else asked.stop_price


def newest(draft: Draft, leg: Copy) -> Copy:
    """The leg where it belongs now."""
    return evolve(leg, terms=_priced(draft, draft.book.copies[leg.guards or leg.id], leg))


def has_a_price(leg: Copy) -> bool:
    """Is it known where this leg belongs? Others have what their leader says."""
    prices = (leg.terms.price, leg.terms.stop_price) if leg.terms is not None else ()
    return not leg.leg or any(price is not None for price in prices)


def _priced(draft: Draft, entry: Copy, leg: Copy) -> Terms:
    """The leg's terms, so many ticks from its entry where both are known; off the tick it is rounded away from it."""
    assert leg.terms is not None, "a leg has terms from the beginning"
    known, template = draft.book.facts_of(leg.symbol), entry.template
    if known is None or template is None or entry.measured is None:
        return leg.terms
    ticks = entry.side.sign * (-template.stop if leg.leg == STOP_LEG else template.target or 0)
    price = rounded(entry.measured + ticks * known.tick, known.tick, up=ticks > 0)
    return evolve(leg.terms, stop_price=price) if leg.leg == STOP_LEG else evolve(leg.terms, price=price)
