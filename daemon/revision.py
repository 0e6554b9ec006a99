"""A configuration that was read again by a running daemon: what is in force from now on, and what waits for a restart.

Rule 1: what is shown is what is in force. What a reload cannot change stays as it runs, and is named.
Rule 2: this file decides nothing about positions; whether a revision may be taken up is reloading.py's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from daemon.config import Account, Config, Copy, Login
from daemon.config.values import SIMULATOR

_OF_A_LOGIN = ("environment", "grant", "redirect_uri", "client_id")  # what its connections are made of


@attrs.frozen
class Revision:
    """`config` is in force; `waiting` are the parts of the file that need a restart, as they are called there."""

    config: Config
    waiting: tuple[str, ...]


def revised(runs: Config, read: Config) -> Revision:
    logins = {name: _login(runs.logins.get(name), login) for name, login in read.logins.items()}
    accounts = dict(_accounts(runs, read))
    logins |= {one.login: runs.logins[one.login] for one in accounts.values() if one.login not in logins}
    config = attrs.evolve(
        read,
        daemon=attrs.evolve(runs.daemon, log_level=read.daemon.log_level),
        reconnect=attrs.evolve(read.reconnect, silence_limit=runs.reconnect.silence_limit),
        environments={**read.environments, **{name: runs.environments[name] for name in _used(runs)}},
        logins=logins,
        accounts=accounts,
        copies=tuple(_copies(read, accounts)),
        notify=runs.notify,
    )
    return Revision(config, tuple(dict.fromkeys(_waiting(runs, read))))


def _used(config: Config) -> set[str]:
    return {login.environment for login in config.logins.values()}


def _accounts(runs: Config, read: Config) -> Iterator[tuple[str, Account]]:
    """The file's. The broker inside the daemon knows those that it was made with, and no others."""
    for name, account in read.accounts.items():
        known = runs.accounts.get(name)
        if not _beyond_the_simulator(known, account, read):
            yield name, account
        elif known is not None:
            yield name, known


def _beyond_the_simulator(known: Account | None, account: Account, read: Config) -> bool:
    """Is it an account of the broker inside the daemon that this one does not know?"""
    simulated = read.logins[account.login].environment == SIMULATOR
    return simulated and (known is None or (known.login, known.name) != (account.login, account.name))


def _login(runs: Login | None, read: Login) -> Login:
    """The file's, where its secrets and its limits are; one that runs stays at the broker where it is."""
    return read if runs is None else attrs.evolve(read, **{key: getattr(runs, key) for key in _OF_A_LOGIN})


def _copies(read: Config, accounts: Mapping[str, Account]) -> Iterator[Copy]:
    """Those of accounts that can run."""
    for copy in read.copies:
        followers = tuple(one for one in copy.followers if one.account in accounts)
        if copy.leader in accounts and followers:
            yield attrs.evolve(copy, followers=followers)


def _waiting(runs: Config, read: Config) -> Iterator[str]:
    for key in ("state_directory", "control_socket"):
        if getattr(runs.daemon, key) != getattr(read.daemon, key):
            yield f"daemon.{key}"
    if runs.reconnect.silence_limit != read.reconnect.silence_limit:
        yield "reconnect.silence_limit"
    yield from (
        f"environments.{name}"
        for name in sorted(_used(runs) & _used(read))
        if runs.environments[name] != read.environments.get(name)
    )
    for name in sorted(runs.logins.keys() & read.logins.keys()):
        for key in _OF_A_LOGIN:
            if getattr(runs.logins[name], key) != getattr(read.logins[name], key):
                yield f"logins.{name}.{key}"
    for name, account in sorted(read.accounts.items()):
        if _beyond_the_simulator(runs.accounts.get(name), account, read):
            yield f"accounts.{name}"
    if runs.notify != read.notify:
        yield "notify"
