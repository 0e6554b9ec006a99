"""Our entries that rest are as large as the leader's working orders make them, whichever of those has changed."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from statecharts import events as e
from statecharts.effects import ModifyOrder, PlaceOrder, Request
from statecharts.order import Stage
from statecharts.rules import MapTo
from statecharts.values import OrderId, Root, Status, Symbol, Terms, VersionId
from tests.statecharts.desk import BUY, ES, NOON, SELL, Desk, follower, in_position, limit, order, rules, stop, terms
from tests.statecharts.exchange import Exchange
from tests.statecharts.families import bracket, oco

HALF = Decimal("0.5")
NONE = "the follower's size for it rounds to 0"


def rests(desk: Desk, number: int, asked: Terms, broker: int, **more: object) -> PlaceOrder:
    """The leader's order of this number, and ours working as the broker's `broker`."""
    desk.leader(order(number, BUY, asked, **more))  # type: ignore[arg-type]  # fields of Order
    place = desk.place
    desk.accepted(place, broker)
    return place


def asked(desk: Desk) -> list[tuple[int, int]]:
    """Which of our orders the last event changes, and to what size; 0: it cancels it."""
    changed = [(one.order_id, one.terms.quantity) for one in desk.modifies]
    return sorted(changed + [(one.order_id, 0) for one in desk.cancels])


def changed(desk: Desk, place: PlaceOrder, number: int) -> None:
    """The broker shows what we have asked for."""
    (change,) = (one for one in desk.modifies if one.order_id == number)
    desk.accepted(change)
    desk.seen(place, number, asked=change.terms, version=change.terms.quantity + 5000)


def test_an_entry_that_the_leader_makes_smaller_follows_and_none_of_it_is_a_cancel_told_once() -> None:
    desk = follower(ratio=HALF)
    place = rests(desk, 1, limit(4), 901)
    desk.leader(order(1, BUY, limit(2), version=2))
    assert asked(desk) == [(901, 1)]
    changed(desk, place, 901)
    desk.leader(order(1, BUY, limit(1), version=3))
    assert asked(desk) == [(901, 0)]
    assert desk.heard("copy.skipped") == [f"the leader's Buy 1 ESZ6 not copied: {NONE}"]
    desk.seen(place, 901, status=Status.CANCELED)
    desk.wait(60)
    assert (desk.copy_of(1).stage, desk.copy_of(1).reason) == (Stage.CANCELED, NONE)
    assert len(desk.heard("copy.skipped")) == 1


def test_what_the_leader_makes_larger_again_comes_again_with_its_newest_terms() -> None:
    desk = follower(ratio=HALF)
    place = rests(desk, 1, limit(4), 901)
    desk.leader(order(1, BUY, limit(1), version=2))
    desk.seen(place, 901, status=Status.CANCELED)
    for _ in range(2):
        desk.leader(order(1, BUY, limit(1, 5001), version=3))
        assert desk.places == []
    desk.leader(order(1, BUY, limit(3, 5002), version=4))
    assert desk.place.terms == limit(1, 5002)
    desk.accepted(desk.place, 902)
    desk.leader(order(1, BUY, limit(1), 1, version=4))
    assert len(desk.account.book.copies) == 2, "the copy and the cancel"


def test_what_was_skipped_for_its_size_comes_when_the_leader_makes_it_larger() -> None:
    desk = follower(ratio=HALF)
    desk.leader(order(1, BUY, limit(1)))
    assert desk.copy_of(1).stage is Stage.SKIPPED
    desk.leader(order(1, BUY, limit(5), version=2))
    assert desk.quantities == [(BUY, 2)]


def test_the_leader_who_changes_his_mind_before_the_cancel_is_asked_for_cancels_nothing() -> None:
    desk = follower(ratio=HALF)
    place = rests(desk, 1, limit(4), 901)
    desk.leader(order(1, BUY, limit(2), version=2))
    (first,) = desk.modifies
    for version, quantity in ((3, 1), (4, 1), (5, 3)):
        desk.leader(order(1, BUY, limit(quantity, 5000 + version), version=version))
        assert asked(desk) == []
    desk.accepted(first)
    desk.seen(place, 901, asked=first.terms, version=5001)
    assert [one.terms for one in desk.modifies] == [limit(1, 5005)]
    assert desk.copy_of(1).cancel_wanted is None


def test_the_exits_of_an_entry_come_again_with_it() -> None:
    desk = follower(ratio=HALF)
    exchange = Exchange(desk)
    desk.frame(*bracket(1, limit(4)))
    exchange.take()
    exchange.settle()
    entry, *legs = bracket(1, limit(1))
    desk.frame(
        attrs.evolve(entry, version=VersionId(2)),
        *(attrs.evolve(leg, version=VersionId(leg.id + 1000)) for leg in legs),
    )
    exchange.take()
    exchange.settle()
    assert not exchange.working
    entry, *legs = bracket(1, limit(4))
    desk.frame(
        attrs.evolve(entry, version=VersionId(3)),
        *(attrs.evolve(leg, version=VersionId(leg.id + 2000)) for leg in legs),
    )
    exchange.take()
    exchange.settle()
    (again,) = exchange.tradable
    exchange.fill(again, 2)
    exchange.tell(again)
    exchange.take()
    exchange.settle()
    assert exchange.position == {ES: 2}
    assert [exchange.orders[number][1].rest for number in exchange.tradable] == [2, 2]
    assert not desk.heard("position.unprotected")


def test_a_younger_entry_has_what_the_cap_leaves_by_now() -> None:
    """The leader makes the first one smaller, and takes the second back."""
    desk = follower(max_order=5, max_position=6)
    first = rests(desk, 1, limit(5, 5150), 901)
    second = rests(desk, 2, limit(6, 5140), 902)
    assert second.terms.quantity == 1
    desk.leader(order(1, BUY, limit(1, 5150), version=3))
    assert asked(desk) == [(901, 1)]
    changed(desk, first, 901)
    assert asked(desk) == [(902, 5)]
    changed(desk, second, 902)
    desk.leader(order(2, BUY, limit(6, 5140), status=Status.CANCELED))
    assert asked(desk) == [(902, 0)]
    desk.seen(second, 902, status=Status.CANCELED)
    assert asked(desk) == []


def test_an_order_that_is_being_cancelled_leaves_no_room_until_it_is_gone() -> None:
    desk = follower(max_position=6)
    first = rests(desk, 1, limit(5), 901)
    rests(desk, 2, limit(6, 4990), 902)
    desk.leader(order(1, BUY, limit(5), status=Status.CANCELED))
    assert asked(desk) == [(901, 0)]
    desk.seen(first, 901, status=Status.CANCELED)
    assert asked(desk) == [(902, 6)]


def test_an_entry_that_was_less_than_one_with_the_one_before_it_goes_when_that_goes() -> None:
    desk = follower(ratio=HALF)
    desk.leader(order(1, BUY, limit(1)))
    rests(desk, 2, limit(1, 4990), 902)
    desk.leader(order(1, BUY, limit(1), status=Status.CANCELED))
    assert asked(desk) == [(902, 0)]
    assert len(desk.heard("copy.skipped")) == 2


def test_what_the_leader_exits_makes_an_entry_less() -> None:
    desk = follower(ratio=HALF)
    desk.leader(order(1, BUY, terms(3), 3))
    desk.fills(desk.place, 900)
    rests(desk, 2, limit(1, 4990), 902)
    desk.leader(order(3, SELL, terms(1), 1))
    assert asked(desk) == [(902, 0)]


def test_fills_change_no_size_whoever_fills_first() -> None:
    desk = follower(ratio=HALF)
    first = rests(desk, 1, limit(3), 901)
    second = rests(desk, 2, limit(3, 4990), 902)
    assert (first.terms.quantity, second.terms.quantity) == (1, 2)
    desk.everything.clear()
    for mine, his in ((0, 1), (1, 2), (2, 3)):
        desk.leader(order(2, BUY, limit(3, 4990), his))
        if mine:
            desk.seen(second, 902, mine)
    desk.seen(first, 901, 1)
    desk.leader(order(1, BUY, limit(3), 3))
    assert not [one for one in desk.everything if isinstance(one, Request)]
    assert desk.own == {ES: 3}


def test_what_is_ahead_by_rounding_keeps_an_older_one_from_growing() -> None:
    """3 and 1 are 1 and 1 of ours; the second fills first, and the first alone would be 2 then."""
    desk = follower(ratio=HALF)
    rests(desk, 1, limit(3), 901)
    second = rests(desk, 2, limit(1, 5010), 902)
    desk.leader(order(2, BUY, limit(1, 5010), 1))
    desk.seen(second, 902, 1)
    assert asked(desk) == []
    desk.leader(order(1, BUY, limit(3, 5001), version=5))
    assert asked(desk) == [(901, 1)]


def test_nothing_grows_while_openings_are_barred_and_all_shrinks() -> None:
    desk = in_position(1, max_position=7)
    first = rests(desk, 1, limit(5), 901)
    rests(desk, 2, limit(6, 4990), 902)
    desk.account = attrs.evolve(
        desk.account,
        book=desk.account.book.with_contract(ES, attrs.evolve(desk.account.book.contract(ES), no_entry="missed")),
    )
    desk.leader(order(1, BUY, limit(2), version=3))
    assert asked(desk) == [(901, 2)]
    changed(desk, first, 901)
    assert asked(desk) == []


def test_a_refused_enlargement_is_not_asked_for_again() -> None:
    desk = follower(max_position=6)
    first = rests(desk, 1, limit(5), 901)
    rests(desk, 2, limit(6, 4990), 902)
    desk.leader(order(1, BUY, limit(5), status=Status.CANCELED))
    desk.seen(first, 901, status=Status.CANCELED)
    desk.refused(desk.modifies[0], "MaxOrderQtyExceeded")
    desk.wait(120)
    assert len([one for one in desk.everything if isinstance(one, ModifyOrder)]) == 1


def test_what_has_filled_is_not_undone() -> None:
    desk = follower()
    place = rests(desk, 1, limit(4), 901)
    desk.seen(place, 901, 2)
    desk.leader(order(1, BUY, limit(3), version=2))
    assert asked(desk) == [(901, 3)]
    changed(desk, place, 901)
    desk.seen(place, 901, 2, asked=limit(3), version=5003)
    desk.leader(order(1, BUY, limit(2), version=3))
    assert asked(desk) == [(901, 0)]
    assert desk.heard("copy.skipped") == []


def test_of_two_entries_that_cancel_each_other_one_counts() -> None:
    desk = follower(ratio=HALF)
    desk.frame(*oco(1, (BUY, limit(3)), (BUY, stop(3, 5050))))
    (pair,) = desk.places
    desk.accepted(pair, 901, legs=[902])
    third = rests(desk, 3, limit(1, 4980), 903)
    assert third.terms.quantity == 1
    desk.leader(order(3, BUY, limit(3, 4980), version=9))
    assert asked(desk) == [(903, 2)]


def test_an_entry_that_the_broker_lost_and_a_sleeping_one_are_left() -> None:
    desk = follower(ratio=HALF)
    desk.leader(order(1, BUY, limit(4)))
    desk.answer_lost(desk.place)
    desk.leader(order(1, BUY, limit(1), version=2))
    assert asked(desk) == []


def test_the_other_contracts_of_a_product_count_in_its_cap() -> None:
    desk = follower(max_position=4)
    place = rests(desk, 1, limit(2), 901)
    desk.leader(order(2, BUY, terms(2), 2, symbol=Symbol("ESH7")))
    desk.fills(desk.place, 902)
    desk.leader(order(1, BUY, limit(4), version=2))
    assert asked(desk) == []
    assert place.terms.quantity == 2


def test_a_shadow_records_the_cancel_of_what_comes_to_none() -> None:
    desk = follower(rules(shadow=True, ratio=HALF))
    desk.leader(order(1, BUY, limit(2)), order(1, BUY, limit(1), version=2))
    verbs = [copy.verb.value for copy in desk.account.book.copies.values()]
    assert verbs == ["place", "cancel"]


@pytest.mark.parametrize("ratio", ["1", "-1"])
def test_it_is_the_same_on_the_other_side(ratio: str) -> None:
    desk = follower(ratio=Decimal(ratio) / 2, map={Root("ES"): MapTo(Root("ES"), Decimal(1))})
    desk.leader(order(1, SELL, limit(4)))
    place = desk.place
    desk.accepted(place, 901)
    desk.leader(order(1, SELL, limit(2), version=2))
    assert asked(desk) == [(901, 1)]


def test_the_ones_that_are_paused_are_cancelled_for_that_and_do_not_come_again() -> None:
    desk = follower(ratio=HALF)
    place = rests(desk, 1, limit(4), 901)
    desk.hear(e.PauseAsked(at=NOON))
    assert asked(desk) == [(901, 0)]
    desk.leader(order(1, BUY, limit(1), version=2))
    desk.seen(place, 901, status=Status.CANCELED)
    desk.hear(e.ResumeAsked(at=NOON))
    desk.leader(order(1, BUY, limit(8), version=3))
    assert desk.places == []


@pytest.mark.parametrize("why", ["the account is paused", "the answer to an order in ESZ6 was lost"])
def test_what_would_come_again_while_nothing_may_open_is_missed_and_does_not_wait(why: str) -> None:
    """It waited beside an order that was looked up, and opened when the leader's had filled long ago."""
    desk = follower(ratio=HALF)
    desk.leader(order(1, BUY, stop(1, 5010)), order(2, BUY, terms(2), 2))
    place = desk.place
    if why == "the account is paused":
        desk.hear(e.PauseAsked(at=NOON))
    else:
        desk.sent(place)
        desk.answer_lost(place)
    desk.leader(order(1, BUY, stop(2, 5010), version=1001))
    assert f"the leader's Buy 2 ESZ6 not copied: {why}" in desk.heard("copy.skipped")[-1]
    desk.leader(order(1, BUY, stop(2, 5010), 2, version=1001))
    desk.hear(e.ResumeAsked(at=NOON))
    desk.accepted(place, 902)
    desk.seen(place, 902, 1)
    assert sum(isinstance(one, PlaceOrder) for one in desk.everything) == 1
    assert desk.account.book.contract(ES).no_entry is not None


def test_what_has_filled_is_enough_when_an_older_one_goes() -> None:
    desk = follower(ratio=HALF)
    desk.leader(order(1, BUY, limit(1)))
    place = rests(desk, 2, limit(3, 4990), 902)
    assert place.terms.quantity == 2
    desk.seen(place, 902, 1)
    desk.leader(order(1, BUY, limit(1), status=Status.CANCELED))
    assert asked(desk) == [(902, 0)]
    assert len(desk.heard("copy.skipped")) == 1, "of the first alone"


def test_an_older_one_that_has_no_copy_yet_counts() -> None:
    """Its partner is not there yet, so that nothing has been decided about it."""
    desk = follower(ratio=HALF)
    desk.leader(order(1, BUY, limit(1), oco_id=OrderId(9)))
    rests(desk, 2, limit(1, 4990), 902)
    desk.leader(order(2, BUY, limit(2, 4990), version=7))
    assert asked(desk) == []


def test_exits_are_not_sized_here() -> None:
    desk = in_position(4, ratio=HALF)
    rests(desk, 90, limit(2, 4980), 890)
    desk.leader(order(101, SELL, limit(1, 5010)))
    desk.leader(order(102, SELL, limit(3, 5020)))
    desk.accepted(desk.place, 902)
    desk.leader(order(101, SELL, limit(1, 5010), status=Status.CANCELED))
    assert asked(desk) == []


def test_what_was_to_be_larger_is_not_when_openings_are_barred_before_it_is_asked_for() -> None:
    desk = follower()
    rests(desk, 1, limit(2), 901)
    desk.leader(order(1, BUY, limit(2, 5001), version=2))
    (first,) = desk.modifies
    desk.leader(order(1, BUY, limit(4, 5002), version=3), order(2, BUY, limit(1)))
    desk.refused(desk.place)
    desk.accepted(first)
    assert first.terms == limit(2, 5001)
    desk.leader(order(3, BUY, terms(1), 1))
    assert desk.account.book.contract(ES).no_entry is not None
    (broker,) = (copy for copy in desk.account.book.copies.values() if copy.order_id == 901 and copy.trades)
    assert broker.wanted == limit(2, 5002)


def replaced_at_the_cap() -> tuple[Desk, PlaceOrder]:
    """He has cancelled one entry and placed another; the cancel of ours is yet to be shown."""
    desk = follower(max_position=2)
    desk.leader(order(101, BUY, limit(2, 4999)))
    first = desk.place
    desk.accepted(first, 901)
    desk.leader(order(101, BUY, limit(2, 4999), status=Status.CANCELED))
    desk.accepted(desk.cancels[0])
    desk.leader(order(102, BUY, limit(2, 5000)))
    assert desk.places == []
    return desk, first


@pytest.mark.parametrize("filled", [0, 2])
def test_what_found_no_room_beside_an_entry_that_is_being_cancelled_goes_when_that_is_gone(filled: int) -> None:
    desk, first = replaced_at_the_cap()
    desk.leader(order(102, BUY, limit(2, 5000), filled))
    assert desk.places == []
    desk.wait(1)
    desk.seen(first, 901, 0, Status.CANCELED)
    assert [one.terms for one in desk.places] == [limit(2, 5000)]
    desk.fills(desk.place, 902)
    assert desk.own == {ES: 2}


def test_what_found_no_room_comes_with_the_exits_that_it_had_when_it_found_none() -> None:
    desk = follower(max_position=2)
    first = rests(desk, 91, limit(2), 901)
    desk.leader(order(91, BUY, limit(2), status=Status.CANCELED))
    desk.accepted(desk.cancels[0])
    desk.frame(*bracket(101, limit(2)))
    assert desk.places == []
    desk.seen(first, 901, 0, Status.CANCELED)
    desk.fills(desk.place, 902)
    assert desk.quantities == [(SELL, 2)] and len(desk.place.legs) == 1, "at once, as an OCO"
    assert desk.heard("position.unprotected") == []


def test_a_cap_that_is_edited_brings_nothing_that_found_no_room() -> None:
    """Nothing is traded because a file was edited, nor at the next event."""
    desk = follower(max_position=2)
    desk.leader(order(1, BUY, limit(2)))
    desk.leader(order(2, BUY, limit(2, 4990)))
    known = desk.account.rules.copy
    assert known is not None
    edited = attrs.evolve(desk.account.rules, copy=attrs.evolve(known, max_position=9))
    desk.hear(e.RulesChanged(at=desk.now, rules=edited))
    desk.leader(order(1, BUY, limit(2), 0))
    assert desk.places == []


@pytest.mark.parametrize("how", ["late", "paused", "gone", "cancelled", "filled", "interrupted"])
def test_what_found_no_room_stays_away_when_it_is_wanted_no_more(how: str) -> None:
    desk, first = replaced_at_the_cap()
    if how == "late":
        desk.wait(6)
    elif how == "paused":
        desk.hear(e.PauseAsked(at=desk.now))
    elif how == "gone":
        orders = {number: one for number, one in desk.theirs.orders.items() if number != 102}
        desk.leader_read_anew(attrs.evolve(desk.theirs, generation=2, orders=orders))
    elif how == "cancelled":
        desk.leader(order(102, BUY, limit(2, 5000), status=Status.CANCELED))
    elif how == "interrupted":
        desk.leader_read_anew()
    desk.seen(first, 901, 2 if how == "filled" else 0, Status.FILLED if how == "filled" else Status.CANCELED)
    assert [one for one in desk.places if one.side is BUY] == []
