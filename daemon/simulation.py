"""The ledger of a daemon that copies on the embedded simulator alone: a file of its own, begun anew with each process.

Rule 1: the simulated broker's books begin anew with each process, and what was copied there with them. In the ledger of
        a real configuration such a position would be told as real.
Rule 2: what is no matter of the books outlives them, as it does elsewhere: whom the operator has paused, how the last
        run ended, and the numbers of events, by which whoever follows them comes back.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

import attrs

from daemon.ledger import Ledger, LedgerError
from statecharts.account import Account
from statecharts.states import Stopped
from statecharts.values import AccountName

FILE: Final = "simulation.sqlite"
_FACTS: Final = ("last_stop", "boot", "version", "run")


@attrs.frozen
class _Past:
    """Of the process before."""

    facts: dict[str, str] = attrs.field(factory=dict)
    paused: tuple[Account, ...] = ()


def begun_anew(directory: Path) -> Ledger:
    """The ledger of a simulation in the state directory, which is ours by now. Raises LedgerError."""
    path = directory / FILE
    past = _past(path) if path.exists() else _Past()
    for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
        (directory / name).unlink(missing_ok=True)
    ledger = Ledger.open(path)
    for key, value in past.facts.items():
        ledger.keep_fact(key, value)
    for account in past.paused:
        start = Stopped(since=account.connection.since, reason="not started yet")
        ledger.save(Account(name=account.name, connection=start, paused=True))
    return ledger


def _past(path: Path) -> _Past:
    """Nothing, where the file cannot be read (a newer copierd's, a damaged one): it would have been emptied anyway."""
    try:
        with contextlib.closing(Ledger.open(path, keep_older=False)) as ledger:
            facts = {key: value for key in _FACTS if (value := ledger.fact(key)) is not None}
            accounts = [ledger.load(AccountName(name)) for name in ledger.names()]
    except LedgerError:
        return _Past()
    return _Past(facts, tuple(account for account in accounts if account is not None and account.paused))
