"""A leader by whim, over REST from another terminal: every kind of order, changes, cancels, and now and then out of it.

Rule 1: everything he does is drawn from the dice and from what the broker shows him; he knows nothing of any copier.
Rule 2: he never places faster than `PLACEMENTS` within `PER`: a copier takes a leader who does for a fault.
Rule 3: he is tidy, as platforms are for their users: he opens on one side at a time, protects a position once, and
        leaves no exit behind whose position is gone. What such an exit is to a copy is a question of who fills first.
"""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Protocol

import attrs

from tests.system.processes import LEADER

SYMBOLS = {"ESZ6": 5200.0, "NQZ6": 18000.0}  # where the look-alike opens them
TICK = 0.25  # of both
MOST = 4  # contracts that he holds of each at the most
MOST_RESTING = 8  # orders
PLACEMENTS, PER = 12, 5.0  # seconds: a bracket is three of them
LIVE = ("PendingNew", "Suspended", "Working", "PendingReplace", "PendingCancel")
TERMS = ("orderQty", "orderType", "price", "stopPrice")
NEAR, FAR = 5, 14  # ticks from the last price that he has seen


class Broker(Protocol):
    def post(self, endpoint: str, body: dict[str, Any]) -> dict[str, Any]: ...

    def rows(self, endpoint: str) -> list[dict[str, Any]]: ...

    def accounts(self) -> dict[str, int]: ...


@attrs.frozen
class Resting:
    """`guards`: it exits. `alone`: it belongs to no bracket, so its size is its own."""

    number: int
    symbol: str
    side: str
    guards: bool = False
    alone: bool = False


@attrs.define(eq=False)
class Whim:
    """`orders` is all that was placed, oldest first; `changed` counts accepted changes of a price, by order.

    `done` counts actions by kind.
    """

    broker: Broker
    dice: random.Random
    done: Counter[str] = attrs.field(factory=Counter)
    orders: list[int] = attrs.field(factory=list)
    changed: Counter[int] = attrs.field(factory=Counter)
    _account: int = attrs.field(init=False)
    _resting: dict[int, Resting] = attrs.field(factory=dict)  # as far as they lived when last seen
    _last: dict[str, float] = attrs.field(factory=lambda: dict(SYMBOLS))
    _recent: deque[float] = attrs.field(factory=deque)
    _symbol: str = ""
    _net: int = 0
    _contracts: dict[int, str] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self._account = self.broker.accounts()[LEADER]

    @property
    def actions(self) -> int:
        return self.done.total()

    def act(self) -> None:
        """One thing or another."""
        self._look()
        positions = self._positions()
        self._symbol = self.dice.choices(tuple(SYMBOLS), (3, 1))[0]
        self._net = positions.get(self._symbol, 0)
        here = [one for one in self._resting.values() if one.symbol == self._symbol]
        guarded, full = any(one.guards for one in here), len(self._resting) >= MOST_RESTING
        choices: dict[Callable[[], None], int] = {
            self.market: 6 if abs(self._net) < MOST else 0,
            self.rest: 5 if abs(self._net) < MOST and not full else 0,
            self.bracket: 0 if self._net or here or full else 6,
            self.protect: 4 if self._net and not guarded and not full else 0,
            self.reverse: 2 if self._net and not here else 0,
            self.exit: 5 if self._net and not guarded else 0,
            self.change: 6 if here else 0,
            self.resize: 2 if any(one.alone for one in here) else 0,
            self.cancel: (8 if full else 3) if here else 0,
            self.flatten: 2 if self._net or here else 0,
        }
        (deed,) = self.dice.choices(list(choices), list(choices.values()))
        self._pace(3)
        deed()
        self.done[deed.__name__] += 1

    # ---- what he does

    def market(self) -> None:
        self._place(self._side(), self.dice.choice((1, 1, 2)), "Market")

    def rest(self) -> None:
        """A limit on the near side of the market, or a stop on the far one."""
        side, kind = self._side(), self.dice.choice(("Limit", "Limit", "Stop"))
        self._place(side, self.dice.choice((1, 1, 2)), kind, self._away(side, kind))

    def bracket(self) -> None:
        """An entry with its target and its stop."""
        side, quantity = self._side(), self.dice.choice((1, 2))
        out = _opposite(side)
        kind = self.dice.choice(("Market", "Limit"))
        body = self._order(side, quantity, kind, None if kind == "Market" else self._away(side, kind))
        for number, leg in enumerate(("Limit", "Stop"), start=1):
            price = self._away(out, leg) + (FAR if (out == "Sell") == (leg == "Limit") else -FAR) * TICK
            body[f"bracket{number}"] = {"action": out, "orderType": leg, _field(leg): price}
        answer = self._sent("order/placeoso", body)
        self._know(Resting(answer["orderId"], self._symbol, side))
        self._know(*(Resting(answer[name], self._symbol, out, guards=True) for name in ("oso1Id", "oso2Id")))

    def protect(self) -> None:
        """A target and a stop of which one cancels the other, for all that he holds."""
        out, quantity = ("Sell" if self._net > 0 else "Buy"), abs(self._net)
        body = self._order(out, quantity, "Limit", self._away(out, "Limit"))
        body["other"] = {"action": out, "orderType": "Stop", "stopPrice": self._away(out, "Stop")}
        answer = self._sent("order/placeoco", body)
        self._know(*(Resting(answer[name], self._symbol, out, guards=True) for name in ("orderId", "ocoId")))

    def reverse(self) -> None:
        self._place("Sell" if self._net > 0 else "Buy", abs(self._net) + self.dice.choice((1, 2)), "Market")

    def change(self) -> None:
        number, terms = self._one_of_mine()
        if terms["orderType"] == "Market":
            return  # a bracket's entry, not yet filled
        field = _field(terms["orderType"])
        price = terms[field] + self.dice.choice((-4, -3, -2, -1, 1, 2, 3, 4)) * TICK
        self.changed[number] += self._modify(number, {**terms, field: price})

    def resize(self) -> None:
        """Not of one that belongs to a bracket: its size is that of what it protects."""
        number, terms = self._one_of_mine(alone=True)
        self._modify(number, {**terms, "orderQty": 3 - min(2, terms["orderQty"])})

    def cancel(self) -> None:
        number, _ = self._one_of_mine()
        self.broker.post("order/cancelorder", {"orderId": number})

    def exit(self) -> None:
        self._place("Sell" if self._net > 0 else "Buy", self.dice.randint(1, abs(self._net)), "Market")

    def flatten(self) -> None:
        """Out of this contract: his platform cancels what rests there and closes at market."""
        self._liquidate(self._symbol)

    def leave(self) -> None:
        """Out of everything."""
        for symbol in SYMBOLS:
            self._liquidate(symbol)

    # ---- how

    def _liquidate(self, symbol: str) -> None:
        contract = next(number for number, name in self._named().items() if name == symbol)
        answer = self.broker.post("order/liquidateposition", {"accountId": self._account, "contractId": contract})
        if "orderId" in answer:
            self._recent.append(time.monotonic())
            self.orders.append(answer["orderId"])

    def _place(self, side: str, quantity: int, kind: str, price: float | None = None) -> None:
        answer = self._sent("order/placeorder", self._order(side, quantity, kind, price))
        if kind == "Market":
            self.orders.append(answer["orderId"])
            self._recent.append(time.monotonic())
            fills = self.broker.rows(f"fill/deps?masterid={answer['orderId']}")
            self._last[self._symbol] = fills[-1]["price"] if fills else self._last[self._symbol]
        else:
            self._know(Resting(answer["orderId"], self._symbol, side, alone=True))

    def _order(self, side: str, quantity: int, kind: str, price: float | None) -> dict[str, Any]:
        body = {"accountSpec": LEADER, "accountId": self._account, "action": side, "symbol": self._symbol}
        body |= {"orderQty": quantity, "orderType": kind}
        return body if price is None else body | {_field(kind): price}

    def _sent(self, endpoint: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.broker.post(endpoint, body)
        assert "orderId" in answer, answer
        return answer

    def _know(self, *orders: Resting) -> None:
        for order in orders:
            self.orders.append(order.number)
            self._recent.append(time.monotonic())
            self._resting[order.number] = order

    def _modify(self, number: int, terms: dict[str, Any]) -> bool:
        return "commandId" in self.broker.post("order/modifyorder", {"orderId": number, **terms})

    def _one_of_mine(self, alone: bool = False) -> tuple[int, dict[str, Any]]:
        """One that rests in this contract, and its newest terms."""
        mine = [one.number for one in self._resting.values() if one.symbol == self._symbol and one.alone >= alone]
        number = self.dice.choice(mine)
        newest = max(self.broker.rows(f"orderVersion/deps?masterid={number}"), key=lambda row: int(row["id"]))
        return number, {
            name: newest[name] for name in ("orderQty", "orderType", "price", "stopPrice") if name in newest
        }

    def _look(self) -> None:
        """Which of his orders live."""
        numbers, alive = list(self._resting), set()
        for start in range(0, len(numbers), 10):
            ids = ",".join(map(str, numbers[start : start + 10]))
            alive |= {row["id"] for row in self.broker.rows(f"order/items?ids={ids}") if row["ordStatus"] in LIVE}
        self._resting = {number: one for number, one in self._resting.items() if number in alive}

    def _positions(self) -> dict[str, int]:
        rows = self.broker.rows(f"position/deps?masterid={self._account}")
        return {self._named()[row["contractId"]]: row["netPos"] for row in rows}

    def _named(self) -> dict[int, str]:
        if not self._contracts:
            for symbol in SYMBOLS:
                (found,) = self.broker.rows(f"contract/suggest?t={symbol}&l=1")
                self._contracts[found["id"]] = symbol
        return self._contracts

    def _side(self) -> str:
        """The one on which he is already, or is about to be."""
        sides = [one.side for one in self._resting.values() if one.symbol == self._symbol and not one.guards]
        if self._net:
            return "Buy" if self._net > 0 else "Sell"
        return sides[0] if sides else self.dice.choice(("Buy", "Sell"))

    def _away(self, side: str, kind: str) -> float:
        """A price that such an order waits for."""
        ticks = self.dice.randint(NEAR, FAR) * (1 if (side == "Sell") == (kind == "Limit") else -1)
        return self._last[self._symbol] + ticks * TICK

    def _pace(self, coming: int) -> None:
        while True:
            now = time.monotonic()
            while self._recent and self._recent[0] <= now - PER:
                self._recent.popleft()
            if len(self._recent) + coming <= PLACEMENTS:
                return
            time.sleep(self._recent[0] + PER - now)


def _opposite(side: str) -> str:
    return "Sell" if side == "Buy" else "Buy"


def _field(kind: str) -> str:
    return "price" if kind == "Limit" else "stopPrice"
