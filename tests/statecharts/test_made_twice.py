"""The broker has two orders of one name: a power cut had taken the first from the ledger, and nobody showed it yet."""

from __future__ import annotations

import pytest

from statecharts.effects import CancelOrder
from statecharts.order import Stage
from statecharts.values import Status
from tests.statecharts.desk import BUY, ES, SELL, Desk, follower, in_position, limit, order, terms
from tests.statecharts.gaps import holding, ours

TWICE = "ESZ6: the broker has made an order of ours twice"


def cancelled(desk: Desk) -> list[int | None]:
    return [one.order_id for one in desk.everything if isinstance(one, CancelOrder)]


@pytest.mark.parametrize("answered", [901, 902])
def test_an_entry_that_has_filled_twice_is_ours_twice_and_what_is_too_much_is_closed(answered: int) -> None:
    """The first one is told of while the second is on its way; the answer is the second's."""
    desk = follower()
    desk.leader(order(101, BUY, terms(2), 2))
    entry = desk.place
    desk.sent(entry)
    desk.seen(entry, 901, 2)
    desk.accepted(entry, answered, working=False)
    desk.seen(entry, 902, 2)
    assert desk.own == {ES: 4} and desk.quantities == [(SELL, 2)]
    assert desk.heard("copy.failed") == [f"{TWICE} (filled); what it did is corrected at once"]
    closing = desk.place
    desk.seen(entry, 901, 2)
    assert desk.own == {ES: 4} and desk.copy_of(101).order_id == 901
    desk.fills(closing, 903)
    assert desk.own == {ES: 2}
    desk.leader(order(102, SELL, terms(2), 2))
    assert desk.quantities == [(SELL, 2)]


def test_of_two_that_rest_the_second_is_cancelled_and_the_first_stays() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5010)))
    exit_ = desk.place
    desk.accepted(exit_, 901)
    desk.seen(exit_, 902)
    desk.wait(60)
    assert cancelled(desk) == [902]
    assert (desk.copy_of(101).stage, desk.copy_of(101).order_id) == (Stage.WORKING, 901)
    desk.seen(exit_, 901, 2)
    assert desk.own == {}


def test_an_exit_that_was_done_twice_is_bought_back() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(2), 2))
    exit_ = desk.place
    desk.fills(exit_, 901)
    desk.seen(exit_, 902, 2)
    assert desk.own == {ES: -2} and desk.quantities == [(BUY, 2)]


def test_one_that_the_broker_has_refused_because_of_the_first_is_nothing() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5010)))
    exit_ = desk.place
    desk.accepted(exit_, 901)
    desk.seen(exit_, 902, 0, Status.REJECTED, reject_reason="UnknownReason: duplicate")
    assert desk.copy_of(101).stage is Stage.WORKING
    assert desk.places == [] and desk.heard("copy.failed") == []


def test_an_earlier_attempt_that_the_lists_have_not_shown_for_a_while_is_not_counted_again() -> None:
    desk, entry = holding(3)
    desk.leader(order(101, SELL, limit(3, 5010)))
    first = desk.place
    desk.accepted(first, 901)
    desk.seen(first, 901, 1)
    desk.leader(order(101, SELL, limit(3, 5010), 1))
    desk.leader(order(102, SELL, None, 1, Status.FILLED, unsupported="QTS"))
    desk.seen(first, 901, 1, Status.CANCELED)
    closing = desk.place
    desk.fills(closing, 903)
    again = desk.place
    assert again.copy == first.copy and again.client_id != first.client_id
    desk.accepted(again, 904)
    assert desk.own == {ES: 1}
    shown = [entry, ours(desk, closing, 903, 1), ours(desk, again, 904)]
    desk.read_anew(*shown, positions={ES: 1})
    desk.read_anew(*shown, ours(desk, first, 901, 1, Status.CANCELED), positions={ES: 1})
    contract = desk.account.book.contract(ES)
    assert (contract.own, contract.foreign) == (1, 0)
    assert desk.cancels == [] and desk.heard("copy.failed") == []
