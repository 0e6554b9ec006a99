"""What befalls a world while it storms: each act by its name in climate.ACTS, and how everything is made well again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import trio

from daemon.simulator import Faults
from statecharts import events as e
from statecharts import states as s

if TYPE_CHECKING:
    from tests.faults.world import Storm

REASONS = (
    ("InvalidPrice", "answer"),
    ("LiquidationOnly", "risk"),
    ("MaxPosLimitReached", "risk"),
    ("NotEnoughLiquidity", "exchange"),
    ("RiskCheckTimeout", "answer"),
    ("SessionClosed", "exchange"),
    ("UnknownReason", "answer"),
)


@attrs.define(eq=False)
class Nemesis:
    storm: Storm
    dice: random.Random
    done: Counter[str] = attrs.field(factory=Counter)

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
        storm.server.faults = Faults(oso_wake=storm.server.faults.oso_wake)
        storm.server.calm()
        for link in storm.wire.live():
            if link.dark_since is not None:
                link.reset()

    # ---- the network

    def _reset(self) -> float:
        for link in self.storm.wire.live():
            if self.dice.random() < 0.6:
                link.reset()
        return 0.0

    def _half_open(self) -> float:
        for link in self.storm.wire.live():
            if self.dice.random() < 0.6:
                link.go_dark()
        return 0.0

    def _stall(self) -> float:
        for link in self.storm.wire.live():
            link.stall(self.dice.uniform(1, 8))
        return 0.0

    def _refuse(self) -> float:
        self.storm.wire.weather.refusing = True
        for link in self.storm.wire.live():
            link.reset()
        return self.dice.uniform(1, 60)

    def _un_refuse(self) -> None:
        self.storm.wire.weather.refusing = False

    def _silence(self) -> float:
        self.storm.wire.weather.silent = True
        for link in self.storm.wire.live():
            link.go_dark()
        return self.dice.uniform(5, 60)

    def _un_silence(self) -> None:
        self.storm.wire.weather.silent = False

    def _slow(self) -> float:
        self.storm.wire.weather.down = (0.05, self.dice.choice((0.5, 2.0)))
        return self.dice.uniform(5, 30)

    def _un_slow(self) -> None:
        self.storm.wire.weather.down = self.storm.climate.latency

    # ---- the server

    def _cut_server(self) -> float:
        self.storm.server.drop_sockets()
        return 0.0

    def _close_codes(self) -> float:
        self.storm.server.drop_sockets(code=self.dice.choice((1000, 1001, 1008, 1011, 1012)))
        return 0.0

    def _farewell(self) -> float:
        self.storm.server.go_away()
        return 0.0

    def _shutdown(self) -> float:
        self.storm.server.shut_down(reason_code=self.dice.choice(("Maintenance", "IPQuotaReached")))
        return 0.0

    def _fault(self, **faults: Any) -> None:
        self.storm.server.faults = attrs.evolve(self.storm.server.faults, **faults)

    def _flap(self) -> float:
        self._fault(accept_then_close=True)
        self.storm.server.drop_sockets()
        return self.dice.uniform(10, 120)

    def _un_flap(self) -> None:
        self._fault(accept_then_close=False)

    def _down(self) -> float:
        self.storm.server.go_down(refusing=self.dice.random() < 0.5, shutdown=self.dice.random() < 0.5)
        return self.dice.uniform(5, 90)

    def _un_down(self) -> None:
        self.storm.server.come_up()

    def _mute(self) -> float:
        self._fault(mute_props=True)
        return self.dice.uniform(5, 60)

    def _un_mute(self) -> None:
        self._fault(mute_props=False)

    def _unsynced(self) -> float:
        self._fault(**{self.dice.choice(("sync_silent", "sync_empty", "sync_truncated")): True})
        self.storm.server.drop_sockets()
        return self.dice.uniform(5, 40)

    def _un_unsynced(self) -> None:
        self._fault(sync_silent=False, sync_empty=False, sync_truncated=False)

    def _huge(self) -> float:
        self.storm.server.send_huge(size=200_000)
        return 0.0

    def _replay(self) -> float:
        self.storm.server.replay()
        return 0.0

    # ---- tokens and limits

    def _login(self) -> str:
        return self.dice.choice(sorted(self.storm.config.logins))

    def _expire_tokens(self) -> float:
        self.storm.server.expire_tokens(self._login())
        return 0.0

    def _revoke_tokens(self) -> float:
        self.storm.server.revoke_tokens(self._login())
        return 0.0

    def _evict(self) -> float:
        self.storm.server.evict(self._login())
        return 0.0

    def _throttle(self) -> float:
        self.storm.server.throttle(self._login(), self.dice.uniform(5, 40), self.dice.choice((423, 429)))
        return 0.0

    def _penalty(self) -> float:
        self.storm.server.penalise("order/placeorder", seconds=self.dice.randint(1, 10))
        return 0.0

    def _reject(self) -> float:
        name = self.dice.choice(self.storm.followers)
        reason, stage = self.dice.choice(REASONS)
        self.storm.server.reject_next(self.storm.config.accounts[name].name, reason, "refused on purpose", stage)
        return 0.0

    # ---- the process, the machine, the operator

    def _kill(self) -> float:
        self.storm.kill(power_lost=False)
        return 0.0

    def _power(self) -> float:
        self.storm.kill(power_lost=True)
        return 0.0

    def _clock_step(self) -> float:
        self.storm.skew += timedelta(seconds=self.dice.choice((-3600, -60, -1, 1, 60, 3600)))
        return 0.0

    def _asked(self, event: Callable[..., e.Event], names: tuple[str, ...]) -> None:
        if self.storm.supervisor is not None and self.storm.alive:
            name = self.dice.choice(names)
            self.storm.account(name).runner.post(event(at=self.storm.wall()))

    def _pause(self) -> float:
        self._asked(e.PauseAsked, self.storm.followers)
        return self.dice.uniform(1, 30)

    def _un_pause(self) -> None:
        if self.storm.supervisor is not None and self.storm.alive:
            for name in self.storm.followers:
                self.storm.account(name).runner.post(e.ResumeAsked(at=self.storm.wall()))

    def _resync(self) -> float:
        self._asked(e.ReconnectAsked, tuple(self.storm.config.accounts))
        return 0.0

    def _reconnect(self) -> float:
        self._asked(e.ReconnectAsked, tuple(self.storm.config.accounts))
        return 0.0

    def _disconnect(self) -> float:
        self._asked(e.DisconnectAsked, tuple(self.storm.config.accounts))
        return self.dice.uniform(1, 40)

    def _un_disconnect(self) -> None:
        if self.storm.supervisor is not None and self.storm.alive:
            for name in self.storm.config.accounts:
                if self.storm.leaf(name) is s.Stopped:
                    self.storm.reconnect(name)


def faults_of(climate_faults: Mapping[str, Any]) -> Faults:
    return attrs.evolve(Faults(), **climate_faults)
