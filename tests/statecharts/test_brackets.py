"""Orders of the leader that belong together go out together; those that come later wait for what their entry fills."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import attrs

from statecharts import identity
from statecharts.effects import PlaceOco, PlaceOrder, PlaceOso, Priority
from statecharts.order import Stage
from statecharts.values import OrderId, OrderType
from tests.statecharts.desk import (
    BUY,
    ES,
    EVAL_ID,
    LEAD_ID,
    SELL,
    Desk,
    follower,
    in_position,
    limit,
    order,
    stop,
    terms,
)
from tests.statecharts.exchange import Exchange
from tests.statecharts.families import bracket, done, ended, oco


def oso(desk: Desk) -> PlaceOso:
    (one,) = desk.places
    assert isinstance(one, PlaceOso)
    return one


def the_oco(desk: Desk) -> PlaceOco:
    (one,) = desk.places
    assert isinstance(one, PlaceOco)
    return one


def test_children_in_the_frame_of_their_parent_go_out_with_it() -> None:
    desk = follower()
    desk.frame(*bracket(1, limit(2)))
    place = oso(desk)
    assert (place.side, place.terms, place.priority) == (BUY, limit(2), Priority.ENTRY)
    assert [(leg.side, leg.terms) for leg in place.brackets] == [(SELL, limit(2, 5020)), (SELL, stop(2))]
    names = [identity.client_order_id(LEAD_ID, EVAL_ID, n, "place", 0, 0) for n in (1, 2, 3)]
    assert [place.client_id, *(leg.client_id for leg in place.brackets)] == names
    assert [desk.copy_of(n).stage for n in (1, 2, 3)] == [Stage.INTENDED] * 3
    desk.sent(place)
    assert [desk.copy_of(n).stage for n in (1, 2, 3)] == [Stage.SENT] * 3
    desk.accepted(place, 901, legs=(902, 903))
    assert [desk.copy_of(n).order_id for n in (1, 2, 3)] == [901, 902, 903]


def test_the_order_of_the_facts_in_a_frame_does_not_matter() -> None:
    for turn in ((2, 1, 0), (1, 0, 2), (2, 0, 1)):
        desk = follower()
        family = bracket(1, limit(2))
        desk.frame(*(family[place] for place in turn))
        assert len(oso(desk).brackets) == 2


def test_one_child_alone_goes_out_with_its_parent_too() -> None:
    desk = follower()
    entry, _, stopped = bracket(1, limit(2))
    desk.frame(entry, attrs.evolve(stopped, oco_id=None))
    assert [leg.terms for leg in oso(desk).brackets] == [stop(2)]


def test_a_market_entry_that_has_filled_in_the_same_frame_goes_out_with_its_legs() -> None:
    desk = follower()
    desk.frame(*bracket(1, terms(2), 2))
    assert oso(desk).terms.order_type is OrderType.MARKET
    assert len(oso(desk).brackets) == 2


def test_an_entry_that_has_filled_in_part_goes_out_with_legs_that_grow_with_it() -> None:
    desk = follower()
    desk.frame(*bracket(1, limit(4), 1, awake=True, size=1))
    assert (oso(desk).terms.quantity, len(oso(desk).brackets)) == (4, 2)


def test_legs_follow_the_followers_own_size() -> None:
    desk = follower(ratio=Decimal("0.5"))
    desk.frame(*bracket(1, limit(3)))
    assert [oso(desk).terms.quantity, *(leg.terms.quantity for leg in oso(desk).brackets)] == [1, 1, 1]


def test_an_inverse_followers_stop_is_the_leaders_target() -> None:
    desk = follower(ratio=Decimal(-1))
    desk.frame(*bracket(1, limit(2)))
    place = oso(desk)
    assert (place.side, place.terms.order_type) == (SELL, OrderType.STOP)
    first, second = place.brackets
    assert (first.side, first.terms.order_type, first.terms.stop_price) == (BUY, OrderType.STOP, Decimal(5020))
    assert (second.side, second.terms.order_type, second.terms.price) == (BUY, OrderType.LIMIT, Decimal(4990))


def test_two_that_cancel_each_other_are_an_oco() -> None:
    desk = in_position(2)
    desk.frame(*oco(101, (SELL, limit(2, 5020)), (SELL, stop(2))))
    place = the_oco(desk)
    assert (place.side, place.terms, place.priority) == (SELL, limit(2, 5020), Priority.EXIT)
    assert (place.other.side, place.other.terms) == (SELL, stop(2))
    desk.accepted(place, 901, legs=(902,))
    assert [desk.copy_of(n).order_id for n in (101, 102)] == [901, 902]


def test_an_oco_of_entries_is_an_entry() -> None:
    desk = follower()
    desk.frame(*oco(1, (BUY, stop(2, 5010)), (SELL, stop(2))))
    assert the_oco(desk).priority is Priority.ENTRY


def test_of_an_oco_of_different_sizes_the_larger_is_changed_to_its_own() -> None:
    desk = follower()
    desk.frame(*oco(1, (BUY, stop(1, 5010)), (SELL, stop(3))))
    place = the_oco(desk)
    assert (place.terms.quantity, place.other.terms.quantity) == (1, 1)
    exchange = Exchange(desk)
    exchange.take()
    exchange.settle()
    assert [one.terms.quantity for _, one in exchange.orders.values() if one.terms] == [1, 3]


def test_of_an_oco_of_which_one_is_skipped_the_other_goes_alone() -> None:
    desk = follower(ratio=Decimal("0.5"))
    desk.frame(*oco(1, (BUY, stop(1, 5010)), (SELL, stop(2))))
    assert type(desk.place) is PlaceOrder
    assert desk.copy_of(1).stage is Stage.SKIPPED


def test_one_that_names_a_partner_waits_for_it_a_moment() -> None:
    desk = follower()
    one, other = oco(1, (BUY, stop(2, 5010)), (SELL, stop(2)))
    desk.leader(one)
    assert desk.places == []
    desk.wait(0.2)
    desk.leader(other)
    assert {the_oco(desk).terms, the_oco(desk).other.terms} == {stop(2, 5010), stop(2)}
    desk = follower()
    desk.leader(one)
    desk.wait(0.5)
    assert type(desk.place) is PlaceOrder
    desk.leader(other)
    assert type(desk.place) is PlaceOrder


def test_one_that_ends_while_it_waits_is_skipped() -> None:
    desk = follower()
    one, _ = oco(1, (BUY, stop(2, 5010)), (SELL, stop(2)))
    desk.leader(one)
    desk.leader(ended(one))
    assert desk.places == []
    assert desk.copy_of(1).stage is Stage.SKIPPED
    assert not desk.account.book.waiting


def test_bracket_wait_holds_an_entry_for_its_children() -> None:
    desk = follower(bracket_wait=timedelta(milliseconds=300))
    entry, target, stopped = bracket(1, limit(2))
    desk.leader(entry)
    assert desk.places == []
    desk.wait(0.1)
    desk.frame(target, stopped)
    assert len(oso(desk).brackets) == 2
    desk.leader(order(9, BUY, limit(1)))
    assert desk.places == []
    desk.wait(0.3)
    assert type(desk.place) is PlaceOrder


def test_bracket_wait_holds_no_exit() -> None:
    desk = follower(bracket_wait=timedelta(milliseconds=300))
    desk.leader(order(1, BUY, terms(2), 2))
    desk.wait(0.3)
    desk.fills(desk.place, 900)
    desk.leader(order(101, SELL, terms(2), 2))
    assert desk.quantities == [(SELL, 2)]


def test_a_shadow_writes_every_one_of_a_family_down_and_sends_none() -> None:
    desk = follower(shadow=True)
    desk.frame(*oco(1, (BUY, stop(2, 5010)), (SELL, stop(2))))
    entry, target, stopped = bracket(11, limit(2))
    desk.frame(entry, target, stopped)
    assert desk.places == []
    assert [desk.copy_of(n).stage for n in (1, 2, 11)] == [Stage.SHADOWED] * 3
    desk.frame(*bracket(11, limit(2), 2))
    assert [desk.copy_of(n).stage for n in (12, 13)] == [Stage.SHADOWED] * 2


def test_a_bracket_for_a_part_of_its_entry_is_no_oso() -> None:
    desk = follower()
    desk.frame(*bracket(1, limit(4), size=2))
    assert type(desk.place) is PlaceOrder
    assert [desk.copy_of(n).stage for n in (2, 3)] == [Stage.HELD] * 2
    exchange = Exchange(desk)
    exchange.take()
    exchange.answer("well")
    exchange.fill(OrderId(5001), 4)
    exchange.tell(OrderId(5001))
    place = the_oco(desk)
    assert (place.terms.quantity, place.other.terms.quantity) == (2, 2)


def test_children_without_a_common_end_are_no_oso() -> None:
    desk = follower()
    entry, target, stopped = bracket(1, limit(2))
    desk.frame(entry, attrs.evolve(target, oco_id=None), attrs.evolve(stopped, oco_id=None))
    assert type(desk.place) is PlaceOrder


def test_a_child_that_cannot_be_copied_is_no_bracket_of_ours() -> None:
    desk = follower()
    entry, target, stopped = bracket(1, limit(2))
    desk.frame(entry, target, attrs.evolve(stopped, terms=None, unsupported="QTS"))
    assert [leg.terms for leg in oso(desk).brackets] == [limit(2, 5020)]


def test_a_reversal_protects_what_it_opens() -> None:
    desk = in_position(2)
    _, target, stopped = bracket(101, terms(5), 5, side=SELL, target=4980, stopped=5010, size=3)
    desk.frame(order(101, SELL, terms(5), 5), target, stopped)
    place = desk.place
    assert (type(place), place.terms.quantity) == (PlaceOrder, 5)
    desk.accepted(place, 901)
    desk.seen(place, 901, 2)
    assert desk.places == []
    desk.seen(place, 901, 5)
    assert the_oco(desk).terms.quantity == 3


def test_children_of_a_skipped_entry_are_skipped_and_what_they_exit_at_the_leader_is_exited() -> None:
    desk = follower(ratio=Decimal("0.5"))
    desk.frame(*bracket(1, terms(1), 1))
    assert [desk.copy_of(n).stage for n in (1, 2, 3)] == [Stage.SKIPPED] * 3
    desk.frame(*bracket(11, terms(1), 1))
    place = oso(desk)
    desk.accepted(place, 900, legs=(901, 902))
    desk.seen(place, 900, 1)
    _, target, stopped = bracket(1, terms(1), 1)
    desk.frame(done(target), ended(stopped))
    assert desk.account.book.contract(ES).close_to == 0


def test_what_the_leader_has_and_our_entry_has_yet_to_bring_is_not_ours_to_keep() -> None:
    desk = in_position(2)
    desk.leader(order(5, BUY, limit(2)))
    desk.accepted(desk.place, 905)
    desk.leader(order(101, SELL, limit(2, 5020)))
    desk.accepted(desk.place, 906)
    desk.leader(order(5, BUY, limit(2), 2))
    desk.leader(order(101, SELL, limit(2, 5020), 2))
    desk.wait(5)
    assert sorted(one.order_id for one in desk.cancels) == [905, 906]
    assert desk.account.book.contract(ES).close_to == 0
