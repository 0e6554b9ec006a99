"""One row of the copies, as the book keeps it.

Rule 1: what became of a row is told by its stage. It is taken out when the broker lists the order on neither side any
        more (`resync.py`); the ledger keeps it.
"""

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal

import attrs

from statecharts.evolution import evolve
from statecharts.order import Stage
from statecharts.register import Register
from statecharts.rules import Template
from statecharts.sizing import CAPPED, Kind
from statecharts.values import CopyId, CopyName, FillId, OrderId, Side, Symbol, Terms

STOP_LEG, TARGET_LEG = 1, 2  # `Copy.leg` of a template's


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
    changed_at: datetime | None = None  # when the latest of them was made
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
    leg: int = 0  # which leg of a template it is (template.py); 0: none, as everything that stands for the leader's
    template: Template | None = None  # an entry: what protects it while the leader does not
    measured: Decimal | None = None  # the price of an entry that its template is measured from
    # A request whose answer was lost
    lost_at: datetime | None = None
    absent_at: datetime | None = None  # when the last of these look-ups was asked
    missed_at: datetime | None = None  # when it was looked up because it was accepted and nothing has shown it
    absent: int = 0  # look-ups after the settling time that agree it does not exist

    @property
    def open(self) -> bool:
        """Not at its end. A change of an order is at its end once the order shows it."""
        if self.carrier is not None:
            return False  # the carrier is
        return self.stage.open and (self.stage is not Stage.WORKING or self.trades)

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

    @property
    def alive(self) -> bool:
        """Is it not at its end, or wanted again, or is there to be room for it yet?"""
        return self.open or self.restore or (self.stage is Stage.SKIPPED and self.reason == CAPPED)

    @property
    def words(self) -> str:
        """Sell 2 MESZ6 Market"""
        quantity = self.terms.quantity if self.terms else 0
        kind = self.terms.order_type.value if self.terms else ""
        return f"{self.side.value} {quantity} {self.symbol} {kind}".rstrip()

    def carried(self, by: Copy) -> Copy:
        """This row while the order of `by` stands for it: what becomes of that one becomes of it."""
        why = f"goes with the order of execution {by.leader_fill_id}"
        return evolve(
            self,
            client_id=by.client_id,
            stage=by.stage,
            carrier=by.id,
            order_id=by.order_id,
            sent_at=by.sent_at,
            answered_at=by.answered_at,
            reason=f"{why}: {by.reason}" if by.reason else why,
        )


class Copies(Register[CopyId, Copy]):
    """All of a session, and at hand those that live."""

    __slots__ = ()

    @staticmethod
    def lives(value: Copy) -> bool:
        return value.open or value.alive
