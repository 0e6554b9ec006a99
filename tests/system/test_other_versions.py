"""The real daemon on the ledger of another version: an older one is brought up to date, a newer one is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from daemon.ledger import schema
from tests.system.processes import configuration, daemon, look_alike, stop, wait_until_connected

OLDER = Path(__file__).parents[1] / "daemon" / "ledgers" / "schema_1.sql"


def test_an_older_ledger_is_brought_up_to_date_and_a_newer_one_refused(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text("")
    ledger = tmp_path / "state" / "ledger.sqlite"
    ledger.parent.mkdir(mode=0o700)
    with closing(sqlite3.connect(ledger)) as db:
        db.executescript(OLDER.read_text(encoding="utf-8"))
        db.execute("DELETE FROM logins")  # of another user than this broker's
        db.commit()
    with look_alike(faults) as broker:
        config = configuration(tmp_path, broker.rest)
        with daemon(config) as process:
            wait_until_connected(config)
            assert stop(process) == 0
        copy = f"{ledger}.schema-1"
        assert f"as it was before, it is kept as {copy}" in (tmp_path / "log").read_text()
        with closing(sqlite3.connect(copy)) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (1,)
        newer = schema.VERSION + 1
        with closing(sqlite3.connect(ledger)) as db:
            db.execute(f"PRAGMA user_version = {newer}")
        with daemon(config) as process:
            assert process.wait(20) == 69
        words = f"{ledger}: it was written by a newer copierd (schema {newer}, this one knows {schema.VERSION})."
        assert f"{words} Install that version again" in (tmp_path / "log").read_text()
