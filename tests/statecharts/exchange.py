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
    PlaceOso,
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
    market: int = 5000  # the price at which it fills
    wake: str = "last_fill"  # when the legs of an OSO start work: also "first_fill", "each_fill"
    at_once: int = 0  # contracts that a market order fills in the instant of its answer; 0: all of them
    bounded: bool = True  # do no exits rest beside a market exit, so that no fill can make it too large on its way?
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
        if reduced and self.bounded:
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
        """One frame: this order, and those that it is linked with."""
        one = self.orders[number][1]
        linked = [other for _, other in self.orders.values() if other.id != number and _linked(one, other)]
        self.desk.hear(e.OrderSeen(at=self.desk.now, order=one, beside=tuple(linked)))

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
            number, legs = self._make(effect)
            self.desk.sent(effect)
            if how == "lost":
                self.desk.answer_lost(effect)
            else:
                self.desk.accepted(effect, number, working=False, legs=legs)
                if effect.terms.order_type is OrderType.MARKET:
                    self.fill(number, self.at_once or effect.terms.quantity)
                self.tell(number)

    def _make(self, effect: PlaceOrder) -> tuple[OrderId, tuple[OrderId, ...]]:
        """The order, and those that went out with it: the other of an OCO works at once, the legs of an OSO sleep."""
        ids = [OrderId(self.next_number + place) for place in range(1, 2 + len(effect.legs))]
        self.next_number = ids[-1]
        number, *legs = ids
        oso = isinstance(effect, PlaceOso)
        mate = None if oso or not legs else legs[0]
        names = frozenset({effect.client_id})
        made = order(number, effect.side, effect.terms, symbol=effect.symbol, client_ids=names, oco_id=mate)
        self.orders[number] = (effect, made)
        for leg, leg_id in zip(effect.legs, legs, strict=True):
            others = [one for one in (legs if oso else [number]) if one != leg_id]
            place = PlaceOrder(
                copy=leg.copy,
                client_id=leg.client_id,
                account=effect.account,
                priority=effect.priority,
                symbol=effect.symbol,
                side=leg.side,
                terms=attrs.evolve(leg.terms, quantity=effect.terms.quantity),
            )
            made = order(
                leg_id,
                leg.side,
                place.terms,
                status=Status.SUSPENDED if oso else Status.WORKING,
                symbol=effect.symbol,
                client_ids=frozenset({leg.client_id}),
                oco_id=others[0] if others else None,
                parent_id=number if oso else None,
            )
            self.orders[leg_id] = (place, made)
        return number, tuple(legs)

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
            self._follow_up(effect.order_id)
            self.tell(effect.order_id)

    def fill(self, number: OrderId, quantity: int) -> None:
        """The market trades so many contracts of this order."""
        place, now = self.orders[number]
        assert now.terms is not None
        quantity = min(quantity, now.rest)
        if not quantity:
            return
        before = {fill.id: fill for fill in now.fills}
        whole = len(now.fills) + quantity
        made = order(
            number,
            now.side,
            now.terms,
            whole,
            symbol=now.symbol,
            client_ids=now.client_ids,
            parent_id=now.parent_id,
            oco_id=now.oco_id,
        )
        dealt = (before.get(fill.id, attrs.evolve(fill, price=Decimal(self.market))) for fill in made.fills)
        made = attrs.evolve(made, fills=tuple(dealt))
        self.orders[number] = (place, made)
        self.position[now.symbol] = self.position.get(now.symbol, 0) + now.side.sign * quantity
        self._follow_up(number)

    def _follow_up(self, number: OrderId) -> None:
        """What the broker does by itself: the other of an OCO ends, the legs of an OSO wake or end with their order."""
        one = self.orders[number][1]
        if one.status.finished and one.oco_id is not None:
            self._set(one.oco_id, status=Status.CANCELED)
        for child in [other for _, other in self.orders.values() if other.parent_id == number]:
            if child.status.finished or child.terms is None:
                continue
            done = one.status is Status.FILLED
            if one.status.finished and not one.filled:
                self._set(child.id, status=Status.CANCELED)
            elif one.filled and (one.status.finished or self.wake in ("first_fill", "each_fill")):
                cut = self.wake == "each_fill" or (not done and one.status.finished)
                quantity = one.filled if cut else child.terms.quantity
                self._set(child.id, status=Status.WORKING, terms=attrs.evolve(child.terms, quantity=quantity))

    def _set(self, number: OrderId, **changes: object) -> None:
        place, now = self.orders[number]
        if not now.status.finished:
            self.orders[number] = (place, attrs.evolve(now, **changes))  # type: ignore[arg-type]  # fields of Order

    @property
    def tradable(self) -> list[OrderId]:
        return [number for number in self.working if self.orders[number][1].status is not Status.SUSPENDED]

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


def _linked(one: Order, other: Order) -> bool:
    family = {one.id, one.parent_id, one.oco_id} - {None}
    return other.id in family or other.parent_id in family or other.oco_id in family
