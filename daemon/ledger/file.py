"""The ledger's file in use: a statement, a transaction, room where there is none, and an end of it.

Rule: one thread, one connection; only `checkpoint` may be called from another thread, and brings its own.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import attrs

from daemon.ledger import schema
from daemon.ledger.ballast import Ballast
from daemon.ledger.schema import DiskFull

T = TypeVar("T")


@attrs.define
class File:
    """All methods raise LedgerError when it cannot be used (DiskFull where it is room that lacks)."""

    path: Path
    _db: sqlite3.Connection = attrs.field(repr=False)
    ballast: Ballast | None = None  # room that is given up when the disk is full
    on_full: Callable[[], None] = lambda: None  # called when it has been

    def _with_room(self, write: Callable[[], T]) -> T:
        """On a full disk the ballast is given up, and it is written once more. Raises DiskFull."""
        try:
            return write()
        except DiskFull:
            if not self.make_room():
                raise
            return write()

    def make_room(self) -> bool:
        """Gives up the ballast; False when there is none any more."""
        if self.ballast is None or not self.ballast.drop():
            return False
        self.on_full()
        return True

    def checkpoint(self) -> None:
        """Moves the write-ahead log into the file. For a worker thread when all is quiet: it waits for the disk.

        On a connection of its own, and passively: it never makes the loop's commits wait.
        """
        if self.path == schema.MEMORY:
            return
        with schema.spoken(self.path):
            uri = f"{self.path.absolute().as_uri()}?mode=rw"  # never a new file in the place of one that was moved away
            with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Ends the use of the file. What was committed is safe without it."""
        with schema.spoken(self.path):
            self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with schema.spoken(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:  # a cancellation too leaves no half transaction; it is raised again
                if self._db.in_transaction:  # a full disk may have ended it already
                    self._db.execute("ROLLBACK")
                raise

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        def write() -> None:
            with schema.spoken(self.path):
                self._db.execute(statement, values)

        self._with_room(write)

    def _one(self, statement: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        found = self._all(statement, values)
        return found[0] if found else None

    def _all(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with schema.spoken(self.path):
            return self._db.execute(statement, values).fetchall()
