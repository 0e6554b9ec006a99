"""One unknown at a time: while an answer is lost its contract is frozen, and what waited goes when it is looked up."""

from __future__ import annotations

import pytest

from statecharts import events as e
from statecharts.effects import LookUp, PlaceOco, PlaceOrder
from statecharts.order import Stage
from statecharts.sizing import Kind
from statecharts.values import OrderId
from tests.statecharts.desk import BUY, ES, MES, SELL, Desk, follower, in_position, limit, order, stop, terms


def lost(desk: Desk) -> tuple[PlaceOrder, LookUp]:
    place = desk.place
    desk.sent(place)
    desk.answer_lost(place)
    (look_up,) = desk.look_ups
    return place, look_up


def absent(desk: Desk, look_up: LookUp) -> None:
    """Looked up in vain, until something is sent again or nobody asks any more."""
    desk.looked_up(look_up)
    while desk.look_ups and not desk.places:
        desk.looked_up(desk.look_ups[0])


def added(quantity: int = 2, more: int = 1) -> tuple[Desk, PlaceOrder, LookUp]:
    """We hold `quantity`, and the answer to `more` of them is lost."""
    desk = in_position(quantity)
    desk.leader(order(101, BUY, terms(more), more))
    return desk, *lost(desk)


def test_an_exit_beside_a_lost_entry_waits_until_it_is_found_and_takes_both() -> None:
    desk, entry, look_up = added(2, 1)
    desk.leader(order(102, SELL, terms(3), 3))
    assert desk.places == [] and desk.copy_of(102).stage is Stage.HELD
    assert "looked up" in (desk.copy_of(102).reason or "")
    desk.looked_up(look_up, 901)
    assert desk.places == [], "what it has filled is on its way"
    desk.seen(entry, 901, 1)
    assert desk.quantities == [(SELL, 3)]


def test_an_exit_beside_a_lost_entry_takes_what_is_ours_when_that_is_absent() -> None:
    desk, _, look_up = added(2, 1)
    desk.leader(order(102, SELL, terms(3), 3))
    absent(desk, look_up)
    assert desk.quantities == [(SELL, 2)]
    desk.fills(desk.place, 902)
    assert desk.own == {} and desk.places == []


@pytest.mark.parametrize("found", [True, False])
def test_an_exit_beside_a_lost_exit_never_takes_what_that_one_takes(found: bool) -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, terms(2), 2))
    first, look_up = lost(desk)
    desk.leader(order(102, SELL, terms(1), 1))
    assert desk.places == []
    if found:
        desk.seen(first, 901, 2)
        assert desk.quantities == [(SELL, 1)]
        desk.fills(desk.place, 902)
    else:
        absent(desk, look_up)
        again = desk.places
        assert sorted(one.terms.quantity for one in again) == [1, 2]
        for number, one in enumerate(again, start=902):
            desk.fills(one, number)
    assert desk.own == {}


def test_nothing_opens_so_late_of_a_reversal() -> None:
    desk, entry, _ = added(2, 1)
    desk.leader(order(102, SELL, terms(5), 5))
    assert desk.places == []
    assert desk.copy_of(102).kind is Kind.EXIT
    desk.seen(entry, 901, 1)
    assert desk.quantities == [(SELL, 3)]
    desk.fills(desk.place, 902)
    assert desk.own == {}
    desk.leader(order(103, SELL, terms(1), 1))
    assert desk.places == [] and "missed" in (desk.copy_of(103).reason or "")


def test_a_stop_waits_too_and_what_rests_at_the_broker_stays() -> None:
    desk = in_position(2)
    desk.leader(order(103, SELL, stop(2, 4980)))
    resting = desk.place
    desk.accepted(resting, 905)
    desk.leader(order(101, BUY, terms(1), 1))
    entry, _ = lost(desk)
    desk.leader(order(102, SELL, stop(1)))
    assert (desk.places, desk.cancels) == ([], [])
    desk.leader(order(103, SELL, stop(2, 4985), version=1103))
    assert [one.order_id for one in desk.modifies] == [905], "what is there goes on following the leader's price"
    desk.seen(entry, 901, 1)
    assert desk.quantities == [(SELL, 1)]


def test_an_oco_that_waited_goes_out_as_one() -> None:
    desk, entry, _ = added(1, 1)
    pair = order(102, SELL, limit(2, 5020), oco_id=OrderId(103)), order(103, SELL, stop(2), oco_id=OrderId(102))
    desk.frame(*pair)
    assert desk.places == []
    desk.seen(entry, 901, 1)
    (oco,) = desk.places
    assert isinstance(oco, PlaceOco) and oco.terms.quantity == 2


def test_a_child_that_came_late_waits_although_its_entry_has_filled() -> None:
    desk = follower()
    desk.leader(order(100, BUY, terms(2), 2))
    desk.fills(desk.place, 900)
    desk.leader(order(101, BUY, terms(1), 1))
    entry, _ = lost(desk)
    desk.leader(order(102, SELL, stop(2), parent_id=OrderId(100)))
    assert desk.places == []
    desk.seen(entry, 901, 1)
    assert desk.quantities == [(SELL, 2)]


def test_another_contract_goes_on() -> None:
    desk, _, _ = added()
    desk.leader(order(200, BUY, terms(1), 1, symbol=MES))
    assert [one.symbol for one in desk.places] == [MES]


def test_an_opening_grows_by_no_change_beside_an_unknown() -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(1)))
    desk.accepted(desk.place, 901, working=False)  # its own command is pending: it is not changed yet
    desk.leader(order(101, BUY, limit(2), version=1101))
    assert desk.modifies == []
    desk.leader(order(102, BUY, terms(1), 1))
    entry, _ = lost(desk)
    desk.wait(3)
    assert desk.modifies == []
    desk.seen(entry, 902, 1)
    assert [(one.order_id, one.terms.quantity) for one in desk.modifies] == [(901, 2)]


def test_an_opening_may_shrink_or_go_beside_an_unknown() -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(2)), order(103, BUY, limit(1)))
    for place, number in zip([one for one in desk.everything if isinstance(one, PlaceOrder)], (901, 903), strict=True):
        desk.accepted(place, number)
    desk.leader(order(102, BUY, terms(1), 1))
    lost(desk)
    desk.leader(order(101, BUY, limit(1), version=1101))
    assert [one.terms.quantity for one in desk.modifies] == [1]
    desk.hear(e.PauseAsked(at=desk.now))
    assert 903 in [one.order_id for one in desk.cancels]


def test_a_look_up_that_fails_keeps_it_frozen() -> None:
    desk, _, look_up = added()
    desk.leader(order(102, SELL, terms(3), 3))
    for _ in range(3):
        desk.hear(e.LookUpFailed(at=desk.now, copy=look_up.copy, client_id=look_up.client_id, reason="no session"))
        desk.wait(5)
        assert desk.places == []
    assert desk.own == {ES: 2}


def accepted_and_not_shown(desk: Desk) -> LookUp:
    """By the answer alone; nothing else comes of it."""
    place = desk.place
    desk.sent(place)
    desk.accepted(place, 950, working=False)
    desk.wait(14)
    assert desk.look_ups == [] and desk.heard("copy.unknown") == []
    desk.wait(1)
    (message,) = desk.heard("copy.unknown")
    assert "accepted, and neither an event nor a list has shown it since" in message
    (look_up,) = desk.look_ups
    return look_up


def test_an_entry_that_was_accepted_and_is_nowhere_is_looked_up_and_told_as_missed() -> None:
    desk = follower()
    desk.leader(order(100, BUY, terms(1), 1))
    absent(desk, accepted_and_not_shown(desk))
    assert desk.copy_of(100).stage is Stage.SKIPPED and desk.places == []
    (message,) = desk.heard("copy.skipped")
    assert "accepted, and 2 look-ups agree that the broker does not have it" in message
    assert desk.account.book.contract(ES).no_entry is not None


def test_an_exit_that_was_accepted_and_is_nowhere_is_made_again() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(2), 2))
    absent(desk, accepted_and_not_shown(desk))
    assert desk.quantities == [(SELL, 2)]
    desk.fills(desk.place, 951)
    assert desk.own == {}


def test_an_order_that_a_look_up_shows_and_nothing_else_is_asked_for_once_a_minute() -> None:
    desk = follower()
    desk.leader(order(100, BUY, terms(1)))
    desk.looked_up(accepted_and_not_shown(desk), 950)
    assert desk.copy_of(100).stage is Stage.ACCEPTED and desk.look_ups == []
    desk.wait(59)
    assert desk.look_ups == []
    desk.wait(1)
    assert len(desk.look_ups) == 1


def test_an_order_that_is_shown_in_time_is_not_looked_up() -> None:
    desk = follower()
    desk.leader(order(100, BUY, terms(1)))
    place = desk.place
    desk.sent(place)
    desk.accepted(place, 950)
    desk.wait(120)
    assert desk.look_ups == [] and desk.heard("copy.unknown") == []
