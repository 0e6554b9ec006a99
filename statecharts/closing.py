"""Closing at market, until our position is where it is wanted.

Rule 1: our own resting exits of the contract are cancelled, and confirmed cancelled, before a close at market.
Rule 2: while an order of the contract is in doubt, nothing is closed: two unknowns at once cannot be told apart.
Rule 3: a closing that is asked for anew has a new number, and so a new client order id; exits that made way for it
        are wanted again when it is done (`attempts.py`).
"""

from __future__ import annotations

from statecharts import attempts, calendar, excess, exposure, placement
from statecharts.book import Contract, Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve
from statecharts.identity import client_order_id
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import OrderType, Side, Symbol, Terms


def close(draft: Draft, symbol: Symbol, rules: CopyRules, current: bool) -> None:
    """Brings our position to where it is wanted, when nothing is in the way. `current`: do we know the leader's?"""
    contract = draft.contract(symbol)
    if contract.close_to is None:
        return
    close_to = exposure.goal(contract.own, contract.close_to)  # never to the other side, also when ours has changed it
    if current:  # the leader has gone on: a closing may go further than was wanted at first, never less far
        close_to = exposure.goal(close_to, excess.may_stay(draft, symbol, rules))
    if close_to == contract.own:
        _closed(draft, symbol)
        return
    contract = draft.note(symbol, close_to=close_to)
    if calendar.closing_waits(draft, symbol):
        return
    side = Side.of(close_to - contract.own)
    in_progress = [c for c in draft.book.in_progress(symbol) if c.trades]
    if exposure.unknown(draft.book, symbol):
        return  # a look-up takes a while: our exits protect meanwhile
    exits = [c for c in in_progress if exposure.reduces(c, contract.own)]
    if any(copy.put_off and copy.guards is None for copy in exits):  # it goes when its time is over, and this with it
        _once_more(draft, symbol, exits, abs(close_to - contract.own), rules)
        return
    for copy in exits:
        if copy.stage is Stage.HELD:
            given_up = evolve(copy, restore=True)
            draft.news(given_up, News.GIVEN_UP, f"closed at market instead: {contract.close_why}")
        elif copy.cancel_wanted is None and copy.verb is Verb.PLACE:
            draft.keep(evolve(copy, cancel_wanted=contract.close_why, restore=True))
    in_the_way = in_progress if contract.clear else exits
    for copy in (draft.book.copies[one.id] for one in in_the_way):
        held_exit = copy.kind is Kind.EXIT and copy.stage is Stage.HELD
        if copy.cancel_wanted is None and copy.verb is Verb.PLACE and not held_exit:
            draft.keep(evolve(copy, cancel_wanted="it may be in the way of an exit"))
    if any(c.stage.in_doubt for c in in_progress) or any(c.stage is not Stage.HELD for c in in_the_way):
        return
    quantity = min(abs(close_to - contract.own), contract.piece or abs(close_to - contract.own))
    send(draft, symbol, side, quantity, rules, contract.close_why, Severity.WARNING)


def is_done(contract: Contract) -> bool:
    """Has another order closed what was to be closed at the next try? It bars no openings until then."""
    return contract.close_to is not None and exposure.goal(contract.own, contract.close_to) == contract.own


def send(
    draft: Draft,
    symbol: Symbol,
    side: Side,
    quantity: int,
    rules: CopyRules,
    why: str | None,
    severity: Severity,
) -> None:
    """Asks for an order that no event of the leader's stands for, and that takes `quantity` from our position."""
    book = draft.book
    assert book.mine is not None, "copying begins with both views"
    assert book.theirs is not None, "copying begins with both views"
    contract = book.contract(symbol)
    name = client_order_id(
        book.theirs.broker_id, book.mine.broker_id, contract.newest_fill, Verb.CLOSE.value, 0, contract.refused
    )
    if name in book.names:  # the broker has had this very closing: it is asked for anew under the next number
        draft.note(symbol, refused=contract.refused + 1)
        send(draft, symbol, side, quantity, rules, why, severity)
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
        reason=why,
    )
    draft.tell(
        "position.drifted",
        f"closing {quantity} {symbol} at market ({side.value}): {why}",
        severity,
        reason=why,
        copy=copy.id,
    )
    placement.send(draft, copy, rules)


def _once_more(draft: Draft, symbol: Symbol, exits: list[Copy], quantity: int, rules: CopyRules) -> None:
    """A closing that the broker has put off is sent again, the same one, when its time is over.

    Of what an exit of the leader's is taking meanwhile it takes nothing: it waits for what that one leaves.
    """
    for copy in exits:
        if copy.put_off and copy.verb is Verb.CLOSE and copy.ask_after is not None and copy.ask_after <= draft.at:
            assert copy.terms is not None, "what is closed has a size"
            quantity = min(quantity, abs(exposure.free(draft.book, symbol, draft.contract(symbol).own, copy.id)))
            if not quantity:
                return
            terms = evolve(copy.terms, quantity=quantity)
            placement.send(draft, evolve(copy, terms=terms, ask_after=None), rules)


def _closed(draft: Draft, symbol: Symbol) -> None:
    """There: exits that made way for the closing, and that the leader still has, are wanted again."""
    draft.note(symbol, close_to=None, close_why=None, refused=0, limited=0, opens_at=None, clear=False, piece=None)
    for copy in draft.book.in_progress(symbol):
        if copy.put_off and copy.verb is Verb.CLOSE:
            draft.news(copy, News.GIVEN_UP, "nothing is left for it to close")
    if draft.contract(symbol).own:
        for copy in attempts.that_made_way(draft, symbol):
            attempts.put_back(draft, copy, "it made way for a closing at market")
