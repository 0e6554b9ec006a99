"""What must hold of every turn, whatever was decided in it and why: looked at before anything of it leaves.

Rule 1: an invariant is judged by the event, the book before and after it, and what the turn wants done. It asks none
        of those who have decided, so that one mistake is not made twice.
Rule 2: only what the turn has touched is looked at: what a human closes meanwhile, or a cap that was lowered, breaks
        nothing.
Rule 3: nothing is mended here. `monitor.py` takes out what is named, and what opens; the simulation fails by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from statecharts import flattening, indexes, sizing, strangers, unknowns
from statecharts.bars import Bar
from statecharts.book import LEADERS_OWN, NOTHING, Book, Copies, Copy
from statecharts.effects import Effect, Leg, ModifyOrder, PlaceOrder, Request
from statecharts.events import (
    Event,
    LeaderEvent,
    LookedUp,
    NeverSent,
    OrderSeen,
    RequestPenalised,
    RequestRefused,
    SnapshotTaken,
)
from statecharts.order import Stage
from statecharts.rules import CopyRules, Rules
from statecharts.sizing import Kind
from statecharts.values import OrderType, Symbol

_NOT_PROCESSED = (NeverSent, RequestRefused, RequestPenalised)
_PLACED = (PlaceOrder, Leg)


@attrs.define(kw_only=True)
class Seen:
    """One turn from outside. `rules` are those in force; `acting`: the account is Copying; `no_openings` as its own.

    It lives for one look, as a draft does for one step: to make one that is frozen takes three times as long.
    """

    event: Event
    before: Book
    after: Book
    effects: Sequence[Effect]
    rules: Rules
    acting: bool
    no_openings: str | None = None


@attrs.frozen
class Broken:
    """An invariant that does not hold. `place`: where in the effects the request stands that breaks it, if one does."""

    name: str
    why: str
    place: int | None = None


def broken(seen: Seen) -> Iterator[Broken]:
    """Everything that does not hold of this turn; nothing, in a program without a bug."""
    ids: set[str] = set()
    for place, effect in enumerate(seen.effects):
        if isinstance(effect, Request):
            together: tuple[Request | Leg, ...] = (effect, *effect.legs)
            for name, why in _of_request(seen, effect, together, ids):
                yield Broken(name, why, place)
            for one in together:
                ids.add(one.client_id)
    for _, copy in Copies.of(seen.after.copies).since(seen.before.copies):  # those that are new or have changed
        for why in indexes.misplaced(seen.after, copy):
            yield Broken("index", f"{copy.id}: {why}")
    if isinstance(seen.event, LeaderEvent) and seen.after.mine is not seen.before.mine:
        yield Broken("apart", "what the leader tells has changed what the broker tells of this account")


def opens(book: Book, effect: Effect) -> bool:
    """Would this add to a position, or is nobody sure that it would not?"""
    if isinstance(effect, ModifyOrder):
        return _grows(book, effect) is not None
    if not isinstance(effect, PlaceOrder):
        return False
    together: tuple[Request | Leg, ...] = (effect, *effect.legs)
    copies = [book.copies.get(one.copy) for one in together]
    return any(copy is None or copy.kind is not Kind.EXIT for copy in copies)


def _grows(book: Book, modify: ModifyOrder) -> Copy | None:
    """The opening that this makes larger."""
    change = book.copies.get(modify.copy)
    subject = book.copies.get(change.subject or LEADERS_OWN) if change is not None else None
    if subject is None or subject.kind is Kind.EXIT or subject.terms is None:
        return None
    return subject if modify.terms.quantity > subject.terms.quantity else None


# What a turn wants to send


def _of_request(
    seen: Seen, request: Request, together: Sequence[Request | Leg], ids: set[str]
) -> Iterator[tuple[str, str]]:
    rules, silent = seen.rules.copy, seen.after.silent_until
    if rules is None:
        yield "follower", "an order on an account that follows nobody"
        return
    if not seen.acting:
        yield "copying", f"the order {request.client_id} would leave while the account is not Copying"
    if silent is not None and silent > seen.event.at:
        yield "silence", f"the order {request.client_id} would leave while the broker waits for a captcha"
    for one in together:
        copy = seen.after.copies.get(one.copy)
        if one.client_id in ids:
            yield "once", f"the order {one.client_id} would be sent twice"
        elif copy is None or not _is_written(copy, one):
            yield "intent", f"the order {one.client_id} is not in the book as it would be sent"
        else:
            if (why := _sent_before(seen, copy, rules)) is not None:
                yield "once", why
            if (why := _copied_before(seen, copy)) is not None:
                yield "one copy", why
            if isinstance(request, PlaceOrder):
                yield from _placement(seen, copy, rules)
    larger = _grows(seen.after, request) if isinstance(request, ModifyOrder) else None
    if larger is not None and isinstance(request, ModifyOrder):
        there = seen.after.in_progress(larger.symbol)
        for why in _bars(seen, larger, there):
            yield "bars", f"{larger.symbol} would be opened further, and {why}"
        rest = request.terms.quantity - larger.filled + larger.earlier
        yield from _beyond_the_cap(seen, larger, there, rest, rules)


def _is_written(copy: Copy, sent: Request | Leg) -> bool:
    same = copy.client_id == sent.client_id and copy.stage is Stage.INTENDED
    if isinstance(sent, _PLACED):
        same = same and (copy.terms is sent.terms or copy.terms == sent.terms) and copy.side is sent.side
    if isinstance(sent, PlaceOrder):
        same = same and copy.symbol == sent.symbol
    return same


def _sent_before(seen: Seen, copy: Copy, rules: CopyRules) -> str | None:
    """Is this attempt, or an earlier one of the same copy, perhaps at the broker already?"""
    before = seen.before.copies.get(copy.id)
    named = seen.before.names.get(copy.client_id)
    if named is not None and (before is None or named != copy.id):
        return f"{copy.client_id} is the name of another order of ours"
    if before is None or before.stage is Stage.HELD:
        return None  # new, or it waits for its time: for the first time, or because the broker has put it off
    if named is not None and not _was_not_processed(seen.event, before):
        return f"the order {copy.client_id} would be sent again"
    if before.open and not _was_not_processed(seen.event, before) and not _has_ended(seen, before, rules):
        return f"the order {copy.id} would be sent anew, and an earlier attempt may be at the broker"
    return None


def _was_not_processed(event: Event, before: Copy) -> bool:
    return isinstance(event, _NOT_PROCESSED) and event.copy in (before.id, before.sent_with)


def _has_ended(seen: Seen, before: Copy, rules: CopyRules) -> bool:
    """Has the broker just shown the end of its order, or agreed twice, after the settling time, that there is none?"""
    match seen.event:
        case OrderSeen(orders=orders):
            pass
        case SnapshotTaken(snapshot=snapshot):
            orders = tuple(snapshot.orders.values())
        case LookedUp(copy=asked) if asked in (before.id, before.sent_with):
            carrier = seen.before.copies[asked]
            settled = (carrier.lost_at or carrier.decided_at) + rules.settle
            return carrier.absent + 1 >= unknowns.LOOK_UPS_THAT_AGREE and seen.event.asked_at >= settled
        case _:
            return False
    return any(order.status.finished and seen.after.orders.get(order.id) == before.id for order in orders)


def _copied_before(seen: Seen, copy: Copy) -> str | None:
    """One copy for each order of the leader's, in mode "fills" for each execution."""
    found = indexes.leaders_row(seen.after, copy)
    if found == copy.id or (found == LEADERS_OWN and copy.id in seen.before.copies):
        return None
    what = f"order {copy.leader_order_id}" if copy.leader_fill_id is None else f"execution {copy.leader_fill_id}"
    return f"the leader's {what} has another copy, or was there before copying began"


# What a turn wants to place


def _placement(seen: Seen, copy: Copy, rules: CopyRules) -> Iterator[tuple[str, str]]:
    assert copy.terms is not None, "what is in the book as it would be sent has the terms of the request"
    size, there = copy.terms.quantity, seen.after.in_progress(copy.symbol)
    if size < 1:
        yield "size", f"an order of {size} {copy.symbol}"
    if copy.kind is not Kind.EXIT:
        for why in _bars(seen, copy, there):
            yield "bars", f"{copy.symbol} would be opened, and {why}"
        yield from _too_large(seen, copy, there, size, rules)
    elif copy.terms.order_type is OrderType.MARKET:
        leaving, own = sum([one.rest for one in there if _leaves(one, copy)]), _own(seen, copy)
        if leaving > max(0, -own):
            yield "exits", f"market exits of {leaving} {copy.symbol} would be on their way, and we own {abs(own)}"
    if copy.kind is Kind.EXIT and _in_doubt(there, copy):
        yield "doubt", f"{copy.symbol} would be exited beside an order that is looked up"


def _bars(seen: Seen, copy: Copy, there: Sequence[Copy]) -> Iterator[str]:
    """What has barred openings since before this turn, or came with its event. `there`: all in its contract."""
    book = seen.after
    was, now = seen.before.contracts.get(copy.symbol, NOTHING), book.contracts.get(copy.symbol, NOTHING)
    if seen.no_openings is not None:
        yield seen.no_openings
    for bar, why in book.barred.items():
        if bar is not Bar.RUNAWAY or bar in seen.before.barred:  # the order that is one too many trips it, and goes
            yield why
    if book.held_back():
        yield "the leader's view is not current, or not compared with ours"
    latch = flattening.latched(book, copy.symbol)
    if latch is not None:
        yield f"it is flattened: {latch.why}"
    if strangers.quarantined(was) and strangers.quarantined(now):
        yield "it is quarantined"
    if was.no_entry is not None and now.no_entry is not None:
        yield now.no_entry
    if _in_doubt(there, copy):
        yield "an order in it is looked up"


def _in_doubt(there: Sequence[Copy], but: Copy) -> bool:
    return bool([one for one in there if one.stage is Stage.UNKNOWN and one.trades and one.id != but.id])


def _own(seen: Seen, copy: Copy) -> int:
    """Our position as seen from the side of the order."""
    return copy.side.sign * seen.after.contract(copy.symbol).own


def _too_large(seen: Seen, copy: Copy, there: Sequence[Copy], size: int, rules: CopyRules) -> Iterator[tuple[str, str]]:
    opening = copy.opens if copy.kind is Kind.REVERSAL else size
    most = sizing.agreement(copy.leader_symbol or copy.symbol, rules).max_order
    if most is not None and opening > most:
        yield "max_order", f"an order would open {opening} {copy.symbol}, and max_order is {most}"
    yield from _beyond_the_cap(seen, copy, there, size, rules)


def _beyond_the_cap(
    seen: Seen, copy: Copy, there: Sequence[Copy], size: int, rules: CopyRules
) -> Iterator[tuple[str, str]]:
    """Judged of what is asked for: what fills was asked for, or no code could prevent it. `excess.py` closes that."""
    cap, own = _cap(copy.symbol, rules), _own(seen, copy)
    if cap is None:
        return
    beside = 0
    entries = {c.id: c for c in there if _enters_beside(c, copy)} if copy.kind is Kind.ENTRY else {}
    if entries:
        beside = sum(one.rest for one in entries.values() if one.mate not in entries or (one.mate or "") > one.id)
    if own + size + beside > max(cap, own):
        yield "max_position", f"{own + size + beside} {copy.symbol} could become ours, and max_position is {cap}"


def _enters_beside(other: Copy, copy: Copy) -> bool:
    enters = other.trades and other.kind is Kind.ENTRY and other.side is copy.side
    return enters and other.id not in (copy.id, copy.mate)


def _leaves(one: Copy, copy: Copy) -> bool:
    at_market = one.terms is not None and one.terms.order_type is OrderType.MARKET
    return one.trades and at_market and one.kind is Kind.EXIT and one.side is copy.side and one.stage is not Stage.HELD


def _cap(symbol: Symbol, rules: CopyRules) -> int | None:
    """The largest cap that has been agreed for what is copied into this contract, else the configured one."""
    caps = [one.max_position for one in rules.agreed.values() if one.to == symbol] or [rules.max_position]
    known = [cap for cap in caps if cap is not None]
    return max(known) if len(known) == len(caps) else None
