"""What one follower remembers of one contract, of its market, and of what is to be flat."""

from __future__ import annotations

import enum
from datetime import datetime

import attrs

from statecharts.values import CopyId, OrderId, Symbol


@attrs.frozen(kw_only=True)
class Exposure:
    """So much of our position has no stop, and since when. `told`: also the operator knows.

    `needed` is what stops had to protect then. `mending`: what is to help was under way already when it was seen.
    """

    since: datetime
    quantity: int
    why: str
    told: bool = False
    needed: int = 0
    mending: bool = False


@attrs.frozen(kw_only=True, slots=False)  # copied whole with each change, see evolution.py
class Contract:
    """What one follower remembers of one contract.

    `own` is our position in it. `no_entry` says why nothing opens until the leader is flat in it. `foreign` is the part
    of the position that is not ours, since the trade `foreign_order` at `foreign_at`; `accepted` is how much of it the
    operator has released, so that we trade beside it. `beside` are the orders of somebody else that work here and bar
    openings, `tolerated` those of them that were released. `close_to` is the position that ours is being brought to at
    market, and why.
    """

    own: int = 0
    no_entry: str | None = None
    foreign: int = 0
    foreign_at: datetime | None = None
    foreign_order: OrderId | None = None
    accepted: int = 0
    beside: frozenset[OrderId] = frozenset()
    tolerated: frozenset[OrderId] = frozenset()
    close_to: int | None = None
    close_why: str | None = None
    refused: int = 0  # closings refused in a row
    limited: int = 0  # of these, the last ones in a row because the broker limits requests
    clear: bool = False  # the next closing waits until no other order of ours is in its way
    piece: int | None = None  # the most contracts that one closing asks for: more were refused
    retry_at: datetime | None = None
    opens_at: datetime | None = None  # the market is closed until then, and the closing waits for it
    newest_fill: int = 0  # of ours
    # Nothing is sent here before a later generation has been read (firm.py, unknowns.py).
    frozen_since: int | None = None
    left: bool = False  # what we own beyond the leader's was left as it is (catch_up = none)
    apart: datetime | None = None  # it was told that we are not like the leader, until that closure's end
    due: bool = False  # the catch-up table has yet to look at it: an order of ours was in doubt
    busted: str | None = None  # what the exchange took back, of the leader's or of ours: it is yet to be compared
    guarded: tuple[CopyId, ...] = ()  # entries whose exits are looked after, see guards.py
    exposed: Exposure | None = None
    restored_at: datetime | None = None  # when exits that were gone were last placed anew
    too_much_since: datetime | None = None  # nothing explains any more that ours is beyond the leader's, see excess.py
    excess_since: datetime | None = None  # stops are larger than our position, while openings may still make up for it
    taken_by: CopyId | None = None  # a template's leg that took more than the leader has left, see stopped_out.py
    short_at: datetime | None = None  # when that is told, and the contract waits for him
    out_since: datetime | None = None  # since when something is to be gone, and is not; see overdue.py
    out_paged: bool = False

    @property
    def plain(self) -> bool:
        """Is nothing noted of it but what is ours, and that this should be on its way out?"""
        return vars(self) | _OURS == _PLAIN


_OURS = {"own": 0, "newest_fill": 0, "out_since": None, "out_paged": False}
_PLAIN = vars(Contract()) | _OURS


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
