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
        act: Callable[[], float] = getattr(self, f"_{name}")
        undo: Callable[[], None] | None = getattr(self, f"_un_{name}", None)
        lasts = act()
        if undo is not None:
            try:
                await trio.sleep(lasts)
            finally:
                undo()

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
