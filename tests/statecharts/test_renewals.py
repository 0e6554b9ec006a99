"""What no modify can change is cancelled and placed anew; and the broker takes the other of an OCO along."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from statecharts.effects import CancelOrder, PlaceOco
from statecharts.values import Order, OrderId, OrderType, Status, Terms, VersionId
from tests.statecharts.desk import BUY, ES, SELL, Desk, follower, limit, order, terms
from tests.statecharts.exchange import Exchange
from tests.statecharts.families import bracket, oco
from tests.statecharts.test_protection import targets, work


def trailing(peg: int) -> Terms:
    return terms(2, OrderType.TRAILING_STOP, peg_difference=Decimal(peg))


def trailed(one: Order, peg: int, version: int) -> Order:
    return attrs.evolve(one, terms=trailing(peg), version=VersionId(version))


def followed(guarded: bool) -> tuple[Desk, Exchange, Order]:
    """A follower that owns 2, behind a target and a stop that trails, as its leader does; the leader's stop."""
    desk = follower()
    exchange = Exchange(desk)
    if guarded:
        entry, target, stopped = bracket(1, terms(2), 2)
        stopped = trailed(stopped, -5, 3)
        desk.frame(entry, target, stopped)
    else:
        desk.leader(order(1, BUY, terms(2), 2))
        work(exchange)
        target, stopped = oco(11, (SELL, limit(2, 5020)), (SELL, trailing(-5)))
        desk.frame(target, stopped)
    work(exchange)
    assert (trails(exchange), targets(exchange)) == ([Decimal(-5)], 2)
    return desk, exchange, stopped


def trails(exchange: Exchange) -> list[Any]:
    live = (exchange.orders[number][1] for number in exchange.tradable)
    return [one.terms.peg_difference for one in live if one.terms and one.terms.order_type.trails]


@pytest.mark.parametrize("guarded", [True, False])
def test_a_target_that_the_broker_cancels_with_a_stop_that_is_renewed_comes_back_with_it(guarded: bool) -> None:
    desk, exchange, stopped = followed(guarded)
    desk.leader(trailed(stopped, -8, 900))
    exchange.take()
    exchange.answer("well")
    assert isinstance(desk.place, PlaceOco), "in one request, as before"
    work(exchange)
    assert (trails(exchange), targets(exchange)) == ([Decimal(-8)], 2)
    assert sum(isinstance(one, CancelOrder) for one in desk.everything) == 1


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("late", [0.1, 0.6])
def test_a_target_whose_end_is_told_later_comes_back_too(guarded: bool, late: float) -> None:
    desk, exchange, stopped = followed(guarded)
    desk.leader(trailed(stopped, -8, 900))
    exchange.take()
    (cancel,) = desk.cancels
    mate = exchange.orders[cancel.order_id][1].oco_id
    assert mate is not None
    exchange._set(cancel.order_id, status=Status.CANCELED)
    desk.accepted(cancel)
    exchange.queue.clear()
    desk.foreign(exchange.orders[cancel.order_id][1])
    exchange._set(mate, status=Status.CANCELED)
    desk.wait(late)
    desk.foreign(exchange.orders[mate][1])
    assert bool(desk.places) and isinstance(desk.places[-1], PlaceOco) == (late < 0.5)
    work(exchange)
    assert (trails(exchange), targets(exchange)) == ([Decimal(-8)], 2)


@pytest.mark.parametrize("guarded", [True, False])
def test_a_target_whose_end_is_told_first_comes_back_too(guarded: bool) -> None:
    desk, exchange, stopped = followed(guarded)
    desk.leader(trailed(stopped, -8, 900))
    exchange.take()
    (cancel,) = desk.cancels
    mate = exchange.orders[cancel.order_id][1].oco_id
    assert mate is not None
    exchange._set(mate, status=Status.CANCELED)
    desk.foreign(exchange.orders[mate][1])
    exchange.answer("well")
    work(exchange)
    assert (trails(exchange), targets(exchange)) == ([Decimal(-8)], 2)


@pytest.mark.parametrize("guarded", [True, False])
def test_a_target_that_the_leader_cancels_meanwhile_does_not_come_back(guarded: bool) -> None:
    desk, exchange, stopped = followed(guarded)
    target = next(one for one in desk.theirs.orders.values() if one.terms == limit(2, 5020))
    alone = attrs.evolve(trailed(stopped, -8, 900), oco_id=None)
    desk.frame(alone, attrs.evolve(target, status=Status.CANCELED))
    work(exchange)
    assert (trails(exchange), targets(exchange)) == ([Decimal(-8)], 0)
    assert desk.own == {ES: 2}


def test_nothing_is_placed_anew_when_the_leaders_order_has_ended_meanwhile() -> None:
    desk, exchange, stopped = followed(guarded=False)
    desk.leader(trailed(stopped, -8, 900))
    exchange.take()
    desk.leader(attrs.evolve(trailed(stopped, -8, 900), status=Status.CANCELED))
    exchange.answer("well")
    work(exchange)
    assert trails(exchange) == []
    assert exchange.orders[OrderId(5001)][1].status is Status.FILLED
