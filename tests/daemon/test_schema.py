"""A file that cannot be the ledger is refused with what is wrong, where, and what to do."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import attrs
import pytest

from daemon.ledger import DiskFull, Ledger, LedgerError, schema
from tests.daemon.company import EVAL, Company

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may write anywhere; whoever runs the tests as root is somebody else for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def refusal(path: Path) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        Ledger.open(path)
    error = caught.value
    assert error.path == path
    assert str(error) == f"{path}: {error.what}. {error.remedy}"
    return error


def test_a_newer_ledger_is_refused_and_left_alone(path: Path) -> None:
    Ledger.open(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    before = path.read_bytes()
    error = refusal(path)
    assert f"schema {schema.VERSION + 1}, this one knows {schema.VERSION}" in error.what
    assert "Install that version again" in error.remedy
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url)")
    before = path.read_bytes()
    assert "another program" in refusal(path).what
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)
    error = refusal(path)
    assert "not a database" in error.what
    assert "move the file away" in error.remedy


def test_an_empty_file_becomes_a_ledger(path: Path) -> None:
    path.touch(mode=0o644)
    Ledger.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    Ledger.open(path).close()


def test_a_damaged_file_is_named_when_the_damage_is_met(path: Path) -> None:
    company = Company.of(EVAL)
    with closing(Ledger.open(path)) as ledger:
        ledger.commit(company.connected())
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    with pytest.raises(LedgerError) as caught:
        used(path, company)
    assert "malformed" in caught.value.what
    assert "Put back a backup" in caught.value.remedy


def used(path: Path, company: Company) -> None:
    with closing(Ledger.open(path)) as ledger:
        ledger.load(EVAL)
        ledger.commit(company.connected())


def test_a_turn_of_a_newer_version_is_named(path: Path) -> None:
    company = Company.of(EVAL)
    with closing(Ledger.open(path)) as ledger:
        ledger.commit(company.connected())
        with closing(sqlite3.connect(path)) as db:
            db.execute("""UPDATE turns SET changes = '{"connection": {"kind": "Asleep"}}' WHERE id = 5""")
            db.commit()
        with pytest.raises(LedgerError, match="turn 5 of eval1: cannot read its changes: 'Asleep' is no State"):
            ledger.load(EVAL)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    error = refusal(tmp_path / "missing" / "ledger.db")
    assert "No such file or directory" in error.what
    assert "Make the directory" in error.remedy


def test_a_directory_that_may_not_be_written() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        path = directory / "ledger.db"
        directory.chmod(0o555)
        with unprivileged():
            assert "Permission denied" in refusal(path).what
        directory.chmod(0o755)
        Ledger.open(path).close()
        path.chmod(0o444)
        directory.chmod(0o555)
        with unprivileged():
            error = refusal(path)
        directory.chmod(0o755)
        assert "let the user that copierd runs as write" in error.remedy or "writable for the user" in error.remedy


def test_a_ledger_that_somebody_else_holds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "OPENING_PATIENCE", 0.01)
    with closing(Ledger.open(path)) as ledger, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="locked") as caught:
            ledger.keep_fact("last_stop", "clean")
        assert "Find the process that holds it" in caught.value.remedy
        other.execute("ROLLBACK")
        ledger.keep_fact("last_stop", "clean")
        ledger.close()
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert "locked" in refusal(path).what


def test_a_full_disk_is_told_apart_and_costs_only_that_commit(path: Path) -> None:
    company = Company.of(EVAL)
    turns = company.connected()
    with closing(Ledger.open(path)) as ledger:
        pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
        ledger._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(DiskFull, match="make room there"):
            ledger.commit([attrs.evolve(turns[0], failed="x" * 10_000)])
        ledger._db.execute("PRAGMA max_page_count = 1000000")
        ledger.commit(turns)
        assert [turn.id for turn in ledger.turns()] == list(range(1, len(turns) + 1))


def test_a_wrong_statement_is_a_bug_and_not_the_files_fault(path: Path) -> None:
    ledger = Ledger.open(path)
    ledger.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        ledger.fact("last_stop")


def test_a_migration_is_all_or_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Ledger.open(path)) as ledger:
        ledger.keep_fact("last_stop", "clean")
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    more = "CREATE TABLE more (a TEXT) STRICT;"
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, more + "\nCREATE TABLE facts (b TEXT) STRICT;"))
    assert "table facts already exists" in refusal(path).what
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS[:-1], more))
    with closing(Ledger.open(path)) as ledger:
        assert ledger.fact("last_stop") == "clean"
        assert ledger._db.execute("SELECT count(*) FROM more").fetchone() == (0,)
