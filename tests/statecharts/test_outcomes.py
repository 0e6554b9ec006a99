"""What comes back: answers, their absence, and the broker's word on our orders."""

from __future__ import annotations

import pytest

from statecharts import events as e
from statecharts.book import Verb
from statecharts.effects import LookUp, PlaceOrder, ReadAnew
from statecharts.order import Stage
from statecharts.values import CopyId, OrderId, Status
from tests.statecharts.desk import BUY, ES, NOON, SELL, Desk, follower, in_position, limit, order, stop, terms


def unknown(desk: Desk, one: object = None) -> tuple[PlaceOrder, LookUp]:
    """The answer to what was just placed is lost."""
    place = desk.place
    desk.sent(place)
    desk.answer_lost(place)
    (look_up,) = desk.look_ups
    return place, look_up


def absent(desk: Desk, look_up: LookUp) -> None:
    """Looked up in vain, until nobody asks any more."""
    for _ in range(9):
        desk.looked_up(look_up)
        if not desk.look_ups:
            return
        (look_up,) = desk.look_ups
    raise AssertionError("it is looked up without end")


def test_sent_accepted_working_filled_in_any_order() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    place = desk.place
    desk.seen(place, 900, 2)
    assert desk.copy_of(1).stage is Stage.FILLED
    desk.accepted(place)
    desk.sent(place)
    copy = desk.copy_of(1)
    assert (copy.stage, copy.order_id) == (Stage.FILLED, 900)
    assert desk.own == {ES: 2}


def test_an_order_whose_refusal_overtook_its_answer_is_not_told_as_placed() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    place = desk.place
    desk.seen(place, 900, status=Status.REJECTED, reject_reason="InvalidPrice")
    desk.accepted(place, 900, working=False)
    assert desk.copy_of(1).stage is Stage.REJECTED
    assert [one.event for one in desk.told if one.event.startswith("copy.")] == ["copy.failed"]


def test_an_order_that_was_seen_before_its_answer_is_known_by_the_answer_too() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    place = desk.place
    desk.foreign(order(900, BUY, terms(2), 2))
    desk.accepted(place, 900)
    assert desk.copy_of(1).stage is Stage.FILLED


def test_pending_new_of_a_working_order_is_no_news() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.seen(place, 900, status=Status.PENDING_NEW)
    assert desk.copy_of(1).stage is Stage.ACCEPTED
    desk.seen(place, 900)
    desk.seen(place, 900, status=Status.PENDING_NEW)
    desk.seen(place, 900, status=Status.UNKNOWN)
    assert desk.copy_of(1).stage is Stage.WORKING


def test_answer_lost_is_unknown_looked_up_and_told_and_openings_are_frozen() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place, look_up = unknown(desk)
    assert look_up.client_id == place.client_id
    assert desk.copy_of(1).stage is Stage.UNKNOWN
    assert "It will not be sent twice" in desk.heard("copy.unknown")[0]
    desk.leader(order(2, BUY, limit(1)))
    assert "looked up" in (desk.copy_of(2).reason or "")


def test_a_lost_order_that_is_found_goes_on() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place, look_up = unknown(desk)
    desk.looked_up(look_up, 900)
    assert desk.copy_of(1).stage is Stage.ACCEPTED
    desk.looked_up(look_up)
    assert desk.copy_of(1).stage is Stage.ACCEPTED
    desk.seen(place, 900)
    assert desk.copy_of(1).stage is Stage.WORKING


def test_a_failed_look_up_is_repeated() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place, look_up = unknown(desk)
    for _ in range(3):
        desk.hear(e.LookUpFailed(at=desk.now, copy=look_up.copy, client_id=look_up.client_id, reason="timeout"))
        assert len(desk.look_ups) == 1
    desk.seen(place, 900)
    desk.hear(e.LookUpFailed(at=desk.now, copy=look_up.copy, client_id=look_up.client_id, reason="timeout"))
    assert desk.look_ups == []


def test_an_absent_entry_is_never_sent_again_but_skipped_and_told_after_settle_and_two_look_ups() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    _, look_up = unknown(desk)
    for seconds in (0, 2, 4, 8, 15):  # too early to say anything, and yet it might be found
        assert (look_up.not_before - NOON).total_seconds() == seconds
        desk.looked_up(look_up)
        (look_up,) = desk.look_ups
    assert desk.copy_of(1).stage is Stage.UNKNOWN
    absent(desk, desk.look_ups[0])
    assert desk.copy_of(1).stage is Stage.SKIPPED
    assert "2 look-ups agree" in desk.heard("copy.skipped")[0]
    assert desk.places == []
    desk.leader(order(2, BUY, terms(1), 1))
    assert desk.places == []


def test_an_absent_exit_is_derived_again_with_a_new_id() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(2), 2))
    place, look_up = unknown(desk)
    absent(desk, look_up)
    assert desk.quantities == [(SELL, 2)]
    assert desk.place.client_id != place.client_id
    assert desk.place.copy == place.copy
    desk.fills(desk.place, 902)
    assert desk.own == {}


def test_an_exit_that_turns_up_after_all_is_corrected_at_once() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(2), 2))
    place, look_up = unknown(desk)
    absent(desk, look_up)
    desk.fills(desk.place, 902)
    desk.seen(place, 901, 2)
    assert "turned up" in desk.heard("copy.failed")[0]
    assert desk.quantities == [(BUY, 2)]
    desk.fills(desk.place, 903)
    assert desk.own == {}


def test_an_exit_that_turns_up_after_all_and_has_taken_us_out_too_far_is_told() -> None:
    """Found by a world: the leader had two left, we one, and the next entry went on top in silence."""
    desk = in_position(3)
    desk.leader(order(101, SELL, terms(1), 1))
    place, look_up = unknown(desk)
    absent(desk, look_up)
    desk.fills(desk.place, 902)
    desk.seen(place, 901, 1)
    assert desk.places == []
    (told,) = desk.heard("position.drifted")
    assert "short by 1 of 2 (an exit that was believed lost was there, and was done twice" in told
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.places == []


def test_an_exit_that_fills_beside_the_one_that_turned_up_is_told_when_it_takes_us_out_too_far() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, terms(1), 1))
    place, look_up = unknown(desk)
    absent(desk, look_up)
    again = desk.place
    desk.accepted(again, 902)
    desk.seen(place, 901, 1)
    assert [one.order_id for one in desk.cancels] == [902]
    assert desk.heard("position.drifted") == []
    desk.seen(again, 902, 1)
    (told,) = desk.heard("position.drifted")
    assert "short by 1 of 2" in told


def test_an_exit_that_turns_up_working_is_cancelled_and_the_present_one_makes_way() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5020)))
    place, look_up = unknown(desk)
    absent(desk, look_up)
    again = desk.place
    desk.accepted(again, 902)
    desk.seen(place, 901)
    assert {one.order_id for one in desk.cancels} == {901, 902}
    assert len({one.client_id for one in desk.cancels}) == len({one.copy for one in desk.cancels}) == 2
    assert desk.account.book.barred == {}
    desk.seen(place, 901, status=Status.CANCELED)
    desk.seen(place, 901, status=Status.CANCELED)
    assert desk.own == {ES: 2}


def test_an_entry_that_turns_up_after_all_is_closed_when_the_leader_has_gone() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    place, look_up = unknown(desk)
    absent(desk, look_up)
    desk.leader(order(2, SELL, terms(2), 2))
    desk.seen(place, 901, 2)
    assert desk.quantities == [(SELL, 2)]


def test_a_late_fact_about_an_earlier_attempt_changes_nothing() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, stop(2)))
    first = desk.place
    desk.accepted(first, 901)
    desk.seen(first, 901)
    desk.leader(order(102, SELL, limit(1, 5020)))
    second = desk.place
    desk.accepted(second, 902)
    desk.leader(order(102, SELL, limit(1, 5020), 1))
    desk.wait(5)
    desk.seen(second, 902, status=Status.CANCELED)
    desk.seen(first, 901, status=Status.CANCELED)
    close = desk.place
    desk.fills(close, 903)
    again = desk.place
    assert again.client_id != first.client_id
    assert again.terms == stop(2)
    desk.seen(first, 901, status=Status.CANCELED)
    assert desk.own == {ES: 2}
    desk.seen(first, 901, 1, Status.CANCELED)  # it fills after its cancel
    assert desk.own == {ES: 1}


def test_never_sent_is_certain_an_entry_is_skipped_and_an_exit_comes_again_after_a_second() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    desk.never_sent(desk.place)
    assert "never sent" in (desk.copy_of(1).reason or "")
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(2), 2))
    first = desk.place
    desk.never_sent(first)
    assert desk.places == []
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]
    assert desk.place.client_id != first.client_id


def test_a_reversal_that_is_not_there_is_closed_and_its_opening_is_missed() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(5), 5))
    desk.never_sent(desk.place)
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]


def test_an_answer_to_an_earlier_attempt_says_nothing_about_the_present_one() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(2), 2))
    first, look_up = unknown(desk)
    absent(desk, look_up)
    desk.refused(first)
    assert desk.copy_of(101).stage is Stage.INTENDED
    desk.hear(e.NeverSent(at=NOON, copy=CopyId("nobody"), client_id="nobody", reason="?"))
    assert desk.effects == ()


def test_news_that_the_chart_does_not_know_is_told_and_changes_nothing() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    place = desk.place
    desk.fills(place, 900)
    desk.refused(place)
    desk.never_sent(place)
    assert desk.copy_of(1).stage is Stage.FILLED
    assert [one for one in desk.heard("copy.failed") if "did not expect" in one]


@pytest.mark.parametrize("penalty", [False, True], ids=["refused", "put off"])
def test_a_no_to_a_change_that_has_been_given_up_is_no_news(penalty: bool) -> None:
    """It comes when the change was asked for again already: nothing to tell the operator."""
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 900)
    desk.seen(place, 900)
    desk.leader(order(1, BUY, limit(2), status=Status.CANCELED))
    (cancel,) = desk.cancels
    desk.sent(cancel)
    desk.answer_lost(cancel)
    desk.wait(20)
    (again,) = desk.cancels
    if penalty:
        desk.hear(
            e.RequestPenalised(
                at=desk.now, copy=cancel.copy, client_id=cancel.client_id, seconds=5, captcha=False, sent_at=NOON
            )
        )
    else:
        desk.refused(cancel, "TooLate")
    assert desk.effects == ()
    desk.seen(place, 900, status=Status.CANCELED)
    desk.refused(again, "TooLate")
    assert desk.heard("copy.failed") == []


def test_an_answer_lost_after_the_order_was_seen_is_no_loss() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.seen(place, 900)
    desk.answer_lost(place)
    assert desk.copy_of(1).stage is Stage.WORKING
    assert desk.look_ups == []


def test_a_late_refusal_of_an_old_change_does_not_free_the_order_for_a_second_request() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 900)
    desk.leader(order(1, BUY, limit(2, 5001), version=2))
    (old,) = desk.modifies
    desk.answer_lost(old)
    desk.wait(15)
    (new,) = desk.modifies
    desk.refused(old)
    assert desk.copy_of(1).pending == new.copy
    assert desk.modifies == []


def test_a_change_is_settled_by_the_orders_end() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 900)
    desk.leader(order(1, BUY, limit(2, 5001), version=2))
    (modify,) = desk.modifies
    desk.seen(place, 900, 2)
    change = desk.account.book.copies[modify.copy]
    assert (change.verb, change.stage) == (Verb.MODIFY, Stage.REJECTED)
    desk.refused(modify)
    desk.never_sent(modify)
    assert desk.own == {ES: 2}


def test_the_same_end_told_again_with_more_fills_moves_what_is_ours() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    place = desk.place
    desk.seen(place, 900, 1, Status.FILLED)
    desk.seen(place, 900, 2, Status.FILLED)
    assert desk.own == {ES: 2}
    assert desk.heard("copy.failed") == []
    assert desk.account.book.orders[OrderId(900)] == place.copy


def test_an_order_of_which_only_the_command_is_there_is_ended_by_a_reading_of_the_account() -> None:
    for exits in (False, True):
        desk = in_position(2) if exits else follower()
        desk.leader(order(1, SELL if exits else BUY, terms(2), 2))
        place, look_up = unknown(desk)
        for _ in range(9):
            desk.now = max(desk.now, look_up.not_before)
            desk.hear(
                e.LookedUp(
                    at=desk.now,
                    copy=look_up.copy,
                    client_id=look_up.client_id,
                    order_id=OrderId(901),
                    asked_at=desk.now,
                    shown=False,
                )
            )
            if not desk.look_ups:
                break
            (look_up,) = desk.look_ups
        assert desk.copy_of(1).stage is Stage.SKIPPED
        assert "shows none" in (desk.copy_of(1).reason or "")
        assert len(desk.made(ReadAnew)) == 1
        assert desk.places == []
        desk.read_anew(*((order(900, BUY, terms(2), 2),) if exits else ()), positions={ES: 2} if exits else {})
        assert desk.quantities == ([(SELL, 2)] if exits else [])
        assert place.client_id not in [one.client_id for one in desk.places]
        assert [one for one in desk.heard("copy.failed") if "its position decides" in one]
