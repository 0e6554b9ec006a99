"""The root nursery: start, drain, reload. Who runs in it, and comes and goes, is roster.py's.

Rule 1: lifetimes nest: process, login, account, errands, state. A stop closes the inboxes, waits for what is under way,
        then ends everything from outside.
Rule 2: the supervisor alone catches what nobody expected: it is logged with its traceback, the account is restarted,
        and the others stay up. A ledger that cannot be written to ends the daemon: nothing may be sent that is not
        written down.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from daemon import __version__, holdings, last_stop, leavers
from daemon.almanac import Almanac
from daemon.bulletins import Board
from daemon.clock import Clock
from daemon.config import Config, ConfigErrors, load
from daemon.full_disk import DiskWatch
from daemon.herald import Herald
from daemon.hours_table import markets_of
from daemon.journal import Journal
from daemon.ledger import DiskFull, Ledger
from daemon.logins.budget import Budget
from daemon.logins.login import Login
from daemon.lookout import Lookout
from daemon.notifications import Notifications
from daemon.notify import Notify, reloading
from daemon.ports import Ports
from daemon.reloading import objections, objections_at_start
from daemon.revision import revised
from daemon.roster import Roster
from daemon.round import Rounds
from daemon.rules import followers_of, rules_of
from daemon.wiring import Addresses, Running, account_of, addresses_of, read_again
from statecharts import states as s
from statecharts.account import Account
from statecharts.events import Event, FlattenAsked, ReconnectAsked, RulesChanged, Started

if TYPE_CHECKING:
    from daemon.embedded import Embedded

DRAIN_LIMIT = 5.0  # seconds for orders in flight; a stop takes 10 at most
CHECKPOINT_EVERY = 60.0  # seconds


@attrs.define(eq=False, repr=False)
class Supervisor:
    """The running daemon. `accounts` and `logins` by their names in copier.toml.

    `getting_out`: nothing is copied; only the followers connect, and each is flattened (`copierd flatten --offline`).
    """

    config: Config
    ports: Ports
    journal: Journal
    ledger: Ledger
    notify: Notify = attrs.field(factory=lambda: lambda line: None)
    config_path: Path | None = None
    embedded: Embedded | None = None
    getting_out: bool = False
    boot: str = ""  # of this life of the machine
    fed_every: float | None = None  # seconds, where systemd's watchdog wants to be fed
    logins: dict[str, Login] = attrs.field(factory=dict)
    accounts: dict[str, Running] = attrs.field(factory=dict)
    started_at: datetime = attrs.field(init=False)
    last_stop: str = attrs.field(init=False)
    rounds: Rounds = attrs.field(init=False)
    board: Board = attrs.field(init=False)
    herald: Herald = attrs.field(init=False)
    stopping: trio.Event = attrs.field(factory=trio.Event)
    ready: trio.Event = attrs.field(factory=trio.Event)
    budget: Budget = attrs.field(init=False)
    almanac: Almanac = attrs.field(init=False)
    roster: Roster = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        clock = Clock(self.ports.wall, self.ports.steady, judged=self._go_by_other_hours)
        self.almanac = Almanac(clock, self.journal, markets_of(self.config, self.config_path))
        self.ports = attrs.evolve(self.ports, wall=clock.now, ahead=lambda: clock.skew or timedelta(0))
        self.started_at = self.ports.wall()
        self.last_stop = last_stop.found(self.ledger, self.boot, __version__)
        self.board = Board.of(self.journal, self.ports.wall, self.ledger)
        self.budget = Budget(self.ports.wall, self.ledger)
        self.herald = Herald(self.board, self.notify, self.accounts, self.last_stop)
        self.rounds = Rounds(self.ledger, self.ports.wall, self.herald.told, followers_of(self.config))
        self.roster = Roster(
            self.config,
            self.ports,
            self.journal,
            self.ledger,
            self.board,
            self.budget,
            self.rounds,
            self.logins,
            self.accounts,
            self.almanac,
        )

    @property
    def crashes(self) -> int:
        """Accounts that were restarted after a bug."""
        return self.roster.crashes

    async def run(self, serve_control: Callable[..., Awaitable[None]] | None = None) -> None:
        """Runs until `stopping` is set and everything is drained. Raises LedgerError."""
        notifications = Notifications.of(self.config.notify, self.board, self.ports, self._well, self._held)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(notifications.run)
            await self.roster.open(nursery, await self._addresses(nursery))
            refused = objections_at_start(
                self._accounts(), self.config, self.ledger, self.config_path or Path("copier.toml")
            )
            if refused:
                raise ConfigErrors(refused)
            if serve_control is not None:
                await nursery.start(serve_control, self)
            if not self.getting_out:
                last_stop.running(self.ledger, self.boot, __version__)
            starting = [r for r in self.roster.in_order() if r.account.rules.copy is not None or not self.getting_out]
            for running in starting:  # all of them, before any runs: what a quick leader announces must not come first
                for event in self._first_words(running):
                    running.runner.post(event)
            for running in starting:
                await self.roster.begin(running)
            nursery.start_soon(self._checkpoint)
            nursery.start_soon(self.almanac.watch)
            nursery.start_soon(self.almanac.ask_the_time, self.logins.values, lambda: bool(self.budget.held_until))
            nursery.start_soon(Lookout(self.ledger, self.accounts, self.notify, self.fed_every).run)
            nursery.start_soon(DiskWatch(self.ledger, self.ports, self.board, self.accounts.values).run)
            self.ready.set()
            if not self.getting_out:
                self.herald.ready(len(self.logins))
                leavers.tell(self.board, self.ledger, self.config.accounts)
                nursery.start_soon(self.herald.caught_up)
                if self.embedded is not None:
                    nursery.start_soon(self._trade, self.embedded)
            await self.stopping.wait()
            await self._drain()
            unanswered = sum(running.errands.under_way for running in self.accounts.values())
            await notifications.flush()
            await self.board.farewell()
            nursery.cancel_scope.cancel()
        self._close(unanswered)

    def _first_words(self, running: Running) -> tuple[Event, ...]:
        """What an account hears at the start. To get out also what was disconnected is connected."""
        now = self.ports.wall()
        if self.getting_out:
            return Started(at=now), ReconnectAsked(at=now), FlattenAsked(at=now)
        return self.roster.first_words(running)

    async def _addresses(self, nursery: trio.Nursery) -> dict[str, Addresses]:
        addresses = {name: addresses_of(environment) for name, environment in self.config.environments.items()}
        if self.embedded is not None:
            listens = addresses["simulator"] = await nursery.start(self.embedded.run)
            self.journal.say("simulator.started", f"the simulated broker inside the daemon listens at {listens.rest}")
        return addresses

    def _accounts(self) -> Iterator[Account]:
        return (running.account for running in self.accounts.values())

    def _held(self, names: Collection[str]) -> str:
        return holdings.sentence(account for account in self._accounts() if account.name in names)

    def _well(self) -> bool:
        """Is every account Connected, or in a maintenance window? As `copierctl status --check`."""
        states = [account.connection for account in self._accounts()]
        return all(isinstance(one, s.Connected) or one.cause is s.Cause.MAINTENANCE for one in states) and bool(states)

    async def _trade(self, embedded: Embedded) -> None:
        """The scripted leader begins when its followers are there to see it."""
        await self.herald.until(
            lambda: all(isinstance(r.account.connection, s.Copying) for r in self.accounts.values())
        )
        await embedded.trade()

    async def _checkpoint(self) -> None:
        """Moves the write-ahead log into the ledger on another connection, where it delays no turn."""
        while True:
            await trio.sleep(CHECKPOINT_EVERY)
            try:
                await self.ports.aside(self.ledger.checkpoint)
            except DiskFull:
                if not self.ledger.make_room():
                    raise

    async def _drain(self) -> None:
        """No new copies; orders in flight are waited for."""
        self.herald.stopping()
        for running in self.accounts.values():
            running.runner.inbox.close()
        with trio.move_on_after(DRAIN_LIMIT):
            everybody = self.accounts.values()
            await self.herald.until(lambda: all(not r.errands.under_way and r.runner.inbox.empty for r in everybody))

    def _close(self, unanswered: int) -> None:
        for running in self.accounts.values():
            self.ledger.save(running.account)
        if not self.getting_out:
            last_stop.stopped(self.ledger)
        self.ledger.close()
        self.herald.stopped(unanswered)

    def _go_by_other_hours(self, trusted: bool) -> None:
        """The clock is to be trusted from now on, or no more."""
        for name, running in self.accounts.items():
            rules = self.almanac.hours(running.account.rules, self.config.environment(name).hours)
            running.runner.post(RulesChanged(at=self.ports.wall(), rules=rules))

    def reload(self) -> list[str]:
        """Reads the configuration again, and says what changed, in words.

        Raises ConfigErrors and changes nothing when it has an error.
        """
        self.notify(reloading())
        try:
            return self._reloaded()
        finally:
            self.notify("READY=1")

    def _reloaded(self) -> list[str]:
        assert self.config_path is not None, "only a daemon with a file can read it again"
        read = load(self.config_path)
        newcomers = [
            account_of(name, rules_of(read, name), self.ledger, self.ports)
            for name in read.accounts.keys() - self.accounts.keys()
        ]
        refused = (
            *objections(self._accounts(), self.config, read, self.config_path),
            *objections_at_start(newcomers, read, self.ledger, self.config_path),
        )
        if refused:
            raise ConfigErrors(refused)
        revision = revised(self.config, read)
        self.config, self.almanac.markets = revision.config, markets_of(revision.config, self.config_path)
        told = self.roster.revise(revision.config)
        for name, login in self.logins.items():
            if read_again(login, self.config.logins[name], self.ledger, self.journal):
                told.append(f"login {name} has a new credential, which is tried")
                self.journal.say("daemon.reloaded", told[-1], login=name)
        self.journal.set_level(self.config.daemon.log_level)
        if revision.waiting:
            told.append(f"restart copierd for {', '.join(revision.waiting)}")
            self.journal.say("daemon.reloaded", told[-1], severity="warning")
        self.journal.say("daemon.reloaded", "the configuration was read again")
        return told
