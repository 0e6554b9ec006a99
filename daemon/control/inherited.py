"""A control socket that systemd has made and hands over: sd_listen_fds(3), in the little that we need of it.

Rule 1: what we did not make we do not remove, rename or give another mode: it is the socket unit's.
Rule 2: a socket that was given is used, or the start is refused. To listen elsewhere in silence would leave whoever
        opens it waiting for ever.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import MutableMapping
from pathlib import Path

from daemon.control.unusable import SocketUnusable

FIRST = 3  # SD_LISTEN_FDS_START
NAME = "control"  # FileDescriptorName= of the socket unit; needed where it gives more than one
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def inherited(environ: MutableMapping[str, str]) -> socket.socket | None:
    """The listening socket that was handed to this very process; None when none was. Raises SocketUnusable.

    The variables are taken out of `environ`: they are of no process that we might start.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return None  # said to another one, who has left it in the environment
    _, count, names = (environ.pop(name, "") for name in _VARIABLES)
    if not (count.isascii() and count.isdigit()):
        raise SocketUnusable(f"LISTEN_FDS is {count!r}, which is no number. Leave these variables to systemd")
    given = range(FIRST, FIRST + int(count))
    for descriptor in given:
        os.set_inheritable(descriptor, False)
    if not given:
        return None
    called = [at for at, name in zip(given, names.split(":"), strict=False) if name == NAME]
    if len(called or given) != 1:
        raise SocketUnusable(
            f"systemd hands over {count} sockets, and which of them is the control socket is not said. "
            f"Give that one FileDescriptorName={NAME} in its unit, and no other"
        )
    return _fitting((called or given)[0])


def _fitting(descriptor: int) -> socket.socket:
    try:
        door = socket.socket(fileno=descriptor)
    except OSError as error:
        raise SocketUnusable(f"what systemd hands over is no socket: {error.strerror}. Use ListenStream=") from error
    listens = door.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    name = door.getsockname()  # bytes where it is in the abstract namespace, which everybody may open
    if door.family != socket.AF_UNIX or door.type != socket.SOCK_STREAM or not listens or not isinstance(name, str):
        door.close()
        raise SocketUnusable(
            "what systemd hands over is no listening Unix stream socket. "
            "In its unit, write ListenStream= with a path, and not Accept=yes"
        )
    path = Path(name)
    if path.is_socket() and path.stat().st_mode & stat.S_IWOTH:
        door.close()
        raise SocketUnusable(f"everybody may open {path}, and with it stop copying. In its unit, write SocketMode=0660")
    return door
