"""What a follower makes of its leader's orders: one copy each, placed, held or skipped with its reason."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from statecharts import events as e
from statecharts.effects import PlaceOrder, Priority
from statecharts.order import Stage
from statecharts.rules import MapTo, Rules
from statecharts.values import OrderId, OrderType, Root, Status, Terms
from tests.statecharts.desk import (
    BUY,
    ES,
    LEAD,
    MES,
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


@pytest.mark.parametrize(
    "asked", [terms(2), limit(2), stop(2), attrs.evolve(limit(2), order_type=OrderType.STOP_LIMIT)]
)
def test_each_kind_of_order_is_copied_with_its_terms(asked: Terms) -> None:
    desk = follower()
    desk.leader(order(1, BUY, asked))
    assert (desk.place.symbol, desk.place.side, desk.place.terms) == (ES, BUY, asked)
    assert desk.place.priority is Priority.ENTRY


def test_a_leader_order_has_exactly_one_copy_with_verb_place() -> None:
    desk = follower()
    for _ in range(3):
        desk.leader(order(1, BUY, limit(2)))
    assert len([one for one in desk.everything if isinstance(one, PlaceOrder)]) == 1
    assert len(desk.account.book.copies) == 1


def skipped(desk: Desk, number: int = 1) -> str:
    copy = desk.copy_of(number)
    assert copy.stage is Stage.SKIPPED
    assert desk.places == []
    assert desk.heard("copy.skipped")
    return copy.reason or ""


def test_an_order_that_cannot_be_copied_is_skipped_with_its_reason_and_told_once() -> None:
    for one, why in (
        (order(1, BUY, None, unsupported="QTS"), "of type QTS"),
        (order(1, BUY, limit(1), status=Status.CANCELED), "was canceled before"),
    ):
        desk = follower()
        desk.leader(one, one)
        assert why in skipped(desk)
        assert len(desk.heard("copy.skipped")) == 1


def test_an_order_whose_terms_are_not_known_yet_waits_for_them() -> None:
    desk = follower()
    desk.leader(order(1, BUY, None))
    assert desk.account.book.copies == {}
    desk.leader(order(1, BUY, limit(1)))
    assert desk.quantities == [(BUY, 1)]


def test_nothing_opens_in_products_that_are_not_allowed_but_exits_go() -> None:
    for barred in (rules(allow=frozenset({Root("NQ")})), rules(deny=frozenset({Root("ES")}))):
        desk = follower(barred)
        desk.leader(order(1, BUY, terms(1), 1))
        assert "ES is not" in skipped(desk)
        desk = in_position()
        desk.hear(e.RulesChanged(at=NOON, rules=Rules(copy=barred)))
        desk.leader(order(101, SELL, terms(2), 2))
        assert desk.quantities == [(SELL, 2)]


@pytest.mark.parametrize("why", ["paused", "close-only"])
def test_pause_and_close_only_block_openings_never_exits(why: str) -> None:
    desk = in_position()
    if why == "paused":
        desk.hear(e.PauseAsked(at=NOON))
    else:
        desk.account = attrs.evolve(desk.account, close_only="a bug in copierd")
    desk.leader(order(101, BUY, terms(1), 1))
    assert skipped(desk, 101)
    desk.leader(order(102, SELL, terms(3), 3))
    assert desk.quantities == [(SELL, 2)]
    assert desk.place.priority is Priority.EXIT
    desk.hear(e.ResumeAsked(at=NOON))
    assert desk.account.no_openings is None


def test_a_reversal_while_paused_only_brings_us_to_flat() -> None:
    desk = in_position()
    desk.hear(e.PauseAsked(at=NOON))
    desk.leader(order(101, SELL, terms(5), 5))
    assert desk.quantities == [(SELL, 2)]
    nothing = follower()
    nothing.hear(e.PauseAsked(at=NOON))
    nothing.leader(order(100, BUY, terms(2), 2), order(101, SELL, terms(5), 5))
    assert skipped(nothing, 101) == "the account is paused"


def test_a_reversal_that_became_an_exit_stays_one_when_it_is_derived_again() -> None:
    desk = in_position()
    desk.hear(e.PauseAsked(at=NOON))
    desk.leader(order(101, SELL, terms(5), 5))
    desk.never_sent(desk.place)
    desk.hear(e.ResumeAsked(at=NOON))
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]


def test_a_reversal_is_one_order_of_an_exits_priority() -> None:
    desk = in_position()
    desk.leader(order(101, SELL, terms(5), 5))
    assert desk.quantities == [(SELL, 5)]
    assert desk.place.priority is Priority.EXIT


def test_shadow_decides_and_records_everything_and_sends_nothing() -> None:
    desk = follower(shadow=True)
    desk.leader(order(100, BUY, terms(2), 2), order(101, SELL, terms(2), 2))
    assert [desk.copy_of(n).stage for n in (100, 101)] == [Stage.SHADOWED, Stage.SHADOWED]
    assert [one for one in desk.everything if isinstance(one, PlaceOrder)] == []


def test_the_map_trades_the_other_product_ten_for_one() -> None:
    desk = follower(map={Root("ES"): MapTo(Root("MES"), Decimal(10))})
    desk.leader(order(100, BUY, terms(2), 2))
    assert (desk.place.symbol, desk.place.terms.quantity) == (MES, 20)
    desk.fills(desk.place, 900)
    desk.leader(order(101, SELL, terms(1), 1))
    assert desk.quantities == [(SELL, 10)]


def test_max_position_holds_also_while_an_exit_is_on_its_way() -> None:
    desk = in_position(4, max_position=4)
    desk.leader(order(101, SELL, terms(3), 3))
    desk.answer_lost(desk.place)
    desk.leader(order(102, BUY, terms(3), 3))
    assert "lost" in skipped(desk, 102)
    desk = in_position(4, max_position=4)
    desk.leader(order(101, SELL, terms(3), 3), order(102, BUY, terms(3), 3))
    assert skipped(desk, 102) == "max_position is reached"


def test_announcements_of_another_generation_are_not_ours_yet() -> None:
    desk = follower()
    desk.hear(e.LeaderOrderSeen(at=NOON, leader=LEAD, order=order(1, BUY, terms(1), 1), generation=9))
    assert desk.places == []
    assert desk.account.book.copies == {}


def test_facts_are_kept_in_every_state_and_become_orders_only_while_copying() -> None:
    desk = follower()
    desk.lost()
    desk.leader(order(1, BUY, terms(1), 1))
    assert desk.places == []
    assert desk.account.book.theirs is not None
    assert OrderId(1) in desk.account.book.theirs.orders


def test_while_the_leader_is_not_connected_nothing_opens() -> None:
    desk = follower()
    desk.hear(e.LeaderLost(at=NOON, leader=LEAD, reason="closed", shown="Reconnecting"))
    assert desk.account.book.held_back()
    desk.leader(order(1, BUY, terms(1), 1))
    assert desk.places == []
    fresh = follower()
    fresh.account = attrs.evolve(fresh.account, book=attrs.evolve(fresh.account.book, theirs=None))
    fresh.hear(e.LeaderLost(at=NOON, leader=LEAD, reason="closed", shown="Reconnecting"))
    assert fresh.account.book.theirs is None


def test_an_order_first_seen_complete_is_not_chased_either() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(1), 1))
    place = desk.place
    desk.accepted(place, 900)
    desk.seen(place, 900)
    desk.wait(5)
    assert [one.order_id for one in desk.cancels] == [900]


def test_an_order_that_ended_early_is_copied_as_large_as_it_filled() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(3), 1, Status.CANCELED))
    assert desk.quantities == [(BUY, 1)]


def test_the_child_of_a_bracket_is_copied_when_it_wakes() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2), status=Status.SUSPENDED))
    assert desk.places == []
    desk.leader(order(101, SELL, stop(2)))
    assert desk.quantities == [(SELL, 2)]


def test_two_exits_in_a_row_do_not_sell_the_same_contracts_twice() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, terms(2), 2))
    assert desk.quantities == [(SELL, 2)]
    desk.leader(order(102, SELL, terms(1), 1))
    assert desk.quantities == [(SELL, 1)]


def test_exits_that_stand_side_by_side_share_what_is_ours() -> None:
    desk = in_position(1)
    desk.leader(order(110, BUY, terms(3), 3))
    desk.refused(desk.place)
    desk.leader(order(111, SELL, stop(2)))
    desk.accepted(desk.place, 901)
    desk.leader(order(112, SELL, terms(1), 1))
    assert desk.places == []
    assert skipped(desk, 112) == "other exits of ours are to take what this follower has"


def test_a_cap_that_is_reached_keeps_no_exit_back() -> None:
    """His stop and his target are not linked: together they would take him to the other side, where the cap is too."""
    desk = in_position(2, max_position=2)
    for number, asked in ((101, stop(2)), (102, limit(2, 5300))):
        desk.leader(order(number, SELL, asked))
        desk.accepted(desk.place, 800 + number)
    desk.leader(order(103, SELL, terms(1), 1))
    assert desk.quantities == [(SELL, 1)]


def test_what_is_not_copied_is_told_in_the_leaders_words() -> None:
    desk = follower(map={Root("ES"): MapTo(Root("MES"), Decimal("0.1"))})
    desk.leader(order(1, BUY, limit(4)))
    assert desk.heard("copy.skipped") == ["the leader's Buy 4 ESZ6 not copied: the follower's size for it rounds to 0"]
    assert desk.copy_of(1).symbol == MES
    desk = follower()
    desk.leader(order(1, BUY, None, unsupported="QTS"))
    assert desk.heard("copy.skipped") == ["Buy ESZ6 not copied: copierd does not copy orders of type QTS"]


def test_what_the_leader_changes_into_something_that_cannot_be_copied_goes_and_is_told_once() -> None:
    desk = follower()
    desk.leader(order(100, BUY, limit(2)))
    desk.accepted(desk.place, 900)
    for _ in range(2):
        desk.leader(order(100, BUY, None, version=101, unsupported="LimitIfTouched"))
    (told,) = desk.heard("copy.skipped")
    assert "into a LimitIfTouched" in told
    assert desk.copy_of(100).pending is not None, "its cancel is under way"


def test_a_stop_that_the_leader_changes_so_stays_and_is_told_once() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    desk.accepted(desk.place, 901)
    for _ in range(2):
        desk.leader(order(101, SELL, None, version=102, unsupported="LimitIfTouched"))
        assert not desk.cancels
    assert len(desk.heard("copy.skipped")) == 1
    desk.leader(order(102, SELL, terms(2), 2))
    desk.fills(desk.place, 902)
    desk.leader(order(101, SELL, None, 0, Status.CANCELED, version=102, unsupported="LimitIfTouched"))
    assert desk.own == {} and desk.copy_of(101).pending is not None
