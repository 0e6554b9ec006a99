"""What a follower knows of its contracts, how it asks, and what it makes of a contract that does not exist."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import attrs
import pytest

from statecharts import events as e
from statecharts import facts
from statecharts.order import Stage
from statecharts.rules import MapTo, Rules
from statecharts.values import Root, Status, Symbol
from statecharts.view import View
from tests.statecharts.desk import (
    BUY,
    ES,
    LEAD_ID,
    MES,
    NOON,
    SECOND,
    SELL,
    Desk,
    facts_of,
    follower,
    in_position,
    limit,
    order,
    rules,
    terms,
)

TO_MICRO = {Root("ES"): MapTo(Root("MES"), Decimal(10))}
ROOT = Symbol("MES")
NO_SUCH = "the broker knows no contract of this name"


def mapped() -> Desk:
    """A follower whose product of the map is known."""
    desk = follower(map=TO_MICRO)
    desk.contract_read(facts_of(ROOT))
    return desk


def test_at_a_sessions_start_the_products_of_the_map_and_what_the_leader_has_are_asked_for() -> None:
    desk = follower(map=TO_MICRO)
    flat, resting, gone = order(1, BUY, terms(1), 1), order(2, BUY, limit(1)), order(3, BUY, limit(1), symbol=ES)
    gone = attrs.evolve(gone, status=Status.CANCELED, symbol=Symbol("GCZ6"))
    nq = attrs.evolve(resting, symbol=Symbol("NQZ6"))
    orders = {one.id: one for one in (flat, nq, gone)}
    desk.leader_read_anew(View(LEAD_ID, 2, orders, {ES: 1, Symbol("CLZ6"): 0}))
    assert desk.asked_of == [MES, "NQZ6"]  # the product itself has been asked for when the account was read
    desk.lost()
    desk.resuming()
    desk.read_anew()
    assert desk.asked_of == ["MES", MES, "NQZ6"]


def test_a_contract_that_turns_up_is_asked_for_once_and_delays_nothing() -> None:
    desk = follower()
    desk.leader(order(100, BUY, terms(2), 2))
    assert desk.quantities == [(BUY, 2)]
    assert desk.asked_of == [ES]
    assert [type(one).__name__ for one in desk.effects][:1] == ["PlaceOrder"]
    desk.leader(order(101, BUY, terms(2), 2))
    assert desk.asked_of == []
    desk.contract_read(facts_of(ES))
    assert desk.account.book.facts_of(ES) == facts_of(ES)
    assert desk.account.book.asked == {}
    desk.leader(order(102, BUY, terms(2), 2))
    assert desk.asked_of == []


def test_what_is_known_is_kept_through_reconnects_and_restarts() -> None:
    desk = in_position()
    desk.contract_read(facts_of(ES))
    desk.restarted()
    desk.hear(e.Authorized(at=desk.now))
    desk.read_anew(positions={ES: 2})
    assert desk.asked_of == []
    assert desk.account.book.facts_of(ES) == facts_of(ES)


def test_an_answer_that_does_not_come_is_asked_for_again_as_long_as_it_is_wanted() -> None:
    desk = in_position()
    desk.hear(e.ContractUnread(at=desk.now, symbol=ES, reason="timeout"))
    assert desk.account.wake_at == NOON + facts.ASK_AGAIN
    desk.wait(60)
    assert desk.asked_of == [ES]
    desk.leader(order(101, SELL, terms(2), 2))
    desk.fills(desk.place, 901)
    desk.wait(60)  # nobody holds it any more
    assert desk.asked_of == []
    assert desk.account.wake_at is None


def test_a_products_facts_serve_until_the_contracts_own_are_there() -> None:
    desk = follower()
    assert desk.account.book.facts_of(MES) is None
    desk.contract_read(facts_of(ROOT))
    assert desk.account.book.facts_of(MES) == facts_of(ROOT)
    own = facts_of(MES, expires=NOON)
    desk.contract_read(own)
    assert desk.account.book.facts_of(MES) == own


def test_a_name_that_has_ended_is_forgotten_and_asked_for_anew() -> None:
    desk = in_position()
    desk.contract_read(facts_of(ES, expires=NOON - facts.STALE))
    desk.contract_read(facts_of(MES, expires=NOON + SECOND))
    desk.now += SECOND
    desk.lost()
    desk.resuming()
    desk.read_anew(positions={ES: 2})
    assert desk.account.book.facts == {MES: facts_of(MES, expires=NOON + SECOND)}
    assert desk.asked_of == [ES]


def test_new_rules_ask_for_their_products() -> None:
    desk = follower()
    desk.hear(e.RulesChanged(at=desk.now, rules=Rules(copy=rules(map=TO_MICRO))))
    assert desk.asked_of == ["MES"]


def test_a_spread_and_a_contract_without_a_name_are_not_asked_for() -> None:
    desk = follower()
    desk.leader(order(100, BUY, None, symbol=Symbol("spread 8"), unsupported="Spread"))
    desk.leader(order(101, BUY, limit(1), symbol=Symbol("contract 77")))
    assert desk.asked_of == []
    desk.hear(e.ContractUnread(at=desk.now, symbol=ES, reason="timeout"))
    assert desk.account.wake_at is None


def test_a_contract_that_does_not_exist_is_skipped_with_that_reason_and_the_others_go_on() -> None:
    desk = mapped()
    desk.contract_absent(MES)
    assert len(desk.heard("copy.skipped")) == 1
    desk.contract_absent(MES)
    assert len(desk.heard("copy.skipped")) == 1
    for number, side in ((100, BUY), (101, SELL)):
        desk.leader(order(number, side, terms(1), 1))
        assert desk.places == []
        copy = desk.copy_of(number)
        assert copy.stage is Stage.SKIPPED
        assert copy.reason == f"{MES} does not exist on this account's side: {NO_SUCH}"
    desk.leader(order(102, BUY, terms(1), 1, symbol=Symbol("NQZ6")))
    assert desk.quantities == [(BUY, 1)]


def test_a_contract_that_is_listed_later_is_copied_then() -> None:
    desk = mapped()
    desk.contract_absent(MES)
    desk.leader(order(100, BUY, terms(1), 1))
    assert desk.asked_of == []
    desk.wait(facts.LOOK_AGAIN.total_seconds())
    assert desk.asked_of == [MES]
    desk.contract_read(facts_of(MES))
    desk.leader(order(101, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 10)]


def test_it_is_looked_for_also_while_nobody_trades_it_and_when_the_account_is_read_anew() -> None:
    desk = mapped()
    desk.contract_absent(MES)
    desk.wait(facts.LOOK_AGAIN.total_seconds())
    assert desk.asked_of == [MES]
    desk.lost()
    desk.resuming()
    desk.read_anew()
    assert desk.asked_of == [MES]
    assert MES in desk.account.book.absent


@pytest.mark.parametrize("at_once", [True, False])
def test_an_order_refused_for_its_contract_says_that_there_is_none(at_once: bool) -> None:
    desk = mapped()
    desk.leader(order(100, BUY, terms(1), 1))
    if at_once:
        desk.refused(desk.place, "InvalidContract", "Contract not found: MESZ6")
    else:
        placed = desk.place
        desk.accepted(placed, 900)
        desk.seen(placed, 900, status=Status.REJECTED, reject_reason="InvalidContract: Contract not found: MESZ6")
    desk.leader(order(101, SELL, terms(1), 1))
    assert desk.places == []
    assert "InvalidContract" in str(desk.copy_of(101).reason)
    assert "does not exist" in str(desk.copy_of(101).reason)


def test_what_we_own_is_exited_whatever_the_broker_says_of_its_contract() -> None:
    desk = in_position()
    desk.contract_absent(ES)
    desk.leader(order(101, SELL, terms(2), 2))
    assert desk.quantities == [(SELL, 2)]


def test_what_arrives_while_not_connected_is_kept() -> None:
    desk = in_position()
    desk.lost()
    desk.now += timedelta(seconds=1)
    desk.contract_read(facts_of(ES))
    assert desk.account.book.facts_of(ES) == facts_of(ES)
