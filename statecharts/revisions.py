"""What becomes of a copy when the leader changes his order, when that fills, and when it ends.

Rule 1: ours wants what his asks for now, in our contract, on our side, at our size; `pursuit` asks when it may.
Rule 2: what bars openings bars a larger size too, but no price.
Rule 3: what he has exited is exited: an exit of ours that came to nothing is made up for, and one that rests is chased.
Rule 4: what he changes into something that cannot be copied is told once, and ours goes. But a stop of what is ours
        stays as it is: nothing could take its place.
"""

from __future__ import annotations

from statecharts import (
    changes,
    counterpart,
    exposure,
    families,
    legs,
    openings,
    resting,
    shadows,
    shares,
    shortage,
    terms,
)
from statecharts.book import LEADERS_OWN, Copy
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Order, Status, Terms, VersionId

_CAME_TO_NOTHING = frozenset({Stage.CANCELED, Stage.REJECTED, Stage.EXPIRED})


def follow(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> None:
    """A leader order that has a copy has changed: want what the leader wants; `pursuit` asks for it when it may."""
    ended_early = order.status.ended_early
    if copy.left:
        return
    if copy.stage is Stage.SHADOWED:
        _shadow(draft, copy, order, rules)
    elif not copy.open:
        if order.filled and copy.kind is not Kind.ENTRY and copy.stage in _CAME_TO_NOTHING:
            exposure.want_as_leader(draft, copy.symbol, rules, "the leader's exit has filled and ours came to nothing")
        shortage.look(draft, copy, order, rules)
        resting.come_again(draft, copy, order, rules)
    elif order.status is Status.EXPIRED and copy.stage is Stage.WORKING:
        pass  # ours expires by itself, at the broker's own hand
    elif ended_early and order.filled and copy.kind is not Kind.ENTRY:
        draft.keep(evolve(copy, chase_at=draft.at))  # what the leader has exited is exited
    elif ended_early:
        _cancel_with_leader(draft, copy, order)
    elif order.status.finished:
        copy = _newest(draft, copy, order, rules)  # he may have changed it so that it fills
        draft.keep(evolve(copy, chase_at=copy.chase_at or draft.at + rules.chase_after))
        _keep_partner(draft, copy)
    elif order.unsupported is not None:
        _cannot_follow(draft, copy, f"he has changed it into a {order.unsupported}, which copierd does not copy")
    else:
        draft.keep(_newest(draft, copy, order, rules))


def _shadow(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> None:
    """A shadow changes as the leader's order does, and what it would ask for is recorded at once."""
    if copy.cancel_wanted is not None:
        return
    if order.status.finished:
        shadows.ended(draft, copy, order)
    elif (newest := _newest(draft, copy, order, rules)) is not copy:
        shadows.record(draft, newest)


def _cancel_with_leader(draft: Draft, copy: Copy, order: Order) -> None:
    """The leader's order has ended unfilled. Where its partner has filled, and ours is still to, both of ours stay."""
    partner = families.view_of(draft).orders.get(order.oco_id) if order.oco_id is not None else None
    mate = draft.book.copies.get(copy.mate or LEADERS_OWN)
    linked = mate is not None and mate.open
    if linked and partner is not None and partner.filled and partner.status.finished:
        return
    after = copy.ask_after
    if linked and partner is not None and not partner.status.finished:
        after = draft.at + legs.BY_ITSELF  # what became of it is on its way
    why = f"the leader's order is {order.status.value.lower()}"
    draft.keep(evolve(copy, cancel_wanted=why, ask_after=after))


def _keep_partner(draft: Draft, copy: Copy) -> None:
    """The leader's order has filled: the one that was cancelled with it stays with ours, until that has filled too."""
    mate = draft.book.copies.get(copy.mate or LEADERS_OWN)
    theirs = draft.book.leaders_order(mate) if mate is not None else None
    if mate is not None and mate.open and mate.pending is None and theirs is not None and theirs.status.finished:
        draft.keep(evolve(mate, cancel_wanted=None, ask_after=None))


def _cannot_follow(draft: Draft, copy: Copy, why: str) -> None:
    if copy.reason == why or copy.cancel_wanted is not None:
        return
    stays = exposure.is_stop(copy) and exposure.reduces(copy, draft.contract(copy.symbol).own)
    draft.skip(evolve(copy, reason=why, cancel_wanted=None if stays else why), why, Severity.WARNING)


def _newest(draft: Draft, copy: Copy, order: Order, rules: CopyRules) -> Copy:
    """The copy that wants the newest terms of the leader's order."""
    if order.terms is None or order.version is None or order.version == copy.wanted_version:
        return copy
    return modified(draft, copy, order, order.terms, order.version, rules)


def modified(draft: Draft, copy: Copy, order: Order, theirs: Terms, version: VersionId, rules: CopyRules) -> Copy:
    """The copy that wants the leader's new terms. What bars openings bars a larger size too, but no price."""
    assert copy.terms is not None, "what is open has its terms"
    if copy.guards is not None:  # its size is that of what it protects
        wanted = evolve(counterpart.asked(draft, copy, order, theirs), quantity=copy.terms.quantity)
        return changes.wish(evolve(copy, wanted=wanted, wanted_version=version))
    found = shares.size_of(draft, copy, order, rules)
    present = copy.terms.quantity + copy.earlier
    if copy.stage is Stage.SHADOWED and found.kind is Kind.ENTRY and not found.quantity:
        return evolve(copy, wanted_version=version, cancel_wanted=found.why_nothing)
    whole = found.quantity or present
    if found.kind is Kind.ENTRY and copy.stage is not Stage.SHADOWED and order.rest:
        whole = min(whole, present)  # `resting.py` makes it larger, or none
    if whole > present and found.kind is not Kind.EXIT and openings.bar(draft, order, copy.symbol, rules):
        whole = present
    copy = evolve(copy, meant=max(found.meant, found.quantity), opens=found.opens, apart=shares.is_apart(draft, order))
    if copy.stage is Stage.HELD:
        return evolve(copy, wanted_version=version)  # it is sent with the newest terms
    if whole <= copy.filled:
        return evolve(copy, wanted_version=version, cancel_wanted="the leader wants no more than has filled")
    why_not = terms.unmirrored(theirs, copy.side is not order.side)
    if why_not is not None:
        return evolve(copy, wanted_version=version, cancel_wanted=why_not)
    wanted = evolve(counterpart.asked(draft, copy, order, theirs), quantity=whole - copy.earlier)
    return changes.wish(evolve(copy, wanted=wanted, wanted_version=version))
