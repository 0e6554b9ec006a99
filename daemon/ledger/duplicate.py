"""A ledger read beside whoever writes it: on a copy, which is gone afterwards.

Rule 1: the file itself is opened to be read, never to be written. The copy is brought up to date, so that an older
        ledger can be read as well.
Rule 2: the copy holds session tokens as the ledger does: its directory is one that nobody else may enter.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from daemon.ledger import Ledger
from daemon.ledger.schema import LedgerError, spoken
from daemon.peeking import read_only

_NAME = "ledger.sqlite"


@contextlib.contextmanager
def duplicated(path: Path) -> Iterator[Ledger]:
    """A copy of the ledger as it is at this moment. Raises LedgerError."""
    with tempfile.TemporaryDirectory(prefix="copierd-") as directory:
        copy = Path(directory) / _NAME
        _copy(path, copy)
        ledger = Ledger.open(copy, keep_older=False)
        try:
            yield ledger
        finally:
            ledger.close()


def _copy(path: Path, copy: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except (FileNotFoundError, IsADirectoryError) as error:
        remedy = "Name the ledger.sqlite of a state directory (of the simulator inside copierd: simulation.sqlite)"
        raise LedgerError("there is no such file", path, remedy) from error
    except OSError as error:  # Real world: the service's directory, which its own user alone may enter
        raise LedgerError(f"it cannot be read: {error.strerror}", path, "Ask as a user who may (sudo)") from error
    copy.touch(mode=0o600)
    with (
        spoken(path),
        contextlib.closing(sqlite3.connect(read_only(path), uri=True)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
