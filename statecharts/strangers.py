"""What others do on a follower's account: by hand, by another program, by the firm.

Rule 1: the human wins: his part of a position is never touched, and while there is one nothing opens in that contract.
Rule 2: what he closes of ours is closed: ours is never more than what the account holds.
Rule 3: what the operator has released (`ownership`) is his as before, and bars nothing; the next trade bars again,
        unless it only makes that part smaller.
Rule 4: an order of his that works bars before it has filled, and as long as it works: nobody knows when it fills.
        An order that a request of ours may yet claim is nobody's so far.
Rule 5: an order may be claimed late, when the request has been given up. Then it is counted once, as ours.
"""

from __future__ import annotations

from statecharts import changes, exposure, firm
from statecharts.book import Contract, Copy
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve
from statecharts.values import Order, OrderId, Symbol


def quarantined(contract: Contract) -> bool:
    """Is there a part that is not ours, or an order that may make one, beyond what was released?"""
    return bool(contract.beside) or (contract.foreign != 0 and _beyond(contract, contract.foreign))


def _beyond(contract: Contract, foreign: int) -> bool:
    """Is so large a part of somebody else's more than was released?"""
    return not min(0, contract.accepted) <= foreign <= max(0, contract.accepted)


def divided(contract: Contract, there: int) -> tuple[int, int]:
    """Of the whole position `there`: what is ours, and what is not. A part on the other side is his once released."""
    beside = contract.accepted if contract.accepted * contract.own < 0 else 0
    own = exposure.goal(contract.own, there - beside)
    return own, there - own


def note(draft: Draft, symbol: Symbol, own: int, foreign: int, order: OrderId | None = None) -> Contract:
    """Keeps who owns what. `order` is the trade that has shown it, if it was one."""
    contract = draft.contract(symbol)
    if foreign != contract.foreign:
        seen = draft.at if foreign else None
        contract = evolve(contract, foreign=foreign, foreign_at=seen, foreign_order=order if foreign else None)
    accepted = contract.accepted if foreign * contract.accepted > 0 else 0
    if not _beyond(contract, foreign):
        accepted = foreign
    contract = evolve(contract, own=own, accepted=accepted)
    draft.book = draft.book.with_contract(symbol, contract)
    return contract


def order_seen(draft: Draft, order: Order, before: Order | None) -> None:
    """An order that no copy of ours has made."""
    firm.order_seen(draft, order, before)
    moved = order.net - (before.net if before else 0)
    if not moved:
        return
    contract = draft.contract(order.symbol)
    if order.status.finished:
        contract = draft.note(order.symbol, beside=contract.beside - {order.id})
    there = contract.own + contract.foreign + moved
    own, foreign = divided(contract, there)
    lost = own != contract.own
    if lost:
        _closed(draft, order.symbol, contract.own, own)
    contract = note(draft, order.symbol, own, foreign, order.id)
    who = "the firm" if order.admin else "somebody else"
    what = f"{who} {order.side.value.lower()}s {abs(moved)} {order.symbol} (order {order.id})"
    whose = f"Ours {contract.own}, theirs {contract.foreign}"
    if quarantined(contract) or lost:
        words = f"{what}. {whose}. Nothing opens in it; we will close only ours"
        draft.tell("account.quarantined", words, Severity.WARNING, remedy=remedy(draft, order.symbol))
    else:
        draft.tell("account.released", f"{what}. {whose}. It is copied as before")


def ours_after_all(draft: Draft, order: Order) -> None:
    """This order of somebody else's has been claimed: what it has filled is about to be counted as ours."""
    contract = draft.contract(order.symbol)
    share = min(abs(order.net), abs(contract.foreign)) * order.side.sign if order.net * contract.foreign > 0 else 0
    note(draft, order.symbol, contract.own + share - order.net, contract.foreign - share)


def counted(draft: Draft, copy: Copy, order: Order) -> bool:
    """Was this order taken for somebody else's, before it was known to be this copy's, that had been given up?"""
    book = draft.book
    return not (order.id in book.orders or order.id in book.unattributed or copy.stage.in_doubt)


def postponed(draft: Draft, order: Order, before: Order | None) -> bool:
    """Real world: an order of ours is told before its answer, and does not carry our name. The answer will say.

    Only what has not been counted yet can wait for it.
    """
    waits = order.id in draft.book.unattributed or before is None
    if not waits or order.admin or not _may_be_ours(draft, order):
        return False
    draft.book = evolve(draft.book, unattributed=draft.book.unattributed | {order.id})
    return True


def settle(draft: Draft) -> None:
    """What nothing of ours can claim any more is somebody else's."""
    book = draft.book
    for number in sorted(book.unattributed):
        order = book.mine.orders.get(number) if book.mine is not None else None
        claimed = order is None or number in book.orders
        if claimed or (order is not None and not _may_be_ours(draft, order)):
            draft.book = evolve(draft.book, unattributed=draft.book.unattributed - {number})
        if order is not None and number not in book.orders and number not in draft.book.unattributed:
            order_seen(draft, order, None)


def look(draft: Draft) -> None:
    """Whose orders work on this account? Looked at whenever that may have changed."""
    book = draft.book
    working: dict[Symbol, list[Order]] = {}
    for order in book.mine.alive if book.mine is not None else ():
        if order.id not in book.orders and not order.status.finished and _is_strange(draft, order):
            working.setdefault(order.symbol, []).append(order)
    known = {symbol for symbol, contract in book.contracts.items() if contract.beside or contract.tolerated}
    for symbol in sorted({*working, *known}):
        _work(draft, symbol, working.get(symbol, []))


def _is_strange(draft: Draft, order: Order) -> bool:
    """What the firm places is not waited for here: `firm.py` answers it."""
    if order.admin:
        return False
    contract = draft.contract(order.symbol)
    return order.id in contract.beside | contract.tolerated or not _may_be_ours(draft, order)


def _work(draft: Draft, symbol: Symbol, orders: list[Order]) -> None:
    """These orders of somebody else's work in this contract now."""
    before = draft.contract(symbol)
    tolerated = before.tolerated & {order.id for order in orders}
    bars = {
        order.id: order
        for order in orders
        if order.id not in tolerated and _beyond(before, before.foreign + order.side.sign * max(1, order.rest))
    }
    after = draft.note(symbol, beside=frozenset(bars), tolerated=tolerated)
    whose = f"Ours {after.own}, theirs {after.foreign}"
    for number in sorted(after.beside - before.beside):
        if after.foreign_at is None:
            after = draft.note(symbol, foreign_at=draft.at, foreign_order=number)
        asked, order = bars[number].terms, bars[number]
        what = f"{order.side.value} {order.rest} {symbol} {asked.order_type.value}" if asked else symbol
        draft.tell(
            "account.quarantined",
            f"somebody else has an order here: {what} (order {number}). {whose}. Nothing opens; we touch only ours",
            Severity.WARNING,
            remedy=remedy(draft, symbol),
        )
    if not after.beside and not after.foreign:
        draft.note(symbol, foreign_at=None, foreign_order=None)
    if before.beside and not quarantined(after):
        draft.tell(
            "account.released", f"{symbol}: no order of somebody else's is left. {whose}. It is copied as before"
        )


def _may_be_ours(draft: Draft, order: Order) -> bool:
    return any(
        copy.trades and copy.stage.in_doubt and copy.order_id is None and copy.side is order.side
        for copy in draft.book.in_progress(order.symbol)
    )


def remedy(draft: Draft, symbol: Symbol) -> str | None:
    """How a quarantine ends; None where there is none."""
    if not quarantined(draft.contract(symbol)):
        return None
    return f"it ends when the other part is flat and has no order, or by: copierctl release {draft.name} {symbol}"


def _closed(draft: Draft, symbol: Symbol, before: int, own: int) -> None:
    """What a human has closed is not ours any more, and no exit of ours may close it once again."""
    why = f"somebody else closed {abs(before - own)} of ours"
    draft.note(symbol, no_entry=f"{why}; waits until the leader is flat")
    for copy in draft.book.in_progress(symbol):
        if exposure.reduces(copy, before):
            draft.keep(changes.cut(copy, abs(own), why))
