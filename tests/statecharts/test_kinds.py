"""A resting order is what it would do now: the leader's position has changed under it."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from statecharts import events as e
from statecharts.effects import ModifyOrder, PlaceOrder
from statecharts.rules import Rules
from statecharts.sizing import Kind
from statecharts.values import Status, Symbol
from tests.statecharts.desk import BUY, ES, LEAD, SELL, Desk, follower, in_position, limit, order, rules, stop, terms


def reversed_under_an_exit(**more: object) -> tuple[Desk, PlaceOrder]:
    """Long 2 with a limit order (901) to sell them; then the leader sells 4 at market and leaves the limit order."""
    desk = in_position(2, **more)
    desk.leader(order(101, SELL, limit(2, 5010)))
    left = desk.place
    desk.accepted(left, 901)
    desk.leader(order(102, SELL, terms(4), 4))
    assert desk.quantities == [(SELL, 4)]
    desk.fills(desk.place, 902)
    assert desk.own == {ES: -2}
    return desk, left


def pause(desk: Desk) -> None:
    desk.hear(e.PauseAsked(at=desk.now))


def cancelled(desk: Desk) -> list[int]:
    return [one.order_id for one in desk.cancels]


def test_an_exit_that_opens_by_now_is_taken_back_by_a_pause() -> None:
    desk, _ = reversed_under_an_exit()
    assert desk.cancels == []
    assert desk.copy_of(101).kind is Kind.ENTRY
    pause(desk)
    assert cancelled(desk) == [901]


def test_an_exit_that_opens_by_now_is_bounded_as_what_opens() -> None:
    desk, _ = reversed_under_an_exit(max_order=2)
    assert desk.modifies == [] and desk.cancels == []
    desk = in_position(3, max_order=3)
    desk.leader(order(101, SELL, limit(3, 5010)))
    desk.accepted(desk.place, 901)
    smaller = Rules(copy=rules(max_order=2))
    desk.account = attrs.evolve(desk.account, rules=smaller, book=attrs.evolve(desk.account.book, agreed={}))
    desk.leader(order(102, SELL, terms(4), 4))
    desk.fills(desk.place, 902)
    (change,) = desk.modifies
    assert change.terms == limit(2, 5010)


@pytest.mark.parametrize(("beside", "left"), [(0, 2), (1, 1), (2, 0)])
def test_what_opens_by_now_has_what_the_products_cap_leaves(beside: int, left: int) -> None:
    desk = in_position(2, max_position=2)
    desk.leader(order(101, SELL, limit(2, 5010)))
    desk.accepted(desk.place, 901)
    if beside:
        desk.leader(order(110, SELL, terms(beside), beside, symbol=Symbol("ESH7")))
        desk.fills(desk.place, 910)
    desk.leader(order(102, SELL, terms(2), 2))
    desk.fills(desk.place, 902)
    asked = [one for one in desk.everything if isinstance(one, ModifyOrder)]
    assert [one.terms for one in asked] == ([limit(1, 5010)] if left == 1 else [])
    assert cancelled(desk) == ([901] if left == 0 else [])


def test_an_exit_that_would_open_where_nothing_may_is_cancelled_and_missed() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5010)))
    desk.accepted(desk.place, 901)
    pause(desk)
    desk.leader(order(102, SELL, terms(4), 4))
    assert desk.quantities == [(SELL, 2)]
    assert desk.cancels == []  # there is still something of ours for it
    desk.fills(desk.place, 902)
    assert cancelled(desk) == [901]
    assert "an entry was missed" in (desk.account.book.contract(ES).no_entry or "")


def half_out(desk: Desk) -> None:
    """The leader sells 2 at market, and ours is on its way."""
    desk.leader(order(102, SELL, terms(2), 2))
    assert desk.quantities == [(SELL, 2)]
    out = desk.place
    desk.sent(out)
    desk.accepted(out, 902)


def test_an_exit_of_which_a_part_would_open_is_cut_to_its_exit_where_nothing_may() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, limit(2, 5010)))
    left = desk.place
    desk.accepted(left, 901)
    pause(desk)
    half_out(desk)
    (change,) = (one for one in desk.everything if isinstance(one, ModifyOrder))
    assert change.terms == limit(1, 5010)
    assert desk.copy_of(101).opens == 0
    desk.accepted(change)
    desk.seen(left, 901, asked=limit(1, 5010), version=999)
    assert desk.modifies == [] and desk.cancels == []


def test_what_a_part_of_an_exit_opens_by_now_may_open() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, limit(2, 5010)))
    desk.accepted(desk.place, 901)
    half_out(desk)
    assert not [one for one in desk.everything if isinstance(one, ModifyOrder)]
    assert (desk.copy_of(101).kind, desk.copy_of(101).opens) == (Kind.REVERSAL, 1)


def test_a_reversal_that_opens_more_by_now_is_looked_at_again() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, limit(5, 5010)))
    desk.accepted(desk.place, 901)
    assert desk.copy_of(101).opens == 2
    half_out(desk)
    assert desk.copy_of(101).opens == 4
    assert not [one for one in desk.everything if isinstance(one, ModifyOrder)]


def test_a_reversal_of_which_nothing_exits_any_more_opens() -> None:
    desk = in_position(1)
    desk.leader(order(101, SELL, limit(3, 5010)))
    desk.accepted(desk.place, 901)
    desk.leader(order(102, SELL, terms(1), 1))
    assert desk.copy_of(101).kind is Kind.REVERSAL  # there is still something of ours for it
    desk.fills(desk.place, 902)
    assert desk.copy_of(101).kind is Kind.ENTRY
    pause(desk)
    assert cancelled(desk) == [901]


def test_an_exit_stays_one_while_the_leader_is_out_and_we_are_not() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    desk.accepted(desk.place, 901)
    desk.leader(order(102, SELL, terms(2), 2))
    assert desk.copy_of(101).kind is Kind.EXIT
    pause(desk)
    assert desk.cancels == []


def test_while_an_order_is_in_doubt_the_others_stay_what_they_were() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    desk.accepted(desk.place, 901)
    desk.leader(order(102, SELL, terms(4), 4))
    lost = desk.place
    desk.sent(lost)
    desk.answer_lost(lost)
    pause(desk)
    assert desk.cancels == []
    assert desk.copy_of(101).kind is Kind.EXIT
    desk.accepted(lost, 902)
    desk.seen(lost, 902, 4)
    assert cancelled(desk) == [901]


def test_an_entry_that_exits_by_now_is_made_certain_as_an_exit_is() -> None:
    """Both are short 1 and a sale would add; then he turns long, so that it exits."""
    desk = follower()
    desk.leader(order(100, SELL, terms(1), 1))
    desk.fills(desk.place, 900)
    desk.leader(order(101, SELL, limit(1, 5010)))
    late = desk.place
    desk.accepted(late, 901)
    desk.leader(order(102, BUY, terms(3), 3))
    desk.fills(desk.place, 902)
    assert desk.copy_of(101).kind is Kind.EXIT
    desk.leader(order(101, SELL, limit(1, 5010), 1))
    desk.wait(5)
    assert cancelled(desk) == [901]
    assert desk.places == []
    desk.seen(late, 901, 0, Status.CANCELED)
    assert desk.quantities == [(SELL, 1)]


def test_an_entry_of_which_a_part_exits_by_now_is_not_made_smaller() -> None:
    desk = in_position(1)
    desk.leader(order(101, BUY, limit(3, 4990)))
    desk.accepted(desk.place, 901)
    half_out(desk)
    assert not [one for one in desk.everything if isinstance(one, ModifyOrder)]
    assert (desk.copy_of(101).kind, desk.copy_of(101).opens) == (Kind.REVERSAL, 2)


def test_what_opens_by_now_is_no_more_in_the_way_of_a_closing_than_another_opening() -> None:
    desk, left = reversed_under_an_exit()
    desk.leader(order(103, BUY, terms(2), 2))
    out = desk.place
    desk.sent(out)
    desk.refused(out, "OtherExecutionRelated", "order would self-match with existing order")
    desk.wait(1)
    assert cancelled(desk) == [901]
    desk.seen(left, 901, 0, Status.CANCELED)
    assert desk.quantities == [(BUY, 2)]


def test_a_reversal_of_which_the_leaders_has_filled_in_part_stays_as_large_as_it_is() -> None:
    desk = in_position(1)
    desk.leader(order(101, SELL, limit(3, 5010)))
    reversal = desk.place
    desk.accepted(reversal, 901)
    desk.leader(order(101, SELL, limit(3, 5010), 2))
    assert desk.modifies == []
    desk.seen(reversal, 901, 3)
    desk.leader(order(101, SELL, limit(3, 5010), 3))
    assert desk.own == {ES: -2}


def test_what_has_become_an_opening_is_not_made_larger_again_beside_the_product() -> None:
    """kinds.py leaves 1 of it, and resting.py keeps to that."""
    desk = follower(max_position=3)
    desk.leader(order(100, SELL, terms(2), 2, symbol=Symbol("ESH7")))
    desk.fills(desk.place, 900)
    desk.leader(order(101, BUY, terms(2), 2))
    desk.fills(desk.place, 901)
    desk.leader(order(102, SELL, limit(2, 5010)))
    left = desk.place
    desk.accepted(left, 902)
    desk.leader(order(103, SELL, terms(2), 2))
    desk.fills(desk.place, 903)
    (change,) = desk.modifies
    assert change.terms == limit(1, 5010)
    desk.accepted(change)
    desk.seen(left, 902, asked=change.terms, version=1902)
    desk.wait(60)
    assert desk.copy_of(102).terms == desk.copy_of(102).wanted == limit(1, 5010)


def grown_while_its_price_changes(desk: Desk, first: int, then: int) -> tuple[PlaceOrder, ModifyOrder]:
    """The leader makes his sell stop larger while ours is being asked for a new price."""
    desk.leader(order(101, SELL, stop(first, 4990)))
    place = desk.place
    desk.accepted(place, 901)
    desk.leader(order(101, SELL, stop(first, 4991), version=201))
    (moved,) = desk.modifies
    desk.leader(order(101, SELL, stop(then, 4991), version=202))
    return place, moved


def asked_then(desk: Desk, place: PlaceOrder, moved: ModifyOrder) -> list[int]:
    """The sizes that are asked for once the new price is there, and within the next minute."""
    before = len(desk.everything)
    desk.accepted(moved)
    desk.seen(place, 901, asked=moved.terms, version=1901)
    rows = len(desk.account.book.copies)
    for _ in range(60):
        desk.wait(1)
    assert len(desk.account.book.copies) == rows, "nothing is asked for again and again"
    assert desk.account.book.barred == {}
    return [one.terms.quantity for one in desk.everything[before:] if isinstance(one, ModifyOrder)]


def leader_lost(desk: Desk) -> None:
    desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="closed", shown="Reconnecting"))


def refused(desk: Desk) -> None:
    desk.leader(order(102, BUY, limit(1, 4900)))
    desk.refused(desk.place)


def human(desk: Desk) -> None:
    desk.foreign(order(950, BUY, terms(1), 1))


@pytest.mark.parametrize("barred", [leader_lost, refused, human, pause])
@pytest.mark.parametrize("first", [2, 3])
def test_a_reversal_grows_no_more_once_nothing_may_open(first: int, barred: Callable[[Desk], None]) -> None:
    desk = in_position(2)
    place, moved = grown_while_its_price_changes(desk, first, 6)
    barred(desk)
    taken_back = first == 3 and barred is pause
    assert asked_then(desk, place, moved) == ([2] if taken_back else [])


def test_an_exit_that_was_to_grow_into_a_reversal_beside_a_doubt_stays_an_exit_while_the_leader_is_away() -> None:
    """Nobody is sure what it is while another order is in doubt; that nothing opens is sure."""
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2, 4990)))
    place = desk.place
    desk.accepted(place, 901)
    desk.leader(order(102, BUY, limit(1, 4900)))
    late = desk.place
    desk.sent(late)
    desk.leader(order(101, SELL, stop(2, 4991), version=201))
    (moved,) = desk.modifies
    desk.leader(order(101, SELL, stop(6, 4991), version=202))
    leader_lost(desk)
    desk.accepted(late, 902)
    assert asked_then(desk, place, moved) == []


def test_a_wish_that_is_larger_than_the_order_is_cut_as_the_order_is() -> None:
    desk = in_position(3)
    place, moved = grown_while_its_price_changes(desk, 2, 3)
    desk.foreign(order(950, SELL, terms(1), 1))
    assert desk.own == {ES: 2}
    assert asked_then(desk, place, moved) == []
