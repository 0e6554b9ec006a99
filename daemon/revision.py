"""A configuration that was read again by a running daemon: what is in force from now on, and what waits for a restart.

Rule 1: what is shown is what is in force. What a reload cannot change stays as it runs, and is named.
Rule 2: this file decides nothing about positions; whether a revision may be taken up is reloading.py's.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from daemon.config import Config, Copy, Login

_OF_A_LOGIN = ("environment", "grant", "redirect_uri", "client_id")  # what its connections are made of


@attrs.frozen
class Revision:
    """`config` is in force; `waiting` are the parts of the file that need a restart, as they are called there."""

    config: Config
    waiting: tuple[str, ...]


def revised(runs: Config, read: Config) -> Revision:
    logins = {name: _login(login, read.logins.get(name)) for name, login in runs.logins.items()}
    config = attrs.evolve(
        read,
        daemon=attrs.evolve(runs.daemon, log_level=read.daemon.log_level),
        reconnect=attrs.evolve(read.reconnect, silence_limit=runs.reconnect.silence_limit),
        environments=runs.environments,
        logins=logins,
        accounts=runs.accounts,
        copies=tuple(_copies(runs, read)),
        notify=runs.notify,
    )
    return Revision(config, tuple(dict.fromkeys(_waiting(runs, read))))


def _login(runs: Login, read: Login | None) -> Login:
    """The file's, where its secrets and its limits are; it stays at the broker where it is."""
    return runs if read is None else attrs.evolve(read, **{key: getattr(runs, key) for key in _OF_A_LOGIN})


def _copies(runs: Config, read: Config) -> Iterator[Copy]:
    """Those of accounts that run. Who begins to follow is refused, so what is left out here is new altogether."""
    for copy in read.copies:
        followers = tuple(one for one in copy.followers if one.account in runs.accounts)
        if copy.leader in runs.accounts and followers:
            yield attrs.evolve(copy, followers=followers)


def _waiting(runs: Config, read: Config) -> Iterator[str]:
    for key in ("state_directory", "control_socket"):
        if getattr(runs.daemon, key) != getattr(read.daemon, key):
            yield f"daemon.{key}"
    if runs.reconnect.silence_limit != read.reconnect.silence_limit:
        yield "reconnect.silence_limit"
    used = {login.environment for login in runs.logins.values()}
    yield from (
        f"environments.{name}" for name in sorted(used) if runs.environments[name] != read.environments.get(name)
    )
    for name in sorted(runs.logins.keys() & read.logins.keys()):
        for key in _OF_A_LOGIN:
            if getattr(runs.logins[name], key) != getattr(read.logins[name], key):
                yield f"logins.{name}.{key}"
    for name in sorted(runs.accounts.keys() | read.accounts.keys()):
        if runs.accounts.get(name) != read.accounts.get(name):
            yield f"accounts.{name}"
    if runs.notify != read.notify:
        yield "notify"
