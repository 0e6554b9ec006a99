"""The gates of the environments that somebody dials, each with the task that probes its host while it is down.

Rule: one gate an environment: what is found of its host serves all of its logins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import attrs
import trio

from daemon import holdings
from daemon.almanac import probing
from daemon.logins.budget import Budget
from daemon.logins.gate import Gate
from daemon.logins.host import Host
from daemon.logins.login import Login
from daemon.ports import Ports
from daemon.wiring import Addresses, Running


@attrs.define(eq=False, repr=False)
class Gates:
    """`logins` and `accounts` are those that run, as they come and go; `environment_of` a login, by its name."""

    ports: Ports
    budget: Budget
    logins: Mapping[str, Login]
    accounts: Mapping[str, Running]
    environment_of: Callable[[str], str]
    _made: dict[str, Gate] = attrs.field(factory=dict)

    def of(self, environment: str, where: Addresses, nursery: trio.Nursery) -> Gate:
        """The host is watched in `nursery`."""
        if environment not in self._made:
            host = self._host(environment, where)
            nursery.start_soon(host.watch)
            self._made[environment] = Gate(host, self.budget)
        return self._made[environment]

    def _host(self, environment: str, where: Addresses) -> Host:
        def logins() -> list[Login]:
            return [one for name, one in self.logins.items() if self.environment_of(name) == environment]

        def accounts() -> list[Running]:
            there = logins()
            return [running for running in self.accounts.values() if running.login in there]

        def back() -> None:
            for login in logins():
                login.hooks.session_up()

        def in_position() -> bool:
            return any(holdings.at_stake(running.account) for running in accounts())

        def patience() -> float:
            settings = [running.account.rules.reconnect for running in accounts()]
            longest = [one.in_position_delay if in_position() else one.longest_delay for one in settings]
            return min([*longest, *(one.probe_every for one in settings)], default=timedelta.max).total_seconds()

        def unexpected() -> tuple[float, float] | None:
            return probing([running.account for running in accounts()], self.ports.wall())

        return Host(where.websocket, self.ports, back, in_position, patience=patience, unexpected=unexpected)
