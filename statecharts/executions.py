"""The leader's executions: each is one row of the copies, in mode "fills".

Rule 1: an execution gets its row when it is first seen, in every case. What moves no target, and what nothing may be
        opened for, is skipped, with why.
Rule 2: a row says by how much its execution moves the target, and how much of that opens (`Copy.opens`); caps cut the
        opening part alone. What is sent for it, and when, is decided in `fills.py`.
Rule 3: what was executed before copying began, or while it was interrupted, is not traded; the positions are compared.
"""

from __future__ import annotations

from statecharts import exposure, facts, openings, remnants, shadows, sizing
from statecharts.book import LEADERS_OWN, Book, Copy, Verb
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.identity import client_order_id
from statecharts.order import News, Stage
from statecharts.rules import Agreement, CopyRules
from statecharts.sizing import Kind
from statecharts.values import CopyId, Fill, Order, OrderType, Side, Symbol, Terms

INTERRUPTED = "it was executed while copying was interrupted; the positions are compared instead"


def of_order(draft: Draft, order: Order, rules: CopyRules, only_told: str | None = None) -> None:
    """Makes the rows of this leader order's executions that have none. `only_told` says why nothing is sent for them.

    The view holds them already; they are taken out of it, and put back one by one.
    """
    theirs = draft.book.theirs
    assert theirs is not None, "copying begins with both views"
    new = [fill for fill in order.fills if fill.id not in draft.book.executions]
    net = theirs.position(order.symbol) - order.side.sign * sum(fill.quantity for fill in new if fill.active)
    for fill in new:
        moved = order.side.sign * fill.quantity if fill.active else 0
        _record(draft, order, fill, (net, net + moved), rules, only_told)
        net += moved


def baseline(draft: Draft) -> None:
    """What the leader executed before copying began is its own affair."""
    theirs = draft.book.theirs
    assert theirs is not None, "copying begins with both views"
    before = {fill.id: LEADERS_OWN for order in theirs.orders.values() for fill in order.fills}
    draft.book = evolve(draft.book, executions={**before, **draft.book.executions})


def interrupted(draft: Draft) -> None:
    """Copying goes on after an interruption: nothing is opened any more for what was executed before now."""
    theirs = draft.book.theirs
    assert theirs is not None, "copying begins with both views"
    for copy in draft.book.all_open():
        if copy.leader_fill_id is None or copy.stage is not Stage.HELD or not copy.opens:
            continue
        if copy.kind is Kind.ENTRY:
            give_up(draft, copy, "copying was interrupted before it was sent")
        else:
            draft.keep(evolve(copy, kind=Kind.EXIT, opens=0))
    placed, known = draft.book.placed, draft.book.executions
    copied = ((placed[number], order) for number, order in theirs.orders.items() if number in placed)
    before = {fill.id: copy for copy, order in copied for fill in order.fills}  # in mode "orders", which it had then
    if before:
        draft.book = evolve(draft.book, executions={**before, **known})


def _record(
    draft: Draft, order: Order, fill: Fill, net: tuple[int, int], rules: CopyRules, only_told: str | None
) -> None:
    """The row of one execution that took the leader from the first of `net` to the second."""
    book = draft.book
    assert book.theirs is not None, "copying begins with both views"
    symbol = sizing.follower_symbol(order.symbol, rules)
    before, after = (exposure.target_of({**book.theirs.net, order.symbol: n}, symbol, rules) for n in net)
    change = after - before
    flips = before * after < 0
    opens = abs(after) if flips else max(0, abs(after) - abs(before))
    kind = Kind.REVERSAL if flips else Kind.ENTRY if opens else Kind.EXIT
    name = name_of(draft, fill)
    row = Copy(
        id=name,
        client_id=name,
        copy=rules.name,
        verb=Verb.PLACE,
        symbol=symbol,
        side=Side.of(change) if change else sizing.follower_side(order, rules),
        stage=Stage.HELD,
        decided_at=draft.at,
        cause=fill.id,
        kind=kind,
        terms=Terms(abs(change), OrderType.MARKET),
        meant=abs(change),
        opens=opens,
        leader_order_id=order.id,
        leader_fill_id=fill.id,
        leader_symbol=order.symbol,
    )
    if only_told is not None and remnants.claimed(draft, row, rules):
        return
    why_not = refusal(order) or _refusal(draft, fill, symbol) or only_told
    if why_not is None and not change:
        why_not = _why_nothing(order, net, rules)
    over = _over(book, row, abs(after), sizing.agreement(order.symbol, rules))
    if why_not is None and over == abs(change):
        why_not = "max_position is reached"
    if why_not is not None:
        draft.skip(evolve(row, stage=Stage.SKIPPED, reason=why_not), why_not)
        return
    row = draft.keep(_cut(row, over))
    if row.opens:
        barred = openings.bar(draft, order, symbol, rules)
        if barred is not None:
            row = bar(draft, row, order, barred, rules)
    if rules.shadow and row.stage is Stage.HELD:
        draft.keep(evolve(row, stage=Stage.SHADOWED, reason=shadows.WHY))


def name_of(draft: Draft, fill: Fill) -> CopyId:
    """The row of an execution, and the order that is made for it, have the same name every time."""
    book = draft.book
    assert book.mine is not None, "copying begins with both views"
    assert book.theirs is not None, "copying begins with both views"
    return client_order_id(book.theirs.broker_id, book.mine.broker_id, fill.id, Verb.PLACE.value, 0, 0)


def _over(book: Book, row: Copy, target: int, agreed: Agreement) -> int:
    """How much of what the row opens is more than one order may have, or than max_position leaves of the product."""
    over = 0 if agreed.max_order is None else row.opens - agreed.max_order
    if agreed.max_position is not None:
        over = max(over, target + exposure.beside(book, row.symbol, row.side) - agreed.max_position)
    return max(0, min(row.opens, over))


def _cut(row: Copy, over: int) -> Copy:
    """The row with so much less to open."""
    assert row.terms is not None, "an execution is followed at market"
    return evolve(
        row,
        kind=Kind.EXIT if over and over == row.opens else row.kind,
        opens=row.opens - over,
        meant=row.meant - over,
        terms=evolve(row.terms, quantity=row.terms.quantity - over),
    )


def bar(draft: Draft, row: Copy, order: Order, why: str, rules: CopyRules) -> Copy:
    """Nothing may open for this row: an entry is skipped; of a reversal the part that exits is left."""
    openings.missed(draft, order, row.symbol, why, rules)
    if row.kind is Kind.ENTRY:
        return give_up(draft, row, why)
    assert row.terms is not None, "an execution is followed at market"
    executed = sum(fill.quantity for fill in order.fills if fill.id == row.leader_fill_id)
    openings.tell_only_exits(draft, row, order.side, executed, why)
    left = evolve(row.terms, quantity=row.meant - row.opens)
    exits = evolve(row, kind=Kind.EXIT, opens=0, meant=left.quantity, terms=left, reason=f"it only exits: {why}")
    return draft.keep(exits)


def give_up(draft: Draft, row: Copy, why: str) -> Copy:
    """The row waits no longer: nothing is sent for it."""
    row = draft.news(row, News.GIVEN_UP, why)
    draft.skip(row, why)
    return row


def refusal(order: Order) -> str | None:
    """Why no execution of this order can be copied, whatever the account's state."""
    return "copierd does not copy spreads" if order.unsupported == "Spread" else None


def _refusal(draft: Draft, fill: Fill, symbol: Symbol) -> str | None:
    if not fill.active:
        return "the exchange had taken it back before it could be copied"
    return facts.nowhere(draft.book, symbol)


def _why_nothing(order: Order, net: tuple[int, int], rules: CopyRules) -> str:
    before, after = (sizing.uncapped(n, order.symbol, rules) for n in net)
    return sizing.ROUNDS_TO_NOTHING if before == after else sizing.CAPPED
