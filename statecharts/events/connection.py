"""What becomes of an account's connection."""

from __future__ import annotations

import attrs

from statecharts.events.event import Event
from statecharts.states import Cause
from statecharts.view import Snapshot


@attrs.frozen(kw_only=True)
class Started(Event):
    """The daemon has started this account."""


@attrs.frozen(kw_only=True)
class TimerFired(Event):
    """The wait of the present state is over."""


@attrs.frozen(kw_only=True)
class SessionFound(Event):
    """A session of the same login is up, or a slow probe reached the broker: no need to wait any longer."""


@attrs.frozen(kw_only=True)
class Authorized(Event):
    """The login's socket is authorized."""


@attrs.frozen(kw_only=True)
class SessionLost(Event):
    """The session ended, or could not be made. `advice`: what a human can do, where it is more than to wait."""

    reason: str
    cause: Cause = Cause.NETWORK
    advice: str | None = None


@attrs.frozen(kw_only=True)
class TokenRefused(Event):
    """The broker refused the credential or the token for good."""

    reason: str


@attrs.frozen(kw_only=True)
class AccountMissing(Event):
    """The login does not see an account of the configured name."""

    reason: str


@attrs.frozen(kw_only=True)
class SnapshotTaken(Event):
    """The account has been read anew."""

    snapshot: Snapshot
