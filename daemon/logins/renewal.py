"""When a token is renewed next: well before its end, and after a failure ever more slowly.

Rule 1: the moment is a share of the token's own life, never a constant; it is jittered, so that logins that began
        together do not ask together.
Rule 2: after a failure it is tried until 5 minutes before the end. A grant that can renew also an ended token goes on.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import attrs

from daemon.logins.grant import Token
from daemon.ports import Ports

RENEW_AT = 2 / 3  # of the token's life: 60 of Tradovate's usual 90 minutes, which leaves time for many tries
JITTER = 0.02  # of the token's life
RENEW_RETRY = (20.0, 40.0)  # seconds after a renewal that failed for the first time; then doubled, up to
RENEW_RETRY_MOST = 5 * 60.0  # seconds: fifteen renewals in an hour have been seen to be one address's share
AFTER_A_REOPENING = (30.0, 90.0)  # seconds: the dials come first
LAST_RENEWAL = timedelta(minutes=5)  # before the end: after that a new token is asked for at the next dial


@attrs.define(eq=False, repr=False)
class Renewal:
    """`at` is the moment, None when there is nothing to renew."""

    ports: Ports
    at: datetime | None = None
    _pause: float = 0.0  # the last one between two tries, in seconds

    @property
    def wait(self) -> float:
        """In seconds; for ever when there is nothing to renew."""
        return math.inf if self.at is None else max(0.0, (self.at - self.ports.wall()).total_seconds())

    def plan(self, token: Token) -> None:
        """For a token that is new here."""
        self._pause = 0.0
        share = RENEW_AT + self.ports.dice.uniform(-JITTER, JITTER)
        self.at = token.granted_at + (token.expires_at - token.granted_at) * share

    def again(self, token: Token | None, outlasts: bool) -> None:
        """After a try that failed. `outlasts`: an ended token can still be renewed."""
        self._pause = min(2 * self._pause, RENEW_RETRY_MOST) or self.ports.dice.uniform(*RENEW_RETRY)
        again = self.ports.wall() + timedelta(seconds=self._pause)
        in_time = token is not None and (outlasts or again < _last(token))
        self.at = again if in_time else None

    def put_off(self, token: Token, until: datetime, now: datetime) -> bool:
        """Until a little after that moment, where the token lasts beyond it, or has ended already."""
        if now < token.expires_at <= until + LAST_RENEWAL:
            return False
        self.at = until + timedelta(seconds=self.ports.dice.uniform(*AFTER_A_REOPENING))
        return True

    def stop(self) -> None:
        self.at = None


def _last(token: Token) -> datetime:
    return token.expires_at - min(LAST_RENEWAL, (token.expires_at - token.granted_at) / 6)
