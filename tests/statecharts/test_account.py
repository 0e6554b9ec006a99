"""The door: turns that fail, the operator's wishes, the alarm, and what a leader announces."""

from __future__ import annotations

from datetime import timedelta

from statecharts import events as e
from statecharts import states as s
from statecharts.account import RESTARTS_AFTER_BUGS, Account, fail
from statecharts.effects import Announce, Severity, Tell, WakeAt
from statecharts.order import Stage
from statecharts.rules import Rules
from statecharts.view import Snapshot
from tests.statecharts.desk import BUY, ES, EVAL_ID, LEAD, NOON, SELL, Desk, follower, in_position, order, terms


def leader() -> Desk:
    desk = Desk(Account(name=LEAD, connection=s.Resyncing(since=NOON), rules=Rules(leads=True)))
    desk.hear(e.SnapshotTaken(at=NOON, snapshot=Snapshot(EVAL_ID, NOON)))
    return desk


def announced(desk: Desk) -> list[e.LeaderEvent]:
    return [one.event for one in desk.made(Announce)]


def test_three_restarts_after_bugs_then_stopped() -> None:
    account = in_position().account
    for n in range(1, RESTARTS_AFTER_BUGS + 1):
        turn = fail(account, NOON, "AssertionError")
        account = turn.account
        assert isinstance(account.connection, s.Resyncing)
        assert account.close_only == "a bug in copierd: AssertionError"
        (tell,) = turn.effects
        assert isinstance(tell, Tell)
        assert tell.severity is Severity.PAGE
        assert f"({n} of 3)" in tell.message
    account = fail(account, NOON, "AssertionError").account
    assert isinstance(account.connection, s.Stopped)
    assert account.connection.cause is s.Cause.BUG


def test_a_failed_account_opens_nothing_until_it_is_resumed() -> None:
    desk = follower()
    desk.account = fail(desk.account, NOON, "KeyError").account
    desk.read_anew()
    desk.leader_read_anew()
    desk.leader(order(1, BUY, terms(1), 1))
    assert "a bug" in (desk.copy_of(1).reason or "")
    desk.hear(e.ResumeAsked(at=NOON))
    assert (desk.account.failures, desk.account.close_only) == (0, None)


def test_a_failure_outside_of_a_session_enters_the_same_state_anew() -> None:
    desk = follower()
    desk.lost()
    before = desk.account.connection
    after = fail(desk.account, NOON, "KeyError").account.connection
    assert after == before
    assert after is not before


def test_a_failure_that_took_the_session_along_dials_anew_and_has_lost_its_answers() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(1), 1))
    desk.account = fail(desk.account, NOON, "KeyError", dropped=True).account
    assert isinstance(desk.account.connection, s.Dialing)
    assert desk.copy_of(1).stage is Stage.UNKNOWN


def test_a_leader_that_fails_is_lost_to_its_followers() -> None:
    desk = leader()
    turn = fail(desk.account, NOON, "KeyError")
    (lost,) = (one.event for one in turn.effects if isinstance(one, Announce))
    assert isinstance(lost, e.LeaderLost)
    assert lost.shown == "Reconnecting"


def test_a_leader_announces_its_whole_view_when_it_is_read_anew_and_every_change_after_it() -> None:
    desk = leader()
    (view,) = announced(desk)
    assert isinstance(view, e.LeaderViewTaken)
    assert view.view.generation == 1
    desk.foreign(order(1, BUY, terms(2), 2))
    (seen,) = announced(desk)
    assert isinstance(seen, e.LeaderOrderSeen)
    assert (seen.order.id, seen.generation) == (1, 1)


def test_nothing_is_announced_before_the_leader_has_been_read_anew() -> None:
    desk = leader()
    desk.lost()
    (lost,) = announced(desk)
    assert isinstance(lost, e.LeaderLost)
    desk.foreign(order(1, BUY, terms(2), 2))
    assert announced(desk) == []
    desk.hear(e.TimerFired(at=NOON))
    assert announced(desk) == []


def test_the_leaders_account_that_follows_nobody_sets_no_alarm_and_asks_for_nothing() -> None:
    desk = leader()
    desk.hear(e.AlarmRang(at=NOON))
    assert desk.effects == (WakeAt(at=None),)


def test_an_alarm_that_has_rung_is_not_set_again_for_the_past() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(1), 1))
    assert desk.account.wake_at == NOON + timedelta(seconds=5)
    desk.now += timedelta(minutes=1)
    desk.hear(e.AlarmRang(at=desk.now))
    assert desk.account.wake_at == desk.now + timedelta(seconds=5)


def test_outside_of_copying_no_alarm_is_set() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(1), 1))
    desk.lost()
    assert WakeAt(at=None) in desk.effects
    desk.hear(e.AlarmRang(at=NOON + timedelta(minutes=1)))
    assert desk.account.wake_at is None


def test_the_brokers_figure_of_a_position_is_kept_as_a_witness() -> None:
    desk = follower()
    desk.hear(e.PositionSeen(at=NOON, symbol=ES, net=3))
    assert desk.account.book.positions == {ES: 3}
    assert desk.own == {}
    desk.hear(e.PositionSeen(at=NOON, symbol=ES, net=0))
    assert desk.account.book.positions == {}


def test_a_pause_survives_a_reconnect() -> None:
    desk = follower()
    desk.hear(e.PauseAsked(at=NOON))
    desk.lost()
    desk.resuming()
    desk.read_anew()
    assert desk.account.paused


def test_a_full_disk_opens_nothing_until_it_is_writable_and_resume_does_not_help() -> None:
    desk = in_position(2)
    desk.hear(e.DiskWritable(at=desk.now))
    desk.hear(e.DiskFilled(at=desk.now))
    desk.leader(order(101, BUY, terms(1), 1))
    assert "the disk is full" in (desk.copy_of(101).reason or "")
    desk.hear(e.ResumeAsked(at=desk.now))
    desk.leader(order(102, SELL, terms(1), 1))
    assert desk.quantities == [(SELL, 1)]
    desk.fills(desk.place, 902)
    desk.hear(e.DiskWritable(at=desk.now))
    assert desk.account.book.barred == {}
