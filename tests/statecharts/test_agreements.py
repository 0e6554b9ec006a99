"""A changed ratio, map or cap takes effect per contract, when the leader is flat in it; an edit trades nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings

from statecharts import agreements, exposure
from statecharts import events as e
from statecharts.book import Contract
from statecharts.order import Stage
from statecharts.rules import MapTo, Rules
from statecharts.values import Root, Status, Symbol
from tests import examples
from tests.statecharts.desk import (
    BUY,
    ES,
    MES,
    NOON,
    SELL,
    Desk,
    follower,
    in_position,
    limit,
    order,
    rules,
    stop,
    terms,
)
from tests.statecharts.exchange import Exchange
from tests.statecharts.test_worlds import CAP, Leader, at_rest, live, moves

NQ = Symbol("NQZ6")
TEN_MICROS = {Root("ES"): MapTo(Root("MES"), Decimal(10))}


def edited(desk: Desk, **changes: Any) -> None:
    """The file is edited and read again."""
    desk.hear(e.RulesChanged(at=desk.now, rules=Rules(copy=rules(**changes))))


def pending(desk: Desk) -> list[Symbol]:
    copy = desk.account.rules.copy
    assert copy is not None
    return list(agreements.pending(desk.account.book, copy))


@pytest.mark.parametrize(
    "changed",
    [
        {"ratio": Decimal(5)},
        {"ratio": Decimal("0.1")},
        {"ratio": Decimal(-1)},
        {"ratio": Decimal("0.1"), "min_one": True},
        {"max_position": 1},
        {"max_order": 1},
        {"map": TEN_MICROS},
    ],
    ids=lambda changed: " ".join(changed),
)
def test_an_edit_under_a_position_trades_nothing_and_the_leaders_trade_ends_by_the_old_terms(
    changed: dict[str, Any],
) -> None:
    desk = in_position(2)
    edited(desk, **changed)
    assert not desk.places and not desk.cancels and not desk.modifies
    assert pending(desk) == [ES]
    desk.wait(600)
    desk.leader(order(101, BUY, terms(2), 2))
    assert [(one.symbol, one.side, one.terms.quantity) for one in desk.places] == [(ES, BUY, 2)]
    desk.fills(desk.place, 901)
    desk.leader(order(102, SELL, terms(3), 3))
    assert desk.quantities == [(SELL, 3)]
    desk.fills(desk.place, 902)
    assert pending(desk) == [ES]
    desk.leader(order(103, SELL, terms(1), 1))
    assert pending(desk) == [ES]  # flat is he, and we are not yet
    desk.fills(desk.place, 903)
    assert pending(desk) == []
    assert desk.own == {}


def test_the_next_trade_is_copied_by_the_new_terms() -> None:
    desk = in_position(2)
    edited(desk, ratio=Decimal(2), map=TEN_MICROS)
    desk.leader(order(101, SELL, terms(2), 2))
    desk.fills(desk.place, 901)
    desk.leader(order(102, BUY, terms(1), 1))
    assert [(one.symbol, one.terms.quantity) for one in desk.places] == [(MES, 20)]
    desk.fills(desk.place, 902)
    edited(desk)
    desk.leader(order(103, SELL, terms(1), 1))
    assert [(one.symbol, one.terms.quantity) for one in desk.places] == [(MES, 20)]


def test_a_contract_that_copying_has_not_gone_into_takes_the_new_terms_at_once() -> None:
    desk = in_position(2)
    edited(desk, ratio=Decimal(3))
    desk.leader(order(101, BUY, terms(1), 1, symbol=NQ))
    assert [(one.symbol, one.terms.quantity) for one in desk.places] == [(NQ, 3)]
    assert pending(desk) == [ES]


def test_what_rests_at_the_broker_keeps_its_terms_though_nothing_is_owned() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    desk.accepted(desk.place, 901)
    edited(desk, ratio=Decimal(4))
    assert pending(desk) == [ES]
    desk.leader(order(1, BUY, limit(3), version=5))
    assert [one.terms.quantity for one in desk.modifies] == [3]
    desk.accepted(desk.modifies[0])
    desk.leader(order(1, BUY, limit(3), version=5, status=Status.CANCELED))
    assert pending(desk) == [ES]  # not yet confirmed: it may fill


def test_an_inverse_ratio_that_is_edited_away_stays_inverse_until_the_leader_is_flat() -> None:
    desk = follower(ratio=Decimal(-1))
    desk.leader(order(1, BUY, terms(2), 2))
    desk.fills(desk.place, 901)
    assert desk.own == {ES: -2}
    edited(desk, ratio=Decimal(1))
    assert desk.places == []
    desk.leader(order(2, SELL, stop(2)))
    assert (desk.place.side, desk.place.terms) == (BUY, limit(2, 4990))


def test_caps_that_were_agreed_bound_what_is_added() -> None:
    desk = in_position(2, max_position=3)
    edited(desk, max_position=9)
    desk.leader(order(101, BUY, terms(4), 4))
    assert desk.quantities == [(BUY, 1)]


def test_an_agreement_survives_a_restart_with_an_edited_file() -> None:
    desk = in_position(2)
    held = desk.account.book.mine
    assert held is not None
    desk.account = attrs.evolve(desk.account, rules=Rules(copy=rules(ratio=Decimal("0.5"))))
    desk.restarted()
    desk.hear(e.Authorized(at=NOON))
    desk.leader_read_anew()
    desk.read_anew(*held.orders.values(), positions={ES: 2})
    assert desk.places == []
    assert desk.heard("position.drifted") == []
    desk.leader(order(101, SELL, terms(1), 1))
    assert desk.quantities == [(SELL, 1)]


def test_a_leader_in_position_whom_nobody_copies_yet_keeps_the_terms_of_the_day() -> None:
    desk = in_position(2)
    desk.leader(order(101, BUY, attrs.evolve(terms(2)), 2))
    desk.refused(desk.place)
    assert desk.copy_of(101).stage is Stage.REJECTED
    edited(desk, ratio=Decimal(7))
    assert exposure.total_target(desk.account.book, ES, desk.account.in_force.copy or rules()) == 4


EDITS = (
    {"ratio": Decimal("0.5")},
    {"ratio": Decimal(1)},
    {"ratio": Decimal(2)},
    {"ratio": Decimal(1), "min_one": True},
    {"ratio": Decimal(2), "max_order": 1},
    {"ratio": Decimal(1), "map": {Root("ES"): MapTo(Root("MES"), Decimal(1))}},
)


def of_the_contracts(desk: Desk) -> dict[Symbol, Contract]:
    """All that the book keeps of each contract, but what is looked at after every event whatever it is.

    That is: does the contract still wait (no more where he is not copied into it any more), has our position a stop,
    is that stop too large.
    """
    contracts = desk.account.book.contracts.items()
    kept = {s: attrs.evolve(one, no_entry=None, exposed=None, excess_since=None) for s, one in contracts}
    return {symbol: one for symbol, one in kept.items() if one != Contract()}


@settings(max_examples=examples(75), deadline=None, suppress_health_check=list(HealthCheck))
@given(moves(also=("edit", "edit", "edit")))
def test_whenever_the_file_is_edited_nothing_is_traded_by_that_and_flat_follows_flat(
    day: list[tuple[str, int, int]],
) -> None:
    desk = follower(max_position=CAP)
    leader, exchange = Leader(desk), Exchange(desk)
    for what, a, b in day:
        if what != "edit":
            live(desk, leader, exchange, what, a, b)
        else:
            agreed, contracts = desk.account.book.agreed, of_the_contracts(desk)
            edited(desk, max_position=CAP, **EDITS[a % len(EDITS)])
            assert not desk.places and not desk.cancels and not desk.modifies
            assert desk.account.book.agreed == agreed and of_the_contracts(desk) == contracts
        assert all(0 <= n <= CAP for n in exchange.position.values())
    at_rest(desk, leader, exchange)
    assert not any(exchange.position.values())
    assert not desk.account.book.agreed
    desk.hear(e.ResumeAsked(at=desk.now))
    edited(desk, ratio=Decimal(3))
    leader.enters(1, 0)
    assert desk.quantities == [(BUY, 3)] or ES in desk.account.book.absent


def test_the_rules_in_force_are_worked_out_once_for_each_agreement() -> None:
    desk = in_position(2)
    agreed = desk.account.book.agreed
    assert agreed
    assert desk.account.in_force is desk.account.in_force
    assert desk.account.in_force == Rules(copy=rules(agreed=agreed))
    desk.leader(order(101, SELL, terms(2), 2))
    desk.fills(desk.place, 901)
    assert desk.account.in_force == Rules(copy=rules())
