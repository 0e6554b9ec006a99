"""The broker puts a request off, with a ticket; or asks for a captcha, which no program can solve."""

from __future__ import annotations

from datetime import timedelta

import pytest

from statecharts import events as e
from statecharts.bars import Bar
from statecharts.effects import CancelOrder, ModifyOrder, PlaceOrder, Severity, TellLogin
from statecharts.order import Stage
from statecharts.values import AccountName, OrderId, Status, Symbol
from statecharts.view import View
from tests.statecharts.desk import BUY, ES, LEAD, LEAD_ID, SELL, Desk, follower, in_position, limit, order, stop, terms

NQ = Symbol("NQZ6")


def put_off(
    desk: Desk, request: PlaceOrder | CancelOrder | ModifyOrder, seconds: int = 5, captcha: bool = False
) -> None:
    desk.hear(
        e.RequestPenalised(
            at=desk.now,
            copy=request.copy,
            client_id=request.client_id,
            seconds=seconds,
            captcha=captcha,
            sent_at=desk.now,
        )
    )


def test_an_exit_goes_again_when_its_time_is_over_under_the_same_name() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(2), 2))
    first = desk.place
    put_off(desk, first, 30)
    assert (desk.copy_of(101).stage, desk.places) == (Stage.HELD, [])
    (page,) = [tell for tell in desk.told if tell.severity is Severity.PAGE]
    assert "puts our request off for 30 s" in page.message
    desk.wait(29)
    assert desk.places == []
    desk.wait(1)
    assert desk.place == first
    desk.fills(desk.place, 901)
    assert desk.own == {}


def test_a_late_penalty_ends_the_doubt() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(2), 2))
    first = desk.place
    desk.answer_lost(first)
    put_off(desk, first)
    assert desk.copy_of(101).stage is Stage.HELD
    desk.wait(5)
    assert desk.place.client_id == first.client_id


def test_a_penalty_of_an_order_that_has_been_seen_says_nothing() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 900)
    put_off(desk, place)
    assert desk.copy_of(1).stage is Stage.WORKING
    assert desk.copy_of(1).ask_after is None


def test_an_entry_goes_again_while_it_is_fresh() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    first = desk.place
    put_off(desk, first, 8)
    desk.wait(8)
    assert desk.place == first
    desk.fills(desk.place, 900)
    assert desk.own == {ES: 2}


def test_an_entry_that_would_be_stale_is_refused_at_once() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    put_off(desk, desk.place, 11)
    assert desk.copy_of(1).stage is Stage.REJECTED
    desk.wait(20)
    assert desk.places == []
    desk.leader(order(2, BUY, terms(1), 1))
    assert "longer than an entry is fresh" in (desk.copy_of(2).reason or "")


def test_an_entry_that_is_put_off_twice_is_no_fresher_for_that() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    put_off(desk, desk.place, 8)
    desk.wait(8)
    put_off(desk, desk.place, 8)
    assert desk.copy_of(1).stage is Stage.REJECTED


def test_an_entry_that_the_daemon_slept_through_is_given_up() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    put_off(desk, desk.place, 8)
    desk.wait(60)
    assert (desk.places, desk.copy_of(1).stage) == ([], Stage.SKIPPED)
    assert "outlived" in desk.heard("copy.skipped")[0]
    desk.leader(order(2, BUY, terms(1), 1))
    assert desk.places == []


def test_an_entry_is_no_larger_than_what_the_leader_still_has() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(3), 3))
    put_off(desk, desk.place)
    desk.leader(order(2, SELL, terms(2), 2))
    desk.wait(5)
    assert desk.quantities == [(BUY, 1)]


@pytest.mark.parametrize("how", ["exit", "cancel", "pause"])
def test_an_entry_that_is_not_wanted_any_more_does_not_go_again(how: str) -> None:
    desk = follower()
    asked = terms(2) if how == "exit" else limit(2)
    desk.leader(order(1, BUY, asked, 2 if how == "exit" else 0))
    put_off(desk, desk.place)
    if how == "exit":
        desk.leader(order(2, SELL, terms(2), 2))
    elif how == "cancel":
        desk.leader(order(1, BUY, limit(2), status=Status.CANCELED))
    else:
        desk.hear(e.PauseAsked(at=desk.now))
    desk.wait(5)
    assert (desk.places, desk.copy_of(1).stage) == ([], Stage.SKIPPED)


def test_an_entry_waits_for_its_leader_too_and_goes_when_it_is_back_in_time() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    put_off(desk, desk.place, 2)
    desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="closed", shown="Reconnecting"))
    desk.wait(3)
    assert desk.places == []
    assert desk.account.wake_at is None or desk.account.wake_at > desk.now
    desk.leader_read_anew()
    assert desk.quantities == [(BUY, 2)]


def test_of_a_stale_reversal_only_the_exit_goes() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(5), 5))
    put_off(desk, desk.place, 30)
    desk.wait(30)
    assert desk.quantities == [(SELL, 2)]


def test_a_closing_goes_again_under_the_same_name() -> None:
    desk = in_position(3)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {}))
    first = desk.place
    put_off(desk, first, 60)
    desk.wait(59)
    assert desk.places == []
    desk.wait(1)
    assert desk.place == first


def test_a_closing_waits_for_an_exit_that_was_put_off_and_takes_the_rest() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, stop(1)))
    place = desk.place
    put_off(desk, place, 20)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {ES: 1}))
    assert desk.places == []
    desk.wait(20)
    assert desk.place == place


def test_a_flatten_waits_for_a_closing_that_was_put_off() -> None:
    desk = in_position(2)
    desk.hear(e.FlattenAsked(at=desk.now))
    first = desk.place
    put_off(desk, first, 20)
    for _ in range(3):
        desk.hear(e.PositionSeen(at=desk.now, symbol=ES, net=2))
        assert desk.places == []
    desk.wait(20)
    assert desk.place == first


@pytest.mark.parametrize("sold", [3, 2])
def test_a_closing_that_was_put_off_leaves_what_the_leaders_next_exit_takes(sold: int) -> None:
    desk = in_position(3)
    desk.leader_read_anew(View(LEAD_ID, 2, desk.theirs.orders, {}))
    closing = desk.place
    put_off(desk, closing, 5)
    desk.leader_read_anew(View(LEAD_ID, 3, desk.theirs.orders, {ES: 9}))  # he is in it again
    desk.leader(order(102, SELL, terms(sold)))
    exit_ = desk.place
    assert exit_.terms.quantity == sold
    desk.wait(5)
    again = desk.places
    assert [(p.client_id, p.terms.quantity) for p in again] == [(closing.client_id, 1)][: 3 - sold]
    desk.fills(exit_, 901)
    for place in again:
        desk.fills(place, 902)
    assert desk.own == {} and list(desk.account.book.all_open()) == []


@pytest.mark.parametrize("kind", [CancelOrder, ModifyOrder])
def test_a_change_goes_again_as_it_was(kind: type[CancelOrder | ModifyOrder]) -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    desk.accepted(desk.place, 900)
    if kind is CancelOrder:
        desk.leader(order(1, BUY, limit(2), status=Status.CANCELED))
    else:
        desk.leader(order(1, BUY, limit(2, 5001), version=2))
    (first,) = desk.made(kind)
    put_off(desk, first)
    desk.wait(4)
    assert desk.made(kind) == []
    desk.wait(1)
    assert desk.made(kind) == [first]


def test_a_modify_that_is_overtaken_is_given_up_for_the_newest_wish() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    desk.accepted(desk.place, 900)
    desk.leader(order(1, BUY, limit(2, 5001), version=2))
    (first,) = desk.modifies
    put_off(desk, first)
    desk.leader(order(1, BUY, limit(2, 5002), version=3))
    desk.wait(5)
    assert [one.terms for one in desk.modifies] == [limit(2, 5002)]
    assert desk.modifies[0].client_id != first.client_id
    put_off(desk, desk.modifies[0])
    desk.leader(order(1, BUY, limit(2, 5002), status=Status.CANCELED))
    desk.wait(5)
    assert (desk.modifies, len(desk.cancels)) == ([], 1)


def test_a_change_of_an_order_that_has_ended_meanwhile_is_given_up() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 900)
    desk.leader(order(1, BUY, limit(2), status=Status.CANCELED))
    put_off(desk, desk.cancels[0])
    desk.seen(place, 900, 2)
    desk.wait(5)
    assert desk.cancels == []


def test_a_captcha_silences_the_whole_login_for_an_hour_and_a_human_is_told() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(2), 2))
    put_off(desk, desk.place, 60, captcha=True)
    (told,) = desk.made(TellLogin)
    assert isinstance(told.event, e.OrdersSilenced)
    assert told.event.until == desk.now + timedelta(hours=1)
    (words,) = [tell for tell in desk.told if tell.event == "orders.denied"]
    assert (words.severity, "log in to Tradovate as a human" in (words.remedy or "")) == (Severity.PAGE, True)
    desk.leader(order(102, BUY, terms(1), 1))
    for _ in range(59):
        desk.wait(60)
        assert desk.places == [], "exits neither"
    desk.wait(60)
    assert desk.quantities == [(SELL, 1)], "the leader has one again; ours are two"
    assert desk.account.book.barred == {}


def test_a_captcha_elsewhere_on_the_login_silences_this_account_until_resume() -> None:
    desk = in_position(2)
    until = desk.now + timedelta(hours=1)
    desk.hear(e.OrdersSilenced(at=desk.now, account=AccountName("eval2"), until=until))
    desk.leader(order(101, SELL, terms(2), 2), order(102, BUY, terms(1), 1, symbol=NQ))
    assert desk.places == []
    assert desk.account.wake_at == until
    assert Bar.PENALTY in desk.account.book.barred
    desk.hear(e.ResumeAsked(at=desk.now))
    assert desk.quantities == [(SELL, 2)], "an entry that came meanwhile is not chased"
    assert len(desk.heard("orders.denied")) == 1


def test_a_captcha_before_the_accounts_were_compared_changes_nothing_of_that() -> None:
    desk = follower()
    desk.account = type(desk.account)(
        name=desk.account.name, connection=desk.account.connection, rules=desk.account.rules
    )
    desk.hear(e.OrdersSilenced(at=desk.now, account=AccountName("eval2"), until=desk.now + timedelta(hours=1)))
    desk.hear(e.ResumeAsked(at=desk.now))
    assert desk.account.book.caught_up is None


def test_a_captcha_for_a_cancel_silences_too_and_the_cancel_is_asked_for_afterwards() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    desk.accepted(desk.place, 900)
    desk.leader(order(1, BUY, limit(2), status=Status.CANCELED))
    put_off(desk, desk.cancels[0], captcha=True)
    desk.wait(1800)
    assert desk.cancels == []
    desk.wait(1800)
    assert len(desk.cancels) == 1


def test_a_second_captcha_is_not_told_again() -> None:
    desk = follower()
    for _ in range(2):
        until = desk.now + timedelta(hours=1)
        desk.hear(e.OrdersSilenced(at=desk.now, account=AccountName("eval2"), until=until))
        desk.wait(60)
    assert len(desk.heard("orders.denied")) == 1
    assert desk.account.wake_at == until


def test_a_stale_entry_whose_leader_order_is_no_longer_listed_is_given_up() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(2), 2))
    put_off(desk, desk.place, 8)
    desk.leader_read_anew(View(LEAD_ID, 2, {}, {ES: 2}))
    desk.wait(60)
    assert desk.places == []
    assert desk.account.book.copies[desk.account.book.placed[OrderId(1)]].stage is Stage.SKIPPED


def test_beside_an_exit_that_was_put_off_nothing_opens() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(2), 2))
    first = desk.place
    put_off(desk, first, 20)
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.places == []
    assert desk.copy_of(102).reason == "the broker has put off an exit of ours in ESZ6"
    desk.wait(20)
    assert desk.place == first
    desk.fills(desk.place, 901)
    assert desk.own == {}
    desk.leader(order(103, BUY, terms(1), 1))
    assert desk.places == [], "he is in it, and we are not"


def test_an_exit_that_was_put_off_is_given_up_when_the_leader_is_in_again_with_what_is_ours() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(2), 2))
    put_off(desk, desk.place, 60)
    desk.leader(order(102, BUY, terms(2), 2))
    assert (desk.places, desk.copy_of(101).stage, desk.copy_of(102).stage) == ([], Stage.SKIPPED, Stage.SKIPPED)
    desk.wait(60)
    assert desk.places == [] and desk.own == {ES: 2}
    desk.leader(order(103, SELL, terms(2), 2))
    assert desk.quantities == [(SELL, 2)]


def test_an_exit_that_was_put_off_stays_while_an_entry_of_ours_is_on_its_way() -> None:
    desk = in_position(2)
    desk.leader(order(101, BUY, terms(2), 2))
    more = desk.place
    desk.leader(order(102, SELL, terms(2), 2))
    put_off(desk, desk.place, 5)
    desk.fills(more, 901)
    assert desk.own == {ES: 4}
    desk.wait(5)
    assert desk.quantities == [(SELL, 2)]


def test_a_stop_that_was_put_off_bars_nothing() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    first = desk.place
    put_off(desk, first, 5)
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]
    desk.wait(5)
    assert first.client_id in [one.client_id for one in desk.places]


@pytest.mark.parametrize("lost", [True, False])
def test_a_change_that_was_put_off_opens_no_more_than_may_be_opened_by_then(lost: bool) -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(2)))
    desk.accepted(desk.place, 901)
    desk.leader(order(101, BUY, limit(4, 5001), version=201))
    (larger,) = desk.modifies
    put_off(desk, larger)
    if lost:
        desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="closed", shown="Reconnecting"))
    before = len(desk.everything)
    for _ in range(10):
        desk.wait(1)
    asked = [one.terms for one in desk.everything[before:] if isinstance(one, ModifyOrder)]
    assert asked == [limit(2 if lost else 4, 5001)], "its price follows"
    assert desk.account.book.barred == {}
