"""The way of an account through its states, as the ledger has recorded it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from daemon.ledger import Ledger
from statecharts.values import AccountName
from tests.scenarios.world import EPOCH


@attrs.frozen
class Passage:
    """From `at` (seconds of the world) the account was in `state`, because of `event`."""

    at: float
    state: str
    event: str


def of(ledger: Ledger, account: str, since: float = 0.0) -> list[Passage]:
    """One passage for each entry into a leaf, oldest first, those before `since` left out."""
    return [one for one in _all(ledger, account) if one.at >= since]


def states(passages: Sequence[Passage]) -> list[str]:
    return [one.state for one in passages]


def _all(ledger: Ledger, account: str) -> Iterator[Passage]:
    state = ""
    for turn in ledger.turns(AccountName(account)):
        if turn.state != state or "connection" in turn.changes:
            state = turn.state
            yield Passage((turn.at - EPOCH).total_seconds(), state, type(turn.event).__name__)
