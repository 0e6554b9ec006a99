"""Random days: a leader trades, a broker answers as it likes, and what must always hold is checked at every step."""

from __future__ import annotations

from decimal import Decimal

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statecharts import events as e
from statecharts.account import Turn, step
from statecharts.effects import Effect
from statecharts.values import Order, OrderType, Status, Terms
from statecharts.view import View
from tests import examples
from tests.statecharts.desk import BUY, ES, LEAD, SELL, Desk, follower, limit, order, stop, terms
from tests.statecharts.exchange import Exchange

HOW = ("well", "well", "well", "refused", "lost", "lost and absent", "never sent")
CAP = 4


def trailing(quantity: int, at: int) -> Terms:
    return Terms(quantity, OrderType.TRAILING_STOP, stop_price=Decimal(at), peg_difference=Decimal(5))


@attrs.define
class Leader:
    """A leader that enters, adds, exits, changes its mind, and reverses only at market."""

    desk: Desk
    orders: dict[int, Order] = attrs.field(factory=dict)
    told: list[Order] = attrs.field(factory=list)
    number: int = 100

    @property
    def net(self) -> int:
        return sum(one.net for one in self.orders.values())

    def set(self, one: Order) -> None:
        self.orders[one.id] = one
        self.told.append(one)
        self.desk.leader(one)

    def enters(self, quantity: int, how: int) -> None:
        if self.net < 0 or any(one.side is SELL and one.rest for one in self.orders.values()):
            return
        self.number += 1
        asked = (terms(quantity), limit(quantity), stop(quantity, 5010), trailing(quantity, 5010))[how % 4]
        self.set(order(self.number, BUY, asked, quantity if how % 4 == 0 else 0))

    def exits(self, quantity: int, how: int) -> None:
        resting = sum(one.rest for one in self.orders.values() if one.side is SELL)
        quantity = min(quantity, self.net - resting)
        if quantity <= 0:
            return
        self.number += 1
        asked = (terms(quantity), limit(quantity, 5020), stop(quantity), trailing(quantity, 4990))[how % 4]
        self.set(order(self.number, SELL, asked, quantity if how % 4 == 0 else 0))

    def reverses(self, beyond: int) -> None:
        if self.net and self.some(0) is None:
            self.number += 1
            quantity = abs(self.net) + beyond
            self.set(order(self.number, SELL if self.net > 0 else BUY, terms(quantity), quantity))

    def some(self, which: int) -> Order | None:
        working = [one for one in self.orders.values() if one.rest]
        return working[which % len(working)] if working else None

    def fills(self, which: int, quantity: int) -> None:
        one = self.some(which)
        if one is not None:
            assert one.version is not None
            done = min(one.filled + quantity, one.filled + one.rest)
            self.set(order(one.id, one.side, one.terms, done, version=one.version))

    def cancels(self, which: int) -> None:
        one = self.some(which)
        if one is not None:
            self.set(attrs.evolve(one, status=Status.CANCELED))

    def modifies(self, which: int, quantity: int) -> None:
        one = self.some(which)
        if one is not None and one.terms is not None:
            assert one.version is not None
            asked = attrs.evolve(one.terms, quantity=one.filled + min(one.rest, quantity))
            if asked.peg_difference is not None and quantity == 1:  # what no modify of ours can bring about
                asked = attrs.evolve(asked, peg_difference=asked.peg_difference + 1)
            self.set(order(one.id, one.side, asked, one.filled, version=one.version + 1000))

    def repeats(self, which: int) -> None:
        """An old fact once more, after newer ones."""
        if self.told:
            self.desk.leader(self.told[which % len(self.told)])

    def goes_flat(self) -> None:
        while (one := self.some(0)) is not None:
            self.cancels(0)
            assert one is not None
        if self.net:
            self.number += 1
            out = SELL if self.net > 0 else BUY
            self.set(order(self.number, out, terms(abs(self.net)), abs(self.net)))


def moves(also: tuple[str, ...] = ()) -> st.SearchStrategy[list[tuple[str, int, int]]]:
    what = st.sampled_from(
        (
            "enter", "enter", "exit", "exit", "leader fills", "leader cancels", "leader modifies", "repeat", "answer",
            "answer", "answer", "market", "market", "tell", "wait", "reconnect", "restart", "pause", "resume",
            "flatten", *also,
        )
    )  # fmt: skip
    return st.lists(st.tuples(what, st.integers(0, 6), st.integers(0, 6)), min_size=15, max_size=50)


def live(desk: Desk, leader: Leader, exchange: Exchange, what: str, a: int, b: int) -> None:
    match what:
        case "enter":
            leader.enters(1 + a % 3, b)
        case "exit":
            leader.exits(1 + a % 3, b)
        case "reverse":
            leader.reverses(1 + a % 2)
        case "leader fills":
            leader.fills(a, 1 + b % 3)
        case "leader cancels":
            leader.cancels(a)
        case "leader modifies":
            leader.modifies(a, 1 + b % 3)
        case "repeat":
            leader.repeats(a)
        case "answer":
            exchange.answer(HOW[a])
        case "market":
            if exchange.working:
                number = exchange.working[a % len(exchange.working)]
                exchange.fill(number, 1 + b % 2)
                exchange.tell(number)
        case "tell":
            numbers = sorted(exchange.orders)
            if numbers:
                exchange.tell(numbers[a % len(numbers)])
        case "wait":
            desk.wait(a + b * 3)
        case "reconnect":
            desk.lost()
            desk.hear(e.ReconnectAsked(at=desk.now))
            back(desk, leader, exchange, a)
        case "restart":
            # What had not been sent is lost with the process; what had been is looked for.
            exchange.queue.clear()
            desk.restarted()
            back(desk, leader, exchange, a)
        case "flatten":
            desk.hear(e.FlattenAsked(at=desk.now, symbol=ES if a % 2 else None))
        case "profit":
            exchange.open_profit = (a - 3) * 200
        case "unlock":
            desk.hear(e.UnlockAsked(at=desk.now))
        case "pause":
            desk.hear(e.PauseAsked(at=desk.now))
        case "resume":
            desk.hear(e.ResumeAsked(at=desk.now))
    exchange.take()


def back(desk: Desk, leader: Leader, exchange: Exchange, a: int) -> None:
    if a % 2:
        desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="closed", shown="Reconnecting"))
    desk.hear(e.Authorized(at=desk.now))
    positions = {symbol: n for symbol, n in exchange.position.items() if n}
    view = View(
        desk.theirs.broker_id,
        desk.theirs.generation + 1,
        {o.id: o for o in leader.orders.values()},
        {ES: leader.net} if leader.net else {},
    )
    if a % 3:
        desk.leader_read_anew(view)
        desk.read_anew(*(one for _, one in exchange.orders.values()), positions=positions)
    else:
        desk.read_anew(*(one for _, one in exchange.orders.values()), positions=positions)
        desk.leader_read_anew(view)


@attrs.define
class WatchedDesk(Desk):
    """Every step is taken twice: it answers the same, and leaves what it was given as it was."""

    def hear(self, event: e.Event) -> tuple[Effect, ...]:
        given = self.account
        before = repr(given)
        effects = Desk.hear(self, event)
        assert step(given, event) == Turn(self.account, self.effects)
        assert repr(given) == before
        return effects


@settings(max_examples=examples(125), deadline=None, suppress_health_check=list(HealthCheck))
@given(moves(), st.sampled_from(("0.5", "1", "2")))
def test_whatever_happens_nothing_is_sent_twice_no_cap_is_broken_and_flat_follows_flat(
    day: list[tuple[str, int, int]], ratio: str
) -> None:
    desk = follower(max_position=CAP, ratio=Decimal(ratio))
    leader, exchange = Leader(desk), Exchange(desk)
    for what, a, b in day:
        live(desk, leader, exchange, what, a, b)
        assert 0 <= exchange.position.get(ES, 0) <= CAP
    at_rest(desk, leader, exchange)


@settings(max_examples=examples(75), deadline=None, suppress_health_check=list(HealthCheck))
@given(moves(also=("reverse", "reverse")))
def test_a_leader_that_reverses_is_followed_to_flat_too(day: list[tuple[str, int, int]]) -> None:
    desk = follower(max_position=CAP)
    leader, exchange = Leader(desk), Exchange(desk)
    for what, a, b in day:
        live(desk, leader, exchange, what, a, b)
        assert abs(exchange.position.get(ES, 0)) <= CAP
    at_rest(desk, leader, exchange)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(moves(also=("reverse",)))
def test_step_is_deterministic_and_pure_all_day(day: list[tuple[str, int, int]]) -> None:
    plain = follower(max_position=CAP)
    desk = WatchedDesk(plain.account, theirs=plain.theirs)
    leader, exchange = Leader(desk), Exchange(desk)
    for what, a, b in day:
        live(desk, leader, exchange, what, a, b)
    at_rest(desk, leader, exchange)


def at_rest(desk: Desk, leader: Leader, exchange: Exchange) -> None:
    """Everything settles, the leader goes flat, everything settles again: so are we."""
    exchange.settle()
    leader.goes_flat()
    exchange.settle()
    assert exchange.position.get(ES, 0) == 0
    assert desk.own == {}
    assert not exchange.working
