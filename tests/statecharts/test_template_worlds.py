"""Random days of a follower with a template, whose leader trades without protection, or comes with his own at any time.

Whenever everything has come to rest, our stops are exactly as large as our position.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statecharts.book import Copy
from statecharts.rules import Template
from statecharts.sizing import Kind
from statecharts.values import Order, OrderId, OrderType, Status
from tests import examples
from tests.statecharts.desk import ES, Desk, facts_of, follower, limit, order, stop
from tests.statecharts.exchange import Exchange
from tests.statecharts.test_bracket_worlds import WAKES, Bracketeer, around

NAKED = (
    "enters", "enters", "leader fills", "leader fills", "leader cancels an entry", "leader moves", "exit", "exit",
    "answer", "answer", "market", "market", "tell", "wait", "settle", "settle", "reconnect", "restart", "read back",
)  # fmt: skip
MOVES = st.tuples(st.integers(0, 6), st.integers(0, 6))


def days(*more: str) -> Any:
    return st.lists(st.tuples(st.sampled_from(NAKED + more), MOVES), min_size=10, max_size=40)


def live(desk: Desk, leader: Bracketeer, exchange: Exchange, what: str, a: int, b: int) -> None:
    match what:
        case "enters" if abs(leader.net) < 6:
            leader.enters(1 + a % 4, b % 2 == 0, children=False)
        case "with a bracket" if abs(leader.net) < 6:
            leader.enters(1 + a % 4, b % 2 == 0, children=True)
        case "leader fills" if (number := leader.some(a)) is not None:
            leader.fill(number, 1 + b % 4)
        case "leader cancels an entry" if (number := leader.some(a)) is not None:
            bracketed = any(one.parent_id == number for one in leader.orders.values())
            if leader.orders[number].side is leader.side and not bracketed:
                leader.cancels(number)
        case "leader moves" if (number := leader.some(a, OrderType.STOP, OrderType.LIMIT)) is not None:
            leader.moves(number, 1 + b)
        case "later":
            comes_later(leader, a)
        case "alone" if (quantity := bare(leader)) > 0:
            leader.number += 10
            number = OrderId(leader.number)
            leader.orders[number] = order(number, leader.out, stop(quantity, 4980))
            leader.tell(number)
        case "exit":
            leader.exits(1 + a % 3)
        case "market" if exchange.tradable:
            number = exchange.tradable[a % len(exchange.tradable)]
            exchange.market = 5000 + 3 * (b - 3)
            exchange.fill(number, 1 + b % 2)
            exchange.tell(number)
        case _:
            around(desk, leader, exchange, what, a, b, at_rest)
    exchange.take()


def is_stop(one: Order) -> bool:
    return one.terms is not None and one.terms.order_type is OrderType.STOP


def bare(leader: Bracketeer) -> int:
    """Contracts of his for which the leader has no stop."""
    exits = [one for one in leader.orders.values() if one.side is leader.out and one.status is Status.WORKING]
    stops = [one for one in exits if is_stop(one)]
    return abs(leader.net) - sum(one.rest for one in stops)


def comes_later(leader: Bracketeer, which: int) -> None:
    """The leader puts a target and a stop behind an entry that had none."""
    entries = [one for one in leader.orders.values() if one.side is leader.side and one.parent_id is None]
    alone = [one for one in entries if not any(child.parent_id == one.id for child in leader.orders.values())]
    if not alone:
        return
    entry = alone[which % len(alone)]
    if entry.terms is None or (entry.status.finished and not entry.filled) or entry.terms.quantity > bare(leader):
        return
    target, stopped = OrderId(entry.id + 1), OrderId(entry.id + 2)
    state = Status.WORKING if entry.status is Status.FILLED else Status.SUSPENDED
    for one, other, leg in (
        (target, stopped, limit(entry.terms.quantity, 5030)),
        (stopped, target, stop(entry.terms.quantity, 4985)),
    ):
        leader.orders[one] = order(one, leader.out, leg, status=state, parent_id=entry.id, oco_id=other)
    leader.tell(target, stopped)


def at_rest(desk: Desk, leader: Bracketeer, exchange: Exchange) -> None:
    position = exchange.position.get(ES, 0)
    assert desk.own.get(ES, 0) == position
    awake = [exchange.orders[number][1] for number in exchange.tradable]
    exits = [one for one in awake if one.side.sign * position < 0 or (not position and one.oco_id is not None)]
    stops = sum(one.rest for one in exits if is_stop(one))
    copies = desk.account.book.copies.values()
    template = sum(one.rest for one in exits if is_stop(one) and any(c.leg and c.order_id == one.id for c in copies))
    # What the leader places by itself may be as large as what our entries that rest may still bring.
    coming = sum(one.rest for one in awake if one.side is leader.side and not (one.parent_id or one.oco_id))
    assert not template or stops <= abs(position) + coming, (template, stops, position)
    # With stops of his own about: he may have more of them than contracts; and when exits have filled at one of us and
    # not at the other, what is left of ours may be of an entry that had his.
    his = [one for one in leader.orders.values() if is_stop(one)]
    exits_of_his = [one for one in leader.orders.values() if one.filled and (one.parent_id is not None or is_stop(one))]
    exited = bool(exits_of_his) or any(copy.filled and rests(copy) for copy in copies)
    apart = bare(leader) < 0 or (bool(his) and exited)
    if desk.account.book.contract(ES).exposed is None and not apart:
        assert stops >= abs(position), (stops, position)
    odd = [tell.message for tell in desk.told if "did not expect" in tell.message]
    assert not odd, odd


def rests(copy: Copy) -> bool:
    """Is it an exit of ours that waits for its price?"""
    return copy.kind is Kind.EXIT and copy.terms is not None and copy.terms.order_type is not OrderType.MARKET


def world(theirs: str, ours: str, together: bool, **more: Any) -> tuple[Desk, Bracketeer, Exchange]:
    desk = follower(template=Template(stop=20, target=40), **more)
    desk.contract_read(facts_of(ES))
    leader = Bracketeer(desk, more.get("ratio", Decimal(1)), theirs, together)
    return desk, leader, Exchange(desk, wake=ours, bounded=False)


def ends(desk: Desk, leader: Bracketeer, exchange: Exchange) -> None:
    exchange.settle()
    at_rest(desk, leader, exchange)
    leader.goes_flat()
    exchange.settle()
    assert exchange.position.get(ES, 0) == 0
    assert not exchange.working


@settings(max_examples=examples(75), deadline=None, suppress_health_check=list(HealthCheck))
@given(days(), st.sampled_from(WAKES), st.sampled_from(("orders", "fills")), st.sampled_from(("0.5", "1", "2", "1.5")))
def test_whatever_happens_a_position_of_ours_has_a_stop_of_its_size(
    day: list[tuple[str, tuple[int, int]]], wake: str, mode: str, ratio: str
) -> None:
    desk, leader, exchange = world(wake, wake, True, mode=mode, ratio=Decimal(ratio))
    for what, (a, b) in day:
        live(desk, leader, exchange, what, a, b)
    ends(desk, leader, exchange)


@settings(max_examples=examples(75), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    days("with a bracket", "later", "later", "alone"),
    st.sampled_from(WAKES),
    st.sampled_from(WAKES),
    st.booleans(),
    st.sampled_from(("0.5", "1", "2")),
)
def test_whatever_the_leader_protects_himself_the_stops_are_no_more_and_no_less(
    day: list[tuple[str, tuple[int, int]]], theirs: str, ours: str, together: bool, ratio: str
) -> None:
    desk, leader, exchange = world(theirs, ours, together, ratio=Decimal(ratio))
    for what, (a, b) in day:
        live(desk, leader, exchange, what, a, b)
    ends(desk, leader, exchange)
