"""The clock has been set back: what the book remembers of the time by which it was written lies ahead.

Rule 1: what happened cannot be later than now. Where it seems so, all that the book has written down goes back with the
        clock, so that what was to wait for a second waits for no hour: a change, a look-up, a stop, the next reading.
Rule 2: the hours of a market, and the end of a lock, are of the calendar, which nobody has set back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from statecharts import events as e
from statecharts.book import Book, Contract, Copy
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.standing import Standing

LOOKED_AT = (e.Started, e.SnapshotTaken, e.ReadBack, e.AlarmRang)  # the daemon rings when the clock was set back
OUT_OF_ORDER = timedelta(seconds=5)  # what is told one after the other may be dated the other way round

_HAPPENED = ("decided_at", "sent_at", "answered_at", "changed_at", "lost_at", "absent_at", "missed_at")
_OF_A_COPY = (*_HAPPENED, "chase_at", "ask_after", "fresh_until")
_SINCE = ("restored_at", "too_much_since", "excess_since", "out_since")
_OF_A_CONTRACT = (*_SINCE, "retry_at", "short_at")
_OF_A_STANDING = ("heard_at", "read_at", "asked_at", "read_next")
_OF_A_BOOK = ("leader_lost_at", "proven_at", "silent_until")


def set_right(draft: Draft, event: e.Event) -> None:
    """Takes everything back by as much as the latest of what happened lies ahead."""
    if not isinstance(event, LOOKED_AT):
        return
    ahead = max(_happened(draft.book), default=draft.at) - draft.at
    if ahead <= OUT_OF_ORDER:
        return
    for copy in tuple(draft.book.alive):
        draft.keep(evolve(copy, **_back(copy, _OF_A_COPY, ahead)))
    book = draft.book
    draft.book = evolve(
        book,
        contracts={symbol: _contract(contract, ahead) for symbol, contract in book.contracts.items()},
        standing=_standing(book.standing, ahead),
        waiting={number: until - ahead for number, until in book.waiting.items()},
        asked={symbol: until - ahead for symbol, until in book.asked.items()},
        placements=tuple(at - ahead for at in book.placements),
        **_back(book, _OF_A_BOOK, ahead),
    )


def _happened(book: Book) -> Iterator[datetime]:
    for copy in book.alive:
        yield from _known(copy, _HAPPENED)
    for contract in book.contracts.values():
        yield from _known(contract, _SINCE)
        if contract.exposed is not None:
            yield contract.exposed.since
    yield from _known(book.standing, ("heard_at", "read_at", "asked_at"))
    yield from book.placements


def _known(value: object, names: tuple[str, ...]) -> Iterator[datetime]:
    return (at for at in (getattr(value, name) for name in names) if at is not None)


def _back(value: Copy | Contract | Standing | Book, names: tuple[str, ...], ahead: timedelta) -> dict[str, Any]:
    moments = ((name, getattr(value, name)) for name in names)
    return {name: at - ahead for name, at in moments if at is not None}


def _contract(contract: Contract, ahead: timedelta) -> Contract:
    exposed = contract.exposed
    if exposed is not None:
        exposed = evolve(exposed, since=exposed.since - ahead)
    return evolve(contract, exposed=exposed, **_back(contract, _OF_A_CONTRACT, ahead))


def _standing(standing: Standing, ahead: timedelta) -> Standing:
    return evolve(standing, **_back(standing, _OF_A_STANDING, ahead))
