"""A follower that follows otherwise than before begins anew: nothing is traded by that, and nothing joined half-way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from statecharts import events as e
from statecharts.book import Book, FlattenedBy
from statecharts.flattening import by_whom
from statecharts.order import Stage
from statecharts.rules import CopyRules, Rules
from statecharts.values import AccountName, BrokerAccountId, OrderId, Status
from statecharts.view import View
from tests.statecharts.desk import BUY, ES, SELL, Desk, follower, in_position, limit, order, rules, terms

OTHER = AccountName("other")


def changed(desk: Desk, copy: CopyRules | None, elsewhere: bool = False) -> None:
    desk.hear(e.RulesChanged(at=desk.now, rules=Rules(copy=copy)))
    desk.hear(e.FollowsAnew(at=desk.now, elsewhere=elsewhere))
    assert not desk.places and not desk.cancels


def flat_again(**more: Any) -> Desk:
    """One trade has been copied, and an entry has been refused: its contract waits."""
    desk = in_position(2, **more)
    desk.leader(order(101, SELL, terms(2), 2))
    desk.fills(desk.place, 901)
    desk.leader(order(102, BUY, terms(1), 1))
    desk.refused(desk.place)
    return desk


def test_another_leader_begins_with_a_baseline_of_his_own() -> None:
    desk = flat_again()
    changed(desk, CopyRules(name=rules().name, leader=OTHER))
    assert desk.account.book.theirs is None and desk.account.book.held_back()
    there = {OrderId(1): order(1, BUY, terms(3), 3), OrderId(2): order(2, BUY, limit(1))}
    view = View(BrokerAccountId(33), 7, there, {ES: 3})
    desk.hear(e.LeaderViewTaken(at=desk.now, leader=OTHER, view=view))
    assert desk.places == [] and desk.copy_of(2).stage is Stage.SKIPPED
    out = order(3, SELL, terms(3), 3)
    gone = order(2, BUY, limit(1), status=Status.CANCELED)
    more = order(4, BUY, terms(1), 1)
    for one, quantities in ((out, []), (gone, []), (more, [(BUY, 1)])):
        desk.hear(e.LeaderOrderSeen(at=desk.now, leader=OTHER, order=one, generation=7))
        assert desk.quantities == quantities


def test_a_shadow_that_becomes_real_in_the_middle_of_a_trade_joins_the_next_one() -> None:
    desk = follower(shadow=True)
    desk.leader(order(1, BUY, terms(2), 2), order(2, SELL, limit(2, 5020)))
    changed(desk, rules())
    desk.leader_read_anew()
    assert desk.places == []
    assert [desk.account.book.copies[row].stage for row in desk.account.book.copies] == [Stage.SHADOWED] * 2
    desk.leader(order(3, BUY, terms(1), 1), order(4, SELL, terms(3), 3))
    assert desk.places == [] and desk.own == {}
    desk.leader(order(5, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


@pytest.mark.parametrize("modes", [("orders", "fills"), ("fills", "orders")])
def test_another_mode_repeats_nothing_that_was_copied(modes: tuple[Any, Any]) -> None:
    before, after = modes
    desk = follower(mode=before)
    desk.leader(order(1, BUY, terms(2), 2))
    desk.fills(desk.place, 901)
    desk.leader(order(2, SELL, terms(2), 2))
    desk.fills(desk.place, 902)
    rows = dict(desk.account.book.copies)
    changed(desk, rules(mode=after))
    desk.leader_read_anew()
    assert desk.own == {} and dict(desk.account.book.copies) == rows
    desk.leader(order(3, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_as_another_account_of_the_broker_nothing_is_known() -> None:
    desk = flat_again()
    desk.lost()
    changed(desk, rules(ratio=Decimal(2)), elsewhere=True)
    assert desk.account.book == Book()


def test_who_follows_nobody_any_more_forgets_his_leader() -> None:
    desk = flat_again(flatten_when_leader_lost=True)
    desk.leader(order(103, BUY, terms(1), 1))
    changed(desk, None)
    book = desk.account.book
    assert book.theirs is None and book.leader_lost_at is None
    assert not any(contract.no_entry for contract in book.contracts.values())
    assert by_whom(book, FlattenedBy.LEADER_LOST) is None
