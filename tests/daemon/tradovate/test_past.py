"""What is told again around the turn of the session is no news, also to a session that has not seen that day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from daemon.tradovate.mirror import Mirror
from daemon.tradovate.past import OLDER
from statecharts.events import OrderSeen, ReplaySeen
from tests.daemon.tradovate.wire import ACCOUNT, AT, NOW, ORDER, command, fill, order, position, props, sync, version

LATER = NOW + timedelta(hours=2)  # the orders of wire.py are two hours old when this session begins
DAY = (order("Filled"), version(), command(), fill())
KINDS = ("order", "orderVersion", "command", "fill")


def fresh_session(ahead: timedelta = timedelta(0), **more: object) -> Mirror:
    mirror = Mirror()
    assert mirror.load(sync(**more), LATER, lambda: ahead) == []
    return mirror


def told(mirror: Mirror, kind: str, entity: object, at: timedelta = timedelta(0)) -> list[object]:
    facts, faults = mirror.fold(props(kind, entity), LATER + at)
    assert faults == ()
    return [event for _, event in facts]


def test_a_day_that_the_snapshot_does_not_show_is_no_news() -> None:
    mirror = fresh_session(positions=[position(2)])
    events = [event for kind, entity in zip(KINDS, DAY, strict=True) for event in told(mirror, kind, entity)]
    assert events == [ReplaySeen(at=LATER)]
    assert mirror.moves(ACCOUNT) == 0
    snapshot = mirror.snapshot(ACCOUNT, LATER)
    assert snapshot is not None and snapshot.orders == {} and snapshot.replayed_at == LATER
    assert list(snapshot.positions.values()) == [2]


def test_what_is_new_is_news_also_when_clocks_differ_by_some_seconds() -> None:
    mirror = Mirror()
    mirror.load(sync(), AT + OLDER - timedelta(seconds=1))
    events = [event for kind, entity in zip(KINDS, DAY, strict=True) for event in told(mirror, kind, entity)]
    assert any(isinstance(event, OrderSeen) for event in events)


def test_a_clock_of_ours_that_is_known_to_be_fast_makes_nothing_old() -> None:
    mirror = fresh_session(ahead=-timedelta(hours=2))
    events = [event for kind, entity in zip(KINDS, DAY, strict=True) for event in told(mirror, kind, entity)]
    assert any(isinstance(event, OrderSeen) for event in events)


@pytest.mark.parametrize("first", [0, -2], ids=["heard after the snapshot", "set right after the snapshot"])
def test_a_clock_of_ours_that_was_fast_makes_nothing_old_whenever_that_is_known(first: int) -> None:
    """With a token that was kept nothing tells the broker's time before the snapshot."""
    heard = [timedelta(hours=first), timedelta(hours=-2 - first)]
    mirror = Mirror()
    assert mirror.load(sync(), LATER, lambda: heard[0]) == []
    heard.reverse()
    events = [event for kind, entity in zip(KINDS, DAY, strict=True) for event in told(mirror, kind, entity)]
    assert any(isinstance(event, OrderSeen) for event in events)


@pytest.mark.parametrize("shown", ["orders", "fills", "positions"])
def test_a_clock_of_ours_that_is_slow_makes_nothing_new_where_the_snapshot_shows_a_later_moment(shown: str) -> None:
    """Found by a world: with a clock two hours behind, the day that was told again was taken for what had just been."""
    later = (LATER - timedelta(minutes=5)).isoformat()
    rows = {
        "orders": order("Working", ORDER + 1, timestamp=later),
        "fills": fill(ORDER + 1, order_id=ORDER + 1, timestamp=later),
        "positions": position(2, timestamp=later),
    }
    mirror = Mirror()
    assert mirror.load(sync(**{shown: [rows[shown]]}), NOW - timedelta(hours=2)) == []
    events = [event for kind, entity in zip(KINDS, DAY, strict=True) for event in told(mirror, kind, entity)]
    assert events == [ReplaySeen(at=LATER)]


@pytest.mark.parametrize("shown", ["orders", "fills", "positions"])
def test_a_date_that_no_snapshot_can_have_makes_nothing_old(shown: str) -> None:
    rows = {
        "orders": order("Working", ORDER + 1, timestamp="2099-01-01T00:00:00.000Z"),
        "fills": fill(ORDER + 1, order_id=ORDER + 1, timestamp="2099-01-01T00:00:00.000Z"),
        "positions": position(2, timestamp="2099-01-01T00:00:00.000Z"),
    }
    mirror = Mirror()
    assert mirror.load(sync(**{shown: [rows[shown]]}), NOW) == []
    events = [event for kind, entity in zip(KINDS, DAY, strict=True) for event in told(mirror, kind, entity)]
    assert any(isinstance(event, OrderSeen) for event in events)


def test_an_order_that_lives_on_is_not_of_the_past_but_a_fill_that_its_snapshot_had_forgotten_is() -> None:
    mirror = fresh_session(orders=[order("Working")], orderVersions=[version()], commands=[command()])
    (replay,) = told(mirror, "fill", fill(qty=1))
    assert replay == ReplaySeen(at=LATER)
    late = fill(ORDER + 9, qty=1, timestamp="2026-03-02T16:32:00.000Z")
    (seen,) = told(mirror, "fill", late)
    assert isinstance(seen, OrderSeen) and seen.order.filled == 1


def test_hundreds_of_events_are_said_once_in_a_while() -> None:
    mirror = fresh_session()
    said = [
        event
        for number in range(100)
        for event in told(mirror, "order", order("Filled", ORDER + number), timedelta(milliseconds=10 * number))
    ]
    assert len(said) == 2
    snapshot = mirror.snapshot(ACCOUNT, LATER)
    assert snapshot is not None and snapshot.replayed_at == LATER + timedelta(milliseconds=990)


def test_what_comes_before_any_snapshot_is_not_judged() -> None:
    mirror = Mirror()
    mirror.fold(props("order", order("Filled")), LATER)
    mirror.load(sync(), LATER)
    mirror.load({"orders": []}, LATER + timedelta(hours=9))  # a further part: of the same moment
    snapshot = mirror.snapshot(ACCOUNT, LATER)
    assert snapshot is not None and snapshot.replayed_at is None


@pytest.mark.parametrize("kind", ["order", "fill"])
def test_what_was_wrongly_left_out_is_found_by_the_next_read_back(kind: str) -> None:
    mirror = fresh_session(orders=[order("Working", ORDER + 1)])
    entity = order("Working") if kind == "order" else fill(order_id=ORDER + 1)
    told(mirror, kind, entity)
    assert mirror.lacks(kind, [entity])
