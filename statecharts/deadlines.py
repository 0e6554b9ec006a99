"""When the book wants to be looked at again, if nothing happens before: the account's one alarm.

Rule 1: what asks for a deadline answers it when it comes: one that nobody answers would ring without end.
Rule 2: what is due already and waits for a reading of the account (`firm.py`) is no deadline: no time brings it about.
"""

from __future__ import annotations

from datetime import datetime

from statecharts import (
    absence,
    calendar,
    changes,
    excess,
    expiry,
    fills,
    firm,
    overdue,
    protection,
    replays,
    risk,
    unknowns,
)
from statecharts.book import Contract, Copy
from statecharts.draft import Draft
from statecharts.order import Stage
from statecharts.rules import CopyRules


def earliest(draft: Draft, rules: CopyRules) -> datetime | None:
    """The first of all deadlines; None when nothing waits for a time."""
    book = draft.book
    if book.silent_until is not None:
        return book.silent_until
    deadlines = [*book.asked.values(), *expiry.edges(draft), *risk.deadlines(draft, rules)]
    _of_leader(draft, rules, deadlines)
    waits_for_a_reading = False
    for symbol, contract in book.contracts.items():
        _of_contract(contract, draft.at, rules, deadlines)
        if contract.frozen_since is not None and firm.frozen(book, symbol):
            waits_for_a_reading = True
    for copy in book.all_open():
        _of_copy(draft, copy, rules, deadlines)
    if waits_for_a_reading:
        deadlines = [at for at in deadlines if at > draft.at]
    return min(deadlines, default=None)


def _of_leader(draft: Draft, rules: CopyRules, found: list[datetime]) -> None:
    """What he has begun and not ended, and his absence."""
    away = absence.deadline(draft, rules)
    if away is not None:
        found.append(away)
    if draft.book.unlisted:
        found += absence.listed_again_by(draft)
    if not draft.book.held_back():
        found += draft.book.waiting.values()
    elif (over := replays.over_at(draft, rules)) is not None:
        found.append(over)


def _of_contract(contract: Contract, at: datetime, rules: CopyRules, found: list[datetime]) -> None:
    """What waits in a contract beside its orders."""
    times = [overdue.next_deadline(contract)] if contract.out_since is not None else []
    if not contract.plain:
        times += [
            contract.retry_at,
            excess.next_deadline(contract, rules),
            protection.next_deadline(contract, at),
            calendar.next_deadline(contract, at),
        ]
    if times:
        found += [deadline for deadline in times if deadline is not None]


def _of_copy(draft: Draft, copy: Copy, rules: CopyRules, found: list[datetime]) -> None:
    """What waits for an order to do, or to be allowed."""
    if copy.stage is Stage.HELD:
        times = (copy.ask_after, copy.opens_at, fills.gathered_until(draft, copy))
        found += [at for at in times if at is not None and at > draft.at]
    elif copy.chase_at is not None and copy.pending is None:
        found += [copy.chase_at]
    if changes.wanted(draft, copy, rules):
        found += [changes.not_before(copy)]
    if copy.lost_at is not None and not copy.trades:
        found += [copy.lost_at + rules.settle]
    if copy.stage is Stage.ACCEPTED and (missed_at := unknowns.missed_at(draft, copy, rules)) is not None:
        found += [missed_at]
