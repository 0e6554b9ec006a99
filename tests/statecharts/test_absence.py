"""The leader is not Connected: followers hold, and where on_leader_lost = flatten says so they get out in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from statecharts import absence, reopening
from statecharts import events as e
from statecharts import states as s
from statecharts.account import Account
from statecharts.book import FlattenedBy
from statecharts.draft import Draft
from statecharts.effects import Announce, CancelOrder, PlaceOrder, Severity
from statecharts.events import LeaderLost
from statecharts.flattening import by_whom
from statecharts.market_hours import TRADOVATE_WINDOWS
from statecharts.rules import ReconnectRules, Rules
from statecharts.values import Order, Status
from statecharts.view import Snapshot
from tests.statecharts.desk import (
    BUY,
    ES,
    EVAL,
    LEAD,
    LEAD_ID,
    NOON,
    SELL,
    Desk,
    follower,
    in_position,
    limit,
    order,
    rules,
    stop,
    terms,
)

FIVE_MINUTES = 300.0


def lose_the_leader(desk: Desk, cause: s.Cause = s.Cause.NETWORK) -> None:
    desk.theirs = attrs.evolve(desk.theirs, current=False)
    desk.hear(LeaderLost(at=desk.now, leader=LEAD, reason="socket closed", shown="Reconnecting", cause=cause))


def holder(**more: Any) -> tuple[Desk, Order]:
    """A follower that gets out when its leader is lost for too long, in position; and its entry."""
    desk = in_position(2, flatten_when_leader_lost=True, **more)
    assert desk.account.book.mine is not None
    (entry,) = desk.account.book.mine.orders.values()
    return desk, entry


def due(desk: Desk) -> datetime | None:
    copy = desk.account.rules.copy
    assert copy is not None
    return absence.deadline(Draft(name=EVAL, at=desk.now, book=desk.account.book, acting=True), copy)


def closed(desk: Desk) -> bool:
    return desk.quantities == [(SELL, 2)]


@pytest.mark.parametrize("flatten", [False, True])
def test_followers_hold_nothing_opens_and_their_orders_stay(flatten: bool) -> None:
    desk = in_position(2, flatten_when_leader_lost=flatten)
    desk.leader(order(101, SELL, stop(2)), order(102, BUY, limit(1)))
    desk.everything.clear()
    lose_the_leader(desk)
    desk.leader(order(103, BUY, terms(1), 1))
    desk.wait(FIVE_MINUTES - 1)
    assert [one for one in desk.everything if isinstance(one, (PlaceOrder, CancelOrder))] == []


def test_hold_holds_for_as_long_as_it_takes() -> None:
    desk = in_position(2)
    lose_the_leader(desk)
    desk.wait(86400)
    assert desk.places == [] and due(desk) is None


def test_flatten_closes_what_is_ours_after_leader_lost_after() -> None:
    desk, _ = holder()
    desk.leader(order(101, SELL, stop(2)))
    resting = desk.place
    desk.accepted(resting, 901)
    lose_the_leader(desk)
    assert due(desk) == NOON + timedelta(minutes=5)
    desk.wait(FIVE_MINUTES)
    (cancel,) = desk.cancels
    desk.accepted(cancel)
    desk.seen(resting, 901, status=Status.CANCELED)
    assert closed(desk)
    assert "leader lead has been away for 5 min" in desk.heard("account.flattening")[0]
    assert not desk.account.paused


def test_a_working_entry_is_cancelled_too_it_would_open_without_a_leader() -> None:
    desk = follower(flatten_when_leader_lost=True)
    desk.leader(order(1, BUY, limit(2)))
    desk.accepted(desk.place, 901)
    lose_the_leader(desk)
    desk.wait(FIVE_MINUTES)
    assert [one.order_id for one in desk.cancels] == [901]


def test_a_follower_with_nothing_of_its_own_is_left_in_peace() -> None:
    desk = follower(flatten_when_leader_lost=True)
    lose_the_leader(desk)
    assert due(desk) is None
    desk.wait(FIVE_MINUTES)
    assert desk.heard("account.flattening") == []


def test_the_leaders_return_before_the_time_cancels_it() -> None:
    desk, _ = holder()
    lose_the_leader(desk)
    desk.wait(FIVE_MINUTES - 1)
    desk.leader_read_anew()
    assert due(desk) is None
    desk.wait(86400)
    lose_the_leader(desk)
    desk.wait(FIVE_MINUTES - 1)
    assert desk.heard("account.flattening") == []
    desk.wait(1)
    assert closed(desk)


def test_after_his_return_each_contract_waits_until_he_is_flat_in_it_and_nothing_is_paused() -> None:
    desk, entry = holder()
    lose_the_leader(desk)
    desk.wait(FIVE_MINUTES)
    close = desk.place
    desk.fills(close, 902)
    done = order(902, SELL, close.terms, 2, client_ids=frozenset({close.client_id}))
    desk.read_anew(entry, done)
    assert desk.heard("account.flattened")
    desk.leader_read_anew()
    assert by_whom(desk.account.book, FlattenedBy.LEADER_LOST) is None
    desk.leader(order(101, BUY, terms(1), 1))
    assert "has been away" in (desk.copy_of(101).reason or "")
    desk.leader(order(102, SELL, terms(3), 3))
    desk.leader(order(103, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_what_is_being_closed_when_he_is_back_goes_on_leaving() -> None:
    desk, _ = holder()
    lose_the_leader(desk)
    desk.wait(FIVE_MINUTES)
    close = desk.place
    desk.leader_read_anew()
    desk.refused(close)
    desk.wait(2)
    assert closed(desk)


@pytest.mark.parametrize("known", [True, False], ids=["lost before", "lost with the process"])
def test_the_loss_counts_through_a_restart(known: bool) -> None:
    desk, entry = holder()
    if known:
        lose_the_leader(desk)
        desk.now += timedelta(minutes=2)
    desk.restarted()
    desk.hear(e.Authorized(at=desk.now))
    desk.read_anew(entry, positions={ES: 2})
    assert due(desk) == NOON + timedelta(minutes=5)
    desk.wait((NOON + timedelta(minutes=5) - desk.now).total_seconds())
    assert closed(desk)


def test_a_leader_that_is_away_when_the_daemon_starts_for_the_first_time_means_nothing_to_close() -> None:
    fresh = Account(name=follower().account.name, connection=s.Stopped(since=NOON), rules=Rules(copy=rules()))
    desk = Desk(attrs.evolve(fresh, rules=Rules(copy=rules(flatten_when_leader_lost=True))))
    desk.hear(e.Started(at=NOON))
    desk.hear(e.Authorized(at=NOON))
    desk.read_anew()
    desk.wait(FIVE_MINUTES)
    assert desk.heard("account.flattening") == [] and desk.account.book.held_back()


def test_a_follower_that_comes_back_while_the_leader_is_away_gives_him_a_moment_too() -> None:
    desk, entry = holder()
    lose_the_leader(desk)
    desk.lost()
    desk.wait(2 * FIVE_MINUTES)
    assert desk.places == []  # away itself
    desk.resuming()
    desk.read_anew(entry, positions={ES: 2})
    assert desk.places == []
    desk.wait(29)
    assert desk.places == []
    desk.wait(1)
    assert closed(desk)


def test_one_outage_of_both_is_no_reason_to_get_out() -> None:
    desk, entry = holder()
    lose_the_leader(desk)
    desk.lost()
    desk.wait(2 * FIVE_MINUTES)
    desk.resuming()
    desk.read_anew(entry, positions={ES: 2})
    desk.wait(5)
    desk.leader_read_anew()
    desk.wait(FIVE_MINUTES)
    assert desk.places == [] and desk.own == {ES: 2}


def test_what_was_begun_goes_on_after_a_reconnect_of_the_follower() -> None:
    desk, entry = holder()
    lose_the_leader(desk)
    desk.wait(FIVE_MINUTES)
    desk.never_sent(desk.place)
    desk.lost()
    desk.resuming()
    desk.read_anew(entry, positions={ES: 2})
    desk.wait(2)
    assert closed(desk)


def test_time_in_a_maintenance_window_never_counts() -> None:
    desk, _ = holder()
    lose_the_leader(desk, s.Cause.MAINTENANCE)
    desk.wait(3600)
    assert desk.places == [] and due(desk) is None
    lose_the_leader(desk)  # the window is over, and he is not back
    desk.wait(FIVE_MINUTES - 1)
    assert desk.places == []
    desk.wait(1)
    assert closed(desk)


def test_a_window_that_begins_while_he_is_away_ends_the_counting() -> None:
    desk, _ = holder()
    lose_the_leader(desk)
    desk.wait(FIVE_MINUTES - 1)
    lose_the_leader(desk, s.Cause.MAINTENANCE)
    desk.wait(3600)
    assert desk.places == []


def test_hold_by_a_new_configuration_ends_the_getting_out() -> None:
    desk, _ = holder()
    desk.hear(e.PauseAsked(at=NOON))
    lose_the_leader(desk)
    desk.now += timedelta(minutes=6)
    desk.hear(e.RulesChanged(at=desk.now, rules=Rules(copy=rules())))
    assert desk.places == []
    desk.hear(e.RulesChanged(at=desk.now, rules=Rules(copy=rules(flatten_when_leader_lost=True))))
    assert closed(desk)
    desk.hear(e.RulesChanged(at=desk.now, rules=Rules(copy=rules())))
    assert by_whom(desk.account.book, FlattenedBy.LEADER_LOST) is None


# What a leader says of its own absence


def announced(desk: Desk) -> list[LeaderLost]:
    return [one.event for one in desk.made(Announce) if isinstance(one.event, LeaderLost)]


def test_a_leader_says_when_its_absence_becomes_expected_and_when_it_is_not_any_more() -> None:
    before, within = (e.Event(at=NOON.replace(hour=h)).at for h in (21, 22))  # Chicago 15:00 and 16:00 on a Tuesday
    windows = Rules(reconnect=ReconnectRules(windows=TRADOVATE_WINDOWS), leads=True)
    desk = Desk(Account(name=LEAD, connection=s.Resyncing(since=before), rules=windows), now=before)
    desk.hear(e.SnapshotTaken(at=before, snapshot=Snapshot(LEAD_ID, before)))
    desk.lost()
    assert [one.cause for one in announced(desk)] == [s.Cause.NETWORK]
    desk.hear(e.TimerFired(at=before))
    assert announced(desk) == []
    desk.now = within + timedelta(minutes=20)
    desk.lost()
    assert isinstance(desk.account.connection, s.Maintenance)
    assert [one.cause for one in announced(desk)] == [s.Cause.MAINTENANCE]
    assert len(desk.heard("leader.lost")) == 1
    desk.now = desk.account.connection.until + reopening.LATE
    desk.hear(e.TimerFired(at=desk.now))
    assert [one.cause for one in announced(desk)] == [s.Cause.BROKER]
    assert "STILL AWAY" in desk.heard("leader.lost")[1]
    assert [one.severity for one in desk.told if one.event == "leader.lost"] == [Severity.WARNING, Severity.INFO]


def test_a_leader_that_the_operator_has_read_again_is_no_alarm() -> None:
    desk = Desk(Account(name=LEAD, connection=s.Resyncing(since=NOON), rules=Rules(leads=True)), now=NOON)
    desk.hear(e.SnapshotTaken(at=NOON, snapshot=Snapshot(LEAD_ID, NOON)))
    desk.hear(e.ReconnectAsked(at=desk.now))
    assert isinstance(desk.account.connection, s.Resyncing)
    assert [one.severity for one in desk.told if one.event == "leader.lost"] == [Severity.INFO]
