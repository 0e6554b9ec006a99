"""A look into a ledger that may be in use, or another user's: how it is opened, and the device id of a login.

Rule: nothing is written, and no file is made beside the ledger: one of root's there would keep the daemon out of it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path


def read_only(path: Path) -> str:
    """As sqlite3.connect takes it, with uri=True."""
    # Without a write-ahead log nobody has it open: then not even a file for locks is made beside it.
    alone = not path.with_name(f"{path.name}-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"


def kept_device(path: Path, login: str) -> str | None:
    """None where there is none yet, or where it cannot be read from here."""
    try:
        if not path.is_file():
            return None
        with contextlib.closing(sqlite3.connect(read_only(path), uri=True)) as db:
            found = db.execute("SELECT device_id FROM logins WHERE login = ?", (login,)).fetchone()
    except (OSError, sqlite3.Error):
        return None
    return found[0] if found else None
