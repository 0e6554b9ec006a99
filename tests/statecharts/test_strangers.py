"""What others do on a follower's account: the human wins."""

from __future__ import annotations

import attrs

from statecharts.values import OrderId, Side
from tests.statecharts.desk import BUY, ES, SELL, Desk, follower, in_position, order, stop, terms


def test_foreign_trades_are_left_alone_and_nothing_opens_beside_them() -> None:
    desk = in_position(2)
    desk.foreign(order(3556122, BUY, terms(1), 1))
    assert "Ours 2, theirs 1" in desk.heard("account.quarantined")[0]
    desk.leader(order(101, BUY, terms(1), 1))
    assert "somebody else" in (desk.copy_of(101).reason or "")
    desk.leader(order(102, SELL, terms(3), 3))
    assert desk.quantities == [(SELL, 2)]
    desk.fills(desk.place, 901)
    assert desk.account.book.contract(ES).foreign == 1


def test_a_strangers_order_is_no_trade_until_it_fills() -> None:
    desk = follower()
    desk.foreign(order(7, BUY, terms(3)))
    desk.foreign(order(7, BUY, terms(3), 1))
    desk.foreign(order(7, BUY, terms(3), 1))
    assert desk.account.book.contract(ES).foreign == 1
    assert len(desk.heard("account.quarantined")) == 1


def test_what_a_human_closed_is_not_closed_once_more() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    desk.accepted(desk.place, 901)
    desk.foreign(order(7, SELL, terms(2), 2))
    assert desk.own == {}
    assert [one.order_id for one in desk.cancels] == [901]
    desk.leader(order(102, SELL, terms(2), 2))
    assert desk.places == []
    desk.leader(order(103, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_what_a_human_closed_in_part_leaves_our_stop_as_large_as_what_is_left() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, stop(3)))
    desk.accepted(desk.place, 901)
    desk.foreign(order(7, SELL, terms(1), 1))
    assert desk.own == {ES: 2}
    assert [one.terms for one in desk.modifies] == [stop(2)]
    desk.leader(order(104, BUY, terms(1), 1))
    assert "somebody else closed 1 of ours" in (desk.copy_of(104).reason or "")


def test_an_exit_small_enough_for_what_is_left_stays() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, stop(1)))
    desk.accepted(desk.place, 901)
    desk.foreign(order(7, SELL, terms(1), 1))
    assert (desk.cancels, desk.modifies) == ([], [])


def test_facts_before_the_first_snapshot_are_not_kept() -> None:
    desk = follower()
    desk.account = attrs.evolve(desk.account, book=attrs.evolve(desk.account.book, mine=None))
    desk.foreign(order(7, BUY, terms(1), 1))
    assert desk.account.book.mine is None
    assert OrderId(7) not in desk.account.book.orders


def nameless(desk: Desk, number: int, side: Side, filled: int) -> None:
    desk.foreign(order(number, side, terms(2), filled))


def test_an_order_of_ours_that_is_told_without_a_name_before_its_answer_is_no_stranger_s() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    place = desk.place
    nameless(desk, 900, BUY, 1)
    nameless(desk, 900, BUY, 2)
    assert desk.heard("account.quarantined") == []
    desk.accepted(place, 900, working=False)
    contract = desk.account.book.contract(ES)
    assert (contract.own, contract.foreign, desk.account.book.unattributed) == (2, 0, frozenset())
    desk.leader(order(2, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_a_human_s_order_in_the_same_moment_is_his_when_ours_has_been_answered() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    place = desk.place
    nameless(desk, 7, BUY, 2)
    desk.foreign(order(8, SELL, terms(1), 1))
    assert desk.account.book.contract(ES).foreign == -1, "ours buys: this is not it"
    desk.fills(place, 900)
    contract = desk.account.book.contract(ES)
    assert (contract.own, contract.foreign) == (2, 1)
    nameless(desk, 7, BUY, 2)
    assert desk.account.book.contract(ES).foreign == 1


def test_what_waited_to_be_claimed_is_compared_as_a_whole_when_the_account_is_read() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    nameless(desk, 7, BUY, 2)
    assert desk.account.book.unattributed
    desk.read_anew(order(7, BUY, terms(2), 2), positions={ES: 2})
    assert not desk.account.book.unattributed
