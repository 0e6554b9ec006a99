"""Who acts in a world: the leader who trades by whim, and the market."""

from __future__ import annotations

import random
from decimal import Decimal

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

    async def trade(self, every: float) -> None:
        while True:
            await trio.sleep(self.dice.expovariate(1 / every))
            self.act()

    def act(self) -> None:
        self.deeds += 1
        symbol = self.dice.choices(SYMBOLS, (5, 1))[0]
        net = self.broker.positions(LEADER).get(symbol, 0)
        deed = self.dice.choices(
            (self._enter, self._rest, self._bracket, self._exit, self._change, self._cancel, self._flatten),
            (4, 3, 2, 4 if net else 0, 3, 2, 1),
        )[0]
        deed(symbol, net)

    def flatten(self) -> None:
        for symbol in SYMBOLS:
            self.broker.flatten(LEADER, symbol)

    def _enter(self, symbol: str, net: int) -> None:
        side, quantity = self._side(net), self.dice.choice((1, 1, 1, 2))
        self.broker.place(LEADER, side, symbol, quantity)

    def _rest(self, symbol: str, net: int) -> None:
        """A limit on the near side, or a stop on the far one."""
        side, kind = self._side(net), self.dice.choice(("Limit", "Stop"))
        away = self.dice.randint(1, 8) * (1 if (side == "Sell") == (kind == "Limit") else -1)
        price = self._price(symbol, away)
        tif = self.dice.choice(("Day", "GTC"))
        if kind == "Limit":
            self.broker.place(LEADER, side, symbol, 1, kind, price=price, tif=tif)
        else:
            self.broker.place(LEADER, side, symbol, 1, kind, stop=price, tif=tif)

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


async def market(broker: Broker, dice: random.Random) -> None:
    """Prices that walk, each a tick or a few at a time."""
    while True:
        await trio.sleep(dice.expovariate(1 / 1.5))
        shift(broker, dice.choice(SYMBOLS), dice.choice((-3, -2, -1, -1, 1, 1, 2, 3)))
