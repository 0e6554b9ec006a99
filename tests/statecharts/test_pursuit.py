"""What the book still wants: held exits, changes of working orders, orders that are not chased."""

from __future__ import annotations

from decimal import Decimal

import attrs

from statecharts.effects import PlaceOrder
from statecharts.order import Stage
from statecharts.values import Status
from statecharts.view import View
from tests.statecharts.desk import BUY, ES, LEAD_ID, SELL, Desk, follower, in_position, limit, order, rules, stop, terms


def resting(quantity: int = 2, **more: object) -> tuple[Desk, PlaceOrder]:
    """A follower whose copy (900) of the leader's limit order (1) is working."""
    desk = follower(**more)  # type: ignore[arg-type]
    desk.leader(order(1, BUY, limit(quantity)))
    place = desk.place
    desk.accepted(place, 900)
    desk.seen(place, 900)
    return desk, place


def test_a_held_exit_waits_for_its_entry_and_is_released_with_what_filled() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(3), 3))
    entry = desk.place
    desk.leader(order(2, SELL, terms(3), 3))
    assert desk.places == []
    assert desk.copy_of(2).stage is Stage.HELD
    desk.accepted(entry, 900)
    desk.seen(entry, 900, 2)
    assert desk.places == []
    desk.seen(entry, 900, 2, Status.CANCELED)
    assert desk.quantities == [(SELL, 2)]


def test_an_entrys_rest_is_cancelled_when_its_exit_waits() -> None:
    desk, entry = resting(2)
    desk.leader(order(1, BUY, limit(2), 2), order(2, SELL, terms(2), 2))
    assert [one.order_id for one in desk.cancels] == [900]
    assert desk.places == []
    desk.seen(entry, 900, 1, Status.CANCELED)
    assert desk.quantities == [(SELL, 1)]


def test_a_held_exit_is_given_up_when_its_entry_came_to_nothing() -> None:
    desk, entry = resting(2)
    desk.leader(order(1, BUY, limit(2), 2), order(2, SELL, terms(2), 2))
    desk.seen(entry, 900, 0, Status.CANCELED)
    assert desk.places == []
    assert desk.copy_of(2).stage is Stage.SKIPPED


def test_a_held_exit_is_given_up_when_the_leader_cancels_it() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    entry = desk.place
    desk.leader(order(2, SELL, stop(2)), order(2, SELL, stop(2), status=Status.CANCELED))
    assert desk.copy_of(2).stage is Stage.SKIPPED
    desk.fills(entry, 900)
    assert desk.places == []


def test_a_held_exit_is_sent_with_the_newest_terms() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    entry = desk.place
    desk.leader(order(2, SELL, stop(2)), order(2, SELL, stop(2, 4995), version=7))
    desk.fills(entry, 900)
    assert desk.place.terms == stop(2, 4995)
    desk.accepted(desk.place, 901)
    assert desk.modifies == []


def test_an_opening_that_rests_at_both_untouched_delays_no_exit() -> None:
    desk = in_position(2)
    desk.leader(order(101, BUY, limit(1)))
    desk.accepted(desk.place, 901)
    desk.leader(order(102, SELL, terms(2), 2))
    assert desk.quantities == [(SELL, 2)]


def test_a_market_exit_waits_until_an_exit_that_is_being_cancelled_is_out_of_the_way() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5020)))
    target = desk.place
    desk.accepted(target, 901)
    desk.leader(order(101, SELL, limit(2, 5020), status=Status.CANCELED), order(102, SELL, terms(2), 2))
    assert desk.places == []
    desk.seen(target, 901, 1, Status.CANCELED)
    assert desk.quantities == [(SELL, 1)]


def test_modify_follows_the_leader() -> None:
    desk, _ = resting()
    desk.leader(order(1, BUY, limit(3, 5001), version=2))
    (modify,) = desk.modifies
    assert (modify.order_id, modify.terms) == (900, limit(3, 5001))


def test_modify_while_unacknowledged_is_held_and_the_newest_wins() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.leader(order(1, BUY, limit(2, 5001), version=2), order(1, BUY, limit(2, 5002), version=3))
    assert desk.modifies == []
    desk.accepted(place, 900)
    assert [one.terms for one in desk.modifies] == [limit(2, 5002)]


def test_one_request_at_a_time_per_order_and_the_newest_terms_win() -> None:
    desk, place = resting()
    desk.leader(order(1, BUY, limit(2, 5001), version=2))
    (first,) = desk.modifies
    desk.leader(order(1, BUY, limit(2, 5002), version=3), order(1, BUY, limit(2, 5003), version=4))
    assert desk.modifies == []
    desk.accepted(first)
    assert desk.modifies == []
    desk.seen(place, 900, asked=first.terms, version=901)
    (second,) = desk.modifies
    assert second.terms == limit(2, 5003)
    assert second.client_id != first.client_id


def test_the_leaders_cancel_cancels_ours_after_the_request_under_way() -> None:
    desk, place = resting()
    desk.leader(order(1, BUY, limit(2, 5001), version=2))
    (modify,) = desk.modifies
    desk.leader(order(1, BUY, limit(2, 5001), status=Status.CANCELED, version=2))
    assert desk.cancels == []
    desk.seen(place, 900, asked=modify.terms, version=901)
    assert [one.order_id for one in desk.cancels] == [900]


def test_what_the_leader_changes_so_that_it_fills_at_once_is_changed_before_it_is_given_up() -> None:
    desk, place = resting()
    desk.leader(order(1, BUY, limit(3, 5010), 3, version=2))
    (modify,) = desk.modifies
    assert modify.terms == limit(3, 5010)
    desk.accepted(modify)
    desk.seen(place, 900, asked=modify.terms, version=901)
    desk.wait(4.5)
    assert desk.cancels == []
    desk.wait(0.5)
    assert [one.order_id for one in desk.cancels] == [900]
    desk.seen(place, 900, 1, Status.CANCELED, asked=modify.terms, version=901)
    assert desk.heard("position.drifted") == ["ESZ6: short by 2 of 3 (entry missed, not chased)"]
    assert "short" in (desk.account.book.contract(ES).no_entry or "")


def test_an_exit_that_the_leader_changes_so_that_it_fills_at_once_is_changed_before_it_is_closed() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5020)))
    place = desk.place
    desk.accepted(place, 901)
    desk.leader(order(101, SELL, limit(2, 4990), 2, version=700))
    assert [one.terms for one in desk.modifies] == [limit(2, 4990)]
    desk.accepted(desk.modifies[0])
    desk.seen(place, 901, 2, asked=limit(2, 4990), version=701)
    assert desk.own == {}


def test_a_refused_modify_leaves_the_order_as_it_is_and_is_told() -> None:
    desk, _ = resting()
    desk.leader(order(1, BUY, limit(2, 5001), version=2))
    desk.refused(desk.modifies[0], "InvalidPrice")
    assert desk.modifies == []
    assert "refused to modify order 900: InvalidPrice" in desk.heard("copy.failed")[0]


def test_an_order_that_the_cap_cuts_keeps_its_size_beside_a_newer_one() -> None:
    desk, _ = resting(4, max_position=2)
    desk.leader(order(5, BUY, limit(2)))
    desk.leader(order(1, BUY, limit(4, 5001), version=2))
    assert [one.terms for one in desk.modifies] == [limit(2, 5001)]


def test_a_larger_size_does_not_get_past_what_bars_openings_but_its_price_does() -> None:
    desk, _ = resting()
    desk.foreign(order(7, SELL, terms(1), 1))
    desk.leader(order(1, BUY, limit(5, 5001), version=2))
    assert [one.terms for one in desk.modifies] == [limit(2, 5001)]


def test_a_change_that_fills_at_once_does_not_get_past_what_bars_openings_but_its_price_does() -> None:
    desk, _ = resting()
    desk.foreign(order(7, SELL, terms(1), 1))
    desk.leader(order(1, BUY, limit(5, 5001), 5, version=2))
    assert [one.terms for one in desk.modifies] == [limit(2, 5001)]


def test_an_order_made_as_small_as_what_has_filled_is_cancelled() -> None:
    desk, place = resting(3)
    desk.seen(place, 900, 2)
    desk.leader(order(1, BUY, limit(2), 1, version=2))
    assert [one.order_id for one in desk.cancels] == [900]


def test_a_refused_cancel_is_asked_for_again_after_chase_after() -> None:
    desk, _ = resting()
    desk.leader(order(1, BUY, limit(2), status=Status.CANCELED))
    desk.refused(desk.cancels[0], "TooLate")
    assert desk.cancels == []
    desk.wait(4)
    assert desk.cancels == []
    desk.wait(1)
    assert [one.order_id for one in desk.cancels] == [900]


def test_a_cancel_without_an_answer_is_asked_for_again_after_settle() -> None:
    desk, _ = resting()
    desk.leader(order(1, BUY, limit(2), status=Status.CANCELED))
    (cancel,) = desk.cancels
    desk.answer_lost(cancel)
    desk.wait(14)
    assert desk.cancels == []
    desk.wait(1)
    (again,) = desk.cancels
    assert again.client_id != cancel.client_id


def test_an_accepted_cancel_that_the_order_never_shows_is_asked_for_again_after_settle() -> None:
    desk, _ = resting()
    desk.leader(order(1, BUY, limit(2), status=Status.CANCELED))
    desk.accepted(desk.cancels[0])
    desk.wait(15)
    assert len(desk.cancels) == 1
    assert desk.heard("copy.failed") == []


def test_a_cancel_that_never_left_is_not_repeated_into_the_same_dead_session() -> None:
    desk, _ = resting()
    desk.leader(order(1, BUY, limit(2), status=Status.CANCELED))
    desk.never_sent(desk.cancels[0])
    assert desk.cancels == []
    desk.wait(1)
    assert len(desk.cancels) == 1


def test_not_chased_an_entry_is_cancelled_after_chase_after() -> None:
    desk, place = resting()
    desk.leader(order(1, BUY, limit(2), 2))
    desk.wait(4)
    assert desk.cancels == []
    desk.wait(1)
    assert [one.order_id for one in desk.cancels] == [900]
    desk.seen(place, 900, 0, Status.CANCELED)
    assert desk.places == []


def test_not_chased_an_exit_is_made_certain_at_market() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5020)))
    target = desk.place
    desk.accepted(target, 901)
    desk.leader(order(101, SELL, limit(2, 5020), 2))
    desk.wait(5)
    assert [one.order_id for one in desk.cancels] == [901]
    assert desk.places == []
    desk.seen(target, 901, 0, Status.CANCELED)
    assert desk.quantities == [(SELL, 2)]


def test_an_order_in_doubt_is_chased_when_the_doubt_is_gone() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2), 2))
    place = desk.place
    desk.wait(5)
    assert desk.cancels == []
    assert desk.account.wake_at is not None
    desk.accepted(place, 900)
    desk.wait(5)
    assert [one.order_id for one in desk.cancels] == [900]


def test_what_the_leader_exited_before_he_cancelled_is_exited() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, limit(3, 5020)))
    target = desk.place
    desk.accepted(target, 901)
    desk.leader(order(101, SELL, limit(3, 5020), 2, Status.CANCELED))
    assert [one.order_id for one in desk.cancels] == [901]
    desk.seen(target, 901, 0, Status.CANCELED)
    assert desk.quantities == [(SELL, 2)]


def test_an_order_that_expires_at_the_leader_expires_by_itself_at_ours() -> None:
    desk, _ = resting()
    desk.leader(order(1, BUY, limit(2), status=Status.EXPIRED))
    desk.wait(60)
    assert desk.cancels == []


def test_the_leader_flat_means_the_follower_flat() -> None:
    desk = in_position(2)
    desk.leader_read_anew(View(LEAD_ID, 2))
    assert desk.quantities == [(SELL, 2)]


def test_a_follower_that_fills_before_its_leader_is_not_closed_because_the_leader_is_flat() -> None:
    desk, place = resting(2)
    desk.seen(place, 900, 1)
    assert desk.places == []
    desk.leader(order(1, BUY, limit(2), 1), order(1, BUY, limit(2), 1, Status.CANCELED))
    assert desk.places == []
    assert desk.own == {ES: 1}
    early, place = resting(2)
    early.seen(place, 900, 2)
    early.leader(order(1, BUY, limit(2), status=Status.CANCELED))
    assert early.quantities == [(SELL, 2)]


def test_a_stop_that_rests_at_both_does_not_keep_us_from_being_flat_with_the_leader() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    protection = desk.place
    desk.accepted(protection, 901)
    desk.leader(order(102, SELL, terms(2), 2))
    desk.refused(desk.place, "Transient")
    assert desk.cancels == []  # protection is not taken away before the closing may be asked for again
    desk.wait(1)
    assert [one.order_id for one in desk.cancels] == [901]
    desk.seen(protection, 901, 0, Status.CANCELED)
    assert desk.quantities == [(SELL, 2)]


def test_a_reversal_that_waited_opens_nothing_while_the_leader_is_not_current() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    entry = desk.place
    desk.leader(order(2, SELL, terms(4), 4))
    assert desk.copy_of(2).stage is Stage.HELD
    desk.account = attrs.evolve(desk.account, book=attrs.evolve(desk.account.book, caught_up=(1, 9)))
    desk.account = attrs.evolve(
        desk.account, book=attrs.evolve(desk.account.book, theirs=attrs.evolve(desk.theirs, current=False))
    )
    desk.fills(entry, 900)
    assert desk.places == []
    assert desk.copy_of(2).stage is Stage.HELD


def test_two_reversals_in_a_row_do_not_wait_for_each_other() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(1), 1))
    entry = desk.place
    desk.leader(order(2, SELL, terms(2), 2), order(3, BUY, terms(2), 2))
    assert [desk.copy_of(n).stage for n in (2, 3)] == [Stage.HELD, Stage.HELD]
    desk.fills(entry, 900)
    assert (desk.place.side, desk.place.terms.quantity) == (SELL, 2)
    desk.fills(desk.place, 901)
    assert (desk.place.side, desk.place.terms.quantity) == (BUY, 2)


def test_exits_that_have_become_openings_keep_to_the_cap_together() -> None:
    desk = in_position(2, copy=rules(max_position=3))
    for number, stamp in ((101, 901), (102, 902)):
        desk.leader(order(number, SELL, stop(2, 4990 - number)))
        place = desk.place
        desk.accepted(place, stamp)
        desk.seen(place, stamp)
    desk.leader(order(103, SELL, terms(2), 2))  # out by another way: his stops would turn him round, twice
    market = desk.place
    desk.fills(market, 903)
    assert desk.own == {}
    assert [(one.order_id, one.terms.quantity) for one in desk.modifies] == [(902, 1)]


def test_an_exit_that_has_become_an_entry_may_fill_before_the_leaders() -> None:
    """Real world: his target stays behind when he is out, and takes him in again; ours fills a moment before it."""
    desk = in_position(4, ratio=Decimal("0.5"))
    desk.leader(order(1, SELL, terms(1), 1))
    desk.fills(desk.place, 901)
    desk.leader(order(2, SELL, terms(1), 1))
    assert desk.copy_of(2).stage is Stage.SKIPPED, "of 3 and of 2 the half is 1"
    desk.leader(order(3, SELL, limit(2, 5010)))
    target = desk.place
    desk.accepted(target, 903)
    desk.leader(order(4, SELL, terms(2), 2))  # at market, and the target stays behind
    desk.fills(desk.place, 904)
    desk.leader(order(5, SELL, terms(2), 2))
    desk.fills(desk.place, 905)
    assert desk.own == {ES: -1}
    desk.seen(target, 903, 1)
    assert desk.own == {ES: -2} and desk.places == []
    desk.leader(order(3, SELL, limit(2, 5010), 2))
    assert desk.own == {ES: -2} and desk.places == []


def test_an_exit_that_rounded_to_nothing_beside_another_is_placed_when_that_one_is_gone() -> None:
    desk = in_position(2, ratio=Decimal("0.5"))
    desk.leader(order(101, SELL, limit(1, 5010)))
    first = desk.place
    desk.accepted(first, 901)
    desk.leader(order(102, SELL, limit(1, 5020)))
    assert desk.copy_of(102).stage is Stage.SKIPPED
    desk.leader(order(101, SELL, limit(1, 5010), status=Status.CANCELED))
    desk.seen(first, 901, 0, Status.CANCELED)
    assert desk.place.terms == limit(1, 5020)
