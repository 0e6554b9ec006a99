"""What the broker has said of one account: its orders and positions as they stand, its money, and what it may do.

Rule: a fact that comes twice, or late, changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs

from statecharts.evolution import evolve
from statecharts.register import Register
from statecharts.values import BrokerAccountId, Order, OrderId, Status, Symbol


@attrs.frozen
class RiskStatus:
    """What the firm or the broker has set an account to: Tradovate's accountRiskStatus."""

    action: str  # adminAction
    at: datetime | None = None
    by_user: bool = False  # the user has put the account into liquidation-only mode himself

    @property
    def restricts(self) -> bool:
        """May it not trade as usual? An action that nobody knows is taken for a restriction."""
        return self.by_user or self.action not in _UNRESTRICTED

    @property
    def words(self) -> str:
        when = f" since {self.at:%d %b %H:%M:%S} UTC" if self.at is not None else ""
        return f"{'liquidation only, by its user' if self.by_user else self.action}{when}"


_UNRESTRICTED = frozenset({"Normal", "DisableAutoLiq", "PlaceAutoLiqOnHold"})


@attrs.frozen
class Balance:
    """An account's money in its main currency, open positions left out. `realized` belongs to the day of `at`.

    `at` is when the broker changed it last.
    """

    cash: Decimal
    realized: Decimal | None = None
    at: datetime | None = None


@attrs.frozen
class Snapshot:
    """Everything the broker said of one account at one moment: the truth that a resync works from."""

    broker_id: BrokerAccountId
    taken_at: datetime
    orders: Mapping[OrderId, Order] = attrs.field(factory=dict)
    positions: Mapping[Symbol, int] = attrs.field(factory=dict)
    replayed_at: datetime | None = None  # when the broker last told of something older than this
    risk: RiskStatus | None = None  # None: the broker has not said
    balance: Balance | None = None


class Orders(Register[OrderId, Order]):
    """An account's orders: those of a whole session. At hand are those that live, that another brings, and by name."""

    __slots__ = ("_children", "_named")

    def __init__(self, entries: Mapping[OrderId, Order] = {}) -> None:
        super().__init__(entries)
        self._children: Register[OrderId, tuple[OrderId, ...]] = Register()
        for order in entries.values():
            self._children = self._with_child(order)
        newest_first = (entries[number] for number in sorted(entries, reverse=True))
        self._named: Register[str, OrderId] = Register(
            {name: one.id for one in newest_first for name in one.client_ids}
        )

    @staticmethod
    def lives(value: Order) -> bool:
        return value.alive

    def entered(self, key: OrderId, value: Order) -> Orders:
        after = super().entered(key, value)
        after._children, after._named = self._with_child(value), self._with_names(value)
        return after

    def named(self, client_id: str) -> Order | None:
        """The order that was made under this client order id; the oldest, where several are told to have been."""
        number = self._named.get(client_id)
        return None if number is None else self[number]

    def children_of(self, parent: OrderId) -> list[Order]:
        """Those that are in force only once their parent has filled, oldest first."""
        children = self._children.get(parent)
        return [self[child] for child in sorted(children)] if children else []

    def _with_child(self, order: Order) -> Register[OrderId, tuple[OrderId, ...]]:
        if order.parent_id is None:
            return self._children
        known = self._children.get(order.parent_id, ())
        return self._children if order.id in known else self._children.entered(order.parent_id, (*known, order.id))

    def _with_names(self, order: Order) -> Register[str, OrderId]:
        named = self._named
        for name in order.client_ids:
            if named.get(name, order.id + 1) > order.id:
                named = named.entered(name, order.id)
        return named


def _orders(found: Mapping[OrderId, Order]) -> Mapping[OrderId, Order]:
    return Orders.of(found)


@attrs.frozen
class View:
    """One account's orders and positions as a value: a leader shares its own with all of its followers.

    `net` is the position per contract from attributed fills: the snapshot's position plus the fills seen since, never a
    position event that overtook its order. `current` is False while the account that it shows is not Connected.
    """

    broker_id: BrokerAccountId
    generation: int
    orders: Mapping[OrderId, Order] = attrs.field(factory=Orders, converter=_orders)
    net: Mapping[Symbol, int] = attrs.field(factory=dict)
    current: bool = True
    replayed_at: datetime | None = None  # when the broker last told of something older than the snapshot

    def with_order(self, order: Order) -> View:
        """The view after one more fact about one order. A fact that comes twice, or late, changes nothing.

        The followers of a leader hear the same fact of the same view, one after the other: they go on sharing it.
        """
        known = _RECENT.get((id(self), id(order)))
        if known is None:
            if len(_RECENT) >= RECENT:
                del _RECENT[next(iter(_RECENT))]
            known = _RECENT[id(self), id(order)] = (self, order, self._with_order(order))
        return known[2]

    def _with_order(self, order: Order) -> View:
        before = self.orders.get(order.id)
        if before is not None:
            order = order.joined(before)
        if before == order:
            return self
        moved = order.net - (before.net if before else 0)
        net = self.net
        if moved:
            net = {**net, order.symbol: net.get(order.symbol, 0) + moved}
        return evolve(self, orders=Orders.of(self.orders).entered(order.id, order), net=net)

    @property
    def alive(self) -> Collection[Order]:
        """The orders that something may yet become of."""
        return Orders.of(self.orders).alive

    def position(self, symbol: Symbol) -> int:
        return self.net.get(symbol, 0)

    def asleep(self, order: Order) -> bool:
        """Does this order wait at the broker until its parent fills? It may not be called Suspended yet."""
        if order.status is Status.SUSPENDED or order.parent_id is None:
            return order.status is Status.SUSPENDED
        parent = self.orders.get(order.parent_id)
        unfilled = parent is not None and not parent.filled and not parent.status.finished
        return unfilled or order.status in (Status.PENDING_NEW, Status.UNKNOWN)

    @staticmethod
    def of(snapshot: Snapshot, generation: int) -> View:
        net = {symbol: n for symbol, n in snapshot.positions.items() if n}
        return View(snapshot.broker_id, generation, Orders(snapshot.orders), net, replayed_at=snapshot.replayed_at)


RECENT = 16  # as many as one event may bring, and no more: each keeps a view alive
# By the identity of both; they are kept with it, so that no other object takes their place meanwhile.
_RECENT: dict[tuple[int, int], tuple[View, Order, View]] = {}
_WORKED_OUT: dict[int, tuple[View, dict[Any, tuple[Order, Any]]]] = {}


def worked_out(view: View) -> dict[Any, tuple[Order, Any]]:
    """What one follower has worked out of an order in this view, for those that ask the same after it.

    (It is no part of the view: a slotted class that remembers by itself finds each of its fields at half the speed.)
    """
    known = _WORKED_OUT.get(id(view))
    if known is None:
        if len(_WORKED_OUT) >= RECENT:
            del _WORKED_OUT[next(iter(_WORKED_OUT))]
        known = _WORKED_OUT[id(view)] = (view, {})
    return known[1]
