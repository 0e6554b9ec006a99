"""The states of an account's connection. A superstate is a base class: to be in `Copying` is to be in `Connected`.

Rule 1: a state is a value; to enter it again is to make a new one, and whatever ran in the old one ends.
Rule 2: `since` is when the shown state began, so a whole outage counts from the moment that copying stopped.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import ClassVar

import attrs


class Cause(enum.Enum):
    """Why an account is not copying, in the words of the status."""

    BROKER = "broker"
    NETWORK = "network"
    CREDENTIALS = "credentials"
    EVICTED = "evicted"
    PENALTY = "penalty"
    MAINTENANCE = "maintenance"
    OPERATOR = "operator"
    BUG = "bug"


@attrs.frozen(kw_only=True)
class State:
    """Any state. `reason` is a phrase for the operator, `cause` its category (both None when all is well).

    `advice` is what helps, where whoever told of the trouble knew more than the category says.
    """

    shown: ClassVar[str]
    colour: ClassVar[str]

    since: datetime
    reason: str | None = None
    cause: Cause | None = None
    advice: str | None = None


@attrs.frozen(kw_only=True)
class HoldsSession(State):
    """The states that hold a lease on the login's session; leaving them all drops the lease."""


@attrs.frozen(kw_only=True)
class Connected(State):
    shown = "Connected"
    colour = "green"


@attrs.frozen(kw_only=True)
class Reconnecting(State):
    """`attempt` counts the dials of this outage, `evictions` those of them that another session ended.

    `since` is the beginning of the outage, `reopens` the end of the closure in which it began (None: in none). While
    its cause is MAINTENANCE it is expected.
    """

    shown = "Reconnecting"
    colour = "yellow"

    attempt: int = 0
    evictions: int = 0
    reopens: datetime | None = None


@attrs.frozen(kw_only=True)
class Disconnected(State):
    shown = "Disconnected"
    colour = "red"


@attrs.frozen(kw_only=True)
class TokenExpired(State):
    shown = "TokenExpired"
    colour = "gray"


@attrs.frozen(kw_only=True)
class Copying(Connected, HoldsSession):
    """What failed before is remembered until this has held for a minute: servers exist that accept and then close.

    Evictions are, for an hour.
    """

    attempt: int = 0
    evictions: int = 0


@attrs.frozen(kw_only=True)
class BackingOff(Reconnecting):
    """Waits before dial number `attempt`."""


@attrs.frozen(kw_only=True)
class Maintenance(Reconnecting):
    """Waits for the end of a closure: of the broker's maintenance, or of the market. Burns no attempt."""

    until: datetime


@attrs.frozen(kw_only=True)
class Dialing(Reconnecting, HoldsSession):
    """Token, socket, authorize."""


@attrs.frozen(kw_only=True)
class Resyncing(Reconnecting, HoldsSession):
    """Authorized; the account is read again before anything is copied."""


@attrs.frozen(kw_only=True)
class Stopped(Disconnected):
    """Only the operator leads out of here."""


@attrs.frozen(kw_only=True)
class GivenUp(Disconnected):
    """Failed since `lost_at`, for too long. Still probes slowly: a broker that is back must not need a human."""

    lost_at: datetime
    evictions: int = 0


@attrs.frozen(kw_only=True)
class Unauthorized(TokenExpired):
    """The broker refused the credential. Never retried by itself."""


LEAVES: tuple[type[State], ...] = (
    Copying,
    BackingOff,
    Maintenance,
    Dialing,
    Resyncing,
    Stopped,
    GivenUp,
    Unauthorized,
)
