"""The broker may call orders Suspended while their market is closed: they protect as soon as anything can be lost."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from statecharts import events as e
from statecharts import states as s
from statecharts.account import Account
from statecharts.effects import CancelOrder, PlaceOco, PlaceOrder, Severity
from statecharts.order import Stage
from statecharts.rules import CatchUp, Rules
from statecharts.values import OrderId, Status
from statecharts.view import View
from tests.statecharts.desk import BUY, ES, EVAL, LEAD, LEAD_ID, NOON, SELL, Desk, limit, order, rules, terms
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


def unlisted(desk: Desk, now: str = "16:20:00") -> None:
    """We are read anew in the pause, and the broker's lists are those of a session that is over."""
    desk.lost()
    desk.now = chicago(f"{WEDNESDAY} {now}")
    desk.resuming()
    desk.leader_read_anew(View(LEAD_ID, desk.theirs.generation + 1, desk.theirs.orders, {ES: 4}))
    desk.read_anew(positions={ES: 4})


def looked_up_until(desk: Desk, now: str) -> None:
    """All look-ups that are asked for before then, and none finds anything."""
    queue = list(desk.look_ups)
    while queue:
        queue.sort(key=lambda one: one.not_before)
        if queue[0].not_before >= chicago(f"{WEDNESDAY} {now}"):
            return
        desk.looked_up(queue.pop(0))
        queue += desk.look_ups


def test_exits_that_no_list_shows_in_the_pause_are_awaited_and_not_placed_anew() -> None:
    desk, exchange = in_the_pause()
    unlisted(desk)
    looked_up_until(desk, "17:00:04")
    assert desk.now > chicago(f"{WEDNESDAY} 16:58:30")
    assert [desk.copy_of(number).order_id for number in (2, 3)] == [*OURS]
    desk.read_anew(*(one for _, one in exchange.orders.values()), positions={ES: 4})
    called(desk, exchange, Status.WORKING)
    assert [desk.copy_of(number).stage for number in (2, 3)] == [Stage.WORKING] * 2
    assert desk.heard("position.unprotected") == []
    assert [one for one in desk.everything if isinstance(one, CancelOrder | PlaceOrder)][1:] == []


def test_exits_that_no_list_shows_when_the_market_has_opened_are_placed_anew() -> None:
    desk, _ = in_the_pause()
    unlisted(desk, "16:59:50")
    looked_up_until(desk, "17:03:00")
    (again,) = [one for one in desk.everything if isinstance(one, PlaceOrder)][1:]
    assert isinstance(again, PlaceOco) and again.terms == limit(4, 5020)


def leader_unlisted() -> tuple[Desk, Exchange]:
    """The leader is read anew in the pause, and his lists are empty."""
    desk, exchange = in_the_pause()
    desk.leader_read_anew(View(LEAD_ID, desk.theirs.generation + 1, {}, {ES: 4}))
    read_back(desk, "16:59:59")
    called(desk, exchange, Status.WORKING, *OURS)
    read_back(desk, "17:00:59")
    exchange.take()
    assert not exchange.queue
    return desk, exchange


def test_what_the_leaders_emptied_lists_do_not_show_in_the_pause_stays_when_they_show_it_again() -> None:
    desk, exchange = leader_unlisted()
    orders = {one.id: attrs.evolve(one, status=Status.WORKING) for one in bracket(1, limit(4), 4)[1:]}
    desk.leader_read_anew(View(LEAD_ID, desk.theirs.generation + 1, orders, {ES: 4}))
    for _ in range(5):
        work(exchange, 60)
    assert [one for one in desk.everything if isinstance(one, CancelOrder)] == []


def test_and_is_cancelled_a_minute_after_the_opening_when_they_do_not() -> None:
    desk, _ = leader_unlisted()
    desk.wait(3)
    assert [one.order_id for one in desk.cancels] == [5002]


def test_and_stays_when_his_order_is_told_again_without_his_being_read_anew() -> None:
    desk, exchange = leader_unlisted()
    desk.frame(*(attrs.evolve(one, status=Status.WORKING) for one in bracket(1, limit(4), 4)[1:]))
    for _ in range(5):
        work(exchange, 60)
    assert [one for one in desk.everything if isinstance(one, CancelOrder)] == []


def test_an_exit_that_no_list_shows_is_looked_up_as_soon_as_its_market_has_opened() -> None:
    desk, _ = in_the_pause()
    unlisted(desk, "16:20:03")
    looked_up_until(desk, "17:00:10")
    (again,) = [one for one in desk.everything if isinstance(one, PlaceOrder)][1:]
    assert isinstance(again, PlaceOco) and desk.now < chicago(f"{WEDNESDAY} 17:00:10")


def test_what_lists_do_not_show_that_were_read_just_after_the_opening_is_given_the_same_time() -> None:
    desk, exchange = in_the_pause()
    called(desk, exchange, Status.WORKING, *OURS)
    read_back(desk, "17:00:03")
    desk.leader_read_anew(View(LEAD_ID, desk.theirs.generation + 1, {}, {ES: 4}))
    read_back(desk, "17:00:58")
    exchange.take()
    assert [one for one in desk.everything if isinstance(one, CancelOrder)] == []
    desk.wait(3)
    assert [one.order_id for one in desk.cancels] == [5002]


def test_what_is_to_be_listed_again_holds_no_exit_back_and_does_not_outlive_it() -> None:
    desk, exchange = in_the_pause()
    desk.leader_read_anew(View(LEAD_ID, desk.theirs.generation + 1, {}, {ES: 4}))
    read_back(desk, "16:59:59")
    called(desk, exchange, Status.WORKING, *OURS)
    read_back(desk, "17:00:05")
    exchange.take()
    desk.leader(order(9, SELL, terms(4), 4))
    for _ in range(3):
        work(exchange, 0.5)
    assert desk.own == {} and not set(OURS) & {*exchange.tradable}


def test_nothing_goes_for_want_of_his_order_before_he_is_back() -> None:
    desk, exchange = in_the_pause()
    desk.leader_read_anew(View(LEAD_ID, desk.theirs.generation + 1, {}, {ES: 4}))
    desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="socket closed", shown="Reconnecting"))
    called(desk, exchange, Status.WORKING, *OURS)
    read_back(desk, "17:02:00")
    assert desk.account.wake_at is None and desk.cancels == []
    desk.leader_read_anew(View(LEAD_ID, desk.theirs.generation + 1, {}, {ES: 4}))
    assert [one.order_id for one in desk.cancels] == [5002]


def test_an_exit_that_has_nothing_to_exit_any_more_waits_for_no_list() -> None:
    desk, exchange = in_the_pause()
    desk.leader_read_anew(View(LEAD_ID, desk.theirs.generation + 1, {}, {ES: 4}))
    called(desk, exchange, Status.WORKING, *OURS)
    desk.now = chicago(f"{WEDNESDAY} 17:00:05")
    desk.read_anew(*(one for _, one in exchange.orders.values()), positions={})
    exchange.take()
    work(exchange)
    assert desk.own == {} and not set(OURS) & {*exchange.tradable}


@pytest.mark.parametrize("catch_up", ["none", "reduce"])
def test_what_sleeps_for_its_entry_is_awaited_with_it_and_what_is_to_be_left_is_told_when_it_is_sure(
    catch_up: CatchUp,
) -> None:
    desk, _ = bracketed(catch_up=catch_up)
    with_hours(desk, f"{WEDNESDAY} 16:10")
    desk.leader_read_anew(View(LEAD_ID, desk.theirs.generation + 1, {}, {}))
    for now in ("16:40", "17:00:59"):
        read_back(desk, now)
        assert desk.cancels == [] and desk.heard("position.drifted") == []
    desk.wait(2)
    assert bool(desk.cancels) is (catch_up == "reduce")
    assert bool(desk.heard("position.drifted")) is (catch_up == "none")
    desk.now += timedelta(seconds=60)
    desk.hear(e.ReadBack(at=desk.now))
    assert len(desk.heard("position.drifted")) <= 3, "once for each"


def test_an_order_of_before_copying_that_no_list_shows_in_the_pause_is_no_new_one_after_it() -> None:
    """Its row was forgotten, it was taken for missed, and as long as it rested nothing was copied in its contract."""
    desk = Desk(Account(name=EVAL, connection=s.Resyncing(since=NOON), rules=Rules(copy=rules())))
    resting = {OrderId(50): order(50, BUY, limit(1, 4000))}
    desk.read_anew()
    desk.leader_read_anew(View(LEAD_ID, 1, resting, {}))
    with_hours(desk, f"{WEDNESDAY} 15:59:50")
    for generation, (now, listed) in enumerate([("16:20", {}), ("16:40", {}), ("17:00:40", resting)], 2):
        desk.lost()
        desk.now = chicago(f"{WEDNESDAY} {now}")
        desk.resuming()
        desk.leader_read_anew(View(LEAD_ID, generation, listed, {}))
        desk.read_anew()
    desk.leader(order(70, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]
    assert len(desk.heard("copy.skipped")) == 1
    assert desk.account.book.unlisted == frozenset()


def test_one_that_no_list_shows_when_its_market_has_been_open_for_a_while_is_forgotten() -> None:
    desk = Desk(Account(name=EVAL, connection=s.Resyncing(since=NOON), rules=Rules(copy=rules())))
    desk.read_anew()
    desk.leader_read_anew(View(LEAD_ID, 1, {OrderId(50): order(50, BUY, limit(1, 4000))}, {}))
    with_hours(desk, f"{WEDNESDAY} 16:20")
    for generation, now in enumerate(["16:20", "17:01:01"], 2):
        desk.lost()
        desk.now = chicago(f"{WEDNESDAY} {now}")
        desk.resuming()
        desk.leader_read_anew(View(LEAD_ID, generation, {}, {}))
        desk.read_anew()
    assert not desk.account.book.copies
