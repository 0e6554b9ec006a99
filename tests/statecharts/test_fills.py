"""Mode "fills": each execution of the leader moves the target, and one market order brings the difference."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest

from statecharts import events as e
from statecharts import resync
from statecharts.book import Copy, Verb
from statecharts.effects import PlaceOrder, Priority, Request
from statecharts.identity import client_order_id
from statecharts.order import Stage
from statecharts.rules import MapTo, Rules
from statecharts.sizing import Kind
from statecharts.values import Fill, FillId, OrderType, Root, Status, Symbol
from tests.statecharts.desk import (
    BUY,
    ES,
    EVAL_ID,
    LEAD_ID,
    MES,
    SELL,
    Desk,
    follower,
    limit,
    order,
    rules,
    stop,
    terms,
)
from tests.statecharts.trader import Trader


def trading(**more: Any) -> tuple[Desk, Trader]:
    desk = follower(mode="fills", **more)
    return desk, Trader(desk)


def holding(quantity: int = 2, **more: Any) -> tuple[Desk, Trader]:
    """The leader has bought so many, and we hold what follows from it."""
    desk, trader = trading(**more)
    trader.trades(BUY, quantity)
    desk.fills(desk.place, 900)
    return desk, trader


def rows(desk: Desk, verb: Verb = Verb.PLACE) -> list[Copy]:
    return [copy for copy in desk.account.book.copies.values() if copy.verb is verb]


def row(desk: Desk, fill: int) -> Copy:
    return desk.account.book.copies[desk.account.book.executions[FillId(fill)]]


def test_an_execution_is_followed_at_market_under_an_id_made_of_it() -> None:
    desk, trader = trading(ratio=Decimal("1.5"))
    number = trader.trades(BUY, 2)
    assert (desk.place.side, desk.place.terms, desk.place.priority) == (BUY, terms(3), Priority.ENTRY)
    assert desk.place.client_id == client_order_id(LEAD_ID, EVAL_ID, 10_001, "place", 0, 0)
    desk.fills(desk.place, 900)
    (copy,) = rows(desk)
    assert (copy.leader_fill_id, copy.leader_order_id, copy.stage, copy.kind) == (
        10_001,
        number,
        Stage.FILLED,
        Kind.ENTRY,
    )
    assert desk.own == {ES: 3}


def test_the_leader_s_orders_themselves_are_nothing_to_this_mode() -> None:
    desk, trader = trading()
    number = trader.places(BUY, 2)
    trader.cancels(number)
    trader.places(SELL, 2, kind=OrderType.STOP)
    assert not any(isinstance(effect, Request) for effect in desk.everything)
    assert rows(desk) == []


def test_an_execution_told_twice_is_followed_once() -> None:
    desk, trader = trading()
    trader.trades(BUY, 2)
    trader.repeats(0)
    trader.repeats(1)
    assert desk.places == []
    assert len(rows(desk)) == 1


def test_an_order_of_a_type_that_is_not_copied_is_followed_by_what_it_does() -> None:
    desk, trader = trading()
    trader.tell(attrs.evolve(order(1, BUY, None, 2), unsupported="QTS"))
    assert desk.quantities == [(BUY, 2)]


def test_a_spread_is_not_copied() -> None:
    desk, trader = trading()
    trader.tell(attrs.evolve(order(1, BUY, None, 1), symbol=Symbol("spread 7"), unsupported="Spread"))
    assert row(desk, 11).reason == "copierd does not copy spreads"


def refused(desk: Desk, text: str = "") -> None:
    """The broker says no to what the last event led to."""
    place = desk.place
    desk.sent(place)
    desk.refused(place, text=text)


def lost(desk: Desk) -> None:
    """No answer to what the last event led to."""
    place = desk.place
    desk.sent(place)
    desk.answer_lost(place)


# Gathered: entries for at most 100 ms, reductions never


def test_entries_are_gathered_for_100_ms_while_the_leader_s_order_has_more_to_come() -> None:
    desk, trader = trading()
    number = trader.places(BUY, 9)
    trader.fills(number, 2)
    assert desk.places == []
    desk.wait(0.06)
    trader.fills(number, 1)
    assert desk.places == []
    desk.wait(0.04)
    assert desk.quantities == [(BUY, 3)]
    assert desk.place.client_id == row(desk, 10_002).client_id
    desk.fills(desk.place, 900)
    first, second = rows(desk)
    assert (first.stage, first.order_id, first.client_id) == (Stage.FILLED, 900, second.client_id)
    assert first.reason == "goes with the order of execution 10002"
    assert (first.filled, second.filled) == (0, 3)
    desk.wait(10)
    assert desk.own == {ES: 3}


def test_an_order_that_is_complete_has_nothing_to_gather() -> None:
    desk, trader = trading()
    number = trader.places(BUY, 3)
    trader.fills(number, 1)
    trader.fills(number, 1, 1)
    assert desk.quantities == [(BUY, 3)]
    assert desk.account.wake_at != desk.now


def test_a_reduction_is_never_delayed_and_takes_along_what_was_gathered_against_it() -> None:
    desk, trader = holding(4)
    trader.fills(trader.places(BUY, 9), 2)
    assert desk.places == []
    trader.fills(trader.places(SELL, 9), 5)
    assert desk.quantities == [(SELL, 3)]
    assert row(desk, 10_002).reason == "the leader took it back before it was sent"


def test_what_the_leader_took_back_in_part_is_sent_in_part() -> None:
    desk, trader = trading()
    trader.fills(trader.places(BUY, 9), 4)
    trader.fills(trader.places(SELL, 9), 1)
    assert row(desk, 10_002).reason == "it exits a position that this follower does not have"
    desk.wait(0.1)
    assert desk.quantities == [(BUY, 3)]


def test_an_order_opens_no_more_than_max_order_also_when_it_is_gathered() -> None:
    desk, trader = trading(max_order=3)
    number = trader.places(BUY, 20)
    trader.fills(number, 2, 2, 7)
    desk.wait(0.1)
    assert desk.quantities == [(BUY, 2), (BUY, 2), (BUY, 3)]


def test_an_exit_while_our_entry_is_on_its_way_waits_for_what_it_brings() -> None:
    desk, trader = trading()
    trader.trades(BUY, 2)
    entry = desk.place
    trader.trades(SELL, 2)
    assert desk.places == []
    assert row(desk, 10_002).stage is Stage.HELD
    desk.fills(entry, 900)
    assert desk.quantities == [(SELL, 2)]
    assert desk.place.priority is Priority.EXIT
    desk.fills(desk.place, 901)
    assert desk.own == {}


def test_what_an_entry_brings_in_part_is_exited_at_once_and_the_rest_when_it_comes() -> None:
    desk, trader = trading()
    trader.trades(BUY, 3)
    entry = desk.place
    trader.trades(SELL, 3)
    desk.accepted(entry, 900)
    desk.seen(entry, 900, 1)
    assert desk.quantities == [(SELL, 1)]
    desk.fills(desk.place, 901)
    desk.seen(entry, 900, 3)
    assert desk.quantities == [(SELL, 2)]
    assert [copy.reason for copy in rows(desk, Verb.CLOSE)] == ["we own 2, the leader's position stands for 0"]
    desk.fills(desk.place, 902)
    assert desk.own == {}


def test_an_exit_of_an_entry_that_is_refused_has_nothing_to_exit() -> None:
    desk, trader = trading()
    trader.trades(BUY, 2)
    entry = desk.place
    trader.trades(SELL, 2)
    desk.refused(entry)
    assert desk.places == []
    assert row(desk, 10_002).reason == "it exits a position that this follower does not have"
    assert desk.heard("copy.skipped")


def test_an_exit_within_what_we_own_less_than_the_leader_does_nothing() -> None:
    desk, trader = holding(4, max_order=2)
    assert desk.own == {ES: 2}
    trader.trades(SELL, 1)
    assert desk.places == []
    assert row(desk, 10_002).reason == "what is ours is no more than the leader's already"
    trader.trades(SELL, 2)
    assert desk.quantities == [(SELL, 1)]


# Through zero


def test_a_flip_is_one_reversing_order() -> None:
    desk, trader = holding(2)
    trader.trades(SELL, 5)
    assert desk.quantities == [(SELL, 5)]
    assert desk.place.priority is Priority.EXIT
    assert row(desk, 10_002).kind is Kind.REVERSAL
    desk.fills(desk.place, 901)
    assert desk.own == {ES: -3}
    trader.trades(BUY, 4)
    assert desk.quantities == [(BUY, 4)]


def test_caps_cut_the_opening_part_of_a_flip_alone() -> None:
    desk, trader = holding(5, max_position=5)
    trader.trades(SELL, 12)
    assert desk.quantities == [(SELL, 10)]
    desk, trader = trading(max_order=3)
    number = trader.places(BUY, 9)
    trader.fills(number, 3, 3, 3)
    for n, place in enumerate(desk.places):
        desk.fills(place, 900 + n)
    trader.trades(SELL, 20)
    assert desk.quantities == [(SELL, 12)]


def test_what_bars_openings_leaves_the_exit_of_a_flip() -> None:
    desk, trader = holding(2)
    desk.hear(e.PauseAsked(at=desk.now))
    trader.trades(SELL, 5)
    assert desk.quantities == [(SELL, 2)]
    assert row(desk, 10_002).reason == "it only exits: the account is paused"
    assert desk.heard("copy.skipped") == ["ESZ6: of the leader's Sell 5 only the exit is copied: the account is paused"]
    desk.fills(desk.place, 901)
    assert desk.own == {}


def test_a_flip_while_our_entry_is_on_its_way_exits_what_is_ours_and_reverses_when_the_entry_is() -> None:
    desk, trader = holding(2)
    trader.trades(BUY, 3)
    entry = desk.place
    trader.trades(SELL, 7)
    assert desk.quantities == [(SELL, 2)]
    desk.fills(desk.place, 901)
    assert desk.places == []
    desk.fills(entry, 902)
    assert desk.quantities == [(SELL, 5)]
    desk.fills(desk.place, 903)
    assert desk.own == {ES: -2}
    assert row(desk, 10_003).stage is Stage.FILLED


def test_a_flip_while_the_answer_to_an_entry_is_lost_only_exits() -> None:
    desk, trader = holding(2)
    trader.trades(BUY, 3)
    lost(desk)
    (look_up,) = desk.look_ups
    trader.trades(SELL, 7)
    assert desk.places == [], "nothing is sent beside an unknown"
    assert "looked up" in (row(desk, 10_003).reason or "")
    desk.looked_up(look_up, 901)
    assert desk.quantities == [(SELL, 2)], "what is ours already leaves as soon as it is found"


@pytest.mark.parametrize(("found", "left"), [(True, 5), (False, 2)])
def test_a_flip_beside_a_lost_entry_exits_what_is_ours_when_that_is_known(found: bool, left: int) -> None:
    desk, trader = holding(2)
    trader.trades(BUY, 3)
    entry = desk.place
    lost(desk)
    (look_up,) = desk.look_ups
    trader.trades(SELL, 7)
    if found:
        desk.seen(entry, 901, 3)
    while not found and desk.places == []:
        desk.looked_up(look_up)
        look_up = desk.look_ups[0] if desk.look_ups else look_up
    assert desk.quantities == [(SELL, left)]
    desk.fills(desk.place, 902)
    assert desk.own == {} and desk.places == []


def test_an_opening_beside_an_unknown_is_missed_at_once() -> None:
    desk, trader = holding(2)
    trader.trades(SELL, 1)
    lost(desk)
    trader.trades(BUY, 4)
    assert row(desk, 10_003).stage is Stage.SKIPPED
    assert "looked up" in (row(desk, 10_003).reason or "")


def test_a_flip_that_is_refused_closes_what_is_ours_and_opens_nothing() -> None:
    desk, trader = holding(2)
    trader.trades(SELL, 5)
    refused(desk)
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]
    desk.fills(desk.place, 901)
    assert desk.own == {}
    trader.trades(SELL, 1)
    assert "a reversal was refused" in (row(desk, 10_003).reason or "")


# Sizes


def test_a_size_of_zero_is_skipped_and_the_leader_flat_means_the_follower_flat() -> None:
    desk, trader = trading(ratio=Decimal("0.5"))
    trader.trades(BUY, 1)
    assert row(desk, 10_001).reason == "the follower's size for it rounds to 0"
    trader.trades(BUY, 2)
    desk.fills(desk.place, 900)
    trader.trades(SELL, 1)
    assert row(desk, 10_003).reason == "the follower's size for it rounds to 0"
    trader.trades(SELL, 2)
    assert desk.quantities == [(SELL, 1)]


def test_partial_exits_never_build_up_a_rounding_difference() -> None:
    desk, trader = holding(10, ratio=Decimal("0.3"))
    assert desk.own == {ES: 3}
    for left in range(9, -1, -1):
        trader.trades(SELL, 1)
        for place in desk.places:
            desk.fills(place, 1000 + left)
        assert desk.own.get(ES, 0) == int(left * Decimal("0.3"))


def test_min_one_raises_an_opening_to_one() -> None:
    desk, trader = trading(ratio=Decimal("0.1"), min_one=True)
    trader.trades(SELL, 3)
    assert desk.quantities == [(SELL, 1)]


def test_max_position_bounds_the_position_and_says_so() -> None:
    desk, trader = holding(5, max_position=3)
    assert desk.own == {ES: 3}
    trader.trades(BUY, 1)
    assert row(desk, 10_002).reason == "max_position is reached"


def test_an_inverse_follower_trades_the_other_way() -> None:
    desk, trader = trading(ratio=Decimal(-1))
    trader.trades(BUY, 2)
    assert desk.quantities == [(SELL, 2)]
    trader.trades(BUY, 1)
    assert row(desk, 10_002).side is SELL


def test_two_contracts_of_the_leader_may_meet_in_one_of_the_follower() -> None:
    desk, trader = trading(map={Root("ES"): MapTo(Root("MES"), Decimal(10))}, max_position=12)
    trader.trades(BUY, 1)
    desk.fills(desk.place, 900)
    trader.trades(BUY, 5, MES)
    assert desk.quantities == [(BUY, 2)]  # of the product, whatever it is copied from
    desk.fills(desk.place, 901)
    trader.trades(SELL, 1)
    assert desk.quantities == [(SELL, 7)]
    desk.fills(desk.place, 902)
    assert desk.own == {MES: 5}


# What is not copied


@pytest.mark.parametrize(
    ("chosen", "why"),
    [
        ({"allow": frozenset({Root("NQ")})}, "not among the products"),
        ({"deny": frozenset({Root("ES")})}, "not copied (deny)"),
    ],
)
def test_allow_and_deny_bar_openings(chosen: dict[str, Any], why: str) -> None:
    desk, trader = trading(**chosen)
    trader.trades(BUY, 2)
    assert desk.places == []
    assert why in (row(desk, 10_001).reason or "")


def test_what_bars_openings_when_they_are_sent_bars_those_that_were_gathered() -> None:
    desk, trader = trading()
    trader.fills(trader.places(BUY, 9), 2)
    desk.hear(e.PauseAsked(at=desk.now))
    assert row(desk, 10_001).reason == "the account is paused"
    desk.wait(1)
    assert desk.places == []


def test_a_shadow_decides_and_sends_nothing() -> None:
    desk, trader = trading(shadow=True)
    trader.trades(BUY, 2)
    trader.trades(SELL, 3)
    assert desk.places == []
    assert [(copy.stage, copy.terms) for copy in rows(desk)] == [
        (Stage.SHADOWED, terms(2)),
        (Stage.SHADOWED, terms(3)),
    ]


def test_somebody_else_s_part_is_not_touched_and_nothing_opens_beside_it() -> None:
    desk, trader = holding(2)
    desk.foreign(order(7, BUY, terms(1), 1))
    trader.trades(BUY, 1)
    assert "somebody else" in (row(desk, 10_002).reason or "")
    trader.trades(SELL, 3)
    assert desk.quantities == [(SELL, 2)]


def test_a_flattened_contract_stays_flat() -> None:
    desk, trader = holding(2)
    desk.hear(e.FlattenAsked(at=desk.now))
    assert desk.quantities == [(SELL, 2)]
    desk.fills(desk.place, 901)
    trader.trades(BUY, 1)
    trader.trades(SELL, 3)
    assert desk.places == []
    assert desk.own == {}


# What the broker answers


def test_a_refused_entry_is_not_retried_and_waits_until_the_leader_is_flat() -> None:
    desk, trader = trading()
    trader.trades(BUY, 2)
    refused(desk)
    trader.trades(BUY, 1)
    assert desk.places == []
    assert "an entry was refused" in (row(desk, 10_002).reason or "")
    trader.trades(SELL, 3)
    trader.trades(SELL, 1)
    assert desk.quantities == [(SELL, 1)]


def test_rows_that_go_with_a_refused_order_are_refused() -> None:
    desk, trader = trading()
    trader.fills(trader.places(BUY, 9), 2, 2)
    desk.wait(0.1)
    refused(desk, "no margin")
    assert [copy.stage for copy in rows(desk)] == [Stage.REJECTED, Stage.REJECTED]
    assert row(desk, 10_001).reason == "goes with the order of execution 10002: Other: no margin"
    assert not any(desk.account.book.all_open())


def test_a_refused_exit_is_closed_again_until_it_is() -> None:
    desk, trader = holding(2)
    trader.trades(SELL, 2)
    refused(desk)
    assert desk.places == []
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]
    refused(desk)
    desk.wait(5)
    desk.fills(desk.place, 901)
    assert desk.own == {}
    assert len(rows(desk, Verb.CLOSE)) == 2


def absent(desk: Desk) -> None:
    """The broker does not have it, and is asked until that is certain."""
    while desk.look_ups:
        desk.looked_up(desk.look_ups[0])


def test_a_lost_entry_that_is_absent_is_skipped_and_not_made_up_for() -> None:
    desk, trader = trading()
    trader.trades(BUY, 2)
    lost(desk)
    trader.trades(BUY, 1)
    assert "was lost" in (row(desk, 10_002).reason or "")
    desk.wait(1)
    desk.hear(e.LookUpFailed(at=desk.now, copy=row(desk, 10_001).id, client_id=row(desk, 10_001).client_id, reason="-"))
    absent(desk)
    assert row(desk, 10_001).stage is Stage.SKIPPED
    assert desk.places == []
    assert desk.account.book.contract(ES).no_entry is not None


def test_a_lost_exit_that_is_absent_is_derived_again_from_the_position() -> None:
    desk, trader = holding(2)
    trader.trades(SELL, 2)
    lost(desk)
    assert desk.places == []
    absent(desk)
    assert desk.quantities == [(SELL, 2)]
    assert row(desk, 10_002).stage is Stage.SKIPPED
    desk.fills(desk.place, 901)
    assert desk.own == {}


@pytest.mark.parametrize("comes_to_nothing", [Desk.refused, Desk.answer_lost])
def test_an_exit_that_came_to_nothing_behind_the_entries_after_it_is_told_as_missing_on_the_other_side(
    comes_to_nothing: Callable[[Desk, PlaceOrder], None],
) -> None:
    desk, trader = holding(1)
    trader.trades(SELL, 1)
    exit_ = desk.place
    trader.trades(SELL, 3)
    desk.fills(desk.place, 901)
    assert desk.own == {ES: -2}, "the entry has crossed flat, and the exit is still under way"
    desk.sent(exit_)
    comes_to_nothing(desk, exit_)
    absent(desk)
    assert desk.own == {ES: -2}
    assert desk.places == [], "what is missing is never chased"
    assert "short by 1 of 3" in desk.heard("position.drifted")[-1]
    assert "came to nothing" in (desk.account.book.contract(ES).no_entry or "")


def test_a_reduction_waits_for_the_look_up_of_a_lost_exit() -> None:
    desk, trader = holding(5)
    trader.trades(SELL, 2)
    exit_ = desk.place
    lost(desk)
    trader.trades(SELL, 2)
    assert desk.places == []
    desk.seen(exit_, 901, 2)
    assert desk.quantities == [(SELL, 2)]


def test_an_exit_that_never_left_is_sent_again_by_a_closing() -> None:
    desk, trader = holding(2)
    trader.trades(SELL, 2)
    desk.never_sent(desk.place)
    assert desk.places == []
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]


def test_an_entry_that_does_not_fill_is_cancelled_not_chased() -> None:
    desk, trader = trading()
    trader.trades(BUY, 2)
    desk.accepted(desk.place, 900)
    desk.wait(5)
    assert [cancel.order_id for cancel in desk.cancels] == [900]


def put_off(desk: Desk, place: PlaceOrder, seconds: int = 5) -> None:
    desk.sent(place)
    desk.hear(
        e.RequestPenalised(
            at=desk.now, copy=place.copy, client_id=place.client_id, seconds=seconds, captcha=False, sent_at=desk.now
        )
    )


def test_an_exit_that_is_put_off_goes_again_under_its_name_and_nothing_goes_beside_it() -> None:
    desk, trader = holding(3)
    trader.trades(SELL, 2)
    first = desk.place
    put_off(desk, first)
    assert desk.places == []
    trader.trades(SELL, 1)
    assert desk.quantities == [(SELL, 1)]
    desk.fills(desk.place, 901)
    desk.wait(5)
    assert (desk.place.client_id, desk.quantities) == (first.client_id, [(SELL, 2)])
    desk.fills(desk.place, 902)
    assert desk.own == {}


def test_rows_that_go_with_an_order_that_is_put_off_go_with_it_again() -> None:
    desk, trader = trading()
    trader.fills(trader.places(BUY, 9), 2, 2)
    desk.wait(0.1)
    first = desk.place
    put_off(desk, first)
    trader.fills(trader.working[0], 1)
    assert {copy.stage for copy in rows(desk)} == {Stage.HELD}
    desk.wait(5)
    again, other = desk.places
    assert (again.client_id, again.terms.quantity, other.terms.quantity) == (first.client_id, 4, 1)
    desk.fills(again, 901)
    desk.fills(other, 902)
    assert [copy.stage for copy in rows(desk)] == [Stage.FILLED] * 3
    assert desk.own == {ES: 5}


def test_an_entry_whose_time_is_over_when_it_may_go_again_is_missed() -> None:
    desk, trader = trading()
    trader.trades(BUY, 2)
    put_off(desk, desk.place, 60)
    assert row(desk, 10_001).stage is Stage.REJECTED
    trader.trades(BUY, 1)
    assert desk.places == []


def test_an_order_of_our_own_that_is_put_off_is_a_closing_from_then_on() -> None:
    desk, trader = trading()
    trader.trades(BUY, 3)
    entry = desk.place
    trader.trades(SELL, 3)
    desk.accepted(entry, 900)
    desk.seen(entry, 900, 1)
    desk.fills(desk.place, 901)
    desk.seen(entry, 900, 3)
    rest = desk.place
    put_off(desk, rest)
    assert desk.places == []
    desk.wait(5)
    assert (desk.place.client_id, desk.quantities) == (rest.client_id, [(SELL, 2)])
    desk.fills(desk.place, 902)
    assert desk.own == {}


def test_an_exit_that_finds_its_session_closed_is_closed_at_the_opening() -> None:
    desk, trader = holding(2)
    number = trader.places(SELL, 3)
    trader.fills(number, 1)
    place = desk.place
    desk.sent(place)
    desk.refused(place, "SessionClosed")
    desk.wait(120)
    assert desk.quantities == [(SELL, 1)]
    assert [copy.verb for copy in desk.account.book.copies.values()][-1] is Verb.CLOSE


# Interruptions


def interrupted(desk: Desk) -> None:
    desk.lost()
    desk.resuming()


def test_a_round_trip_of_the_leader_inside_an_interruption_is_not_replayed() -> None:
    desk, trader = trading()
    interrupted(desk)
    trader.trades(BUY, 2)
    trader.trades(SELL, 2)
    desk.read_anew()
    assert desk.places == []
    assert {copy.reason for copy in rows(desk)} == {
        "it was executed while copying was interrupted; the positions are compared instead"
    }
    trader.trades(BUY, 1)
    assert desk.quantities == [(BUY, 1)]


def test_an_entry_inside_an_interruption_is_missed_and_waits_until_the_leader_is_flat() -> None:
    desk, trader = trading()
    interrupted(desk)
    trader.trades(BUY, 2)
    desk.read_anew()
    trader.trades(BUY, 1)
    assert desk.places == []
    assert "short by 2 of 2" in desk.heard("position.drifted")[0]
    trader.trades(SELL, 3)
    trader.trades(BUY, 1)
    assert desk.quantities == [(BUY, 1)]


def test_an_exit_inside_an_interruption_is_made_up_for() -> None:
    desk, trader = holding(3)
    ours = list(desk.account.book.mine.orders.values()) if desk.account.book.mine else []
    interrupted(desk)
    trader.trades(SELL, 2)
    desk.read_anew(*ours, positions={ES: 3})
    assert desk.quantities == [(SELL, 2)]
    assert [copy.verb for copy in desk.account.book.copies.values()][-1] is Verb.CLOSE


def test_with_catch_up_none_what_is_too_much_is_left_and_later_exits_are_followed() -> None:
    desk, trader = holding(4, catch_up="none")
    ours = list(desk.account.book.mine.orders.values()) if desk.account.book.mine else []
    interrupted(desk)
    trader.trades(SELL, 2)
    desk.read_anew(*ours, positions={ES: 4})
    assert desk.places == []
    trader.trades(SELL, 1)
    assert desk.quantities == [(SELL, 3)]


def test_what_was_gathered_before_an_interruption_is_missed() -> None:
    desk, trader = trading()
    trader.fills(trader.places(BUY, 9), 2)
    interrupted(desk)
    desk.read_anew()
    assert row(desk, 10_001).reason == "copying was interrupted before it was sent"
    assert desk.places == []


def test_a_flip_that_waited_over_an_interruption_only_exits() -> None:
    desk, trader = holding(2)
    trader.trades(BUY, 3)
    entry = desk.place
    trader.trades(SELL, 7)
    first = desk.place
    desk.fills(first, 901)
    interrupted(desk)
    bought = order(900, BUY, terms(2), 2, client_ids=frozenset({row(desk, 10_001).client_id}))
    entered = order(902, BUY, terms(3), 3, client_ids=frozenset({entry.client_id}))
    sold = order(901, SELL, terms(2), 2, client_ids=frozenset({first.client_id}))
    desk.read_anew(bought, entered, sold, positions={ES: 3})
    assert desk.quantities == [(SELL, 3)]


def test_while_the_leader_is_lost_nothing_opens_and_a_waiting_flip_exits() -> None:
    desk, trader = trading()
    trader.trades(BUY, 3)
    entry = desk.place
    trader.fills(trader.places(SELL, 9), 5)
    trader.lost()
    desk.fills(entry, 900)
    assert desk.quantities == [(SELL, 3)]
    desk.fills(desk.place, 901)
    assert desk.places == []


def test_while_the_leader_is_lost_a_gathered_entry_waits_and_is_given_up() -> None:
    desk, trader = trading()
    trader.fills(trader.places(BUY, 9), 2)
    trader.lost()
    desk.wait(0.1)
    assert desk.places == []
    trader.read_anew()
    assert row(desk, 10_001).stage is Stage.SKIPPED


def test_while_the_leader_is_lost_what_he_stands_for_is_not_guessed() -> None:
    desk, trader = trading()
    trader.trades(BUY, 3)
    entry = desk.place
    desk.accepted(entry, 900)
    desk.seen(entry, 900, 1)
    trader.trades(SELL, 3)
    exit_ = desk.place
    trader.lost()
    desk.fills(exit_, 901)
    desk.seen(entry, 900, 3)
    assert desk.places == []
    trader.read_anew()
    assert desk.quantities == [(SELL, 2)]


def test_what_the_leader_holds_when_copying_begins_is_not_copied_until_it_is_flat() -> None:
    desk = Desk(follower().account)
    desk.account = attrs.evolve(desk.account, rules=Rules(copy=rules(mode="fills")))
    trader = Trader(desk)
    fresh = follower(mode="fills").account
    desk.account = attrs.evolve(fresh, book=attrs.evolve(fresh.book, theirs=None, caught_up=None))
    trader.orders[order(1, BUY, terms(2)).id] = order(1, BUY, limit(4), 2)
    trader.read_anew()
    trader.fills(trader.places(BUY, 1), 1)
    assert desk.places == []
    assert "before copying began" in (row(desk, 10_001).reason or "")
    assert len(rows(desk)) == 1
    trader.trades(SELL, 3)
    trader.trades(SELL, 2)
    assert desk.quantities == [(SELL, 2)]


def test_a_restart_goes_on_with_an_exit_that_waited() -> None:
    desk, trader = trading()
    trader.trades(BUY, 2)
    entry = desk.place
    trader.trades(SELL, 2)
    desk.restarted()
    desk.hear(e.Authorized(at=desk.now))
    done = order(900, BUY, terms(2), 2, client_ids=frozenset({entry.client_id}))
    desk.read_anew(done, positions={ES: 2})
    assert desk.quantities == [(SELL, 2)]
    assert desk.place.client_id == row(desk, 10_002).client_id
    desk.fills(desk.place, 901)
    trader.read_anew()
    assert desk.places == []
    assert desk.own == {}


def test_executions_of_orders_that_were_copied_as_orders_are_nobody_s_row() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    desk.fills(desk.place, 900)
    desk.hear(e.RulesChanged(at=desk.now, rules=Rules(copy=rules(mode="fills"))))
    desk.leader_read_anew()
    assert [copy.leader_fill_id for copy in rows(desk)] == [None]
    desk.leader(order(2, SELL, terms(2), 2))
    assert desk.quantities == [(SELL, 2)]


def test_an_exit_that_rests_from_before_makes_way_for_a_closing() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(3), 3))
    desk.fills(desk.place, 900)
    desk.leader(order(2, SELL, stop(3)))
    desk.accepted(desk.place, 901)
    desk.hear(e.RulesChanged(at=desk.now, rules=Rules(copy=rules(mode="fills"))))
    busted = order(1, BUY, terms(3), 3)
    busted = attrs.evolve(busted, fills=(attrs.evolve(busted.fills[0], active=False), *busted.fills[1:]))
    desk.theirs = desk.theirs.with_order(busted)
    desk.leader_read_anew()
    assert [cancel.order_id for cancel in desk.cancels] == [901]
    assert desk.places == []


def test_a_resting_exit_is_cancelled_before_what_is_too_much_is_closed() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(3), 3))
    desk.fills(desk.place, 900)
    desk.leader(order(2, SELL, stop(3)))
    desk.accepted(desk.place, 901)
    desk.hear(e.RulesChanged(at=desk.now, rules=Rules(copy=rules(mode="fills"))))
    trader = Trader(desk)
    trader.trades(BUY, 1)
    trader.trades(SELL, 6)
    assert desk.places == []
    assert [cancel.order_id for cancel in desk.cancels] == [901]


def test_a_carrier_that_outlives_its_rows_still_says_what_became_of_it() -> None:
    desk, trader = trading()
    trader.fills(trader.places(BUY, 9), 1, 1)
    desk.wait(0.1)
    place = desk.place
    carried, carrier = rows(desk)
    book = desk.account.book
    desk.account = attrs.evolve(desk.account, book=attrs.evolve(book, copies={carrier.id: carrier}))
    desk.fills(place, 900)
    assert [(copy.id, copy.stage) for copy in rows(desk)] == [(carrier.id, Stage.FILLED)]
    assert carried.carrier == carrier.id


def test_rows_are_forgotten_with_their_order_and_not_before_their_carrier() -> None:
    desk, trader = trading()
    trader.fills(trader.places(BUY, 9), 2, 2)
    desk.wait(0.1)
    carrier = desk.place
    desk.sent(carrier)
    desk.answer_lost(carrier)
    trader.orders.clear()
    trader.read_anew()
    interrupted(desk)
    desk.read_anew()
    assert [copy.stage for copy in rows(desk)] == [Stage.UNKNOWN, Stage.UNKNOWN]
    absent(desk)
    interrupted(desk)
    desk.read_anew()
    assert [copy.stage for copy in rows(desk)] == [Stage.SKIPPED, Stage.SKIPPED], "it may turn up yet"
    desk.now += resync.TURNS_UP_WITHIN
    interrupted(desk)
    desk.read_anew()
    assert rows(desk) == [] and desk.account.book.executions == {}


def test_a_row_whose_carrier_is_forgotten_is_looked_at_alone() -> None:
    desk, trader = trading()
    trader.fills(trader.places(BUY, 9), 1, 1)
    desk.wait(0.1)
    refused(desk)
    book = desk.account.book
    carried, carrier = rows(desk)
    assert carried.carrier == carrier.id
    left = {carried.id: carried}
    desk.account = attrs.evolve(desk.account, book=attrs.evolve(book, copies=left))
    trader.orders.clear()
    trader.read_anew()
    interrupted(desk)
    desk.read_anew()
    assert rows(desk) == []


def test_a_fill_that_was_busted_before_it_was_seen_is_skipped() -> None:
    desk, trader = trading()
    number = trader.places(BUY, 2)
    one = trader.orders[number]
    gone = Fill(FillId(10_001), BUY, 1, Decimal(5000), desk.now, active=False)
    trader.tell(attrs.evolve(one, fills=(gone,), status=Status.WORKING))
    assert row(desk, 10_001).reason == "the exchange had taken it back before it could be copied"
    assert desk.places == []
