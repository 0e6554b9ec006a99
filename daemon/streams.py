"""The three standard streams, as whoever starts a command leaves them: closed, full, or read by somebody who has gone.

Rule 1: what was said must have arrived before the exit status says so: it is flushed here, and not at Python's end.
Rule 2: a stream that is closed is one to nowhere: the next file that is opened must not get its number, where a
        traceback would be written into it.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper

from daemon.exits import Exit

_REFUSED = (
    errno.EPIPE,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EBADF,
)  # of a write; no file is named


def delivered(program: str, command: Callable[[], int]) -> int:
    """The status of a command, when what it has said to standard output has arrived there."""
    _opened()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file may have a name that no encoding knows
    try:
        try:
            return command()
        finally:  # --help and --version leave by SystemExit
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in _REFUSED or error.filename is not None:
            raise
        # Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return Exit.OK  # Real world: `copierctl copies | head`
        print(f"{program}: what was asked for cannot be written: {error.strerror}. Make room there", file=sys.stderr)
        return Exit.OUTPUT


def _opened() -> None:
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)  # the lowest number that is free
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - open to the end, by number
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - likewise
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115 - likewise
