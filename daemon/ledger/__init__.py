"""The memory that outlives the process: every turn, every announcement not yet taken, every copy, every login's token.

Rule 1: one call of `commit` is one transaction. What follows from an event is recorded with it, or not at all.
Rule 2: changes are taken against what the ledger itself recorded last, so `load` answers what was last committed,
        whatever has happened to the account outside of its turns.
Rule 3: nothing here decides, and nothing here calls `step`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs

from daemon.ledger import codec, copy_rows, schema
from daemon.ledger.ballast import Ballast
from daemon.ledger.keeping import Keeping
from daemon.ledger.schema import DiskFull, LedgerError
from daemon.ledger.writing import Posted, Recorded, Taken, Unwritable, Writing
from statecharts.account import Account
from statecharts.effects import Request
from statecharts.events import LeaderEvent
from statecharts.values import AccountName, CopyId

__all__ = ["Ballast", "DiskFull", "Ledger", "LedgerError", "Posted", "Recorded", "Taken", "Unwritable"]

PAGE: Final = 500  # turns read at once: no statement stays open between pages and holds the write-ahead log

LATER_TURNS: Final = "SELECT id, changes FROM turns WHERE account = ? AND id > ? ORDER BY id"
# The S608 below: the text is made of this constant alone, and what is asked for are parameters.
_COLUMNS: Final = "id, at, account, state, event, effects, changes, failed"
_ALL_TURNS: Final = f"SELECT {_COLUMNS} FROM turns WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - a constant
_TURNS_OF: Final = f"SELECT {_COLUMNS} FROM turns WHERE account = ? AND id > ? ORDER BY id LIMIT ?"  # noqa: S608 - likewise
_OF_COPIES: Final = "SELECT turn FROM traces WHERE copy IN (SELECT value FROM json_each(?))"
_TRACED: Final = f"SELECT {_COLUMNS} FROM turns WHERE id IN ({_OF_COPIES}) ORDER BY id"  # noqa: S608 - two constants


@attrs.define
class Ledger(Keeping):
    """All methods raise LedgerError when the file cannot be used (DiskFull where it is room that lacks)."""

    kept: Path | None = None  # the copy of the older ledger that this one was, until it was opened now
    _last: dict[AccountName, Account] = attrs.field(factory=dict, repr=False)  # as recorded
    _unsaved: dict[AccountName, int] = attrs.field(
        factory=dict, repr=False
    )  # turns since the whole account was written

    @classmethod
    def open(cls, path: Path, keep_older: bool = True) -> Ledger:
        """Makes the file where there is none, and brings an older one up to date: a copy of that is kept beside it,
        unless this is a copy itself. Its directory must be there."""
        db, kept = schema.opened(path, keep_older)
        return cls(path, db, kept=kept)

    def load(self, name: AccountName) -> Account | None:
        """The account as last recorded, with `Rules()`; None when this name has had no turn."""
        found = self._one("SELECT saved, turn FROM accounts WHERE name = ?", (name,))
        if found is None:
            return None
        with self._readable(f"the saved account {name}"):
            account = codec.account_of(found[0])
        later = self._all(LATER_TURNS, (name, found[1]))
        for turn, changed in later:
            with self._readable(f"turn {turn} of {name}"):
                account = codec.applied(account, codec.parsed(changed))
        self._last[name] = account
        self._unsaved[name] = len(later)
        return account

    def names(self) -> list[str]:
        """Of every account that has ever had a turn."""
        return [name for (name,) in self._all("SELECT name FROM accounts ORDER BY name", ())]

    def first(self, name: AccountName) -> Account | None:
        """The account before its first recorded turn: where a replay begins."""
        found = self._one("SELECT first FROM accounts WHERE name = ?", (name,))
        with self._readable(f"the first account {name}"):
            return codec.account_of(found[0]) if found else None

    def commit(self, turns: Sequence[Taken], posted: Sequence[Posted] = ()) -> list[int]:
        """Records turns and announcements in one transaction; answers the outbox ids of `posted`, in order.

        Turns get ascending ids in the order given, so a leader's comes before its followers'. When it raises, nothing
        has been recorded; Unwritable names the turn that is to blame. A `consumed` that does not wait for that follower
        is refused: taken twice is copied twice.
        """
        for name in {taken.after.name for taken in turns} - self._last.keys():
            self.load(name)
        return self._with_room(lambda: self._commit(turns, posted))

    def _commit(self, turns: Sequence[Taken], posted: Sequence[Posted]) -> list[int]:
        writing = Writing(self._db, self.path, dict(self._last), dict(self._unsaved))
        with self._transaction():
            for taken in turns:
                writing.record(taken)
            ids = [writing.post(one) for one in posted]
            if not any(isinstance(effect, Request) for taken in turns for effect in taken.effects):
                writing.save_longest({taken.after.name for taken in turns})  # nobody waits for this commit
        self._last = writing.last
        self._unsaved = writing.unsaved
        return ids

    def save(self, account: Account) -> None:
        """Writes the whole account, so that `load` has no turns to read back. Commit does it now and then by itself."""
        self._with_room(lambda: self._save(account))
        self._last[account.name] = account
        self._unsaved[account.name] = 0

    def _save(self, account: Account) -> None:
        with self._transaction():
            Writing(self._db, self.path).save(account)

    def undelivered(self, follower: AccountName) -> list[tuple[int, LeaderEvent]]:
        """Announcements that this follower has not taken, oldest first."""
        waiting = "SELECT id, event FROM outbox WHERE follower = ? AND consumed IS NULL ORDER BY id"
        found: list[tuple[int, LeaderEvent]] = []
        for number, stored in self._all(waiting, (follower,)):
            with self._readable(f"announcement {number} for {follower}"):
                found.append((number, codec.announcement_of(stored)))
        return found

    def copies(
        self,
        *,
        copy_id: str | None = None,
        follower: str | None = None,
        outcome: str | None = None,
        leader_order_id: int | None = None,
        order_id: int | None = None,
        since: datetime | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[dict[str, object]]:
        """Copies as JSON, latest decision first. `since` bounds `decided_at`; the next page is `before` the last seq.

        `latency_ms` is our own part, from the decision to the last byte sent; null while one of them is missing.
        """
        with schema.spoken(self.path):
            return copy_rows.found(
                self._db,
                copy_id=copy_id,
                follower=follower,
                outcome=outcome,
                leader_order_id=leader_order_id,
                order_id=order_id,
                since=since,
                before=before,
                limit=limit,
            )

    def last_turn(self) -> int:
        """The id of the newest turn of all; 0 before the first."""
        found: int = self._all("SELECT coalesce(max(id), 0) FROM turns", ())[0][0]
        return found

    def changed_copies(
        self, after: int, until: int, *, follower: str | None = None, outcome: str | None = None
    ) -> list[dict[str, object]]:
        """What the turns beyond `after` and up to `until` have made or changed, as it is now, in order of decision."""
        with schema.spoken(self.path):
            return copy_rows.changed(self._db, after, until, follower=follower, outcome=outcome)

    def turns(self, account: AccountName | None = None, after: int = 0, limit: int | None = None) -> Iterator[Recorded]:
        """Recorded turns in order, those with an id beyond `after`; of all accounts where none is named."""
        while limit is None or limit > 0:
            size = PAGE if limit is None else min(PAGE, limit)
            if account is None:
                page = self._all(_ALL_TURNS, (after, size))
            else:
                page = self._all(_TURNS_OF, (account, after, size))
            yield from map(self._recorded, page)
            if len(page) < size:
                return
            after = page[-1][0]
            limit = None if limit is None else limit - size

    def newest(self, limit: int) -> Iterator[Recorded]:
        """The last turns of all accounts, oldest first."""
        return self.turns(after=max(0, self.last_turn() - limit))

    def why(self, *copies: CopyId) -> list[Recorded]:
        """The turns that made copies and changed them, with the leader's turns that they answered, oldest first."""
        return [self._recorded(row) for row in self._all(_TRACED, (json.dumps(copies),))]

    def _recorded(self, row: tuple[Any, ...]) -> Recorded:
        turn, at, account, state, event, effects, changed, failed = row
        with self._readable(f"turn {turn} of {account}"):
            return Recorded(
                id=turn,
                at=codec.instant_of(at),
                account=account,
                state=state,
                event=codec.event_of(event),
                effects=codec.effects_of(effects),
                changes=codec.parsed(changed),
                failed=failed,
            )

    @contextlib.contextmanager
    def _readable(self, what: str) -> Iterator[None]:
        try:
            yield
        except codec.Unreadable as error:
            remedy = "Install the version of copierd that wrote it; nothing has been changed"
            raise LedgerError(f"{what}: {error}", self.path, remedy) from error
