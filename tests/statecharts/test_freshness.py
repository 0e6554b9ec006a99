"""catch_up = fresh: what is young enough, at what price at most, how many, and how often: once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statecharts import events as e
from statecharts import states as s
from statecharts.account import Account
from statecharts.effects import PlaceOco, PlaceOso
from statecharts.order import Stage
from statecharts.rules import MapTo, Rules
from statecharts.values import Fill, FillId, Order, OrderType, Root, Side, Status, Terms, TimeInForce
from statecharts.view import View
from tests import examples
from tests.statecharts.desk import (
    BUY,
    ES,
    EVAL,
    LEAD_ID,
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
from tests.statecharts.exchange import Exchange
from tests.statecharts.families import bracket
from tests.statecharts.gaps import gap, holding, ours
from tests.statecharts.test_worlds import CAP, Leader, at_rest, live, moves
from tests.statecharts.trading_hours import CLOSED, with_hours

LONG_AGO = NOON - timedelta(seconds=10)  # fresh_age: no longer young


def fresh(**more: Any) -> Desk:
    desk = follower(catch_up="fresh", **more)
    desk.contract_read(facts_of(ES))
    desk.contract_read(facts_of(MES))
    return desk


def filled(one: Order, *fills: tuple[int, str, float]) -> Order:
    """The order with fills of so many contracts, at such prices, so many seconds ago."""
    made = tuple(
        Fill(FillId(one.id * 10 + n), one.side, quantity, Decimal(price), NOON - age * SECOND)
        for n, (quantity, price, age) in enumerate(fills)
    )
    return attrs.evolve(one, fills=made)


def bought(quantity: int, price: str = "5000", age: float = 1, number: int = 101, side: Side = BUY) -> Order:
    return filled(order(number, side, terms(quantity), quantity), (quantity, price, age))


def ioc(quantity: int, price: str) -> Terms:
    return Terms(quantity, OrderType.LIMIT, price=Decimal(price), time_in_force=TimeInForce.IOC)


def short(desk: Desk) -> list[str]:
    return [words for words in desk.heard("position.drifted") if "short by" in words]


@pytest.mark.parametrize("first", ["mine", "theirs"])
@pytest.mark.parametrize(
    ("age", "young"), [(0, True), (9.9, True), (10, False), (3600, False), (-2, True), (-3, False)]
)
def test_young_is_less_than_fresh_age_and_not_from_the_future(age: float, young: bool, first: str) -> None:
    desk = fresh()
    gap(desk, first, bought(2, age=age), net=2)
    assert [(one.side, one.terms) for one in desk.places] == ([(BUY, ioc(2, "5001"))] if young else [])
    assert bool(short(desk)) is not young


def test_the_price_is_the_fills_and_fresh_ticks_in_our_disfavour() -> None:
    for ticks, price in ((0, "5000"), (4, "5001"), (8, "5002")):
        desk = fresh(fresh_ticks=ticks)
        gap(desk, "mine", bought(1), net=1)
        assert desk.place.terms == ioc(1, price)
    desk = fresh()
    gap(desk, "mine", bought(2, side=SELL), net=-2)
    assert (desk.place.side, desk.place.terms) == (SELL, ioc(2, "4999"))


def test_an_inverse_follower_sells_lower_what_the_leader_has_bought() -> None:
    desk = fresh(ratio=Decimal(-2))
    gap(desk, "mine", bought(1), net=1)
    assert (desk.place.side, desk.place.terms) == (SELL, ioc(2, "4999"))


def test_a_price_off_our_tick_is_rounded_away_from_the_market() -> None:
    for side, price in ((BUY, "5001.00"), (SELL, "4999.25")):
        desk = fresh()
        gap(desk, "mine", bought(1, "5000.10", side=side), net=side.sign)
        assert desk.place.terms == ioc(1, price)


def test_without_a_tick_there_is_no_bound_and_so_no_order_until_the_broker_has_said_it() -> None:
    desk = follower(catch_up="fresh")
    gap(desk, "mine", bought(1), bought(1, number=102), net=2)
    assert desk.places == [] and short(desk) == [] and desk.asked_of == [ES]
    desk.wait(2)
    desk.contract_read(facts_of(ES))
    assert desk.place.terms == ioc(2, "5001")
    assert desk.copy_of(101).stage is Stage.SKIPPED and desk.copy_of(102).id == desk.place.copy


def test_a_tick_that_comes_when_the_entry_is_no_longer_young_is_too_late() -> None:
    desk = follower(catch_up="fresh")
    gap(desk, "mine", bought(2), net=2)
    desk.now += 10 * SECOND
    desk.contract_read(facts_of(ES))
    assert desk.places == [] and "short by 2 of 2" in short(desk)[0]
    assert desk.copy_of(101).stage is Stage.SKIPPED


def test_while_an_order_of_ours_is_in_doubt_it_waits() -> None:
    desk, held = holding(2, catch_up="fresh")
    desk.contract_read(facts_of(ES))
    desk.leader(order(101, SELL, limit(1, 5020)))
    place = desk.place
    desk.sent(place)
    gap(desk, "mine", bought(1, number=102), net=3, mine=(held,), positions={ES: 2})
    assert desk.places == [] and short(desk) == []
    desk.accepted(place, 901, working=False)
    assert desk.place.terms == ioc(1, "5001")


def test_of_several_fills_the_best_price_bounds_all() -> None:
    desk = fresh()
    gap(desk, "mine", filled(order(101, BUY, terms(3), 3), (1, "5000", 2), (1, "5000.50", 2), (1, "4999.75", 1)), net=3)
    assert desk.place.terms == ioc(3, "5000.75")


def test_several_orders_are_one_and_the_others_are_skipped() -> None:
    desk = fresh()
    gap(desk, "mine", bought(1, "5002"), bought(2, "5001", number=102), bought(1, number=103, side=SELL), net=2)
    assert desk.place.terms == ioc(2, "5002")
    assert desk.place.copy == desk.copy_of(102).id
    assert [desk.copy_of(number).stage for number in (101, 103)] == [Stage.SKIPPED, Stage.SKIPPED]


def test_what_is_older_is_not_made_up_for_beside_what_is_young() -> None:
    desk = fresh()
    gap(desk, "mine", bought(2, "4990", age=60), bought(1, number=102), net=3)
    assert desk.place.terms == ioc(1, "5001")
    desk.fills(desk.place, 901)
    assert "short by 2 of 3" in short(desk)[0]
    desk.leader(order(103, BUY, terms(1), 1))
    assert desk.copy_of(103).stage is Stage.SKIPPED


def test_within_the_caps() -> None:
    desk = fresh(max_order=2)
    gap(desk, "mine", bought(5), net=5)
    assert desk.quantities == [(BUY, 2)]
    desk.fills(desk.place, 901)
    assert "short by 3 of 5" in short(desk)[0]
    desk = fresh(max_position=3)
    gap(desk, "mine", bought(5), net=5)
    assert desk.quantities == [(BUY, 3)]


def test_what_may_still_fill_counts_against_the_cap() -> None:
    desk = fresh(max_position=3)
    desk.leader(order(1, BUY, limit(2, 4900)))
    resting = desk.place
    desk.accepted(resting, 901)
    gap(desk, "mine", bought(3), net=3, mine=(ours(desk, resting, 901),))
    assert desk.quantities == [(BUY, 1)]


def test_a_target_that_rounds_to_what_we_own_is_nothing_to_make_up_for() -> None:
    desk = fresh(ratio=Decimal("0.5"))
    gap(desk, "mine", bought(1), net=1)
    assert desk.places == [] and short(desk) == []


@pytest.mark.parametrize(("done", "missing"), [(0, 2), (1, 1)])
def test_what_did_not_fill_at_once_is_told_and_waits_until_the_leader_is_flat(done: int, missing: int) -> None:
    desk = fresh()
    gap(desk, "mine", bought(2), net=2)
    place = desk.place
    desk.accepted(place, 901)
    assert short(desk) == []
    desk.seen(place, 901, done, Status.CANCELED)
    assert f"short by {missing} of 2" in short(desk)[0]
    desk.leader(order(103, BUY, terms(1), 1))
    assert "short" in (desk.copy_of(103).reason or "")
    desk.leader(order(104, SELL, terms(3), 3))
    assert desk.quantities == ([(SELL, done)] if done else [])
    if done:
        desk.fills(desk.place, 902)
    desk.leader(order(105, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_until_it_is_known_what_came_of_it_nothing_else_opens() -> None:
    desk = fresh()
    gap(desk, "mine", bought(2), net=2)
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.places == [] and "not yet compared" in (desk.copy_of(102).reason or "")


def test_it_is_made_once_whatever_came_of_it() -> None:
    desk = fresh()
    gap(desk, "mine", bought(2), net=2)
    place = desk.place
    desk.answer_lost(place)
    gap(desk, "mine", net=2)
    assert desk.places == []
    assert desk.copy_of(101).stage is Stage.UNKNOWN
    gap(desk, "theirs", net=2, mine=(ours(desk, place, 901, 0, Status.CANCELED),))
    assert desk.places == []
    assert "short by 2 of 2" in short(desk)[0]
    gap(desk, "theirs", net=2, mine=(ours(desk, place, 901, 0, Status.CANCELED),))
    assert desk.places == []


def test_a_restart_right_after_it_looks_the_order_up_and_makes_no_other() -> None:
    desk = fresh()
    gap(desk, "mine", bought(2), net=2)
    place = desk.place
    desk.restarted()
    desk.hear(e.Authorized(at=NOON))
    desk.leader_read_anew()
    desk.read_anew()
    assert desk.places == [] and [one.client_id for one in desk.look_ups] == [place.client_id]


def test_what_bars_openings_bars_it() -> None:
    desk = fresh()
    desk.hear(e.PauseAsked(at=NOON))
    gap(desk, "mine", bought(2), net=2)
    assert desk.places == []
    desk = fresh(deny=frozenset({Root("ES")}))
    gap(desk, "mine", bought(2), net=2)
    assert desk.places == []
    desk = fresh()
    gap(desk, "mine", bought(1, age=60), net=1)
    gap(desk, "mine", bought(1, number=102), net=2)
    assert desk.places == [] and len(short(desk)) == 1
    desk = fresh()
    desk.contract_absent(ES)
    gap(desk, "mine", bought(2), net=2)
    assert desk.places == []


def test_in_a_closed_market_nothing_is_made_up_for() -> None:
    desk = with_hours(fresh(), CLOSED)
    gap(desk, "mine", *(attrs.evolve(one, fills=_now_filled(one.fills, desk)) for one in (bought(2),)), net=2)
    assert desk.places == []


def _now_filled(fills: tuple[Fill, ...], desk: Desk) -> tuple[Fill, ...]:
    return tuple(attrs.evolve(fill, at=desk.now) for fill in fills)


def test_what_cannot_be_copied_is_not_made_up_for() -> None:
    desk = fresh()
    gap(desk, "mine", attrs.evolve(bought(1), terms=None, unsupported="QTS"), net=1)
    assert desk.places == []


def test_what_the_leader_has_when_copying_begins_is_no_missed_entry() -> None:
    desk = Desk(Account(name=EVAL, connection=s.Resyncing(since=NOON), rules=Rules(copy=rules(catch_up="fresh"))))
    desk.contract_read(facts_of(ES))
    one = bought(2)
    desk.leader_read_anew(View(LEAD_ID, 1, {one.id: one}, {ES: 2}))
    desk.read_anew()
    assert desk.places == []


def test_a_reversal_is_no_missed_entry_ours_is_closed_and_quarantined() -> None:
    desk, held = holding(2, catch_up="fresh")
    desk.contract_read(facts_of(ES))
    gap(desk, "mine", bought(5, side=SELL), net=-3, mine=(held,), positions={ES: 2})
    assert [(one.side, one.terms) for one in desk.places] == [(SELL, terms(2))]


def test_a_limit_order_that_still_rests_goes_on_resting_with_ours() -> None:
    for price, ours_at in ((5000, 5000), (5040, 5001)):
        desk = fresh()
        resting = filled(order(101, BUY, limit(3, price), 1), (1, "5000", 1))
        gap(desk, "mine", resting, net=1)
        assert desk.place.terms == limit(3, ours_at)
        desk.accepted(desk.place, 901)
        assert short(desk) == []
    desk = fresh()
    resting = filled(order(101, SELL, limit(3, 4960), 1), (1, "5000", 1))
    gap(desk, "mine", resting, net=-1)
    assert desk.place.terms == limit(3, 4999)


def test_any_other_order_in_the_middle_of_its_fills_is_bounded_and_whole() -> None:
    for asked in (terms(3), stop(3, 5000)):
        desk = fresh()
        gap(desk, "mine", filled(order(101, BUY, asked, 1), (1, "5000", 1)), net=1)
        assert desk.place.terms == ioc(3, "5001")


@pytest.mark.parametrize("asked", [limit(2), stop(2, 5010)])
def test_an_untouched_order_is_placed_as_it_is_while_it_is_young(asked: Terms) -> None:
    for at, placed in ((NOON - 9 * SECOND, [asked]), (LONG_AGO, [])):
        desk = fresh()
        gap(desk, "mine", attrs.evolve(order(101, BUY, asked), at=at))
        assert [one.terms for one in desk.places] == placed
        assert (desk.copy_of(101).stage is Stage.SKIPPED) is not bool(placed)


# Mode "fills": each execution is a row, and what rests at the leader is nothing to it


def test_in_mode_fills_the_newest_young_execution_is_made_up_for_and_the_others_are_told() -> None:
    desk = fresh(mode="fills")
    one = filled(order(101, BUY, terms(2), 2), (1, "5000", 2), (1, "5000.25", 1))
    gap(desk, "mine", bought(1, age=60), one, net=3)
    assert desk.place.terms == ioc(2, "5001")
    rows = [desk.account.book.copies[row] for row in desk.account.book.executions.values()]
    assert [row.stage for row in sorted(rows, key=lambda row: row.cause)][-1] is Stage.INTENDED
    assert {row.leader_fill_id for row in rows} == {fill.id for fill in (*bought(1, age=60).fills, *one.fills)}
    desk.fills(desk.place, 901)
    assert desk.own == {ES: 2}


def test_in_mode_fills_what_rests_is_not_sized_in_and_an_old_execution_is_missed() -> None:
    desk = fresh(mode="fills")
    gap(desk, "mine", filled(order(101, BUY, limit(5), 1), (1, "5000", 1)), net=1)
    assert desk.place.terms == ioc(1, "5001")
    desk.seen(desk.place, 901, 0, Status.CANCELED)
    assert "short by 1 of 1" in short(desk)[0]
    desk = fresh(mode="fills")
    gap(desk, "mine", bought(2, age=60), net=2)
    assert desk.places == [] and "short by 2 of 2" in short(desk)[0]


def test_in_mode_fills_it_waits_for_the_tick_and_is_made_once() -> None:
    desk = follower(catch_up="fresh", mode="fills")
    gap(desk, "theirs", bought(2), net=2)
    assert desk.places == [] and short(desk) == []
    desk.contract_read(facts_of(ES))
    place = desk.place
    assert place.terms == ioc(2, "5001")
    gap(desk, "theirs", net=2, mine=(ours(desk, place, 901, 0, Status.CANCELED),))
    assert desk.places == [] and "short by 2 of 2" in short(desk)[0]


def test_in_mode_fills_a_spread_is_not_made_up_for() -> None:
    desk = fresh(mode="fills")
    gap(desk, "mine", attrs.evolve(bought(2), terms=None, unsupported="Spread"), net=2)
    assert desk.places == []


def test_the_map_s_own_tick_and_size_count() -> None:
    desk = fresh(map={Root("ES"): MapTo(Root("MES"), Decimal(10))})
    desk.contract_read(facts_of(MES, "0.5"))
    gap(desk, "mine", bought(2), net=2)
    assert (desk.place.symbol, desk.place.terms) == (MES, ioc(20, "5002.0"))


def test_the_exit_that_came_with_it_waits_for_it_and_covers_all_that_is_ours() -> None:
    desk, held = holding(1, catch_up="fresh")
    desk.contract_read(facts_of(ES))
    gap(desk, "mine", bought(1), order(102, SELL, stop(2)), net=2, mine=(held,), positions={ES: 1})
    assert desk.quantities == [(BUY, 1), (SELL, 1)]
    entry, protection = desk.places
    desk.accepted(protection, 902)
    desk.fills(entry, 901)
    assert [(one.order_id, one.terms) for one in desk.modifies] == [(902, stop(2))]


def test_a_shadow_records_what_it_would_have_made_up_for() -> None:
    desk = fresh(shadow=True)
    desk.leader(order(1, BUY, terms(2), 2))
    gap(desk, "mine", bought(1), net=3)
    assert desk.places == []
    copy = desk.copy_of(101)
    assert (copy.stage, copy.terms) == (Stage.SHADOWED, ioc(1, "5001"))


@given(
    fills=st.lists(st.tuples(st.integers(1, 3), st.integers(19990, 20010), st.floats(0, 30)), min_size=1, max_size=5),
    own=st.integers(0, 3),
    side=st.sampled_from([BUY, SELL]),
    cap=st.integers(1, 8),
)
def test_never_more_than_is_missing_than_is_young_than_the_cap_and_never_at_a_worse_price(
    fills: list[tuple[int, int, float]], own: int, side: Side, cap: int
) -> None:
    desk = fresh(max_position=cap)
    mine: tuple[Order, ...] = ()
    if own:
        desk.leader(bought(own, number=1, side=side))
        place = desk.place
        desk.fills(place, 900)
        mine = (ours(desk, place, 900, place.terms.quantity),)
    held = desk.own.get(ES, 0)
    prices = [(quantity, str(Decimal(ticks) / 4), age) for quantity, ticks, age in fills]
    entries = [bought(q, price, age, 101 + n, side) for n, (q, price, age) in enumerate(prices)]
    net = own + sum(q for q, _, _ in fills)
    gap(desk, "mine", *entries, net=side.sign * net, mine=mine, positions={ES: held} if held else {})
    young = [(q, Decimal(price)) for q, price, age in prices if age < 10]
    asked = sum(one.terms.quantity for one in desk.places)
    assert asked == max(0, min(cap, net) - max(abs(held), min(cap, net - sum(q for q, _ in young))))
    for one in desk.places:
        assert one.side is side and one.terms.price is not None
        assert all(side.sign * (one.terms.price - price) <= 1 for _, price in young)


@settings(max_examples=examples(75), deadline=None, suppress_health_check=list(HealthCheck))
@given(moves(also=("reconnect", "reconnect", "reverse")), st.sampled_from(["0.5", "1", "2"]))
def test_whole_days_of_gaps_break_no_cap_and_end_flat(day: list[tuple[str, int, int]], ratio: str) -> None:
    desk = fresh(max_position=CAP, ratio=Decimal(ratio), fresh_age=timedelta(hours=1))
    leader, exchange = Leader(desk), Exchange(desk)
    for what, a, b in day:
        live(desk, leader, exchange, what, a, b)
        assert abs(exchange.position.get(ES, 0)) <= CAP
    at_rest(desk, leader, exchange)


def family(quantity: int = 2, age: float = 1, size: int | None = None) -> tuple[Order, Order, Order]:
    """The leader's entry 101 that has filled, and its children that work: 102 the target, 103 the stop."""
    entry, target, stopped = bracket(101, terms(quantity), quantity, size=size)
    return filled(entry, (quantity, "5000", age)), target, stopped


@pytest.mark.parametrize("first", ["mine", "theirs"])
def test_a_fresh_entry_goes_with_its_children_as_an_oso(first: str) -> None:
    desk = fresh()
    gap(desk, first, *family(), net=2)
    (place,) = desk.places
    assert isinstance(place, PlaceOso) and place.terms == ioc(2, "5001")
    assert [leg.terms for leg in place.brackets] == [limit(2, 5020), stop(2, 4990)]
    assert [desk.copy_of(n).stage for n in (101, 102, 103)] == [Stage.INTENDED] * 3
    desk.accepted(place, 901, legs=(902, 903), working=False)
    assert desk.copy_of(103).order_id == 903 and desk.copy_of(101).chase_at is not None


def test_children_that_do_not_fit_one_request_are_held_and_sized_to_what_the_fresh_entry_fills() -> None:
    desk = fresh()
    gap(desk, "mine", *family(4, size=2), net=4)
    place = desk.place
    assert not isinstance(place, PlaceOso) and place.terms == ioc(4, "5001")
    assert [desk.copy_of(n).stage for n in (102, 103)] == [Stage.HELD] * 2
    desk.accepted(place, 901, working=False)
    desk.seen(place, 901, 2, Status.CANCELED)
    (legs,) = desk.places
    assert isinstance(legs, PlaceOco) and legs.terms.quantity <= 2


def test_children_wait_with_an_entry_that_waits_for_its_tick() -> None:
    desk = follower(catch_up="fresh")
    gap(desk, "mine", *family(), net=2)
    assert desk.places == [] and not {101, 102, 103} & desk.account.book.placed.keys()
    desk.contract_read(facts_of(ES))
    assert isinstance(desk.place, PlaceOso)


def test_children_of_an_entry_that_has_waited_too_long_are_skipped_with_it() -> None:
    desk = follower(catch_up="fresh")
    gap(desk, "mine", *family(), net=2)
    desk.now += 20 * SECOND
    desk.contract_read(facts_of(ES))
    assert desk.places == []
    assert [desk.copy_of(n).stage for n in (101, 102, 103)] == [Stage.SKIPPED] * 3


def test_in_mode_fills_the_leader_s_resting_orders_are_nothing_to_a_fresh_entry() -> None:
    desk = fresh(mode="fills")
    gap(desk, "mine", *family(), net=2)
    assert not isinstance(desk.place, PlaceOso) and desk.place.terms == ioc(2, "5001")
