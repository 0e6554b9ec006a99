"""The ledger's file: its tables, its version, how it is opened, and what the operator is told when that fails.

Rule 1: a schema that has been released is changed only by a step in `STEPS`; its version is the number of steps.
Rule 2: a file that is not ours, or is newer than this version, is refused before anything in it is touched.
Rule 3: before an older ledger is changed, a copy of it is kept; all steps are one transaction: it is old or it is new.
Rule 4: instants are texts of `codec.instant_text`, so they sort as instants do; a token is in its own column only.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from daemon.ledger import backup

APPLICATION_ID: Final = 0x63706431  # "cpd1": tells a ledger from any other SQLite file
MEMORY: Final = Path(":memory:")
OPENING_PATIENCE: Final = 2.0  # seconds: another process may just be closing the file
PATIENCE_MS: Final = 250  # afterwards: the loop waits along with it, and the server expects a heartbeat every 2.5 s
# Without a checkpoint from elsewhere, SQLite makes one by itself inside a commit: a safety net far beyond the usual.
PAGES_BEFORE_OWN_CHECKPOINT: Final = 16_384

FIRST: Final = """
CREATE TABLE turns (
    id      INTEGER PRIMARY KEY,
    at      TEXT NOT NULL,
    account TEXT NOT NULL,
    state   TEXT NOT NULL,              -- the leaf after the turn
    event   TEXT NOT NULL,
    effects TEXT NOT NULL,
    changes TEXT NOT NULL,
    failed  TEXT                        -- the traceback of a turn that raised
) STRICT;
CREATE INDEX turns_of_account ON turns (account);          -- the rowid is in every index, so each is in order

CREATE TABLE accounts (
    name  TEXT PRIMARY KEY,
    first TEXT NOT NULL,                -- before its first turn: where a replay begins
    saved TEXT NOT NULL,
    turn  INTEGER NOT NULL              -- the last turn that `saved` includes
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    id       INTEGER PRIMARY KEY,
    at       TEXT NOT NULL,
    leader   TEXT NOT NULL,
    follower TEXT NOT NULL,
    event    TEXT NOT NULL,
    turn     INTEGER,                   -- the leader's turn that announced it
    consumed INTEGER                    -- the follower's turn that took it
) STRICT;
CREATE INDEX outbox_waiting ON outbox (follower) WHERE consumed IS NULL;

CREATE TABLE copies (
    seq             INTEGER PRIMARY KEY, -- in the order of decision
    id              TEXT NOT NULL,
    copy            TEXT NOT NULL,
    follower        TEXT NOT NULL,
    leader_order_id INTEGER,
    leader_fill_id  INTEGER,
    verb            TEXT NOT NULL,
    cl_ord_id       TEXT NOT NULL,
    symbol          TEXT NOT NULL,
    action          TEXT NOT NULL,
    quantity        INTEGER,
    order_type      TEXT,
    price           TEXT,               -- exact, as in the core
    stop_price      TEXT,
    outcome         TEXT NOT NULL,
    reason          TEXT,
    order_id        INTEGER,
    decided_at      TEXT NOT NULL,
    sent_at         TEXT,
    answered_at     TEXT,
    latency_ms      REAL,
    -- An id is a digest of broker account ids, which demo and live may give twice; with the follower it is one row.
    UNIQUE (id, follower)
) STRICT;
CREATE INDEX copies_of_follower ON copies (follower);
CREATE INDEX copies_of_outcome ON copies (outcome);
CREATE INDEX copies_of_leader_order ON copies (leader_order_id);
CREATE INDEX copies_of_order ON copies (order_id);
CREATE INDEX copies_decided ON copies (decided_at);

CREATE TABLE traces (                   -- which turns changed a copy: the way of a `why`
    copy TEXT NOT NULL,
    turn INTEGER NOT NULL,
    PRIMARY KEY (copy, turn)
) STRICT, WITHOUT ROWID;

CREATE TABLE logins (
    login            TEXT PRIMARY KEY,
    token            TEXT,
    token_expires_at TEXT,
    user_id          INTEGER,
    device_id        TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

REFRESH: Final = """
ALTER TABLE logins ADD COLUMN refresh_token TEXT;
ALTER TABLE logins ADD COLUMN refresh_expires_at TEXT;
"""

STEPS: Final = (FIRST, REFRESH)
VERSION: Final = len(STEPS)


class LedgerError(Exception):
    """The ledger cannot be used: what happened, where, and what to do about it."""

    def __init__(self, what: str, path: Path, remedy: str) -> None:
        super().__init__(f"{path}: {what}. {remedy}")
        self.what = what
        self.path = path
        self.remedy = remedy


class DiskFull(LedgerError):
    """No room for another turn. Nothing of the failed transaction is kept; with room, the ledger works again."""


_REMEDIES: Final = {
    "SQLITE_FULL": "copierd has stopped, and nobody looks after its positions: make room there and start it again",
    "SQLITE_BUSY": "Find the process that holds it (fuser -v, or a second copierd) and end it, then start again",
    "SQLITE_LOCKED": "Find the process that holds it (fuser -v, or a second copierd) and end it, then start again",
    "SQLITE_READONLY": "Make the file and its directory writable for the user that copierd runs as",
    "SQLITE_PERM": "Make the file and its directory writable for the user that copierd runs as",
    "SQLITE_CANTOPEN": "Make the directory, and let the user that copierd runs as write in it",
    "SQLITE_NOTADB": "It is no ledger. Name another state directory, or move the file away and start again",
    "SQLITE_CORRUPT": (
        "Put back a backup, or move the file and those beside it (-wal, -shm) away and start again: "
        "without it, positions at the broker are not known to be copied ones"
    ),
    "SQLITE_IOERR": "Look for disk errors (dmesg, df), mend them, then start again",
}
_LOOK: Final = "Look for disk errors and free space there (dmesg, df -h), then start again"


@contextlib.contextmanager
def spoken(path: Path) -> Iterator[None]:
    """Turns what SQLite says of the file into a LedgerError. A wrong statement is our bug and passes as it is."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        general = "_".join(name.split("_")[:2])  # SQLITE_IOERR_WRITE is an SQLITE_IOERR
        kind = DiskFull if general == "SQLITE_FULL" else LedgerError
        raise kind(f"the ledger cannot be used: {error}", path, _REMEDIES.get(general, _LOOK)) from error


def opened(path: Path, keep_older: bool = True) -> tuple[sqlite3.Connection, Path | None]:
    """A connection to the ledger at `path`, made or brought up to date where needed. Raises LedgerError.

    With it the copy that was kept of an older ledger; of one that is a copy already, none need be: `keep_older`.

    Transactions are begun and committed by name. Commits survive a kill; with synchronous=NORMAL a power cut may take
    the last ones, and never leaves half of one.
    """
    if path != MEMORY:
        _present(path)
    with spoken(path):
        db = sqlite3.connect(path, timeout=OPENING_PATIENCE, isolation_level=None)
        try:
            _recognized(db, path)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(f"PRAGMA wal_autocheckpoint = {PAGES_BEFORE_OWN_CHECKPOINT}")
            kept = _brought_up_to_date(db, path, keep_older)
            db.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
        except BaseException:
            db.close()
            raise
    return db, kept


def _present(path: Path) -> None:
    """Makes a missing file for the owner alone: it holds session tokens. -wal and -shm get the same mode."""
    try:
        if not path.exists():
            path.touch(mode=0o600, exist_ok=True)
        elif path.stat().st_mode & 0o077:
            with contextlib.suppress(PermissionError):  # somebody else's file: whether it may be used, SQLite will say
                path.chmod(0o600)
    except OSError as error:
        remedy = "Make the directory, and let the user that copierd runs as write in it"
        raise LedgerError(f"the ledger cannot be made: {error.strerror}", path, remedy) from error


def _recognized(db: sqlite3.Connection, path: Path) -> None:
    (ours,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if ours != APPLICATION_ID and (ours or version or tables):
        raise LedgerError("this is a database of another program", path, _REMEDIES["SQLITE_NOTADB"])
    if version > VERSION:
        what = f"it was written by a newer copierd (schema {version}, this one knows {VERSION})"
        raise LedgerError(what, path, _way_back(path))


def _way_back(path: Path) -> str:
    again = "Install that version again"
    copy = backup.latest(path, VERSION)
    if copy is None:
        return again
    # A write-ahead log that stays would be taken for that of the copy, and spoil it.
    return (
        f"{again}. Or flatten, for what was copied since the upgrade will not be known; then move the file and those "
        f"beside it (-wal, -shm) away, and put back what it was: cp -p {copy} {path}"
    )


def _brought_up_to_date(db: sqlite3.Connection, path: Path, keep_older: bool) -> Path | None:
    if db.execute("PRAGMA user_version").fetchone() == (VERSION,):
        return None
    db.execute("BEGIN IMMEDIATE")
    kept = None
    try:
        _recognized(db, path)  # again: another process may have been faster
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if 0 < version < VERSION and keep_older:
            kept = _kept(path, version)
        for step in STEPS[version:]:
            for statement in _statements(step):
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return kept


def _kept(path: Path, version: int) -> Path:
    try:
        return backup.keep(path, version)
    except OSError as error:
        why, full = str(error.strerror), error.errno == errno.ENOSPC
        raise _not_kept(path, why, full) from error
    except sqlite3.OperationalError as error:
        raise _not_kept(path, str(error), error.sqlite_errorname == "SQLITE_FULL") from error


def _not_kept(path: Path, why: str, full: bool) -> LedgerError:
    what = f"no copy of it could be kept before it is changed for this version: {why}"
    remedy = "Make its directory writable, with as much room as the file takes, and start again"
    return (DiskFull if full else LedgerError)(what, path, remedy)


def _statements(script: str) -> Iterator[str]:
    """Each by itself: executescript() would commit the transaction that makes a migration all or nothing."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
