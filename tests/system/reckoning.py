"""The leader's account against his followers': at the broker, and in the daemon's rows.

Rule 1: what a follower should have is reckoned here from copying's rules, and by none of the daemon's code.
Rule 2: a contract that waits until the leader is flat may have less than its target, and says so; none may have more.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs

from daemon.ledger import Ledger
from tests.system.processes import LEADER, USER, Person, asked
from tests.system.whim import SYMBOLS, Whim

ENDED = {"filled", "canceled", "rejected", "expired", "skipped"}
UNDER_WAY = {"intended", "sent", "unknown"}
ALIVE = ("Working", "Suspended")
BREATH = 5.0  # seconds
IN_TIME = timedelta(seconds=5)  # for a change to reach the copy, on a busy machine


@attrs.frozen
class Follower:
    """`lines` are its own in copier.toml; `scale` is ratio times factor, `cap` max_position."""

    account: str
    scale: Fraction
    cap: int
    lines: tuple[str, ...]
    micros: bool = False

    def symbol(self, leaders: str) -> str:
        return f"M{leaders}" if self.micros else leaders

    def target(self, net: int) -> int:
        wanted = int(net * self.scale)  # cut toward zero
        return max(-self.cap, min(self.cap, wanted))


FOLLOWERS = {
    "same": Follower(f"DEMO-{USER}-2", Fraction(1), 30, ("max_position = 30",)),
    "half": Follower(f"DEMO-{USER}-3", Fraction(1, 2), 15, ("ratio = 0.5", "max_position = 15")),
    "micro": Follower(
        f"DEMO-{USER}-4",
        Fraction(10),
        300,
        (
            "max_position = 300",
            'map = { ES = { to = "MES", factor = 10 }, NQ = { to = "MNQ", factor = 10 } }',
        ),
        micros=True,
    ),
}


@attrs.define(eq=False)
class Reckoning:
    """`told` are the contracts that were below their target, each with the reason that the daemon gave."""

    config: Path
    mode: str
    leader: Whim
    person: Person
    told: list[str] = attrs.field(factory=list)

    def differences(self, flat: bool) -> list[str]:
        """Between the leader as he is and his followers as they are; what was told goes to `told`."""
        self.told = [] if not flat else self.told
        accounts = self.person.accounts()
        names = {row["id"]: row["name"] for row in self._contracts()}
        orders = self.person.rows("order/list")
        net: dict[int, dict[str, int]] = {number: {} for number in accounts.values()}
        for row in self.person.rows("position/list"):
            if row["netPos"]:
                net[row["accountId"]][names[row["contractId"]]] = row["netPos"]
        leaders = [o for o in orders if o["accountId"] == accounts[LEADER] and o["ordStatus"] in ALIVE]
        found = []
        if flat and (net[accounts[LEADER]] or leaders):
            found.append("the leader is not out of everything")
        for name, one in FOLLOWERS.items():
            mine = [o for o in orders if o["accountId"] == accounts[one.account] and o["ordStatus"] in ALIVE]
            short = self._short(name)
            rests = {names[order["contractId"]] for order in leaders}
            found += self._positions(name, one, net[accounts[LEADER]], net[accounts[one.account]], short, rests)
            found += self._orders(name, one, leaders, {o["id"]: o for o in mine}, short, names)
            found += [
                f"{name}: {row['verb']} {row['id']} is {row['outcome']}"
                for row in self._rows(name)
                if row["outcome"] in UNDER_WAY or (flat and row["outcome"] not in ENDED and row["verb"] != "modify")
            ]
        return found

    def catch_breath(self) -> None:
        """Waits for what is under way: a machine too slow for its leader loses answers, and that is another test.

        An exit may be held for longer than that, and rightly.
        """
        end = time.monotonic() + BREATH
        while time.monotonic() < end:
            if not any(row["outcome"] in UNDER_WAY for name in FOLLOWERS for row in self._rows(name, latest=50)):
                return
            time.sleep(0.05)

    def _positions(
        self,
        name: str,
        one: Follower,
        theirs: dict[str, int],
        ours: dict[str, int],
        short: dict[str, str],
        rests: set[str],
    ) -> Iterator[str]:
        for symbol in SYMBOLS:
            target, own = one.target(theirs.get(symbol, 0)), ours.get(one.symbol(symbol), 0)
            if own == target:
                continue
            words = f"{name}: {own} {one.symbol(symbol)} where {target} is the target"
            if target * own >= 0 and abs(own) < abs(target) and one.symbol(symbol) in short:
                self.told.append(f"{words}: {short[one.symbol(symbol)]}")
            elif one.scale < 1 and symbol in rests and abs(own - target) == 1:
                # Sized with his resting orders, of which one that rounds to nothing stands for a part of another.
                self.told.append(f"{words}: rounded together with what rests")
            else:
                yield words

    def _orders(
        self,
        name: str,
        one: Follower,
        leaders: list[dict[str, Any]],
        mine: dict[int, dict[str, Any]],
        short: dict[str, str],
        names: dict[int, str],
    ) -> Iterator[str]:
        """Working orders are the leader's: his prices, and of each as much as its row says."""
        copies = {row["leader_order_id"]: row for row in self._rows(name) if row["verb"] == "place"}
        wanted = {}
        for order in leaders if self.mode == "orders" else ():
            row = copies.get(order["id"])
            if row is None:
                yield f"{name}: order {order['id']} of the leader has no copy"
            elif row["outcome"] not in ENDED and row["order_id"] is not None:
                wanted[row["order_id"]] = order
            elif one.scale >= 1 and one.symbol(names[order["contractId"]]) not in short:
                yield f"{name}: order {order['id']} was {row['outcome']}: {row['reason']}"
        if wanted.keys() != mine.keys():
            yield f"{name}: orders {sorted(mine.keys() ^ wanted.keys())} work where they must not, or do not"
            return
        for number, order in wanted.items():
            his, ours = self._terms(order["id"]), self._terms(number)
            for field in ("orderType", "price", "stopPrice", "timeInForce"):
                if his.get(field) != ours.get(field):
                    yield f"{name}: order {number} has {field} {ours.get(field)}, the leader's {his.get(field)}"
            exact = his["orderQty"] * one.scale
            waits = one.symbol(names[order["contractId"]]) in short
            if not (0 if waits else exact - 1) < ours["orderQty"] < exact + 1:
                yield f"{name}: order {number} is for {ours['orderQty']}, the leader's for {his['orderQty']}"

    def of_the_rows(self) -> list[str]:
        """One row for everything that the leader did, each order at the broker once, and nothing under way."""
        return [words for name, one in FOLLOWERS.items() for words in self._of(name, one)]

    def _of(self, name: str, one: Follower) -> Iterator[str]:
        accounts, rows = self.person.accounts(), self._rows(name)
        orders = {row["id"]: row for row in self.person.rows("order/list")}
        leaders = {number for number, row in orders.items() if row["accountId"] == accounts[LEADER]}
        ours = {number for number, row in orders.items() if row["accountId"] == accounts[one.account]}
        places = [row for row in rows if row["verb"] == "place"]
        if self.mode == "orders":
            yield from _once(f"{name}: copies of an order", (row["leader_order_id"] for row in places), leaders)
        else:
            fills = {row["id"] for row in self.person.rows("fill/list") if row["orderId"] in leaders}
            yield from _once(f"{name}: copies of an execution", (row["leader_fill_id"] for row in places), fills)
        makers = [row for row in rows if row["verb"] in ("place", "close") and not _carried(row)]
        owned = Counter(row["order_id"] for row in makers)
        # An exit that made way for a closing, and was put back, had an order before, which has done nothing.
        useful = {row["orderId"] for row in self.person.rows("fill/list")} & ours
        yield from (
            f"{name}: {owned[n]} rows of order {n}" for n in ours if owned[n] > 1 or (n in useful and not owned[n])
        )
        commands = [row for row in self.person.rows("command/list") if row.get("clOrdId") and row["orderId"] in ours]
        sent = Counter(row["clOrdId"] for row in commands)
        yield from (f"{name}: {client_id} was sent {count} times" for client_id, count in sent.items() if count > 1)
        for row in places:
            if row["order_id"] is None and not (row["outcome"] == "skipped" and row["reason"]):
                yield f"{name}: nothing was sent for {row['id']}, and nobody says why: {row['outcome']}"
        if self.mode == "orders":
            yield from self._last_words({row["leader_order_id"]: row for row in places})

    def _last_words(self, copies: dict[int, dict[str, Any]]) -> Iterator[str]:
        """The leader's last price of an order is that of its copy, if that lived for long enough to be changed."""
        newest = {row["orderId"]: row for row in self.person.rows("orderVersion/list")}
        commands = [row for row in self.person.rows("command/list") if row["commandType"] == "Modify"]
        changed = {row["orderId"]: _instant(row) for row in commands}
        ended = {row["orderId"]: _instant(row) for row in self.person.rows("executionReport/list")}
        for number in self.leader.changed:
            row = copies[number]
            made = row["order_id"]
            if made is None or ended[made] < changed[number] + IN_TIME:
                continue
            for field in ("price", "stopPrice"):
                kept = newest[made].get(field)
                if newest[number].get(field) != kept:
                    yield f"{row['follower']}: order {made} kept {field} {kept} when {number} was changed"

    def counts(self) -> dict[str, int]:
        """Of all followers together."""
        rows = [row for name in FOLLOWERS for row in self._rows(name)]
        words = Counter(f"{row['verb']} {row['outcome']}" for row in rows)
        return {"rows": len(rows), **dict(sorted(words.items()))}

    def _short(self, name: str) -> dict[str, str]:
        """The contracts that wait until the leader is flat, and why."""
        told = asked(self.config, f"accounts/{name}")
        assert told is not None, "the daemon answers"
        return {one["symbol"]: one["waits"] for one in told["contracts"] if one["waits"]}

    def _terms(self, order: int) -> dict[str, Any]:
        return max(self.person.rows(f"orderVersion/deps?masterid={order}"), key=lambda row: int(row["id"]))

    def _rows(self, name: str, latest: int = 1_000_000) -> list[dict[str, Any]]:
        ledger = Ledger.open(self.config.parent / "state" / "ledger.sqlite")
        try:
            return ledger.copies(follower=name, limit=latest)[::-1]
        finally:
            ledger.close()

    def _contracts(self) -> list[dict[str, Any]]:
        found = []
        for symbol in (*SYMBOLS, *(f"M{symbol}" for symbol in SYMBOLS)):
            found += self.person.rows(f"contract/suggest?t={symbol}&l=1")
        return found


def _carried(row: dict[str, Any]) -> bool:
    return str(row["reason"]).startswith("goes with the order of execution")


def _instant(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(row["timestamp"])


def _once(what: str, found: Iterator[Any], wanted: set[Any]) -> Iterator[str]:
    counted = Counter(found)
    for number in sorted(wanted | counted.keys()):
        if counted[number] != (number in wanted):
            yield f"{what} {number}: {counted[number]}"
