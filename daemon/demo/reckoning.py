"""The end of the demo: every account, by three sources that know nothing of each other.

The broker's own books say what was ordered, what filled and what is held. The ledger, read anew from its file, says
what copierd believes to own and why it skipped what it skipped. The rules say where each follower should be for the
leader's position at the broker. Whatever does not agree is a fault, in words.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from daemon.demo.cast import FOLLOWERS, LEADER
from daemon.demo.scene import Scene, words
from daemon.ledger import Ledger
from daemon.simulator import Order
from statecharts.values import AccountName

EVERYTHING = 1_000_000  # rows; a demo has some dozens


@attrs.frozen(kw_only=True)
class Reckoned:
    """One account. `ours` and `target` are None for the leader: nothing is ours there, and nothing is wanted."""

    account: str
    broker: Mapping[str, int]
    ours: Mapping[str, int] | None = None
    target: Mapping[str, int] | None = None
    orders: int = 0  # that the broker has had
    filled: int = 0  # contracts
    twice: int = 0
    skipped: tuple[str, ...] = ()  # in words, with the reason
    faults: tuple[str, ...] = ()


def reckon(scene: Scene, ledger: Path) -> list[Reckoned]:
    """The leader and every follower. The daemon has ended, and `ledger` is the file that it left."""
    orders = scene.server.broker.orders(scene.broker_name(LEADER))
    by_id = {order.order_id: order for order in orders}
    leader = Reckoned(
        account=LEADER,
        broker=scene.holds(LEADER),
        orders=len(orders),
        filled=sum(order.filled for order in orders),
        faults=("the leader is not flat",) if scene.holds(LEADER) else (),
    )
    book = Ledger.open(ledger)
    try:
        return [leader, *(_follower(scene, book, name, by_id) for name in FOLLOWERS)]
    finally:
        book.close()


def _follower(scene: Scene, ledger: Ledger, name: str, leaders: Mapping[int, Order]) -> Reckoned:
    rows = ledger.copies(follower=name, limit=EVERYTHING)
    saved = ledger.load(AccountName(name))
    contracts = saved.book.contracts if saved is not None else {}
    ours = {str(symbol): contract.own for symbol, contract in contracts.items() if contract.own}
    orders = scene.server.broker.orders(scene.broker_name(name))
    names = Counter(order.ticket.marks.cl_ord_id for order in orders)
    twice = sum(count - 1 for count in names.values())
    target, broker = scene.target(name), scene.holds(name)
    working = len(scene.working(name))
    checks = {
        f"the broker holds {words(broker)}, the rules want {words(target)}": broker != target,
        f"the broker holds {words(broker)}, the ledger says {words(ours)}": broker != ours,
        f"{twice} orders were sent twice": twice > 0,
        f"{working} orders still work": working > 0,
        "nothing was copied at all": not any(order.filled for order in orders),
    }
    faults = [fault for fault, found in checks.items() if found]
    faults += [*_strangers(orders, rows), *_too_much(scene, name, orders, rows, leaders)]
    return Reckoned(
        account=name,
        broker=broker,
        ours=ours,
        target=target,
        orders=len(orders),
        filled=sum(order.filled for order in orders),
        twice=twice,
        skipped=tuple(_skipped(rows)),
        faults=tuple(faults),
    )


def _strangers(orders: list[Order], rows: list[dict[str, object]]) -> Iterator[str]:
    """The orders of the broker and the orders of the ledger are the same ones."""
    there = {order.order_id for order in orders}
    known = {row["order_id"] for row in rows if row["order_id"] is not None}
    for order_id in sorted(there - known):
        yield f"order {order_id} at the broker is none of copierd's"
    for missing in known - there:
        yield f"order {missing} of the ledger is unknown to the broker"


def _too_much(
    scene: Scene, name: str, orders: list[Order], rows: list[dict[str, object]], leaders: Mapping[int, Order]
) -> Iterator[str]:
    """For one order of the leader a follower never trades more than that order stands for."""
    rules = scene.rules(name)
    traded: Counter[int] = Counter()
    whose = {row["order_id"]: row["leader_order_id"] for row in rows if row["verb"] == "place"}
    for order in orders:
        leader = whose.get(order.order_id)
        if isinstance(leader, int):
            traded[leader] += order.filled
    for leader, filled in traded.items():
        mapped = next(iter(rules.map.values()), None)
        share = math.ceil(leaders[leader].terms.qty * rules.ratio * (mapped.factor if mapped else 1))
        if filled > share:
            yield f"{filled} contracts were traded for the leader's order {leader}, which stands for {share}"


def _skipped(rows: list[dict[str, object]]) -> Iterator[str]:
    """What was not copied, oldest first."""
    for row in reversed(rows):
        if row["outcome"] in ("skipped", "rejected"):
            what = f"{row['action']} {row['symbol']}"
            yield f"{what} for the leader's order {row['leader_order_id']} {row['outcome']}: {row['reason']}"
