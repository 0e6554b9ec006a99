"""Orders of the leader that belong together, as ours: an OCO of two, and an entry with its children.

Rule 1: it is decided once, when an order is first considered: what is known of its family (`families.py`) by then goes
        out with it in one request. An OCO of the leader's is an OCO of ours, an entry with its children an OSO: so we
        stay protected when nobody is there.
Rule 2: children that come later, and those that one OSO cannot hold, are held in the book until their entry has filled
        (`protection.py` sizes and places them).
"""

from __future__ import annotations

from collections.abc import Sequence

from statecharts import counterpart, guards, legs, placement, template
from statecharts.book import LEADERS_OWN, Book, Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import Leg
from statecharts.evolution import evolve
from statecharts.families import children_of, partner_of, view_of
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import CopyId, Order

BRACKETS = 2  # that an OSO has room for (Tradovate OpenAPI, placeOSO)


def _copy_of(book: Book, order: Order) -> Copy | None:
    return book.copies.get(book.placed.get(order.id, LEADERS_OWN))


# Children


def hold(draft: Draft, order: Order, rules: CopyRules) -> bool:
    """A child whose entry has a copy waits for what that fills. Answers whether this order is such a child."""
    entry = _entry_of(draft, order)
    if entry is None or counterpart.refusal(order, rules) is not None:
        return False
    leg = _guard(draft, order, entry, rules)
    if not entry.open and not entry.filled:
        why = "nothing of ours came of the entry that it belongs to"
        draft.skip(evolve(leg, stage=Stage.SKIPPED, reason=why), why)
    else:
        draft.keep(evolve(leg, stage=Stage.HELD, reason="waits for its entry to fill"))
    guards.assign(draft, entry, leg)  # of an entry that has come to nothing too: when it comes again, so do its exits
    return True


def _entry_of(draft: Draft, order: Order) -> Copy | None:
    """The copy of ours that fills what this child of the leader's protects."""
    parent = view_of(draft).orders.get(order.parent_id) if order.parent_id is not None else None
    entry = _copy_of(draft.book, parent) if parent is not None else None
    if parent is None or entry is None or parent.side is order.side:
        return None
    return None if entry.kind is Kind.EXIT or entry.stage is Stage.SHADOWED else entry


def _guard(draft: Draft, order: Order, entry: Copy, rules: CopyRules) -> Copy:
    """The copy of a child, as large as its entry."""
    assert order.terms is not None, "a child is copied by its terms"
    quantity = entry.terms.quantity + entry.earlier if entry.terms is not None else 0
    leg = counterpart.new_copy(draft, order, rules)
    terms = evolve(counterpart.asked(draft, leg, order, order.terms), quantity=quantity)
    return evolve(leg, kind=Kind.EXIT, terms=terms, meant=quantity, guards=entry.id)


def held_together(draft: Draft, copy: Copy) -> list[Copy]:
    """The copy, when it is held and waits for no entry of its own, and its partner when that is so held too."""
    if copy.verb is not Verb.PLACE or copy.stage is not Stage.HELD or guards.waits_for_its_entry(draft, copy):
        return []
    theirs = draft.book.leaders_order(copy)
    partner = partner_of(view_of(draft), theirs) if theirs is not None else None
    other = _copy_of(draft.book, partner) if partner is not None else None
    if other is None or other.stage is not Stage.HELD or guards.waits_for_its_entry(draft, other):
        return [copy]
    return [copy, other]


# What goes out


def send(draft: Draft, copies: Sequence[Copy], rules: CopyRules) -> None:
    """Sends copies that have their sizes: two that belong together as an OCO, an entry with its children as an OSO."""
    left = list(copies)
    while left:
        first = left.pop(0)
        other = next((one for one in left if _are_partners(draft, first, one)), None) if left else None
        if other is not None:
            left.remove(other)
            _send_oco(draft, first, other, rules)
        else:
            _send_alone(draft, first, rules)


def _are_partners(draft: Draft, one: Copy, other: Copy) -> bool:
    if one.leg or other.leg:
        return one.guards == other.guards and bool(one.leg and other.leg)
    theirs = draft.book.leaders_order(one)
    partner = partner_of(view_of(draft), theirs) if theirs is not None else None
    return partner is not None and partner.id == other.leader_order_id


def _send_oco(draft: Draft, first: Copy, other: Copy, rules: CopyRules) -> None:
    """One cancels the other. Both have the size of the smaller one; the larger is changed to its own afterwards."""
    if rules.shadow:
        placement.send(draft, first, rules)
        placement.send(draft, other, rules)
        return
    assert first.terms is not None, "what is sent has its terms"
    assert other.terms is not None, "what is sent has its terms"
    size = min(first.terms.quantity, other.terms.quantity)
    first = _going_out(draft, first, size, mate=other.id)
    other = _going_out(draft, other, size, mate=first.id, sent_with=first.id)
    draft.keep(first)
    draft.keep(other)
    placement.send(draft, first, rules, other=_leg(other))


def _send_alone(draft: Draft, copy: Copy, rules: CopyRules) -> None:
    order = draft.book.leaders_order(copy)
    if order is None or copy.kind is Kind.EXIT or rules.shadow:
        placement.send(draft, copy, rules)
        return
    children = children_of(view_of(draft), order)
    if children:
        children = [
            child
            for child in children
            if _copy_of(draft.book, child) is None
            and child.terms is not None
            and counterpart.refusal(child, rules) is None
        ]
    if copy.kind is Kind.ENTRY and _fit_one_oso(order, children):
        draft.keep(copy)
        _send_oso(draft, copy, [_guard(draft, child, copy, rules) for child in children], rules)
        return
    copy, exits = (copy, []) if children else template.along(draft, copy, order, rules)
    if exits:
        _send_oso(draft, draft.keep(copy), exits, rules)
        return
    placement.send(draft, copy, rules)
    for child in children:
        hold(draft, child, rules)


def _fit_one_oso(order: Order, children: Sequence[Order]) -> bool:
    """One or two children, for all of the entry; of two, one cancels the other."""
    if not 0 < len(children) <= BRACKETS or order.terms is None:
        return False
    whole = (order.terms.quantity, order.filled)
    if any(child.terms is None or child.terms.quantity not in whole or child.side is order.side for child in children):
        return False
    return len(children) == 1 or children[0].oco_id == children[1].id


def _send_oso(draft: Draft, entry: Copy, exits: Sequence[Copy], rules: CopyRules) -> None:
    """The entry is in the book already."""
    for leg, other in zip(exits, reversed(exits), strict=True):
        assert leg.terms is not None, "a guard has terms"
        mate = other.id if other is not leg else None
        draft.keep(_going_out(draft, leg, leg.terms.quantity, mate=mate, sent_with=entry.id))
    guards.assign(draft, entry, *exits)
    placement.send(draft, draft.book.copies[entry.id], rules, brackets=tuple(_leg(leg) for leg in exits))


def newest(draft: Draft, leg: Copy) -> Copy:
    """A wanted exit as the leader has it now, or its template."""
    if leg.leg:
        return template.newest(draft, leg)
    theirs = draft.book.leaders_order(leg)
    assert theirs is not None, "wanted by the leader"
    assert theirs.terms is not None, "an order with a rest has terms"
    terms = counterpart.asked(draft, leg, theirs, theirs.terms)
    return evolve(leg, terms=terms, wanted_version=theirs.version or leg.wanted_version)


def once_more(draft: Draft, entry: Copy) -> tuple[Leg, ...]:
    """The legs of an entry that the broker has put off with it: they go again with it, as the leader has them now."""
    assert entry.terms is not None, "an entry that was sent has its terms"
    held = [leg for leg in legs.of(draft.book, entry) if leg.stage is Stage.HELD]
    put_off = [leg for leg in held if guards.waits_for_its_entry(draft, leg)]
    again = []
    for leg, other in zip(put_off, reversed(put_off), strict=True):
        now = evolve(newest(draft, leg), wanted=None, reason=None, ask_after=None)
        mate = other.id if other is not leg else None
        going = _going_out(draft, now, entry.terms.quantity, mate=mate, sent_with=entry.id)
        again.append(draft.keep(evolve(going, wanted=None)))
    return tuple(_leg(leg) for leg in again)


def _going_out(
    draft: Draft, copy: Copy, size: int, *, mate: CopyId | None = None, sent_with: CopyId | None = None
) -> Copy:
    assert copy.terms is not None, "what is sent has its terms"
    terms = evolve(copy.terms, quantity=size)
    wanted = copy.terms if copy.terms != terms else None
    return evolve(
        copy, stage=Stage.INTENDED, decided_at=draft.at, terms=terms, wanted=wanted, mate=mate, sent_with=sent_with
    )


def _leg(copy: Copy) -> Leg:
    assert copy.terms is not None, "what is sent has its terms"
    return Leg(copy=copy.id, client_id=copy.client_id, side=copy.side, terms=copy.terms)
