"""What is to be seen: the daemon's accounts from inside, and the same accounts as the simulated broker has them.

Rule 1: positions and orders here are the broker's own, read over nobody's connection: the daemon never sees them so.
Rule 2: a target is computed from the leader's position at the broker, not from what the daemon knows of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from daemon.demo.cast import FOLLOWERS, LEADER
from daemon.rules import rules_of
from daemon.simulator import Order, Server
from daemon.supervisor import Supervisor
from statecharts import sizing
from statecharts import states as s
from statecharts.rules import CopyRules
from statecharts.values import Symbol


def words(positions: Mapping[str, int]) -> str:
    """+4 ESZ6, or flat."""
    return " ".join(f"{n:+d} {symbol}" for symbol, n in positions.items()) or "flat"


@attrs.define(eq=False, repr=False)
class Scene:
    """`supervisor` is a running daemon, `server` the look-alike that all of its logins are on."""

    supervisor: Supervisor
    server: Server

    def broker_name(self, account: str) -> str:
        return self.supervisor.config.accounts[account].name

    def holds(self, account: str) -> Mapping[str, int]:
        """The position at the broker; flat contracts are left out."""
        return self.server.broker.positions(self.broker_name(account))

    def working(self, account: str) -> list[Order]:
        return self.server.broker.working(self.broker_name(account))

    def rules(self, follower: str) -> CopyRules:
        rules = rules_of(self.supervisor.config, follower).copy
        assert rules is not None, "a follower has rules to copy by"
        return rules

    def target(self, follower: str) -> Mapping[str, int]:
        """Where the follower should be by the rules, for the leader's position at the broker."""
        rules = self.rules(follower)
        found: dict[str, int] = {}
        for symbol, n in self.holds(LEADER).items():
            place = sizing.follower_symbol(Symbol(symbol), rules)
            found[place] = found.get(place, 0) + sizing.target(n, Symbol(symbol), rules)
        return {symbol: n for symbol, n in found.items() if n}

    def state(self, account: str) -> s.State:
        return self.supervisor.accounts[account].account.connection

    def connected(self, *accounts: str) -> bool:
        return all(isinstance(self.state(name), s.Connected) for name in accounts or self.supervisor.accounts)

    def holding(self, follower: str) -> bool:
        """Connected, and opening nothing until it has been compared with its leader."""
        return self.supervisor.accounts[follower].account.book.held_back()

    def copying(self) -> bool:
        """Are all accounts connected, and all followers compared with their leader?"""
        return self.connected() and not any(self.holding(name) for name in FOLLOWERS)

    def busy(self) -> bool:
        """Is anything of any follower still under way?"""
        accounts = [self.supervisor.accounts[name].account for name in FOLLOWERS]
        return any(copy.stage.in_doubt for account in accounts for copy in account.book.all_open())
