"""Opens an older ledger again and again, and is killed each time a little later; says what was found after each death.

`python -m tests.daemon.ledger_upgrader DIRECTORY OLDER SCHEMA lines` is killed between two lines of the ledger's code,
`bytes` inside a write that the disk takes half of. A process of its own, for it forks: a child for every death.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import daemon.ledger
from daemon.ledger import Ledger, backup

CODE = str(Path(daemon.ledger.__file__).parent)
GRAIN = 1000  # bytes; a page has 4096


def dies_at_line(number: int) -> None:
    left = number

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(CODE):
            return None
        left -= event == "line"
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def dies_at_byte(number: int) -> None:
    """No file may become longer: the write that would is cut off there, and the next kills (setrlimit(2), SIGXFSZ)."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (number * GRAIN, number * GRAIN))


DEATHS: dict[str, Callable[[int], None]] = {"lines": dies_at_line, "bytes": dies_at_byte}


def opened_and_killed(path: Path, death: str, number: int) -> bool:
    """Whether the child was killed before it had opened the ledger."""
    child = os.fork()
    if child == 0:
        DEATHS[death](number)
        Ledger.open(path)
        os._exit(0)  # as if the machine stopped right after: nothing is closed
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "it was killed, or it has opened the ledger"
    return os.WIFSIGNALED(status)


def schema_of(path: Path, aside: Path) -> tuple[int, list[tuple[str]]]:
    """Read from copies of the files: to look at them changes nothing."""
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    for one in path.parent.glob(f"{path.name}*"):
        if one.name == path.name or one.name.startswith(f"{path.name}-"):
            shutil.copy(one, aside)
    with contextlib.closing(sqlite3.connect(aside / path.name)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return version, db.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall()


def main(directory: Path, older: Path, version: int, death: str) -> None:
    path, aside = directory / "ledger.sqlite", directory / "aside"
    old = schema_of(older, aside)
    shutil.copy(older, path)
    Ledger.open(path).close()
    new = schema_of(path, aside)
    assert old[0] == version < new[0]
    number, killed = 0, True
    while killed:
        for one in directory.glob("ledger.sqlite*"):
            one.unlink()
        shutil.copy(older, path)
        killed = opened_and_killed(path, death, number)
        found = schema_of(path, aside)
        assert found in (old, new), f"neither old nor new after death {number}: {found}"
        copy = backup.named(path, version)
        assert found == old or copy.exists(), "changed before the copy was kept"
        if copy.exists():
            assert schema_of(copy, aside) == old, "a copy that has its name is whole"
        Ledger.open(path).close()
        assert schema_of(path, aside) == new and schema_of(copy, aside) == old, "the next start brings it to an end"
        assert sorted(one.name for one in directory.glob("ledger.sqlite*")) == [path.name, copy.name]
        print("old" if found == old else "new")
        number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
