"""What the book still wants: held exits, changes of working orders, orders that are not chased, closings at market.

Rule 1: level-triggered: whatever the last event was, `advance` looks at each contract and asks for what may be asked.
Rule 2: one rule for all exits: market reductions in flight never exceed our position; our own resting exits of that
        contract are cancelled, and confirmed cancelled, before a close at market.
Rule 3: one request at a time for each order, so AnotherCommandPending is not of our doing; the newest terms win.
Rule 4: while an order of the contract is in doubt, nothing is closed: two unknowns at once cannot be told apart.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs

from statecharts import closing, exposure, facts, flattening, follower, openings, sizing
from statecharts.book import LEADERS_OWN, Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import CancelOrder, ModifyOrder, Priority, Severity
from statecharts.identity import client_order_id
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import BrokerAccountId, Order, OrderType, Status, Symbol

PENDING_NEW = timedelta(seconds=2)  # risk and exchange take milliseconds; after this the event that says so is lost


def advance(draft: Draft, rules: CopyRules) -> None:
    """Asks for everything that may be asked for now, in every contract. Only while Copying."""
    book = draft.book
    waiting = {
        s for s, c in book.contracts.items() if c.close_to is not None or c.own or c.no_entry or c.retry_at or c.left
    }
    for symbol in sorted(waiting | {s for s, copies in book.open.items() if copies}):
        _advance(draft, symbol, rules)


def next_deadline(draft: Draft, rules: CopyRules) -> datetime | None:
    """When the book wants to be looked at again, if nothing happens before."""
    deadlines = [c.retry_at for c in draft.book.contracts.values() if c.retry_at is not None]
    deadlines.extend(draft.book.asked.values())
    for copy in draft.book.all_open():
        if copy.chase_at is not None and copy.stage is not Stage.HELD and copy.pending is None:
            deadlines.append(copy.chase_at)
        if _waits_to_change(copy):
            deadlines.append(_not_before(copy))
        if copy.lost_at is not None and not copy.trades:
            deadlines.append(copy.lost_at + rules.settle)
    return min(deadlines, default=None)


def _advance(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    current = not draft.book.held_back()
    contract = draft.contract(symbol)
    if current and contract.no_entry is not None and exposure.leader_done(draft.book, symbol, rules):
        draft.note(symbol, no_entry=None)
    if contract.left and not contract.own:
        draft.note(symbol, left=False)
    ready = contract.retry_at is None or contract.retry_at <= draft.at
    if ready:
        draft.note(symbol, retry_at=None)
    latched = flattening.pursue(draft, symbol)
    for copy in tuple(draft.book.in_progress(symbol)):
        _unanswered_change(draft, copy, rules)
    for copy in tuple(draft.book.in_progress(symbol)):
        _chase(draft, copy, rules)
    if current and not latched:
        _flat_with_the_leader(draft, symbol, rules)
        _on_the_leaders_side(draft, symbol, rules)
        _exit_what_became_ours(draft, symbol, rules)
    if ready:
        closing.close(draft, symbol, rules, current)
    for copy in tuple(draft.book.in_progress(symbol)):
        if copy.stage is Stage.HELD:
            _release(draft, copy, rules, current, ready)
    if current and not latched:
        _within_ours(draft, symbol)
    for copy in sorted(draft.book.in_progress(symbol), key=lambda one: one.kind is not Kind.ENTRY):
        _change(draft, copy)


def _within_ours(draft: Draft, symbol: Symbol) -> None:
    """A resting exit takes no more than is ours, or than our openings may still bring: the rest of it would open."""
    theirs = draft.book.theirs
    assert theirs is not None, "the leader's view is current"
    in_progress = [c for c in draft.book.in_progress(symbol) if c.trades]
    for copy in in_progress:
        order = follower.leaders(draft, copy)
        if copy.verb is not Verb.PLACE or copy.stage not in (Stage.ACCEPTED, Stage.WORKING) or copy.cancel_wanted:
            continue
        if order is None or not order.rest or copy.terms is None:
            continue
        held = theirs.position(order.symbol) - order.net
        if sizing.kind_of(held, order.side, order.rest) is not Kind.EXIT:
            continue
        coming = sum(c.rest for c in in_progress if c.side is not copy.side and c.kind is not Kind.EXIT)
        room = max(0, -copy.side.sign * draft.contract(symbol).own) + coming
        if not room:
            draft.keep(attrs.evolve(copy, cancel_wanted="nothing of ours is left for it to exit"))
        elif copy.rest > room:
            wanted = attrs.evolve(copy.wanted or copy.terms, quantity=copy.filled - copy.earlier + room)
            draft.keep(attrs.evolve(copy, wanted=wanted))


def _unanswered_change(draft: Draft, copy: Copy, rules: CopyRules) -> None:
    """A change without an answer: the order has not shown it within the settling time, so it is asked for again."""
    if copy.trades or copy.lost_at is None or draft.at < copy.lost_at + rules.settle:
        return
    draft.news(copy, News.ABSENT, "no answer, and the order does not show the change")
    draft.change_ended(copy)


def _chase(draft: Draft, copy: Copy, rules: CopyRules) -> None:
    """The leader's order is complete and ours is not: entries are cancelled, exits are made certain at market."""
    if copy.chase_at is None or copy.chase_at > draft.at or copy.pending is not None or copy.stage is Stage.HELD:
        return
    if copy.stage.in_doubt:
        draft.keep(attrs.evolve(copy, chase_at=draft.at + rules.chase_after))
        return
    draft.keep(attrs.evolve(copy, chase_at=None, cancel_wanted="the leader's order is complete; ours is not chased"))
    contract = draft.contract(copy.symbol)
    if copy.kind is Kind.EXIT and contract.close_to is None:
        exposure.want_as_leader(draft, copy.symbol, rules, "the leader's exit is complete and ours is not")


def _flat_with_the_leader(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    """The leader flat means the follower flat: what no order of ours is about to close is closed at market."""
    contract = draft.contract(symbol)
    if contract.left or contract.close_to is not None:
        return
    if not contract.own or not exposure.leader_flat(draft.book, symbol, rules):
        return
    in_progress = tuple(draft.book.in_progress(symbol))
    against = any(c.trades and c.side.sign * contract.own < 0 and _is_coming(draft, c) for c in in_progress)
    if not against and not any(c.stage.in_doubt for c in in_progress) and not _is_ahead(draft, symbol):
        exposure.want_closed(draft, symbol, 0, "the leader is flat")


def _on_the_leaders_side(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    """Real world: two exits of ours fill at once. A position on the other side of the leader's is closed, and paged."""
    contract = draft.contract(symbol)
    if contract.left or contract.due or contract.close_to is not None:
        return
    if contract.own * exposure.total_target(draft.book, symbol, rules) >= 0 or _is_ahead(draft, symbol):
        return
    in_progress = tuple(draft.book.in_progress(symbol))
    if any(c.stage.in_doubt or (c.trades and _is_coming(draft, c)) for c in in_progress):
        return
    why = f"we hold {contract.own}, on the other side of the leader"
    draft.tell("position.drifted", f"{symbol}: {why}. Closing at market now", Severity.PAGE, reason=why)
    exposure.want_closed(draft, symbol, 0, why)


def _exit_what_became_ours(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    """An exit that was skipped, because there was nothing of ours for it, is wanted once there is."""
    theirs = draft.book.theirs
    assert theirs is not None, "the leader's view is current"
    if not draft.contract(symbol).own:
        return
    for order in theirs.orders.values():
        copy = draft.book.copies.get(draft.book.placed.get(order.id, LEADERS_OWN))
        if copy is None or copy.symbol != symbol or copy.stage is not Stage.SKIPPED or copy.order_id is not None:
            continue
        if copy.terms is None or copy.terms.quantity:
            continue  # skipped for another reason than its size
        if order.rest and order.status is not Status.SUSPENDED:
            found = follower.size_of(draft, copy, order, rules)
            if found.kind is Kind.EXIT and found.quantity:
                meant = max(found.meant, found.quantity)
                copy = draft.keep(attrs.evolve(copy, kind=Kind.EXIT, meant=meant, opens=0))
                closing.put_back(draft, copy, "there is something of ours for it now")


def _is_ahead(draft: Draft, symbol: Symbol) -> bool:
    """Real world: our order fills before the leader's own, which it mirrors and which may still fill, or just did."""
    openings = (c for c in draft.book.copies.values() if c.symbol == symbol and c.kind is not Kind.EXIT and c.filled)
    return any(_may_fill(follower.leaders(draft, copy)) for copy in openings)


def _may_fill(theirs: Order | None) -> bool:
    """Are there fills of this order still to be told? Busted ones have been."""
    if theirs is None or (theirs.status.finished and theirs.status is not Status.FILLED):
        return False
    return theirs.terms is not None and sum(fill.quantity for fill in theirs.fills) < theirs.terms.quantity


def _is_coming(draft: Draft, copy: Copy) -> bool:
    """Is this order about to close? One that rests at the leader too, untouched, is not."""
    theirs = follower.leaders(draft, copy)
    at_market = copy.terms is not None and copy.terms.order_type is OrderType.MARKET
    return at_market or copy.stage is Stage.HELD or theirs is None or theirs.filled > 0


def _release(draft: Draft, copy: Copy, rules: CopyRules, current: bool, ready: bool) -> None:
    """An exit that waited for its entry is sent with the size of what the entry has become."""
    order = follower.leaders(draft, copy)
    ended = order is not None and order.status.finished and order.status is not Status.FILLED and not order.filled
    if copy.cancel_wanted is not None or order is None or order.terms is None or ended:
        draft.news(copy, News.GIVEN_UP, copy.cancel_wanted or "the leader's order is gone")
        return
    found = follower.held_size(draft, copy, order)
    awaited = follower.awaited(draft, copy, found)
    for entry in awaited:
        if entry.chase_at is not None and entry.stage is not Stage.HELD and not entry.cancel_wanted:
            draft.keep(attrs.evolve(entry, cancel_wanted="the leader's is complete and already being exited"))
    if awaited or (found.kind is not Kind.EXIT and not current) or (found.quantity and not ready):
        return
    found = openings.allowed(draft, copy, found, openings.bar(draft, order, copy.symbol, rules))
    if found.quantity <= 0:
        draft.news(copy, News.GIVEN_UP, facts.nowhere(draft.book, copy.symbol) or found.why_nothing)
        return
    terms = attrs.evolve(sizing.asked(order.terms, order.symbol, rules), quantity=found.quantity)
    chase_at = draft.at + rules.chase_after if order.status.finished else None
    released = attrs.evolve(copy, kind=found.kind, terms=terms, wanted=None, reason=None, chase_at=chase_at)
    follower.send(draft, released, rules)


def _waits_to_change(copy: Copy) -> bool:
    """Exactly what `_change` will send at `_not_before`: a deadline that nobody answers would ring without end."""
    wanted = copy.cancel_wanted is not None or (copy.wanted is not None and copy.wanted != copy.terms)
    able = copy.trades and copy.order_id is not None and copy.pending is None
    return wanted and able and copy.stage in (Stage.ACCEPTED, Stage.WORKING)


def _not_before(copy: Copy) -> datetime:
    """When the order may be asked to change. Accepted is not yet working: its own New command is still pending."""
    moments = [copy.decided_at]
    if copy.stage is Stage.ACCEPTED:
        moments.append((copy.answered_at or copy.decided_at) + PENDING_NEW)
    if copy.ask_after is not None:
        moments.append(copy.ask_after)
    return max(moments)


def _change(draft: Draft, copy: Copy) -> None:
    """Sends the newest wish for a working order, when no other request for it is under way."""
    if not copy.trades or copy.order_id is None or copy.pending is not None:
        return
    if copy.stage not in (Stage.ACCEPTED, Stage.WORKING) or _not_before(copy) > draft.at:
        return
    if copy.cancel_wanted is not None:
        change = _changing(draft, copy, Verb.CANCEL, copy.cancel_wanted)
        draft.do(
            CancelOrder(
                copy=change.id,
                client_id=change.client_id,
                account=_account(draft),
                priority=Priority.CANCEL,
                order_id=copy.order_id,
            )
        )
    elif copy.wanted is not None and copy.wanted != copy.terms:
        change = _changing(draft, copy, Verb.MODIFY, None)
        draft.do(
            ModifyOrder(
                copy=change.id,
                client_id=change.client_id,
                account=_account(draft),
                priority=Priority.MODIFY,
                order_id=copy.order_id,
                terms=copy.wanted,
            )
        )


def _changing(draft: Draft, copy: Copy, verb: Verb, reason: str | None) -> Copy:
    book = draft.book
    assert book.mine is not None, "copying begins with both views"
    assert book.theirs is not None, "copying begins with both views"
    name = client_order_id(
        book.theirs.broker_id, book.mine.broker_id, copy.wanted_version or copy.cause, verb.value, 0, copy.changes
    )
    change = Copy(
        id=name,
        client_id=name,
        copy=copy.copy,
        verb=verb,
        symbol=copy.symbol,
        side=copy.side,
        stage=Stage.INTENDED,
        decided_at=draft.at,
        cause=copy.wanted_version,
        kind=copy.kind,
        terms=copy.wanted if verb is Verb.MODIFY else copy.terms,
        leader_order_id=copy.leader_order_id,
        leader_symbol=copy.leader_symbol,
        subject=copy.id,
        order_id=copy.order_id,
        reason=reason,
    )
    draft.keep(attrs.evolve(copy, pending=change.id, changes=copy.changes + 1, ask_after=None))
    return draft.keep(change)


def _account(draft: Draft) -> BrokerAccountId:
    assert draft.book.mine is not None
    return draft.book.mine.broker_id
