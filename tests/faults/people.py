"""Who acts in a world: the leader who trades by whim, and the market."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial

import attrs
import trio

from daemon.simulator import Broker
from daemon.simulator.trader import shift

LEADER = "LEAD"
SYMBOLS = ("ESZ6", "NQZ6")
MOST = 3  # contracts that the leader holds at the most, either way


@attrs.define(eq=False)
class Leader:
    """Trades at another terminal: entries, exits, brackets, changes, cancels, and now and then out of everything."""

    broker: Broker
    dice: random.Random
    deeds: int = 0

    async def trade(self, every: float, closed: Callable[[], bool]) -> None:
        """Until cancelled; not while the exchange is closed."""
        while True:
            await trio.sleep(self.dice.expovariate(1 / every))
            if not closed():
                self.act()

    def act(self) -> None:
        self.deeds += 1
        symbol = self.dice.choices(SYMBOLS, (5, 1))[0]
        net = self.broker.positions(LEADER).get(symbol, 0)
        deed = self.dice.choices(
            (*_DEEDS,),
            [weight if net or deed not in _IN_POSITION else 0 for deed, weight in _DEEDS.items()],
        )[0]
        deed(self, symbol, net)

    def flatten(self) -> None:
        for symbol in SYMBOLS:
            self.broker.flatten(LEADER, symbol)

    def _enter(self, symbol: str, net: int) -> None:
        side, quantity = self._side(net), self.dice.choice((1, 1, 1, 2))
        self.broker.place(LEADER, side, symbol, quantity)

    def _rest(self, symbol: str, net: int) -> None:
        """A limit on the near side, or a stop on the far one."""
        side, kind = self._side(net), self.dice.choice(("Limit", "Limit", "Stop", "Stop", "MIT", "StopLimit"))
        near = kind in ("Limit", "MIT")
        price = self._price(symbol, self.dice.randint(1, 8) * (1 if (side == "Sell") == near else -1))
        tif = self.dice.choice(("Day", "GTC"))
        limit = price if kind in ("Limit", "StopLimit") else None
        self.broker.place(LEADER, side, symbol, 1, kind, price=limit, stop=None if kind == "Limit" else price, tif=tif)

    def _bracket(self, symbol: str, net: int) -> None:
        if net:
            return
        side = self.dice.choice(("Buy", "Sell"))
        out, sign = ("Sell", 1) if side == "Buy" else ("Buy", -1)
        quantity = self.dice.choice((1, 2))
        ticket = self.broker.ticket
        entry = (
            ticket(LEADER, side, symbol, quantity)
            if self.dice.random() < 0.6
            else ticket(LEADER, side, symbol, quantity, "Limit", price=self._price(symbol, -2 * sign))
        )
        target = ticket(
            LEADER, out, symbol, quantity, "Limit", price=self._price(symbol, sign * self.dice.randint(4, 12))
        )
        stop = ticket(LEADER, out, symbol, quantity, "Stop", stop=self._price(symbol, -sign * self.dice.randint(4, 12)))
        self.broker.place_oso(entry, target, stop)

    def _strategy(self, symbol: str, net: int) -> None:
        """An entry with two brackets, of one contract each."""
        if net:
            return
        side = self.dice.choice(("Buy", "Sell"))
        out, sign = ("Sell", 1) if side == "Buy" else ("Buy", -1)
        ticket = self.broker.ticket
        pairs = [
            (
                ticket(LEADER, out, symbol, 1, "Limit", price=self._price(symbol, sign * away)),
                ticket(LEADER, out, symbol, 1, "Stop", stop=self._price(symbol, -sign * away)),
            )
            for away in (4, 8)
        ]
        self.broker.start_strategy(ticket(LEADER, side, symbol, 2), *pairs)

    def _oco(self, symbol: str, net: int) -> None:
        """Protects what he holds, by a target and a stop of which one cancels the other."""
        out, sign = ("Sell", 1) if net > 0 else ("Buy", -1)
        ticket = self.broker.ticket
        target = ticket(LEADER, out, symbol, abs(net), "Limit", price=self._price(symbol, sign * 6))
        stop = ticket(LEADER, out, symbol, abs(net), "Stop", stop=self._price(symbol, -sign * 6))
        self.broker.place_oco(target, stop)

    def _flip(self, symbol: str, net: int) -> None:
        """Through zero, with one order."""
        self.broker.place(LEADER, "Sell" if net > 0 else "Buy", symbol, abs(net) + 1)

    def _scalp(self, symbol: str, net: int) -> None:
        """In, and out again before anybody can have followed."""
        if not net:
            side = self.dice.choice(("Buy", "Sell"))
            self.broker.place(LEADER, side, symbol, 1)
            self.broker.later(self.dice.uniform(0.0, 0.05), partial(self._flatten, symbol, 0))

    def _exit(self, symbol: str, net: int) -> None:
        self.broker.place(LEADER, "Sell" if net > 0 else "Buy", symbol, self.dice.randint(1, abs(net)))

    def _change(self, symbol: str, net: int) -> None:
        working = [order for order in self.broker.working(LEADER) if order.symbol == symbol and not order.pending]
        if not working:
            return
        order = self.dice.choice(working)
        by = self.dice.randint(-2, 2) * self.broker.exchange.tick(symbol)
        if order.terms.price is not None:
            self.broker.modify(order.order_id, price=order.terms.price + by)
        elif order.terms.stop_price is not None:
            self.broker.modify(order.order_id, stop=order.terms.stop_price + by)

    def _cancel(self, symbol: str, net: int) -> None:
        working = [order for order in self.broker.working(LEADER) if order.symbol == symbol]
        if working:
            self.broker.cancel(self.dice.choice(working).order_id)

    def _flatten(self, symbol: str, net: int) -> None:
        self.broker.flatten(LEADER, symbol)

    def _side(self, net: int) -> str:
        if abs(net) >= MOST:
            return "Sell" if net > 0 else "Buy"
        return self.dice.choice(("Buy", "Sell"))

    def _price(self, symbol: str, ticks: int) -> Decimal:
        return self.broker.exchange.last[symbol] + ticks * self.broker.exchange.tick(symbol)


Deed = Callable[[Leader, str, int], None]
_IN_POSITION: frozenset[Deed] = frozenset({Leader._exit, Leader._oco, Leader._flip})
_DEEDS: Mapping[Deed, int] = {
    Leader._enter: 8,
    Leader._rest: 6,
    Leader._bracket: 4,
    Leader._strategy: 1,
    Leader._oco: 2,
    Leader._flip: 2,
    Leader._scalp: 1,
    Leader._exit: 8,
    Leader._change: 6,
    Leader._cancel: 4,
    Leader._flatten: 2,
}


async def market(broker: Broker, dice: random.Random) -> None:
    """Prices that walk, each a tick or a few at a time."""
    while True:
        await trio.sleep(dice.expovariate(1 / 1.5))
        shift(broker, dice.choice(SYMBOLS), dice.choice((-3, -2, -1, -1, 1, 1, 2, 3)))
