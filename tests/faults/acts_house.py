"""What befalls the process and its machine, and what people do: the operator, and a human on a follower's account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from statecharts import events as e
from statecharts import states as s
from tests.faults.act import Acts

HUMAN_TRADES = ("ESZ6", "MESZ6")


class HouseActs(Acts):
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
        if self.storm.listens:
            name = self.dice.choice(names)
            self.storm.account(name).runner.post(event(at=self.storm.wall()))

    def _pause(self) -> float:
        self._asked(e.PauseAsked, self.storm.followers)
        return self.dice.uniform(1, 30)

    def _un_pause(self) -> None:
        if self.storm.listens:
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
        if self.storm.listens:
            for name in self.storm.config.accounts:
                if self.storm.leaf(name) is s.Stopped:
                    self.storm.reconnect(name)

    def _flatten(self) -> float:
        self._asked(e.FlattenAsked, self.storm.followers)
        return self.dice.uniform(2, 60)

    def _un_flatten(self) -> None:
        self._un_pause()

    def _stop(self) -> float:
        """SIGTERM."""
        if self.storm.supervisor is not None and self.storm.alive:
            self.storm.supervisor.stopping.set()
        return 0.0

    def _crash_loop(self) -> float:
        self.storm.short_lives = self.dice.randint(3, 8)
        self.storm.kill(power_lost=False)
        return 0.0

    def _disk_full(self) -> float:
        self.storm.disk.full = True
        return self.dice.uniform(2, 40)

    def _un_disk_full(self) -> None:
        self.storm.disk.full = False

    def _suspend(self) -> float:
        self.storm.stand_still(self.dice.choice((1.0, 5.0, 20.0, 60.0)))
        return 0.0

    def _slow_disk(self) -> float:
        self.storm.disk.slow = self.dice.choice((0.1, 1.0, 5.0))
        return self.dice.uniform(1, 20)

    def _un_slow_disk(self) -> None:
        self.storm.disk.slow = 0.0

    def _reload(self) -> float:
        self.storm.read_again()
        return 0.0

    # ---- a human on a follower's account

    def _human(self) -> float:
        name = self.dice.choice(self.storm.followers)
        self.storm.meddled(name)
        side, symbol = self.dice.choice(("Buy", "Sell")), self.dice.choice(HUMAN_TRADES)
        self.storm.broker.place(self.storm.config.accounts[name].name, side, symbol, 1)
        self.storm.humans.append((name, "Sell" if side == "Buy" else "Buy", symbol))
        return self.dice.uniform(5, 120)

    def _un_human(self) -> None:
        """He gets out of what he got into."""
        if self.storm.humans:
            name, side, symbol = self.storm.humans.pop(0)
            self.storm.broker.place(self.storm.config.accounts[name].name, side, symbol, 1)

    def _human_cancels(self) -> float:
        name = self.dice.choice(self.storm.followers)
        working = self.storm.broker.working(self.storm.config.accounts[name].name)
        if working:
            self.storm.broker.cancel(self.dice.choice(working).order_id)
        return 0.0
