"""The three standard streams, as whoever starts a command leaves them: closed, full, or read by somebody who has gone.

Rule 1: what was said must have arrived before the exit status says so: it is flushed here, and not at Python's end.
Rule 2: a command that has come to its end has its status, whoever has gone meanwhile. What is wrong is wrong also when
        nobody reads why: standard error is never a reason to end.
Rule 3: a stream that is closed is one to nowhere: the next file that is opened must not get its number, where a
        traceback would be written into it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any, TextIO, cast

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
    with contextlib.redirect_stderr(cast(TextIO, _Forgiving(sys.stderr))):
        return _flushed(program, command)


def _flushed(program: str, command: Callable[[], int]) -> int:
    status: int = Exit.OK  # of a command that has had no reader any more: `copierctl copies | head`
    try:
        try:
            status = command()
        finally:  # --help and --version leave by SystemExit
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in _REFUSED or error.filename is not None:
            raise
        _to_nowhere(sys.stdout)
        if isinstance(error, BrokenPipeError):
            return status
        print(f"{program}: what was asked for cannot be written: {error.strerror}. Make room there", file=sys.stderr)
        return Exit.OUTPUT
    return status


class _Forgiving:
    """Standard error, for as long as somebody takes what is said there."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            _to_nowhere(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            _to_nowhere(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _to_nowhere(stream: TextIO) -> None:
    """From now on. Python would complain once more when it flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _opened() -> None:
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)  # the lowest number that is free
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - open to the end, by number
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - likewise
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115 - likewise
