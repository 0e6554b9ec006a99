"""Trades that the exchange takes back: reduce always, open nothing, and say so. In both modes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings

from statecharts.effects import PlaceOrder, Severity
from statecharts.rules import Mode
from statecharts.values import Fill, FillId, Order, OrderId, Status, VersionId
from tests import examples
from tests.statecharts.desk import BUY, ES, NOON, SELL, Desk, follower, limit, order, stop, terms
from tests.statecharts.exchange import Exchange
from tests.statecharts.test_worlds import CAP, Leader, at_rest, live, moves

BOTH = pytest.mark.parametrize("mode", ["orders", "fills"])


def busted(one: Order, *which: int) -> Order:
    """The order after these of its fills (all, when none is named) were taken back."""
    gone = which or range(len(one.fills))
    return attrs.evolve(
        one, fills=tuple(attrs.evolve(f, active=f.active and n not in gone) for n, f in enumerate(one.fills))
    )


def holding(mode: Mode, quantity: int = 2, **more: Any) -> tuple[Desk, Order, PlaceOrder]:
    """A leader's order that has filled, and ours that it led to, as order 900."""
    desk = follower(mode=mode, **more)
    theirs = order(100, BUY, terms(quantity), quantity)
    desk.leader(theirs)
    ours = desk.place
    desk.fills(ours, 900)
    return desk, theirs, ours


def exited(desk: Desk, quantity: int, number: int = 101) -> tuple[Order, PlaceOrder]:
    theirs = order(number, SELL, terms(quantity), quantity)
    desk.leader(theirs)
    ours = desk.place
    desk.fills(ours, 900 + number)
    return theirs, ours


def our_bust(desk: Desk, ours: PlaceOrder, number: int, *which: int) -> None:
    assert desk.account.book.mine is not None
    desk.foreign(busted(desk.account.book.mine.orders[OrderId(number)], *which))


@BOTH
def test_an_entry_of_the_leader_s_that_is_busted_is_closed(mode: Mode) -> None:
    desk, theirs, _ = holding(mode)
    desk.leader(busted(theirs))
    assert desk.quantities == [(SELL, 2)]
    desk.fills(desk.place, 901)
    assert desk.own == {}
    desk.wait(60)
    assert desk.places == []


@BOTH
def test_an_entry_that_is_busted_in_part_is_trimmed(mode: Mode) -> None:
    desk, theirs, _ = holding(mode, 3)
    desk.leader(busted(theirs, 0))
    assert desk.quantities == [(SELL, 1)]
    assert "the exchange took back 1 ESZ6 (order 100) of the leader's" in desk.heard("position.drifted")[0]


@BOTH
def test_an_exit_that_is_busted_opens_nothing_and_waits_until_the_leader_is_flat(mode: Mode) -> None:
    desk, _, _ = holding(mode, 3)
    theirs, _ = exited(desk, 2)
    desk.leader(busted(theirs))
    assert desk.places == []
    (told,) = [tell for tell in desk.told if tell.event == "position.drifted"]
    assert told.severity is Severity.WARNING and "short by 2 of 3" in told.message
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.places == []
    desk.leader(order(103, SELL, terms(4), 4))
    assert desk.quantities == [(SELL, 1)]
    desk.fills(desk.place, 930)
    desk.leader(order(104, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


@BOTH
def test_a_flip_that_is_busted_is_closed_and_not_turned_back(mode: Mode) -> None:
    desk, _, _ = holding(mode, 2)
    theirs, _ = exited(desk, 3)
    assert desk.own == {ES: -1}
    desk.leader(busted(theirs))
    assert desk.quantities == [(BUY, 1)]
    desk.fills(desk.place, 930)
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.places == []
    assert any("short by 2 of 2" in words for words in desk.heard("position.drifted"))


@BOTH
def test_an_entry_of_ours_that_is_busted_is_not_made_up_for(mode: Mode) -> None:
    desk, _, ours = holding(mode)
    our_bust(desk, ours, 900, 1)
    assert desk.own == {ES: 1}
    assert desk.places == []
    assert "the exchange took back 1 ESZ6 (order 900) of ours: short by 1 of 2" in desk.heard("position.drifted")[0]
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.places == []
    desk.leader(order(103, SELL, terms(3), 3))
    assert desk.quantities == [(SELL, 1)]


@BOTH
def test_an_exit_of_ours_that_is_busted_is_closed_again(mode: Mode) -> None:
    desk, _, _ = holding(mode, 3)
    _, ours = exited(desk, 2)
    our_bust(desk, ours, 1001, 0)
    assert desk.own == {ES: 2}
    assert desk.quantities == [(SELL, 1)]
    desk.fills(desk.place, 930)
    assert desk.own == {ES: 1}


@BOTH
def test_a_bust_told_twice_is_one_bust(mode: Mode) -> None:
    desk, theirs, _ = holding(mode, 3)
    for _ in range(2):
        desk.leader(busted(theirs, 0))
    assert desk.places == []
    desk.leader(theirs)
    assert desk.places == []
    assert len(desk.heard("position.drifted")) == 1


@BOTH
def test_a_bust_is_compared_when_no_order_of_ours_is_on_its_way(mode: Mode) -> None:
    desk, theirs, _ = holding(mode, 3)
    desk.leader(order(101, BUY, terms(1), 1))
    entry = desk.place
    desk.leader(busted(theirs))
    early = sum(place.terms.quantity for place in desk.places)
    desk.fills(entry, 901)
    assert early + sum(place.terms.quantity for place in desk.places) == 3


@BOTH
def test_with_catch_up_none_a_position_that_was_left_stays_left(mode: Mode) -> None:
    desk, theirs, ours = holding(mode, catch_up="none")
    desk.lost()
    desk.resuming()
    gone = order(101, SELL, terms(1), 1)
    desk.theirs = attrs.evolve(desk.theirs.with_order(gone), generation=2)
    desk.leader_read_anew(desk.theirs)
    desk.read_anew(order(900, BUY, terms(2), 2, client_ids=frozenset({ours.client_id})), positions={ES: 2})
    assert desk.account.book.contract(ES).left
    desk.leader(busted(theirs, 0))
    assert desk.places == []


def corrected(one: Order, quantity: int) -> Order:
    """The order whose only fill is of this many contracts now."""
    (fill,) = one.fills
    return attrs.evolve(one, fills=(attrs.evolve(fill, quantity=quantity, corrected=fill.corrected + 1),))


@BOTH
def test_a_trade_that_is_corrected_to_fewer_contracts_is_trimmed_and_to_more_is_told(mode: Mode) -> None:
    desk, theirs, _ = holding(mode, 1, ratio=3)
    desk.leader(corrected(theirs, 2))
    assert desk.places == []
    assert "the exchange added 1 ESZ6 (order 100) of the leader's: short by 3 of 6" in desk.heard("position.drifted")[0]
    desk.leader(corrected(corrected(theirs, 2), 0))
    assert desk.quantities == [(SELL, 3)]
    desk.leader(theirs)
    assert desk.theirs.position(ES) == 0


def test_what_is_ahead_of_the_leader_is_not_trimmed_for_a_bust_of_an_earlier_trade() -> None:
    desk, theirs, _ = holding("orders", 2)
    desk.leader(order(101, BUY, limit(2)))
    ahead = desk.place
    desk.fills(ahead, 901)
    assert desk.own == {ES: 4}
    desk.leader(busted(theirs, 0))
    assert desk.quantities == [(SELL, 1)]
    desk.fills(desk.place, 902)
    desk.leader(order(101, BUY, limit(2), 2))
    assert desk.places == []
    assert desk.own == {ES: 3}


def test_a_resting_entry_of_ours_keeps_the_comparison_open() -> None:
    desk, theirs, _ = holding("orders", 2)
    desk.leader(order(101, BUY, limit(2)))
    desk.accepted(desk.place, 901)
    desk.leader(busted(theirs, 0))
    assert desk.quantities == [(SELL, 1)]
    desk.fills(desk.place, 902)
    assert desk.account.book.contract(ES).busted is not None


def test_a_resting_exit_makes_way_for_the_trim() -> None:
    desk, theirs, _ = holding("orders", 2)
    desk.leader(order(101, SELL, stop(2)))
    desk.accepted(desk.place, 901)
    desk.leader(busted(theirs, 0))
    assert [cancel.order_id for cancel in desk.cancels] == [901]


@attrs.define
class Unlucky(Leader):
    """A leader whose trades are taken back."""

    next_fill: int = 50_000

    def bust(self, which: int) -> None:
        traded = [one for one in self.orders.values() if one.filled]
        if traded:
            one = traded[which % len(traded)]
            self.set(busted(one, next(n for n, fill in enumerate(one.fills) if fill.active)))

    def fills(self, which: int, quantity: int) -> None:
        one = self.some(which)
        if one is None or one.terms is None:
            return
        made = list(one.fills)
        for _ in range(min(quantity, one.rest)):
            self.next_fill += 1
            made.append(Fill(FillId(self.next_fill), one.side, 1, Decimal(5000), NOON))
        status = Status.FILLED if len(made) >= one.terms.quantity else Status.WORKING
        self.set(attrs.evolve(one, fills=tuple(made), status=status))

    def modifies(self, which: int, quantity: int) -> None:
        one = self.some(which)
        if one is not None and one.terms is not None and one.version is not None:
            more = attrs.evolve(one.terms, quantity=len(one.fills) + min(one.rest, quantity))
            self.set(attrs.evolve(one, terms=more, version=VersionId(one.version + 1000)))


@attrs.define
class Careless(Exchange):
    """Whose takings-back make an exit that is on its way too large: nobody could have known."""

    def check_reductions(self) -> None:
        pass


@settings(max_examples=examples(75), deadline=None, suppress_health_check=list(HealthCheck))
@given(moves(also=("bust", "bust", "our bust", "reverse")))
def test_whatever_is_busted_flat_follows_flat(day: list[tuple[str, int, int]]) -> None:
    desk = follower(max_position=CAP)
    leader, exchange = Unlucky(desk), Careless(desk)
    for what, a, b in day:
        if what == "bust":
            leader.bust(a)
        elif what == "our bust":
            exchange.busts(a)
        else:
            live(desk, leader, exchange, what, a, b)
        exchange.take()
    at_rest(desk, leader, exchange)
