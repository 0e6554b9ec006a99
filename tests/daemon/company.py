"""A leader and its followers as plain values that take real turns: what tests of the ledger and the codec work on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import attrs

from daemon.ledger import Taken
from statecharts import events as e
from statecharts import states as s
from statecharts.account import Account, step
from statecharts.effects import Announce
from statecharts.rules import CopyRules, Rules
from statecharts.values import (
    AccountName,
    BrokerAccountId,
    CopyName,
    Order,
    OrderId,
    OrderType,
    Side,
    Status,
    Symbol,
    Terms,
    VersionId,
)
from statecharts.view import Snapshot

NOON = datetime(2026, 11, 20, 18, tzinfo=UTC)
LEAD, EVAL = AccountName("lead"), AccountName("eval1")
ESZ6 = Symbol("ESZ6")


def limit(number: int, price: str = "5000.25", status: Status = Status.WORKING) -> Order:
    """A leader's buy of one contract."""
    terms = Terms(1, OrderType.LIMIT, Decimal(price))
    return Order(OrderId(number), ESZ6, Side.BUY, status, NOON, terms, VersionId(number * 10))


def stopped(name: AccountName, rules: Rules | None = None) -> Account:
    return Account(name=name, connection=s.Stopped(since=NOON), rules=rules or Rules())


def unruled(account: Account) -> Account:
    """As a ledger gives it back."""
    return attrs.evolve(account, rules=Rules())


def taken(before: Account, event: e.Event, consumed: int | None = None) -> Taken:
    turn = step(before, event)
    return Taken(before, turn.account, event, turn.effects, consumed)


def announced(turn: Taken) -> e.LeaderEvent:
    (event,) = (effect.event for effect in turn.effects if isinstance(effect, Announce))
    return event


@attrs.define
class Company:
    """`accounts` are as after their last turn. Every turn that is taken here must be committed, in order."""

    accounts: dict[AccountName, Account]
    at: datetime = NOON

    @classmethod
    def of(cls, *followers: AccountName) -> Company:
        follows = Rules(copy=CopyRules(CopyName("main"), LEAD))
        return cls({LEAD: stopped(LEAD, Rules(leads=True)), **{name: stopped(name, follows) for name in followers}})

    @property
    def followers(self) -> list[AccountName]:
        return [name for name in self.accounts if name != LEAD]

    def turn(self, name: AccountName, event: e.Event, consumed: int | None = None) -> Taken:
        turn = taken(self.accounts[name], event, consumed)
        self.accounts[name] = turn.after
        return turn

    def tick(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at

    def connected(self) -> list[Taken]:
        """Everybody is Copying, with nothing at the broker."""
        turns: list[Taken] = []
        for number, name in enumerate(self.accounts, start=1):
            empty = Snapshot(BrokerAccountId(number), self.tick())
            news = (
                e.Started(at=self.at),
                e.Authorized(at=self.at),
                e.SnapshotTaken(at=self.at, snapshot=empty),
            )
            turns += [self.turn(name, event) for event in news]
            if name == LEAD:
                view = announced(turns[-1])
            else:
                turns.append(self.turn(name, view))
        return turns

    def round(self, order: Order, idle: Iterable[AccountName] | None = None) -> list[Taken]:
        """The leader's turn and those of the idle followers."""
        lead = self.turn(LEAD, e.OrderSeen(at=self.tick(), order=order))
        event = announced(lead)
        return [lead, *(self.turn(name, event) for name in (self.followers if idle is None else idle))]
