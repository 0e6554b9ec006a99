"""Access is denied on an order: the openings of the whole login stop."""

from __future__ import annotations

from datetime import timedelta

from statecharts import events as e
from statecharts.bars import Bar
from statecharts.effects import TellLogin
from statecharts.values import AccountName, Status, Symbol
from tests.statecharts.desk import BUY, EVAL, SECOND, SELL, Desk, follower, in_position, limit, order, terms

OTHER = AccountName("eval2")
NQ = Symbol("NQZ6")


def told_login(desk: Desk) -> list[type[e.LoginEvent]]:
    return [type(one.event) for one in desk.made(TellLogin)]


def denied_elsewhere(desk: Desk, ago: float = 0) -> None:
    sent_at = desk.now - timedelta(seconds=ago)
    desk.hear(e.OrdersDenied(at=desk.now, account=OTHER, reason="AccessDenied", sent_at=sent_at))


def opens(desk: Desk, number: int) -> bool:
    desk.leader(order(number, BUY, terms(1), 1, symbol=Symbol(f"A{number}Z6")))
    return bool(desk.places)


def test_a_denied_entry_bars_the_account_and_tells_the_login_once() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(1), 1))
    first = desk.place
    desk.leader(order(2, BUY, terms(1), 1, symbol=NQ))
    second = desk.place
    desk.refused(first, "AccessDenied", "Access is denied")
    (told,) = desk.made(TellLogin)
    assert told.event == e.OrdersDenied(
        at=desk.now, account=EVAL, reason="AccessDenied: Access is denied", sent_at=desk.now
    )
    desk.refused(second, "UnknownReason", "Access is denied")
    assert told_login(desk) == []
    assert not opens(desk, 3)
    assert "the broker denies orders" in (desk.copy_of(3).reason or "")


def test_an_order_that_is_rejected_later_for_want_of_permission_is_denied_too() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(1)))
    place = desk.place
    desk.accepted(place, 900)
    desk.seen(place, 900, status=Status.REJECTED, reject_reason="Unauthorized: no permission")
    assert Bar.DENIED in desk.account.book.barred


def test_a_denied_exit_is_told_at_once_and_tried_on() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, terms(2), 2))
    desk.wait(1)
    desk.leader(order(102, SELL, terms(0)))
    assert desk.account.book.proven_at is not None
    exit_ = next(one for one in desk.everything if getattr(one, "side", None) is SELL)
    desk.refused(exit_, "AccessDenied")  # type: ignore[arg-type]  # found by its side
    (page,) = [tell for tell in desk.told if tell.severity.value == "page"]
    assert "EXIT REFUSED" in page.message
    assert "Close ESZ6 in Tradovate now" in (page.remedy or "")
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)]


def test_another_account_s_denial_bars_this_one_and_its_proof_or_a_resume_ends_it() -> None:
    for end in (e.OrdersProven, e.OrdersResumed):
        desk = follower()
        denied_elsewhere(desk)
        assert told_login(desk) == []
        assert not opens(desk, 1)
        assert "eval2 was refused one" in (desk.copy_of(1).reason or "")
        denied_elsewhere(desk)
        desk.hear(end(at=desk.now, account=OTHER))
        assert opens(desk, 2)


def test_who_was_refused_itself_is_not_proven_by_another() -> None:
    desk = follower()
    denied_elsewhere(desk)
    desk.leader(order(1, BUY, terms(1), 1))
    desk = in_position(1)
    desk.leader(order(101, SELL, terms(1), 1))
    denied_elsewhere(desk)
    exit_ = next(one for one in desk.everything if getattr(one, "side", None) is SELL)
    desk.refused(exit_, "AccessDenied")  # type: ignore[arg-type]  # found by its side
    assert told_login(desk) == [e.OrdersDenied]
    desk.hear(e.OrdersProven(at=desk.now, account=OTHER))
    assert Bar.DENIED in desk.account.book.barred
    desk.hear(e.OrdersResumed(at=desk.now, account=OTHER))
    assert desk.account.book.barred == {}


def test_an_accepted_order_ends_it_here_and_proves_the_login() -> None:
    desk = in_position(1)
    desk.now += SECOND
    denied_elsewhere(desk)
    desk.leader(order(101, SELL, terms(1), 1))
    desk.accepted(desk.place, 901, working=False)
    assert told_login(desk) == [e.OrdersProven]
    assert opens(desk, 102)


def test_an_order_that_was_accepted_after_the_denied_one_was_sent_proves_the_login() -> None:
    desk = in_position(1)
    denied_elsewhere(desk, ago=0.1)
    assert told_login(desk) == [e.OrdersProven]
    assert desk.account.book.barred == {}


def test_resume_ends_it_for_the_whole_login() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(1), 1))
    desk.refused(desk.place, "AccessDenied")
    desk.hear(e.ResumeAsked(at=desk.now))
    assert told_login(desk) == [e.OrdersResumed]
    assert opens(desk, 2)
    desk.hear(e.ResumeAsked(at=desk.now))
    assert told_login(desk) == []


def test_a_denied_cancel_may_only_mean_that_the_order_is_finished() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(1)))
    place = desk.place
    desk.accepted(place, 900)
    desk.leader(order(1, BUY, limit(1), status=Status.CANCELED))
    desk.refused(desk.cancels[0], "AccessDenied", "Access is denied")
    assert desk.account.book.barred == {}
    desk.seen(place, 900, 1)
    desk.wait(60)
    assert desk.cancels == []
    assert desk.account.book.barred == {}


def test_a_cancel_that_is_denied_again_while_the_order_lives_is_a_denial() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(1)))
    desk.accepted(desk.place, 900)
    desk.leader(order(1, BUY, limit(1), status=Status.CANCELED))
    desk.refused(desk.cancels[0], "AccessDenied", "Access is denied")
    desk.wait(5)
    desk.refused(desk.cancels[0], "AccessDenied", "Access is denied")
    assert told_login(desk) == [e.OrdersDenied]
    desk.wait(10)
    assert len(desk.cancels) == 1, "it is asked for all the same"


def test_what_else_takes_a_resting_entry_back_does_so_while_orders_are_denied_too() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    desk.accepted(desk.place, 900)
    desk.now += SECOND
    denied_elsewhere(desk)
    assert desk.cancels == []
    desk.hear(e.PauseAsked(at=desk.now))
    assert [one.order_id for one in desk.cancels] == [900]
