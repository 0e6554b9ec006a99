"""The root nursery: one task group for each login, one for each account; start, drain, reload.

Rule 1: lifetimes nest: process, login, account, errands, state. A stop closes the inboxes, waits for what is under way,
        then ends everything from outside.
Rule 2: the supervisor alone catches what nobody expected: it is logged with its traceback, the account is restarted,
        and the others stay up. A ledger that cannot be written to ends the daemon: nothing may be sent that is not
        written down.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path

import attrs
import trio

from daemon import __version__, holdings, last_stop, leavers, neighbours
from daemon.almanac import Almanac, asleep_until, probing
from daemon.bulletins import Board
from daemon.clock import Clock
from daemon.config import Config, ConfigErrors, load
from daemon.embedded import Embedded
from daemon.full_disk import DiskWatch
from daemon.herald import Herald
from daemon.hours_table import markets_of
from daemon.journal import Journal
from daemon.ledger import DiskFull, Ledger, LedgerError
from daemon.logins.budget import Budget
from daemon.logins.gate import Gate
from daemon.logins.host import Host
from daemon.logins.login import Login
from daemon.notifications import Notifications
from daemon.notify import Notify
from daemon.ports import Ports
from daemon.reloading import keep, objections, objections_at_start
from daemon.revision import revised
from daemon.round import Rounds
from daemon.rules import followers_of
from daemon.wiring import Addresses, Running, login_of, read_again, running_account
from statecharts import states as s
from statecharts.account import Account
from statecharts.events import Event, FlattenAsked, Reauthorized, ReconnectAsked, RulesChanged, SessionFound, Started

DRAIN_LIMIT = 5.0  # seconds for orders in flight; a stop takes 10 at most
CHECKPOINT_EVERY = 60.0  # seconds
BETWEEN_CRASHES = 1.0  # seconds before an account that crashed runs again


@attrs.define(eq=False)
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
    logins: dict[str, Login] = attrs.field(factory=dict)
    accounts: dict[str, Running] = attrs.field(factory=dict)
    started_at: datetime = attrs.field(init=False)
    last_stop: str = attrs.field(init=False)
    rounds: Rounds = attrs.field(init=False)
    board: Board = attrs.field(init=False)
    herald: Herald = attrs.field(init=False)
    stopping: trio.Event = attrs.field(factory=trio.Event)
    ready: trio.Event = attrs.field(factory=trio.Event)
    gates: dict[str, Gate] = attrs.field(factory=dict)  # by environment
    budget: Budget = attrs.field(init=False)
    almanac: Almanac = attrs.field(init=False)
    crashes: int = 0

    def __attrs_post_init__(self) -> None:
        clock = Clock(self.ports.wall, self.ports.steady, judged=self._go_by_other_hours)
        self.almanac = Almanac(clock, self.journal, markets_of(self.config, self.config_path))
        self.ports = attrs.evolve(self.ports, wall=clock.now)
        self.started_at = self.ports.wall()
        self.last_stop = last_stop.found(self.ledger, self.boot, __version__)
        self.board = Board.of(self.journal, self.ports.wall, self.ledger)
        self.budget = Budget(self.ports.wall, self.ledger)
        self.herald = Herald(self.board, self.notify, self.accounts, self.last_stop)
        self.rounds = Rounds(self.ledger, self.ports.wall, self.herald.told, followers_of(self.config))

    async def run(self, serve_control: Callable[..., Awaitable[None]] | None = None) -> None:
        """Runs until `stopping` is set and everything is drained. Raises LedgerError."""
        notifications = Notifications.of(self.config.notify, self.board, self.ports, self._well, self._held)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(notifications.run)
            addresses = await self._addresses(nursery)
            for name in self._logins_in_order():
                gate = self._gate(self.config.logins[name].environment, addresses, nursery)
                self.logins[name] = self._login(name, addresses, gate)
                await nursery.start(self.logins[name].run)
            for name in self.config.accounts:
                self.accounts[name] = self._account(name)
            refused = objections_at_start(
                self._accounts(), self.config, self.ledger, self.config_path or Path("copier.toml")
            )
            if refused:
                raise ConfigErrors(refused)
            if serve_control is not None:
                await nursery.start(serve_control, self)
            if not self.getting_out:
                last_stop.running(self.ledger, self.boot, __version__)
            for running in self._accounts_in_order():
                for event in self._first_words():
                    running.runner.post(event)
                await nursery.start(self._keep, running)
            nursery.start_soon(self._checkpoint)
            nursery.start_soon(self.almanac.watch)
            nursery.start_soon(self.almanac.ask_the_time, self.logins.values)
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
            await notifications.flush()
            nursery.cancel_scope.cancel()
        self._close()

    def _first_words(self) -> tuple[Event, ...]:
        """What an account hears at the start. To get out also what was disconnected is connected."""
        now = self.ports.wall()
        if self.getting_out:
            return Started(at=now), ReconnectAsked(at=now), FlattenAsked(at=now)
        return (Started(at=now),)

    async def _addresses(self, nursery: trio.Nursery) -> dict[str, Addresses]:
        addresses = {
            name: Addresses(e.rest, e.websocket, e.authorize or "", e.token or "")
            for name, e in self.config.environments.items()
        }
        if self.embedded is not None:
            listens = addresses["simulator"] = await nursery.start(self.embedded.run)
            self.journal.say("simulator.started", f"the simulated broker inside the daemon listens at {listens.rest}")
        return addresses

    def _logins_in_order(self) -> list[str]:
        """Those of leaders first: without them there is nothing to copy."""
        names = dict.fromkeys(account.login for account in self.config.accounts.values())
        leading = {account.login for name, account in self.config.accounts.items() if self.config.leads(name)}
        return sorted(names, key=lambda name: name not in leading)

    def _accounts_in_order(self) -> list[Running]:
        """After a reboot the leaders dial first, then whoever holds a position, then the rest."""

        def rank(running: Running) -> int:
            if running.account.rules.leads:
                return 0
            return 1 if running.account.book.positions else 2

        wanted = [one for one in self.accounts.values() if one.account.rules.copy or not self.getting_out]
        return sorted(wanted, key=rank)

    def _gate(self, environment: str, addresses: dict[str, Addresses], nursery: trio.Nursery) -> Gate:
        """The one gate of an environment, with the task that probes its host while it is down."""
        if environment not in self.gates:

            def logins() -> list[Login]:
                return [one for name, one in self.logins.items() if self.config.logins[name].environment == environment]

            def back() -> None:
                for login in logins():
                    login.hooks.session_up()

            def in_position() -> bool:
                there = logins()
                return any(r.account.book.positions for r in self.accounts.values() if r.login in there)

            def unexpected() -> tuple[float, float] | None:
                there = logins()
                accounts = [running.account for running in self.accounts.values() if running.login in there]
                return probing(accounts, self.ports.wall())

            host = Host(addresses[environment].websocket, self.ports, back, in_position, unexpected=unexpected)
            nursery.start_soon(host.watch)
            self.gates[environment] = Gate(host, self.budget)
        return self.gates[environment]

    def _login(self, name: str, addresses: dict[str, Addresses], gate: Gate) -> Login:
        def session_up() -> None:
            for running in self.accounts.values():
                waiting = isinstance(running.account.connection, s.BackingOff | s.Maintenance | s.GivenUp)
                if running.login.name == name and waiting:
                    running.runner.post(SessionFound(at=self.ports.wall()))

        def reauthorized() -> None:
            for running in self.accounts.values():
                if running.login.name == name:
                    running.runner.post(Reauthorized(at=self.ports.wall()))
            session_up()

        def held() -> str:
            mine = [one.account for one in self.accounts.values() if one.login.name == name]
            return holdings.sentence(mine) if any(map(holdings.own, mine)) else ""

        def asleep() -> datetime | None:
            return asleep_until(running.account for running in self.accounts.values() if running.login.name == name)

        login = login_of(
            self.config,
            name,
            addresses,
            self.ledger,
            self.ports,
            self.board,
            gate,
            session_up,
            reauthorized,
            held,
            asleep,
        )
        login.tokens.hear_the_time = self.almanac.clock.hear
        return login

    def _account(self, name: str) -> Running:
        login = self.logins[self.config.accounts[name].login]

        def in_position() -> bool:
            return any(r.account.book.positions for r in self.accounts.values() if r.login is login)

        def circumstances(event: str) -> tuple[str, str | None]:
            return holdings.circumstances(event, name, self.config, self._accounts())

        return running_account(
            self.config,
            name,
            login,
            self.rounds,
            self.ledger,
            self.ports,
            self.board,
            in_position,
            circumstances,
            lambda event: neighbours.tell(event, self.config, self.accounts, self.board, self.ledger),
            self.almanac.rules(self.config, name),
        )

    def _accounts(self) -> Iterator[Account]:
        return (running.account for running in self.accounts.values())

    def _held(self, names: Collection[str]) -> str:
        return holdings.sentence(account for account in self._accounts() if account.name in names)

    def _well(self) -> bool:
        """Is every account Connected, or in a maintenance window? As `copierctl status --check`."""
        states = [account.connection for account in self._accounts()]
        return all(isinstance(one, s.Connected) or one.cause is s.Cause.MAINTENANCE for one in states) and bool(states)

    async def _keep(self, running: Running, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs one account for as long as the daemon runs, through its crashes."""
        task_status.started()
        while True:
            try:
                await running.runner.run()
            except* LedgerError:
                raise
            except* Exception as bug:  # noqa: BLE001 - one account's bug must not end the others; told with its traceback
                self.crashes += 1
                self.journal.crash(f"{running.runner.name} crashed and is restarted", bug, account=running.runner.name)
                self.rounds.fail(running.runner, bug)
            await trio.sleep(BETWEEN_CRASHES)

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

    def _close(self) -> None:
        for running in self.accounts.values():
            self.ledger.save(running.account)
        if not self.getting_out:
            last_stop.stopped(self.ledger)
        self.ledger.close()
        self.herald.stopped()

    def _go_by_other_hours(self, trusted: bool) -> None:
        """The clock is to be trusted from now on, or no more."""
        for name, running in self.accounts.items():
            rules = self.almanac.hours(running.account.rules, self.config.environment(name).hours)
            running.runner.post(RulesChanged(at=self.ports.wall(), rules=rules))

    def reload(self) -> list[str]:
        """Reads the configuration again, and says what changed, in words.

        Raises ConfigErrors and changes nothing when it has an error.
        """
        assert self.config_path is not None, "only a daemon with a file can read it again"
        read = load(self.config_path)
        refused = objections(self._accounts(), self.config, read, self.config_path)
        if refused:
            raise ConfigErrors(refused)
        revision = revised(self.config, read)
        markets = markets_of(revision.config, self.config_path)
        self.config, self.almanac.markets = revision.config, markets
        told: list[str] = []
        for name, running in self.accounts.items():
            rules = self.almanac.rules(self.config, name)
            if rules != running.account.rules:
                running.runner.post(RulesChanged(at=self.ports.wall(), rules=rules))
                keep(self.ledger, self.config, name, rules.copy)
                told.append(f"{name} has other rules")
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
