"""What others do on a follower's account: the human wins."""

from __future__ import annotations

import attrs

from statecharts import events as e
from statecharts.order import Stage
from statecharts.strangers import quarantined
from statecharts.values import OrderId, Side, Status
from tests.statecharts.desk import BUY, ES, NOON, SELL, Desk, follower, in_position, limit, order, stop, terms


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
    assert desk.account.book.contract(ES).foreign == 0
    desk.foreign(order(7, BUY, terms(3), 1))
    desk.foreign(order(7, BUY, terms(3), 1))
    assert desk.account.book.contract(ES).foreign == 1
    assert ["Ours 0, theirs 0" in one for one in desk.heard("account.quarantined")] == [True, False]


def test_a_strangers_order_bars_openings_while_it_works_and_no_longer() -> None:
    desk = in_position(2)
    desk.foreign(order(7, BUY, limit(3)))
    (words,) = desk.heard("account.quarantined")
    assert "Buy 3 ESZ6 Limit (order 7)" in words and "Ours 2, theirs 0" in words
    contract = desk.account.book.contract(ES)
    assert quarantined(contract) and (contract.foreign_order, contract.foreign_at) == (7, NOON)
    desk.leader(order(101, BUY, terms(1), 1))
    assert "somebody else" in (desk.copy_of(101).reason or "")
    desk.leader(order(102, SELL, terms(3), 3))
    assert desk.quantities == [(SELL, 2)], "what is ours leaves"
    desk.fills(desk.place, 901)
    desk.foreign(order(7, BUY, limit(3), status=Status.CANCELED))
    assert len(desk.heard("account.released")) == 1
    assert (desk.account.book.contract(ES).foreign_order, desk.account.book.contract(ES).foreign_at) == (None, None)
    desk.leader(order(103, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_an_order_that_fills_leaves_its_part_in_quarantine() -> None:
    desk = follower()
    desk.foreign(order(7, BUY, limit(2)))
    desk.foreign(order(7, BUY, limit(2), 2))
    contract = desk.account.book.contract(ES)
    assert (contract.foreign, contract.beside) == (2, frozenset())
    assert desk.heard("account.released") == []
    desk.foreign(order(8, SELL, limit(2)))
    assert not desk.account.book.contract(ES).beside, "it only makes that part smaller"
    desk.foreign(order(8, SELL, limit(2), 2))
    assert len(desk.heard("account.released")) == 1
    assert not quarantined(desk.account.book.contract(ES))


def test_an_order_that_would_close_ours_bars_and_is_told() -> None:
    desk = in_position(2)
    desk.foreign(order(7, SELL, stop(2)))
    assert "Sell 2 ESZ6 Stop" in desk.heard("account.quarantined")[0]
    desk.foreign(order(7, SELL, stop(2), 2))
    assert desk.own == {}
    assert not quarantined(desk.account.book.contract(ES))
    assert "waits until the leader is flat" in (desk.account.book.contract(ES).no_entry or "")


def test_of_several_orders_the_last_ends_the_quarantine() -> None:
    desk = follower()
    desk.foreign(order(7, BUY, limit(1)))
    desk.foreign(order(8, SELL, limit(1, 5020)))
    assert len(desk.heard("account.quarantined")) == 2
    desk.foreign(order(7, BUY, limit(1), status=Status.CANCELED))
    assert quarantined(desk.account.book.contract(ES)) and desk.heard("account.released") == []
    desk.foreign(order(8, SELL, limit(1, 5020), status=Status.EXPIRED))
    assert not quarantined(desk.account.book.contract(ES))


def test_an_order_whose_terms_nobody_has_told_bars_too() -> None:
    desk = follower()
    desk.foreign(order(7, BUY, None))
    assert "somebody else has an order here: ESZ6 (order 7)" in desk.heard("account.quarantined")[0]
    desk.leader(order(101, BUY, terms(1), 1))
    assert desk.places == []


def test_orders_of_others_that_a_reading_shows_are_seen() -> None:
    desk = follower()
    desk.read_anew(order(7, BUY, limit(1)), order(9, BUY, terms(1), status=Status.CANCELED))
    assert desk.account.book.contract(ES).beside == {7}
    desk.read_anew()
    assert not quarantined(desk.account.book.contract(ES))
    assert len(desk.heard("account.released")) == 1


def test_a_nameless_order_that_rests_is_nobody_s_until_ours_has_been_answered() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.foreign(order(900, BUY, limit(2)))
    desk.foreign(order(7, BUY, limit(1)))
    assert desk.heard("account.quarantined") == []
    desk.accepted(place, 900, working=False)
    assert desk.account.book.contract(ES).beside == {7}
    assert desk.copy_of(1).stage is Stage.WORKING


def test_what_was_taken_for_a_stranger_s_and_tells_our_name_later_is_ours() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.refused(place)
    desk.foreign(order(900, BUY, limit(2)))
    assert desk.account.book.contract(ES).beside == {900}
    desk.seen(place, 900)
    assert not quarantined(desk.account.book.contract(ES))


def test_what_was_released_bars_no_more_and_the_next_order_does() -> None:
    desk = in_position(1)
    desk.foreign(order(7, BUY, limit(1)))
    desk.hear(e.ReleaseAsked(at=desk.now, symbol=ES))
    assert "and 1 orders" in desk.heard("account.released")[0]
    desk.leader(order(101, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]
    desk.fills(desk.place, 901)
    desk.foreign(order(8, BUY, limit(1)))
    assert desk.account.book.contract(ES).beside == {8}
    desk.foreign(order(8, BUY, limit(1), status=Status.CANCELED))
    assert not quarantined(desk.account.book.contract(ES))
    desk.foreign(order(7, BUY, limit(1), 1))
    assert quarantined(desk.account.book.contract(ES)), "a trade is another thing"
    assert desk.account.book.contract(ES).tolerated == frozenset()


def test_what_the_firm_places_is_the_firm_s() -> None:
    desk = in_position(1)
    desk.foreign(order(7, SELL, terms(1), admin=True))
    assert not desk.account.book.contract(ES).beside


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


def test_an_entry_that_rests_is_left_as_it_is_when_a_human_closes_ours() -> None:
    desk = in_position(2)
    desk.leader(order(101, BUY, limit(1)))
    desk.accepted(desk.place, 901)
    desk.foreign(order(7, SELL, terms(1), 1))
    assert (desk.own, desk.cancels, desk.modifies) == ({ES: 1}, [], [])
