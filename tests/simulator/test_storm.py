"""Everything at once, by dice: the look-alike must not fall over, contradict itself, or leave anything behind."""

import json
import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio
from trio_websocket import ConnectionClosed

from daemon.simulator import Broker, Faults
from tests.simulator.audit import Audit
from tests.simulator.client import LOGINS, Client, House, play

ACCOUNTS = tuple(account for spec in LOGINS.values() for account in spec.accounts)
WEATHER = Faults(
    risk_delay=(0.0, 0.2),
    fill_delay=(0.0, 0.5),
    fill_gap=(0.0, 0.5),
    cancel_delay=(0.0, 0.3),
    answer_delay=(0.0, 0.2),
    request_lost=0.05,
    answer_lost=0.05,
    error_after=0.05,
    late=0.05,
    late_delay=(1.0, 9.0),
    shuffle_props=True,
    duplicate_props=0.1,
    drop_props=0.05,
    unknown_events=0.05,
    malformed=0.05,
)


def contradictions(broker: Broker) -> list[str]:
    """What does not fit together in the broker's own entities."""
    found: list[str] = []
    orders = {row.entity["id"]: row.entity for row in broker.entities.rows("order")}
    versions = {row.entity["orderId"]: row.entity for row in broker.entities.rows("orderVersion")}
    filled: dict[int, int] = defaultdict(int)
    net: dict[tuple[int, int], int] = defaultdict(int)
    for row in broker.entities.rows("fill"):
        fill, order = row.entity, orders[row.entity["orderId"]]
        filled[order["id"]] += fill["qty"]
        net[order["accountId"], fill["contractId"]] += fill["qty"] if fill["action"] == "Buy" else -fill["qty"]
    for row in broker.entities.rows("position"):
        position = row.entity
        if net[position["accountId"], position["contractId"]] != position["netPos"]:
            found.append(f"position {position}")
    for order_id, order in orders.items():
        status, qty = order["ordStatus"], versions[order_id]["orderQty"]
        if (status == "Filled") != (filled[order_id] == qty) or filled[order_id] > qty:
            found.append(f"{order} filled {filled[order_id]} of {qty}")
        if broker.desk.orders[order_id].status != status:
            found.append(f"{order} is {broker.desk.orders[order_id].status}")
    for row in broker.entities.rows("cashBalance"):
        account_id = row.owner
        held = {row.entity["id"] for row in broker.entities.rows("position") if row.owner == account_id}
        profit = sum(
            (pair.entity["sellPrice"] - pair.entity["buyPrice"]) * pair.entity["qty"] * worth(broker, pair.entity)
            for pair in broker.entities.rows("fillPair")
            if pair.entity["positionId"] in held
        )
        if row.entity["realizedPnL"] != pytest.approx(profit):
            found.append(f"{row.entity} but pairs say {profit}")
    return found


def worth(broker: Broker, pair: dict[str, Any]) -> float:
    position = broker.entities.row("position", pair["positionId"])
    assert position is not None
    return float(broker.contracts[position.entity["contractId"]].product.value_per_point)


def request(broker: Broker, dice: random.Random) -> tuple[str, dict[str, Any]]:
    """Some order request, mostly sensible."""
    known = [order.order_id for order in broker.desk.log[-20:]]
    if known and dice.random() < 0.3:
        order_id = dice.choice(known)
        if dice.random() < 0.5:
            return "order/cancelorder", {"orderId": order_id}
        price = 5200 + dice.randint(-20, 20) / 4
        terms = {"orderType": "Limit", "price": price, "orderQty": dice.randint(1, 5)}
        return "order/modifyorder", {"orderId": order_id, **terms}
    body: dict[str, Any] = {
        "accountSpec": dice.choice(ACCOUNTS),
        "symbol": dice.choice(("ESZ6", "MESZ6")),
        "orderQty": dice.randint(1, 5),
        "timeInForce": dice.choice(("Day", "GTC", "IOC", "FOK")),
        **leg(dice),
    }
    kind = dice.random()
    if kind < 0.15:
        return "order/placeoco", {**body, "other": leg(dice)}
    if kind < 0.35:
        return "order/placeoso", {**body, "bracket1": leg(dice), "bracket2": leg(dice)}
    return "order/placeorder", body


def leg(dice: random.Random) -> dict[str, Any]:
    kind = dice.choice(("Market", "Limit", "Stop", "MIT", "StopLimit", "TrailingStop"))
    terms: dict[str, Any] = {"action": dice.choice(("Buy", "Sell")), "orderType": kind}
    if kind in ("Limit", "StopLimit"):
        terms["price"] = 5200 + dice.randint(-20, 20) / 4
    if kind in ("Stop", "MIT", "StopLimit"):
        terms["stopPrice"] = 5200 + dice.randint(-20, 20) / 4
    if kind == "TrailingStop":
        terms["pegDifference"] = dice.randint(1, 8) / 4
    return terms


def unlock(broker: Broker) -> None:
    for account in ACCOUNTS:
        broker.lock(account, None)


async def trade(house: House, client: Client, dice: random.Random) -> None:
    for request_id in range(1000, 1100):
        await trio.sleep(dice.uniform(0, 0.5))
        endpoint, body = request(house.broker, dice)
        await client.send(f"{endpoint}\n{request_id}\n\n{json.dumps(body)}")


async def weather(house: House, dice: random.Random) -> None:
    server, broker = house.server, house.broker
    deeds: tuple[Callable[[], object], ...] = (
        lambda: broker.move("ESZ6", broker.exchange.last["ESZ6"] + dice.randint(-8, 8)),
        lambda: broker.move("MESZ6", broker.exchange.last["MESZ6"] + dice.randint(-8, 8)),
        lambda: server.reject_next(dice.choice(ACCOUNTS), stage=dice.choice(("answer", "risk", "exchange"))),
        lambda: broker.liquidate(dice.choice(ACCOUNTS)),
        lambda: broker.halt("ESZ6"),
        lambda: broker.halt("ESZ6", halted=False),
        lambda: broker.lock(dice.choice(ACCOUNTS), dice.choice(("LiquidationOnly", "TradingLocked"))),
        lambda: unlock(broker),
        lambda: server.drop_sockets(dice.choice(("apex", "fund")), dice.choice((0, 1001))),
        lambda: server.half_open(dice.choice(("apex", "fund"))),
        lambda: server.evict("apex"),
    )
    weights = (40, 40, 5, 3, 1, 6, 1, 6, 2, 1, 1)
    while True:
        await trio.sleep(dice.uniform(0, 0.6))
        server.faults = attrs.evolve(
            WEATHER, fill_size=dice.choice((0, 1, 2)), oso_wake=dice.choice(("first_fill", "each_fill", "last_fill"))
        )
        dice.choices(deeds, weights)[0]()


async def come_again(house: House, username: str, password: str, dice: random.Random) -> None:
    """A client that trades until it is thrown out, and comes back."""
    for _ in range(4):
        try:
            async with house.connect() as client:
                await client.synced(house.server, username, password)
                with trio.move_on_after(60):
                    await trade(house, client, dice)
        except* (ConnectionClosed, EOFError, trio.TooSlowError):
            pass  # thrown out, or lost in the storm
        await trio.sleep(1)


@pytest.mark.parametrize("seed", range(4))
def test_a_storm(seed: int) -> None:
    audit = Audit()

    async def story(house: House) -> None:
        dice = random.Random(seed)
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.deadline = trio.current_time() + 3600  # nobody may hang for ever
            nursery.start_soon(weather, house, dice)
            async with trio.open_nursery() as clients:
                clients.start_soon(come_again, house, "jane", "secret", dice)
                clients.start_soon(come_again, house, "joe", "hidden", dice)
            nursery.cancel_scope.cancel()
        assert trio.current_time() < 3600
        house.server.faults = Faults()
        await trio.sleep(60)
        assert len(house.broker.accepted) > 10
        assert contradictions(house.broker) == []
        assert house.server.sessions == []
        assert len(house.broker.entities.listeners) == 0
        for account in ACCOUNTS:
            house.broker.lock(account, None)
            house.broker.halt("ESZ6", halted=False)
            house.broker.desk.risk.rejects.clear()
            house.broker.liquidate(account)
            assert (house.broker.working(account), house.broker.positions(account)) == ([], {})

    play(story, WEATHER, observer=audit)
    assert audit.flaws == []
