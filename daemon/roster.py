"""Who is there: the logins and accounts that run. They come and go with the configuration, each in a task of its own.

Rule 1: an account that a reload did not change keeps its connection and everything that it has under way.
Rule 2: one that goes leaves at once; it owns nothing, or the reload would have been refused (reloading.py). Its ledger
        stays. One that moved to another broker account goes, and comes as that.
Rule 3: who comes is read anew like everybody at a start, from its login's session where there is one; a leader that is
        being copied already is introduced to it.
Rule 4: one account's bug ends no other: it is told with its traceback, and the account runs again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import partial

import attrs
import trio

from daemon import holdings, neighbours
from daemon.almanac import Almanac, asleep_until
from daemon.bulletins import Board
from daemon.config import Config
from daemon.gates import Gates
from daemon.journal import Journal
from daemon.ledger import Ledger, LedgerError
from daemon.logins.budget import Budget
from daemon.logins.login import Login
from daemon.logins.turns import Rank
from daemon.ports import Ports
from daemon.reloading import begins_anew, home
from daemon.round import Rounds
from daemon.rules import followers_of, rules_of
from daemon.wiring import (
    Addresses,
    Running,
    addresses_of,
    followers_on,
    login_of,
    names_at,
    running_account,
    siblings_of,
)
from statecharts import states as s
from statecharts.events import Event, Reauthorized, RulesChanged, SessionFound, Started

BETWEEN_CRASHES = 1.0  # seconds before an account that crashed runs again


class Stuck(Exception):
    """An account took no turn although something waited for it: a bug like any other."""


@attrs.define(eq=False, repr=False)
class Roster:
    """`logins` and `accounts` by their names in copier.toml, `addresses` by environment."""

    config: Config
    ports: Ports
    journal: Journal
    ledger: Ledger
    board: Board
    budget: Budget
    rounds: Rounds
    logins: dict[str, Login]
    accounts: dict[str, Running]
    almanac: Almanac
    addresses: dict[str, Addresses] = attrs.field(factory=dict)
    crashes: int = 0
    _nursery: trio.Nursery | None = None
    _leaving: dict[str, trio.Event] = attrs.field(factory=dict)  # set: this login goes
    _gates: Gates = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        def environment_of(login: str) -> str:
            return self.config.logins[login].environment

        self._gates = Gates(self.ports, self.budget, self.logins, self.accounts, environment_of)

    async def open(self, nursery: trio.Nursery, addresses: dict[str, Addresses]) -> None:
        """Starts the logins, and makes the accounts; nothing is sent yet."""
        self._nursery = nursery
        self.addresses = addresses
        for name in self._logins_in_order():
            await self._start(self._new_login(name))
        for name in self.config.accounts:
            self.accounts[name] = self._account(name)

    async def begin(self, running: Running) -> None:
        """The account comes to life, with its first words in its inbox."""
        await self._start(running)

    async def _start(self, one: Login | Running) -> None:
        assert self._nursery is not None, "opened before anybody comes"
        if isinstance(one, Login):
            await self._nursery.start(_while_wanted, self._leaving[one.name], one.run)
        else:
            await self._nursery.start(_while_wanted, one.leaving, partial(self._keep, one))

    def revise(self, config: Config) -> list[str]:
        """Brings those who run into line with another configuration; in words, what became of whom."""
        before, self.config = self.config, config
        self.rounds.followers = followers_of(config)
        new_environments = config.environments.keys() - self.addresses.keys()
        self.addresses |= {name: addresses_of(config.environments[name]) for name in new_environments}
        moved = {name for name in self.accounts if name in config.accounts and home(before, name) != home(config, name)}
        leaving = sorted(self.accounts.keys() - config.accounts.keys() | moved)
        told = [self._dismiss(name, name in moved) for name in leaving]
        self._dismiss_logins()
        for name, login in self.logins.items():
            login.own(names_at(config, name))
        logins = [self._new_login(name) for name in self._logins_in_order() if name not in self.logins]
        new = sorted(config.accounts.keys() - self.accounts.keys(), key=lambda name: not config.leads(name))
        told += [self._change(running, name) for name, running in self.accounts.items()]
        newcomers = [self._admit(name) for name in new]
        told += [f"{name} {'has moved' if name in moved else 'is new'}" for name in new]
        self._in_the_files_order()
        if logins or newcomers:
            assert self._nursery is not None, "opened before it is revised"
            self._nursery.start_soon(self._arrive, logins, newcomers)
        return [words for words in told if words]

    async def _arrive(self, logins: Iterable[Login], accounts: Iterable[Running]) -> None:
        """Logins first: an account has its lease on one."""
        for login in logins:
            await self._start(login)
        for running in accounts:
            await self._start(running)

    def _dismiss(self, name: str, moves: bool) -> str:
        running = self.accounts.pop(name)
        running.runner.inbox.close()
        running.leaving.set()
        self.rounds.runners.pop(running.runner.name)
        self.ledger.save(running.account)
        if not moves:
            self.board.tell("connection.deleted", f"{name} is in copier.toml no more", account=name)
        return "" if moves else f"{name} has gone"

    def _dismiss_logins(self) -> None:
        wanted = {account.login for account in self.config.accounts.values()}
        for name in self.logins.keys() - wanted:
            del self.logins[name]
            self._leaving.pop(name).set()

    def _change(self, running: Running, name: str) -> str:
        """An account that stays: it keeps its connection, and takes its new rules."""
        running.config = self.config.accounts[name]
        rules = self.almanac.rules(self.config, name)
        anew = begins_anew(name, rules.copy, self.config, self.ledger, self.ports.wall())
        if rules == running.account.rules and anew is None:
            return ""
        running.runner.post(RulesChanged(at=self.ports.wall(), rules=rules))
        if anew is not None:
            running.runner.post(anew)
            self._introduce(running)
        self.board.tell("connection.updated", f"{name} has other rules", account=name)
        return f"{name} has other rules"

    def _admit(self, name: str) -> Running:
        running = self.accounts[name] = self._account(name)
        for event in self.first_words(running):
            running.runner.post(event)
        self._introduce(running)
        self.board.tell("connection.added", f"{name} is new in copier.toml", account=name, login=running.login.name)
        return running

    def first_words(self, running: Running) -> tuple[Event, ...]:
        """What an account hears when it begins."""
        now = self.ports.wall()
        rules = running.account.rules.copy
        anew = begins_anew(running.runner.name, rules, self.config, self.ledger, now)
        return (Started(at=now),) if anew is None else (anew, Started(at=now))

    def _introduce(self, running: Running) -> None:
        rules = rules_of(self.config, running.runner.name).copy
        if rules is not None:
            self.rounds.introduce(rules.leader, running.runner)

    def _in_the_files_order(self) -> None:
        for name in self.config.accounts:
            self.accounts[name] = self.accounts.pop(name)

    def in_order(self) -> list[Running]:
        """After a reboot the leaders dial first, then whoever holds a position, then the rest."""

        def rank(running: Running) -> int:
            if running.account.rules.leads:
                return 0
            return 1 if running.account.book.positions else 2

        return sorted(self.accounts.values(), key=rank)

    def _logins_in_order(self) -> list[str]:
        """Those of leaders first: without them there is nothing to copy."""
        names = dict.fromkeys(account.login for account in self.config.accounts.values())
        leading = {account.login for name, account in self.config.accounts.items() if self.config.leads(name)}
        return sorted(names, key=lambda name: name not in leading)

    def _new_login(self, name: str) -> Login:
        def mine() -> list[Running]:
            return [running for running in self.accounts.values() if running.login.name == name]

        def session_up() -> None:
            for running in mine():
                if isinstance(running.account.connection, s.BackingOff | s.Maintenance | s.GivenUp):
                    running.runner.post(SessionFound(at=self.ports.wall()))

        def reauthorized() -> None:
            for running in mine():
                running.runner.post(Reauthorized(at=self.ports.wall()))
            session_up()

        def held() -> str:
            accounts = [one.account for one in mine()]
            return holdings.sentence(accounts) if any(map(holdings.own, accounts)) else ""

        def asleep() -> datetime | None:
            return asleep_until(running.account for running in mine())

        environment = self.config.logins[name].environment
        assert self._nursery is not None, "opened before anybody dials"
        gate = self._gates.of(environment, self.addresses[environment], self._nursery)
        self._leaving[name] = trio.Event()
        login = self.logins[name] = login_of(
            self.config,
            name,
            self.addresses,
            self.ledger,
            self.ports,
            self.board,
            gate,
            session_up,
            reauthorized,
            held,
            asleep,
            lambda: followers_on(self.config, name),
        )
        login.tokens.hear_the_time = self.almanac.clock.hear
        login.rank = lambda: self._rank(name)
        return login

    def _rank(self, login: str) -> Rank:
        running = [one for one in self.accounts.values() if one.config.login == login]
        if any(one.account.rules.leads for one in running):
            return Rank.LEADS
        return Rank.HOLDS if any(holdings.at_stake(one.account) for one in running) else Rank.WAITS

    def _account(self, name: str) -> Running:
        login = self.logins[self.config.accounts[name].login]

        def in_position() -> bool:
            return any(holdings.at_stake(r.account) for r in self.accounts.values() if r.login is login)

        def circumstances(event: str) -> tuple[str, str | None]:
            accounts = (running.account for running in self.accounts.values())
            return holdings.circumstances(event, name, self.config, accounts)

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
            lambda: siblings_of(self.config, name),
            self.almanac.rules(self.config, name),
        )

    async def _keep(self, running: Running, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs one account through its crashes."""
        task_status.started()
        while True:
            try:
                await _until_stuck(running)
            except* LedgerError:
                raise
            except* Exception as bug:  # noqa: BLE001 - one account's bug must not end the others; told with its traceback
                self.crashes += 1
                self.journal.crash(f"{running.runner.name} crashed and is restarted", bug, account=running.runner.name)
                self.rounds.fail(running.runner, bug)
            await trio.sleep(BETWEEN_CRASHES)


async def _until_stuck(running: Running) -> None:
    """Runs the account. Raises what it raises, and Stuck when it has been found so."""
    running.stuck = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(running.runner.run)
        await running.stuck.wait()
        nursery.cancel_scope.cancel()
    raise Stuck("it has taken no turn for half a minute, and its inbox was not empty")


async def _while_wanted(
    leaving: trio.Event,
    run: Callable[..., Awaitable[None]],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Runs it until it is to leave."""
    async with trio.open_nursery() as nursery:
        await nursery.start(run)
        task_status.started()
        await leaving.wait()
        nursery.cancel_scope.cancel()
