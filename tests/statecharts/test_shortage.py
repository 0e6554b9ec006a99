"""What we lack of the leader's is told once and not chased, and its contract waits until he is flat."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from statecharts import events as e
from statecharts import states as s
from statecharts.account import Account
from statecharts.effects import PlaceOrder
from statecharts.rules import Rules
from statecharts.values import Order, Root, Status
from statecharts.view import View
from tests.statecharts.desk import (
    BUY,
    ES,
    EVAL,
    LEAD,
    LEAD_ID,
    NOON,
    SELL,
    Desk,
    follower,
    in_position,
    limit,
    order,
    rules,
    terms,
)
from tests.statecharts.exchange import Exchange
from tests.statecharts.families import bracket, done, ended
from tests.statecharts.gaps import gap
from tests.statecharts.test_protection import fill, work
from tests.statecharts.trader import Trader

MISSED = "(entry missed, not chased)"


def resting() -> tuple[Desk, PlaceOrder]:
    desk = follower()
    desk.leader(order(101, BUY, limit(3)))
    entry = desk.place
    desk.accepted(entry, 901)
    return desk, entry


def waits(desk: Desk) -> bool:
    return desk.account.book.contract(ES).no_entry is not None


def test_the_part_of_a_reversal_that_was_not_copied_is_told_and_its_contract_waits() -> None:
    desk = in_position(1)
    desk.leader(order(101, SELL, limit(3, 5010)))
    reversal = desk.place
    desk.accepted(reversal, 901)
    desk.leader(order(101, SELL, limit(3, 5010), 2))
    desk.leader(order(101, SELL, limit(3, 5010), 3))
    desk.wait(5)
    assert [one.order_id for one in desk.cancels] == [901]
    desk.seen(reversal, 901, 0, Status.CANCELED)
    assert desk.quantities == [(SELL, 1)]
    assert desk.heard("position.drifted")[0] == f"ESZ6: short by 2 of 2 {MISSED}"
    desk.fills(desk.place, 902)
    desk.leader(order(103, SELL, terms(1), 1))
    assert desk.places == []
    assert desk.own == {}


def test_an_entry_that_filled_for_the_leader_alone_is_told_and_its_contract_waits_until_he_is_flat() -> None:
    desk, entry = resting()
    desk.leader(order(101, BUY, limit(3), 3))
    desk.wait(5)
    desk.seen(entry, 901, 1, Status.CANCELED)
    assert desk.heard("position.drifted") == [f"ESZ6: short by 2 of 3 {MISSED}"]
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.places == []
    desk.leader(order(103, SELL, terms(4), 4))
    desk.fills(desk.place, 903)
    assert desk.own == {}
    desk.leader(order(104, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_what_the_leader_cancelled_unfilled_is_not_missed() -> None:
    desk, entry = resting()
    desk.leader(order(101, BUY, limit(3), status=Status.CANCELED))
    desk.seen(entry, 901, 0, Status.CANCELED)
    assert not waits(desk)


def test_what_the_leader_gets_after_ours_has_ended_is_missed() -> None:
    desk, entry = resting()
    desk.seen(entry, 901, 1, Status.EXPIRED)
    desk.leader(order(101, BUY, limit(3), 1))
    assert not waits(desk)
    desk.leader(order(101, BUY, limit(3), 2))
    assert desk.heard("position.drifted") == [f"ESZ6: short by 1 of 2 {MISSED}"]
    desk.leader(order(101, BUY, limit(3), 3))
    assert len(desk.heard("position.drifted")) == 1


def test_what_another_order_of_ours_is_about_to_bring_is_not_missed() -> None:
    desk, entry = resting()
    desk.leader(order(102, BUY, terms(3), 3))
    more = desk.place
    desk.sent(more)
    desk.leader(order(101, BUY, limit(3), 1))
    desk.leader(order(101, BUY, limit(3), 1, Status.CANCELED))
    desk.seen(entry, 901, 1, Status.CANCELED)
    assert not waits(desk)


def test_an_exit_that_has_ended_misses_nothing() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(1, 5010)))
    out = desk.place
    desk.accepted(out, 901)
    desk.leader(order(101, SELL, limit(1, 5010), 1))
    desk.wait(5)
    desk.seen(out, 901, 0, Status.CANCELED)
    assert not waits(desk)


def test_what_the_operator_flattens_is_not_missed() -> None:
    desk, entry = resting()
    desk.leader(order(101, BUY, limit(3), 2))
    desk.hear(e.FlattenAsked(at=desk.now))
    desk.seen(entry, 901, 0, Status.CANCELED)
    assert desk.heard("position.drifted") == []


@pytest.mark.parametrize("how", ["the leader is lost", "we are lost"])
def test_while_nobody_can_compare_nothing_is_told_and_the_table_tells_the_same(how: str) -> None:
    desk, entry = resting()
    desk.leader(order(101, BUY, limit(3), 3))
    if how == "we are lost":
        desk.lost()
    else:
        desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="socket closed", shown="Reconnecting"))
    desk.seen(entry, 901, 1, Status.CANCELED)
    assert desk.heard("position.drifted") == []
    if how == "we are lost":
        desk.resuming()
        gone = order(901, BUY, limit(3), 1, Status.CANCELED, client_ids=frozenset({entry.client_id}))
        desk.read_anew(gone, positions={ES: 1})
    else:
        desk.leader_read_anew()
    assert desk.heard("position.drifted") == [f"ESZ6: short by 2 of 3 {MISSED}"]


def test_an_order_of_our_own_misses_nothing() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, None, 2, Status.FILLED, unsupported="QTS"))
    closing = desk.place
    desk.sent(closing)
    desk.accepted(closing, 901)
    desk.seen(closing, 901, 0, Status.CANCELED)
    assert not waits(desk)
    assert desk.quantities == [(SELL, 2)]


@pytest.mark.parametrize("held_up_by", ["somebody else", "the broker"])
def test_what_the_leader_made_larger_and_ours_filled_without_is_missed(held_up_by: str) -> None:
    """Ours was complete, and nobody said that it was smaller than his."""
    desk = follower()
    desk.leader(order(101, BUY, limit(1)))
    entry = desk.place
    desk.accepted(entry, 901)
    if held_up_by == "somebody else":
        desk.foreign(order(990, SELL, limit(1, 5100)))
    desk.leader(order(101, BUY, limit(3), version=1001))
    assert len(desk.modifies) == (held_up_by == "the broker")
    desk.seen(entry, 901, 1)
    desk.leader(order(101, BUY, limit(3), 2, version=1001))
    assert not waits(desk)
    desk.leader(order(101, BUY, limit(3), 3, version=1001))
    assert desk.heard("position.drifted") == [f"ESZ6: short by 2 of 3 {MISSED}"]
    assert waits(desk)


def test_what_ours_is_smaller_by_for_its_caps_is_not_missed() -> None:
    desk = follower(max_order=1)
    desk.leader(order(101, BUY, limit(3)))
    entry = desk.place
    desk.accepted(entry, 901)
    desk.seen(entry, 901, 1)
    desk.leader(order(101, BUY, limit(3), 3))
    assert not waits(desk)


def test_in_mode_fills_an_order_that_ended_with_less_is_missed_by_so_much_and_its_contract_waits() -> None:
    desk = follower(mode="fills", max_order=2)
    trader = Trader(desk)
    trader.trades(BUY, 3)
    desk.fills(desk.place, 901)
    trader.trades(BUY, 2)
    entry = desk.place
    desk.accepted(entry, 902)
    desk.seen(entry, 902, 1, Status.CANCELED)
    assert desk.heard("position.drifted") == [f"ESZ6: short by 1 of 5 {MISSED}"]
    trader.trades(BUY, 1)
    assert desk.places == []


def test_in_mode_fills_an_exit_that_was_cancelled_behind_the_entries_after_it_is_missed_on_the_other_side() -> None:
    desk = follower(mode="fills")
    desk.leader(order(100, BUY, terms(2), 2))
    desk.fills(desk.place, 900)
    desk.leader(order(101, SELL, terms(2), 2))
    out = desk.place
    desk.accepted(out, 901)
    desk.leader(order(102, SELL, terms(1), 1))
    desk.fills(desk.place, 902)
    desk.seen(out, 901, 0, Status.CANCELED)
    lacking = "ESZ6: short by 1 of 1 (an exit came to nothing, and the leader went on, not chased)"
    assert desk.heard("position.drifted")[0] == lacking
    desk.fills(desk.place, 903)
    assert desk.own == {}


def test_in_mode_fills_an_exit_that_waits_and_will_not_go_takes_nothing() -> None:
    desk = follower(mode="fills")
    desk.leader(order(101, BUY, terms(2), 2))
    entry = desk.place
    desk.accepted(entry, 901)
    desk.leader(order(102, SELL, terms(1), 1))
    assert desk.places == []
    desk.seen(entry, 901, 1, Status.CANCELED)
    assert desk.own == {ES: 1}
    assert not waits(desk)


def test_in_mode_fills_what_is_under_way_is_not_missed_also_when_the_leader_s_order_has_more_to_come() -> None:
    """Half of ours counted, because half of his order had filled: all of it stands for what has."""
    desk = follower(mode="fills")
    desk.leader(order(101, BUY, limit(4), 2))
    desk.wait(0.1)
    entry = desk.place
    desk.accepted(entry, 901)
    desk.leader_read_anew()
    assert not waits(desk)


def test_an_exit_that_filled_for_us_alone_is_told_when_the_leader_cancels_his() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, limit(1, 5010)))
    desk.fills(desk.place, 901)
    desk.wait(60)
    assert not waits(desk)  # his may still fill
    desk.leader(order(101, SELL, limit(1, 5010), status=Status.CANCELED))
    (told,) = desk.heard("position.drifted")
    assert told == "ESZ6: short by 1 of 2 (ours has filled and the leader's has not, not chased)"
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.places == []


def test_what_an_exit_that_waits_is_about_to_take_lacks_as_well() -> None:
    desk, entry = resting()
    desk.leader(order(101, BUY, limit(3), 3))
    desk.leader(order(102, SELL, terms(1), 1))
    assert [one.order_id for one in desk.cancels] == [901]
    desk.seen(entry, 901, 2, Status.CANCELED)
    assert desk.quantities == [(SELL, 1)]
    assert desk.heard("position.drifted") == [f"ESZ6: short by 1 of 2 {MISSED}"]


def test_an_exit_that_took_the_leader_through_flat_is_told_where_ours_ended_flat() -> None:
    """Found by a world: he had sold half of it himself, and his target then filled whole."""
    desk = follower()
    exchange = Exchange(desk)
    entry, target, stop_ = bracket(101, terms(2), 2)
    desk.frame(entry, target, stop_)
    work(exchange)
    desk.leader(order(104, SELL, terms(1), 1))
    work(exchange)
    assert desk.own == {ES: 1} and not waits(desk)
    (number,) = (n for n in exchange.tradable if exchange.orders[n][1].terms == limit(1, 5020))
    desk.leader(done(target), ended(stop_))
    fill(exchange, number, 1)
    work(exchange)
    assert desk.own == {}
    assert desk.heard("position.drifted") == [f"ESZ6: short by 1 of 1 {MISSED}"]
    assert waits(desk)


def began_with(*orders: Order, **more: Any) -> Desk:
    """Copying begins, and the leader has these orders."""
    desk = Desk(Account(name=EVAL, connection=s.Resyncing(since=NOON), rules=Rules(copy=rules(**more))))
    desk.read_anew()
    desk.leader_read_anew(View(LEAD_ID, 1, {one.id: one for one in orders}))
    return desk


@pytest.mark.parametrize("how", ["as it was", "as somebody else's follower"])
def test_an_order_of_before_copying_began_that_fills_is_told_and_its_contract_waits(how: str) -> None:
    desk = began_with(order(50, BUY, limit(2)))
    if how == "as somebody else's follower":
        desk.hear(e.FollowsAnew(at=desk.now))
        desk.leader_read_anew()
    assert not waits(desk)
    desk.leader(order(50, BUY, limit(2), 1))
    desk.leader(order(50, BUY, limit(2), 2))
    before = "the leader had this order before copying began, not chased"
    assert desk.heard("position.drifted") == [f"ESZ6: short by 1 of 1 ({before})"]
    desk.leader(order(51, BUY, terms(1), 1))
    assert desk.places == []
    desk.leader(order(52, SELL, terms(3), 3))
    assert not waits(desk)
    desk.leader(order(53, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_an_exit_of_before_copying_began_is_missed_by_nobody() -> None:
    desk = began_with(order(50, SELL, limit(2)))
    desk.leader(order(51, BUY, terms(2), 2))
    desk.fills(desk.place, 901)
    desk.leader(order(50, SELL, limit(2), 2))
    assert desk.quantities == [(SELL, 2)] and not waits(desk)
    assert [words for words in desk.heard("position.drifted") if "short by" in words] == []


@pytest.mark.parametrize("more", [{"shadow": True}, {"deny": frozenset({Root("ES")})}, {"ratio": Decimal("0.1")}])
def test_what_is_not_copied_at_all_is_not_missed(more: dict[str, Any]) -> None:
    desk = began_with(order(50, BUY, limit(2)), **more)
    desk.leader(order(50, BUY, limit(2), 2))
    gap(desk, "theirs", net=2)
    assert not waits(desk) and desk.heard("position.drifted") == []
