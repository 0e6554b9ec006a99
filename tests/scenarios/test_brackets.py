"""Orders that belong together: an OCO stays one, and an entry goes out with its target and its stop."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from daemon.simulator import Order
from tests.scenarios import truth
from tests.scenarios.guard import behind, guarded
from tests.scenarios.test_copying import SIZES, told
from tests.scenarios.world import SYMBOL, World, config_of, run

MES = "MESZ6"
# A market of its own, so that it fills apart, and the rest of an entry is waited for.
MICRO = config_of(follower='map = { ES = { to = "MES", factor = 1 } }', copy='chase_after = "60s"')
LIMIT = 1.0  # seconds: half of one for the broker's events to come, and a round trip or two


def exact(prices: dict[str, str]) -> dict[str, Any]:
    return {name: Decimal(price) for name, price in prices.items()}


def bracket(
    world: World,
    action: str,
    qty: int,
    kind: str = "Limit",
    target: str = "5220",
    stop: str = "5180",
    **prices: str,
) -> list[int]:
    """The leader enters with a stop and a target behind it; the ids of the entry, the stop and the target."""
    out = "Sell" if action == "Buy" else "Buy"
    return world.broker.place_oso(
        world.broker.ticket("LEAD", action, SYMBOL, qty, kind, **exact(prices)),
        world.broker.ticket("LEAD", out, SYMBOL, qty, "Stop", stop=Decimal(stop)),
        world.broker.ticket("LEAD", out, SYMBOL, qty, "Limit", price=Decimal(target)),
    )


def pair(world: World, qty: int, target: str = "5220", stop: str = "5180") -> tuple[int, int]:
    """The leader protects a long position with an OCO; the ids of the stop and the target."""
    return world.broker.place_oco(
        world.broker.ticket("LEAD", "Sell", SYMBOL, qty, "Stop", stop=Decimal(stop)),
        world.broker.ticket("LEAD", "Sell", SYMBOL, qty, "Limit", price=Decimal(target)),
    )


async def known(world: World) -> None:
    """From now on the daemon knows the contract by its name: before, all that is told of it waits and comes at once."""
    world.lead("Buy", 1)
    await trio.sleep(1)
    world.lead("Sell", 1)
    await trio.sleep(1)


def asked(world: World, endpoint: str) -> int:
    return sum(one.lower() == endpoint for one in world.requests)


def terms(orders: list[Order]) -> list[tuple[str, int, str, str]]:
    """Side, size, type and price of each."""
    return [
        (one.action, one.terms.qty, one.terms.kind, str(one.terms.stop_price or one.terms.price or ""))
        for one in orders
    ]


@pytest.mark.rule("orders.oso")
def test_an_entry_and_its_children_are_one_oso_of_each_follower_s_own_size(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        ids = bracket(world, "Buy", 2, price="5190")
        await trio.sleep(1)
        assert asked(world, "order/placeoso") == 5
        assert asked(world, "order/placeorder") == 0
        for name, size in {"one": 2, "half": 1, "double": 4, "micro": 20}.items():
            entry, stop, target = world.ours(name)
            assert (stop.parent_id, target.parent_id) == (entry.order_id, entry.order_id)
            assert (stop.oco_id, target.oco_id) == (target.order_id, stop.order_id)
            assert [one.status for one in (entry, stop, target)] == ["Working", "Suspended", "Suspended"]
            assert terms([entry, stop, target]) == [
                ("Buy", size, "Limit", "5190"),
                ("Sell", size, "Stop", "5180"),
                ("Sell", size, "Limit", "5220"),
            ]
        assert terms(world.ours("inverse")) == [
            ("Sell", 2, "Stop", "5190"),
            ("Buy", 2, "Limit", "5180"),
            ("Buy", 2, "Stop", "5220"),
        ]
        for name in truth.followers(world):
            assert [world.row(one, name)["outcome"] for one in ids] == ["working"] * 3
        world.move("5189.75")
        world.move("5189.75", MES)
        await trio.sleep(1)
        assert world.positions("half") == {SYMBOL: 1}
        world.move("5179.75")
        world.move("5179.75", MES)
        await trio.sleep(1)
        assert world.positions("lead") == {}

    told(story, tmp_path, SIZES)


@pytest.mark.rule("orders.oco")
def test_two_exits_that_cancel_each_other_do_so_for_the_follower_when_nobody_is_there(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        pair(world, 2)
        await trio.sleep(1)
        assert asked(world, "order/placeoco") == 1
        _, stop, target = world.ours("f1")
        assert (stop.oco_id, target.oco_id) == (target.order_id, stop.order_id)
        world.server.half_open()  # the daemon hears nothing any more
        world.move("5220.25")
        world.move("5170")
        await trio.sleep(0.1)
        assert (target.status, stop.status) == ("Filled", "Canceled")
        assert world.positions("f1") == {}

    told(story, tmp_path)


@pytest.mark.rule("orders.oco")
def test_an_oco_of_two_entries_opens_one_of_them(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.broker.place_oco(
            world.broker.ticket("LEAD", "Buy", SYMBOL, 2, "Stop", stop=Decimal(5210)),
            world.broker.ticket("LEAD", "Sell", SYMBOL, 2, "Stop", stop=Decimal(5190)),
        )
        await trio.sleep(1)
        assert asked(world, "order/placeoco") == 1
        world.move("5210.25")
        await trio.sleep(1)
        assert world.positions("lead") == world.positions("f1") == {SYMBOL: 2}
        assert [one.status for one in world.ours("f1")] == ["Filled", "Canceled"]
        world.lead("Sell", 2)

    told(story, tmp_path)


@pytest.mark.rule("orders.oso-later")
def test_children_that_come_later_are_an_oco_of_what_our_entry_has_filled(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await known(world)
        world.fault(one_message_per_frame=True, fill_size=1, fill_gap=(2.0, 2.0))
        ids = bracket(world, "Buy", 3, price="5190")
        await trio.sleep(1)
        assert (asked(world, "order/placeorder"), asked(world, "order/placeoso")) == (3, 0)
        assert [world.row(one)["outcome"] for one in ids] == ["working", "intended", "intended"]
        world.move("5189.75", MES)
        for filled in (1, 2, 3):
            await trio.sleep(1)
            stop, target = world.ours("f1")[-2:]
            assert (stop.left, target.left) == (filled, filled)
            assert stop.oco_id == target.order_id
            await trio.sleep(1)
        assert asked(world, "order/placeoco") == 1
        world.broker.cancel(ids[0])

    told(story, tmp_path, MICRO)


@pytest.mark.rule("orders.bracket-wait")
def test_bracket_wait_holds_an_entry_for_its_children_and_no_longer(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await known(world)
        world.fault(one_message_per_frame=True)
        bracket(world, "Buy", 1, price="5190")
        await trio.sleep(0.3)
        assert asked(world, "order/placeoso") == 1
        alone = world.lead("Buy", 1, "Limit", price="5189")
        await trio.sleep(0.15)
        assert asked(world, "order/placeorder") == 2
        await trio.sleep(0.1)
        assert asked(world, "order/placeorder") == 3
        assert world.row(alone)["outcome"] == "working"
        world.lead("Buy", 1)
        await trio.sleep(0.3)
        world.lead("Sell", 1)
        await trio.sleep(0.1)
        assert world.positions("f1") == {}, "an exit is never held for that"

    told(story, tmp_path, config_of(copy='bracket_wait = "200ms"'))


def slowly(world: World, wake: str) -> None:
    """The broker wakes legs so, and an order fills one contract at a time, two seconds apart."""
    world.fault(oso_wake=wake, fill_size=1, fill_gap=(2.0, 2.0))


async def alone(world: World, wake: str) -> None:
    """The leader is filled at once, and the follower slowly, in a market of his own."""
    ids = bracket(world, "Buy", 4, price="5190")
    await trio.sleep(1)
    world.move("5190")
    await trio.sleep(1)
    assert world.positions("lead") == {SYMBOL: 4}
    slowly(world, wake)
    world.move("5190", MES)
    for filled in (1, 2, 3, 4):
        await trio.sleep(1)
        assert world.positions("f1") == {MES: filled}
        assert behind(world, "f1", MES) == filled
        assert sum(one.left for one in live(world, "f1") if one.terms.kind == "Limit" and not one.ticket.buy) == filled
        await trio.sleep(1)
    world.heal()
    assert [world.row(one)["quantity"] for one in ids] == [4, 4, 4]


def live(world: World, name: str) -> list[Order]:
    return [one for one in world.broker.working(name.upper()) if one.status == "Working"]


@pytest.mark.rule("orders.protect-filled")
@pytest.mark.parametrize(
    "wake",
    [
        pytest.param("first_fill", marks=pytest.mark.rule("orders.wake-first")),
        pytest.param("each_fill", marks=pytest.mark.rule("orders.wake-each")),
        pytest.param("last_fill", marks=pytest.mark.rule("orders.wake-last")),
    ],
)
def test_our_stop_is_as_large_as_what_our_entry_has_filled_however_the_broker_wakes_it(
    tmp_path: Path, wake: str
) -> None:
    async def story(world: World) -> None:
        async with guarded(world) as guard:
            await alone(world, wake)
            world.move("5220")
            world.move("5220", MES)
            await trio.sleep(1)
            assert world.positions("f1") == {}
            assert live(world, "f1") == []
        assert guard.exposed <= LIMIT
        assert guard.excessive <= LIMIT

    told(story, tmp_path, MICRO)


@pytest.mark.rule("orders.strategies")
@pytest.mark.parametrize("wake", ["first_fill", "each_fill", "last_fill"])
def test_a_strategy_is_mirrored_as_the_orders_that_it_makes(tmp_path: Path, wake: str) -> None:
    async def story(world: World) -> None:
        ids = world.broker.start_strategy(
            world.broker.ticket("LEAD", "Buy", SYMBOL, 6, "Limit", price=Decimal(5190)),
            *(
                (
                    world.broker.ticket("LEAD", "Sell", SYMBOL, qty, "Stop", stop=Decimal(stop)),
                    world.broker.ticket("LEAD", "Sell", SYMBOL, qty, "Limit", price=Decimal(target)),
                )
                for qty, stop, target in ((4, "5180", "5200"), (2, "5175", "5220"))
            ),
        )
        await trio.sleep(1)
        assert [world.row(one)["outcome"] for one in ids] == ["working", *["intended"] * 4]
        async with guarded(world) as guard:
            world.fault(oso_wake=wake, fill_size=2, fill_gap=(1.5, 1.5))
            world.move("5190")
            await trio.sleep(6)
            assert world.positions("f1") == {SYMBOL: 3}
            assert sorted(terms(live(world, "f1"))) == [
                ("Sell", 1, "Limit", "5220"),
                ("Sell", 1, "Stop", "5175"),
                ("Sell", 2, "Limit", "5200"),
                ("Sell", 2, "Stop", "5180"),
            ]
            world.heal()
            world.move("5200")
            await trio.sleep(1)
            assert world.positions("f1") == {SYMBOL: 1}
            assert sorted(terms(live(world, "f1"))) == [("Sell", 1, "Limit", "5220"), ("Sell", 1, "Stop", "5175")]
            world.move("5175")
            await trio.sleep(1)
            assert world.positions("f1") == world.positions("lead") == {}
        assert guard.exposed <= LIMIT and guard.excessive <= LIMIT

    told(story, tmp_path, config_of(follower="ratio = 0.5"))


@pytest.mark.rule("orders.modify", "orders.cancel")
def test_the_leader_moves_and_cancels_what_sleeps_and_what_is_awake(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        entry, stop, target = bracket(world, "Buy", 2, price="5190")
        await trio.sleep(1)
        world.change(stop, qty=4, stop="5181")
        world.change(target, qty=4)
        world.change(entry, qty=4, price="5191")
        await trio.sleep(1)
        assert terms(world.ours("f1")) == [
            ("Buy", 4, "Limit", "5191"),
            ("Sell", 4, "Stop", "5181"),
            ("Sell", 4, "Limit", "5220"),
        ]
        world.move("5191")
        await trio.sleep(1)
        world.change(target, price="5230")
        await trio.sleep(1)
        assert ("Sell", 4, "Limit", "5230") in terms(live(world, "f1"))
        world.broker.cancel(stop)
        await trio.sleep(1)
        assert live(world, "f1") == []
        assert world.said("position.unprotected") == [], "he has none either"
        bracket(world, "Buy", 1, price="5180", stop="5170")
        await trio.sleep(1)
        world.broker.cancel(world.broker.orders("LEAD")[-3].order_id)
        await trio.sleep(1)
        assert world.broker.working("F1") == []
        world.lead("Sell", 4)

    told(story, tmp_path)


def test_the_leader_cancels_an_entry_of_which_a_part_has_filled(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with guarded(world) as guard:
            world.fault(oso_wake="last_fill", fill_size=1, fill_gap=(3.0, 3.0))
            entry, *_ = bracket(world, "Buy", 4, price="5190")
            await trio.sleep(1)
            world.move("5190")
            await trio.sleep(4)
            assert world.positions("lead") == world.positions("f1") == {SYMBOL: 2}
            world.broker.cancel(entry)
            await trio.sleep(1)
            held = world.positions("f1")
            assert held == world.positions("lead")
            assert behind(world, "f1", SYMBOL) == held[SYMBOL]
            world.heal()
            world.move("5180")
            await trio.sleep(1)
            assert world.positions("f1") == world.positions("lead") == {}
        assert guard.exposed <= LIMIT and guard.excessive <= LIMIT

    told(story, tmp_path)


@pytest.mark.rule("orders.protect-unconfirmed")
def test_a_leg_is_not_cancelled_while_its_entry_is_unconfirmed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await known(world)
        entry, stop, _ = bracket(world, "Buy", 1, price="5190")
        world.fault(risk_delay=(6.0, 6.0))  # from now on an order is accepted long before it works
        await trio.sleep(1)
        world.broker.cancel(stop)  # and with it the target
        await trio.sleep(4)
        assert asked(world, "order/cancelorder") == 0
        assert [one.status for one in world.ours("f1")[-3:]] == ["PendingNew"] * 3
        await trio.sleep(4)
        assert asked(world, "order/cancelorder") == 1
        assert [one.status for one in world.ours("f1")[-3:]] == ["Working", "Canceled", "Canceled"]
        world.broker.cancel(entry)

    told(story, tmp_path)


@pytest.mark.parametrize("how", ["lose_request", "accept_and_lose_answer", "accept_then_cut"])
@pytest.mark.parametrize("endpoint", ["order/placeoso", "order/placeoco"])
@pytest.mark.parametrize("names", [{}, {"omit_text": True}, {"omit_cl_ord_id": True}])
def test_a_lost_answer_is_one_unknown_and_nothing_is_sent_twice(
    tmp_path: Path, how: str, endpoint: str, names: dict[str, bool]
) -> None:
    async def story(world: World) -> None:
        world.fault(**names)
        if endpoint == "order/placeoco":
            world.lead("Buy", 2)
            await trio.sleep(1)
        getattr(world.server, how)(endpoint=endpoint)
        if endpoint == "order/placeoco":
            pair(world, 2)
        else:
            bracket(world, "Buy", 2, price="5190")
        await trio.sleep(60)
        unknown = world.said("copy.unknown")
        assert len(unknown) == (0 if how == "accept_and_lose_answer" else 1), "the broker's events may end the doubt"
        if endpoint == "order/placeoco":
            assert behind(world, "f1", SYMBOL) == 2
        world.move("5190")
        await trio.sleep(1)
        world.move("5180")
        await trio.sleep(10)
        assert world.positions("lead") == world.positions("f1") == {}
        assert world.broker.working("F1") == []

    told(story, tmp_path)


@pytest.mark.rule("orders.oso-alone")
def test_the_children_of_an_entry_close_it_when_nobody_is_there(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            bracket(world, "Buy", 2, price="5190")
            await trio.sleep(1)
            entry, stop, target = world.ours("f1")
        world.move("5189.75")
        await trio.sleep(1)
        assert (stop.status, target.status) == ("Working", "Working") and world.positions("f1") == {SYMBOL: 2}
        world.move("5179.75")
        await trio.sleep(1)
        assert [one.status for one in (entry, stop, target)] == ["Filled", "Filled", "Canceled"]
        assert world.positions("lead") == world.positions("f1") == {}
        async with world.daemon():
            await world.copying()
            await trio.sleep(60)
            assert len(world.ours("f1")) == 3, "nothing is to be made up for"
            truth.all_is_well(world)

    run(story, tmp_path)


@pytest.mark.rule("outcomes.protection-kept")
def test_the_exits_of_an_earlier_trade_are_not_held_for_ever_after_a_closing(tmp_path: Path) -> None:
    """The leader leaves the legs of his first trade behind. What makes way for our closing comes back, or ends."""

    async def story(world: World) -> None:
        bracket(world, "Buy", 4, "Market")
        await trio.sleep(3)
        world.lead("Sell", 4)
        await trio.sleep(3)
        bracket(world, "Buy", 4, "Market")
        await trio.sleep(3)
        world.disconnect("f1")
        await trio.sleep(1)
        world.lead("Sell", 2)
        world.reconnect("f1")
        await trio.sleep(10)
        assert [row["outcome"] for row in world.rows("f1", "close")] == ["filled"]
        assert world.positions("f1") == {SYMBOL: 2}
        assert [one.terms.qty for one in world.broker.working("F1")] == [2, 2]
        truth.all_is_well(world)
        world.lead("Sell", 2)

    told(story, tmp_path)


@pytest.mark.rule("orders.protect-filled")
@pytest.mark.parametrize("wake", ["first_fill", "each_fill", "last_fill"])
def test_an_entry_that_fills_one_by_one_asks_little_and_pages_nobody(wake: str, tmp_path: Path) -> None:
    micro = config_of(follower='map = { ES = { to = "MES", factor = 10 } }', copy='chase_after = "60s"')

    async def story(world: World) -> None:
        world.fault(oso_wake=wake, fill_size=1, fill_gap=(0.1, 0.2))
        bracket(world, "Buy", 4, "Market")
        await trio.sleep(10)
        assert world.positions("f1") == {MES: 40}
        assert [one.terms.qty for one in world.broker.working("F1")] == [40, 40]
        assert asked(world, "order/modifyorder") <= 4 * 10
        assert world.said("position.unprotected") == []
        world.heal()
        world.move("5180")
        world.move("5180", MES)

    told(story, tmp_path, micro)
