"""A ledger that an older copierd has written: brought up to date, all or nothing, with a copy of what it was.

tests/daemon/ledgers holds such ledgers, each written by the copierd of its time and never changed since.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from daemon.ledger import DiskFull, Ledger, LedgerError, backup, schema
from daemon.ledger.duplicate import duplicated
from statecharts.values import AccountName

OLDER = sorted(Path(__file__).with_name("ledgers").glob("schema_*.sql"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def written(script: Path, path: Path) -> int:
    """Makes the ledger of that time; answers its schema."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(script.read_text(encoding="utf-8"))
        (version,) = db.execute("PRAGMA user_version").fetchone()
    path.chmod(0o600)
    return int(version)


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def test_there_is_a_ledger_of_every_older_schema() -> None:
    """Whoever adds a step adds the ledger that it must be able to read."""
    assert [one.stem for one in OLDER] == [f"schema_{version}" for version in range(1, schema.VERSION)]


@pytest.mark.parametrize("script", OLDER, ids=lambda one: one.stem)
def test_what_an_older_one_holds_is_all_there(script: Path, path: Path) -> None:
    written(script, path)
    with closing(Ledger.open(path)) as ledger:
        assert ledger.names() == ["eval1", "eval2", "lead"]
        shown = {name: ledger.load(AccountName(name)) for name in ledger.names()}
        assert {type(account.connection).__name__ for account in shown.values() if account} == {"Copying"}
        assert len(list(ledger.turns())) == 15
        assert [row["outcome"] for row in ledger.copies()] == ["intended", "intended"]
        assert len(ledger.undelivered(AccountName("eval2"))) == 2, "what eval2 was told and has not taken"
        token = ledger.token("apex")
        assert token is not None and token[0] == "a-token" and ledger.device("apex") == "3b0d"
        assert ledger.refresh_token("apex") is None
        assert ledger.fact("last_stop") == "clean"
    assert version_of(path) == schema.VERSION


@pytest.mark.parametrize("script", OLDER, ids=lambda one: one.stem)
def test_a_copy_of_what_it_was_is_kept_for_the_owner_alone(script: Path, path: Path) -> None:
    version = written(script, path)
    with closing(sqlite3.connect(path)) as db:
        before = list(db.iterdump())
    with closing(Ledger.open(path)) as ledger:
        copy = ledger.kept
    assert copy == path.with_name(f"ledger.sqlite.schema-{version}")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600, "it holds tokens, as the ledger does"
    with closing(sqlite3.connect(copy)) as db:
        assert list(db.iterdump()) == before
    assert version_of(copy) == version
    with closing(Ledger.open(path)) as ledger:
        assert ledger.kept is None, "it is up to date: nothing to keep"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_copy_that_root_has_made_is_the_ledger_s_owner_s(path: Path) -> None:
    written(OLDER[0], path)
    os.chown(path, 65534, 65533)
    with closing(Ledger.open(path)) as ledger:
        assert ledger.kept is not None
        found = ledger.kept.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (65534, 65533, 0o600)


def test_what_is_in_the_log_alone_is_in_the_copy(path: Path) -> None:
    """After a crash the newest turns are in the write-ahead log: to copy the file would lose them."""
    written(OLDER[0], path)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("PRAGMA wal_autocheckpoint = 0")
        holder.execute("INSERT INTO facts VALUES ('late', 'told')")
        assert path.with_name("ledger.sqlite-wal").stat().st_size > 0
        with closing(Ledger.open(path)) as ledger:
            copy = ledger.kept
    assert copy is not None
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT value FROM facts WHERE key = 'late'").fetchone() == ("told",)


def test_a_new_ledger_and_a_duplicate_keep_nothing(path: Path) -> None:
    with closing(Ledger.open(path)) as ledger:
        assert ledger.kept is None
    path.unlink()
    version = written(OLDER[0], path)
    with duplicated(path) as copy:
        assert copy.kept is None and list(copy.path.parent.glob("*schema*")) == []
    assert version_of(path) == version


def test_where_the_copy_cannot_be_kept_nothing_is_changed(path: Path) -> None:
    version = written(OLDER[0], path)
    backup.named(path, version).mkdir()  # what cannot be replaced by a file
    with pytest.raises(LedgerError, match="no copy of it could be kept before it is changed") as caught:
        Ledger.open(path)
    assert "start again" in caught.value.remedy and not isinstance(caught.value, DiskFull)
    assert version_of(path) == version
    assert not path.with_name("ledger.sqlite.schema-1.unfinished").exists()
    backup.named(path, version).rmdir()
    Ledger.open(path).close()
    assert version_of(path) == schema.VERSION


def test_a_newer_one_is_refused_with_the_way_back(path: Path) -> None:
    newer = schema.VERSION + 1
    Ledger.open(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {newer}")
    with pytest.raises(LedgerError) as caught:
        Ledger.open(path)
    assert caught.value.what == f"it was written by a newer copierd (schema {newer}, this one knows {schema.VERSION})"
    assert "cp " not in caught.value.remedy
    copy = backup.keep(path, schema.VERSION)
    with pytest.raises(LedgerError, match=rf"\(-wal, -shm\) away, and put back what it was: cp -p {copy} {path}$"):
        Ledger.open(path)


@pytest.mark.parametrize("death", ["lines", "bytes"])
def test_a_death_at_any_moment_leaves_the_old_one_or_the_new(death: str, tmp_path: Path) -> None:
    older = tmp_path / "older" / "ledger.sqlite"
    older.parent.mkdir()
    version = written(OLDER[-1], older)
    command = [sys.executable, "-m", "tests.daemon.ledger_upgrader", str(tmp_path), str(older), str(version), death]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found = Counter(done.stdout.split())
    assert found["old"] > 20 and found["new"] >= 1, f"it died before and after the change: {found}"
