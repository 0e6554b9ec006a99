"""The facts of one frame, bound together: whether orders belong together (OCO, OSO) is decided once for each frame.

Rule 1: an account hears of all orders of a frame in one event, each in its last view, in the order in which the frame
        first named them: what an order is to the position depends on those before it.
Rule 2: of a figure that the frame tells several times (a position), the last one counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from daemon.tradovate.mirror import Facts
from statecharts.events import Event, OrderSeen, PositionSeen
from statecharts.values import BrokerAccountId, Order, OrderId, Symbol


def of_one_frame(facts: Iterable[tuple[BrokerAccountId, Event]]) -> Facts:
    orders: dict[BrokerAccountId, dict[OrderId, Order]] = {}
    told_at: dict[BrokerAccountId, datetime] = {}
    positions: dict[tuple[BrokerAccountId, Symbol], Event] = {}
    others: list[tuple[BrokerAccountId, Event]] = []
    for account, event in facts:
        match event:
            case OrderSeen():
                orders.setdefault(account, {}).update({order.id: order for order in event.orders})
                told_at[account] = event.at
            case PositionSeen(symbol=symbol):
                positions[account, symbol] = event
            case _:
                others.append((account, event))
    seen = [(account, _seen(told_at[account], *views.values())) for account, views in orders.items()]
    return (*seen, *((account, event) for (account, _), event in positions.items()), *others)


def _seen(at: datetime, first: Order, *beside: Order) -> Event:
    return OrderSeen(at=at, order=first, beside=beside)
