"""Why the broker does not serve us: too many requests, trouble of its own, or another login that took our session.

Rule 1: it is asked before anything is concluded (see standing.py), and nobody is accused of having taken a session that
        a server in trouble has not served.
Rule 2: a limit holds the whole process, and the login's budget shrinks; a server's trouble holds nobody.
Rule 3: when it cannot be told twice in a row, the session is of no use, and a new connection tells.
"""

from __future__ import annotations

import attrs
import trio

from daemon.logins import losses
from daemon.logins.budget import Budget
from daemon.logins.grant import NoToken, Token
from daemon.logins.losses import Loss
from daemon.logins.rate import Rate
from daemon.logins.standing import DEFINITE, LIMITS, SERVERS_OWN, SESSION_GONE, Standing
from daemon.logins.tokens import Tokens
from statecharts.states import Cause

ASK_AGAIN_AFTER = 30.0  # seconds: one renewal answers for all requests that were refused together
UNCLEAR_THAT_TELLS = 2  # renewals in a row that did not tell


@attrs.define(eq=False, repr=False)
class Inquiry:
    """One session's."""

    tokens: Tokens
    budget: Budget
    rate: Rate
    _answer: tuple[int, str] = (0, "")  # the last one of that kind
    _came: trio.Event = attrs.field(factory=trio.Event)

    async def refused(self, token: Token, status: int, words: str) -> NoToken:
        """Why there is no session with this token. It is given up only when a renewal is refused as well."""
        found = await self.tokens.standing(status, token)
        if status in DEFINITE:
            self.tokens.refused()
        elif status in LIMITS and found in (Standing.LIVES, Standing.UNCLEAR):
            self.budget.limited(f"the broker limits requests ({status})")
            self.rate.shrink()
        return losses.refused(found, status, words)

    def look_at(self, status: int, endpoint: str) -> None:
        """How a request was answered: does it say that it might have been served at another time, or to another?"""
        if status == SESSION_GONE or status in LIMITS or status >= SERVERS_OWN:
            self._answer = status, f"{endpoint} was answered with {status}"
            self._came.set()

    async def run(self) -> Loss:
        """Returns when the session is of no use any more."""
        unclear = 0
        while True:
            await self._came.wait()
            self._came = trio.Event()
            status, words = self._answer
            try:
                found = await self.tokens.standing(status)
            except NoToken:
                continue  # the process holds already
            if found in (Standing.GONE, Standing.VOID):
                return Loss(f"another login took the session ({words})", Cause.EVICTED)
            if status in LIMITS:
                self.budget.limited(f"the broker limits requests ({words})")
                self.rate.shrink()
            unclear = unclear + 1 if found is Standing.UNCLEAR else 0
            if unclear >= UNCLEAR_THAT_TELLS:
                return losses.useless(status, words)
            await trio.sleep(ASK_AGAIN_AFTER)
