"""A follower that copies, and short words for what happens to it: the tests speak through this.

A desk holds one account, steps it, and remembers what the last event led to. The leader's view is kept here too, so
that a test says what the leader did and not how an announcement is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import attrs

from statecharts import connection, exposure
from statecharts import events as e
from statecharts import states as s
from statecharts.account import Account, step
from statecharts.book import Copy
from statecharts.contracts import ContractFacts
from statecharts.effects import CancelOrder, Effect, LookUp, ModifyOrder, PlaceOrder, ReadContract, Tell
from statecharts.rules import CopyRules, Rules
from statecharts.values import (
    AccountName,
    BrokerAccountId,
    CopyName,
    Fill,
    FillId,
    Order,
    OrderId,
    OrderType,
    Side,
    Status,
    Symbol,
    Terms,
    VersionId,
    root_of,
)
from statecharts.view import Balance, Snapshot, View

NOON = datetime(2026, 3, 3, 18, tzinfo=UTC)
LEAD = AccountName("lead")
EVAL = AccountName("eval1")
LEAD_ID = BrokerAccountId(11)
EVAL_ID = BrokerAccountId(22)
ES = Symbol("ESZ6")
MES = Symbol("MESZ6")
SECOND = timedelta(seconds=1)
BUY, SELL = Side.BUY, Side.SELL

Kind = TypeVar("Kind", bound=Effect)


def rules(**changes: Any) -> CopyRules:
    return CopyRules(name=CopyName("main"), leader=LEAD, **changes)


def terms(quantity: int, order_type: OrderType = OrderType.MARKET, **more: Any) -> Terms:
    return Terms(quantity, order_type, **more)


def limit(quantity: int, price: int = 5000) -> Terms:
    return Terms(quantity, OrderType.LIMIT, price=Decimal(price))


def stop(quantity: int, price: int = 4990) -> Terms:
    return Terms(quantity, OrderType.STOP, stop_price=Decimal(price))


def facts_of(symbol: Symbol = MES, tick: str = "0.25", expires: datetime | None = None) -> ContractFacts:
    return ContractFacts(symbol, root_of(symbol), Decimal(tick), Decimal(5), expires)


def order(
    number: int,
    side: Side,
    asked: Terms | None,
    filled: int = 0,
    status: Status | None = None,
    *,
    symbol: Symbol = ES,
    version: int | None = None,
    **more: Any,
) -> Order:
    """An order as the broker tells it: working, or filled when all of it is.

    Its n-th fill is 10 x its number + n, and from the tenth on something larger: no two orders share a fill.
    """
    if status is None:
        status = Status.FILLED if asked is not None and filled >= asked.quantity else Status.WORKING
    ids = (FillId(number * 10 + n if n < 10 else number * 1_000_000 + n) for n in range(1, filled + 1))
    fills = tuple(Fill(one, side, 1, Decimal(5000), NOON) for one in ids)
    return Order(OrderId(number), symbol, side, status, NOON, asked, VersionId(version or number), fills, **more)


@attrs.define
class Desk:
    """One account, and the effects of the last event."""

    account: Account
    now: datetime = NOON
    effects: tuple[Effect, ...] = ()
    everything: list[Effect] = attrs.field(factory=list)
    theirs: View = attrs.field(factory=lambda: View(LEAD_ID, 1))
    told: list[Tell] = attrs.field(factory=list)

    def hear(self, event: e.Event) -> tuple[Effect, ...]:
        turn = step(self.account, event)
        self.account, self.effects = turn.account, turn.effects
        self.everything.extend(turn.effects)
        self.told.extend(effect for effect in turn.effects if isinstance(effect, Tell))
        for place in self.places:  # one unknown at a time, whatever is tested
            assert not exposure.unknown(self.account.book, place.symbol), f"{place} goes out beside an unknown"
        return turn.effects

    def wait(self, seconds: float) -> None:
        """Time passes, and the alarm rings when it is set for then."""
        self.now += timedelta(seconds=seconds)
        if self.account.wake_at is not None and self.account.wake_at <= self.now:
            self.hear(e.AlarmRang(at=self.now))

    def leader(self, *orders: Order) -> None:
        """The leader announces facts, one after the other."""
        for one in orders:
            self.theirs = self.theirs.with_order(one)
            self.hear(e.LeaderOrderSeen(at=self.now, leader=LEAD, order=one, generation=self.theirs.generation))

    def frame(self, *orders: Order) -> None:
        """The leader announces what one frame has told of several orders."""
        for one in orders:
            self.theirs = self.theirs.with_order(one)
        first, *beside = orders
        generation = self.theirs.generation
        self.hear(e.LeaderOrderSeen(at=self.now, leader=LEAD, order=first, generation=generation, beside=tuple(beside)))

    def leader_read_anew(self, view: View | None = None) -> None:
        self.theirs = view or attrs.evolve(self.theirs, generation=self.theirs.generation + 1, current=True)
        self.hear(e.LeaderViewTaken(at=self.now, leader=LEAD, view=self.theirs))

    def read_anew(
        self, *orders: Order, positions: dict[Symbol, int] | None = None, balance: Balance | None = None
    ) -> None:
        """The follower's own snapshot."""
        taken = Snapshot(EVAL_ID, self.now, {one.id: one for one in orders}, positions or {}, balance=balance)
        self.hear(e.SnapshotTaken(at=self.now, snapshot=taken))

    def lost(self) -> None:
        self.hear(e.SessionLost(at=self.now, reason="socket closed (1006)"))

    def restarted(self) -> None:
        """The process has ended and another one has loaded the account; it dials."""
        self.account = attrs.evolve(self.account, connection=connection.forgiven(self.account.connection))
        self.hear(e.Started(at=self.now))

    def resuming(self) -> None:
        """Dials and authorizes, up to the point where only the snapshot is missing."""
        self.hear(e.ReconnectAsked(at=self.now))
        self.hear(e.Authorized(at=self.now))

    def made(self, kind: type[Kind]) -> list[Kind]:
        """The effects of this kind that the last event led to."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def places(self) -> list[PlaceOrder]:
        return self.made(PlaceOrder)

    @property
    def place(self) -> PlaceOrder:
        (one,) = self.places
        return one

    @property
    def cancels(self) -> list[CancelOrder]:
        return self.made(CancelOrder)

    @property
    def modifies(self) -> list[ModifyOrder]:
        return self.made(ModifyOrder)

    @property
    def look_ups(self) -> list[LookUp]:
        return self.made(LookUp)

    @property
    def asked_of(self) -> list[Symbol]:
        """The contracts that the last event makes the account ask for."""
        return [one.symbol for one in self.made(ReadContract)]

    @property
    def quantities(self) -> list[tuple[Side, int]]:
        """What the last event asks to be placed."""
        return [(one.side, one.terms.quantity) for one in self.places]

    def sent(self, request: PlaceOrder | CancelOrder | ModifyOrder) -> None:
        self.hear(e.RequestSent(at=self.now, copy=request.copy, client_id=request.client_id))

    def accepted(
        self,
        request: PlaceOrder | CancelOrder | ModifyOrder,
        number: int | None = None,
        working: bool = True,
        legs: Sequence[int] = (),
    ) -> None:
        """The answer; then, for an order, that it works. Before that the broker would refuse to change it."""
        self.hear(
            e.RequestAccepted(
                at=self.now,
                copy=request.copy,
                client_id=request.client_id,
                order_id=None if number is None else OrderId(number),
                sent_at=self.now,
                legs=tuple((leg.copy, OrderId(one)) for leg, one in zip(request.legs, legs, strict=False)),
            )
        )
        if isinstance(request, PlaceOrder) and number is not None and working:
            self.seen(request, number)

    def refused(self, request: PlaceOrder | CancelOrder | ModifyOrder, reason: str = "Other", text: str = "") -> None:
        self.hear(
            e.RequestRefused(
                at=self.now,
                copy=request.copy,
                client_id=request.client_id,
                reason=reason,
                text=text,
                sent_at=self.now,
            )
        )

    def answer_lost(self, request: PlaceOrder | CancelOrder | ModifyOrder) -> None:
        self.hear(
            e.AnswerLost(
                at=self.now, copy=request.copy, client_id=request.client_id, reason="timeout", sent_at=self.now
            )
        )

    def never_sent(self, request: PlaceOrder | CancelOrder | ModifyOrder) -> None:
        self.hear(e.NeverSent(at=self.now, copy=request.copy, client_id=request.client_id, reason="session lost"))

    def looked_up(self, look_up: LookUp, number: int | None = None) -> None:
        self.now = max(self.now, look_up.not_before)
        found = None if number is None else OrderId(number)
        self.hear(
            e.LookedUp(at=self.now, copy=look_up.copy, client_id=look_up.client_id, order_id=found, asked_at=self.now)
        )

    def seen(
        self, request: PlaceOrder, number: int, filled: int = 0, status: Status | None = None, **more: Any
    ) -> None:
        """The broker tells of our own order."""
        asked = more.pop("asked", request.terms)
        names = frozenset({request.client_id})
        one = order(number, request.side, asked, filled, status, symbol=request.symbol, client_ids=names, **more)
        self.hear(e.OrderSeen(at=self.now, order=one))

    def fills(self, request: PlaceOrder, number: int) -> None:
        """Sent, accepted, filled."""
        self.sent(request)
        self.accepted(request, number)
        self.seen(request, number, request.terms.quantity)

    def contract_read(self, facts: ContractFacts) -> None:
        self.hear(e.ContractRead(at=self.now, facts=facts))

    def contract_absent(self, symbol: Symbol) -> None:
        self.hear(e.ContractAbsent(at=self.now, symbol=symbol, reason="the broker knows no contract of this name"))

    def foreign(self, one: Order) -> None:
        self.hear(e.OrderSeen(at=self.now, order=one))

    @property
    def own(self) -> dict[Symbol, int]:
        return {symbol: c.own for symbol, c in self.account.book.contracts.items() if c.own}

    def copy_of(self, number: int) -> Copy:
        """The copy of the leader's order of this number."""
        return self.account.book.copies[self.account.book.placed[OrderId(number)]]

    def heard(self, event: str) -> list[str]:
        """What was told under this name, all along."""
        return [tell.message for tell in self.told if tell.event == event]


def follower(copy: CopyRules | None = None, *, balance: Balance | None = None, **more: Any) -> Desk:
    """A follower that is Copying, flat, with a flat leader whose view is current."""
    account = Account(name=EVAL, connection=s.Resyncing(since=NOON), rules=Rules(copy=copy or rules(**more)))
    desk = Desk(account)
    desk.read_anew(balance=balance)
    desk.leader_read_anew(View(LEAD_ID, 1))
    desk.everything.clear()
    desk.told.clear()
    return desk


def in_position(quantity: int = 2, **more: Any) -> Desk:
    """A follower that has copied the leader's market order 100 and holds what came of it."""
    desk = follower(**more)
    desk.leader(order(100, BUY, terms(quantity), quantity))
    desk.fills(desk.place, 900)
    return desk
