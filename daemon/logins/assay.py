"""An assay of the token: one renewal tells whether its session still stands at the broker, and on which host it lives.

Rule 1: renewaccesstoken is asked, whatever else the grant has: a refresh would say nothing of this session.
Rule 2: a renewal that was granted is used; a token that is worth nothing is forgotten.
Rule 3: a server in trouble is not asked at every dial: renewals are counted per address.
Rule 4: a token that has ended cannot be renewed whatever became of its session, so that it cannot tells of no eviction.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import attrs

from daemon.logins import standing
from daemon.logins.grant import Grant, Token
from daemon.logins.home import Home
from daemon.logins.purse import Purse
from daemon.logins.restraint import Restraint
from daemon.logins.standing import DEFINITE, SESSION_GONE, Standing
from daemon.ports import Ports
from daemon.tradovate.answers import Granted

REFUSED = frozenset(DEFINITE) - {SESSION_GONE}  # the token as such
AGAIN_AFTER = timedelta(minutes=5)


@attrs.define(eq=False, repr=False)
class Assay:
    """`granted` takes a renewed token, `forget` gives up the one that there is."""

    grant: Grant
    purse: Purse
    restraint: Restraint
    home: Home | None
    ports: Ports
    granted: Callable[[Granted], Token]
    forget: Callable[[], None]
    _last: tuple[datetime, Standing] | None = None

    async def tested(self, status: int, token: Token | None = None) -> Standing:
        """After the token was answered with `status`. `token`: the one that was, which may have been replaced since."""
        known = self.purse.token
        if known is None:
            return Standing.VOID
        if token is not None and token != known:
            return Standing.LIVES  # another has taken its place meanwhile
        if status not in DEFINITE and self._last is not None and self.ports.wall() - self._last[0] < AGAIN_AFTER:
            return self._last[1]
        if known.expires_at <= self.ports.wall() and status not in REFUSED:
            return Standing.UNCLEAR
        self.restraint.check_hold()
        answer = await self.grant.extend(known)
        found = standing.after(status, answer)
        if isinstance(answer, Granted):
            self.granted(answer)
        elif found in (Standing.VOID, Standing.GONE):
            self.forget()
        self._last = self.ports.wall(), found
        return found

    async def moved(self) -> bool:
        """Does the answer name another host than the one that has refused us?"""
        token, before = self.purse.current, self.home.elsewhere if self.home is not None else None
        if token is None or self.home is None:
            return False
        self.restraint.check_hold()
        answer = await self.grant.extend(token)
        if isinstance(answer, Granted):
            self.granted(answer)
        return self.home.elsewhere != before
