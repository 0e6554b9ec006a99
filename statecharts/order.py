"""The chart of one copy: what became of something that was, or was to be, sent to the broker.

Intended -> Sent -> Accepted -> Working -> Filled | Canceled | Rejected | Expired, and Unknown for a request whose
answer was lost. Held waits for our own position before it is sent; Skipped and Shadowed were never sent at all.

Rule 1: Unknown is left only by what the broker says: found (any stage) or, looked up in vain, Skipped. Never by time.
Rule 2: a stage never goes back towards the wire; only an order that certainly does not exist is put back, and a request
        that the broker has put off waits.
"""

from __future__ import annotations

import enum
from functools import cached_property

from statecharts.chart import Chart, Row
from statecharts.values import Status


class Stage(enum.Enum):
    __hash__ = object.__hash__  # as in values.py

    HELD = "held"
    INTENDED = "intended"
    SENT = "sent"
    ACCEPTED = "accepted"
    WORKING = "working"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SKIPPED = "skipped"
    SHADOWED = "shadowed"

    @cached_property
    def open(self) -> bool:
        """May this still fill, or is nobody sure?"""
        return Family.OPEN in _LINEAGE[self]

    @cached_property
    def live(self) -> bool:
        """Is it perhaps at the broker?"""
        return Family.LIVE in _LINEAGE[self]

    @cached_property
    def in_doubt(self) -> bool:
        """On its way, and the broker has not answered."""
        return self in (Stage.INTENDED, Stage.SENT, Stage.UNKNOWN)

    @cached_property
    def outcome(self) -> str:
        """The word of the contract: held is not yet sent, and accepted not yet working."""
        return _OUTCOME.get(self, self.value)


class Family(enum.Enum):
    """Superstates of the stages."""

    __hash__ = object.__hash__

    ANY = "any"
    OPEN = "open"  # not at its end
    LIVE = "live"  # perhaps at the broker
    DONE = "done"


class News(enum.Enum):
    """What can be heard of a copy."""

    __hash__ = object.__hash__

    RELEASED = "released"  # from held: its turn has come
    SENT = "sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    ANSWER_LOST = "answer lost"
    NEVER_SENT = "never sent"
    VANISHED = "vanished"  # the broker's lists no longer show it
    ABSENT = "absent"  # looked up twice after the settling time: the broker does not know it
    PUT_OFF = "put off"  # not processed, and to be sent again after a while (penalty ticket)
    GIVEN_UP = "given up"  # held in vain
    PUT_BACK = "put back"  # what certainly does not exist is derived again
    WORKING = "working"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"


_OUTCOME = {Stage.HELD: "intended", Stage.ACCEPTED: "sent"}
_LINEAGE: dict[Stage, tuple[Stage | Family, ...]] = {
    **{stage: (stage, Family.OPEN, Family.ANY) for stage in (Stage.HELD,)},
    **{
        stage: (stage, Family.LIVE, Family.OPEN, Family.ANY)
        for stage in (Stage.INTENDED, Stage.SENT, Stage.ACCEPTED, Stage.WORKING, Stage.UNKNOWN)
    },
    **{
        stage: (stage, Family.DONE, Family.ANY)
        for stage in (Stage.FILLED, Stage.CANCELED, Stage.REJECTED, Stage.EXPIRED, Stage.SKIPPED, Stage.SHADOWED)
    },
}

STAYS = None  # the news says nothing new

CHART: Chart[Stage | None] = Chart.build(
    Row(Stage.HELD,      News.RELEASED,     Stage.INTENDED),
    Row(Stage.HELD,      News.GIVEN_UP,     Stage.SKIPPED),
    # Real world: a power cut has taken from the ledger that it went.
    Row(Stage.HELD,      News.SENT,         Stage.SENT),
    Row(Stage.INTENDED,  News.SENT,         Stage.SENT),
    Row(Stage.INTENDED,  News.NEVER_SENT,   Stage.SKIPPED),
    Row(Stage.INTENDED,  News.ACCEPTED,     Stage.ACCEPTED),
    Row(Stage.SENT,      News.ACCEPTED,     Stage.ACCEPTED),
    Row(Stage.INTENDED,  News.REFUSED,      Stage.REJECTED),
    Row(Stage.SENT,      News.REFUSED,      Stage.REJECTED),
    Row(Stage.INTENDED,  News.ANSWER_LOST,  Stage.UNKNOWN),
    Row(Stage.SENT,      News.ANSWER_LOST,  Stage.UNKNOWN),
    Row(Stage.INTENDED,  News.PUT_OFF,      Stage.HELD),
    Row(Stage.SENT,      News.PUT_OFF,      Stage.HELD),
    Row(Stage.UNKNOWN,   News.PUT_OFF,      Stage.HELD),
    Row(Stage.UNKNOWN,   News.ACCEPTED,     Stage.ACCEPTED),
    Row(Stage.UNKNOWN,   News.ABSENT,       Stage.SKIPPED),
    # Real world: a refusal can follow a deadline that we had already given up on.
    Row(Stage.UNKNOWN,   News.REFUSED,      Stage.REJECTED),
    Row(Stage.SKIPPED,   News.PUT_BACK,     Stage.HELD),
    Row(Stage.CANCELED,  News.PUT_BACK,     Stage.HELD),
    Row(Stage.EXPIRED,   News.PUT_BACK,     Stage.HELD),
    Row(Stage.REJECTED,  News.PUT_BACK,     Stage.HELD),
    # A change of an order that was accepted, and that the order itself never shows.
    Row(Stage.ACCEPTED,  News.ABSENT,       Stage.SKIPPED),
    Row(Stage.ACCEPTED,  News.VANISHED,     Stage.UNKNOWN),
    Row(Stage.WORKING,   News.VANISHED,     Stage.UNKNOWN),
    # Real world: events overtake the answer, so any stage on the wire may be told its end.
    Row(Family.LIVE,     News.WORKING,      Stage.WORKING),
    Row(Family.LIVE,     News.FILLED,       Stage.FILLED),
    Row(Family.LIVE,     News.CANCELED,     Stage.CANCELED),
    Row(Family.LIVE,     News.REJECTED,     Stage.REJECTED),
    Row(Family.LIVE,     News.EXPIRED,      Stage.EXPIRED),
    # Real world: the answer comes after the events that it announces; it says nothing new then.
    Row(Stage.WORKING,   News.SENT,         STAYS),
    Row(Stage.WORKING,   News.ACCEPTED,     STAYS),
    Row(Stage.WORKING,   News.ANSWER_LOST,  STAYS),
    Row(Stage.ACCEPTED,  News.SENT,         STAYS),
    Row(Stage.ACCEPTED,  News.ACCEPTED,     STAYS),
    Row(Stage.ACCEPTED,  News.ANSWER_LOST,  STAYS),
    Row(Stage.UNKNOWN,   News.SENT,         STAYS),
    Row(Stage.UNKNOWN,   News.ANSWER_LOST,  STAYS),
    # Real world: a fill is reported after the cancel was confirmed, and an order that two look-ups did not find.
    Row(Stage.CANCELED,  News.FILLED,       Stage.FILLED),
    Row(Stage.EXPIRED,   News.FILLED,       Stage.FILLED),
    Row(Stage.REJECTED,  News.FILLED,       Stage.FILLED),
    Row(Stage.REJECTED,  News.WORKING,      Stage.WORKING),
    Row(Stage.SKIPPED,   News.WORKING,      Stage.WORKING),
    Row(Stage.SKIPPED,   News.FILLED,       Stage.FILLED),
    Row(Stage.SKIPPED,   News.CANCELED,     Stage.CANCELED),
    Row(Stage.SKIPPED,   News.REJECTED,     STAYS),
    Row(Stage.SKIPPED,   News.EXPIRED,      STAYS),
    # The same end again, with more fills or none.
    Row(Stage.FILLED,    News.FILLED,       STAYS),
    Row(Stage.CANCELED,  News.CANCELED,     STAYS),
    Row(Stage.REJECTED,  News.REJECTED,     STAYS),
    Row(Stage.EXPIRED,   News.EXPIRED,      STAYS),
    # A change of an order that came to its end first: the answer only confirms it.
    Row(Stage.REJECTED,  News.REFUSED,      STAYS),
    Row(Stage.CANCELED,  News.REFUSED,      STAYS),
    Row(Stage.REJECTED,  News.NEVER_SENT,   STAYS),
    Row(Stage.CANCELED,  News.NEVER_SENT,   STAYS),
    # Real world: a no comes when nobody waits for an answer any more, and it has been looked up or asked for again.
    Row(Stage.SKIPPED,   News.REFUSED,      STAYS),
    Row(Stage.SKIPPED,   News.PUT_OFF,      STAYS),
    Row(Family.DONE,     News.SENT,         STAYS),
    Row(Family.DONE,     News.ACCEPTED,     STAYS),
    Row(Family.DONE,     News.ANSWER_LOST,  STAYS),
)  # fmt: skip

_NEWS = {
    Status.PENDING_NEW: News.ACCEPTED,
    Status.SUSPENDED: News.WORKING,
    Status.WORKING: News.WORKING,
    Status.PENDING_REPLACE: News.WORKING,
    Status.PENDING_CANCEL: News.WORKING,
    Status.FILLED: News.FILLED,
    Status.COMPLETED: News.FILLED,
    Status.CANCELED: News.CANCELED,
    Status.REJECTED: News.REJECTED,
    Status.EXPIRED: News.EXPIRED,
}


def news_of(status: Status) -> News | None:
    """What the broker's status says of a copy; None where the broker itself says Unknown."""
    return _NEWS.get(status)


def step(stage: Stage, news: News) -> Stage | None:
    """The stage after the news; None when the chart has no row for it. Total: never raises."""
    row = CHART.find(_LINEAGE[stage], (news,))
    if row is None:
        return None
    return stage if row.then is STAYS else row.then
