"""The broker may call orders Suspended while their market is closed: they protect as soon as anything can be lost."""

from __future__ import annotations

import attrs

from statecharts import events as e
from statecharts.effects import CancelOrder, Severity
from statecharts.values import OrderId, Status
from tests.statecharts.desk import Desk, limit
from tests.statecharts.exchange import Exchange
from tests.statecharts.families import bracket
from tests.statecharts.test_protection import bracketed, fill, stops, work
from tests.statecharts.trading_hours import WEDNESDAY, chicago, with_hours

OURS = (5002, 5003)  # a target and a stop


def called(desk: Desk, exchange: Exchange, status: Status, *numbers: int) -> None:
    """The broker calls our exits so, and the leader's."""
    for number in map(OrderId, numbers or OURS):
        place, one = exchange.orders[number]
        exchange.orders[number] = (place, attrs.evolve(one, status=status))
        exchange.tell(number)
    if not numbers:
        _, target, stopped = bracket(1, limit(4), 4)
        desk.frame(attrs.evolve(target, status=status), attrs.evolve(stopped, status=status))


def in_the_pause() -> tuple[Desk, Exchange]:
    """In position with its exits, and the market has just closed."""
    desk, exchange = bracketed()
    with_hours(desk, f"{WEDNESDAY} 15:59:50")
    fill(exchange, 5001, 4)
    desk.frame(*bracket(1, limit(4), 4))
    work(exchange)
    desk.now = chicago(f"{WEDNESDAY} 16:00:01")
    called(desk, exchange, Status.SUSPENDED)
    return desk, exchange


def read_back(desk: Desk, now: str) -> None:
    desk.now = chicago(f"{WEDNESDAY} {now}")
    desk.hear(e.ReadBack(at=desk.now))


def test_exits_that_sleep_in_the_pause_are_left_where_they_are() -> None:
    desk, exchange = in_the_pause()
    for now in ("16:00:30", "16:59:59", "17:00:04"):
        read_back(desk, now)
        exchange.take()
    called(desk, exchange, Status.WORKING)
    work(exchange)
    assert [number for number in OURS if number in exchange.tradable] == [*OURS]
    assert [one for one in desk.everything if isinstance(one, CancelOrder)] == []
    assert desk.heard("position.unprotected") == []


def test_exits_that_sleep_on_when_the_market_has_opened_are_placed_anew() -> None:
    desk, exchange = in_the_pause()
    read_back(desk, "17:00:06")
    for _ in range(6):
        work(exchange, 0.5)
    assert [one.order_id for one in desk.everything if isinstance(one, CancelOrder)] == [5002]
    assert stops(exchange) == 4


def test_a_stop_that_is_gone_in_the_pause_is_missed_there_as_anywhere() -> None:
    desk, exchange = in_the_pause()
    called(desk, exchange, Status.CANCELED, 5003)
    for _ in range(4):
        desk.wait(1)
    assert [one.severity for one in desk.told if one.event == "position.unprotected"] == [Severity.PAGE]
