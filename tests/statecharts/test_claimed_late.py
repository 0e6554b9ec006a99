"""Our order turns up without our name, when its request has been given up: it is counted once, and as ours."""

from __future__ import annotations

import pytest

from statecharts.effects import PlaceOrder
from statecharts.values import Status
from tests.statecharts.desk import BUY, ES, SELL, Desk, follower, in_position, limit, order, terms


def given_up(desk: Desk) -> PlaceOrder:
    """What is placed gets no answer, and is not found either."""
    place = desk.place
    desk.sent(place)
    desk.answer_lost(place)
    while desk.look_ups:
        desk.looked_up(desk.look_ups[0])
    return place


def claimed(desk: Desk, place: PlaceOrder, number: int, how: str) -> None:
    if how == "answer":
        desk.accepted(place, number, working=False)
    else:
        desk.seen(place, number, 2)


def whose(desk: Desk) -> tuple[int, int]:
    contract = desk.account.book.contract(ES)
    return contract.own, contract.foreign


@pytest.mark.parametrize("how", ["answer", "name"])
def test_an_entry(how: str) -> None:
    desk = follower()
    desk.leader(order(100, BUY, terms(2), 2))
    entry = given_up(desk)
    desk.foreign(order(900, BUY, terms(2), 2))
    assert whose(desk) == (0, 2)
    claimed(desk, entry, 900, how)
    assert whose(desk) == (2, 0)


@pytest.mark.parametrize("how", ["answer", "name"])
def test_a_closing_is_not_taken_for_a_position_on_the_other_side(how: str) -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5010)))
    exit_ = desk.place
    desk.accepted(exit_, 901)
    desk.leader(order(101, SELL, limit(2, 5010), 2))
    desk.wait(6)
    desk.seen(exit_, 901, 0, Status.CANCELED)
    closing = desk.place
    desk.sent(closing)
    desk.answer_lost(closing)
    (look_up,) = desk.look_ups
    desk.foreign(order(902, SELL, terms(2), 2))
    assert whose(desk) == (2, 0), "nobody's, while it may be ours"
    desk.looked_up(look_up)
    while desk.look_ups:
        desk.looked_up(desk.look_ups[0])
    assert whose(desk) == (0, 0)
    claimed(desk, closing, 902, how)
    desk.wait(60)
    assert whose(desk) == (0, 0)
    assert [one for one in desk.everything if isinstance(one, PlaceOrder)][-1] == closing, "nothing is bought"


def test_an_earlier_attempt_that_a_later_one_might_have_claimed() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(2, 5010)))
    first = given_up(desk)
    (second,) = (one for one in desk.places if one.client_id != first.client_id)
    assert second.terms == limit(2, 5010)
    desk.foreign(order(901, SELL, limit(2, 5010), 2))
    assert whose(desk) == (2, 0)
    desk.seen(first, 901, 2)
    assert whose(desk) == (0, 0)
