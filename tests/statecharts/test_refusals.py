"""The broker says no: what is not asked again, what is, when, and what is told."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from statecharts import events as e
from statecharts import refusals
from statecharts.effects import CancelOrder, PlaceOco, PlaceOrder, PlaceOso, Severity
from statecharts.order import Stage
from statecharts.reasons import Refusal
from statecharts.values import CopyId, OrderType, Status
from statecharts.view import View
from tests.statecharts.desk import (
    BUY,
    ES,
    LEAD_ID,
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
from tests.statecharts.families import bracket, oco

HOUR = timedelta(hours=1)


def closing(quantity: int = 3) -> Desk:
    """The leader has gone flat while nobody could see it: what we hold is being closed."""
    desk = in_position(quantity)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {}))
    return desk


def with_stop(quantity: int = 2) -> Desk:
    """In a position, with the leader's stop at work on both accounts."""
    desk = in_position(quantity)
    desk.leader(order(101, SELL, stop(quantity)))
    desk.accepted(desk.place, 901)
    return desk


def test_a_refused_entry_is_not_retried_and_the_contract_waits_until_the_leader_is_flat() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    desk.refused(desk.place, "InsufficientFunds", "margin")
    assert desk.places == []
    desk.leader(order(2, BUY, terms(1), 1))
    assert desk.places == []
    assert "InsufficientFunds: margin" in (desk.copy_of(2).reason or "")
    desk.leader(order(3, SELL, terms(3), 3), order(4, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_an_entry_that_the_exchange_rejects_is_a_refused_entry() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 900)
    desk.seen(place, 900, status=Status.REJECTED, reject_reason="price")
    assert desk.account.book.contract(ES).no_entry
    desk.leader(order(1, BUY, limit(2), 2))
    desk.leader(order(2, BUY, limit(1)))
    assert desk.places == []
    desk.leader(order(2, BUY, limit(1), status=Status.CANCELED), order(3, SELL, terms(2), 2))
    assert desk.account.book.contract(ES).no_entry is None


def test_a_refused_exit_of_what_the_leader_has_exited_is_closed_at_market_after_a_while() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, terms(2), 2))
    desk.refused(desk.place, "Transient")
    assert desk.told[-1].severity is Severity.PAGE
    assert desk.places == []
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]


def test_a_refused_stop_is_told_and_closed_when_the_leaders_fills() -> None:
    desk = in_position(3, flatten_when_stop_refused=False)
    desk.leader(order(101, SELL, stop(2)))
    desk.refused(desk.place, "InvalidPrice")
    assert "EXIT REFUSED" in desk.told[-1].message
    for _ in range(refusals.TRIES - 1):
        desk.wait(20)
        desk.refused(desk.place, "InvalidPrice")
    assert desk.copy_of(101).stage is Stage.REJECTED
    desk.wait(600)
    assert desk.places == [], "it is not asked for without end"
    desk.leader(order(101, SELL, stop(2), 2))
    assert desk.quantities == [(SELL, 2)]


def test_a_resting_exit_that_is_refused_for_a_moment_s_trouble_is_asked_for_again_as_it_was() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5010)))
    seen = set()
    for n in range(8):
        place = desk.place
        assert place.terms == limit(2, 5010)
        seen.add(place.client_id)
        desk.refused(place, "ExecutionProviderUnavailable")
        pages = [tell for tell in desk.told if tell.severity is Severity.PAGE and tell.event == "copy.failed"]
        assert len(pages) == 1, "the first is a page, the rest are told"
        wait = refusals.wait(Refusal.TRANSIENT, n) / SECOND
        desk.wait(wait - 0.5)
        assert desk.places == []
        desk.wait(0.5)
    assert len(seen) == 8
    desk.accepted(desk.place, 901)
    assert desk.copy_of(101).refusals == 0


def refused_again_and_again(desk: Desk, times: int, reason: str = "ExecutionProviderUnavailable") -> None:
    for n in range(times):
        desk.refused(desk.place, reason)
        assert (desk.places, desk.own) == ([], {ES: 2})
        desk.wait(refusals.wait(Refusal.TRANSIENT, n) / SECOND)


def paged(desk: Desk) -> list[str]:
    return [tell.message for tell in desk.told if tell.severity is Severity.PAGE and tell.event == "copy.failed"]


def test_a_stop_that_is_refused_five_times_is_answered_by_closing_though_the_reason_should_have_passed() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    refused_again_and_again(desk, refusals.TRIES - 1)
    desk.refused(desk.place, "ExecutionProviderUnavailable")
    assert desk.copy_of(101).stage is Stage.REJECTED
    assert desk.quantities == [(SELL, 2)] and desk.place.terms == terms(2)
    assert len(paged(desk)) == 2 and "closed at market" in paged(desk)[1]
    desk.fills(desk.place, 901)
    assert desk.own == {}
    assert "refused" in (desk.account.book.contract(ES).no_entry or "")


def test_a_stop_that_is_refused_five_times_is_only_told_and_tried_on() -> None:
    desk = in_position(2, flatten_when_stop_refused=False)
    desk.leader(order(101, SELL, stop(2)))
    refused_again_and_again(desk, refusals.TRIES + 2)
    assert desk.place.terms == stop(2)
    assert len(paged(desk)) == 2 and "on_stop_refused = tell" in paged(desk)[1]
    desk.accepted(desk.place, 901)
    assert desk.copy_of(101).refusals == 0


def test_a_stop_with_nothing_of_ours_behind_it_is_asked_for_without_end() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    refused_again_and_again(desk, 2)
    place = desk.place
    desk.foreign(order(7, SELL, terms(2), 2))
    desk.refused(place, "ExecutionProviderUnavailable")
    assert all("closed at market" not in words for words in paged(desk))


@pytest.mark.parametrize("carries", ["stop", "limit"])
def test_of_an_oco_that_is_refused_for_a_moment_s_trouble_both_are_asked_for_again(carries: str) -> None:
    desk = in_position(2)
    legs = [(SELL, limit(2, 5020)), (SELL, stop(2))]
    desk.frame(*oco(101, *(reversed(legs) if carries == "stop" else legs)))
    for n in range(refusals.TRIES - 1):
        assert isinstance(desk.place, PlaceOco)
        desk.refused(desk.place, "ExecutionProviderUnavailable")
        assert desk.places == []
        desk.wait(refusals.wait(Refusal.TRANSIENT, n) / SECOND)
    desk.refused(desk.place, "ExecutionProviderUnavailable")
    assert [place.terms for place in desk.places] == [terms(2)]
    desk.fills(desk.place, 901)
    assert desk.own == {}


def test_a_bracket_s_stop_that_is_rejected_again_and_again_ends_in_a_close() -> None:
    desk = follower()
    desk.frame(*bracket(1, terms(2), 2))
    entry = desk.place
    assert isinstance(entry, PlaceOso)
    desk.accepted(entry, 901, legs=(902, 903))
    desk.seen(entry, 901, 2)
    why = "ExecutionProviderUnavailable"
    stopped = entry.brackets[1]
    number, name = 903, stopped.client_id
    for n in range(refusals.TRIES):
        one = order(number, SELL, stop(2), status=Status.REJECTED, client_ids=frozenset({name}), reject_reason=why)
        desk.foreign(one)
        if n == refusals.TRIES - 1:
            break
        desk.wait(refusals.wait(Refusal.TRANSIENT, n) / SECOND)
        (again,) = [place for place in desk.places if place.terms.order_type is OrderType.STOP]
        number, name = number + 1, again.client_id
        desk.accepted(again, number, working=False)
    assert "closed at market" in paged(desk)[-1]
    assert desk.account.book.contract(ES).close_to == 0


def test_a_refused_resting_exit_whose_leader_order_fills_meanwhile_is_closed_at_market() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    desk.refused(desk.place, "NoQuote")
    desk.leader(order(101, SELL, stop(2), 2))
    assert desk.copy_of(101).stage is Stage.SKIPPED
    assert desk.quantities == [(SELL, 2)]
    assert desk.place.terms == terms(2)


def test_a_refused_resting_exit_whose_leader_order_is_cancelled_is_not_asked_for_again() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5010)))
    desk.refused(desk.place, "NoQuote")
    desk.leader(order(101, SELL, limit(2, 5010), status=Status.CANCELED))
    desk.wait(60)
    assert desk.places == []
    assert desk.own == {ES: 2}


def test_a_refused_reversal_is_closed_and_what_it_would_have_opened_waits() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(5), 5))
    desk.refused(desk.place, "Transient")
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]
    desk.fills(desk.place, 901)
    desk.leader(order(102, SELL, terms(1), 1))
    assert "a reversal was refused" in (desk.copy_of(102).reason or "")


def test_a_resting_reversal_that_is_refused_is_told_and_not_asked_for_again() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(5, 5010)))
    desk.refused(desk.place, "NoQuote")
    desk.wait(60)
    assert desk.places == []
    desk.leader(order(101, SELL, limit(5, 5010), 5))
    assert desk.quantities == [(SELL, 2)]


def test_a_closing_that_is_too_large_for_one_order_goes_in_pieces() -> None:
    desk = closing(5)
    assert desk.quantities == [(SELL, 5)]
    desk.refused(desk.place, "MaxOrderQtyLimitReached")
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]
    desk.fills(desk.place, 901)
    assert desk.quantities == [(SELL, 2)]
    desk.fills(desk.place, 902)
    assert desk.quantities == [(SELL, 1)]
    desk.fills(desk.place, 903)
    assert desk.own == {}
    contract = desk.account.book.contract(ES)
    assert (contract.piece, contract.close_to) == (None, None)


@pytest.mark.parametrize(("reason", "text"), [("MaxPosLimitReached", ""), ("OtherExecutionRelated", "self-match")])
def test_a_closing_that_may_conflict_with_our_own_orders_waits_until_they_are_gone(reason: str, text: str) -> None:
    desk = in_position(2)
    desk.leader(order(102, BUY, limit(1)))
    desk.accepted(desk.place, 902)
    entry = desk.copy_of(102)
    desk.leader(order(103, SELL, terms(2), 2))
    desk.refused(desk.place, reason, text)
    desk.wait(1)
    assert desk.places == []
    (cancel,) = desk.cancels
    assert cancel.order_id == entry.order_id
    desk.accepted(cancel)
    assert desk.places == []
    desk.foreign(order(902, BUY, limit(1), status=Status.CANCELED, client_ids=frozenset({entry.client_id})))
    assert desk.quantities == [(SELL, 2)]
    desk.fills(desk.place, 903)
    assert not desk.account.book.contract(ES).clear


def test_a_stop_that_made_way_for_a_closing_is_back_while_the_closing_is_refused() -> None:
    desk = with_stop(3)
    stop_ = desk.copy_of(101)
    desk.leader(order(102, SELL, limit(3, 5010)))
    target = desk.place
    desk.accepted(target, 902)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {ES: 1}))
    for cancel in tuple(desk.cancels):
        desk.accepted(cancel)
    desk.seen(target, 902, status=Status.CANCELED)
    desk.foreign(order(901, SELL, stop(3), status=Status.CANCELED, client_ids=frozenset({stop_.client_id})))
    assert desk.quantities == [(SELL, 2)]
    desk.refused(desk.place, "RiskCheckTimeout")
    assert [(one.side, one.terms) for one in desk.places] == [(SELL, stop(3))]
    again = desk.place
    desk.accepted(again, 905)
    desk.wait(1)
    (cancel,) = desk.cancels
    assert (cancel.order_id, desk.places) == (905, [])
    desk.accepted(cancel)
    desk.seen(again, 905, status=Status.CANCELED)
    assert desk.quantities == [(SELL, 2)]


@pytest.mark.parametrize("reason", ["429", "TradingLocked", "AccessDenied"])
def test_a_stop_that_would_be_refused_as_well_is_not_asked_for(reason: str) -> None:
    desk = with_stop(3)
    stop_ = desk.copy_of(101)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {ES: 1}))
    desk.accepted(desk.cancels[0])
    desk.foreign(order(901, SELL, stop(3), status=Status.CANCELED, client_ids=frozenset({stop_.client_id})))
    desk.refused(desk.place, reason)
    assert desk.places == []


def test_our_stop_stays_when_the_leader_is_out_and_our_exit_is_not_yet() -> None:
    desk = with_stop(2)
    desk.leader(order(102, SELL, terms(2), 2))
    exit_ = desk.place
    desk.leader(order(101, SELL, stop(2), status=Status.CANCELED))
    assert desk.cancels == []
    desk.refused(exit_, "RiskCheckTimeout")
    assert desk.cancels == [], "not before the close that takes its place"
    desk.wait(1)
    (cancel,) = desk.cancels
    desk.accepted(cancel)
    desk.foreign(
        order(
            901,
            SELL,
            stop(2),
            status=Status.CANCELED,
            client_ids=desk.copy_of(101).client_id and frozenset({desk.copy_of(101).client_id}),
        )
    )
    assert desk.quantities == [(SELL, 2)]


def test_our_stop_goes_when_our_exit_has_filled() -> None:
    desk = with_stop(2)
    desk.leader(order(102, SELL, terms(2), 2))
    exit_ = desk.place
    desk.leader(order(101, SELL, stop(2), status=Status.CANCELED))
    desk.fills(exit_, 902)
    assert [one.order_id for one in desk.cancels] == [901]


def test_our_stop_goes_when_an_exit_waits_for_it_to_make_way() -> None:
    desk = with_stop(2)
    place = next(one for one in desk.everything if isinstance(one, PlaceOrder) and one.terms == stop(2))
    desk.seen(place, 901, asked=stop(2), status=Status.PENDING_REPLACE)
    desk.account = attrs.evolve(
        desk.account,
        book=desk.account.book.with_copy(attrs.evolve(desk.copy_of(101), pending=CopyId("cpd-under-way"))),
    )
    desk.leader(order(101, SELL, stop(2), status=Status.CANCELED))
    desk.leader(order(102, SELL, terms(2), 2))
    assert (desk.copy_of(102).stage, desk.cancels) == (Stage.HELD, [])
    desk.account = attrs.evolve(
        desk.account, book=desk.account.book.with_copy(attrs.evolve(desk.copy_of(101), pending=None))
    )
    desk.wait(60)
    desk.hear(e.PositionSeen(at=desk.now, symbol=ES, net=2))
    assert [one.order_id for one in desk.everything if isinstance(one, CancelOrder)] == [901]


def test_our_stop_goes_at_once_when_the_leader_stays_without_one() -> None:
    desk = with_stop(2)
    desk.leader(order(101, SELL, stop(2), status=Status.CANCELED))
    assert [one.order_id for one in desk.cancels] == [901]


def test_exits_are_tried_sparingly_while_the_broker_limits_requests() -> None:
    desk = closing()
    waits = []
    for _ in range(7):
        desk.refused(desk.place, "429", "the broker limits this login's requests")
        retry_at = desk.account.book.contract(ES).retry_at
        assert retry_at is not None
        waits.append((retry_at - desk.now) / SECOND)
        desk.wait(waits[-1])
    assert waits == [15, 30, 60, 120, 240, 300, 300]


def test_a_limit_is_waited_for_as_often_as_there_was_one_whatever_else_was_refused_before() -> None:
    desk = closing()
    waits = []
    for reason in (*["MaxPosLimitReached"] * 6, "429", "429", "MaxPosLimitReached", "429"):
        desk.refused(desk.place, reason, "refused")
        retry_at = desk.account.book.contract(ES).retry_at
        assert retry_at is not None
        waits.append((retry_at - desk.now) / SECOND)
        desk.wait(waits[-1])
    assert waits == [1, 2, 4, 8, 16, 30, 15, 30, 30, 15]


def test_a_closing_waits_no_longer_for_a_clock_that_was_set_right() -> None:
    desk = closing()
    desk.now += HOUR
    for _ in range(2):
        desk.refused(desk.place, "429", "the broker limits this login's requests")
        desk.wait(30)
    desk.refused(desk.place, "429", "the broker limits this login's requests")
    desk.now -= HOUR
    desk.hear(e.AlarmRang(at=desk.now))
    assert desk.places == []
    desk.now += 61 * SECOND
    desk.hear(e.AlarmRang(at=desk.now))
    assert desk.place.terms.quantity == 3


def test_a_change_that_is_refused_for_a_moment_s_trouble_is_asked_for_again() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    desk.accepted(desk.place, 900)
    desk.leader(order(1, BUY, limit(2, 5001), version=2))
    desk.refused(desk.modifies[0], "AnotherCommandPending")
    assert desk.modifies == []
    desk.wait(5)
    assert [one.terms for one in desk.modifies] == [limit(2, 5001)]
    desk.refused(desk.modifies[0], "InvalidPrice")
    desk.wait(600)
    assert desk.modifies == [], "a price that is wrong stays so"


def test_a_refused_change_of_an_order_that_is_at_its_end_says_nothing() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 900)
    desk.leader(order(1, BUY, limit(2), status=Status.CANCELED))
    (cancel,) = desk.cancels
    desk.seen(place, 900, status=Status.CANCELED)
    desk.refused(cancel, "AccessDenied", "Access is denied")
    assert desk.heard("copy.failed") == []


def test_a_stop_that_is_refused_for_good_is_closed_in_the_same_turn() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    desk.refused(desk.place, "InvalidPrice")
    assert desk.quantities == [(SELL, 2)] and desk.place.terms == terms(2)
