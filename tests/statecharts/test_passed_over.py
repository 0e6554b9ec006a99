"""What is passed over could not have acted: each time that a look is left out, here it is taken all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings

from statecharts import brackets, excess, families, overdue, pursuit
from statecharts.book import NOTHING, Contract
from statecharts.draft import Draft
from statecharts.rules import CopyRules
from statecharts.values import Order, Symbol
from tests import examples
from tests.statecharts.desk import BUY, EVAL, SELL, Desk, follower, in_position, order, terms
from tests.statecharts.exchange import Exchange
from tests.statecharts.test_worlds import CAP, Leader, live, moves

_undisturbed, _nothing, _single = pursuit._is_undisturbed, excess.nothing, families.is_single


def undisturbed(draft: Draft, symbol: Symbol, rules: CopyRules) -> bool:
    """The same answer, after the long way: all that `_advance` looks at finds no more than is too late."""
    passed_over = _undisturbed(draft, symbol, rules)
    if passed_over:
        long, short = _like(draft), _like(draft)
        pursuit._advance(long, symbol, rules)
        overdue.look_at(short, symbol, rules, not draft.book.held_back())
        assert (long.book, long.effects) == (short.book, short.effects)
    return passed_over


def nothing(draft: Draft, symbol: Symbol, rules: CopyRules) -> bool:
    """The same answer, after the long way: nobody finds that something of ours is too much."""
    passed_over = _nothing(draft, symbol, rules)
    contract = draft.contract(symbol)
    if passed_over and contract.own and not contract.left and contract.close_to is None:
        long, short, keep = _like(draft), _like(draft), excess.may_stay(draft, symbol, rules)
        for look in (excess._flat_with_the_leader, excess._on_the_leaders_side, excess._exit_what_had_no_order):
            look(long, symbol, rules, keep)
        excess._for_too_long(long, symbol, rules, keep, [])
        short.note(symbol, too_much_since=None)
        assert (long.book, long.effects) == (short.book, short.effects)
    return passed_over


def single(draft: Draft, order: Order, rules: CopyRules) -> bool:
    """The same answer, after the long way: it is not too early, nothing holds it, and it is its whole family."""
    passed_over = _single(draft, order, rules)
    if passed_over:
        long = _like(draft)
        assert not families.too_early(long, order, rules)
        assert not brackets.hold(long, order, rules)
        assert not families.asleep(long, order)
        assert families.undecided(long, order) == (order,)
        assert (long.book, long.effects) == (draft.book, draft.effects)
    return passed_over


def _like(draft: Draft) -> Draft:
    return attrs.evolve(draft, effects=list(draft.effects))


@pytest.fixture(autouse=True, scope="module")
def _the_long_way() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pursuit, "_is_undisturbed", undisturbed)
        patch.setattr(excess, "nothing", nothing)
        patch.setattr(families, "is_single", single)
        yield


@settings(max_examples=examples(75), deadline=None, suppress_health_check=list(HealthCheck))
@given(moves(also=("reverse", "flatten", "pause", "resume")))
def test_whatever_happens_a_look_that_is_left_out_would_have_found_nothing(day: list[tuple[str, int, int]]) -> None:
    desk = follower(max_position=CAP)
    leader, exchange = Leader(desk), Exchange(desk)
    for what, a, b in day:
        live(desk, leader, exchange, what, a, b)


def _passed_over(desk: Desk) -> bool:
    copy = desk.account.in_force.copy
    assert copy is not None
    draft = Draft(name=EVAL, at=desk.now, book=desk.account.book, acting=True)
    return pursuit._is_undisturbed(draft, Symbol("ESZ6"), copy)


def test_a_contract_is_passed_over_while_our_orders_are_on_their_way_and_when_ours_is_the_leaders() -> None:
    desk = follower()
    desk.leader(order(100, BUY, terms(2), 2))
    assert _passed_over(desk)
    desk.fills(desk.place, 900)
    assert _passed_over(desk)
    desk.leader(order(101, SELL, terms(2), 2))
    assert _passed_over(desk)


def test_it_is_looked_at_when_the_leader_leaves_by_an_order_that_we_have_not_sent() -> None:
    desk = in_position(2)
    desk.account = attrs.evolve(
        desk.account, book=attrs.evolve(desk.account.book, theirs=attrs.evolve(desk.theirs, net={}))
    )
    assert not _passed_over(desk)


@pytest.mark.parametrize("noted", [field.name for field in attrs.fields(Contract)])
def test_whatever_is_noted_of_a_contract_it_is_looked_at_and_what_is_ours_is_no_note(noted: str) -> None:
    changes: dict[str, Any] = {noted: "something"}
    ours = ("own", "newest_fill", "out_since", "out_paged")
    assert NOTHING.plain
    assert attrs.evolve(NOTHING, **changes).plain is (noted in ours)
