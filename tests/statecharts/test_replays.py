"""Around the turn of a session the broker tells the past once more: until that is over, the catch-up table waits."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from statecharts import events as e
from statecharts import states as s
from statecharts.account import Account
from statecharts.effects import Announce
from statecharts.rules import Rules
from statecharts.view import Snapshot, View
from tests.statecharts.desk import EVAL_ID, LEAD, LEAD_ID, NOON, SELL, Desk, order, terms
from tests.statecharts.gaps import holding

QUIET = 3  # seconds, by default


def told_again(desk: Desk, of: str) -> None:
    """Something older than the snapshot has come, of our own account or of the leader's."""
    if of == "mine":
        desk.hear(e.ReplaySeen(at=desk.now))
    else:
        desk.hear(e.LeaderReplaySeen(at=desk.now, leader=LEAD, generation=desk.theirs.generation))


def sold(desk: Desk) -> bool:
    return desk.quantities == [(SELL, 2)]


def half_way(first: str) -> Desk:
    """After a gap in which the leader got out: one of the two views is in."""
    desk, held = holding(2)
    desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="closed", shown="Reconnecting"))
    desk.lost()
    desk.resuming()
    if first == "mine":
        desk.read_anew(held, positions=dict(desk.own))
    else:
        out = order(101, SELL, terms(2), 2)
        desk.leader_read_anew(View(LEAD_ID, 2, {**desk.theirs.orders, out.id: out}))
    return desk


def other_half(desk: Desk, first: str) -> None:
    if first == "mine":
        out = order(101, SELL, terms(2), 2)
        desk.leader_read_anew(View(LEAD_ID, 2, {**desk.theirs.orders, out.id: out}))
    else:
        assert desk.account.book.mine is not None
        (entry,) = desk.account.book.mine.orders.values()
        desk.read_anew(entry, positions=dict(desk.own))


@pytest.mark.parametrize("first", ["mine", "theirs"])
def test_the_table_waits_until_quiet_has_passed_without_another(first: str) -> None:
    desk = half_way(first)
    told_again(desk, first)
    other_half(desk, first)
    assert desk.places == [] and desk.account.book.held_back()
    assert desk.account.wake_at == NOON + timedelta(seconds=QUIET)
    desk.wait(QUIET - 1)
    told_again(desk, "mine")
    assert desk.account.wake_at == NOON + timedelta(seconds=2 * QUIET - 1)
    desk.wait(QUIET - 1)
    assert desk.places == []
    desk.wait(1)
    assert sold(desk)
    assert not desk.account.book.held_back()


@pytest.mark.parametrize("first", ["mine", "theirs"])
def test_without_a_replay_nothing_waits(first: str) -> None:
    desk = half_way(first)
    other_half(desk, first)
    assert sold(desk)


@pytest.mark.parametrize("first", ["mine", "theirs"])
def test_one_that_is_over_when_the_other_view_comes_delays_nothing(first: str) -> None:
    desk = half_way(first)
    told_again(desk, first)
    desk.now += timedelta(seconds=QUIET)
    other_half(desk, first)
    assert sold(desk)


def test_what_came_before_the_snapshot_was_taken_counts_too() -> None:
    desk, held = holding(2)
    desk.lost()
    desk.resuming()
    taken = Snapshot(EVAL_ID, NOON, {held.id: held}, dict(desk.own), replayed_at=NOON - timedelta(seconds=1))
    desk.hear(e.SnapshotTaken(at=NOON, snapshot=taken))
    assert desk.account.book.held_back()
    desk.wait(QUIET - 1)
    assert not desk.account.book.held_back()


def test_the_leaders_view_says_that_it_is_being_told_the_past() -> None:
    desk = half_way("mine")
    out = order(101, SELL, terms(2), 2)
    view = View(LEAD_ID, 2, {**desk.theirs.orders, out.id: out}, replayed_at=NOON)
    desk.leader_read_anew(view)
    assert desk.places == []
    desk.wait(QUIET)
    assert sold(desk)


def test_copying_that_goes_on_already_is_not_held_by_it() -> None:
    desk, _ = holding(2)
    told_again(desk, "mine")
    told_again(desk, "theirs")
    desk.leader(order(101, SELL, terms(2), 2))
    assert sold(desk)


def test_a_replay_of_another_generation_is_history() -> None:
    desk = half_way("mine")
    desk.hear(e.LeaderReplaySeen(at=desk.now, leader=LEAD, generation=99))
    desk.hear(e.LeaderReplaySeen(at=desk.now, leader=LEAD, generation=2))  # the view that says so is still to come
    other_half(desk, "mine")
    assert sold(desk)


def test_a_leader_passes_it_on() -> None:
    desk = Desk(Account(name=LEAD, connection=s.Resyncing(since=NOON), rules=Rules(leads=True)))
    desk.hear(e.ReplaySeen(at=NOON))
    assert desk.made(Announce) == []
    desk.hear(e.SnapshotTaken(at=NOON, snapshot=Snapshot(LEAD_ID, NOON)))
    desk.hear(e.ReplaySeen(at=NOON))
    (announced,) = desk.made(Announce)
    assert announced.event == e.LeaderReplaySeen(at=NOON, leader=LEAD, generation=1)
    assert desk.account.book.mine == attrs.evolve(View(LEAD_ID, 1), replayed_at=NOON)
