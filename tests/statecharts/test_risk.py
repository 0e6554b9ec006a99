"""Limits of money, of hours and of a contract's end: what they bar, what they close, and how long."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest

from statecharts import curfew, expiry, purse, risk
from statecharts import events as e
from statecharts.book import FlattenedBy
from statecharts.effects import ReadBalance, Severity
from statecharts.order import Stage
from statecharts.rules import Drawdown, Limits, Rules
from statecharts.standing import Lock, Standing
from statecharts.values import Side, Status
from statecharts.view import Balance
from tests.statecharts.desk import (
    BUY,
    ES,
    EVAL_ID,
    MES,
    NOON,
    SECOND,
    SELL,
    Desk,
    facts_of,
    follower,
    limit,
    order,
    rules,
    stop,
    terms,
)

TURN = datetime(2026, 3, 3, 23, tzinfo=UTC)  # 17:00 in Chicago on the day of NOON
LOSS = Limits(daily_loss=Decimal(500))
PROFIT = Limits(daily_profit=Decimal(500))
TRAILING = Limits(drawdown=Drawdown(Decimal(500)))
END_OF_DAY = Limits(drawdown=Drawdown(Decimal(500), end_of_day=True))


def money(realized: int = 0, at: datetime | None = NOON, cash: int = 50_000) -> Balance:
    return Balance(Decimal(cash + realized), Decimal(realized), at)


def guarded(limits: Limits = LOSS, balance: Balance | None = None, **more: Any) -> Desk:
    desk = follower(limits=limits, balance=balance or money(), **more)
    desk.contract_read(facts_of(ES))  # else its being asked for would ring the alarm too
    return desk


def enters(desk: Desk, quantity: int = 2, number: int = 100) -> None:
    """The leader buys, and so do we; the broker tells the position."""
    desk.leader(order(number, BUY, terms(quantity), quantity))
    desk.fills(desk.place, 800 + number)
    desk.hear(e.PositionSeen(at=desk.now, symbol=ES, net=desk.own[ES]))


def reads(desk: Desk, open_profit: int, realized: int = 0, cash: int = 50_000, asked: datetime | None = None) -> None:
    desk.hear(
        e.BalanceRead(
            at=desk.now,
            cash=Decimal(cash + realized),
            realized=Decimal(realized),
            open_profit=Decimal(open_profit),
            asked_at=asked or desk.now,
        )
    )


def realizes(desk: Desk, realized: int) -> None:
    desk.hear(e.BalanceSeen(at=desk.now, balance=money(realized, desk.now)))


def exited(desk: Desk) -> None:
    """Our closing fills, and the broker says flat."""
    (place,) = desk.places
    quantity = place.terms.quantity
    desk.fills(place, 980 + len(desk.everything))
    assert quantity
    desk.hear(e.PositionSeen(at=desk.now, symbol=ES, net=0))


def lock(desk: Desk) -> Lock | None:
    return desk.account.book.standing.lock


def locked(desk: Desk) -> Lock:
    found = lock(desk)
    assert found is not None
    return found


def wants_balance(desk: Desk, seconds: float = 0) -> bool:
    """Does it ask, when so many seconds have passed?"""
    before = asked_ever(desk)
    if not seconds:
        return desk.made(ReadBalance) == [ReadBalance(account=EVAL_ID)]
    desk.wait(seconds)
    return asked_ever(desk) > before


def asked_ever(desk: Desk) -> int:
    return sum(isinstance(one, ReadBalance) for one in desk.everything)


def skipped(desk: Desk, number: int) -> str:
    copy = desk.copy_of(number)
    assert copy.stage is Stage.SKIPPED
    return copy.reason or ""


# The daily loss


def test_at_the_daily_loss_ours_is_closed_and_the_account_locked_until_the_turn() -> None:
    desk = guarded()
    enters(desk)
    desk.wait(1)
    reads(desk, -499)
    assert lock(desk) is None
    reads(desk, -500)
    assert locked(desk).until == TURN
    assert desk.quantities == [(SELL, 2)]
    (told,) = [one for one in desk.told if one.event == "risk.locked"]
    assert told.severity is Severity.WARNING
    assert "daily_loss_limit 500 is reached: -500.00 today (realized +0.00, open -500.00)" in told.message
    assert "copierctl unlock ACCOUNT" in str(told.remedy)
    exited(desk)
    desk.leader(order(100, BUY, terms(2), 2), order(101, SELL, terms(2), 2), order(102, BUY, terms(1), 1))
    assert desk.places == []
    assert "daily_loss_limit 500 is reached" in skipped(desk, 102)
    assert str(risk.bar(desk.account.book, LOSS, desk.now)).startswith(
        "locked until 03 Mar 23:00 UTC: daily_loss_limit"
    )


def test_realized_and_open_count_together() -> None:
    desk = guarded()
    realizes(desk, -300)
    assert lock(desk) is None
    enters(desk)
    desk.wait(1)
    reads(desk, -199, -300)
    assert lock(desk) is None
    reads(desk, -200, -300)
    assert "realized -300.00, open -200.00" in locked(desk).why


def test_a_loss_that_is_realized_locks_though_there_is_nothing_to_close() -> None:
    desk = guarded()
    realizes(desk, -600)
    assert locked(desk).closes
    assert desk.account.book.latches == ()
    assert desk.places == []


def test_an_entry_that_rests_is_taken_back_at_the_limit_and_what_fills_late_is_closed() -> None:
    desk = guarded()
    desk.leader(order(100, BUY, limit(2)))
    placed = desk.place
    desk.accepted(placed, 900)
    realizes(desk, -600)
    (cancel,) = desk.cancels
    desk.accepted(cancel)
    desk.seen(placed, 900, 2)
    assert desk.quantities == [(SELL, 2)]


def test_the_lock_survives_a_restart_and_ends_with_the_day() -> None:
    desk = guarded()
    realizes(desk, -600)
    desk.restarted()
    desk.hear(e.Authorized(at=desk.now))
    desk.read_anew(balance=money(-600))
    desk.leader_read_anew()
    desk.leader(order(100, BUY, terms(1), 1))
    assert "locked" in skipped(desk, 100)
    desk.leader(order(101, SELL, terms(1), 1))
    assert desk.account.wake_at == TURN
    desk.wait((TURN - desk.now).total_seconds() - 1)
    assert lock(desk) is not None
    desk.wait(1)
    assert lock(desk) is None
    assert "the lock is over" in desk.heard("risk.unlocked")[0]
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_a_lock_that_ended_while_nobody_was_there_is_over() -> None:
    desk = guarded()
    realizes(desk, -600)
    desk.lost()
    desk.now = TURN + SECOND
    desk.resuming()
    desk.read_anew(balance=money(-600))
    assert lock(desk) is None


def test_yesterdays_loss_is_not_todays_also_when_the_broker_still_shows_it() -> None:
    desk = follower(limits=LOSS, balance=money(-600, TURN - timedelta(days=1) - SECOND))
    assert lock(desk) is None
    assert risk.measures(desk.account.book, LOSS, desk.now)[0].used == 0
    enters(desk)
    desk.wait(1)
    reads(desk, -100, -600)
    assert lock(desk) is None


def test_a_loss_without_a_date_counts() -> None:
    assert lock(follower(limits=LOSS, balance=money(-600, None))) is not None


def test_the_leaders_exits_still_go_while_locked() -> None:
    """Here nothing is closed by the lock: the limit was broken before we began."""
    desk = guarded()
    enters(desk)
    desk.hear(e.RulesChanged(at=desk.now, rules=Rules(copy=rules(limits=Limits(daily_loss=Decimal(100))))))
    reads(desk, -200)
    assert not locked(desk).closes
    assert desk.places == []
    desk.leader(order(101, SELL, terms(2), 2))
    assert desk.quantities == [(SELL, 2)]


# Unknown is not zero


def test_nothing_opens_before_the_first_balance() -> None:
    desk = follower(limits=LOSS)
    desk.leader(order(100, BUY, terms(1), 1))
    assert "balance has not been read yet" in skipped(desk, 100)
    assert asked_ever(desk) == 0  # asked for when the account was read: see the next test
    reads(desk, 0)
    desk.leader(order(101, SELL, terms(1), 1), order(102, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_a_balance_that_the_snapshot_does_not_have_is_asked_for_at_once_and_again() -> None:
    desk = follower(limits=LOSS)
    desk.lost()
    desk.resuming()
    desk.read_anew()
    assert wants_balance(desk)
    desk.hear(e.BalanceUnread(at=desk.now, reason="500"))
    assert not wants_balance(desk)
    assert wants_balance(desk, 5)
    assert not wants_balance(desk, 14)
    assert wants_balance(desk, 1)  # the answer went with its session


def test_a_balance_that_does_not_say_what_was_realized_is_not_enough() -> None:
    desk = follower(limits=LOSS, balance=Balance(Decimal(50_000), None, NOON))
    desk.leader(order(100, BUY, terms(1), 1))
    assert "balance has not been read yet" in skipped(desk, 100)


def test_a_position_at_the_start_wants_a_whole_reading_first() -> None:
    desk = follower(limits=LOSS, balance=money())
    desk.lost()
    desk.account = attrs.evolve(desk.account, book=attrs.evolve(desk.account.book, standing=Standing()))
    desk.resuming()
    desk.read_anew(positions={ES: 2}, balance=money())
    assert wants_balance(desk)
    desk.leader_read_anew()
    desk.leader(order(100, BUY, terms(1), 1, symbol=MES))
    assert "balance has not been read yet" in skipped(desk, 100)
    reads(desk, -600)
    assert not locked(desk).closes


def test_a_reconnect_takes_no_entry_back() -> None:
    desk = guarded()
    enters(desk)
    desk.leader(order(101, BUY, limit(1)))
    placed = desk.place
    desk.accepted(placed, 901)
    desk.lost()
    desk.now += timedelta(minutes=5)
    desk.resuming()
    resting = order(901, BUY, placed.terms, client_ids=frozenset({placed.client_id}))
    desk.read_anew(resting, positions={ES: 2}, balance=money())
    desk.leader_read_anew()
    assert desk.cancels == []
    assert asked_ever(desk) == 2
    reads(desk, -600)
    assert locked(desk).closes


def test_nothing_is_judged_by_half_of_the_money() -> None:
    """What is realized comes before the news of what is still open: together they would count twice."""
    desk = guarded()
    enters(desk)
    desk.wait(1)
    reads(desk, -400)
    realizes(desk, -200)
    assert lock(desk) is None
    assert risk.measures(desk.account.book, LOSS, desk.now)[0].used is None
    assert wants_balance(desk, 1)
    reads(desk, -200, -200)
    assert lock(desk) is None


def test_a_reading_that_a_trade_has_overtaken_is_read_again() -> None:
    desk = guarded()
    enters(desk)
    assert asked_ever(desk) == 1
    asked = desk.now
    desk.now += SECOND / 2
    realizes(desk, 700)
    reads(desk, -600, 0, asked=asked)
    assert lock(desk) is None
    assert wants_balance(desk, 1)
    reads(desk, 100, 700)
    assert desk.account.book.standing.balance == money(700, NOON + SECOND / 2)


def test_a_reading_knows_more_than_a_stream_that_has_lost_something() -> None:
    desk = guarded()
    enters(desk)
    desk.wait(1)
    reads(desk, -100, -450)
    assert lock(desk) is not None


# How often it is asked


def test_open_profit_is_read_every_30_seconds_and_every_5_near_a_limit_and_never_when_flat() -> None:
    desk = guarded()
    assert asked_ever(desk) == 0
    enters(desk)
    assert asked_ever(desk) == 1
    reads(desk, -374)
    assert not wants_balance(desk, 29)
    assert wants_balance(desk, 1)
    reads(desk, -375)
    assert wants_balance(desk, 5)
    reads(desk, 0)
    desk.leader(order(101, SELL, terms(2), 2))
    exited(desk)
    before = asked_ever(desk)
    for _ in range(20):
        desk.wait(30)
    assert asked_ever(desk) == before


def test_a_burst_of_fills_is_one_reading() -> None:
    desk = guarded()
    enters(desk)
    desk.wait(1)
    reads(desk, 0)
    before = asked_ever(desk)
    for step in range(10):
        realizes(desk, step)
        desk.hear(e.PositionSeen(at=desk.now, symbol=ES, net=20 - step))
    desk.wait(1)
    assert asked_ever(desk) == before + 1


def test_a_profit_that_cannot_be_read_bars_openings_until_it_can() -> None:
    desk = guarded()
    enters(desk)
    desk.wait(1)
    reads(desk, -100)
    desk.leader(order(101, BUY, limit(1)))
    placed = desk.place
    desk.accepted(placed, 901)
    for _ in range(17):
        desk.wait(5)
        if wants_balance(desk):
            desk.hear(e.BalanceUnread(at=desk.now, reason="429"))
    assert desk.heard("risk.blind") == []
    desk.wait(5)
    assert len(desk.heard("risk.blind")) == 1
    assert [one.order_id for one in desk.cancels] == [901]
    desk.leader(order(102, BUY, terms(1), 1))
    assert "cannot be read" in skipped(desk, 102)
    desk.wait(60)
    assert len(desk.heard("risk.blind")) == 1
    reads(desk, -100)
    assert desk.account.book.standing.blind is False


# Profit, drawdown


def test_at_the_daily_profit_likewise() -> None:
    desk = guarded(PROFIT)
    enters(desk)
    desk.wait(1)
    reads(desk, 500)
    assert locked(desk).limit == "daily_profit_limit"
    assert "+500.00 today" in locked(desk).why
    assert desk.quantities == [(SELL, 2)]


def test_the_drawdown_follows_the_highest_equity_seen() -> None:
    desk = guarded(TRAILING)
    enters(desk)
    desk.wait(1)
    reads(desk, 300)
    reads(desk, -199)
    assert lock(desk) is None
    reads(desk, -200)
    assert "equity 49800.00 is 500.00 below its peak 50300.00" in locked(desk).why


def test_the_peak_is_kept_over_days_and_restarts_and_a_drawdown_that_lasts_locks_again() -> None:
    desk = guarded(TRAILING)
    realizes(desk, 400)
    realizes(desk, -150)
    assert locked(desk).until == TURN
    desk.restarted()
    desk.hear(e.Authorized(at=desk.now))
    desk.read_anew(balance=money(-150))
    assert desk.account.book.standing.peak == 50_400
    desk.wait((TURN - desk.now).total_seconds())
    assert locked(desk).until == TURN + timedelta(days=1)


def test_at_the_end_of_the_day_only_closing_equity_makes_a_peak() -> None:
    desk = guarded(END_OF_DAY)
    realizes(desk, 400)
    realizes(desk, -99)
    assert desk.account.book.standing.peak == 50_000
    realizes(desk, 300)
    desk.wait((TURN - desk.now).total_seconds())
    assert desk.account.book.standing.peak == 50_300
    realizes(desk, -199)
    assert lock(desk) is None
    realizes(desk, -200)
    assert lock(desk) is not None


def test_the_close_of_a_day_that_nobody_saw_is_the_cash_of_before_the_next() -> None:
    desk = guarded(END_OF_DAY)
    desk.lost()
    desk.now = TURN + timedelta(days=3)
    desk.resuming()
    desk.read_anew(balance=money(900, TURN + timedelta(days=1)))
    assert desk.account.book.standing.peak == 50_900


# Broken before


def test_a_limit_that_is_broken_when_copying_begins_refuses_and_closes_nothing() -> None:
    desk = follower(limits=LOSS, balance=money(-600))
    assert not locked(desk).closes
    desk.leader(order(100, BUY, terms(1), 1))
    assert "locked" in skipped(desk, 100)


def test_the_words_for_a_limit_that_was_broken_before() -> None:
    account = follower(limits=LOSS).account
    desk = Desk(account)
    desk.hear(e.BalanceSeen(at=desk.now, balance=money(-600)))
    assert (
        "It was so when copying began: nothing is closed. To get out: copierctl flatten" in desk.heard("risk.locked")[0]
    )


def test_once_it_was_whole_a_gap_over_the_weekend_is_no_excuse() -> None:
    desk = guarded()
    enters(desk)
    desk.wait(1)
    reads(desk, 0)
    desk.wait((TURN - desk.now).total_seconds())
    reads(desk, -600)
    assert locked(desk).closes
    assert desk.quantities == [(SELL, 2)]


# The operator


def test_unlock_ends_the_lock_and_the_limits_count_anew_from_there() -> None:
    desk = guarded()
    enters(desk)
    desk.wait(1)
    reads(desk, -500)
    exited(desk)
    realizes(desk, -500)
    desk.leader(order(101, SELL, terms(2), 2))
    desk.hear(e.UnlockAsked(at=desk.now))
    assert lock(desk) is None
    assert desk.account.book.latches == ()
    assert len(desk.heard("risk.unlocked")) == 1
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]
    realizes(desk, -999)
    assert lock(desk) is None
    realizes(desk, -1000)
    assert "-500.00 today" in locked(desk).why


def test_unlock_begins_a_new_peak() -> None:
    desk = guarded(TRAILING)
    realizes(desk, -500)
    desk.hear(e.UnlockAsked(at=desk.now))
    assert desk.account.book.standing.peak == 49_500
    realizes(desk, -999)
    assert lock(desk) is None


def test_unlock_while_not_connected_counts_from_what_is_found_then() -> None:
    desk = guarded()
    realizes(desk, -600)
    desk.lost()
    desk.hear(e.Started(at=desk.now))
    desk.hear(e.UnlockAsked(at=desk.now))
    desk.resuming()
    desk.read_anew(balance=money(-650))
    assert lock(desk) is None
    assert desk.account.book.standing.forgiven == -650


def test_unlock_of_what_is_not_locked_changes_nothing() -> None:
    desk = guarded()
    desk.hear(e.UnlockAsked(at=desk.now))
    assert desk.heard("risk.unlocked") == []
    assert desk.account.book.standing.forgive is False


def test_a_lock_stays_when_the_limit_is_taken_out_of_the_file() -> None:
    desk = guarded()
    realizes(desk, -600)
    desk.hear(e.RulesChanged(at=desk.now, rules=Rules(copy=rules())))
    desk.leader(order(100, BUY, terms(1), 1))
    assert "locked" in skipped(desk, 100)
    desk.wait((TURN - desk.now).total_seconds())
    assert lock(desk) is None
    assert desk.account.book.standing == Standing()


def test_a_new_limit_wants_a_balance_of_its_own() -> None:
    desk = follower()
    assert asked_ever(desk) == 0
    desk.hear(e.RulesChanged(at=desk.now, rules=Rules(copy=rules(limits=LOSS))))
    assert wants_balance(desk)
    reads(desk, 0)
    assert desk.account.book.standing.checked == "loss 500"


def test_an_account_that_has_no_limit_keeps_nothing() -> None:
    desk = follower(balance=money())
    enters(desk)
    desk.wait(60)
    assert desk.account.book.standing == Standing()
    assert asked_ever(desk) == 0
    assert risk.measures(desk.account.book, Limits(), desk.now) == ()


# The hours


def chicago(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{text}:00-06:00").astimezone(UTC)


HOURS = Limits(no_open_after=time(14, 45), flat_by=time(15, 5))


def test_after_no_open_after_nothing_opens_until_the_turn_and_entries_are_taken_back() -> None:
    desk = follower(limits=HOURS)
    enters(desk)
    desk.leader(order(101, BUY, limit(1)))
    placed = desk.place
    desk.accepted(placed, 901)
    assert desk.account.wake_at is not None
    desk.wait((chicago("03T14:45") - desk.now).total_seconds())
    assert [one.order_id for one in desk.cancels] == [901]
    desk.leader(order(102, BUY, terms(1), 1))
    assert "no_open_after 14:45 (Chicago)" in skipped(desk, 102)
    desk.leader(order(103, SELL, terms(1), 1))
    assert desk.quantities == [(SELL, 1)]


def test_at_flat_by_what_is_ours_is_closed_and_it_copies_again_after_the_turn() -> None:
    desk = follower(limits=HOURS)
    enters(desk)
    desk.leader(order(101, SELL, stop(2)))
    protection = desk.place
    desk.accepted(protection, 901)
    desk.wait((chicago("03T15:05") - desk.now).total_seconds())
    assert [one.order_id for one in desk.cancels] == [901]
    desk.accepted(desk.cancels[0])
    desk.seen(protection, 901, status=Status.CANCELED)
    exited(desk)
    assert desk.own == {}
    desk.leader(order(101, SELL, stop(2), 2), order(102, BUY, terms(1), 1))
    assert "flat_by 15:05 (Chicago)" in skipped(desk, 102)
    desk.leader(order(103, SELL, terms(1), 1))
    desk.wait((TURN - desk.now).total_seconds())
    assert desk.account.book.latches == ()
    desk.leader(order(104, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_flat_by_says_nothing_when_there_is_nothing_to_close() -> None:
    desk = follower(limits=HOURS)
    desk.wait((chicago("03T15:05") - desk.now).total_seconds())
    assert desk.heard("account.flattening") == []
    assert desk.account.book.latches == ()


def test_hours_are_obeyed_every_day_also_after_a_restart_in_between() -> None:
    desk = follower(limits=HOURS)
    for day in (3, 4, 5):
        desk.now = chicago(f"0{day}T15:04")
        desk.restarted()
        desk.hear(e.Authorized(at=desk.now))
        desk.read_anew()
        desk.leader_read_anew()
        assert risk.bar(desk.account.book, HOURS, desk.now) == "no_open_after 14:45 (Chicago)"
        desk.wait(60)
        assert risk.bar(desk.account.book, HOURS, desk.now) == "flat_by 15:05 (Chicago)"
        desk.now = chicago(f"0{day}T17:00")
        desk.hear(e.AlarmRang(at=desk.now))
        assert risk.bar(desk.account.book, HOURS, desk.now) is None


@pytest.mark.parametrize(("at", "edges"), [
    ("03T12:00", ["03T14:45", "03T17:00", "03T15:05", "03T17:00"]),
    ("03T15:00", ["03T17:00", "03T15:05", "03T17:00"]),
    ("03T18:00", ["04T14:45", "04T17:00", "04T15:05", "04T17:00"]),
])  # fmt: skip
def test_the_edges_of_the_day_are_those_to_come(at: str, edges: list[str]) -> None:
    assert list(curfew.edges(HOURS, chicago(at))) == [chicago(one) for one in edges]


def test_an_hour_in_the_evening_bars_all_that_follows() -> None:
    late = Limits(no_open_after=time(20))
    assert [curfew.bar(late, chicago(one)) is None for one in ("03T19:59", "03T20:00", "04T09:00", "04T17:00")] == [
        True, False, False, True,
    ]  # fmt: skip
    assert curfew.closes(late, chicago("03T21:00")) is None


# A contract's end


def test_nothing_opens_in_a_contracts_last_two_sessions_and_exits_go() -> None:
    desk = follower()
    desk.contract_read(facts_of(ES, expires=NOON + timedelta(days=1)))
    desk.leader(order(100, BUY, terms(1), 1))
    assert "last two sessions (it expires 2026-03-04 18:00 UTC)" in skipped(desk, 100)
    desk.leader(order(101, BUY, terms(1), 1, symbol=MES))
    assert desk.quantities == [(BUY, 1)]


@pytest.mark.parametrize("side", [BUY, SELL])
def test_what_rests_in_it_is_taken_back_when_they_begin(side: Side) -> None:
    desk = follower()
    desk.contract_read(facts_of(ES, expires=NOON + timedelta(days=2)))  # a Thursday's noon: from Tuesday 17:00
    enters(desk)
    asked = limit(1) if side is BUY else limit(1, 5020)
    desk.leader(order(101, side, asked))
    desk.accepted(desk.place, 901)
    assert desk.account.wake_at == TURN
    desk.wait((TURN - desk.now).total_seconds())
    assert [one.order_id for one in desk.cancels] == ([901] if side is BUY else [])
    assert list(expiry.edges(_draft(desk))) == []


def _draft(desk: Desk) -> Any:
    from statecharts.draft import Draft

    return Draft(name=desk.account.name, at=desk.now, book=desk.account.book, acting=True)


def test_what_is_not_known_of_its_end_bars_nothing() -> None:
    desk = follower()
    desk.contract_read(facts_of(ES))
    desk.leader(order(100, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_the_latch_of_a_limit_is_its_own() -> None:
    desk = guarded()
    enters(desk)
    desk.hear(e.FlattenAsked(at=desk.now))
    desk.wait(1)
    reads(desk, -500)
    assert {one.by for one in desk.account.book.latches} == {FlattenedBy.OPERATOR, FlattenedBy.RISK}
    desk.hear(e.UnlockAsked(at=desk.now))
    assert {one.by for one in desk.account.book.latches} == {FlattenedBy.OPERATOR}
    assert purse.EVERY > purse.NEAR_EVERY
