"""A copy of the ledger, kept before a newer copierd changes its schema: the way back to the older one.

Rule 1: the copy is whole or it is not there: it gets its name when it is on the disk.
Rule 2: it is named after the schema that it has, lies beside the ledger, and is for the ledger's owner alone, also
        where root has made it: put back in the ledger's place, it must be his to write.
Rule 3: nothing here raises LedgerError; whoever opens the ledger says what a failure means.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

_MARK = ".schema-"


def named(path: Path, version: int) -> Path:
    """Where the copy is kept of the ledger at `path` while it had that schema."""
    return path.with_name(f"{path.name}{_MARK}{version}")


def latest(path: Path, version: int) -> Path | None:
    """The copy of the newest schema up to `version`, which a copierd that knows `version` can use."""
    return next((kept for one in range(version, 0, -1) if (kept := named(path, one)).is_file()), None)


def keep(path: Path, version: int) -> Path:
    """Copies the ledger, which nobody else may write to meanwhile. Raises sqlite3.Error, OSError."""
    copy = named(path, version)
    unfinished = copy.with_name(f"{copy.name}.unfinished")
    unfinished.unlink(missing_ok=True)  # of a start that was killed
    try:
        unfinished.touch(mode=0o600, exist_ok=False)
        owner = path.stat()
        if os.geteuid() == 0:
            os.chown(unfinished, owner.st_uid, owner.st_gid)
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with (
            contextlib.closing(sqlite3.connect(uri, uri=True)) as source,
            contextlib.closing(sqlite3.connect(unfinished)) as target,
        ):
            source.backup(target)
        _settled(unfinished)
        unfinished.rename(copy)
        _settled(copy.parent)
    finally:
        unfinished.unlink(missing_ok=True)
    return copy


def _settled(path: Path) -> None:
    """What has been written is on the disk, not only on its way there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
