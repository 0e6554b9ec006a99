"""SessionClosed, at once and later: an exit waits, an entry does not come again, and nobody asks again and again."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from statecharts import calendar
from statecharts.effects import PlaceOrder, Severity
from statecharts.events import AlarmRang
from statecharts.order import Stage
from statecharts.values import Status, Symbol
from statecharts.view import View
from tests.statecharts.desk import BUY, ES, LEAD_ID, SELL, Desk, follower, in_position, limit, order, stop, terms
from tests.statecharts.trading_hours import CLOSED, WEDNESDAY, chicago, clock, opens, waits_until, with_hours

NOON = f"{WEDNESDAY} 12:00"
CL, NQ = Symbol("CLF7"), Symbol("NQZ6")
WORDS = "Cannot place order outside of market hours"


def closed(desk: Desk, place: PlaceOrder) -> None:
    desk.refused(place, "SessionClosed", WORDS)


def rejected(desk: Desk, place: PlaceOrder, number: int) -> None:
    """Accepted, and then refused by the exchange."""
    desk.accepted(place, number, working=False)
    desk.seen(place, number, status=Status.REJECTED, reject_reason=f"SessionClosed: {WORDS}")


@pytest.mark.parametrize("later", [False, True])
def test_an_entry_is_refused_like_any_other_and_does_not_come_at_the_reopening(later: bool) -> None:
    desk = with_hours(follower(), NOON)
    desk.leader(order(100, BUY, terms(1), 1))
    rejected(desk, desk.place, 900) if later else closed(desk, desk.place)
    assert desk.account.book.contract(ES).no_entry is not None
    (message,) = desk.heard("calendar.contradicted")
    assert message == (
        "equity_index: the table of hours says open from 17 Nov 23:00 UTC (session) to 18 Nov 22:00 UTC, and the "
        "broker refused an order in ESZ6 with SessionClosed 18:00:00 UTC. It counts as closed until 18:01:00 UTC"
    )
    for _ in range(200):
        desk.wait(60)
        assert desk.places == []


def test_what_the_leader_does_is_copied_meanwhile_and_what_is_our_own_doing_waits_in_the_whole_group() -> None:
    desk = with_hours(in_position(2), NOON)
    desk.leader(order(101, BUY, terms(1), 1))
    closed(desk, desk.place)
    desk.leader(order(102, BUY, terms(1), 1, symbol=NQ))
    desk.fills(desk.place, 902)
    desk.leader(order(103, BUY, terms(1), 1, symbol=CL))
    desk.fills(desk.place, 903)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {}))
    assert [one.symbol for one in desk.places] == [CL]  # of another group
    assert clock(waits_until(desk)) == "Wed 12:01:00"
    opens(desk)
    assert [one.symbol for one in desk.places] == [ES, NQ]
    assert len(desk.heard("calendar.contradicted")) == 1


@pytest.mark.parametrize("later", [False, True])
def test_a_resting_exit_is_placed_anew_once_the_minute_is_over(later: bool) -> None:
    desk = with_hours(in_position(2), NOON)
    desk.leader(order(101, SELL, stop(2)))
    first = desk.place
    rejected(desk, first, 901) if later else closed(desk, first)
    assert desk.copy_of(101).stage is Stage.HELD and desk.places == []
    assert clock(waits_until(desk)) == "Wed 12:01:00"
    opens(desk)
    assert desk.place.terms == stop(2) and desk.place.client_id != first.client_id


def test_a_closed_table_says_when_it_is_asked_for_again_and_is_not_contradicted() -> None:
    desk = with_hours(in_position(2), CLOSED)
    desk.leader(order(101, SELL, stop(2)))
    closed(desk, desk.place)
    assert clock(waits_until(desk)) == "Wed 17:00:01"
    assert desk.heard("calendar.contradicted") == []
    assert "SessionClosed" in desk.heard("copy.failed")[0] and "18 Nov 23:00:01 UTC" in desk.heard("copy.failed")[0]
    opens(desk)
    assert desk.place.terms == stop(2)


def test_the_mark_ends_at_the_next_edge() -> None:
    desk = with_hours(in_position(2), f"{WEDNESDAY} 15:59:30")
    desk.leader(order(101, SELL, stop(2)))
    closed(desk, desk.place)
    assert clock(waits_until(desk)) == "Wed 16:00:00"
    opens(desk)
    assert desk.places == []
    assert clock(waits_until(desk)) == "Wed 17:00:01"


@pytest.mark.parametrize("kind", ["exit", "reversal"])
def test_what_the_leader_has_exited_is_closed_at_market_once_it_opens(kind: str) -> None:
    desk = with_hours(in_position(2), NOON)
    quantity = 2 if kind == "exit" else 3
    desk.leader(order(101, SELL, terms(quantity), quantity))
    closed(desk, desk.place)
    assert desk.places == []
    opens(desk)
    assert desk.quantities == [(SELL, 2)]  # never the part that would open


def test_an_unscheduled_halt_of_an_hour_is_asked_about_once_a_minute_and_told_once() -> None:
    desk = with_hours(in_position(2), NOON)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {}))
    asked = 0
    end = chicago(f"{WEDNESDAY} 13:00")
    while desk.now < end:
        for place in desk.places:
            asked += 1
            closed(desk, place)
        opens(desk)
    assert 55 <= asked <= 61
    refused = [tell for tell in desk.told if tell.event == "copy.failed"]
    assert [tell.severity for tell in refused].count(Severity.WARNING) == 1
    assert not [tell for tell in desk.told if tell.severity is Severity.PAGE]
    assert len(desk.heard("calendar.contradicted")) == 1
    assert desk.quantities == [(SELL, 2)]


def test_a_second_order_refused_within_the_minute_does_not_prolong_it() -> None:
    desk = with_hours(in_position(2), NOON)
    desk.leader(order(101, SELL, limit(1, 5010)))
    one = desk.place
    desk.leader(order(102, SELL, limit(1, 5020)))
    two = desk.place
    closed(desk, one)
    desk.wait(30)
    closed(desk, two)
    assert clock(waits_until(desk)) == "Wed 12:01:00"


@pytest.mark.parametrize("verb", ["cancel", "modify"])
def test_a_change_waits_and_is_asked_for_once_with_the_newest_terms(verb: str) -> None:
    desk = in_position(2)
    resting = order(101, SELL, limit(2, 5010))
    desk.leader(resting)
    desk.accepted(desk.place, 901)
    with_hours(desk, CLOSED)
    change = (
        attrs.evolve(resting, status=Status.CANCELED)
        if verb == "cancel"
        else order(101, SELL, limit(2, 5020), version=102)
    )
    desk.leader(change)
    ((request,),) = ((desk.cancels or desk.modifies),)
    desk.refused(request, "SessionClosed", WORDS)
    assert desk.cancels == [] and desk.modifies == []
    assert clock(waits_until(desk)) == "Wed 17:00:01"
    if verb == "modify":
        desk.leader(order(101, SELL, limit(2, 5030), version=103))
        assert desk.modifies == []
    opens(desk)
    assert [one.order_id for one in (desk.cancels or desk.modifies)] == [901]
    assert verb == "cancel" or desk.modifies[0].terms == limit(2, 5030)


def test_a_clock_that_is_set_back_makes_the_minute_no_hour() -> None:
    desk = with_hours(in_position(2), NOON)
    desk.leader(order(101, SELL, stop(2)))
    closed(desk, desk.place)
    desk.now -= timedelta(hours=1)
    desk.hear(AlarmRang(at=desk.now))
    assert desk.place.terms == stop(2)
    closed(desk, desk.place)
    assert clock(waits_until(desk)) == "Wed 11:01:00"
    opens(desk)
    assert desk.place.terms == stop(2)


def test_where_there_are_no_hours_a_refusal_closes_for_a_minute_all_the_same() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    closed(desk, desk.place)
    (message,) = desk.heard("calendar.contradicted")
    assert "says open always, and" in message
    desk.wait(60)
    closed(desk, desk.place)
    assert len(desk.heard("calendar.contradicted")) == 1
    desk.wait(60)
    assert desk.place.terms == stop(2)


def test_a_product_that_belongs_to_no_group_stands_for_itself() -> None:
    desk = with_hours(follower(), NOON)
    odd = Symbol("XYZZ6")
    desk.leader(order(100, BUY, terms(1), 1, symbol=odd))
    closed(desk, desk.place)
    assert set(desk.account.book.markets) == {"XYZ"}
    assert calendar.session_closed("SessionClosed") and not calendar.session_closed("InvalidPrice: SessionClosed")
