"""The environment `simulator`: the broker look-alike inside the daemon, with a leader that trades by script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
import trio

from daemon.config import Config
from daemon.config.values import SIMULATOR
from daemon.ports import Ports
from daemon.simulator import Broker, LoginSpec, Server, Trader, endless, serve_tcp, walk
from daemon.simulator.trader import Step
from daemon.wiring import Addresses


@attrs.define(eq=False, repr=False)
class Embedded:
    """Knows the logins and accounts that the configuration names; any password is right."""

    server: Server
    traders: list[Trader]
    symbols: tuple[str, ...]
    ports: Ports
    walk_every: float = 1.0  # seconds between ticks

    @staticmethod
    def of(config: Config, ports: Ports, script: Mapping[str, Iterable[Step]] | None = None) -> Embedded | None:
        """None when no login uses it. `script` names what each leader trades; without it the example script repeats."""
        logins = {name: login for name, login in config.logins.items() if login.environment == SIMULATOR}
        if not logins:
            return None
        specs = {
            name: LoginSpec(
                username=login.username or name,
                accounts=tuple(a.name for a in config.accounts.values() if a.login == name),
            )
            for name, login in logins.items()
        }
        broker = Broker.build(specs, now=ports.wall, dice=ports.dice)
        broker.entities.begin_after(ports.wall())
        symbol = next(name for name in broker.exchange.last if name.startswith("ES"))
        leaders = [
            account
            for name, account in config.accounts.items()
            if account.login in logins and config.leads(name) and config.copy_of(name) is None
        ]
        traders = [
            Trader(broker, leader.name, symbol, endless() if script is None else script.get(leader.account, ()))
            for leader in leaders
        ]
        return Embedded(Server(broker), traders, tuple(broker.exchange.last), ports)

    async def run(self, task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED) -> None:
        """Listens on a free port of this machine; `nursery.start` returns its addresses."""
        async with trio.open_nursery() as nursery:
            port = await nursery.start(serve_tcp, self.server, "127.0.0.1", 0)
            nursery.start_soon(walk, self.server.broker, self.symbols, self.ports.dice, self.walk_every)
            here = f"http://127.0.0.1:{port}"
            task_status.started(
                Addresses(
                    f"{here}/v1", f"ws://127.0.0.1:{port}/v1/websocket", f"{here}/oauth", f"{here}/auth/oauthtoken"
                )
            )
            await trio.sleep_forever()

    async def trade(self) -> None:
        """The leaders trade, each by its script; returns when all scripts have ended."""
        async with trio.open_nursery() as nursery:
            for trader in self.traders:
                nursery.start_soon(trader.run)
