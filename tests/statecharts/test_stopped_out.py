"""What the template's bracket takes out while the leader is still in: told, and not taken twice."""

from __future__ import annotations

from typing import Any

import pytest

from statecharts.values import OrderType
from tests.statecharts.desk import BUY, ES, SELL, Desk, limit, order, terms
from tests.statecharts.exchange import Exchange
from tests.statecharts.test_protection import live, work
from tests.statecharts.test_template import PAIR, entered, fills, prices, templated


def test_a_target_that_fills_ends_it_and_what_the_leader_closes_later_is_not_ours() -> None:
    desk, exchange = templated()
    entered(desk, exchange)
    target = next(one.id for one in live(exchange) if one.terms and one.terms.order_type is OrderType.LIMIT)
    fills(exchange, target, 1, 5010)
    fills(exchange, target, 1, 5010)
    work(exchange)
    assert not exchange.working
    assert desk.heard("position.drifted") == [], "he may be leaving at this moment"
    work(exchange, 3)
    (told,) = desk.heard("position.drifted")
    assert told.startswith("ESZ6: the target of the bracket has filled, and the leader is still in: short by 2 of 2")
    desk.leader(order(101, BUY, terms(1), 1))
    work(exchange)
    assert exchange.position[ES] == 0, "it waits until the leader is flat"
    desk.leader(order(102, SELL, terms(3), 3))
    work(exchange)
    assert exchange.position[ES] == 0
    exchange.market = 5000
    entered(desk, exchange, number=103)
    assert prices(exchange) == PAIR


def taken_out(**more: Any) -> tuple[Desk, Exchange]:
    """Two entries of 2; the target of one has just taken its 2, and the leader has all of his 4."""
    desk, exchange = templated(**more)
    entered(desk, exchange)
    entered(desk, exchange, number=101)
    target = next(one.id for one in live(exchange) if one.terms and one.terms.order_type is OrderType.LIMIT)
    fills(exchange, target, 2, 5010)
    work(exchange, 0.1)
    assert exchange.position[ES] == 2
    return desk, exchange


@pytest.mark.parametrize(("sold", "takes"), [(1, 0), (2, 0), (3, 1), (4, 2)])
def test_what_the_leader_exits_at_the_moment_of_our_target_is_not_taken_twice(sold: int, takes: int) -> None:
    desk, exchange = taken_out()
    desk.leader(order(102, SELL, terms(sold), sold))
    exchange.take()
    work(exchange, 0.1)
    assert exchange.position[ES] == 2 - takes
    work(exchange, 60)
    short = ["ESZ6: the target of the bracket has filled, and the leader is still in: short by 1 of 3. "] * (sold == 1)
    assert [one.split("Nothing")[0] for one in desk.heard("position.drifted")] == short


def test_an_exit_that_the_leader_works_while_ours_has_filled_is_as_large_as_his() -> None:
    desk, exchange = taken_out()
    desk.leader(order(102, SELL, limit(2, 5030)))
    assert desk.quantities == [(SELL, 2)]
    exchange.take()
    work(exchange, 60)
    assert "short by 2 of 4" in desk.heard("position.drifted")[0]


def test_what_the_leader_exits_later_than_that_is_an_exit_of_its_own() -> None:
    desk, exchange = taken_out()
    work(exchange, 5)
    assert len(desk.heard("position.drifted")) == 1
    desk.leader(order(102, SELL, terms(2), 2))
    work(exchange, 0)
    assert exchange.position[ES] == 0


def test_a_stop_that_fills_when_the_leader_has_left_too_is_nothing_to_tell() -> None:
    desk, exchange = templated()
    entered(desk, exchange)
    exchange.bounded = False  # the leader's exit is on its way when our stop is hit
    number = next(one.id for one in live(exchange) if one.terms and one.terms.order_type is OrderType.STOP)
    desk.leader(order(101, SELL, terms(2), 2))
    fills(exchange, number, 2, 4995)
    assert desk.heard("position.drifted") == []
