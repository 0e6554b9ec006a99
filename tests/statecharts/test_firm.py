"""The firm or the broker closes, or locks."""

from __future__ import annotations

import pytest

from statecharts import events as e
from statecharts.bars import Bar
from statecharts.effects import ReadAnew, Severity
from statecharts.order import Stage
from statecharts.values import Status, Symbol
from statecharts.view import RiskStatus
from tests.statecharts.desk import BUY, ES, NOON, SELL, Desk, follower, in_position, limit, order, stop, terms

NQ = Symbol("NQZ6")
LOCKED = RiskStatus("LockTradingImmediately", NOON)


def said(desk: Desk, status: RiskStatus) -> None:
    desk.hear(e.RiskStatusSeen(at=desk.now, status=status))


def admin(desk: Desk, number: int, filled: int = 0, quantity: int = 2, status: Status | None = None) -> None:
    desk.foreign(order(number, SELL, terms(quantity), filled, status, admin=True))


def opens(desk: Desk, number: int) -> bool:
    desk.leader(order(number, BUY, terms(1), 1, symbol=Symbol(f"A{number}Z6")))
    return bool(desk.places)


@pytest.mark.parametrize(
    "status",
    [
        LOCKED,
        RiskStatus("LiquidateImmediately"),
        RiskStatus("AgreedOnLiqOnlyModeByAutoLiq"),
        RiskStatus("Normal", NOON, by_user=True),
        RiskStatus("SomethingNew"),
    ],
)
def test_a_restricted_account_opens_nothing_until_resume_and_is_read_again(status: RiskStatus) -> None:
    desk = in_position(2)
    said(desk, status)
    assert len(desk.made(ReadAnew)) == 1
    (told,) = [tell for tell in desk.told if tell.event == "risk.liquidated"]
    assert told.severity is Severity.PAGE
    assert "copierctl resume" in (told.remedy or "")
    desk.read_anew(order(900, BUY, terms(2), 2), positions={ES: 2})
    assert not opens(desk, 1)
    assert "the firm or the broker has acted" in (desk.copy_of(1).reason or "")
    said(desk, RiskStatus("Normal", NOON.replace(hour=19)))
    assert not opens(desk, 2), "until the operator has looked at it"
    desk.hear(e.ResumeAsked(at=desk.now))
    assert opens(desk, 3)


@pytest.mark.parametrize("action", ["Normal", "DisableAutoLiq", "PlaceAutoLiqOnHold"])
def test_what_restricts_nothing_is_no_news(action: str) -> None:
    desk = in_position(2)
    said(desk, RiskStatus(action, NOON))
    assert desk.effects == ()
    assert opens(desk, 1)


def test_the_same_lock_after_a_reconnect_is_no_news() -> None:
    desk = follower()
    said(desk, LOCKED)
    desk.hear(e.ResumeAsked(at=desk.now))
    said(desk, LOCKED)
    assert desk.account.book.barred == {}
    assert len(desk.heard("risk.liquidated")) == 1


def test_nothing_is_sent_in_a_contract_that_the_firm_closes_until_it_has_been_read_again() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    desk.accepted(desk.place, 901)
    admin(desk, 7)
    assert len(desk.made(ReadAnew)) == 1
    desk.leader(order(102, SELL, terms(2), 2))
    assert (desk.places, desk.cancels, desk.copy_of(102).stage) == ([], [], Stage.HELD)
    desk.wait(60)
    assert desk.places == []
    admin(desk, 7, 2)
    assert (desk.own, desk.places) == ({}, [])
    place = next(one for one in desk.everything if getattr(one, "terms", None) == stop(2))
    gone = order(901, SELL, stop(2), status=Status.CANCELED, client_ids=frozenset({place.client_id}))  # type: ignore[attr-defined]  # a PlaceOrder
    desk.read_anew(order(900, BUY, terms(2), 2), gone, order(7, SELL, terms(2), 2, admin=True))
    assert desk.places == []
    assert desk.copy_of(102).stage is Stage.SKIPPED
    assert desk.own == {}


def test_while_an_order_of_theirs_works_nothing_is_sent_though_the_account_has_been_read() -> None:
    desk = in_position(2)
    admin(desk, 7)
    desk.read_anew(order(900, BUY, terms(2), 2), order(7, SELL, terms(2), admin=True), positions={ES: 2})
    desk.leader(order(102, SELL, terms(2), 2))
    assert desk.places == []
    admin(desk, 7, status=Status.CANCELED)
    desk.read_anew(order(900, BUY, terms(2), 2), positions={ES: 2})
    assert desk.quantities == [(SELL, 2)]


def test_a_part_that_they_leave_is_exited_by_us() -> None:
    desk = in_position(3)
    admin(desk, 7, 1, quantity=1)
    assert desk.own == {ES: 2}
    desk.leader(order(102, SELL, terms(3), 3))
    assert desk.places == []
    desk.read_anew(order(900, BUY, terms(3), 3), order(7, SELL, terms(1), 1, admin=True), positions={ES: 2})
    assert desk.quantities == [(SELL, 2)]


def test_other_contracts_go_on_exiting() -> None:
    desk = in_position(2)
    desk.leader(order(110, BUY, terms(1), 1, symbol=NQ))
    desk.fills(desk.place, 910)
    admin(desk, 7)
    desk.leader(order(111, SELL, terms(1), 1, symbol=NQ))
    assert desk.quantities == [(SELL, 1)]


def test_an_order_that_is_refused_because_the_account_is_locked_tells_of_the_lock() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(2), 2))
    desk.refused(desk.place, "TradingLocked")
    assert len(desk.made(ReadAnew)) == 1
    assert Bar.FIRM in desk.account.book.barred
    desk.wait(1)
    assert desk.places == []
    desk.read_anew(order(900, BUY, terms(2), 2), positions={ES: 2})
    assert desk.quantities == [(SELL, 2)]
    desk.refused(desk.place, "TradingLocked")
    assert desk.made(ReadAnew) == []
    desk.wait(2)
    assert desk.quantities == [(SELL, 2)], "exits are tried on"


def test_what_the_firm_did_while_nobody_could_see_it_is_found_in_the_snapshot() -> None:
    desk = in_position(2)
    desk.lost()
    desk.resuming()
    theirs = order(7, SELL, terms(2), 2, admin=True)
    desk.read_anew(order(900, BUY, terms(2), 2), theirs)
    assert Bar.FIRM in desk.account.book.barred
    assert desk.own == {}
    desk.hear(e.ResumeAsked(at=desk.now))
    desk.lost()
    desk.resuming()
    desk.read_anew(order(900, BUY, terms(2), 2), theirs)
    assert desk.account.book.barred == {}


def test_what_the_firm_did_before_copying_began_is_history() -> None:
    desk = follower()
    assert desk.account.book.barred == {}
    admin(desk, 7, 0, 1, Status.CANCELED)
    assert Bar.FIRM in desk.account.book.barred


def test_before_the_account_has_been_read_only_the_bar_is_set() -> None:
    desk = follower()
    fresh = desk.account.book.__class__()
    desk.account = type(desk.account)(
        name=desk.account.name, connection=desk.account.connection, rules=desk.account.rules, book=fresh
    )
    said(desk, LOCKED)
    assert Bar.FIRM in desk.account.book.barred
    assert desk.made(ReadAnew) == []


def test_an_entry_rests_where_the_firm_acts_and_is_taken_back_when_it_has_been_read() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 900)
    said(desk, LOCKED)
    assert desk.cancels == []
    desk.read_anew(order(900, BUY, limit(2), client_ids=frozenset({place.client_id})))
    assert [one.order_id for one in desk.cancels] == [900]
