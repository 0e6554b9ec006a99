"""What one commit writes: the rows of its turns and announcements, and what it will have changed in the ledger's mind.

Rule 1: a `Writing` lives inside one transaction. The ledger takes over what it has learnt only once that is committed.
Rule 2: an announcement is written once and told apart by identity, for it is one value that all followers share.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Set as AbstractSet
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs

from daemon.ledger import codec, copy_rows
from daemon.ledger.schema import LedgerError
from statecharts.account import Account
from statecharts.effects import Announce, Effect
from statecharts.events import Event, LeaderEvent
from statecharts.values import AccountName

SAVE_EVERY: Final = 200  # turns of one account, or as many as it has copies: reading back so many is quick

_TURN: Final = "INSERT INTO turns (at, account, state, event, effects, changes, failed) VALUES (?, ?, ?, ?, ?, ?, ?)"
_POST: Final = "INSERT INTO outbox (at, leader, follower, event, turn) VALUES (?, ?, ?, ?, ?)"
_CONSUME: Final = "UPDATE outbox SET consumed = ? WHERE id = ? AND follower = ? AND consumed IS NULL RETURNING turn"
_TRACE: Final = "INSERT OR IGNORE INTO traces (copy, turn) VALUES (?, ?)"
_SAVE: Final = """
INSERT INTO accounts (name, first, saved, turn) VALUES (?1, ?2, ?2, (SELECT coalesce(max(id), 0) FROM turns))
ON CONFLICT (name) DO UPDATE SET saved = excluded.saved, turn = excluded.turn
"""


@attrs.frozen
class Taken:
    """A turn that was taken. `consumed`: the outbox id that it takes; `failed`: the traceback of a turn that raised."""

    before: Account
    after: Account
    event: Event
    effects: tuple[Effect, ...]
    consumed: int | None = None
    failed: str | None = None


@attrs.frozen
class Posted:
    """An announcement for a follower that was busy."""

    leader: AccountName
    follower: AccountName
    event: LeaderEvent


@attrs.frozen
class Recorded:
    """A turn as the ledger has it. `state` is the leaf after it; `changes` are for `codec.applied`."""

    id: int
    at: datetime
    account: AccountName
    state: str
    event: Event
    effects: tuple[Effect, ...]
    changes: codec.Json
    failed: str | None


class Unwritable(Exception):
    """A turn that cannot be written down, whatever the file: a bug in what it holds. Nothing of its commit is kept."""

    def __init__(self, account: AccountName, bug: Exception) -> None:
        super().__init__(f"the turn of {account} cannot be written down: {bug!r}")
        self.account = account
        self.bug = bug


# What SQLite says of a wrong value, as opposed to what it says of the file.
_OUR_FAULT: Final = (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError)


@attrs.define
class Writing:
    """`last` are the accounts as recorded, `unsaved` counts their turns since they were written whole."""

    db: sqlite3.Connection
    path: Path
    last: dict[AccountName, Account] = attrs.field(factory=dict)
    unsaved: dict[AccountName, int] = attrs.field(factory=dict)
    texts: dict[int, str] = attrs.field(factory=dict)  # by identity of the event
    views: codec.Views = attrs.field(factory=dict)  # of leaders, which their followers share
    announced: dict[int, int] = attrs.field(factory=dict)  # likewise: the leader's turn that announced it

    def record(self, taken: Taken) -> None:
        """Writes one turn, the copies that it changed, and that it has taken an announcement. Raises Unwritable."""
        try:
            self._record(taken)
        except _OUR_FAULT as bug:
            raise Unwritable(taken.after.name, bug) from bug
        except (LedgerError, sqlite3.Error):
            raise
        except Exception as bug:
            raise Unwritable(taken.after.name, bug) from bug

    def _record(self, taken: Taken) -> None:
        name = taken.after.name
        base = self.last.get(name)
        if base is None:
            base = taken.before
            self.save(base)
        changed = codec.changes(base, taken.after, self.views)
        turn = self._inserted(
            _TURN,
            (
                codec.instant_text(taken.event.at),
                name,
                type(taken.after.connection).__name__,
                self._text(taken.event),
                codec.effects_text(taken.effects),
                codec.text(changed),
                copy_rows.clean(taken.failed),
            ),
        )
        for effect in taken.effects:
            if isinstance(effect, Announce):
                self.announced[id(effect.event)] = turn
        announced = self.announced.get(id(taken.event))
        if taken.consumed is not None:
            announced = self._consume(taken.consumed, name, turn)
        for copy, written in changed.get("book", {}).get("copies", {}).items():
            if written is not None:
                copy_rows.keep(self.db, name, taken.after.book.copies[copy])
                self.db.executemany(_TRACE, [(copy, one) for one in (announced, turn) if one is not None])
        self.last[name] = taken.after
        self.unsaved[name] = self.unsaved.get(name, 0) + 1

    def post(self, one: Posted) -> int:
        """Leaves an announcement for a follower; answers its outbox id."""
        at, turn = codec.instant_text(one.event.at), self.announced.get(id(one.event))
        return self._inserted(_POST, (at, one.leader, one.follower, self._text(one.event), turn))

    def save(self, account: Account) -> None:
        self.db.execute(_SAVE, (account.name, codec.account_text(account)))

    def save_longest(self, names: AbstractSet[AccountName]) -> None:
        """One account at most: twenty that count alike must not all be written whole in one commit.

        It takes as long as the account is large, some 30 us for each of its copies, so it comes the more seldom.
        """
        due = max(names, key=self.unsaved.__getitem__, default=None)
        if due is not None and self.unsaved[due] >= max(SAVE_EVERY, len(self.last[due].book.copies)):
            self.save(self.last[due])
            self.unsaved[due] = 0

    def _consume(self, number: int, follower: AccountName, turn: int) -> int | None:
        """Marks an announcement as taken; answers the leader's turn that it came from."""
        found = self.db.execute(_CONSUME, (turn, number, follower)).fetchall()
        if not found:
            what = f"announcement {number} does not wait for {follower}: it was taken before, or was never posted"
            raise LedgerError(what, self.path, "This is a bug in copierd; send the output of: copierctl report")
        announced: int | None = found[0][0]
        return announced

    def _text(self, event: Event) -> str:
        text = self.texts.get(id(event))
        if text is None:
            text = self.texts[id(event)] = codec.event_text(event)
        return text

    def _inserted(self, statement: str, values: tuple[object, ...]) -> int:
        number = self.db.execute(statement, values).lastrowid
        assert number is not None, "an INSERT has a row id"
        return number
