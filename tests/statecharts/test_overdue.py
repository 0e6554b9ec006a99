"""A way out that does not get there is paged, once, and told when it is over."""

from __future__ import annotations

from datetime import timedelta

import attrs

from statecharts import events as e
from statecharts.effects import Severity, Tell
from statecharts.overdue import LATE
from statecharts.values import Status
from tests.statecharts.desk import BUY, SELL, Desk, follower, in_position, limit, order, stop, terms
from tests.statecharts.test_penalties import put_off
from tests.statecharts.trading_hours import CLOSED, chicago, opens, with_hours

SECONDS = LATE.total_seconds()


def paged(desk: Desk) -> list[str]:
    return [one.message for one in desk.told if one.severity is Severity.PAGE and "NOT OUT" in one.message]


def said(desk: Desk, words: str) -> list[Tell]:
    return [one for one in desk.told if words in one.message]


def flatten(desk: Desk) -> None:
    desk.hear(e.FlattenAsked(at=desk.now))


def test_a_closing_that_the_broker_does_not_fill_is_paged_once_and_its_end_is_told() -> None:
    desk = in_position(2)
    flatten(desk)
    close = desk.place
    desk.accepted(close, 901)
    desk.wait(SECONDS - 1)
    assert not paged(desk)
    desk.wait(1)
    (page,) = paged(desk)
    assert "still long 2" in page and "has not filled it" in page
    desk.wait(600)
    assert len(paged(desk)) == 1
    desk.fills(close, 901)
    assert said(desk, "out, at last")


def test_a_closing_of_what_the_leader_has_left_is_looked_after_as_well() -> None:
    desk = in_position(2)
    desk.leader(attrs.evolve(order(105, SELL, None, 2, Status.FILLED), unsupported="QTS"))
    desk.accepted(desk.place, 901)
    desk.wait(SECONDS + 1)
    assert len(paged(desk)) == 1


def test_a_cancel_that_is_never_shown_is_paged() -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(2)))
    entry = desk.place
    desk.accepted(entry, 901)
    flatten(desk)
    (cancel,) = desk.cancels
    desk.accepted(cancel)
    desk.wait(SECONDS + 1)
    (page,) = paged(desk)
    assert "still an order of ours; an order of ours is not yet cancelled" in page
    desk.seen(entry, 901, 0, Status.CANCELED)
    assert said(desk, "out, at last")


def test_an_exit_in_doubt_is_paged_when_nobody_can_be_asked() -> None:
    desk = in_position(2)
    desk.leader(order(105, SELL, terms(2), 2))
    desk.answer_lost(desk.place)
    for _ in range(8):
        for look in desk.look_ups:
            desk.hear(e.LookUpFailed(at=desk.now, copy=look.copy, client_id=look.client_id, reason="the process holds"))
        desk.wait(SECONDS / 6)
    (page,) = paged(desk)
    assert "still long 2" in page and "not yet found out what became of it" in page


def test_a_closing_that_is_refused_again_and_again_is_paged_as_late_too() -> None:
    desk = in_position(2)
    flatten(desk)
    for _ in range(10):
        for close in desk.places:
            desk.refused(close, "UnknownReason", "not today")
        desk.wait(SECONDS / 5)
    (page,) = paged(desk)
    assert "the broker refuses the closing" in page


def test_what_comes_out_in_time_is_no_page() -> None:
    desk = in_position(2)
    flatten(desk)
    close = desk.place
    desk.accepted(close, 901)
    desk.wait(SECONDS - 1)
    desk.fills(close, 901)
    desk.wait(60)
    assert not paged(desk) and not said(desk, "out, at last")


def test_a_stop_that_rests_is_no_way_out() -> None:
    desk = in_position(2)
    desk.leader(order(105, SELL, stop(2)))
    desk.accepted(desk.place, 905)
    desk.wait(3600)
    assert not paged(desk)


def test_what_waits_for_its_market_is_not_late_nor_out() -> None:
    desk = with_hours(in_position(2), CLOSED)
    flatten(desk)
    desk.wait(SECONDS * 3)
    assert not paged(desk) and not said(desk, "out, at last")
    opens(desk)
    desk.accepted(desk.place, 901)
    desk.wait(SECONDS + 1)
    assert len(paged(desk)) == 1
    desk.now = chicago(CLOSED) + timedelta(days=1)
    desk.wait(60)
    assert not said(desk, "out, at last"), "a market that closes ends no page"


def test_an_exit_that_was_put_off_is_said_to_be_so() -> None:
    desk = in_position(2)
    desk.leader(order(105, SELL, terms(2), 2))
    put_off(desk, desk.place, 60)
    desk.wait(SECONDS + 1)
    (page,) = paged(desk)
    assert "still long 2; the broker has put our request off" in page


def test_what_waits_for_an_order_of_the_firms_is_paged_too() -> None:
    desk = in_position(2)
    desk.foreign(order(950, SELL, limit(2, 5100), admin=True))
    desk.leader(order(105, SELL, terms(2), 2))
    assert desk.places == []
    desk.wait(SECONDS + 1)
    (page,) = paged(desk)
    assert "still long 2; nothing is sent there before the account is read again" in page
