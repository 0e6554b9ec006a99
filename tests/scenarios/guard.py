"""Somebody who looks all the time: is every position behind its stop, and never behind too much of them?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import attrs
import trio

from daemon.simulator import Order
from tests.scenarios import truth
from tests.scenarios.world import World

STOPS = ("Stop", "StopLimit", "TrailingStop", "TrailingStopLimit")
EVERY = 0.02  # seconds between two looks
TICK = 0.001  # seconds: what happens in the same moment as the look has happened before it


@attrs.define(eq=False)
class Guard:
    """For how long, in seconds, a position has been larger than its stop (or its stop than it), at the longest.

    Only while the leader has a stop for all of his own position does it count that a follower has not; with
    `whatever_he_has` it counts always.
    """

    world: World
    whatever_he_has: bool = False
    exposed: float = 0.0
    excessive: float = 0.0
    _since: dict[tuple[str, str, str], float] = attrs.field(factory=dict)

    async def look(self) -> None:
        await trio.sleep(TICK)
        while True:
            for name in truth.followers(self.world):
                for symbol in self._symbols(name):
                    self._look_at(name, symbol)
            await trio.sleep(EVERY)

    def _symbols(self, name: str) -> set[str]:
        return {one.symbol for one in self.world.broker.orders(self.world.config.accounts[name].name)}

    def _look_at(self, name: str, symbol: str) -> None:
        net = self.world.positions(name).get(symbol, 0)
        behind = sum(
            order.left for order in stops(self.world, name, symbol) if net * (1 if order.ticket.buy else -1) < 0
        )
        protected = self.whatever_he_has or all(
            sum(order.left for order in stops(self.world, "lead", one) if n * (1 if order.ticket.buy else -1) < 0)
            >= abs(n)
            for one, n in self.world.positions("lead").items()
        )
        self.exposed = max(self.exposed, self._lasts("exposed", name, symbol, protected and behind < abs(net)))
        unneeded = sum(order.left for order in stops(self.world, name, symbol)) > abs(net)
        self.excessive = max(self.excessive, self._lasts("excessive", name, symbol, unneeded))

    def _lasts(self, what: str, name: str, symbol: str, is_so: bool) -> float:
        key = (what, name, symbol)
        if not is_so:
            self._since.pop(key, None)
            return 0.0
        return trio.current_time() - self._since.setdefault(key, trio.current_time())


def stops(world: World, name: str, symbol: str) -> Iterator[Order]:
    """The stops that are awake."""
    for order in world.broker.working(world.config.accounts[name].name):
        if order.symbol == symbol and order.status == "Working" and order.terms.kind in STOPS:
            yield order


def behind(world: World, name: str, symbol: str) -> int:
    """How many contracts of this position live stops would close."""
    net = world.positions(name).get(symbol, 0)
    return sum(order.left for order in stops(world, name, symbol) if net * (1 if order.ticket.buy else -1) < 0)


@asynccontextmanager
async def guarded(world: World, whatever_he_has: bool = False) -> AsyncIterator[Guard]:
    guard = Guard(world, whatever_he_has)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(guard.look)
        yield guard
        nursery.cancel_scope.cancel()
