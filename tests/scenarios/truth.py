"""What must be true whatever has happened: the daemon's rows against the broker's own books."""

from __future__ import annotations

from collections import Counter

import trio

from daemon.simulator import Order
from statecharts import exposure
from statecharts.values import Symbol
from tests.scenarios.world import World

ENDED = {"filled", "canceled", "rejected", "expired", "skipped", "shadowed"}
SPOKEN = {
    "Filled": "filled",
    "Canceled": "canceled",
    "Rejected": "rejected",
    "Expired": "expired",
    "Working": "working",
    "Suspended": "working",  # asleep until its entry fills
}


def followers(world: World) -> list[str]:
    return [one.account for copy in world.config.copies for one in copy.followers]


def leader(world: World, name: str) -> str:
    """Whom this follower copies, by the name of copier.toml."""
    copy = world.config.copy_of(name)
    assert copy is not None
    return copy.leader


def executions(world: World, name: str) -> set[int]:
    """The ids of everything that an account of copier.toml has executed, busted trades too."""
    orders = {one.order_id for one in world.broker.orders(world.config.accounts[name].name)}
    return {row.entity["id"] for row in world.broker.entities.rows("fill") if row.entity["orderId"] in orders}


def nothing_twice(world: World) -> None:
    """One copy with verb place for each leader order (in mode "fills": execution) and follower.

    And at most one order at the broker for it, counted there: every order of ours has a client order id of its own and
    belongs to exactly one row, but for those that say they go with another's.
    """
    for name in followers(world):
        ours = world.ours(name)
        ids = Counter(one.ticket.marks.cl_ord_id for one in ours)
        assert all(count == 1 for count in ids.values()), (name, ids)
        rows = world.rows(name)
        assert Counter(row[_key(world, name)] for row in rows if row["verb"] == "place") == _copied(world, name), name
        trades = [row for row in rows if row["verb"] in ("place", "close") and not _carried(row)]
        owners = Counter(row["order_id"] for row in trades if row["order_id"])
        # An exit that made way for a closing and was put back has an order of before, which has done nothing.
        assert all(owners[one.order_id] == 1 for one in ours if one.filled or not one.finished), (name, owners)
    assert not world.said("turn.failed"), world.said("turn.failed")[0]
    crashed = [entry.message for entry in world.journal if "bug" in entry.message]
    assert not crashed, crashed
    broken = [entry.message for entry in world.journal if "copierd kept itself from a mistake" in entry.message]
    assert not broken, broken
    odd = [words for words in world.said("copy.failed") if "did not expect" in words or "AnotherCommand" in words]
    assert not odd, odd


def _by_fills(world: World, name: str) -> bool:
    copy = world.config.copy_of(name)
    return copy is not None and copy.mode == "fills"


def _key(world: World, name: str) -> str:
    return "leader_fill_id" if _by_fills(world, name) else "leader_order_id"


def _copied(world: World, name: str) -> Counter[int]:
    """What has one copy each: not what was finished before copying began, which is nobody's."""
    book = world.account(name).account.book
    first = leader(world, name)
    if _by_fills(world, name):
        before = {number for number, copy in book.executions.items() if not copy}
        return Counter(executions(world, first) - before)
    orders = {one.order_id for one in world.broker.orders(world.config.accounts[first].name)}
    return Counter(orders - {order for order, copy in book.placed.items() if not copy})


def _carried(row: dict[str, object]) -> bool:
    return str(row["reason"]).startswith("goes with the order of execution")


def nothing_open(world: World) -> None:
    """Every row has come to its end, or rests at the broker, and says what the broker says."""
    for name in followers(world):
        at_broker: dict[object, Order] = {one.order_id: one for one in world.ours(name)}
        for row in world.rows(name):
            if row["verb"] in ("modify", "cancel"):
                assert row["outcome"] in ENDED | {"working"}, row
            elif row["order_id"] is None:
                assert row["outcome"] in ("skipped", "shadowed", "rejected"), row
                assert row["reason"], row
            else:
                assert row["outcome"] == SPOKEN[at_broker[row["order_id"]].status], row


def in_step(world: World) -> None:
    """The follower owns what it holds, and holds its target, or its contract waits with a reason that was told."""
    for name in followers(world):
        book = world.account(name).account.book
        held = world.positions(name)
        assert {symbol: c.own for symbol, c in book.contracts.items() if c.own} == held, name
        if not world.positions(leader(world, name)):
            assert held == {}, (name, held)
        rules = world.account(name).account.in_force.copy
        assert rules is not None
        for symbol, contract in book.contracts.items():
            target = exposure.total_target(book, symbol, rules)
            assert exposure.goal(contract.own, target) == contract.own or contract.left, (name, contract, target)
            assert contract.own == target or told_of(world, name, symbol), (name, contract, target)


def told_of(world: World, name: str, symbol: Symbol) -> bool:
    """Does the daemon say that this contract waits, and why?"""
    contract = world.account(name).account.book.contract(symbol)
    flattened = any(latch.holds(symbol) for latch in world.account(name).account.book.latches)
    return contract.no_entry is not None or contract.left or flattened


def all_is_well(world: World) -> None:
    nothing_twice(world)
    nothing_open(world)
    in_step(world)


async def waits_until_the_leader_is_flat(world: World, holds: int) -> None:
    """He holds so many, and the follower is short of him: nothing opens until he is out, and then it is copied."""
    more = world.lead("Buy", 1)
    await trio.sleep(1)
    assert world.row(more)["outcome"] == "skipped"
    world.lead("Sell", holds + 1)
    await trio.sleep(1)
    again = world.lead("Buy", 1)
    await trio.sleep(1)
    assert world.row(again)["outcome"] == "filled"
    world.lead("Sell", 1)


def places(world: World, name: str, leader_order: int) -> int:
    """How many rows with verb place there are for this leader order."""
    return len(world.rows(name, "place", leader_order))
