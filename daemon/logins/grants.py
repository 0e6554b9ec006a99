"""The two grants: a password with an API key, and an authorization that the user has given in a browser.

Rule 1: secrets are read at each request, so that a changed one is found without a restart.
Rule 2: the refresh token lives in the ledger alone; what is asked with is what was written down last.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from datetime import datetime

import attrs

from daemon.logins.grant import Doubted, Facts, GrantAnswer, NoToken, Token, TokenStore
from daemon.tradovate.answers import BadCredentials, Credentials, Granted, Unreachable
from daemon.tradovate.oauth import Application, Declined, OAuth, Pair, PairAnswer
from daemon.tradovate.rest import Rest
from statecharts.states import Cause

_KEY = "fingerprint key"
_BROKERS_TROUBLE = ("server_error", "temporarily_unavailable")
_DEFINITE = ("invalid_grant", "invalid_client", "unauthorized_client", "unsupported_grant_type")


def fingerprint(facts: Facts, *parts: str | int | None) -> str:
    """Tells whether a credential is still the same. Keyed, so that nobody can look for a password that fits."""
    key = facts.fact(_KEY)
    if key is None:
        key = secrets.token_hex(32)
        facts.keep_fact(_KEY, key)
    return hmac.new(bytes.fromhex(key), json.dumps(parts).encode(), hashlib.sha256).hexdigest()


@attrs.define(eq=False, repr=False)
class PasswordGrant:
    """`credentials` reads them anew and raises NoToken when there are none."""

    rest: Rest
    credentials: Callable[[], Credentials]
    facts: Facts
    asked_with: str = ""
    outlasts_tokens: bool = False

    def fingerprint(self) -> str:
        return self._fingerprint(self.credentials())

    def _fingerprint(self, who: Credentials) -> str:
        return fingerprint(
            self.facts, who.username, who.password, who.app_id, who.app_version, who.cid, who.sec, who.device_id
        )

    async def obtain(self, ticket: str = "") -> GrantAnswer:
        who = self.credentials()
        self.asked_with = self._fingerprint(who)
        return await self.rest.access_token(who, ticket)

    async def renew(self, token: Token, ticket: str = "") -> GrantAnswer:
        return await self.rest.renew(token.text, ticket)

    async def extend(self, token: Token) -> GrantAnswer:
        return await self.rest.renew(token.text)

    async def accepted(self, token: str) -> bool:
        return await self.rest.accepted(token)


@attrs.define(eq=False, repr=False)
class OAuthGrant:
    """`application` reads the client's secret anew and raises NoToken when it cannot be read."""

    login: str
    oauth: OAuth
    rest: Rest
    application: Callable[[], Application]
    store: TokenStore
    wall: Callable[[], datetime]
    asked_with: str = ""

    @property
    def outlasts_tokens(self) -> bool:
        return self.store.refresh_token(self.login) is not None

    def fingerprint(self) -> str:
        return self._fingerprint(self.application(), self._refresh_token())

    def _fingerprint(self, app: Application, refresh: str) -> str:
        return fingerprint(self.store, app.client_id, app.client_secret, app.redirect_uri, refresh)

    def _refresh_token(self) -> str:
        kept = self.store.refresh_token(self.login)
        if kept is None:
            words = f"login {self.login} has not been authorized in a browser, or must be again"
            raise NoToken(words, Cause.CREDENTIALS, final=True)
        return kept[0]

    async def obtain(self, ticket: str = "") -> GrantAnswer:
        return await self._refreshed(self._refresh_token(), ticket)

    async def renew(self, token: Token, ticket: str = "") -> GrantAnswer:
        """Where the broker gave no refresh token, its older way extends the access token instead."""
        if not self.outlasts_tokens:
            return await self.rest.renew(token.text, ticket)
        return await self._refreshed(self._refresh_token(), ticket)

    async def accepted(self, token: str) -> bool:
        return await self.rest.accepted(token)

    async def extend(self, token: Token) -> GrantAnswer:
        answer, kept = await self.rest.renew(token.text), self.store.refresh_token(self.login)
        if isinstance(answer, Granted) and kept is not None:
            return attrs.evolve(answer, refresh=kept[0], refresh_expires_at=kept[1])
        return answer

    async def _refreshed(self, refresh: str, ticket: str) -> GrantAnswer:
        app, asked_at = self.application(), self.wall()
        self.asked_with = self._fingerprint(app, refresh)
        return judged(await self.oauth.refresh(app, refresh, ticket), asked_at, refresh)


def judged(answer: PairAnswer, asked_at: datetime, kept: str = "") -> GrantAnswer:
    """What a refresh comes to. `kept` stays good when the broker gives no other (RFC 6749, 6)."""
    match answer:
        case Pair():
            return granted(answer, asked_at, kept)
        case Declined(error=error) if error in _BROKERS_TROUBLE:
            return Unreachable(str(answer))
        case Declined(error=error) if error in _DEFINITE:
            return BadCredentials(str(answer))
        case Declined():
            return Doubted(str(answer))
    return answer


def granted(pair: Pair, asked_at: datetime, kept: str = "", user_id: int | None = None) -> Granted:
    ends = None if pair.refresh_life is None else asked_at + pair.refresh_life
    refresh = pair.refresh or kept
    return Granted(pair.access, asked_at + pair.life, user_id, "Active", pair.server_date, refresh, ends)
