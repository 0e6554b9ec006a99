"""A leader as mode "fills" sees him: executions of any size, in parts, busted, told twice, through zero and back."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from statecharts import events as e
from statecharts.values import Fill, FillId, Order, OrderId, OrderType, Side, Status, Symbol, Terms, VersionId
from statecharts.view import View
from tests.statecharts.desk import ES, LEAD, Desk
from tests.statecharts.exchange import Exchange


@attrs.define
class Trader:
    desk: Desk
    orders: dict[OrderId, Order] = attrs.field(factory=dict)
    told: list[Order] = attrs.field(factory=list)
    number: int = 100
    next_fill: int = 10_000

    @property
    def net(self) -> Mapping[Symbol, int]:
        net: dict[Symbol, int] = {}
        for one in self.orders.values():
            net[one.symbol] = net.get(one.symbol, 0) + one.net
        return {symbol: n for symbol, n in net.items() if n}

    def position(self, symbol: Symbol = ES) -> int:
        return self.net.get(symbol, 0)

    def tell(self, one: Order) -> None:
        self.orders[one.id] = one
        self.told.append(one)
        self.desk.leader(one)

    def places(self, side: Side, quantity: int, symbol: Symbol = ES, kind: OrderType = OrderType.LIMIT) -> OrderId:
        """An order that works, and of which nothing has filled."""
        self.number += 1
        asked = Terms(quantity, kind, price=Decimal(5000))
        number = OrderId(self.number)
        self.tell(Order(number, symbol, side, Status.WORKING, self.desk.now, asked, VersionId(self.number)))
        return number

    def fills(self, number: OrderId, *quantities: int) -> None:
        """Executions of this order, told together."""
        one = self.orders[number]
        assert one.terms is not None
        made = list(one.fills)
        for quantity in quantities:
            self.next_fill += 1
            made.append(Fill(FillId(self.next_fill), one.side, quantity, Decimal(5000), self.desk.now))
        done = sum(fill.quantity for fill in made) >= one.terms.quantity
        self.tell(attrs.evolve(one, fills=tuple(made), status=Status.FILLED if done else Status.WORKING))

    def trades(self, side: Side, quantity: int, symbol: Symbol = ES) -> OrderId:
        """A market order that fills at once."""
        number = self.places(side, quantity, symbol)
        self.fills(number, quantity)
        return number

    def cancels(self, number: OrderId) -> None:
        self.tell(attrs.evolve(self.orders[number], status=Status.CANCELED))

    def busted(self, number: OrderId, which: int = -1) -> None:
        """The exchange takes one execution back."""
        one = self.orders[number]
        fills = list(one.fills)
        fills[which] = attrs.evolve(fills[which], active=False)
        self.tell(attrs.evolve(one, fills=tuple(fills)))

    def repeats(self, which: int) -> None:
        """An old fact once more, after newer ones."""
        if self.told:
            self.desk.leader(self.told[which % len(self.told)])

    @property
    def working(self) -> list[OrderId]:
        return [number for number, one in self.orders.items() if one.rest]

    @property
    def executed(self) -> list[OrderId]:
        """Orders with an execution that stands."""
        return [number for number, one in self.orders.items() if one.filled]

    def goes_flat(self) -> None:
        for number in self.working:
            self.cancels(number)
        for symbol, n in self.net.items():
            self.trades(Side.of(-n), abs(n), symbol)

    def view(self) -> View:
        return View(self.desk.theirs.broker_id, self.desk.theirs.generation + 1, dict(self.orders), dict(self.net))

    def read_anew(self) -> None:
        self.desk.leader_read_anew(self.view())

    def lost(self) -> None:
        self.desk.hear(e.LeaderLost(at=self.desk.now, leader=LEAD, reason="closed", shown="Reconnecting"))


def reconnected(desk: Desk, trader: Trader, exchange: Exchange, leader_first: bool = False) -> None:
    """Dialled again and read anew, and so is the leader."""
    desk.hear(e.ReconnectAsked(at=desk.now))
    desk.hear(e.Authorized(at=desk.now))
    if leader_first:
        trader.read_anew()
    positions = {symbol: n for symbol, n in exchange.position.items() if n}
    desk.read_anew(*(one for _, one in exchange.orders.values()), positions=positions)
    if not leader_first:
        trader.read_anew()
