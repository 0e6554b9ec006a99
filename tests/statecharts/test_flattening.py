"""Flatten: what is cancelled, what is closed, what is waited for, what is read, and what stays out."""

from __future__ import annotations

from datetime import time

import pytest

from statecharts import events as e
from statecharts import flattening
from statecharts.book import FlattenedBy, Latch
from statecharts.draft import Draft
from statecharts.effects import PlaceOrder, Priority, ReadAnew, Severity
from statecharts.order import Stage
from statecharts.rules import Limits
from statecharts.values import Status, Symbol
from statecharts.view import View
from tests.statecharts.desk import (
    BUY,
    ES,
    LEAD,
    LEAD_ID,
    NOON,
    SELL,
    Desk,
    follower,
    in_position,
    limit,
    order,
    stop,
    terms,
)
from tests.statecharts.trading_hours import CLOSED, opens, with_hours

NQ = Symbol("NQZ6")


def flatten(desk: Desk, symbol: Symbol | None = None) -> None:
    desk.hear(e.FlattenAsked(at=desk.now, symbol=symbol))


def resume(desk: Desk) -> None:
    desk.hear(e.ResumeAsked(at=desk.now))


def latch_of(desk: Desk) -> Latch:
    (one,) = desk.account.book.latches
    return one


def sees(desk: Desk, *placed: tuple[PlaceOrder, int, int, Status | None], net: int = 0, symbol: Symbol = ES) -> None:
    """A reading of the account that shows these orders of ours: request, number, filled, status."""
    orders = [
        order(n, p.side, p.terms, filled, status, symbol=p.symbol, client_ids=frozenset({p.client_id}))
        for p, n, filled, status in placed
    ]
    desk.read_anew(*orders, positions={symbol: net} if net else {})


def test_a_position_is_closed_at_market_and_flat_is_what_a_reading_shows() -> None:
    desk = follower()
    desk.leader(order(100, BUY, terms(2), 2))
    entry = desk.place
    desk.fills(entry, 900)
    flatten(desk)
    close = desk.place
    assert (close.side, close.terms, close.priority) == (SELL, terms(2), Priority.EXIT)
    assert desk.account.paused and desk.made(ReadAnew) == []
    desk.fills(close, 901)
    assert len(desk.made(ReadAnew)) == 1 and latch_of(desk).verified_at is None
    assert desk.heard("account.flattened") == []
    sees(desk, (entry, 900, 2, None), (close, 901, 2, None))
    assert latch_of(desk).verified_at == desk.now
    (told,) = desk.heard("account.flattened")
    assert told.startswith("FLAT in everything of ours")
    assert desk.heard("account.flattening") == [
        "FLATTEN everything of ours: the operator asked for it; cancelling and closing it now"
    ]


def test_entries_are_cancelled_first_and_the_position_is_closed_when_exits_are_confirmed_gone() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    protection = desk.place
    desk.accepted(protection, 901)
    desk.leader(order(102, BUY, limit(1)))
    entry = desk.place
    desk.accepted(entry, 902)
    flatten(desk)
    assert [one.order_id for one in desk.cancels] == [902, 901] and desk.places == []
    first, second = desk.cancels
    desk.accepted(first)
    desk.seen(entry, 902, status=Status.CANCELED)
    assert desk.places == [], "the stop may still fill"
    desk.accepted(second)
    desk.seen(protection, 901, status=Status.CANCELED)
    assert desk.quantities == [(SELL, 2)]


def test_an_entry_in_flight_is_waited_for_and_what_it_opens_is_closed() -> None:
    desk = follower()
    desk.leader(order(100, BUY, terms(2), 2))
    entry = desk.place
    flatten(desk)
    assert desk.places == [] and desk.cancels == [] and desk.made(ReadAnew) == []
    desk.fills(entry, 900)
    assert desk.quantities == [(SELL, 2)]


def test_an_entry_without_an_answer_is_looked_up_and_what_it_opened_is_closed() -> None:
    desk = in_position(1)
    desk.leader(order(101, BUY, terms(2), 2))
    entry = desk.place
    desk.answer_lost(entry)
    (look_up,) = desk.look_ups
    flatten(desk)
    assert desk.places == [] and desk.made(ReadAnew) == [], "two unknowns at once cannot be told apart"
    desk.looked_up(look_up, 901)
    close = desk.place
    assert desk.quantities == [(SELL, 1)]
    desk.seen(entry, 901, 2)
    assert desk.places == [], "one closing at a time"
    desk.fills(close, 902)
    assert desk.quantities == [(SELL, 2)]


def test_an_entry_that_was_never_there_leaves_only_the_position_to_close() -> None:
    desk = in_position(1)
    desk.leader(order(101, BUY, terms(2), 2))
    desk.answer_lost(desk.place)
    (look_up,) = desk.look_ups
    flatten(desk)
    while desk.copy_of(101).stage is Stage.UNKNOWN:
        desk.looked_up(look_up)
        look_up = desk.look_ups[0] if desk.look_ups else look_up
    assert desk.copy_of(101).stage is Stage.SKIPPED
    assert desk.quantities == [(SELL, 1)]


def test_an_exit_that_waited_is_given_up() -> None:
    desk = follower()
    desk.leader(order(100, BUY, terms(2), 2))
    entry = desk.place
    desk.leader(order(101, SELL, stop(2)))
    assert desk.copy_of(101).stage is Stage.HELD
    flatten(desk)
    assert desk.copy_of(101).stage is Stage.SKIPPED
    desk.fills(entry, 900)
    assert desk.quantities == [(SELL, 2)]


@pytest.mark.parametrize("symbol", [None, ES])
def test_nothing_of_the_leaders_is_copied_until_resumed(symbol: Symbol | None) -> None:
    desk = follower()
    flatten(desk, symbol)
    desk.leader(order(101, BUY, terms(1), 1))
    assert desk.places == [] and desk.copy_of(101).reason == "flattened: the operator asked for it"
    desk.leader(order(102, SELL, stop(1)))
    desk.leader(order(103, SELL, terms(1), 1))
    assert desk.everything and not [one for one in desk.everything if isinstance(one, PlaceOrder)]
    assert [desk.copy_of(n).stage for n in (102, 103)] == [Stage.SKIPPED, Stage.SKIPPED]


def test_a_late_fill_after_flat_is_closed_too_and_flat_is_read_once_more() -> None:
    desk = in_position(1)
    desk.leader(order(101, BUY, limit(2)))
    entry = desk.place
    desk.accepted(entry, 901)
    flatten(desk)
    (cancel,) = desk.cancels
    close = desk.place
    desk.fills(close, 902)
    desk.accepted(cancel)
    desk.seen(entry, 901, status=Status.CANCELED)
    assert len(desk.made(ReadAnew)) == 1
    desk.seen(entry, 901, filled=2)  # it had filled before it could be cancelled
    assert desk.quantities == [(SELL, 2)] and latch_of(desk).reading is None
    sees(desk, (entry, 901, 2, Status.FILLED), net=2)
    assert latch_of(desk).verified_at is None


def test_flat_that_turns_out_not_to_be_flat_is_said_again_when_it_is() -> None:
    desk = follower()
    flatten(desk)
    sees(desk)
    assert latch_of(desk).verified_at is not None
    desk.leader(order(100, BUY, terms(1), 1))
    stray = desk.copy_of(100)  # skipped; the broker fills an order of its name all the same
    desk.foreign(order(905, BUY, terms(1), 1, client_ids=frozenset({stray.client_id})))
    assert latch_of(desk).verified_at is None
    assert desk.quantities == [(SELL, 1)]
    desk.fills(desk.place, 906)
    assert len(desk.made(ReadAnew)) == 1


def test_who_asks_again_is_not_told_of_what_was_seen_before() -> None:
    desk = follower()
    flatten(desk)
    sees(desk)
    assert latch_of(desk).verified_at is not None
    flatten(desk)
    assert latch_of(desk).verified_at is None and len(desk.made(ReadAnew)) == 1
    sees(desk)
    assert latch_of(desk).verified_at is not None


def test_a_refused_closing_is_asked_again() -> None:
    desk = in_position(2)
    flatten(desk)
    desk.refused(desk.place)
    assert desk.places == []
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]
    assert desk.account.book.contract(ES).close_why == "the operator asked for it"


def test_to_ask_twice_changes_nothing_and_one_contract_widens_to_all() -> None:
    desk = in_position(2)
    flatten(desk, ES)
    close = desk.place
    before = desk.account.book
    flatten(desk, ES)
    assert desk.account.book == before and desk.effects == ()
    flatten(desk, NQ)
    assert latch_of(desk).symbols == frozenset({ES, NQ}) and desk.places == []
    flatten(desk)
    assert latch_of(desk).symbols is None and desk.places == []
    flatten(desk, NQ)
    assert latch_of(desk).symbols is None
    desk.fills(close, 901)
    assert desk.own == {}


def test_one_contract_alone_is_closed_and_the_other_is_paused() -> None:
    desk = in_position(2)
    desk.leader(order(101, BUY, terms(1), 1, symbol=NQ))
    desk.fills(desk.place, 901)
    flatten(desk, ES)
    assert [(one.symbol, one.side) for one in desk.places] == [(ES, SELL)]
    desk.fills(desk.place, 902)
    desk.leader(order(102, BUY, terms(1), 1, symbol=NQ))
    assert desk.places == [] and desk.copy_of(102).reason == "the account is paused"
    desk.leader(order(103, SELL, terms(2), 2, symbol=NQ))
    assert desk.quantities == [(SELL, 1)]
    sees_now = desk.account.book.latches
    assert sees_now[0].reading is not None


def test_asked_for_while_not_connected_it_is_remembered_and_done_when_the_account_is_read() -> None:
    desk = in_position(2)
    desk.lost()
    flatten(desk)
    assert desk.places == []
    assert "as soon as the account is connected" in desk.heard("account.flattening")[0]
    desk.resuming()
    first = desk.account.book.copies[next(iter(desk.account.book.copies))]
    desk.read_anew(order(900, BUY, terms(2), 2, client_ids=frozenset({first.client_id})), positions={ES: 2})
    assert desk.quantities == [(SELL, 2)], "also before the leader is known again"


def test_a_restart_in_the_middle_goes_on_where_it_was() -> None:
    desk = in_position(2)
    first = desk.account.book.copies[next(iter(desk.account.book.copies))]
    flatten(desk)
    close = desk.place
    desk.sent(close)
    desk.restarted()
    desk.hear(e.Authorized(at=desk.now))
    entry = order(900, BUY, terms(2), 2, client_ids=frozenset({first.client_id}))
    desk.read_anew(entry, positions={ES: 2})
    assert desk.places == [], "the closing that was sent may have arrived"
    (look_up,) = desk.look_ups
    desk.looked_up(look_up, 901)
    desk.seen(close, 901, 2)
    assert desk.own == {} and len(desk.made(ReadAnew)) == 1
    gone = order(901, SELL, terms(2), 2, client_ids=frozenset({close.client_id}))
    desk.read_anew(entry, gone)
    assert latch_of(desk).verified_at is not None


def test_while_the_leader_is_away_it_is_flattened_all_the_same() -> None:
    desk = in_position(2)
    desk.hear(e.LeaderLost(at=NOON, leader=LEAD, reason="closed", shown="Reconnecting"))
    flatten(desk)
    assert desk.quantities == [(SELL, 2)]


def test_what_is_not_ours_is_left_and_told() -> None:
    desk = in_position(2)
    first = desk.account.book.copies[next(iter(desk.account.book.copies))]
    human = order(77, BUY, terms(1), 1)
    desk.foreign(human)
    flatten(desk)
    close = desk.place
    assert close.terms.quantity == 2
    desk.fills(close, 901)
    ours = frozenset({first.client_id})
    gone = order(901, SELL, terms(2), 2, client_ids=frozenset({close.client_id}))
    desk.read_anew(human, order(900, BUY, terms(2), 2, client_ids=ours), gone, positions={ES: 1})
    tell = next(one for one in desk.told if one.event == "account.flattened")
    assert tell.severity is Severity.WARNING and tell.message.endswith("left alone because it is not ours: +1 ESZ6")
    assert tell.remedy == "nothing opens until: copierctl resume eval1"


def test_after_resume_each_contract_waits_until_the_leader_is_flat_in_it() -> None:
    desk = in_position(2)
    flatten(desk)
    desk.fills(desk.place, 901)
    resume(desk)
    assert not desk.account.paused and desk.account.book.latches == ()
    desk.leader(order(101, BUY, terms(1), 1))
    assert desk.copy_of(101).reason == "the operator asked for it; waits until the leader is flat"
    desk.leader(order(102, BUY, terms(1), 1, symbol=NQ))
    assert desk.quantities == [(BUY, 1)], "the leader was flat in this one"
    desk.leader(order(103, SELL, terms(3), 3))
    assert desk.places == []
    desk.leader(order(104, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_after_resume_an_entry_that_rests_at_the_leader_and_was_cancelled_here_is_waited_for_too() -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(2)))
    entry = desk.place
    desk.accepted(entry, 901)
    flatten(desk)
    desk.accepted(desk.cancels[0])
    desk.seen(entry, 901, status=Status.CANCELED)
    resume(desk)
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.copy_of(102).stage is Stage.SKIPPED
    desk.leader(order(103, SELL, terms(1), 1))
    desk.leader(order(104, BUY, terms(1), 1))
    assert desk.copy_of(104).stage is Stage.SKIPPED, "the leader is flat, and his order still rests"


def test_what_waited_for_another_reason_goes_on_waiting_for_that() -> None:
    desk = follower()
    desk.leader(order(100, BUY, terms(1), 1))
    desk.refused(desk.place)
    why = desk.account.book.contract(ES).no_entry
    flatten(desk)
    resume(desk)
    assert desk.account.book.contract(ES).no_entry == why


def test_a_position_on_its_way_out_goes_on_leaving_after_resume() -> None:
    desk = in_position(2)
    flatten(desk)
    close = desk.place
    resume(desk)
    desk.refused(close)
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]


def test_a_reconnect_does_not_call_what_is_flattened_short() -> None:
    desk = in_position(2)
    flatten(desk)
    desk.fills(desk.place, 901)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {ES: 2}))
    assert desk.heard("position.drifted") == ["closing 2 ESZ6 at market (Sell): the operator asked for it"]


def test_a_leader_that_follows_nobody_is_never_flattened() -> None:
    desk = in_position(2)
    desk.account = desk.account.__class__(name=LEAD, connection=desk.account.connection)
    flatten(desk)
    assert not desk.account.paused and desk.account.book.latches == () and desk.effects == ()


def test_whoever_latched_it_takes_it_away_and_nobody_else() -> None:
    desk = in_position(2)
    rules = desk.account.rules.copy
    assert rules is not None
    draft = Draft(name=desk.account.name, at=NOON, book=desk.account.book, acting=True)
    flattening.ask(draft, FlattenedBy.RISK, "the daily loss limit is reached")
    flattening.ask(draft, FlattenedBy.OPERATOR, "the operator asked for it", ES)
    flattening.lift(draft, FlattenedBy.OPERATOR, rules)
    assert [latch.by for latch in draft.book.latches] == [FlattenedBy.RISK]
    assert flattening.latched(draft.book, ES) is draft.book.latches[0]
    flattening.lift(draft, FlattenedBy.LEADER_LOST, rules)
    flattening.lift(draft, FlattenedBy.RISK, rules)
    assert draft.book.latches == () and flattening.latched(draft.book, ES) is None


def test_the_remedy_of_another_is_not_resume() -> None:
    desk = follower(limits=Limits(flat_by=time(12)))  # as long as that is so, it stays latched
    draft = Draft(name=desk.account.name, at=NOON, book=desk.account.book, acting=True)
    flattening.ask(draft, FlattenedBy.RISK, "flat_by 12:00", ES)
    flattening.verify(draft)
    desk.account = desk.account.__class__(
        name=desk.account.name, connection=desk.account.connection, rules=desk.account.rules, book=draft.book
    )
    sees(desk)
    (tell,) = [one for one in desk.told if one.event == "account.flattened"]
    assert tell.remedy is None and "FLAT in ESZ6 of ours" in tell.message


def test_a_change_of_the_leaders_does_not_keep_what_is_being_cancelled() -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(2)))
    entry = desk.place
    desk.accepted(entry, 901, working=False)
    flatten(desk)
    assert desk.cancels == [], "its own placement is still pending"
    desk.leader(order(101, BUY, limit(5), version=202))
    assert desk.modifies == []
    desk.seen(entry, 901)
    assert [one.order_id for one in desk.cancels] == [901] and desk.modifies == []


def test_while_the_market_is_closed_the_protection_stays_and_what_would_open_goes() -> None:
    desk = with_hours(in_position(2), CLOSED)
    desk.leader(order(101, SELL, stop(2)))
    protection = desk.place
    desk.accepted(protection, 901)
    desk.leader(order(102, BUY, limit(1)))
    desk.accepted(desk.place, 902)
    flatten(desk)
    assert [one.order_id for one in desk.cancels] == [902] and desk.places == []
    opens(desk)
    assert [one.order_id for one in desk.cancels] == [901]
    desk.accepted(desk.cancels[0])
    desk.seen(protection, 901, status=Status.CANCELED)
    assert desk.quantities == [(SELL, 2)]


def test_while_an_order_is_looked_up_the_protection_stays() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    desk.accepted(desk.place, 901)
    desk.leader(order(102, BUY, terms(1), 1))
    desk.answer_lost(desk.place)
    (look_up,) = desk.look_ups
    flatten(desk)
    assert desk.cancels == [] and desk.places == []
    desk.looked_up(look_up, 903)
    assert [one.order_id for one in desk.cancels] == [901]


def test_of_a_reversal_that_rests_the_exit_is_left_until_the_closing_can_go() -> None:
    desk = with_hours(in_position(2), CLOSED)
    desk.leader(order(101, SELL, stop(5)))
    desk.accepted(desk.place, 901)
    flatten(desk)
    assert [one.terms for one in desk.modifies] == [stop(2)] and desk.cancels == []
