"""Access tokens and the sessions behind them.

Every token request opens a session; at most `max_sessions` live per user, one more closes the oldest, whose token then
gets 408, 429 or 500. Renewal makes a new token in the same session. An authorized socket outlives its token.
(Tradovate OpenAPI, accessTokenRequest and renewAccessToken.)
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

import attrs

from daemon.simulator.entities import Entities, Entity, stamp
from daemon.simulator.faults import Faults
from daemon.simulator.logins import Login


@attrs.define
class TokenSession:
    """What one successful token request opened."""

    session_id: int
    login: Login
    device: str | None
    expires: datetime
    evicted: bool = False


@attrs.define
class Token:
    """One access token. The old one of a renewed session stays good until its own end."""

    text: str
    session: TokenSession
    expires: datetime
    revoked: bool = False


@attrs.frozen
class Refused:
    """A token that is no good: the HTTP status and the text for it."""

    status: int
    text: str


class Tokens:
    """All tokens of all users."""

    def __init__(
        self, entities: Entities, now: Callable[[], datetime], dice: Random, conditions: Callable[[], Faults]
    ) -> None:
        self._entities = entities
        self._now = now
        self._dice = dice
        self._conditions = conditions
        self._tokens: dict[str, Token] = {}
        self._sessions: list[TokenSession] = []

    @property
    def issued(self) -> tuple[str, ...]:
        """The tokens of the last day, for whoever looks where they must not be."""
        return tuple(self._tokens)

    def open(self, login: Login, device: str | None) -> tuple[Token, list[TokenSession]]:
        """A new session and its token, and the sessions that had to go for it."""
        session = TokenSession(self._entities.issue(), login, device, self._now())
        gone: list[TokenSession] = []
        living = self.living(login)
        while len(living) >= self._conditions().max_sessions:
            oldest = living.pop(0)
            oldest.evicted = True
            gone.append(oldest)
        self._sessions.append(session)
        return self.issue(session), gone

    def renew(self, token: Token) -> Token:
        """A new token with a later end in the same session."""
        if self._conditions().renew_same_token:
            return token
        return self.issue(token.session)

    def check(self, text: str) -> Token | Refused:
        """The token of this text, or how it is refused."""
        token = self._tokens.get(text)
        if token is None or token.revoked:
            return Refused(401, "Access is denied")
        if token.session.evicted:
            return Refused(self._conditions().evicted_status, "")
        if token.expires <= self._now():
            return Refused(401, "Expired Access Token")
        return token

    def living(self, login: Login) -> list[TokenSession]:
        """The user's sessions that are neither closed nor past the end of their last token, oldest first."""
        now = self._now()
        self._sessions = [session for session in self._sessions if session.expires > now]
        return [session for session in self._sessions if session.login is login and not session.evicted]

    def expire(self, login: Login) -> None:
        """Every token of the user ends now."""
        for token in self._of(login):
            token.expires = min(token.expires, self._now())
            token.session.expires = token.expires

    def revoke(self, login: Login) -> None:
        """Every token of the user is void although it has not expired, as after a change of password."""
        for token in self._of(login):
            token.revoked = True
            token.session.expires = self._now()

    def evict(self, login: Login) -> list[TokenSession]:
        """Close the user's sessions, as a log-in elsewhere does."""
        gone = self.living(login)
        for session in gone:
            session.evicted = True
        return gone

    def _of(self, login: Login) -> list[Token]:
        return [token for token in self._tokens.values() if token.session.login is login]

    def issue(self, session: TokenSession) -> Token:
        """A further token of a session."""
        now = self._now()
        text = f"tok-{session.login.user_id}-{session.session_id}-{self._dice.getrandbits(96):024x}"
        session.expires = now + timedelta(seconds=self._conditions().token_life)
        token = Token(text, session, session.expires)
        self._tokens = {known.text: known for known in self._tokens.values() if known.expires > now - timedelta(days=1)}
        self._tokens[text] = token
        return token


def describe_token(token: Token, now: datetime, shift: float = 0.0) -> Entity:
    """The answer of accesstokenrequest and renewaccesstoken, with what the official example has beyond the schema.

    `shift`: how many seconds the end that is told is later than the real one.
    """
    login = token.session.login
    return {
        "accessToken": token.text,
        "mdAccessToken": token.text.replace("tok-", "mdt-", 1),
        "expirationTime": stamp(token.expires + timedelta(seconds=shift)),
        "passwordExpirationTime": stamp(now + timedelta(days=365)),
        "userStatus": login.spec.status,
        "userId": login.user_id,
        "name": login.spec.username,
        "hasLive": True,
        "outdatedTaC": False,
        "hasFunded": True,
        "hasMarketData": login.spec.market_data,
        "outdatedLiquidationPolicy": False,
    }
