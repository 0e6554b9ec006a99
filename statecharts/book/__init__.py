"""One account's memory as a value: its own orders, what it knows of its leader, its copies, and what is ours.

Rule 1: the book answers questions and makes the next book; it decides nothing.
Rule 2: ownership is the sum of the fills of our own copies. The broker's figure of a position is a witness.
Rule 3: an index (`placed`, `executions`, `names`, `open`) is changed only together with the copy that it points to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs

from statecharts.bars import Bar
from statecharts.book.contract import Contract, Exposure, FlattenedBy, Latch, Market
from statecharts.book.copy import STOP_LEG, TARGET_LEG, Copies, Copy, Verb
from statecharts.contracts import ContractFacts
from statecharts.evolution import evolve
from statecharts.register import Register
from statecharts.rules import Agreement
from statecharts.standing import AT_EASE, Standing
from statecharts.values import AccountName, CopyId, FillId, Order, OrderId, Status, Symbol, root_of
from statecharts.view import RiskStatus, View

__all__ = [
    "LEADERS_OWN",
    "NOTHING",
    "STOP_LEG",
    "TARGET_LEG",
    "Book",
    "Contract",
    "Copies",
    "Copy",
    "Exposure",
    "FlattenedBy",
    "Latch",
    "Market",
    "Verb",
]

NOTHING = Contract()
LEADERS_OWN = CopyId("")  # in `placed`: an order that was there before copying began


def _copies(found: Mapping[CopyId, Copy]) -> Mapping[CopyId, Copy]:
    return Copies.of(found)


def _by_order(found: Mapping[OrderId, CopyId]) -> Mapping[OrderId, CopyId]:
    return Register.of(found)


def _by_fill(found: Mapping[FillId, CopyId]) -> Mapping[FillId, CopyId]:
    return Register.of(found)


def _by_name(found: Mapping[str, CopyId]) -> Mapping[str, CopyId]:
    return Register.of(found)


@attrs.frozen(kw_only=True, slots=False)  # copied whole with each change, see evolution.py
class Book:
    """`mine` is what the broker tells of this account, `theirs` what its leader has announced.

    `caught_up` is the pair of generations (mine, theirs) for which the catch-up table has run: until it names the
    present pair, the follower holds. `markets` are by product group. `barred` says why nothing opens until the operator
    resumes.
    """

    mine: View | None = None
    theirs: View | None = None
    positions: Mapping[Symbol, int] = attrs.field(factory=dict)
    caught_up: tuple[int, int] | None = None
    copies: Mapping[CopyId, Copy] = attrs.field(factory=Copies, converter=_copies)
    contracts: Mapping[Symbol, Contract] = attrs.field(factory=dict)
    # Leader order -> its copy with verb place
    placed: Mapping[OrderId, CopyId] = attrs.field(factory=Register, converter=_by_order)
    # Mode "fills": leader fill -> its row
    executions: Mapping[FillId, CopyId] = attrs.field(factory=Register, converter=_by_fill)
    names: Mapping[str, CopyId] = attrs.field(factory=Register, converter=_by_name)  # client order id -> copy
    # Our order -> the copy that made it
    orders: Mapping[OrderId, CopyId] = attrs.field(factory=Register, converter=_by_order)
    open: Mapping[Symbol, tuple[CopyId, ...]] = attrs.field(factory=dict)  # copies not at their end
    unlisted: frozenset[OrderId] = frozenset()  # leader orders that his lists may show again; see absence.py
    leader_lost_at: datetime | None = None  # since when he is away, unexpectedly; see absence.py
    agreed: Mapping[Symbol, Agreement] = attrs.field(factory=dict)  # by the leader's contract, see agreements.py
    waiting: Mapping[OrderId, datetime] = attrs.field(factory=dict)  # leader orders that wait for their family, until
    latches: tuple[Latch, ...] = ()  # at most one for each who
    markets: Mapping[str, Market] = attrs.field(factory=dict)
    standing: Standing = AT_EASE
    facts: Mapping[Symbol, ContractFacts] = attrs.field(factory=dict)  # of contracts, and of products under their root
    absent: Mapping[Symbol, str] = attrs.field(factory=dict)  # contracts that do not exist on our side, and why
    asked: Mapping[Symbol, datetime] = attrs.field(factory=dict)  # contracts asked for, and when they may be again
    unattributed: frozenset[OrderId] = frozenset()  # orders that the answer to a request of ours may yet claim
    barred: Mapping[Bar, str] = attrs.field(factory=dict)
    risk: RiskStatus | None = None  # what the broker last said of the account
    denied_by: AccountName | None = None  # the account of this login whose order was denied, where it is another
    proven_at: datetime | None = None  # when the broker last accepted an order of this account
    margin_refusals: int = 0  # entries refused for margin in a row
    silent_until: datetime | None = None  # nothing at all is sent before
    placements: tuple[datetime, ...] = ()  # the latest, as many as `runaway` has to know

    def facts_of(self, symbol: Symbol) -> ContractFacts | None:
        """What the broker says of this contract, or of its product; None while it has said nothing."""
        return self.facts.get(symbol) or self.facts.get(Symbol(root_of(symbol)))

    def resumed(self) -> Book:
        """The operator has looked at it: what barred openings is over."""
        kept = {bar: why for bar, why in self.barred.items() if not bar.ends_with_resume}
        return evolve(self.unsilenced(), barred=kept, denied_by=None, margin_refusals=0, placements=())

    def unsilenced(self) -> Book:
        """Requests may go out again; what happened meanwhile has yet to be compared."""
        if self.silent_until is None:
            return self
        known = self.caught_up
        return evolve(self, silent_until=None, caught_up=None if known is None else (known[0], 0))

    def contract(self, symbol: Symbol) -> Contract:
        return self.contracts.get(symbol, NOTHING)

    def with_contract(self, symbol: Symbol, contract: Contract) -> Book:
        if self.contracts.get(symbol, NOTHING) == contract:
            return self
        return evolve(self, contracts={**self.contracts, symbol: contract})

    def in_progress(self, symbol: Symbol) -> list[Copy]:
        """Copies of this contract that are not at their end, oldest first."""
        listed = self.open.get(symbol)
        return [self.copies[copy] for copy in listed] if listed else []

    def all_open(self) -> list[Copy]:
        """Copies that are not at their end, contract by contract."""
        return [self.copies[copy] for copies in self.open.values() for copy in copies]

    @property
    def alive(self) -> Iterable[Copy]:
        """The copies that something may yet become of."""
        return Copies.of(self.copies).alive

    def leaders_order(self, copy: Copy) -> Order | None:
        """The leader's order that this copy follows, as it is known now."""
        number = copy.leader_order_id
        return self.theirs.orders.get(number) if self.theirs is not None and number is not None else None

    def asleep(self, copy: Copy) -> bool:
        """Does this order sleep at the broker until its entry fills?"""
        known = self.mine.orders.get(copy.order_id) if self.mine is not None and copy.order_id is not None else None
        return copy.open and known is not None and known.status is Status.SUSPENDED

    def trade_named(self, names: Iterable[str]) -> Copy | None:
        """The copy with an order of its own that was sent under one of these client order ids."""
        for name in names:
            copy = self.copies.get(self.names.get(name, LEADERS_OWN))
            if copy is not None and copy.trades:
                return copy
        return None

    def with_copy(self, copy: Copy) -> Book:
        """The book after a copy is new or has changed; keeps the indexes and what is ours."""
        before = self.copies.get(copy.id)
        if before is not None and before == copy:
            return self
        changed: dict[str, Any] = {"copies": Copies.of(self.copies).entered(copy.id, copy)}
        if copy.client_id not in self.names:
            changed["names"] = Register.of(self.names).entered(copy.client_id, copy.id)
        if copy.leader_fill_id is not None:
            if copy.leader_fill_id not in self.executions:
                changed["executions"] = Register.of(self.executions).entered(copy.leader_fill_id, copy.id)
        elif copy.verb is Verb.PLACE and copy.leader_order_id is not None and copy.leader_order_id not in self.placed:
            changed["placed"] = Register.of(self.placed).entered(copy.leader_order_id, copy.id)
        if copy.order_id is not None and copy.trades and copy.order_id not in self.orders:
            changed["orders"] = Register.of(self.orders).entered(copy.order_id, copy.id)
        listed, is_open = self.open.get(copy.symbol, ()), copy.open
        if is_open != (copy.id in listed):
            listed = (*listed, copy.id) if is_open else tuple([one for one in listed if one != copy.id])
            changed["open"] = {**self.open, copy.symbol: listed}
        more = copy.filled - (0 if before is None else before.filled)
        if more:
            contract = self.contract(copy.symbol)
            own = contract.own + copy.side.sign * more
            changed["contracts"] = {**self.contracts, copy.symbol: evolve(contract, own=own)}
        book = evolve(self, **changed)
        for row in copy.carries:
            if row in book.copies:
                book = book.with_copy(book.copies[row].carried(copy))
        return book

    def held_back(self) -> bool:
        """Must this follower hold: is its leader's view not current, or not yet compared with ours?"""
        return (
            self.silent_until is not None
            or self.mine is None
            or self.theirs is None
            or not self.theirs.current
            or self.caught_up != (self.mine.generation, self.theirs.generation)
        )

    def ready_to_catch_up(self) -> bool:
        """Are both views in, and not yet compared?"""
        return self.theirs is not None and self.theirs.current and self.mine is not None and self.held_back()
