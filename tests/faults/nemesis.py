"""What befalls a world while it storms: each act by its name in climate.ACTS, and how everything is made well again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import attrs
import trio

from daemon.simulator import Faults
from tests.faults.acts_broker import BrokerActs
from tests.faults.acts_house import HouseActs
from tests.faults.acts_network import NetworkActs
from tests.faults.people import SYMBOLS

# After these it is no wonder that somebody dials: a clock that is wrong, an operator who asks, a token that is gone.
STIRRING = {"clock_step", "suspend", "reconnect", "disconnect", "resync", "reload", "authorize", "password", "evict"}


@attrs.define(eq=False, slots=False)
class Nemesis(NetworkActs, BrokerActs, HouseActs):
    async def rage(self) -> None:
        """Until cancelled."""
        rates = self.storm.climate.acts
        if not rates:
            await trio.sleep_forever()
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(self.dice.expovariate(sum(rates.values()) / 60))
                (name,) = self.dice.choices(list(rates), list(rates.values()))
                self.done[name] += 1
                self.storm.tell("nemesis", name)
                nursery.start_soon(self._act, name)

    async def _act(self, name: str) -> None:
        if name in STIRRING:
            self.storm.stirred_at = trio.current_time()
        act: Callable[[], float] = getattr(self, f"_{name}")
        undo: Callable[[], None] | None = getattr(self, f"_un_{name}", None)
        lasts = act()
        if undo is not None:
            try:
                await trio.sleep(lasts)
            finally:
                undo()

    async def maintain(self) -> None:
        """The broker's window: the session ends, and nobody is there until it is over, or a little earlier or later."""
        storm = self.storm
        assert storm.window is not None
        begins, ends = storm.window
        await trio.sleep_until(begins)
        storm.tell("season", "maintenance")
        self.done["maintenance"] += 1
        for symbol in SYMBOLS:
            storm.broker.halt(symbol)
        storm.server.close_session()
        storm.invariants.turned()
        storm.server.go_down(refusing=self.dice.random() < 0.5, shutdown=self.dice.random() < 0.5)
        await trio.sleep_until(ends + self.dice.uniform(-120, 120))
        storm.server.come_up()
        for symbol in SYMBOLS:
            storm.broker.halt(symbol, halted=False)
        storm.tell("season", "the broker is back")

    def heal(self) -> None:
        """No fault any more, and nothing left of those that there were."""
        storm = self.storm
        storm.wire.weather.calm()
        storm.skew = timedelta(0)  # somebody has set the clock right
        storm.disk.full, storm.disk.slow = False, 0.0
        storm.server.faults = Faults(oso_wake=storm.server.faults.oso_wake)
        storm.server.calm()
        for link in storm.wire.live():
            if link.dark_since is not None:
                link.reset()


def faults_of(climate_faults: Mapping[str, Any]) -> Faults:
    return attrs.evolve(Faults(), **climate_faults)
