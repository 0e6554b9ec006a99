"""The Unix socket itself: made, guarded by its mode, and removed; or taken over from systemd, and left alone.

Rule 1: whoever may open the socket may stop copying, so it never exists with a wider mode than 0660.
Rule 2: a socket that somebody answers on is in use; only one that nobody answers on is swept away.
Rule 3: what we made may go before us: /run/user/1000 goes when its user logs out, and comes back empty.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import attrs

from daemon.control.inherited import inherited
from daemon.control.unusable import SocketUnusable

MODE = 0o660
DIRECTORY_MODE = 0o750
BACKLOG = 128
KNOCK_LIMIT = 1.0  # seconds: a daemon on this machine takes a connection at once; one that is stuck is still there


@attrs.frozen
class Door:
    """The socket that listens; `made` is the file that we have made for it, by device and inode, None for systemd's."""

    socket: socket.socket
    path: Path
    made: tuple[int, int] | None = None

    def is_there(self) -> bool:
        """Does whoever opens the path come to us?"""
        if self.made is None:
            return True
        try:
            found = self.path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self.made


@contextlib.contextmanager
def listening(path: Path, environ: MutableMapping[str, str] | None = None) -> Iterator[Door]:
    """The socket that systemd has handed over, else one at `path`; that is gone afterwards. Raises SocketUnusable."""
    given = inherited(os.environ if environ is None else environ)
    if given is not None:
        with given:
            yield Door(given, path)
        return
    _clear_the_way(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as ours:
        try:
            os.fchmod(ours.fileno(), MODE)  # Linux: what bind() makes has the mode of the socket, less the umask
            ours.bind(str(path))
            path.chmod(MODE)  # and the umask must not keep the group out
            ours.listen(BACKLOG)
            made = path.stat()
        except OSError as error:
            raise _unusable(path, error.strerror or str(error)) from error
        door = Door(ours, path, (made.st_dev, made.st_ino))
        try:
            yield door
        finally:
            with contextlib.suppress(OSError):
                if door.is_there():  # else somebody else's by now
                    path.unlink()


def _clear_the_way(path: Path) -> None:
    """Makes the directory, and removes a socket that nobody answers on."""
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(mode=DIRECTORY_MODE, parents=True)
        try:
            found = path.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(found.st_mode):
            raise SocketUnusable(
                f"{path} is there and is no socket. Move it away, or give copierd another control_socket in [daemon]"
            )
        if _answers(path):
            raise SocketUnusable(
                f"the control socket {path} is in use by another copierd. "
                "Stop that one first, or give this one another control_socket in [daemon]"
            )
        path.unlink()
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
        knock.settimeout(KNOCK_LIMIT)
        try:
            knock.connect(str(path))
        except TimeoutError:
            return True
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True


def _unusable(path: Path, why: str) -> SocketUnusable:
    return SocketUnusable(
        f"the control socket {path} cannot be made: {why}. "
        "Name one with control_socket in [daemon]: at most 107 bytes long, in a directory that copierd may write to"
    )
