"""Room that is kept for the day on which the disk is full: a file beside the ledger that is given up then.

Rule 1: it is real room, not a hole: what is given up can be written to.
Rule 2: it is given up once; whoever puts it back has found that there is room again.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import attrs

SIZE: Final = 32 * 1024 * 1024  # some thousand turns and the write-ahead log between two checkpoints


@attrs.frozen
class Ballast:
    path: Path
    size: int = SIZE

    @property
    def room(self) -> int:
        """Bytes that must be free before it is put by again: what has just been given up is not taken back."""
        return 2 * self.size

    def there(self) -> bool:
        return self.path.exists()

    def put(self, spare: int = 0) -> bool:
        """Keeps the room, if `spare` bytes are left beside it; False when not. May block: for a worker thread."""
        try:
            if shutil.disk_usage(self.path.parent).free < self.size + spare:
                return False
            self.path.touch(mode=0o600)
            with self.path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self.size)
        except OSError:  # no room, or no way to keep it here: either way there is no ballast
            self.path.unlink(missing_ok=True)
            return False
        return True

    def drop(self) -> bool:
        """Gives the room up; False when it was gone already."""
        there = self.there()
        self.path.unlink(missing_ok=True)
        return there
