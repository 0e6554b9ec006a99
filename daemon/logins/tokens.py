"""The one token of a login: kept in the ledger, reused while it is valid, renewed before it ends.

Rule 1: the end is what the broker said (`expirationTime`), never a constant of ours.
Rule 2: a new token is asked for only when there is no valid one: each request opens a session that may evict another.
Rule 3: a refused credential is asked once; it is not asked again until somebody has changed something.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import attrs
import trio

from daemon.ports import Ports
from daemon.tradovate.rest import (
    BadCredentials,
    Credentials,
    Granted,
    Limited,
    NotActive,
    Penalised,
    Rest,
    TokenAnswer,
    TokenExpired,
    Unreachable,
)
from statecharts.states import Cause

RENEW_AT = 2 / 3  # of the token's life: 60 of Tradovate's usual 90 minutes, which leaves time for many tries
RENEW_RETRY = (20.0, 40.0)  # seconds after a renewal that failed for the first time; then doubled, up to
RENEW_RETRY_MOST = 5 * 60.0  # seconds: fifteen renewals in an hour have been seen to be one address's share
LAST_RENEWAL = timedelta(minutes=5)  # before the end: after that a new token is asked for at the next dial
HOLD_AFTER_429 = timedelta(seconds=30)  # when the broker does not say how long; requests inside prolong the lock-out
HOLD_AFTER_REFUSALS = timedelta(minutes=5)  # doubled each time: a new token was refused as well, so more will not help
LONGEST_HOLD = timedelta(minutes=30)
HOLD_AFTER_CAPTCHA = timedelta(hours=1)  # p-captcha: a program cannot solve it


@attrs.frozen
class Token:
    text: str = attrs.field(repr=False)
    granted_at: datetime
    expires_at: datetime
    user_id: int | None


@attrs.frozen
class NoToken(Exception):
    """There is no token to be had now. `final`: not before somebody has changed something."""

    reason: str
    cause: Cause
    final: bool = False


class TokenStore(Protocol):
    """What the ledger keeps of a login's token."""

    def keep_token(self, login: str, token: str, expires_at: datetime, user_id: int | None) -> None: ...
    def token(self, login: str) -> tuple[str, datetime, int | None] | None: ...
    def forget_token(self, login: str) -> None: ...


@attrs.define(eq=False)
class Tokens:
    """`credentials` is called at each request, so that a changed secret is found without a restart.

    `changed` is told of every new state, for the journal: an event's name and a sentence.
    """

    login: str
    rest: Rest
    credentials: Callable[[], Credentials]
    store: TokenStore
    ports: Ports
    tell: Callable[[str, str], None]
    held_until: datetime | None = None
    hold_reason: str | None = None
    requests: int = 0  # accesstokenrequests made, for metrics and tests
    skew: timedelta | None = None  # the broker's clock minus ours
    _token: Token | None = None
    _refused: NoToken | None = None
    _refusals: int = 0  # tokens that the broker did not accept, one after the other
    _one_at_a_time: trio.Lock = attrs.field(factory=trio.Lock)
    _news: trio.Event = attrs.field(factory=trio.Event)

    def load(self) -> None:
        """Takes up the token of the last process."""
        kept = self.store.token(self.login)
        if kept is not None:
            text, expires_at, user_id = kept
            self._token = Token(text, self.ports.wall(), expires_at, user_id)

    @property
    def current(self) -> Token | None:
        """The token, if it is still valid."""
        if self._token is not None and self._token.expires_at > self.ports.wall():
            return self._token
        return None

    async def valid(self) -> Token:
        """The current token, or a new one. Raises NoToken."""
        async with self._one_at_a_time:
            if self.current is not None:
                return self.current
            if self._refused is not None:
                raise self._refused
            self._check_hold()
            self.requests += 1
            return self._take(await self.rest.access_token(self.credentials()))

    def refused(self, token: Token) -> None:
        """The broker did not accept the token although it has not ended: it is worth nothing any more.

        The first time a new one may be asked for at once, then later each time: every request opens a session.
        """
        if self._token == token:
            self._token = None
            self.store.forget_token(self.login)
            self._refusals += 1
            if self._refusals > 1:
                wait = min(LONGEST_HOLD, HOLD_AFTER_REFUSALS * 2 ** min(self._refusals - 2, 10))
                self._hold(self.ports.wall() + wait, "the broker refuses even tokens that it has just issued")

    def accepted(self) -> None:
        """A socket has been authorized."""
        self._refusals = 0

    def credential_changed(self) -> None:
        """The operator has said so: a refusal of the old one counts no longer."""
        self._refused = None

    async def keep_fresh(self) -> None:
        """Renews the token for as long as the login lives."""
        while True:
            token = self.current
            if token is None:
                await self._news.wait()
                continue
            life = token.expires_at - token.granted_at
            wait = token.granted_at + life * (RENEW_AT + self.ports.dice.uniform(-0.02, 0.02)) - self.ports.wall()
            await trio.sleep(max(0.0, wait.total_seconds()))
            pause = self.ports.dice.uniform(*RENEW_RETRY)
            while self._token == token and token.expires_at - self.ports.wall() > LAST_RENEWAL:
                if await self._renewed(token):
                    break
                await trio.sleep(pause)
                pause = min(2 * pause, RENEW_RETRY_MOST)
            if self._token == token:
                # Not renewed in time: the socket stays open on an ended token, and the next dial asks for a new one.
                await self._news.wait()

    async def _renewed(self, token: Token) -> bool:
        try:
            self._check_hold()
            self._take(await self.rest.renew(token.text))
        except NoToken as error:
            self.tell("token.expiring", f"the token could not be renewed ({error.reason}); it ends {token.expires_at}")
            return False
        self.tell("token.renewed", "the token was renewed")
        return True

    def _check_hold(self) -> None:
        if self.held_until is not None and self.held_until > self.ports.wall():
            raise NoToken(f"{self.hold_reason}; nothing is asked before {self.held_until:%H:%M:%S} UTC", Cause.PENALTY)

    def _take(self, answer: TokenAnswer) -> Token:
        now = self.ports.wall()
        match answer:
            case Granted():
                if answer.server_date is not None:
                    self.skew = answer.server_date - now
                token = Token(answer.token, now, answer.expires_at, answer.user_id)
                if token.expires_at <= now:
                    self._hold(now + HOLD_AFTER_REFUSALS, "the broker's tokens end before they begin")
                    raise NoToken("the broker's token has already ended: check this machine's clock", Cause.BROKER)
                if token.user_id is None and self._token is not None:
                    token = attrs.evolve(token, user_id=self._token.user_id)
                self._token = token
                self.store.keep_token(self.login, token.text, token.expires_at, token.user_id)
                self._news.set()
                self._news = trio.Event()
                return token
            case BadCredentials(text=text):
                self._refused = NoToken(f"the broker refused the login: {text}", Cause.CREDENTIALS, final=True)
                raise self._refused
            case NotActive(status=status):
                self._refused = NoToken(f"the broker says that this user is {status}", Cause.CREDENTIALS, final=True)
                raise self._refused
            case TokenExpired(text=text):
                raise NoToken(f"the broker says that the token has ended: {text}", Cause.CREDENTIALS)
            case Penalised(seconds=seconds, captcha=captcha):
                wait = HOLD_AFTER_CAPTCHA if captcha else timedelta(seconds=seconds)
                raise self._hold(now + wait, "the broker asks to wait (penalty ticket)")
            case Limited(status=status, retry_after=retry_after):
                wait = timedelta(seconds=retry_after) if retry_after else HOLD_AFTER_429
                raise self._hold(now + wait, f"the broker limits requests ({status})")
            case Unreachable(reason=reason):
                raise NoToken(reason, Cause.NETWORK)

    def _hold(self, until: datetime, reason: str) -> NoToken:
        self.held_until, self.hold_reason = until, reason
        return NoToken(reason, Cause.PENALTY)
