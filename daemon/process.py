"""`copierd run` as a process: its state directory, its signals, its exit status."""

from __future__ import annotations

import gc
import linecache
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from daemon import control, simulation
from daemon.config import Config, ConfigErrors, load
from daemon.config.values import SIMULATOR
from daemon.exits import Exit
from daemon.garbage import Sweeper
from daemon.journal import Journal
from daemon.last_stop import boot_id
from daemon.ledger import Ballast, Ledger, LedgerError
from daemon.lookout import fed_every
from daemon.notify import notifier
from daemon.ports import Ports
from daemon.state_lock import StateInUse, StateLock
from daemon.supervisor import Supervisor

if TYPE_CHECKING:
    from daemon.embedded import Embedded


@asynccontextmanager
async def signals(supervisor: Supervisor) -> AsyncIterator[None]:
    """SIGTERM and SIGINT stop, SIGHUP reads the configuration again, when everybody is there who may be in it."""

    async def listen(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
            task_status.started()
            async for number in received:
                if number == signal.SIGHUP:
                    nursery.start_soon(read_again)
                else:
                    supervisor.stopping.set()

    async def read_again() -> None:
        await supervisor.ready.wait()
        if supervisor.stopping.is_set():
            return
        try:
            supervisor.reload()
        except ConfigErrors as errors:
            words = "; ".join(str(error) for error in errors.errors)
            supervisor.journal.say("daemon.reloaded", f"nothing was changed: {words}", severity="error")

    async with trio.open_nursery() as nursery:
        await nursery.start(listen)
        yield
        nursery.cancel_scope.cancel()


def run_daemon(path: Path) -> int:
    """`copierd run`: the exit status of the contract."""
    try:
        config = load(path)
    except ConfigErrors as wrong:
        for one in wrong.errors:
            print(one, file=sys.stderr)
        return Exit.CONFIG
    journal = Journal.open(config.daemon.log_level)
    status = Exit.OK
    try:
        _hold_state(config, path, journal)
    except* (StateInUse, control.SocketUnusable, LedgerError) as unusable:
        for error in leaves(unusable):
            journal.say("daemon.stopped", str(error), severity="error")
        status = Exit.UNAVAILABLE
    except* ConfigErrors as wrong:
        for errors in leaves(wrong):
            print(errors, file=sys.stderr)
        status = Exit.CONFIG
    except* Exception as bug:  # noqa: BLE001 - the last door: what nobody expected leaves with its traceback and status
        journal.crash("a bug ended copierd; positions and working orders stay at the broker", bug)
        status = Exit.BUG
    return status


def _hold_state(config: Config, path: Path, journal: Journal) -> None:
    """The daemon's life inside its state directory."""
    directory = config.daemon.state_directory
    with StateLock.taken(directory):
        ledger = ledger_of(config)
        if ledger.kept is not None:
            journal.say("ledger.upgraded", brought_up_to_date(ledger.kept))
        ledger.ballast = Ballast(directory / "ballast")
        supervisor = Supervisor(config, Ports.real(), journal, ledger, notifier(), path, boot=boot_id())
        supervisor.fed_every = fed_every(os.environ)
        supervisor.embedded = embedded_in(config, supervisor.ports)
        _settle()
        sweeper = Sweeper()
        sweeper.begin()
        trio.run(_serve, supervisor, instruments=[sweeper])


def _settle() -> None:
    """Modules and classes stay to the end: the collector of cycles need not walk them while an order waits for it.

    What the books hold has no cycles; those of tasks and sessions are collected as ever. (Measured with a hundred
    followers: a full collection took 127 ms, up to 233, and half a minute of trading had six; now 56.)

    attrs and cattrs keep the source of each method that they have made, for the sake of tracebacks, in 3 MB: what they
    have made has no bugs of ours, and the lines of files are read again where a traceback needs them.
    """
    linecache.clearcache()
    gc.collect()
    import daemon.control.server  # noqa: F401 - loaded later, it would not be put aside; no other command needs it

    gc.freeze()


def brought_up_to_date(kept: Path) -> str:
    return f"the ledger was brought up to date; as it was before, it is kept as {kept}"


def ledger_of(config: Config) -> Ledger:
    """The ledger in the state directory, which is ours by now. Raises LedgerError."""
    directory = config.daemon.state_directory
    if any(login.environment != SIMULATOR for login in config.logins.values()):
        return Ledger.open(directory / "ledger.sqlite")
    return simulation.begun_anew(directory)


def embedded_in(config: Config, ports: Ports) -> Embedded | None:
    """The simulated broker inside the daemon, loaded only where the configuration has it."""
    if all(login.environment != SIMULATOR for login in config.logins.values()):
        return None
    from daemon.embedded import Embedded

    return Embedded.of(config, ports)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """What is in a group, and in the groups within."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


async def _serve(supervisor: Supervisor) -> None:
    async with signals(supervisor):
        await supervisor.run(control.serve)
