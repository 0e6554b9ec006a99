"""Another attempt: an order that certainly does not exist at the broker, and that is wanted still or again.

Rule 1: what is asked for anew has a new number, and so a new client order id. What was linked with the attempt before
        is linked with it no longer.
Rule 2: exits that made way for a closing at market are wanted again when it is done, and the stops among them while a
        refused one waits for its next try.
What sends it is others' to say: here it only waits (`pursuit.py`, `protection.py`).
"""

from __future__ import annotations

from statecharts import calendar, exposure, guards, legs
from statecharts.book import Book, Copy, Verb
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.identity import client_order_id
from statecharts.order import News, Stage
from statecharts.values import CopyId, Symbol


def may_come_back(copy: Copy) -> bool:
    """Is it certain that the broker has no order for this copy, and may it have another one?"""
    return copy.stage in (Stage.CANCELED, Stage.SKIPPED)


def put_back(draft: Draft, copy: Copy, why: str) -> None:
    """Derives an order anew that certainly does not exist at the broker: a new attempt, so a new client order id.

    An exit; or an entry of which there was to be none for a while (`resting.py`).
    """
    legs.part(draft, copy)
    held = draft.news(copy, News.PUT_BACK, why)
    name = next_name(draft.book, held)
    draft.keep(
        evolve(
            held,
            client_id=name,
            attempt=held.attempt + 1,
            order_id=None,
            earlier=held.filled,
            cancel_wanted=None,
            wanted=None,
            ask_after=None,
            fresh_until=None,
            pending=None,
            restore=False,
            opens_at=calendar.opens_at(draft, copy.symbol),
            renew=False,
            sent_with=None,
            mate=None,
            lost_at=None,
            absent=0,
            absent_at=None,
        )
    )


def next_name(book: Book, copy: Copy) -> CopyId:
    """The client order id of the attempt that comes after the present one."""
    assert book.mine is not None, "copying begins with both views"
    assert book.theirs is not None, "copying begins with both views"
    leader, follower = book.theirs.broker_id, book.mine.broker_id
    return client_order_id(leader, follower, copy.cause, Verb.PLACE.value, copy.leg, copy.attempt + 1)


def that_made_way(draft: Draft, symbol: Symbol) -> list[Copy]:
    """Exits that were cancelled for a closing, and that are wanted still."""
    found = []
    for copy in draft.book.alive:
        if copy.symbol != symbol or copy.leader_fill_id is not None or not guards.wanted(draft, copy):
            continue
        found += [copy] if copy.restore and may_come_back(copy) else []
    return found


def protect_again(draft: Draft, symbol: Symbol) -> None:
    """A closing was refused: until the next try, the stops that made way for it are wanted again."""
    for copy in that_made_way(draft, symbol):
        if exposure.is_stop(copy) and exposure.reduces(copy, draft.contract(symbol).own):
            put_back(draft, copy, "the closing that it made way for was refused")
