"""After a reconnect or a restart: the snapshot against the book, then the catch-up table."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from statecharts import events as e
from statecharts import states as s
from statecharts.account import Account
from statecharts.effects import CancelOrder, PlaceOrder
from statecharts.order import Stage
from statecharts.rules import Rules
from statecharts.values import Order, OrderId, Status, Symbol, View
from tests.statecharts.desk import (
    BUY,
    ES,
    EVAL,
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


def ours(desk: Desk, place: PlaceOrder, number: int, filled: int = 0, status: Status | None = None) -> Order:
    """Our own order as the snapshot shows it."""
    return order(number, place.side, place.terms, filled, status, client_ids=frozenset({place.client_id}))


def away(desk: Desk, *leaders: Order, net: int = 0) -> None:
    """The session is lost, the leader goes on, and both are read anew by `back`."""
    desk.lost()
    desk.hear(e.ReconnectAsked(at=desk.now))
    desk.hear(e.Authorized(at=desk.now))
    orders = {**desk.theirs.orders, **{one.id: one for one in leaders}}
    desk.leader_read_anew(View(LEAD_ID, desk.theirs.generation + 1, orders, {ES: net} if net else {}))


def holding(quantity: int = 2, **more: Any) -> tuple[Desk, Order]:
    """A follower in position, and the order that brought it there as a snapshot shows it."""
    desk = in_position(quantity, **more)
    (place,) = (one for one in desk.everything if isinstance(one, PlaceOrder))
    return desk, ours(desk, place, 900, quantity)


def test_what_the_leader_has_when_copying_begins_is_baseline_until_it_is_flat() -> None:
    desk = Desk(Account(name=EVAL, connection=s.Resyncing(since=NOON), rules=Rules(copy=rules())))
    there = {OrderId(1): order(1, BUY, limit(2)), OrderId(2): order(2, BUY, terms(3), 3)}
    desk.leader_read_anew(View(LEAD_ID, 1, there, {ES: 3, Symbol("NQZ6"): 0}))
    desk.read_anew()
    assert desk.places == []
    assert desk.copy_of(1).stage is Stage.SKIPPED
    desk.leader(order(2, BUY, terms(3), 3))
    desk.leader(order(3, BUY, terms(1), 1))
    assert "before copying began" in (desk.copy_of(3).reason or "")
    desk.leader(order(4, SELL, terms(4), 4), order(1, BUY, limit(2), status=Status.CANCELED))
    assert desk.places == []
    desk.leader(order(5, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_nothing_is_copied_until_both_have_been_read_anew() -> None:
    desk = Desk(Account(name=EVAL, connection=s.Resyncing(since=NOON), rules=Rules(copy=rules())))
    desk.read_anew()
    assert desk.account.connection.shown == "Connected"
    assert desk.account.book.held_back()
    desk.leader_read_anew(View(LEAD_ID, 1))
    assert not desk.account.book.held_back()


@pytest.mark.parametrize(("policy", "sold"), [("none", []), ("reduce", [(SELL, 2)]), ("fresh", [(SELL, 2)])])
def test_leader_flat_follower_owns_some(policy: str, sold: list[object]) -> None:
    desk, held = holding(catch_up=policy)
    away(desk)
    desk.read_anew(held, positions={ES: 2})
    assert desk.heard("position.drifted")
    assert desk.quantities == sold


def test_what_was_left_as_it_is_stays_until_the_leader_exits_and_nothing_opens_beside_it() -> None:
    desk, held = holding(catch_up="none")
    away(desk)
    desk.read_anew(held, positions={ES: 2})
    desk.wait(60)
    desk.leader(order(101, BUY, terms(1), 1))
    assert "left as it is" in (desk.copy_of(101).reason or "")
    assert desk.places == []
    desk.leader(order(102, SELL, terms(1), 1))
    desk.fills(desk.place, 901)
    desk.leader(order(103, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


@pytest.mark.parametrize(("policy", "sold"), [("none", []), ("reduce", [(SELL, 2)])])
def test_follower_above_target_is_trimmed(policy: str, sold: list[object]) -> None:
    desk, held = holding(3, catch_up=policy)
    away(desk, order(101, SELL, terms(2), 2), net=1)
    desk.read_anew(held, positions={ES: 3})
    assert desk.quantities == sold
    assert desk.heard("position.drifted")
    assert "came and went" in (desk.copy_of(101).reason or "")


@pytest.mark.parametrize("policy", ["none", "reduce"])
def test_follower_below_target_is_told_and_waits_until_the_leader_is_flat(policy: str) -> None:
    desk, held = holding(2, catch_up=policy)
    away(desk, order(101, BUY, terms(1), 1), net=3)
    desk.read_anew(held, positions={ES: 2})
    assert desk.places == []
    assert "short by 1 of 3" in desk.heard("position.drifted")[0]
    desk.leader(order(102, BUY, terms(1), 1))
    assert "short" in (desk.copy_of(102).reason or "")


def test_follower_on_the_other_side_closes_what_is_ours() -> None:
    desk, held = holding(2)
    away(desk, order(101, SELL, terms(3), 3), net=-1)
    desk.read_anew(held, positions={ES: 2})
    assert desk.quantities == [(SELL, 2)]


@pytest.mark.parametrize(("policy", "placed"), [("none", []), ("reduce", [stop(2)])])
def test_a_leader_order_with_no_copy_is_placed_if_it_reduces(policy: str, placed: list[object]) -> None:
    desk, held = holding(2, catch_up=policy)
    away(desk, order(101, SELL, stop(2)), order(102, BUY, limit(1)), net=2)
    desk.read_anew(held, positions={ES: 2})
    assert [one.terms for one in desk.places] == placed
    assert desk.copy_of(102).stage is Stage.SKIPPED


@pytest.mark.parametrize(("policy", "cancelled"), [("none", []), ("reduce", [901])])
def test_our_order_with_no_leader_order(policy: str, cancelled: list[int]) -> None:
    desk = follower(catch_up=policy)
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 901)
    desk.theirs = View(LEAD_ID, 1)
    away(desk)
    desk.read_anew(ours(desk, place, 901))
    assert [one.order_id for one in desk.made(CancelOrder)] == cancelled
    assert bool(desk.heard("position.drifted")) == (policy == "none")


def test_the_stop_of_an_open_position_is_never_an_order_without_a_leader_order() -> None:
    desk, held = holding(2)
    desk.leader(order(101, SELL, stop(2)))
    protection = desk.place
    desk.accepted(protection, 901)
    desk.theirs = attrs.evolve(desk.theirs, orders={})
    away(desk, net=2)
    desk.read_anew(held, ours(desk, protection, 901), positions={ES: 2})
    assert desk.made(CancelOrder) == []


def test_a_leader_order_that_changed_meanwhile_is_followed() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 901)
    away(desk, order(1, BUY, limit(2), status=Status.CANCELED))
    desk.read_anew(ours(desk, place, 901))
    assert [one.order_id for one in desk.made(CancelOrder)] == [901]


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


def test_the_table_looks_again_when_the_doubt_is_gone_and_until_then_nothing_opens() -> None:
    desk = in_position(3)
    held = desk.account.book.mine
    assert held is not None
    (entry,) = held.orders.values()
    desk.leader(order(101, SELL, limit(1, 5020)))
    place = desk.place
    desk.answer_lost(place)
    away(desk, order(102, SELL, terms(1), 1), net=2)
    desk.read_anew(entry, positions={ES: 3})
    assert desk.account.book.contract(ES).due
    assert desk.places == []
    desk.leader(order(103, BUY, terms(1), 1))
    assert "not yet compared" in (desk.copy_of(103).reason or "")
    desk.seen(place, 901)
    assert [one.order_id for one in desk.cancels] == []
    assert not desk.account.book.contract(ES).due


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
    for _ in range(4):
        if desk.look_ups:
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


def test_a_working_entry_of_ours_is_not_short_of_the_leader() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 901)
    away(desk, order(1, BUY, limit(2), 1), net=1)
    desk.read_anew(ours(desk, place, 901))
    assert desk.heard("position.drifted") == []
