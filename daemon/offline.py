"""`copierd flatten --offline`: closes what was copied when no daemon runs.

Rule 1: it is the daemon, with nothing to copy: the same state lock, ledger, sessions and decisions. Only the followers
        connect, each with a flatten asked for, and it ends when all are verified, or when the time is over.
Rule 2: a file that names another account for an open position is refused, as at any start: it would close
        somebody else's.
Rule 3: what is left is named, also on accounts that the file names no more: nobody has looked there. The accounts stay
        paused, so that the next daemon opens nothing before it is resumed.
"""

from __future__ import annotations

import signal
import sys
from datetime import datetime
from pathlib import Path

import trio

from daemon.config import Config, ConfigErrors, load
from daemon.control import contracts, getting_out
from daemon.exits import Exit
from daemon.journal import Journal
from daemon.leavers import leavers
from daemon.ledger import LedgerError
from daemon.ports import Ports
from daemon.process import brought_up_to_date, embedded_in, leaves, ledger_of
from daemon.state_lock import AnotherRuns, StateInUse, StateLock
from daemon.supervisor import Supervisor
from statecharts.account import Account


def run_offline(path: Path, wait: float) -> int:
    """The exit status of the contract. `wait` in seconds."""
    try:
        config = load(path)
    except ConfigErrors as wrong:
        for one in wrong.errors:
            print(one, file=sys.stderr)
        return Exit.CONFIG
    journal = Journal.open(config.daemon.log_level)
    status: int = Exit.OK
    try:
        status = _hold_state(config, path, journal, wait)
    except* (StateInUse, LedgerError) as unusable:
        for error in leaves(unusable):
            instead = ". While it runs, get out with: copierctl flatten --all" if isinstance(error, AnotherRuns) else ""
            print(f"copierd: {error}{instead}", file=sys.stderr)
        status = Exit.UNAVAILABLE
    except* ConfigErrors as wrong:
        for errors in leaves(wrong):
            print(errors, file=sys.stderr)
        status = Exit.CONFIG
    except* Exception as bug:  # noqa: BLE001 - the last door: what nobody expected leaves with its traceback and status
        journal.crash("a bug ended the flatten; look at your accounts in Tradovate now", bug)
        status = Exit.BUG
    return status


def _hold_state(config: Config, path: Path, journal: Journal, wait: float) -> int:
    with StateLock.taken(config.daemon.state_directory):
        ledger = ledger_of(config)
        if ledger.kept is not None:
            print(f"copierd: {brought_up_to_date(ledger.kept)}", file=sys.stderr)
        ports = Ports.real()
        supervisor = Supervisor(config, ports, journal, ledger, config_path=path, getting_out=True)
        supervisor.embedded = embedded_in(config, ports)
        return trio.run(_until_interrupted, supervisor, wait)


async def _until_interrupted(supervisor: Supervisor, wait: float) -> int:
    async with trio.open_nursery() as nursery:

        async def listen(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                task_status.started()
                async for _ in signals:
                    supervisor.stopping.set()

        await nursery.start(listen)
        status = await get_out(supervisor, wait)
        nursery.cancel_scope.cancel()
    return status


async def get_out(supervisor: Supervisor, wait: float) -> int:
    """Runs the supervisor until all followers are verified to be flat, or so many seconds are over; says what is so."""

    def followers() -> list[Account]:
        return [one.account for one in supervisor.accounts.values() if one.account.rules.copy is not None]

    async def watch() -> None:
        await supervisor.ready.wait()
        with trio.move_on_after(wait):
            since = supervisor.started_at  # what was seen before is no news
            await supervisor.herald.until(lambda: all(_verified(account, since) for account in followers()))
        supervisor.stopping.set()

    left = list(leavers(supervisor.ledger, supervisor.config.accounts))  # the ledger is closed at the end
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await supervisor.run()
        nursery.cancel_scope.cancel()
    status = _say([_shown(account) for account in followers()])
    for leaver in left:
        words = f"{leaver.name} is in copier.toml no more, and owned {leaver.owns} when copierd last looked after it"
        print(f"NOT LOOKED AT: {words}. Close it in Tradovate, or put it back and say this again", file=sys.stderr)
    return Exit.NOT_FLAT if left else status


def _verified(account: Account, since: datetime) -> bool:
    latches = account.book.latches
    return bool(latches) and all(latch.verified_at is not None and latch.verified_at >= since for latch in latches)


def _shown(account: Account) -> getting_out.Json:
    state = account.connection
    return {
        "account": account.name,
        "state": state.shown,
        "reason": state.reason,
        "flatten": contracts.flatten(account),
    }


def _say(accounts: list[getting_out.Json]) -> int:
    status = Exit.OK
    for account in accounts:
        if account["flatten"] is not None and account["flatten"]["verified_at"] is not None:
            print(getting_out.flat(account))
        else:
            status = Exit.NOT_FLAT
            for words in getting_out.not_flat(account):
                print(words, file=sys.stderr)
    return status
