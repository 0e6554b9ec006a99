"""What waits for the opening, what does not, and what is told when the table of hours is wrong."""

from __future__ import annotations

import datetime as dt
import tomllib

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.hours_table import built_in
from statecharts import calendar
from statecharts import events as e
from statecharts import states as s
from statecharts.account import Account
from statecharts.draft import Draft
from statecharts.effects import PlaceOrder, Severity
from statecharts.market_hours import load_hours
from statecharts.order import Stage
from statecharts.rules import Rules
from statecharts.values import Fill, FillId, Order, Status, Symbol
from statecharts.view import View
from tests import examples
from tests.statecharts.desk import (
    BUY,
    ES,
    EVAL_ID,
    LEAD,
    LEAD_ID,
    MES,
    SECOND,
    SELL,
    Desk,
    follower,
    in_position,
    limit,
    order,
    stop,
    terms,
)
from tests.statecharts.trading_hours import CLOSED, MARKETS, WEDNESDAY, chicago, clock, waits_until, with_hours

BTC, ODD = Symbol("MBTZ6"), Symbol("XYZZ6")


def leader(now: str = CLOSED) -> Desk:
    """A leader that is Copying, in an environment with hours."""
    desk = Desk(
        Account(name=LEAD, connection=s.Resyncing(since=chicago(now)), rules=Rules(leads=True, markets=MARKETS))
    )
    desk.now = chicago(now)
    desk.read_anew()
    return desk


def at(one: Order, text: str) -> Order:
    """The order, made and filled at that time of Chicago."""
    moment = chicago(text)
    return attrs.evolve(one, at=moment, fills=tuple(attrs.evolve(fill, at=moment) for fill in one.fills))


def drifted(now: str = CLOSED, quantity: int = 2, net: int = 0) -> Desk:
    """A follower that comes back and owns more than the leader's `net`; a stop protects it."""
    desk = in_position(quantity)
    desk.leader(order(101, SELL, stop(quantity)))
    desk.accepted(desk.place, 901)
    with_hours(desk, now)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {ES: net} if net else {}))
    return desk


def test_what_the_leader_does_in_a_closed_market_is_copied_at_once() -> None:
    desk = with_hours(follower(), CLOSED)
    desk.leader(at(order(100, BUY, terms(1), 1), CLOSED))
    assert desk.quantities == [(BUY, 1)]
    assert desk.heard("calendar.contradicted") == []  # the leader's account tells it, once for all of its followers


def test_the_leader_tells_once_for_each_group_and_window_that_the_table_is_wrong() -> None:
    desk = leader()
    desk.foreign(at(order(100, BUY, terms(1), 1), CLOSED))
    (tell,) = (one for one in desk.told if one.event == "calendar.contradicted")
    assert tell.severity is Severity.WARNING
    assert tell.message == (
        "equity_index: the table of hours says closed from 18 Nov 22:00 UTC (daily break) to 18 Nov 23:00 UTC, and the "
        "leader's order 100 in ESZ6 was filled 22:20:00 UTC. It is copied"
    )
    assert "[[market_hours]]" in (tell.remedy or "")
    desk.foreign(at(order(101, SELL, terms(1), 1), f"{WEDNESDAY} 16:30"))
    desk.foreign(at(order(102, BUY, terms(1), 1, symbol=MES), f"{WEDNESDAY} 16:31"))
    assert len(desk.heard("calendar.contradicted")) == 1
    desk.foreign(at(order(103, BUY, terms(1), 1, symbol=Symbol("CLF7")), f"{WEDNESDAY} 16:32"))
    assert len(desk.heard("calendar.contradicted")) == 2
    desk.foreign(at(order(104, BUY, terms(1), 1), "2026-11-19 16:32"))
    assert len(desk.heard("calendar.contradicted")) == 3


def test_an_order_and_its_change_contradict_the_table_too() -> None:
    desk = leader()
    desk.foreign(at(order(100, BUY, limit(1)), f"{WEDNESDAY} 12:00"))
    assert desk.heard("calendar.contradicted") == []  # it was there before the close
    desk.foreign(at(order(100, BUY, limit(1, 4999), version=102), f"{WEDNESDAY} 12:00"))
    desk.foreign(at(order(100, BUY, limit(1, 4998), version=101), f"{WEDNESDAY} 12:00"))  # late, and older
    (message,) = desk.heard("calendar.contradicted")
    assert "order 100 in ESZ6 was taken 22:20:00 UTC" in message


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.CANCELED, Status.REJECTED])
def test_an_order_that_ends_proves_nothing(status: Status) -> None:
    desk = leader()
    desk.foreign(at(order(100, BUY, limit(1), 0, status), CLOSED))
    assert desk.heard("calendar.contradicted") == []


@pytest.mark.parametrize("moment", ["15:59:59", "16:00:20", "16:59:40", "17:00:00"])
def test_a_fill_close_to_an_edge_proves_nothing(moment: str) -> None:
    desk = leader()
    desk.foreign(at(order(100, BUY, terms(1), 1), f"{WEDNESDAY} {moment}"))
    assert desk.heard("calendar.contradicted") == []


def test_a_fill_that_is_told_twice_or_busted_proves_nothing_new() -> None:
    desk = leader(f"{WEDNESDAY} 12:00")
    filled = at(order(100, BUY, terms(2), 1), f"{WEDNESDAY} 12:00")
    desk.foreign(filled)
    desk.now = chicago(CLOSED)
    busted = Fill(FillId(1009), BUY, 1, filled.fills[0].price, desk.now, active=False)
    desk.foreign(attrs.evolve(filled, fills=(*filled.fills, busted)))
    assert desk.heard("calendar.contradicted") == []


@pytest.mark.parametrize("symbol", [BTC, ODD])
def test_what_is_open_or_unknown_is_not_contradicted(symbol: Symbol) -> None:
    desk = leader()
    desk.foreign(at(order(100, BUY, terms(1), 1, symbol=symbol), CLOSED))
    assert desk.heard("calendar.contradicted") == []


def test_a_guessed_maintenance_window_holds_nothing_back_until_the_broker_says_closed() -> None:
    desk = with_hours(follower(), "2026-11-21 02:30")  # a Saturday
    hours = MARKETS.of("MBT")
    assert hours is not None and not hours.is_open(desk.now)
    draft = Draft(name=LEAD, at=desk.now, book=desk.account.book, acting=True, markets=MARKETS)
    assert calendar.opens_at(draft, BTC) is None
    assert clock(calendar.shut(draft, BTC)) == clock(calendar.opens_at(draft, BTC)) == "Sat 02:31:00"
    assert calendar.opens_at(draft, ES) is not None  # the weekend itself is no guess


def test_the_operators_maintenance_window_is_no_guess() -> None:
    saturday = chicago("2026-11-21 02:30")
    for maintenance, guessed in ((None, True), ("sat 02:00-04:00", False)):
        hours = load_hours(tomllib.loads(built_in()), maintenance=maintenance)["crypto"]
        assert hours.guessed(hours.window_at(saturday)) is guessed
        assert not hours.guessed(hours.window_at(chicago(f"{WEDNESDAY} 12:00")))


def test_a_leader_without_hours_is_never_contradicted() -> None:
    desk = leader()
    desk.account = attrs.evolve(desk.account, rules=Rules(leads=True))
    desk.foreign(at(order(100, BUY, terms(1), 1), CLOSED))
    assert desk.heard("calendar.contradicted") == []


def test_a_closing_waits_for_the_opening_and_a_second_more_and_leaves_the_protection_alone() -> None:
    desk = drifted()
    assert desk.places == [] and desk.cancels == []
    assert clock(waits_until(desk)) == "Wed 17:00:01"
    (message,) = (one for one in desk.heard("position.drifted") if "waits until" in one)
    assert "waits until 18 Nov 23:00:01 UTC" in message
    desk.hear(e.PositionSeen(at=desk.now, symbol=ES, net=2))
    assert sum("waits until" in one for one in desk.heard("position.drifted")) == 1
    desk.now = chicago(f"{WEDNESDAY} 17:00:00.5")
    desk.hear(e.AlarmRang(at=desk.now))
    assert desk.cancels == []
    desk.now = chicago(f"{WEDNESDAY} 17:00:01")
    desk.hear(e.AlarmRang(at=desk.now))
    (cancel,) = desk.cancels
    assert cancel.order_id == 901
    (protection,) = (one for one in desk.everything if isinstance(one, PlaceOrder) and one.terms == stop(2))
    desk.seen(protection, 901, status=Status.CANCELED)
    assert desk.quantities == [(SELL, 2)]


def test_over_a_weekend_it_waits_until_sunday() -> None:
    assert clock(waits_until(drifted("2026-11-20 18:00"))) == "Sun 17:00:01"


def test_while_it_is_open_nothing_waits() -> None:
    assert [one.order_id for one in drifted(f"{WEDNESDAY} 15:59:59").cancels] == [901]


def test_a_leaders_fill_in_the_window_ends_the_wait() -> None:
    desk = drifted(net=1)
    assert desk.cancels == []
    desk.leader(at(order(102, BUY, terms(1), 1), CLOSED))
    assert [one.order_id for one in desk.cancels] == [901]


def test_an_order_of_the_leaders_does_not_end_the_wait() -> None:
    desk = drifted(net=1)
    desk.leader(at(order(102, BUY, limit(1)), CLOSED))
    assert desk.cancels == []


def test_a_missed_exit_is_held_until_the_opening() -> None:
    desk = with_hours(in_position(2), CLOSED)
    exits = order(101, SELL, limit(2, 5010))
    desk.leader_read_anew(View(LEAD_ID, 2, {**desk.theirs.orders, exits.id: exits}, {ES: 2}))
    assert desk.places == [] and desk.copy_of(101).stage is Stage.HELD
    assert clock(waits_until(desk)) == "Wed 17:00:01"
    desk.now = chicago(f"{WEDNESDAY} 17:00:01")
    desk.hear(e.AlarmRang(at=desk.now))
    assert (desk.place.side, desk.place.terms) == (SELL, limit(2, 5010))
    assert waits_until(desk) is None


def test_a_held_exit_that_the_leader_withdraws_is_never_sent() -> None:
    desk = with_hours(in_position(2), CLOSED)
    exits = order(101, SELL, limit(2, 5010))
    desk.leader_read_anew(View(LEAD_ID, 2, {**desk.theirs.orders, exits.id: exits}, {ES: 2}))
    desk.leader(attrs.evolve(exits, status=Status.CANCELED))
    assert desk.copy_of(101).stage is Stage.SKIPPED
    assert waits_until(desk) is None


def test_an_exit_that_is_derived_again_waits_too() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5010)))
    protection = desk.place
    with_hours(desk, CLOSED)
    desk.never_sent(protection)
    assert desk.places == [] and desk.copy_of(101).stage is Stage.HELD
    desk.wait(1)
    assert desk.places == []
    desk.now = chicago(f"{WEDNESDAY} 17:00:01")
    desk.hear(e.AlarmRang(at=desk.now))
    assert desk.quantities == [(SELL, 2)]


def test_an_exit_is_not_chased_into_a_closed_market_and_protects_until_it_opens() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5010)))
    desk.accepted(desk.place, 901)
    with_hours(desk, f"{WEDNESDAY} 15:59:58")
    desk.leader(at(order(101, SELL, limit(2, 5010), 2), f"{WEDNESDAY} 15:59:58"))
    desk.wait(5)
    assert desk.cancels == []
    assert clock(waits_until(desk)) == "Wed 17:00:01"
    desk.now = chicago(f"{WEDNESDAY} 17:00:01")
    desk.hear(e.AlarmRang(at=desk.now))
    assert [one.order_id for one in desk.cancels] == [901]


def test_the_rest_of_an_entry_is_cancelled_also_while_it_is_closed() -> None:
    desk = follower()
    desk.leader(order(100, BUY, limit(2)))
    desk.accepted(desk.place, 901)
    with_hours(desk, f"{WEDNESDAY} 15:59:58")
    desk.leader(at(order(100, BUY, limit(2), 2), f"{WEDNESDAY} 15:59:58"))
    desk.wait(5)
    assert [one.order_id for one in desk.cancels] == [901]


def test_other_hours_end_a_wait_or_make_it_longer() -> None:
    desk = drifted()
    shorter = attrs.evolve(desk.account.rules, markets=None)
    desk.hear(e.RulesChanged(at=desk.now, rules=shorter))
    assert [one.order_id for one in desk.cancels] == [901]


def test_a_group_that_is_closed_for_ever_is_looked_at_again_a_day_later() -> None:
    hours = MARKETS.groups["equity_index"]
    never = attrs.evolve(hours, weeks=tuple(attrs.evolve(week, days=((),) * 7) for week in hours.weeks), days={})
    desk = in_position(2)
    rules = desk.account.rules
    markets = attrs.evolve(MARKETS, groups={"equity_index": never})
    desk.account = attrs.evolve(desk.account, rules=attrs.evolve(rules, markets=markets))
    desk.now = chicago(CLOSED)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {}))
    assert waits_until(desk) == desk.now + dt.timedelta(days=1)


@settings(max_examples=examples(100), deadline=None)
@given(st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 1, 1), timezones=st.just(dt.UTC)))  # noqa: DTZ001 - bounds are naive
def test_a_closing_is_sent_when_it_is_open_and_else_a_second_after_the_next_opening(moment: dt.datetime) -> None:
    desk = in_position(2)
    with_hours(desk)
    desk.now = moment
    hours = MARKETS.groups["equity_index"]
    window = hours.window_at(moment)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {}))
    if window.open and moment - window.start >= SECOND:
        assert desk.quantities == [(SELL, 2)]
        return
    opening = window.start if window.open else hours.next_open(moment)
    assert opening is not None
    assert desk.places == [] and waits_until(desk) == opening + SECOND
    desk.now = opening + SECOND
    desk.hear(e.AlarmRang(at=desk.now))
    assert desk.quantities == [(SELL, 2)]


def test_the_snapshot_of_a_follower_is_taken_in_a_closed_market_as_in_an_open_one() -> None:
    desk = drifted()
    desk.read_anew(positions={ES: 2})
    assert desk.account.book.mine is not None and desk.account.book.mine.broker_id == EVAL_ID
