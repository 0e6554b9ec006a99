"""One account's memory as a value: its own orders, what it knows of its leader, its copies, and what is ours.

Rule 1: the book answers questions and makes the next book; it decides nothing.
Rule 2: ownership is the sum of the fills of our own copies. The broker's figure of a position is a witness.
Rule 3: an index (`placed`, `executions`, `names`, `open`) is changed only together with the copy that it points to.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import attrs

from statecharts.bars import Bar
from statecharts.contracts import ContractFacts
from statecharts.order import Stage
from statecharts.rules import Agreement
from statecharts.sizing import Kind
from statecharts.standing import Standing
from statecharts.values import (
    AccountName,
    CopyId,
    CopyName,
    FillId,
    OrderId,
    RiskStatus,
    Side,
    Status,
    Symbol,
    Terms,
    View,
    root_of,
)


class Verb(enum.Enum):
    PLACE = "place"
    MODIFY = "modify"
    CANCEL = "cancel"
    CLOSE = "close"


@attrs.frozen(kw_only=True)
class Copy:
    """One row of the copies: what was decided for one leader event (or for one closing of ours), and what came of it.

    `terms` are the follower's. `subject` is, for a modify or cancel, the placed copy that it changes.
    `client_id` is the client order id of the present attempt; `id` that of the first.
    """

    id: CopyId
    client_id: str
    copy: CopyName
    verb: Verb
    symbol: Symbol
    side: Side
    stage: Stage
    decided_at: datetime
    attempt: int = 0
    cause: int = 0  # the leader's orderVersion or fill id; for our own closings our newest fill id of the contract
    kind: Kind = Kind.ENTRY
    terms: Terms | None = None
    meant: int = 0  # what an exit stood for when the leader asked for it, before our position limited it
    opens: int = 0  # of these, a reversal's part beyond flat
    apart: bool = False  # when it came, the leader's position covered this exit and every other that he had working
    leader_order_id: OrderId | None = None
    leader_fill_id: FillId | None = None  # mode "fills": the execution that this row stands for
    carries: tuple[CopyId, ...] = ()  # rows of other executions that this one's order stands for too
    carrier: CopyId | None = None  # the row whose order stands for this one
    leader_symbol: Symbol | None = None
    subject: CopyId | None = None
    order_id: OrderId | None = None
    filled: int = 0  # contracts, over all attempts
    earlier: int = 0  # of these, by attempts before the present one
    reason: str | None = None
    sent_at: datetime | None = None
    answered_at: datetime | None = None
    # What the leader wants of a placed copy, and the request of ours that is under way for it
    wanted: Terms | None = None
    wanted_version: int = 0
    cancel_wanted: str | None = None  # why
    pending: CopyId | None = None
    changes: int = 0  # requests made for this copy so far: each gets its own id
    renew: bool = False  # cancelled for terms that no modify can bring about: placed anew when it is gone
    restore: bool = False  # an exit that was cancelled for a closing, and whose leader order still works
    left: bool = False  # its leader's order has ended, and ours was left as it is (catch_up = none)
    chase_at: datetime | None = None
    ask_after: datetime | None = None  # what was refused, or never left, is not asked for again before
    refusals: int = 0  # in a row, of this order or of changes of it
    fresh_until: datetime | None = None  # of what the broker has put off (penalty ticket): an entry goes no later
    opens_at: datetime | None = None  # while it is held: its market is closed until then
    # What it protects, and what it goes out with (brackets.py, protection.py)
    guards: CopyId | None = None  # the entry whose fills this exit protects
    guarded_by: tuple[CopyId, ...] = ()  # an entry: the exits that protect what it fills
    sent_with: CopyId | None = None  # the copy in whose request the present attempt of this one goes out
    mate: CopyId | None = None  # the other of an OCO: when one of the two ends, the broker cancels the other
    # A request whose answer was lost
    lost_at: datetime | None = None
    absent_at: datetime | None = None  # when the last of these look-ups was asked
    absent: int = 0  # look-ups after the settling time that agree it does not exist

    @property
    def open(self) -> bool:
        """Not at its end. A change of an order is at its end once the order shows it."""
        if self.carrier is not None:
            return False  # the carrier is
        return self.stage.open and (self.trades or self.stage is not Stage.WORKING)

    @property
    def put_off(self) -> bool:
        """Has the broker put it off, and does it wait for its time (`ask_after`)?"""
        return self.stage is Stage.HELD and self.fresh_until is not None

    @property
    def rest(self) -> int:
        """Contracts that may still fill."""
        return max(0, self.terms.quantity - self.filled + self.earlier) if self.open and self.terms else 0

    @property
    def trades(self) -> bool:
        """Is this an order of its own, and not a change of one, nor a row that goes with another's order?"""
        return self.verb in (Verb.PLACE, Verb.CLOSE) and self.carrier is None

    def carried(self, by: Copy) -> Copy:
        """This row while the order of `by` stands for it: what becomes of that one becomes of it."""
        words = f"goes with the order of execution {by.leader_fill_id}"
        return attrs.evolve(
            self,
            client_id=by.client_id,
            stage=by.stage,
            carrier=by.id,
            order_id=by.order_id,
            sent_at=by.sent_at,
            answered_at=by.answered_at,
            reason=f"{words}: {by.reason}" if by.reason else words,
        )


@attrs.frozen(kw_only=True)
class Exposure:
    """So much of our position has no stop, and since when. `told`: also the operator knows."""

    since: datetime
    quantity: int
    why: str
    told: bool = False


@attrs.frozen(kw_only=True)
class Contract:
    """What one follower remembers of one contract.

    `own` is our position in it. `no_entry` says why nothing opens until the leader is flat in it. `foreign` is the part
    of the position that is not ours, since the trade `foreign_order` at `foreign_at`; `accepted` is how much of it the
    operator has released, so that we trade beside it. `close_to` is the position that ours is being brought to at
    market, and why.
    """

    own: int = 0
    no_entry: str | None = None
    foreign: int = 0
    foreign_at: datetime | None = None
    foreign_order: OrderId | None = None
    accepted: int = 0
    close_to: int | None = None
    close_why: str | None = None
    refused: int = 0  # closings refused in a row
    clear: bool = False  # the next closing waits until no other order of ours is in its way
    piece: int | None = None  # the most contracts that one closing asks for: more were refused
    retry_at: datetime | None = None
    opens_at: datetime | None = None  # the market is closed until then, and the closing waits for it
    newest_fill: int = 0  # of ours
    frozen_since: int | None = (
        None  # nothing is sent here before a later generation has been read (firm.py, unknowns.py)
    )
    left: bool = False  # what we own beyond the leader's was left as it is (catch_up = none)
    apart: datetime | None = None  # it was told that we are not like the leader, until that closure's end
    due: bool = False  # the catch-up table has yet to look at it: an order of ours was in doubt
    busted: str | None = None  # what the exchange took back, of the leader's or of ours: it is yet to be compared
    guarded: tuple[CopyId, ...] = ()  # entries whose exits are looked after, see protection.py
    exposed: Exposure | None = None
    restored_at: datetime | None = None  # when exits that were gone were last placed anew
    excess_since: datetime | None = None  # stops are larger than our position, while openings may still make up for it


class FlattenedBy(enum.Enum):
    """Who wants it flat, and so who takes the latch away again."""

    OPERATOR = "operator"  # until `resume`
    RISK = "risk"  # a limit, or the time of day: until that is over
    LEADER_LOST = "leader lost"  # until the leader is back


@attrs.frozen(kw_only=True)
class Latch:
    """What is ours is to go, and nothing is to come: in these contracts, or in all of them (None). See flattening.py.

    `verified_at` is when a reading of the account has shown that nothing of ours is left. `reading` is the generation
    of the view in which the book had nothing left; the next one decides.
    """

    by: FlattenedBy
    why: str
    since: datetime
    symbols: frozenset[Symbol] | None = None
    verified_at: datetime | None = None
    reading: int | None = None

    def holds(self, symbol: Symbol) -> bool:
        return self.symbols is None or symbol in self.symbols


@attrs.frozen(kw_only=True)
class Market:
    """What one product group's market has shown beside what the table of hours says. See `calendar.py`."""

    shut_until: datetime | None = None  # by the broker's own word
    told: datetime | None = None  # the beginning of the window in which the table was last told to be wrong
    traded: datetime | None = None  # the beginning of the closed window in which the leader's order filled


_NOTHING = Contract()
LEADERS_OWN = CopyId("")  # in `placed`: an order that was there before copying began


@attrs.frozen(kw_only=True)
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
    copies: Mapping[CopyId, Copy] = attrs.field(factory=dict)
    contracts: Mapping[Symbol, Contract] = attrs.field(factory=dict)
    placed: Mapping[OrderId, CopyId] = attrs.field(factory=dict)  # leader order -> its copy with verb place
    executions: Mapping[FillId, CopyId] = attrs.field(factory=dict)  # mode "fills": leader fill -> its row
    names: Mapping[str, CopyId] = attrs.field(factory=dict)  # client order id -> copy
    orders: Mapping[OrderId, CopyId] = attrs.field(factory=dict)  # our order -> the copy that made it
    open: Mapping[Symbol, tuple[CopyId, ...]] = attrs.field(factory=dict)  # copies not at their end
    leader_lost_at: datetime | None = None  # since when he is away, unexpectedly; see absence.py
    agreed: Mapping[Symbol, Agreement] = attrs.field(factory=dict)  # by the leader's contract, see agreements.py
    waiting: Mapping[OrderId, datetime] = attrs.field(factory=dict)  # leader orders that wait for their family, until
    latches: tuple[Latch, ...] = ()  # at most one for each who
    markets: Mapping[str, Market] = attrs.field(factory=dict)
    standing: Standing = attrs.field(factory=Standing)
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
        return attrs.evolve(self.unsilenced(), barred=kept, denied_by=None, margin_refusals=0, placements=())

    def unsilenced(self) -> Book:
        """Requests may go out again; what happened meanwhile has yet to be compared."""
        if self.silent_until is None:
            return self
        known = self.caught_up
        return attrs.evolve(self, silent_until=None, caught_up=None if known is None else (known[0], 0))

    def contract(self, symbol: Symbol) -> Contract:
        return self.contracts.get(symbol, _NOTHING)

    def with_contract(self, symbol: Symbol, contract: Contract) -> Book:
        if self.contracts.get(symbol, _NOTHING) == contract:
            return self
        return attrs.evolve(self, contracts={**self.contracts, symbol: contract})

    def in_progress(self, symbol: Symbol) -> Iterator[Copy]:
        """Copies of this contract that are not at their end, oldest first."""
        return (self.copies[copy] for copy in self.open.get(symbol, ()))

    def all_open(self) -> Iterator[Copy]:
        return (self.copies[copy] for copies in self.open.values() for copy in copies)

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
        if before == copy:
            return self
        changed: dict[str, Any] = {"copies": {**self.copies, copy.id: copy}}
        if copy.client_id not in self.names:
            changed["names"] = {**self.names, copy.client_id: copy.id}
        if copy.leader_fill_id is not None:
            if copy.leader_fill_id not in self.executions:
                changed["executions"] = {**self.executions, copy.leader_fill_id: copy.id}
        elif copy.verb is Verb.PLACE and copy.leader_order_id is not None and copy.leader_order_id not in self.placed:
            changed["placed"] = {**self.placed, copy.leader_order_id: copy.id}
        if copy.trades and copy.order_id is not None and copy.order_id not in self.orders:
            changed["orders"] = {**self.orders, copy.order_id: copy.id}
        listed = self.open.get(copy.symbol, ())
        if copy.open and copy.id not in listed:
            changed["open"] = {**self.open, copy.symbol: (*listed, copy.id)}
        elif not copy.open and copy.id in listed:
            changed["open"] = {**self.open, copy.symbol: tuple(one for one in listed if one != copy.id)}
        book = attrs.evolve(self, **changed)
        more = copy.filled - (before.filled if before else 0)
        if more:
            contract = book.contract(copy.symbol)
            book = book.with_contract(copy.symbol, attrs.evolve(contract, own=contract.own + copy.side.sign * more))
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
