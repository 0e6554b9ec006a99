"""Processes that live one after the other on the same disk: killed at a port, at any moment, or by a power cut.

Rule 1: a death makes the ports dead first (see tests/scenarios/mortality.py); whatever was handed over stays so.
Rule 2: a kill loses nothing that was committed. A power cut may lose the last commits, and leave half of one: the
        write-ahead log is cut off at a random byte behind what was last known to be synced.
Rule 3: the log is synced before any of its pages goes into the database (sqlite.org/wal.html, "Checkpointing"). A
        power cut that took such a page out of the log would leave a database that no real one leaves.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import attrs

from daemon.ledger import Ballast, DiskFull, Ledger, Posted, Taken
from tests.scenarios.mortality import Mortality, MortalLedger

LOG = "ledger.sqlite-wal"
INDEX = "ledger.sqlite-shm"
HEADER, FRAME = 32, 24  # bytes: the log's own header, and that of each page in it (sqlite.org/fileformat2.html, 4.1)
ATTEMPTED = 128  # where the index says how many pages are in the database, or may be (sqlite.org/walformat.html, 2.1.4)
BALLAST = 64 * 1024


@attrs.define(eq=False)
class Disk:
    """The state directory. `synced` is the length of the write-ahead log that survives any power cut."""

    directory: Path
    dice: random.Random
    synced: int = 0
    _salts: bytes = b""  # of the log that `synced` and `_known` speak of: it is begun anew under others
    _known: int = HEADER  # up to here it has been walked through
    full: bool = False
    slow: float = 0.0  # seconds that a commit takes at the most

    @property
    def path(self) -> Path:
        return self.directory / "ledger.sqlite"

    def ballast(self) -> Ballast:
        return SmallBallast(self.directory / "ballast", BALLAST, disk=self)

    def keep(self) -> Path:
        """The files as a process that dies now leaves them: a clean close would tidy them up."""
        self._look()
        kept = self.directory / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        for name in ("ledger.sqlite", LOG):
            with suppress(FileNotFoundError):
                shutil.copy(self.directory / name, kept / name)
        return kept

    def restore(self, kept: Path, power_lost: bool) -> int:
        """Puts them back; answers how many bytes a power cut has taken."""
        for name in ("ledger.sqlite", LOG, INDEX):
            (self.directory / name).unlink(missing_ok=True)
        for file in kept.iterdir():
            file.replace(self.directory / file.name)
        kept.rmdir()
        log = self.directory / LOG
        if not power_lost or not log.exists():
            return 0
        size = self._end()
        end = self.dice.randint(min(self.synced, size), size)
        os.truncate(log, end)
        self.synced, self._known = end, HEADER
        return size - end

    def sync(self) -> None:
        """Now and then the system writes everything out by itself."""
        self._look()
        self.synced = self._end()

    def _look(self) -> None:
        """A log begun anew has only its header synced, one that was checkpointed all that went into the database."""
        salts = self._header()[16:24]
        if salts != self._salts:
            self._salts, self.synced, self._known = salts, HEADER, HEADER
        with suppress(FileNotFoundError), (self.directory / INDEX).open("rb") as index:
            index.seek(ATTEMPTED)
            pages = int.from_bytes(index.read(4), sys.byteorder)
            self.synced = max(self.synced, HEADER + pages * self._page())

    def _header(self) -> bytes:
        try:
            with (self.directory / LOG).open("rb") as log:
                return log.read(HEADER)
        except FileNotFoundError:
            return b""

    def _page(self) -> int:
        return FRAME + int.from_bytes(self._header()[8:12], "big")

    def _end(self) -> int:
        """Behind the last page of the log in use: what an earlier log left in the file is nobody's."""
        header = self._header()
        if len(header) < HEADER:
            return len(header)
        page, end = self._page(), self._known
        with (self.directory / LOG).open("rb") as log:
            size = os.fstat(log.fileno()).st_size
            while end + page <= size:
                log.seek(end)
                if log.read(FRAME)[8:16] != header[16:24]:
                    break
                end += page
        self._known = end
        return end


@attrs.frozen
class SmallBallast(Ballast):
    """Room on such a disk: while it is full there is none to be had."""

    disk: Disk = attrs.field(kw_only=True)

    def put(self, spare: int = 0) -> bool:
        return not self.disk.full and Ballast.put(self, spare)


T = TypeVar("T")
Watch = Callable[[Sequence[Taken]], None]


@attrs.define(eq=False)
class Watched(Mortality):
    """A process whose commits are watched once they are made, and that dies by chance."""

    dice: random.Random = attrs.field(factory=random.Random)
    chance: float = 0.0
    committed: Watch = lambda turns: None
    full: Callable[[], bool] = lambda: False

    def call(self, what: str) -> None:
        if not self.dead and self.counting and self.dice.random() < self.chance:
            self.end_at = len(self.calls)
        super().call(what)
        self.calls.clear()

    def ledger(self, path: Path) -> Ledger:
        opened = WatchedLedger.open(path)
        assert isinstance(opened, WatchedLedger)
        opened.mortality = self
        self._ledger = opened
        return opened


@attrs.define
class WatchedLedger(MortalLedger):
    def _with_room(self, write: Callable[[], T]) -> T:
        def with_room() -> T:
            self._room()
            return write()

        return MortalLedger._with_room(self, with_room)

    def _room(self) -> None:
        assert isinstance(self.mortality, Watched)
        if self.mortality.full() and self.ballast is not None and self.ballast.there():
            raise DiskFull("database or disk is full", self.path, "make room")

    def commit(self, turns: Sequence[Taken], posted: Sequence[Posted] = ()) -> list[int]:
        assert isinstance(self.mortality, Watched)
        try:
            ids = MortalLedger.commit(self, turns, posted)
        finally:
            # Also when the process has died right behind the commit: it is on the disk.
            if turns and self._last.get(turns[-1].after.name) is turns[-1].after:
                self.mortality.committed(turns)
        return ids

    def checkpoint(self) -> None:
        """On the loop: a simulated world has no threads, its clock would not wait for them."""
        Ledger.checkpoint(self)
