"""The end of a token that has no successor: told once, with what it means.

Rule: an open socket outlives its token, so nothing ends with it; the next dial needs another one.
"""

from __future__ import annotations

import math

import attrs

from daemon.logins.grant import NoToken, Teller, Token
from daemon.ports import Ports


@attrs.define(eq=False, repr=False)
class End:
    ports: Ports
    tell: Teller
    _token: Token | None = None

    def of(self, token: Token | None) -> None:
        """From now on it is this one's."""
        self._token = token

    @property
    def wait(self) -> float:
        """In seconds; for ever when nothing ends."""
        if self._token is None:
            return math.inf
        return max(0.0, (self._token.expires_at - self.ports.wall()).total_seconds())

    def tell_when_due(self, failure: NoToken | None) -> None:
        """`failure` of its last renewal."""
        if self._token is None or self.wait > 0:
            return
        why = f", {failure.reason}" if failure is not None else ""
        words = f"TOKEN EXPIRED {self._token.expires_at:%H:%M:%S} UTC{why}"
        self._token = None
        if failure is not None and (failure.final or failure.advice):
            self.tell("token.expired", words, failure.advice or "copierctl authorize LOGIN")
        else:
            self.tell("token.expired", f"{words}. The next connection asks for a new one")
