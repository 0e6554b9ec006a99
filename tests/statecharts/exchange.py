"""A tiny broker for one follower: it accepts, fills in parts, rejects, and loses answers, as it is told.

It keeps its own count of the position, so that a test can compare what copierd believes with what is so.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs

from statecharts import events as e
from statecharts.effects import (
    CancelOrder,
    Effect,
    LookUp,
    ModifyOrder,
    PlaceOrder,
    Priority,
    ReadAnew,
    ReadBalance,
    ReadContract,
)
from statecharts.values import Order, OrderId, OrderType, Status, Symbol
from tests.statecharts.desk import Desk, facts_of, order

LONG = timedelta(hours=1)  # an alarm as late as that is for the end of the day, and nothing that is still to be done


@attrs.define
class Exchange:
    desk: Desk
    orders: dict[OrderId, tuple[PlaceOrder, Order]] = attrs.field(factory=dict)
    queue: list[Effect] = attrs.field(factory=list)  # requests that have not reached the broker, and look-ups
    used: set[str] = attrs.field(factory=set)
    next_number: int = 5000
    position: dict[Symbol, int] = attrs.field(factory=dict)
    open_profit: int = 0
    read: int = 0  # how much of what the desk asked for has been taken

    def take(self) -> None:
        """Takes what the desk has asked for, and checks what holds for every request."""
        reduced = False
        for effect in self.desk.everything[self.read :]:
            if isinstance(effect, PlaceOrder):
                assert effect.client_id not in self.used, "the same client order id was placed twice"
                self.used.add(effect.client_id)
                assert effect.terms.quantity > 0
                reduced |= effect.priority is Priority.EXIT
            if isinstance(effect, (PlaceOrder, CancelOrder, ModifyOrder, LookUp, ReadAnew, ReadBalance, ReadContract)):
                self.queue.append(effect)
        self.read = len(self.desk.everything)
        if reduced:
            self.check_reductions()

    def check_reductions(self) -> None:
        """Market reductions in flight never exceed our own position: looked at whenever one is asked for."""
        own = dict(self.desk.own)
        leaving: dict[Symbol, int] = {}
        for copy in self.desk.account.book.all_open():
            if copy.trades and copy.kind.value == "exit" and copy.stage.value != "held":
                assert copy.terms is not None
                if copy.terms.order_type is OrderType.MARKET:
                    leaving[copy.symbol] = leaving.get(copy.symbol, 0) + copy.side.sign * copy.rest
        for symbol, change in leaving.items():
            held = own.get(symbol, 0)
            assert held * change <= 0 and abs(change) <= abs(held), (symbol, held, change)

    def tell(self, number: OrderId) -> None:
        self.desk.hear(e.OrderSeen(at=self.desk.now, order=self.orders[number][1]))

    def answer(self, how: str) -> None:
        """Takes the oldest request and does with it what `how` says."""
        if not self.queue:
            return
        effect = self.queue.pop(0)
        if isinstance(effect, LookUp):
            self._look_up(effect, how)
        elif isinstance(effect, ReadAnew):
            self.is_read()
        elif isinstance(effect, ReadBalance):
            self._read_balance(how)
        elif isinstance(effect, ReadContract):
            self._read_contract(effect.symbol, how)
        elif isinstance(effect, PlaceOrder):
            self._place(effect, how)
        elif isinstance(effect, (CancelOrder, ModifyOrder)):
            self._change(effect, how)

    def is_read(self) -> None:
        """The account is read anew, on a session that is alive."""
        positions = {symbol: n for symbol, n in self.position.items() if n}
        self.desk.read_anew(*(one for _, one in self.orders.values()), positions=positions)

    def _look_up(self, effect: LookUp, how: str) -> None:
        self.desk.wait(max(0.0, (effect.not_before - self.desk.now) / timedelta(seconds=1)))
        if how == "refused":
            self.desk.hear(
                e.LookUpFailed(at=self.desk.now, copy=effect.copy, client_id=effect.client_id, reason="no session")
            )
            return
        found = next((n for n, (place, _) in self.orders.items() if place.client_id == effect.client_id), None)
        self.desk.looked_up(effect, found)
        if found is not None:
            self.tell(found)

    def _read_balance(self, how: str) -> None:
        now = self.desk.now
        if how == "well":
            money: dict[str, Any] = {"cash": Decimal(50_000), "realized": Decimal(0)}
            self.desk.hear(e.BalanceRead(at=now, asked_at=now, open_profit=Decimal(self.open_profit), **money))
        else:
            self.desk.hear(e.BalanceUnread(at=now, reason=how))

    def _read_contract(self, symbol: Symbol, how: str) -> None:
        if how == "lost and absent":
            self.desk.contract_absent(symbol)
        elif how in ("refused", "never sent", "lost"):
            self.desk.hear(e.ContractUnread(at=self.desk.now, symbol=symbol, reason="no answer"))
        else:
            self.desk.contract_read(facts_of(symbol))

    def _place(self, effect: PlaceOrder, how: str) -> None:
        if how == "never sent":
            self.desk.never_sent(effect)
        elif how == "refused":
            self.desk.sent(effect)
            self.desk.refused(effect)
        elif how == "lost and absent":
            self.desk.sent(effect)
            self.desk.answer_lost(effect)
        else:
            self.next_number += 1
            number = OrderId(self.next_number)
            names = frozenset({effect.client_id})
            made = order(number, effect.side, effect.terms, symbol=effect.symbol, client_ids=names)
            self.orders[number] = (effect, made)
            self.desk.sent(effect)
            if how == "lost":
                self.desk.answer_lost(effect)
            else:
                self.desk.accepted(effect, number, working=False)
                if effect.terms.order_type is OrderType.MARKET:
                    self.fill(number, effect.terms.quantity)
                self.tell(number)

    def _change(self, effect: CancelOrder | ModifyOrder, how: str) -> None:
        place, now = self.orders[effect.order_id]
        if how == "never sent":
            self.desk.never_sent(effect)
        elif now.status.finished or how == "refused":
            self.desk.refused(effect, "TooLate")
        elif how in ("lost and absent", "lost"):
            self.desk.answer_lost(effect)
        else:
            self.desk.accepted(effect)
            if isinstance(effect, CancelOrder):
                now = attrs.evolve(now, status=Status.CANCELED)
            else:
                now = attrs.evolve(now, terms=effect.terms)
                if now.filled >= effect.terms.quantity:
                    now = attrs.evolve(now, status=Status.FILLED)
            self.orders[effect.order_id] = (place, now)
            self.tell(effect.order_id)

    def fill(self, number: OrderId, quantity: int) -> None:
        """The market trades so many contracts of this order."""
        place, now = self.orders[number]
        assert now.terms is not None
        quantity = min(quantity, now.rest)
        if not quantity:
            return
        gone = {fill.id for fill in now.fills if not fill.active}
        whole = len(now.fills) + quantity
        made = order(number, now.side, now.terms, whole, symbol=now.symbol, client_ids=now.client_ids)
        made = attrs.evolve(made, fills=tuple(attrs.evolve(fill, active=fill.id not in gone) for fill in made.fills))
        self.orders[number] = (place, made)
        self.position[now.symbol] = self.position.get(now.symbol, 0) + now.side.sign * quantity

    def busts(self, which: int) -> None:
        """The exchange takes one of our executions back."""
        traded = [number for number, (_, one) in self.orders.items() if one.filled]
        if traded:
            number = traded[which % len(traded)]
            place, one = self.orders[number]
            fills = list(one.fills)
            gone = next(n for n, fill in enumerate(fills) if fill.active)
            fills[gone] = attrs.evolve(fills[gone], active=False)
            self.orders[number] = (place, attrs.evolve(one, fills=tuple(fills)))
            self.position[one.symbol] = self.position.get(one.symbol, 0) - one.side.sign * fills[gone].quantity
            self.tell(number)

    @property
    def working(self) -> list[OrderId]:
        return [number for number, (_, one) in self.orders.items() if not one.status.finished]

    def settle(self, rounds: int | None = None) -> None:
        """Everything is answered well and time passes, until nothing more happens; market orders fill.

        `rounds`: no longer than that, where something always happens.
        """
        for _ in range(rounds or 400):
            self.take()
            for number in self.working:
                if self.orders[number][1].terms is not None and self.is_market(number):
                    self.fill(number, 99)
                    self.tell(number)
            self.take()
            if self.queue:
                self.answer("well")
            elif self.desk.account.wake_at is not None and self.desk.account.wake_at - self.desk.now < LONG:
                late = max(timedelta(0), self.desk.account.wake_at - self.desk.now)
                self.desk.wait(late / timedelta(seconds=1))
                self.check_alarm()
            else:
                return
        assert rounds is not None, "it does not come to rest"

    def check_alarm(self) -> None:
        """An alarm that has rung is not set again for a time that has passed."""
        wake_at = self.desk.account.wake_at
        assert wake_at is None or wake_at > self.desk.now

    def is_market(self, number: OrderId) -> bool:
        asked = self.orders[number][1].terms
        return asked is not None and asked.order_type is OrderType.MARKET
