"""After a reconnect or a restart: the snapshot against the book."""

from __future__ import annotations

from statecharts import events as e
from statecharts.effects import CancelOrder
from statecharts.order import Stage
from statecharts.values import Status, Symbol
from statecharts.view import View
from tests.statecharts.desk import (
    BUY,
    ES,
    LEAD_ID,
    NOON,
    SELL,
    follower,
    limit,
    order,
    terms,
)
from tests.statecharts.gaps import away, holding, ours


def test_what_is_not_ours_is_quarantined_told_and_left_alone() -> None:
    desk, held = holding(2)
    away(desk, net=2)
    desk.read_anew(held, positions={ES: 3, Symbol("NQZ6"): 1})
    assert [c.foreign for c in desk.account.book.contracts.values()] == [1, 1]
    assert len(desk.heard("account.quarantined")) == 2
    desk.leader(order(102, BUY, terms(1), 1))
    assert "somebody else" in (desk.copy_of(102).reason or "")
    desk.leader(order(103, SELL, terms(3), 3))
    assert desk.quantities == [(SELL, 2)]


def test_what_somebody_closed_of_ours_is_no_longer_ours() -> None:
    desk, held = holding(2)
    away(desk, net=2)
    desk.read_anew(held, positions={ES: 1})
    assert desk.own == {ES: 1}
    assert "1 of our 2 were closed" in desk.heard("position.drifted")[0]


def test_restart_with_an_order_on_its_way_makes_it_unknown_and_it_is_looked_up() -> None:
    for sent in (False, True):
        desk = follower()
        desk.leader(order(1, BUY, limit(2)))
        place = desk.place
        if sent:
            desk.sent(place)
        desk.restarted()
        assert desk.copy_of(1).stage is Stage.UNKNOWN
        desk.hear(e.Authorized(at=NOON))
        desk.read_anew()
        assert [one.client_id for one in desk.look_ups] == [place.client_id]
        assert desk.account.book.held_back()


def test_restart_with_an_order_on_its_way_that_the_snapshot_shows() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    place = desk.place
    desk.restarted()
    desk.hear(e.Authorized(at=NOON))
    desk.read_anew(ours(desk, place, 901, 2), positions={ES: 2})
    assert desk.own == {ES: 2}
    assert desk.account.book.contract(ES).foreign == 0


def test_an_order_that_the_lists_no_longer_show_is_unknown_and_looked_up() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 901)
    desk.seen(place, 901)
    away(desk, order(1, BUY, limit(2)))
    desk.read_anew()
    assert desk.copy_of(1).stage is Stage.UNKNOWN
    assert len(desk.look_ups) == 1


def test_a_lost_order_that_turns_up_in_a_snapshot_is_ours() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    place = desk.place
    desk.answer_lost(place)
    while desk.look_ups:
        desk.looked_up(desk.look_ups[0])
    assert desk.copy_of(1).stage is Stage.SKIPPED
    away(desk, order(2, SELL, terms(2), 2))
    desk.read_anew(ours(desk, place, 901, 2), positions={ES: 2})
    assert desk.account.book.contract(ES).foreign == 0
    assert desk.quantities == [(SELL, 2)]


def test_a_change_without_an_answer_is_asked_for_again_after_a_resync() -> None:
    for accepted in (False, True):
        desk = follower()
        desk.leader(order(1, BUY, limit(2)))
        place = desk.place
        desk.accepted(place, 901)
        desk.seen(place, 901)
        desk.leader(order(1, BUY, limit(2), status=Status.CANCELED))
        (cancel,) = desk.cancels
        if accepted:
            desk.accepted(cancel)
        else:
            desk.answer_lost(cancel)
        away(desk)
        desk.read_anew(ours(desk, place, 901))
        (again,) = desk.made(CancelOrder)
        assert again.client_id != cancel.client_id


def test_a_change_that_is_still_being_sent_is_waited_for() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 901)
    desk.leader(order(1, BUY, limit(2), status=Status.CANCELED))
    away(desk)
    desk.read_anew(ours(desk, place, 901))
    assert desk.cancels == []


def test_finished_copies_that_nobody_lists_any_more_are_forgotten() -> None:
    desk, _ = holding(2)
    desk.leader(order(101, SELL, terms(2), 2))
    desk.fills(desk.place, 901)
    desk.theirs = View(LEAD_ID, 1)
    away(desk)
    desk.read_anew()
    desk.theirs = View(LEAD_ID, 2)
    away(desk)
    desk.read_anew()
    book = desk.account.book
    assert (book.copies, book.names, book.placed, book.orders) == ({}, {}, {}, {})
