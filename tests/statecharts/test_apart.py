"""A follower that is not like its leader when a closure begins, or comes to be so in it."""

from __future__ import annotations

import pytest

from statecharts import events as e
from statecharts import states as s
from statecharts.effects import Severity, Tell
from statecharts.values import Root
from statecharts.view import View
from tests.statecharts.desk import BUY, ES, LEAD_ID, SELL, Desk, follower, in_position, order, terms
from tests.statecharts.trading_hours import CLOSED, WEDNESDAY, chicago, with_hours


def lost(desk: Desk) -> None:
    """In the daily break."""
    with_hours(desk, CLOSED)
    desk.lost()
    assert isinstance(desk.account.connection, s.Maintenance)


def alarms(desk: Desk) -> list[Tell]:
    return [tell for tell in desk.told if tell.event == "position.drifted" and "NOT LIKE" in tell.message]


def test_an_account_that_is_like_its_leader_waits_in_silence() -> None:
    desk = in_position(2)
    desk.told.clear()
    lost(desk)
    assert not [tell for tell in desk.told if tell.severity is not Severity.INFO]


def test_an_entry_whose_answer_is_lost_is_told_at_once_when_the_closure_begins() -> None:
    desk = follower()
    desk.leader(order(100, BUY, terms(2), 2))
    lost(desk)
    (alarm,) = alarms(desk)
    assert alarm.severity is Severity.WARNING
    assert alarm.message == (
        "ESZ6 IS NOT LIKE ITS LEADER and cannot be reached: we own +0, his position stands for +2. Expected back "
        "18 Nov 23:00 UTC (the broker's maintenance window (socket closed (1006)))"
    )


def test_what_the_leader_does_meanwhile_is_told_at_once_and_once() -> None:
    desk = in_position(2)
    lost(desk)
    assert alarms(desk) == []
    desk.leader(order(101, SELL, terms(1), 1))
    (alarm,) = alarms(desk)
    assert alarm.severity is Severity.PAGE  # a position that cannot be closed now
    desk.leader(order(102, SELL, terms(1), 1))
    assert len(alarms(desk)) == 1


def test_it_is_told_again_in_the_next_closure() -> None:
    desk = in_position(2)
    lost(desk)
    desk.leader(order(101, SELL, terms(1), 1))
    desk.now = chicago(f"{WEDNESDAY} 17:00:05")
    desk.hear(e.SessionFound(at=desk.now))
    desk.now = chicago("2026-11-19 16:20")
    desk.lost()
    assert len(alarms(desk)) == 2


@pytest.mark.parametrize("why", ["refused", "shadow", "left"])
def test_what_has_been_told_with_a_reason_of_its_own_is_not_told_again(why: str) -> None:
    desk = follower(shadow=why == "shadow", catch_up="none" if why == "left" else "reduce")
    desk.leader(order(100, BUY, terms(2), 2))
    if why == "refused":
        desk.refused(desk.place, "MaxPosLimitReached")
    if why == "left":
        desk.fills(desk.place, 900)
        desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {ES: 1}))
    lost(desk)
    assert alarms(desk) == []


def test_a_follower_that_knows_nothing_of_its_leader_has_nothing_to_be_like() -> None:
    desk = with_hours(Desk(follower().account), CLOSED)
    with_hours(desk)
    desk.restarted()
    desk.hear(e.SessionLost(at=desk.now, reason="closed"))
    assert isinstance(desk.account.connection, s.Maintenance) and alarms(desk) == []


def test_a_product_that_is_not_copied_makes_nobody_unlike_his_leader() -> None:
    desk = follower(deny=frozenset({Root("ES")}))
    desk.leader(order(100, BUY, terms(2), 2))
    lost(desk)
    assert alarms(desk) == []
