"""The scripted leader and the price walk."""

import random
from decimal import Decimal

import trio

from daemon.simulator import Faults, Trader, endless, showcase, walk
from daemon.simulator.trader import Bracket, Cancel, Change, Deed, Flatten, Move, Place, Step
from tests.simulator.client import House, play


def test_the_showcase_shows_everything_and_ends_flat() -> None:
    async def story(house: House) -> None:
        trader = Trader(house.broker, "LEAD", "ESZ6", showcase())
        await trader.run()
        orders = house.broker.orders("LEAD")
        assert {order.terms.kind for order in orders} == {"Market", "Limit", "Stop"}
        assert {order.status for order in orders} == {"Filled", "Canceled"}
        assert any(order.parent_id for order in orders)
        commands = [row.entity["commandType"] for row in house.broker.entities.rows("command")]
        assert set(commands) == {"New", "Modify", "Cancel"}
        assert house.broker.positions("LEAD") == {}
        assert house.broker.working("LEAD") == []

    play(story)


def test_the_default_script_never_ends_and_always_comes_back_to_flat() -> None:
    async def story(house: House) -> None:
        trader = Trader(house.broker, "LEAD", "ESZ6", endless())
        house.nursery.start_soon(walk, house.broker, ["ESZ6"], random.Random(3))
        house.nursery.start_soon(trader.run)
        await trio.sleep(3600)
        assert trader.done > 500
        flat_times = [order for order in house.broker.accepted if order.account == "LEAD"]
        assert len(flat_times) > 200

    play(story, Faults(fill_delay=(0.05, 0.3), fill_size=1, fill_gap=(0.1, 0.2)))


def test_each_step() -> None:
    async def story(house: House) -> None:
        heard: list[float] = []
        script: list[Step] = [
            Place(1, "Buy", 2, "Limit", limit=-4, label="entry", tif="GTC"),
            Change(1, "entry", qty=3, limit=-2),
            Move(1, -2),
            Bracket(1, "Buy", 1, target=8, stop=-8, limit=-4, label="more"),
            Deed(1, lambda: heard.append(trio.current_time())),
            Cancel(1, "more"),
            Cancel(1, "entry"),
            Flatten(1),
        ]
        trader = Trader(house.broker, "EVAL1", "NQZ6", script)
        await trader.run()
        assert heard == [5.0]
        assert set(trader.labels) == {"entry", "more", "more.target", "more.stop"}
        orders = house.broker.orders("EVAL1")
        assert [order.status for order in orders] == ["Filled", "Canceled", "Canceled", "Canceled", "Filled"]
        assert house.broker.exchange.last["NQZ6"] == Decimal("17999.50")

    play(story)


def test_a_mini_and_its_micro_move_as_one_market() -> None:
    async def story(house: House) -> None:
        last = house.broker.exchange.last
        house.nursery.start_soon(walk, house.broker, list(last), random.Random(3))
        house.nursery.start_soon(Trader(house.broker, "LEAD", "ESZ6", endless()).run)
        await trio.sleep(600)
        pairs = {"ESZ6": "MESZ6", "NQH7": "MNQH7", "RTYZ6": "M2KZ6"}
        assert {mini: last[mini] for mini in pairs} == {mini: last[micro] for mini, micro in pairs.items()}
        assert last["ESZ6"] != last["ESH7"]

    play(story)


def test_the_walk_stays_in_reach_and_on_the_tick() -> None:
    async def story(house: House) -> None:
        seen: set[Decimal] = set()
        house.nursery.start_soon(walk, house.broker, ["CLZ6", "YMZ6"], random.Random(3), 1.0, 5)
        for _ in range(500):
            await trio.sleep(1)
            seen.add(house.broker.exchange.last["CLZ6"])
        assert len(seen) > 5
        assert all(abs(price - Decimal(80)) <= Decimal("0.05") for price in seen)
        assert all(price % Decimal("0.01") == 0 for price in seen)

    play(story)
