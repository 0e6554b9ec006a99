"""How many contracts: targets, kinds, caps, maps."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statecharts import sizing
from statecharts.rules import MapTo
from statecharts.sizing import Kind
from statecharts.values import Order, Root, Symbol, root_of, with_root
from statecharts.view import View
from tests.statecharts.desk import BUY, ES, LEAD_ID, MES, SELL, Desk, follower, limit, order, rules, stop, terms

HALF = Decimal("0.5")
TO_MICRO = {Root("ES"): MapTo(Root("MES"), Decimal(10))}


def view(net: int, *orders: Order) -> View:
    return View(LEAD_ID, 1, {one.id: one for one in orders}, {ES: net})


def size(one: Order, net: int, own: int, *others: Order, **more: Any) -> sizing.Size:
    return sizing.size(one, view(net, one, *others), own, rules(**more))


@pytest.mark.parametrize(("n", "ratio", "target"), [
    (3, "0.5", 1), (-3, "0.5", -1), (1, "0.5", 0), (-1, "0.99", 0), (3, "1", 3), (3, "-1", -3), (10, "0.3", 3),
])  # fmt: skip
def test_the_target_is_cut_toward_zero_in_exact_decimals(n: int, ratio: str, target: int) -> None:
    assert sizing.target(n, ES, rules(ratio=Decimal(ratio))) == target


def test_the_map_names_the_other_product_and_its_factor_and_keeps_the_month() -> None:
    mapped = rules(map=TO_MICRO, ratio=HALF)
    assert sizing.follower_symbol(ES, mapped) == MES
    assert sizing.target(3, ES, mapped) == 15
    assert sizing.follower_symbol(Symbol("NQZ6"), mapped) == "NQZ6"
    assert sizing.target(3, Symbol("NQZ6"), mapped) == 1


def test_a_name_that_is_no_contract_is_its_own_product() -> None:
    assert root_of(Symbol("BTC/USD")) == "BTC/USD"
    assert with_root(Symbol("BTC/USD"), Root("MBT")) == "MBT"


def test_max_position_clamps_the_target_on_both_sides() -> None:
    assert sizing.target(9, ES, rules(max_position=4)) == 4
    assert sizing.target(-9, ES, rules(max_position=4)) == -4


def test_min_one_raises_nothing_to_one_but_never_flat() -> None:
    small = rules(ratio=Decimal("0.1"), min_one=True)
    assert [sizing.target(n, ES, small) for n in (0, 1, -1, 20)] == [0, 1, -1, 2]


def test_ratio_half_two_entries_of_one_make_one() -> None:
    first = order(1, BUY, limit(1))
    second = order(2, BUY, limit(1))
    assert size(first, 0, 0, ratio=HALF).quantity == 0
    assert size(second, 0, 0, first, ratio=HALF).quantity == 1


def test_two_entries_do_not_overshoot_together() -> None:
    first = order(1, BUY, limit(3))
    second = order(2, BUY, limit(3))
    assert size(first, 0, 0, max_position=4).quantity == 3
    assert size(second, 0, 0, first, max_position=4).quantity == 1


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.decimals("0.1", "3", places=1))
def test_rounding_does_not_drift_over_partial_exits_and_flat_means_flat(parts: list[int], ratio: Decimal) -> None:
    net = sum(parts)
    own = sizing.target(net, ES, rules(ratio=ratio))
    for number, part in enumerate(parts, 1):
        own -= size(order(number, SELL, terms(part)), net, own, ratio=ratio).quantity
        net -= part
        assert own == sizing.target(net, ES, rules(ratio=ratio))
    assert own == 0


def test_the_leader_flat_means_the_follower_flat_whatever_rounding_said() -> None:
    assert size(order(1, SELL, terms(1)), 1, 3, ratio=HALF).quantity == 3


def test_the_orders_own_fills_are_taken_out() -> None:
    assert size(order(1, BUY, terms(2), 2), 2, 0).quantity == 2


def test_an_exit_never_flips_and_never_opens() -> None:
    assert size(order(1, SELL, terms(3)), 4, 1).quantity == 1
    for own in (0, -2):
        nothing = size(order(1, SELL, terms(3)), 4, own)
        assert (nothing.kind, nothing.quantity) == (Kind.EXIT, 0)
        assert "does not have" in (nothing.why_nothing or "")


def test_an_exit_that_rounds_to_nothing_says_so() -> None:
    found = size(order(1, SELL, terms(1)), 3, 1, ratio=HALF)
    assert (found.quantity, found.why_nothing) == (0, "the follower's size for it rounds to 0")


def test_an_opening_of_none_says_whether_the_ratio_or_the_cap_makes_it_so() -> None:
    assert size(order(1, BUY, terms(1)), 0, 0, ratio=HALF).why_nothing == "the follower's size for it rounds to 0"
    assert size(order(1, BUY, terms(1)), 4, 3, max_position=3).why_nothing == "max_position is reached"


def test_what_the_leader_has_above_the_cap_is_nobodys_and_so_is_its_exit() -> None:
    found = size(order(1, SELL, terms(5)), 8, 3, max_position=3)
    assert (found.kind, found.quantity, found.why_nothing) == (Kind.EXIT, 0, "max_position is reached")
    assert size(order(1, SELL, terms(6)), 8, 3, max_position=3).quantity == 1


def test_exits_that_cover_the_position_twice_are_not_clamped_on_its_other_side() -> None:
    stop_of_all, target_of_all = order(1, SELL, stop(2)), order(2, SELL, limit(2, 5300))
    for asked in (terms(1), limit(1, 5290)):
        assert size(order(3, SELL, asked), 2, 2, stop_of_all, target_of_all, max_position=2).quantity == 1
    assert size(order(3, SELL, terms(4)), 2, 2, stop_of_all, target_of_all, max_position=2).quantity == 4


def test_an_exit_at_market_fills_before_those_that_rest() -> None:
    stop_of_all, at_market = order(1, SELL, stop(3)), order(2, SELL, terms(1))
    assert size(order(3, SELL, terms(1)), 3, 1, stop_of_all, ratio=HALF).quantity == 0  # 3 and 2 are both 1 of ours
    assert size(order(3, SELL, terms(1)), 3, 1, stop_of_all, at_market, ratio=HALF).quantity == 1


def test_a_reversal_is_one_order() -> None:
    found = size(order(1, SELL, terms(5)), 2, 2)
    assert (found.kind, found.side, found.quantity) == (Kind.REVERSAL, SELL, 5)


def test_a_reversal_behind_an_exit_that_rests_stays_within_the_cap_whichever_fills_first() -> None:
    out = order(1, SELL, stop(2))
    found = size(order(2, SELL, stop(3, 4980)), 2, 6, out, ratio=Decimal(4), max_position=9, max_order=6)
    assert (found.kind, found.quantity) == (Kind.REVERSAL, 9), "when his stop has made us flat, all of it opens"


def test_a_reversal_takes_only_what_is_ours_and_the_target_beyond() -> None:
    assert size(order(1, SELL, terms(5)), 2, 1).quantity == 4
    assert size(order(1, SELL, terms(5)), 2, -1).quantity == 3
    assert size(order(1, SELL, terms(9)), 2, 2, max_position=3).quantity == 5


def test_max_order_cuts_openings_never_exits() -> None:
    assert size(order(1, BUY, terms(5)), 0, 0, max_order=2).quantity == 2
    assert size(order(1, SELL, terms(5)), 5, 5, max_order=2).quantity == 5
    assert size(order(1, SELL, terms(7)), 2, 2, max_order=1).quantity == 3


def test_an_inverse_ratio_trades_the_other_side() -> None:
    found = size(order(1, BUY, terms(2)), 0, 0, ratio=Decimal(-1))
    assert (found.side, found.quantity) == (SELL, 2)
    found = size(order(2, SELL, terms(2)), 2, -2, ratio=Decimal(-1))
    assert (found.kind, found.side, found.quantity) == (Kind.EXIT, BUY, 2)


def test_an_order_is_not_counted_against_the_one_that_cancels_it() -> None:
    target = order(1, SELL, limit(1, 5020))
    either = attrs.evolve(order(2, SELL, terms(1)), oco_id=target.id)
    assert size(either, 2, 2, target).quantity == 1
    assert size(either, 2, 2, target, ratio=HALF).quantity == size(either, 2, 2, ratio=HALF).quantity


def test_exits_are_apart_when_the_leaders_position_covers_them_all() -> None:
    resting = order(1, SELL, limit(2))
    exit_of_one = order(2, SELL, terms(1))
    assert sizing.apart(exit_of_one, view(3, resting, exit_of_one))
    assert not sizing.apart(exit_of_one, view(2, resting, exit_of_one))
    assert not sizing.apart(order(3, BUY, terms(1)), view(3))
    assert not sizing.apart(order(3, SELL, None), view(3))


def into_micros() -> Desk:
    """The leader is long 1 ES and 5 MES, both of which are copied into MES: ours are 15."""
    desk = follower(map=TO_MICRO)
    desk.leader(order(100, BUY, terms(1), 1))
    desk.fills(desk.place, 900)
    desk.leader(order(101, BUY, terms(5), 5, symbol=MES))
    desk.fills(desk.place, 901)
    assert desk.own == {MES: 15}
    return desk


def test_of_two_contracts_that_are_copied_into_one_each_exits_its_own_part() -> None:
    desk = into_micros()
    desk.leader(order(102, SELL, terms(1), 1))
    assert desk.quantities == [(SELL, 10)]
    desk.fills(desk.place, 902)
    desk.leader(order(103, SELL, terms(5), 5, symbol=MES))
    assert desk.quantities == [(SELL, 5)]
    desk.fills(desk.place, 903)
    assert desk.own == {}


def test_of_two_contracts_against_each_other_an_exit_takes_no_more_than_is_ours() -> None:
    desk = into_micros()
    desk.leader(order(102, SELL, terms(8), 8, symbol=MES))
    desk.fills(desk.place, 902)
    assert desk.own == {MES: 7}
    desk.leader(order(103, SELL, terms(1), 1))
    assert desk.quantities == [(SELL, 7)]


def test_who_asks_after_another_follower_is_answered_by_his_own_rules_and_position() -> None:
    entry = order(100, BUY, terms(4))
    shared = view(0, entry)
    asked = [(0, rules()), (0, rules(ratio=HALF)), (0, rules(max_position=3)), (0, rules())]
    assert [sizing.size(entry, shared, own, one).quantity for own, one in asked] == [4, 2, 3, 4]
    leaving = order(101, SELL, terms(4))
    shared = view(4, leaving)
    assert [sizing.size(leaving, shared, own, rules()).quantity for own in (4, 3, 0)] == [4, 3, 0]


def test_another_version_of_an_order_is_sized_by_its_own_terms() -> None:
    one, other = order(100, SELL, terms(1)), order(100, SELL, terms(3))
    shared = view(4, one)
    assert [sizing.size(each, shared, 4, rules()).quantity for each in (one, other, one)] == [1, 3, 1]
    resting = order(101, SELL, limit(3, 5010))
    shared = view(4, one, resting)
    assert [sizing.apart(each, shared) for each in (one, other, one)] == [True, False, True]
