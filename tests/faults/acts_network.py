"""What befalls the network: connections that die, hang, stall, or are not made at all."""

from __future__ import annotations

from tests.faults.act import Acts


class NetworkActs(Acts):
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
