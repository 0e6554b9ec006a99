"""One daemon for each state directory: a lock that ends with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StateInUse(Exception):
    """The state directory cannot be had. The text says why and what to do."""


class AnotherRuns(StateInUse):
    """Another copierd has it."""


class StateLock:
    @staticmethod
    @contextmanager
    def taken(directory: Path) -> Iterator[None]:
        """Makes the directory (0700) and holds its lock. Raises StateInUse."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateInUse(
                f"the state directory {directory} cannot be used: {error.strerror}. "
                "Give copierd a directory that it may write to: state_directory in [daemon]"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AnotherRuns(
                f"another copierd is running on {directory}: two would copy every order twice. "
                "Stop that one first. One that copies other accounts needs a state_directory of its own"
            ) from error
        else:
            yield
        finally:
            os.close(lock)
