"""Why: the chain of turns behind a copy, an order or what the leader did, in words for who has not read the code.

Rule 1: a chain is read from the ledger and from nowhere else: what is told here is what was decided, and on disk.
Rule 2: a chain has an answer also where nothing was sent: a copy that was skipped has its turns as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from daemon.bulletins import instant
from daemon.control import words
from daemon.control.problems import Problem
from daemon.ledger import Ledger, Recorded
from statecharts import effects as f
from statecharts import events as e
from statecharts.values import CopyId

Json = dict[str, Any]

MOST_COPIES = 200  # of one order of the leader: every follower's, with all changes
MOST_TURNS = 1000
_ANSWERS = (e.RequestAccepted, e.RequestRefused, e.RequestPenalised, e.AnswerLost, e.NeverSent, e.LookedUp)


def found(ledger: Ledger, asked: str) -> tuple[list[Json], list[Recorded]]:
    """The copies that `asked` means, the oldest first, and the turns that made and changed them.

    It is the id of a copy, or the number of an order: of ours or of the leader's. Raises Problem.
    """
    rows = ledger.copies(copy_id=asked, limit=MOST_COPIES)
    if not rows and re.fullmatch(r"[0-9]{1,18}", asked):
        number = int(asked)
        rows = ledger.copies(leader_order_id=number, limit=MOST_COPIES)
        rows = rows or ledger.copies(order_id=number, limit=MOST_COPIES)
    if not rows:
        raise Problem(
            status=404,
            kind="nothing-known",
            detail=f"{asked[:80]} is no copy, no order of ours, and no order of a leader's that was to be copied",
            remedy="copierctl copies lists them, with their ids in --json",
        )
    rows.reverse()
    turns = ledger.why(*(CopyId(str(row["id"])) for row in rows))
    return rows, turns[:MOST_TURNS]


def links(turns: Sequence[Recorded], copies: frozenset[str]) -> Iterator[Json]:
    """The elements of `chain`. `ms` is the time since the element before."""
    before = None
    for turn in turns:
        requests = [effect for effect in turn.effects if isinstance(effect, f.Request) and effect.copy in copies]
        answered = isinstance(turn.event, _ANSWERS)
        yield {
            "at": instant(turn.at),
            "account": turn.account,
            "state": turn.state,
            "event": words.event(turn.event),
            "effects": [words.effect(one) for one in turn.effects if words.worth_telling(one)],
            "request": "; ".join(map(words.effect, requests)) or None,
            "answer": words.event(turn.event) if answered else None,
            "ms": 0.0 if before is None else round((turn.at - before) / timedelta(milliseconds=1), 3),
            "failed": turn.failed,
        }
        before = turn.at
