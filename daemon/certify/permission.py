"""May a run take this login now? It opens a session, and the broker allows a user one or two of them.

Rule: what cannot be found out is told as such; a run is never begun on a guess.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from daemon.config import Config, Environment, Login
from daemon.control.client import Client, NoDaemon, Refused
from daemon.ledger import Ledger
from daemon.ledger.schema import MEMORY
from daemon.state_lock import StateInUse, StateLock

LEDGER = "ledger.sqlite"


class NotAllowed(Exception):
    """The run is refused. The text says why and what to do."""


def check(settings: Login, environment: Environment, evict: bool) -> None:
    """What the configuration alone tells. Raises NotAllowed."""
    if settings.grant != "password":
        raise NotAllowed(
            f'login {settings.login} has grant = "{settings.grant}", and stage 1 is about logins with a password. '
            'Name a login with grant = "password" on the same environment'
        )
    if environment.live and not evict:
        raise NotAllowed(
            f"login {settings.login} is on {environment.environment}, which is live: the session of this run may push "
            "out a program that trades there. Certify on demo, or say --evict when nothing of this user is trading"
        )


@contextlib.contextmanager
def taken(config: Config, login: str, evict: bool) -> Iterator[Ledger]:
    """Holds the state directory, so that no daemon begins meanwhile. Raises NotAllowed and LedgerError.

    With `evict`, a daemon that holds the login is left alone, and its ledger is only read.
    """
    if not evict and (where := _answering(config.daemon.control_socket, login)):
        raise _held(login, where)
    directory = config.daemon.state_directory
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(StateLock.taken(directory))
        except StateInUse as error:
            if not isinstance(error.__cause__, BlockingIOError):
                raise NotAllowed(f"whether a daemon holds login {login} cannot be told: {error}") from error
            known = _known(directory / LEDGER, login)
            if known is not None and not evict:
                raise _held(login, f"on {directory}") from error
            ledger = Ledger.open(MEMORY)
            if known:
                ledger.keep_device(login, known)
        else:
            ledger = Ledger.open(directory / LEDGER)
        stack.callback(ledger.close)
        yield ledger


def _held(login: str, where: str) -> NotAllowed:
    return NotAllowed(
        f"a copierd holds login {login} ({where}), and a further session may push it out. "
        "Stop it first (systemctl stop copierd), or say --evict to take the risk"
    )


def _answering(socket: Path, login: str) -> str | None:
    """Where a daemon answers that has this login; None when none does."""
    client = Client((socket,))
    try:
        logins = client.get("/v1/status").get("logins", [])
    except NoDaemon:
        return None  # the lock of the state directory is asked next
    except Refused as error:
        raise NotAllowed(f"the copierd at {socket} does not say which logins it holds: {error}") from error
    names = [one.get("login") for one in logins if isinstance(one, dict)]
    return f"it answers at {socket}" if login in names else None


def _known(ledger: Path, login: str) -> str | None:
    """The device id (or the empty text) of a login in a ledger that another process uses; None when it has it not."""
    uri = f"{ledger.absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
            found = db.execute("SELECT device_id FROM logins WHERE login = ?", (login,)).fetchone()
    except sqlite3.Error as error:
        raise NotAllowed(
            f"a copierd is running there, and whether it holds login {login} cannot be read from {ledger} ({error}). "
            "Stop it first (systemctl stop copierd)"
        ) from error
    return None if found is None else found[0] or ""
