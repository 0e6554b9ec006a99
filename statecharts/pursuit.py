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

from statecharts import exposure, follower
from statecharts.book import Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import CancelOrder, ModifyOrder, Priority, Severity
from statecharts.identity import client_order_id
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import BrokerAccountId, OrderType, Side, Status, Symbol, Terms

FIRST_RETRY = timedelta(seconds=1)  # after a refused closing; doubled with each further one
LONGEST_RETRY = timedelta(seconds=30)


def advance(draft: Draft, rules: CopyRules) -> None:
    """Asks for everything that may be asked for now, in every contract. Only while Copying."""
    book = draft.book
    waiting = {s for s, c in book.contracts.items() if c.close_to is not None or c.own or c.no_entry or c.retry_at}
    for symbol in sorted(waiting | {s for s, copies in book.open.items() if copies}):
        _advance(draft, symbol, rules)


def next_deadline(draft: Draft, rules: CopyRules) -> datetime | None:
    """When the book wants to be looked at again, if nothing happens before."""
    deadlines = [c.retry_at for c in draft.book.contracts.values() if c.retry_at is not None]
    for copy in draft.book.all_open():
        if copy.chase_at is not None and copy.stage is not Stage.HELD and copy.pending is None:
            deadlines.append(copy.chase_at)
        if copy.ask_after is not None and copy.pending is None:
            deadlines.append(copy.ask_after)
        if copy.lost_at is not None and not copy.trades:
            deadlines.append(copy.lost_at + rules.settle)
    return min(deadlines, default=None)


def _advance(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    current = not draft.book.held_back()
    contract = draft.contract(symbol)
    if current and contract.no_entry is not None and exposure.leader_flat(draft.book, symbol, rules):
        draft.note(symbol, no_entry=None)
    ready = contract.retry_at is None or contract.retry_at <= draft.at
    if ready:
        draft.note(symbol, retry_at=None)
    for copy in tuple(draft.book.in_progress(symbol)):
        _unanswered_change(draft, copy, rules)
    for copy in tuple(draft.book.in_progress(symbol)):
        _chase(draft, copy, rules)
    if current:
        _flat_with_the_leader(draft, symbol, rules)
    if ready:
        _close(draft, symbol, rules)
        for copy in tuple(draft.book.in_progress(symbol)):
            if copy.stage is Stage.HELD:
                _release(draft, copy, rules, current)
    for copy in tuple(draft.book.in_progress(symbol)):
        _change(draft, copy)


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
    if not contract.own or contract.close_to is not None or not exposure.leader_flat(draft.book, symbol, rules):
        return
    in_progress = tuple(draft.book.in_progress(symbol))
    against = any(c.trades and c.side.sign * contract.own < 0 and _is_coming(draft, c) for c in in_progress)
    if not against and not any(c.stage.in_doubt for c in in_progress):
        exposure.want_closed(draft, symbol, 0, "the leader is flat")


def _is_coming(draft: Draft, copy: Copy) -> bool:
    """Is this order about to close? One that rests at the leader too, untouched, is not."""
    theirs = follower.leaders(draft, copy)
    at_market = copy.terms is not None and copy.terms.order_type is OrderType.MARKET
    return at_market or copy.stage is Stage.HELD or theirs is None or theirs.filled > 0


def _release(draft: Draft, copy: Copy, rules: CopyRules, current: bool) -> None:
    """An exit that waited for its entry is sent with the size of what the entry has become."""
    order = follower.leaders(draft, copy)
    ended = order is not None and order.status.finished and order.status is not Status.FILLED and not order.filled
    if copy.cancel_wanted is not None or order is None or order.terms is None or ended:
        draft.news(copy, News.GIVEN_UP, copy.cancel_wanted or "the leader's order is gone")
        return
    found = follower.size_of(draft, copy, order, rules)
    awaited = follower.awaited_entries(draft, copy, found)
    for entry in awaited:
        if entry.chase_at is not None and entry.stage is not Stage.HELD and not entry.cancel_wanted:
            draft.keep(attrs.evolve(entry, cancel_wanted="the leader's is complete and already being exited"))
    if awaited or (found.kind is not Kind.EXIT and not current):
        return
    found = follower.allowed(draft, copy, found, follower.bar(draft, order, copy.symbol, rules))
    quantity = found.quantity - copy.filled
    if quantity <= 0:
        draft.news(copy, News.GIVEN_UP, found.why_nothing or "earlier attempts have filled it")
        return
    terms = attrs.evolve(order.terms, quantity=quantity)
    follower.send(draft, attrs.evolve(copy, kind=found.kind, terms=terms, wanted=None, reason=None), rules)


def _change(draft: Draft, copy: Copy) -> None:
    """Sends the newest wish for a working order, when no other request for it is under way."""
    if not copy.trades or copy.order_id is None or copy.pending is not None:
        return
    if copy.stage not in (Stage.ACCEPTED, Stage.WORKING):
        return
    if copy.ask_after is not None and copy.ask_after > draft.at:
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


def _close(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    contract = draft.contract(symbol)
    if contract.close_to is None:
        return
    if contract.own == contract.close_to or exposure.goal(contract.own, contract.close_to) == contract.own:
        _closed(draft, symbol)
        return
    side = Side.of(contract.close_to - contract.own)
    in_progress = [c for c in draft.book.in_progress(symbol) if c.trades]
    exits = [c for c in in_progress if exposure.reduces(c, contract.own)]
    for copy in exits:
        if copy.stage is Stage.HELD:
            given_up = attrs.evolve(copy, restore=contract.close_to != 0)
            draft.news(given_up, News.GIVEN_UP, f"closed at market instead: {contract.close_why}")
        elif copy.cancel_wanted is None and copy.verb is Verb.PLACE:
            draft.keep(attrs.evolve(copy, cancel_wanted=contract.close_why, restore=contract.close_to != 0))
    if any(c.stage.in_doubt for c in in_progress) or any(c.stage is not Stage.HELD for c in exits):
        return
    _send_close(draft, symbol, side, abs(contract.close_to - contract.own), rules)


def _send_close(draft: Draft, symbol: Symbol, side: Side, quantity: int, rules: CopyRules) -> None:
    book = draft.book
    assert book.mine is not None, "copying begins with both views"
    assert book.theirs is not None, "copying begins with both views"
    contract = book.contract(symbol)
    name = client_order_id(
        book.theirs.broker_id, book.mine.broker_id, contract.newest_fill, Verb.CLOSE.value, 0, contract.refused
    )
    if name in book.names:  # the broker has had this very closing: it is asked for anew under the next number
        draft.note(symbol, refused=contract.refused + 1)
        _send_close(draft, symbol, side, quantity, rules)
        return
    copy = Copy(
        id=name,
        client_id=name,
        copy=rules.name,
        verb=Verb.CLOSE,
        symbol=symbol,
        side=side,
        stage=Stage.INTENDED,
        decided_at=draft.at,
        cause=contract.newest_fill,
        kind=Kind.EXIT,
        terms=Terms(quantity, OrderType.MARKET),
        reason=contract.close_why,
    )
    draft.tell(
        "position.drifted",
        f"closing {quantity} {symbol} at market ({side.value}): {contract.close_why}",
        Severity.WARNING,
        reason=contract.close_why,
        copy=copy.id,
    )
    follower.send(draft, copy, rules)


def _closed(draft: Draft, symbol: Symbol) -> None:
    """There: exits that made way for the closing, and that the leader still has, are wanted again."""
    draft.note(symbol, close_to=None, close_why=None, refused=0)
    if not draft.contract(symbol).own:
        return
    for copy in draft.book.copies.values():
        if copy.symbol == symbol and copy.restore and copy.stage in (Stage.CANCELED, Stage.SKIPPED):
            put_back(draft, copy, "it made way for a closing at market")


def put_back(draft: Draft, copy: Copy, why: str) -> None:
    """Derives an exit anew that certainly does not exist at the broker: a new attempt, so a new client order id."""
    book = draft.book
    assert book.mine is not None, "copying begins with both views"
    assert book.theirs is not None, "copying begins with both views"
    held = draft.news(copy, News.PUT_BACK, why)
    attempt = held.attempt + 1
    name = client_order_id(book.theirs.broker_id, book.mine.broker_id, held.cause, Verb.PLACE.value, 0, attempt)
    draft.keep(
        attrs.evolve(
            held,
            client_id=name,
            attempt=attempt,
            order_id=None,
            earlier=held.filled,
            cancel_wanted=None,
            wanted=None,
            ask_after=None,
            pending=None,
            restore=False,
            lost_at=None,
            absent=0,
        )
    )


def backed_off(refused: int) -> timedelta:
    """The wait after so many refused closings in a row."""
    doublings = min(refused, 10)  # a bound for the arithmetic, far beyond the longest wait
    return min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY)


def _account(draft: Draft) -> BrokerAccountId:
    assert draft.book.mine is not None
    return draft.book.mine.broker_id
