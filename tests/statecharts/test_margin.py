"""A follower that lacks margin: the second refusal in a row pauses its entries."""

from __future__ import annotations

from statecharts import events as e
from statecharts.bars import Bar
from statecharts.effects import PlaceOrder
from statecharts.values import Symbol
from tests.statecharts.desk import BUY, ES, SELL, Desk, follower, limit, order, terms

NQ = Symbol("NQZ6")
CL = Symbol("CLZ6")


def refused_for_margin(desk: Desk, number: int, symbol: Symbol) -> None:
    desk.leader(order(number, BUY, terms(1), 1, symbol=symbol))
    desk.refused(desk.place, "MaxPosLimitReached")


def test_once_is_a_refused_entry_like_any_other() -> None:
    desk = follower()
    refused_for_margin(desk, 1, ES)
    assert desk.account.book.barred == {}
    desk.leader(order(2, BUY, terms(1), 1, symbol=NQ))
    assert desk.quantities == [(BUY, 1)]


def test_twice_in_a_row_pauses_the_entries_of_every_contract_until_resume() -> None:
    desk = follower()
    refused_for_margin(desk, 1, ES)
    refused_for_margin(desk, 2, NQ)
    assert [one for one in desk.heard("copy.failed") if "in a row" in one]
    desk.leader(order(3, BUY, terms(1), 1, symbol=CL))
    assert desk.places == []
    assert "lacks margin" in (desk.copy_of(3).reason or "")
    desk.hear(e.ResumeAsked(at=desk.now))
    desk.leader(order(4, SELL, terms(1), 1, symbol=CL), order(5, BUY, terms(1), 1, symbol=CL))
    assert desk.quantities == [(BUY, 1)]


def test_an_entry_at_work_in_between_begins_the_count_anew() -> None:
    desk = follower()
    refused_for_margin(desk, 1, ES)
    desk.leader(order(2, BUY, limit(1), symbol=NQ))
    desk.accepted(desk.place, 900)
    refused_for_margin(desk, 3, CL)
    assert Bar.MARGIN not in desk.account.book.barred
    assert desk.account.book.margin_refusals == 1


def test_another_reason_is_no_lack_of_margin() -> None:
    desk = follower()
    for number, symbol in ((1, ES), (2, NQ)):
        desk.leader(order(number, BUY, terms(1), 1, symbol=symbol))
        desk.refused(desk.place, "InvalidPrice")
    assert desk.account.book.barred == {}


def test_it_is_told_once() -> None:
    desk = follower()
    desk.leader(*(order(n, BUY, limit(1), symbol=Symbol(f"A{n}Z6")) for n in (1, 2)))
    first = [place for place in desk.everything if isinstance(place, PlaceOrder)]
    desk.leader(order(3, BUY, limit(1), symbol=CL))
    for place in (*first, desk.place):
        desk.refused(place, "Other", "insufficient margin")
    assert len([one for one in desk.heard("copy.failed") if "in a row" in one]) == 1
