"""The catch-up table: every row with every policy, whichever of the two views is the later."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest

from statecharts import states as s
from statecharts.account import Account
from statecharts.effects import CancelOrder, PlaceOrder
from statecharts.order import Stage
from statecharts.rules import Rules
from statecharts.values import OrderId, OrderType, Status, Symbol, TimeInForce
from statecharts.view import View
from tests.statecharts.desk import (
    BUY,
    ES,
    EVAL,
    LEAD_ID,
    NOON,
    SELL,
    Desk,
    facts_of,
    follower,
    in_position,
    limit,
    order,
    rules,
    stop,
    terms,
)
from tests.statecharts.gaps import away, gap, holding, ours

POLICIES = ("none", "reduce", "fresh")
Row = Callable[[str, str], None]
ROWS: dict[str, Row] = {}


def row(name: str) -> Callable[[Row], Row]:
    """A row of copying.md: what it says of a policy, when the view of `first` came first."""

    def named(told: Row) -> Row:
        ROWS[name] = told
        return told

    return named


@pytest.mark.parametrize("first", ["mine", "theirs"])
@pytest.mark.parametrize(
    ("name", "policy"), [pytest.param(name, policy, id=f"{name}/{policy}") for name in (
        "leader-flat", "above-target", "below-target", "other-side", "no-copy", "no-leader-order", "not-ours",
    ) for policy in POLICIES],
)  # fmt: skip
def test_the_table(name: str, policy: str, first: str) -> None:
    ROWS[name](policy, first)


def test_the_table_has_no_other_row() -> None:
    assert len(ROWS) == 7


def knowing(desk: Desk) -> Desk:
    """The broker has said what a tick is."""
    desk.contract_read(facts_of(ES))
    return desk


def position(quantity: int, policy: str) -> tuple[Desk, dict[str, Any]]:
    desk, held = holding(quantity, catch_up=policy)
    knowing(desk)
    return desk, {"mine": (held,), "positions": {ES: quantity}}


@row("leader-flat")
def _leader_flat_follower_owns_some(policy: str, first: str) -> None:
    desk, held = position(2, policy)
    gap(desk, first, order(101, SELL, terms(2), 2), net=0, **held)
    assert "we own 2, the leader is flat" in desk.heard("position.drifted")[0]
    assert desk.quantities == ([] if policy == "none" else [(SELL, 2)])
    assert desk.copy_of(101).stage is Stage.SKIPPED
    desk.wait(3600)
    assert desk.account.book.contract(ES).left is (policy == "none")


@row("above-target")
def _follower_above_target(policy: str, first: str) -> None:
    desk, held = position(3, policy)
    gap(desk, first, order(101, SELL, terms(2), 2), net=1, **held)
    assert "we own 3, the leader's position stands for 1" in desk.heard("position.drifted")[0]
    assert desk.quantities == ([] if policy == "none" else [(SELL, 2)])
    assert "came and went" in (desk.copy_of(101).reason or "")


@row("below-target")
def _follower_below_target(policy: str, first: str) -> None:
    desk, held = position(2, policy)
    gap(desk, first, order(101, BUY, terms(1), 1), net=3, **held)
    if policy == "fresh":
        assert desk.place.terms == limit_ioc(1, "5001")
        assert (desk.place.side, desk.copy_of(101).id) == (BUY, desk.place.copy)
        desk.fills(desk.place, 901)
        desk.leader(order(102, BUY, terms(1), 1))
        assert desk.quantities == [(BUY, 1)]
        return
    assert desk.places == []
    assert "short by 1 of 3" in desk.heard("position.drifted")[0]
    desk.leader(order(102, BUY, terms(1), 1))
    assert "short" in (desk.copy_of(102).reason or "")
    desk.leader(order(103, SELL, terms(4), 4))
    assert desk.quantities == [(SELL, 2)]
    desk.fills(desk.place, 902)
    desk.leader(order(104, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


@row("other-side")
def _follower_on_the_other_side(policy: str, first: str) -> None:
    desk, held = position(2, policy)
    gap(desk, first, order(101, SELL, terms(5), 5), net=-3, **held)
    assert desk.quantities == ([] if policy == "none" else [(SELL, 2)])
    assert "we own 2, the leader's position stands for -3" in desk.heard("position.drifted")[0]
    assert "on the other side of the leader" in desk.heard("account.quarantined")[0]
    if policy != "none":
        desk.fills(desk.place, 902)
    desk.leader(order(102, SELL, terms(1), 1))
    assert desk.copy_of(102).stage is Stage.SKIPPED


@row("no-copy")
def _leader_order_with_no_copy(policy: str, first: str) -> None:
    desk, held = position(2, policy)
    gap(desk, first, order(101, SELL, stop(2)), order(102, BUY, limit(1)), net=2, **held)
    placed = {"none": [], "reduce": [stop(2)], "fresh": [stop(2), limit(1)]}
    assert [one.terms for one in desk.places] == placed[policy]
    skipped = {number for number in (101, 102) if desk.copy_of(number).stage is Stage.SKIPPED}
    assert skipped == {"none": {101, 102}, "reduce": {102}, "fresh": set()}[policy]
    assert len(desk.heard("copy.skipped")) == len(skipped)


@row("no-leader-order")
def _our_order_with_no_leader_order(policy: str, first: str) -> None:
    desk = knowing(follower(catch_up=policy))
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 901)
    desk.theirs = View(LEAD_ID, 1)
    gap(desk, first, mine=(ours(desk, place, 901),))
    assert [one.order_id for one in desk.cancels] == ([] if policy == "none" else [901])
    assert bool(desk.heard("position.drifted")) == (policy == "none")


@row("not-ours")
def _not_ours(policy: str, first: str) -> None:
    desk, held = position(2, policy)
    strange = order(777, SELL, limit(1, 5050))
    held["mine"] = (*held["mine"], strange)
    gap(desk, first, order(101, BUY, terms(1), 1), net=3, **{**held, "positions": {ES: 3, Symbol("NQZ6"): 1}})
    assert [c.foreign for c in desk.account.book.contracts.values()] == [1, 1]
    assert len(desk.heard("account.quarantined")) == 2
    assert desk.places == [] and desk.cancels == []
    desk.leader(order(103, SELL, terms(3), 3))
    assert desk.quantities == [(SELL, 2)]


def limit_ioc(quantity: int, price: str) -> Any:
    return terms(quantity, OrderType.LIMIT, price=Decimal(price), time_in_force=TimeInForce.IOC)


@pytest.mark.parametrize("status", [Status.CANCELED, Status.FILLED])
def test_none_leaves_an_order_whose_leader_order_has_ended_and_tells_it_once(status: Status) -> None:
    desk, held = holding(2, catch_up="none")
    desk.leader(order(101, SELL, limit(2, 5020)))
    exit_ = desk.place
    desk.accepted(exit_, 901)
    filled = 2 if status is Status.FILLED else 0
    for _ in range(2):
        gap(
            desk,
            "mine",
            order(101, SELL, limit(2, 5020), filled, status),
            net=2 - filled,
            mine=(held, ours(desk, exit_, 901)),
            positions={ES: 2},
        )
        assert desk.cancels == [] and desk.places == []
    told = [words for words in desk.heard("position.drifted") if "order 901" in words]
    assert len(told) == 1 and f"the leader's order is {status.value.lower()}" in told[0]
    desk.leader(order(101, SELL, limit(2, 5020), filled, status))
    desk.wait(60)
    assert desk.cancels == [] and desk.places == []
    desk.seen(exit_, 901, 2)
    assert desk.own == {} and not desk.account.book.contract(ES).left


def test_none_leaves_what_expires_by_itself_and_follows_what_changed() -> None:
    desk = follower(catch_up="none")
    desk.leader(order(1, BUY, limit(2)), order(2, BUY, limit(1)))
    first, second = (one for one in desk.everything if isinstance(one, PlaceOrder))
    desk.accepted(first, 901)
    desk.accepted(second, 902)
    expired = order(1, BUY, limit(2), status=Status.EXPIRED)
    changed = order(2, BUY, limit(1, 4980), version=7)
    gap(desk, "mine", expired, changed, mine=(ours(desk, first, 901), ours(desk, second, 902)))
    assert desk.heard("position.drifted") == [] and desk.cancels == []
    assert [(one.order_id, one.terms) for one in desk.modifies] == [(902, limit(1, 4980))]


def test_none_gives_up_what_was_never_sent() -> None:
    desk, held = holding(2, catch_up="none")
    desk.leader(order(101, BUY, terms(1), 1))
    entry = desk.place
    desk.accepted(entry, 901)
    desk.leader(order(102, SELL, limit(3, 5020)))
    assert desk.copy_of(102).stage is Stage.HELD
    gap(
        desk,
        "theirs",
        order(102, SELL, limit(3, 5020), status=Status.CANCELED),
        net=3,
        mine=(held, ours(desk, entry, 901)),
        positions={ES: 2},
    )
    assert desk.copy_of(102).stage is Stage.SKIPPED


def test_an_unrelated_resting_entry_does_not_hide_that_we_are_short() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2, 4900)))
    place = desk.place
    desk.accepted(place, 901)
    gap(desk, "mine", order(2, BUY, terms(3), 3), net=3, mine=(ours(desk, place, 901),))
    assert "short by 3 of 3" in desk.heard("position.drifted")[0]


def test_an_entry_of_ours_counts_for_what_the_leader_has_got_of_it() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(4)))
    place = desk.place
    desk.accepted(place, 901)
    gap(
        desk,
        "mine",
        order(1, BUY, limit(4), 2),
        order(2, BUY, terms(3), 3),
        net=5,
        mine=(ours(desk, place, 901, 1),),
        positions={ES: 1},
    )
    assert "short by 3 of 5" in desk.heard("position.drifted")[0]


def test_a_shadow_owns_nothing_and_is_short_of_nothing() -> None:
    desk = follower(shadow=True)
    desk.leader(order(1, BUY, terms(2), 2))
    gap(desk, "mine", order(2, BUY, terms(1), 1), net=3)
    assert desk.heard("position.drifted") == []
    desk.leader(order(3, BUY, terms(1), 1))
    assert desk.copy_of(3).stage is Stage.SHADOWED


def test_what_the_leader_has_when_copying_begins_is_baseline_until_it_is_flat() -> None:
    desk = Desk(Account(name=EVAL, connection=s.Resyncing(since=NOON), rules=Rules(copy=rules())))
    there = {OrderId(1): order(1, BUY, limit(2)), OrderId(2): order(2, BUY, terms(3), 3)}
    desk.leader_read_anew(View(LEAD_ID, 1, there, {ES: 3, Symbol("NQZ6"): 0}))
    desk.read_anew()
    assert desk.places == []
    assert desk.copy_of(1).stage is Stage.SKIPPED
    desk.leader(order(2, BUY, terms(3), 3))
    desk.leader(order(3, BUY, terms(1), 1))
    assert "before copying began" in (desk.copy_of(3).reason or "")
    desk.leader(order(4, SELL, terms(4), 4), order(1, BUY, limit(2), status=Status.CANCELED))
    assert desk.places == []
    desk.leader(order(5, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_nothing_is_copied_until_both_have_been_read_anew() -> None:
    desk = Desk(Account(name=EVAL, connection=s.Resyncing(since=NOON), rules=Rules(copy=rules())))
    desk.read_anew()
    assert desk.account.connection.shown == "Connected"
    assert desk.account.book.held_back()
    desk.leader_read_anew(View(LEAD_ID, 1))
    assert not desk.account.book.held_back()


def test_what_was_left_as_it_is_stays_until_the_leader_exits_and_nothing_opens_beside_it() -> None:
    desk, held = holding(catch_up="none")
    away(desk)
    desk.read_anew(held, positions={ES: 2})
    desk.wait(60)
    desk.leader(order(101, BUY, terms(1), 1))
    assert "left as it is" in (desk.copy_of(101).reason or "")
    assert desk.places == []
    desk.leader(order(102, SELL, terms(1), 1))
    desk.fills(desk.place, 901)
    desk.leader(order(103, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_the_stop_of_an_open_position_is_never_an_order_without_a_leader_order() -> None:
    desk, held = holding(2)
    desk.leader(order(101, SELL, stop(2)))
    protection = desk.place
    desk.accepted(protection, 901)
    desk.theirs = attrs.evolve(desk.theirs, orders={})
    away(desk, net=2)
    desk.read_anew(held, ours(desk, protection, 901), positions={ES: 2})
    assert desk.made(CancelOrder) == []


def test_a_leader_order_that_changed_meanwhile_is_followed() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 901)
    away(desk, order(1, BUY, limit(2), status=Status.CANCELED))
    desk.read_anew(ours(desk, place, 901))
    assert [one.order_id for one in desk.made(CancelOrder)] == [901]


def test_the_table_looks_again_when_the_doubt_is_gone_and_until_then_nothing_opens() -> None:
    desk = in_position(3)
    held = desk.account.book.mine
    assert held is not None
    (entry,) = held.orders.values()
    desk.leader(order(101, SELL, limit(1, 5020)))
    place = desk.place
    desk.answer_lost(place)
    away(desk, order(102, SELL, terms(1), 1), net=2)
    desk.read_anew(entry, positions={ES: 3})
    assert desk.account.book.contract(ES).due
    assert desk.places == []
    desk.leader(order(103, BUY, terms(1), 1))
    assert "not yet compared" in (desk.copy_of(103).reason or "")
    desk.seen(place, 901)
    assert [one.order_id for one in desk.cancels] == []
    assert not desk.account.book.contract(ES).due


def test_a_working_entry_of_ours_is_not_short_of_the_leader() -> None:
    desk = follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 901)
    away(desk, order(1, BUY, limit(2), 1), net=1)
    desk.read_anew(ours(desk, place, 901))
    assert desk.heard("position.drifted") == []


@pytest.mark.parametrize(("asked", "told"), [(4, 1), (1, 0)])
def test_what_rounded_to_nothing_and_was_changed_meanwhile_is_not_opened(asked: int, told: int) -> None:
    desk = follower(ratio=Decimal("0.5"))
    desk.leader(order(101, BUY, limit(1)))
    assert desk.places == []
    desk.told.clear()
    away(desk, order(101, BUY, limit(asked), version=1007))
    desk.read_anew()
    assert desk.places == []
    assert len(desk.heard("copy.skipped")) == told
    assert (desk.account.book.contract(ES).no_entry is not None) is bool(told)
    desk.leader(order(101, BUY, limit(6), version=1008))
    assert desk.quantities == ([] if told else [(BUY, 3)])
