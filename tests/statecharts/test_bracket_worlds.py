"""Random days of a leader who trades in brackets, and a broker that wakes legs as it likes and answers as it likes.

Whenever everything has come to rest, our stops are as large as our position, while the leader has one for all of his.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statecharts import events as e
from statecharts.order import Stage
from statecharts.values import Order, OrderId, OrderType, Side, Status, Terms, VersionId
from statecharts.view import View
from tests import examples
from tests.statecharts.desk import BUY, ES, LEAD, SELL, Desk, follower, limit, order, stop, terms
from tests.statecharts.exchange import Exchange
from tests.statecharts.test_worlds import HOW

WAKES = ("first_fill", "each_fill", "last_fill")


@attrs.define
class Bracketeer:
    """A leader that enters with a target and a stop, and the broker's hand in his own account."""

    desk: Desk
    ratio: Decimal
    wake: str
    together: bool  # does one frame tell of a whole family?
    side: Side = BUY
    orders: dict[OrderId, Order] = attrs.field(factory=dict)
    number: int = 100
    version: int = 100_000

    @property
    def net(self) -> int:
        return sum(one.net for one in self.orders.values())

    @property
    def out(self) -> Side:
        return SELL if self.side is BUY else BUY

    def tell(self, *numbers: OrderId) -> None:
        told = [self.orders[number] for number in numbers]
        if self.together:
            self.desk.frame(*told)
        else:
            self.desk.leader(*told)

    def enters(self, quantity: int, resting: bool, children: bool) -> None:
        self.number += 10
        entry, target, stopped = (OrderId(self.number + place) for place in range(3))
        up = self.side.sign
        asked = limit(quantity) if resting else terms(quantity)
        self.orders[entry] = order(entry, self.side, asked)
        if children:
            for one, other, leg in (
                (target, stopped, limit(quantity, 5000 + 20 * up)),
                (stopped, target, stop(quantity, 5000 - 10 * up - self.number % 7)),
            ):
                self.orders[one] = order(one, self.out, leg, status=Status.SUSPENDED, parent_id=entry, oco_id=other)
        family = [one for one in (entry, target, stopped) if one in self.orders]
        if not resting:
            self.fill(entry, quantity, tell=False)
        self.tell(*family)

    def fill(self, number: OrderId, quantity: int, tell: bool = True) -> None:
        one = self.orders[number]
        assert one.terms is not None
        quantity = min(quantity, one.rest)
        if not quantity or one.status is Status.SUSPENDED:
            return
        if one.side is self.out:
            quantity = min(quantity, abs(self.net))
            if not quantity:
                return
        links = {"parent_id": one.parent_id, "oco_id": one.oco_id, "version": one.version}
        self.orders[number] = order(number, one.side, one.terms, one.filled + quantity, **links)  # type: ignore[arg-type]
        touched = [number, *self._follow_up(number)]
        if tell:
            self.tell(*touched)

    def _follow_up(self, number: OrderId) -> list[OrderId]:
        one = self.orders[number]
        touched = []
        if one.status.finished and one.oco_id is not None and not self.orders[one.oco_id].status.finished:
            self.orders[one.oco_id] = attrs.evolve(self.orders[one.oco_id], status=Status.CANCELED)
            touched.append(one.oco_id)
        for child in [c for c in self.orders.values() if c.parent_id == number and not c.status.finished]:
            assert child.terms is not None
            done = one.status is Status.FILLED
            quantity = child.terms.quantity
            state = child.status
            if one.status.finished and not one.filled:
                state = Status.CANCELED
            elif one.filled and (one.status.finished or self.wake != "last_fill"):
                state = Status.WORKING
                if self.wake == "each_fill" or (not done and one.status.finished):
                    quantity = one.filled
            self._revise(child.id, state, attrs.evolve(child.terms, quantity=quantity))
            touched.append(child.id)
        return touched

    def _revise(self, number: OrderId, status: Status, asked: Terms) -> None:
        one = self.orders[number]
        if one.terms != asked:
            self.version += 1
            one = attrs.evolve(one, terms=asked, version=VersionId(self.version))
        self.orders[number] = attrs.evolve(one, status=status)

    def cancels(self, number: OrderId) -> None:
        one = self.orders[number]
        if not one.status.finished:
            self.orders[number] = attrs.evolve(one, status=Status.CANCELED)
            self.tell(number, *self._follow_up(number))

    def moves(self, number: OrderId, ticks: int) -> None:
        one = self.orders[number]
        if one.status.finished or one.terms is None or one.terms.order_type is OrderType.MARKET:
            return
        if one.terms.order_type is OrderType.STOP:
            asked = attrs.evolve(one.terms, stop_price=(one.terms.stop_price or Decimal(0)) + ticks)
        else:
            asked = attrs.evolve(one.terms, price=(one.terms.price or Decimal(0)) + ticks)
        self._revise(number, one.status, asked)
        self.tell(number)

    def exits(self, quantity: int) -> None:
        quantity = min(quantity, abs(self.net))
        if quantity:
            self.number += 10
            number = OrderId(self.number)
            self.orders[number] = order(number, self.out, terms(quantity), quantity)
            self.tell(number)

    def goes_flat(self) -> None:
        for number in list(self.orders):
            self.cancels(number)
        self.exits(abs(self.net))

    def some(self, which: int, *kinds: OrderType) -> OrderId | None:
        here = [
            n
            for n, one in self.orders.items()
            if one.rest and (not kinds or (one.terms and one.terms.order_type in kinds))
        ]
        return here[which % len(here)] if here else None

    @property
    def covered(self) -> bool:
        """Has he a live stop for all of his position, each for what its own entry has brought?"""
        covered = 0
        for entry in (one for one in self.orders.values() if one.side is self.side):
            exits = [one for one in self.orders.values() if one.parent_id == entry.id]
            live = [one.rest for one in exits if one.status is Status.WORKING and _is_stop(one)]
            covered += min(sum(live), entry.filled - sum(one.filled for one in exits))
        return covered >= abs(self.net)


def _is_stop(one: Order) -> bool:
    return one.terms is not None and one.terms.order_type is OrderType.STOP


MOVES = st.lists(
    st.tuples(
        st.sampled_from(
            (
                "bracket", "bracket", "naked", "leader fills", "leader fills", "leader cancels", "leader moves", "exit",
                "answer", "answer", "market", "market", "tell", "wait", "settle", "settle", "reconnect", "restart",
                "read back",
            )
        ),
        st.integers(0, 6),
        st.integers(0, 6),
    ),
    min_size=10,
    max_size=40,
)  # fmt: skip


def live(desk: Desk, leader: Bracketeer, exchange: Exchange, what: str, a: int, b: int) -> None:
    match what:
        case "bracket" if abs(leader.net) < 6:
            leader.enters(1 + a % 4, b % 2 == 0, children=True)
        case "naked" if abs(leader.net) < 6:
            leader.enters(1 + a % 3, b % 2 == 0, children=False)
        case "leader fills" if (number := leader.some(a)) is not None:
            leader.fill(number, 1 + b % 4)
        case "leader cancels" if (number := leader.some(a)) is not None:
            leader.cancels(number)
        case "leader moves" if (number := leader.some(a, OrderType.STOP, OrderType.LIMIT)) is not None:
            leader.moves(number, 1 + b)
        case "exit":
            leader.exits(1 + a % 3)
        case "market" if exchange.tradable:
            number = exchange.tradable[a % len(exchange.tradable)]
            exchange.fill(number, 1 + b % 2)
            exchange.tell(number)
        case _:
            around(desk, leader, exchange, what, a, b, at_rest)
    exchange.take()


def around(
    desk: Desk,
    leader: Bracketeer,
    exchange: Exchange,
    what: str,
    a: int,
    b: int,
    rests: Callable[[Desk, Bracketeer, Exchange], None],
) -> None:
    """What the leader has no part in: answers, news, time, and connections. `rests` looks when all is settled."""
    match what:
        case "answer":
            exchange.answer(HOW[a])
        case "tell" if exchange.orders:
            numbers = sorted(exchange.orders)
            exchange.tell(numbers[a % len(numbers)])
        case "wait":
            desk.wait(a * 0.3 + b)
        case "settle":
            exchange.settle()
            rests(desk, leader, exchange)
        case "reconnect":
            desk.lost()
            desk.hear(e.ReconnectAsked(at=desk.now))
            back(desk, leader, exchange, a)
        case "restart":
            exchange.queue.clear()
            desk.restarted()
            back(desk, leader, exchange, a)
        case "read back":
            desk.hear(e.ReadBack(at=desk.now))


def back(desk: Desk, leader: Bracketeer, exchange: Exchange, a: int) -> None:
    if a % 2:
        desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="closed", shown="Reconnecting"))
    desk.hear(e.Authorized(at=desk.now))
    net = {ES: leader.net} if leader.net else {}
    view = View(desk.theirs.broker_id, desk.theirs.generation + 1, dict(leader.orders), net)
    desk.leader_read_anew(view)
    exchange.is_read()


def at_rest(desk: Desk, leader: Bracketeer, exchange: Exchange) -> None:
    """What must hold when nothing is under way."""
    position = exchange.position.get(ES, 0)
    assert desk.own.get(ES, 0) == position
    assert position * leader.side.sign >= 0
    exits = [one for n in exchange.tradable if (one := exchange.orders[n][1]).side.sign * position < 0 or not position]
    stops = sum(one.rest for one in exits if _is_stop(one))
    ahead = [one for one in leader.orders.values() if desk.copy_of(one.id).filled > one.filled * leader.ratio]
    entries = [one for one in leader.orders.values() if one.side is leader.side]
    behind = any(desk.copy_of(one.id).rest and one.filled for one in entries)  # what is ours stands for other entries
    behind = behind or abs(position) > abs(int(leader.net * leader.ratio))  # or for exits of his that are not ours yet
    if leader.covered and not ahead and not behind and desk.account.book.contract(ES).exposed is None:
        assert stops >= abs(position), (stops, position)
    ours = [one for one in exits if one.parent_id is not None or one.oco_id is not None]
    assert sum(one.rest for one in ours if _is_stop(one)) <= abs(position)
    odd = [tell.message for tell in desk.told if "did not expect" in tell.message]
    assert not odd, odd
    book = desk.account.book
    held = [copy for copy in book.all_open() if copy.stage is Stage.HELD]
    in_vain = [copy.id for copy in held if copy.guards is None or not book.copies[copy.guards].open]
    assert not in_vain, in_vain


@settings(max_examples=examples(75), deadline=None, suppress_health_check=list(HealthCheck))
@given(MOVES, st.sampled_from(WAKES), st.sampled_from(WAKES), st.booleans(), st.sampled_from(("0.5", "1", "2", "1.5")))
def test_whatever_happens_what_the_leader_protects_is_protected(
    day: list[tuple[str, int, int]], theirs: str, ours: str, together: bool, ratio: str
) -> None:
    desk = follower(ratio=Decimal(ratio))
    leader, exchange = Bracketeer(desk, Decimal(ratio), theirs, together), Exchange(desk, wake=ours, bounded=False)
    for what, a, b in day:
        live(desk, leader, exchange, what, a, b)
    exchange.settle()
    at_rest(desk, leader, exchange)
    leader.goes_flat()
    exchange.settle()
    assert exchange.position.get(ES, 0) == 0
    assert not exchange.working
