"""The rows of the table `copies`: made from the book's copies, shown in the words of the contract.

Rule 1: a row is written over when its copy changes, and never deleted: the book may forget a copy, the ledger not.
Rule 2: prices are exact in the table; they become JSON numbers only where they are shown.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from daemon.ledger.codec import instant_text
from statecharts.book import Copy, Verb
from statecharts.values import AccountName

COLUMNS: Final = (
    "seq", "id", "copy", "follower", "leader_order_id", "leader_fill_id", "verb", "cl_ord_id", "symbol", "action",
    "quantity", "order_type", "price", "stop_price", "outcome", "reason", "order_id", "decided_at", "sent_at",
    "answered_at", "latency_ms",
)  # fmt: skip

_UPSERT: Final = """
INSERT INTO copies (id, copy, follower, leader_order_id, leader_fill_id, verb, cl_ord_id, symbol, action, quantity,
    order_type, price, stop_price, outcome, reason, order_id, decided_at, sent_at, answered_at, latency_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id, follower) DO UPDATE SET cl_ord_id = excluded.cl_ord_id, quantity = excluded.quantity,
    order_type = excluded.order_type, price = excluded.price, stop_price = excluded.stop_price,
    outcome = excluded.outcome, reason = excluded.reason, order_id = excluded.order_id, sent_at = excluded.sent_at,
    answered_at = excluded.answered_at, latency_ms = excluded.latency_ms
"""


def keep(db: sqlite3.Connection, follower: AccountName, copy: Copy) -> None:
    """Writes the row of a copy that is new or has changed; a new row gets the next `seq`."""
    terms = copy.terms
    db.execute(
        _UPSERT,
        (
            copy.id,
            copy.copy,
            follower,
            copy.leader_order_id,
            copy.leader_fill_id,
            _verb(copy).value,
            copy.client_id,
            copy.symbol,
            copy.side.value,
            terms.quantity if terms else None,
            terms.order_type.value if terms else None,
            _exact(terms.price) if terms else None,
            _exact(terms.stop_price) if terms else None,
            copy.stage.outcome,
            clean(copy.reason),
            copy.order_id,
            instant_text(copy.decided_at),
            instant_text(copy.sent_at) if copy.sent_at else None,
            instant_text(copy.answered_at) if copy.answered_at else None,
            latency_ms(copy),
        ),
    )


def _verb(copy: Copy) -> Verb:
    """What stands for no order of the leader's closes: also a leg of a template, whose part in the core is a copy's."""
    return Verb.CLOSE if copy.leg else copy.verb


def latency_ms(copy: Copy) -> float | None:
    """From the decision to the last byte sent, in milliseconds: our own part. The broker's is answered_at - sent_at."""
    return (copy.sent_at - copy.decided_at) / timedelta(milliseconds=1) if copy.sent_at else None


def clean(words: str | None) -> str | None:
    """Real world: a text from outside may hold half a surrogate pair, which SQLite refuses: no turn may fail for it."""
    return words and words.encode("utf-8", "replace").decode()


def _exact(price: Decimal | None) -> str | None:
    return None if price is None else str(price)


def found(
    db: sqlite3.Connection,
    *,
    copy_id: str | None,
    follower: str | None,
    outcome: str | None,
    leader_order_id: int | None,
    order_id: int | None,
    since: datetime | None,
    before: int | None,
    limit: int,
) -> list[dict[str, object]]:
    """Rows in the JSON shape of a copy, with `seq`; the latest decided first."""
    asked = {
        "id = ?": copy_id,
        "follower = ?": follower,
        "outcome = ?": outcome,
        "leader_order_id = ?": leader_order_id,
        "order_id = ?": order_id,
        "decided_at >= ?": instant_text(since) if since else None,
        "seq < ?": before,
    }
    where = {clause: value for clause, value in asked.items() if value is not None}
    columns = ", ".join(COLUMNS)
    clauses = " AND ".join(where) or "TRUE"
    # The text is made of the literals above; what was asked for are its parameters.
    statement = f"SELECT {columns} FROM copies WHERE {clauses} ORDER BY seq DESC LIMIT ?"  # noqa: S608
    return [_shown(row) for row in db.execute(statement, (*where.values(), limit))]


_CHANGED: Final = f"""
SELECT {", ".join(COLUMNS)} FROM copies WHERE (id, follower) IN (
    SELECT entry.key, turns.account FROM turns, json_each(turns.changes, '$.book.copies') AS entry
    WHERE turns.id > ? AND turns.id <= ? AND entry.type != 'null'  -- null: the book has forgotten it, and nothing else
) AND (?3 IS NULL OR follower = ?3) AND (?4 IS NULL OR outcome = ?4) ORDER BY seq
"""  # noqa: S608 - made of the names above


def changed(
    db: sqlite3.Connection, after: int, until: int, *, follower: str | None, outcome: str | None
) -> list[dict[str, object]]:
    """Rows as `found` shows them, the earliest decided first."""
    return [_shown(row) for row in db.execute(_CHANGED, (after, until, follower, outcome))]


def _shown(row: tuple[object, ...]) -> dict[str, object]:
    shown = dict(zip(COLUMNS, row, strict=True))
    for price in ("price", "stop_price"):
        exact = shown[price]
        shown[price] = float(exact) if isinstance(exact, str) else None
    return shown
