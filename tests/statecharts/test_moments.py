"""A clock that is set back, also during a restart: nothing waits for the time that was never there."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import attrs
import pytest

from statecharts import events as e
from statecharts.effects import LookUp
from statecharts.rules import Limits
from statecharts.values import Status
from statecharts.view import Balance
from tests.statecharts.desk import (
    BUY,
    ES,
    LEAD,
    NOON,
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

HOUR = timedelta(hours=1)


def protected() -> Desk:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    desk.accepted(desk.place, 901)
    return desk


def begun_anew(desk: Desk) -> None:
    """Set back by an hour while the process was away."""
    desk.now -= HOUR
    desk.restarted()
    desk.hear(e.Authorized(at=desk.now))
    desk.read_anew(order(900, BUY, terms(2), 2), positions={ES: 2})
    desk.leader_read_anew()


def test_a_working_order_is_changed_at_once() -> None:
    desk = protected()
    desk.now -= HOUR
    desk.leader(order(101, SELL, stop(2, 4980), version=102))
    assert len(desk.modifies) == 1


def test_a_working_order_is_cancelled_at_once() -> None:
    desk = follower()
    desk.leader(order(100, BUY, limit(2)))
    desk.accepted(desk.place, 900)
    desk.now -= HOUR
    desk.leader(order(100, BUY, limit(2), 0, Status.CANCELED))
    assert len(desk.cancels) == 1


def test_what_the_leader_has_exited_is_exited_when_the_alarm_rings() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5010)))
    desk.accepted(desk.place, 901)
    desk.leader(order(101, SELL, limit(2, 5010), 2))
    desk.now -= HOUR
    desk.hear(e.AlarmRang(at=desk.now))
    assert not desk.cancels
    desk.wait(6)
    assert len(desk.cancels) == 1


def test_a_stop_that_is_gone_is_placed_anew() -> None:
    desk = protected()
    desk.foreign(order(901, SELL, stop(2), 0, Status.CANCELED))
    begun_anew(desk)
    began = desk.now
    while not desk.places and desk.now < began + 5 * SECOND:
        desk.wait(0.5)
    assert desk.quantities == [(SELL, 2)]


def test_an_order_without_an_answer_settles_in_its_time() -> None:
    desk = in_position(2)
    desk.leader(order(102, SELL, terms(2), 2))
    exit_ = desk.place
    desk.sent(exit_)
    desk.answer_lost(exit_)
    (look_up,) = desk.look_ups
    while desk.copy_of(102).absent == 0:
        desk.looked_up(look_up)
        (look_up,) = desk.look_ups
    begun_anew(desk)
    began, asked = desk.now, [one for one in desk.everything if isinstance(one, LookUp)]
    desk.looked_up(asked[-1])
    while not desk.places:
        desk.looked_up(desk.look_ups[0])
    assert desk.quantities == [(SELL, 2)] and desk.now < began + 20 * SECOND


def test_the_account_s_money_is_read_again_in_its_time() -> None:
    desk = follower(limits=Limits(daily_loss=Decimal(500)), balance=Balance(Decimal(50000), Decimal(0), NOON))
    standing = attrs.evolve(desk.account.book.standing, read_at=NOON, read_next=NOON + 30 * SECOND)
    desk.account = attrs.evolve(desk.account, book=attrs.evolve(desk.account.book, standing=standing))
    desk.now -= HOUR
    desk.hear(e.AlarmRang(at=desk.now))
    assert desk.account.book.standing.read_next == desk.now + 30 * SECOND


def test_events_that_overtake_one_another_mean_nothing() -> None:
    desk = protected()
    book = desk.account.book
    desk.now -= SECOND
    desk.hear(e.ReadBack(at=desk.now))
    assert desk.account.book.copies == book.copies


@pytest.mark.parametrize("seen", [e.LeaderReplaySeen, e.ReplaySeen])
def test_the_broker_s_talk_of_the_past_is_over_in_its_time(seen: type[e.LeaderReplaySeen | e.ReplaySeen]) -> None:
    desk = in_position(2)
    if seen is e.LeaderReplaySeen:
        desk.hear(e.LeaderReplaySeen(at=desk.now, leader=LEAD, generation=desk.theirs.generation))
    else:
        desk.hear(e.ReplaySeen(at=desk.now))
    desk.now -= HOUR
    desk.hear(e.AlarmRang(at=desk.now))
    if seen is e.LeaderReplaySeen:
        desk.read_anew(order(900, BUY, terms(2), 2), positions={ES: 2})
    else:
        desk.leader_read_anew()
    desk.wait(4)
    assert not desk.account.book.held_back()
