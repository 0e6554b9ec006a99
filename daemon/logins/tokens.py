"""The one token of a login: kept in the ledger, reused while it is valid, renewed before it ends.

Rule 1: the end is what the broker said, never a constant of ours.
Rule 2: a new token is asked for only when there is no valid one, because each request opens a session that may evict
        another, and when nothing speaks against it (see restraint.py).
Rule 3: one task asks (see clerk.py). What is granted is written down before it is used.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

import attrs

from daemon.logins.budget import Budget
from daemon.logins.clerk import Clerk
from daemon.logins.grace import seen_through
from daemon.logins.grant import Doubted, Grant, GrantAnswer, NoToken, Teller, Token, TokenStore, WrongUser
from daemon.logins.home import Home
from daemon.logins.renewal import Renewal
from daemon.logins.restraint import HOLD_AFTER_REFUSALS, Hold, Restraint
from daemon.ports import Ports
from daemon.tradovate.answers import BadCredentials, Granted, Limited, NotActive, Penalised, TokenExpired, Unreachable
from statecharts.states import Cause

SESSION_GONE = 408  # what the broker answers for a session that it has closed; 429 and 5xx may mean other things too

__all__ = ["NoToken", "Token", "Tokens", "WrongUser"]


@attrs.define(eq=False)
class Tokens:
    """`tell` is told of every news, for the journal. `conceal` is told every token."""

    login: str
    grant: Grant
    store: TokenStore
    ports: Ports
    budget: Budget
    tell: Teller
    conceal: Callable[[str], None]
    requests: int = 0  # for a token where there was none, for metrics and tests
    skew: timedelta | None = None  # the broker's clock minus ours
    user_id: int | None = None  # whose login it is, since the first token
    refresh_expires_at: datetime | None = None
    home: Home | None = None  # None: where nobody dials with these tokens
    restraint: Restraint = attrs.field(init=False)
    renewal: Renewal = attrs.field(init=False)
    _token: Token | None = None
    _ended: Token | None = None  # of whose end has been told
    _failure: NoToken | None = None  # of the last renewal
    _clerk: Clerk = attrs.field(factory=Clerk)

    def __attrs_post_init__(self) -> None:
        self.restraint = Restraint(self.login, self.grant, self.store, self.ports, self.budget)
        self.renewal = Renewal(self.ports)

    def load(self) -> None:
        """Takes up what the last process had, its refusal included."""
        self.user_id = self.store.user(self.login)
        self.restraint.load()
        if self.home is not None:
            self.home.load()
        kept, refresh = self.store.token(self.login), self.store.refresh_token(self.login)
        if refresh is not None:
            self.conceal(refresh[0])
            self.refresh_expires_at = refresh[1]
        if kept is not None:
            text, expires_at, user_id = kept
            self.conceal(text)
            if expires_at > self.ports.wall():
                self._use(Token(text, self.ports.wall(), expires_at, user_id))
        if self.restraint.refusal is not None:
            self.renewal.stop()  # until the credential has changed, which `valid` will see

    @property
    def current(self) -> Token | None:
        """The token, if it is still valid."""
        if self._token is not None and self._token.expires_at > self.ports.wall():
            return self._token
        return None

    async def valid(self) -> Token:
        """The current token, or a new one. Raises NoToken."""
        current = self.current
        return current if current is not None else await self._clerk.do(self._asked)

    async def anew(self, fits: Callable[[Granted], Awaitable[None]]) -> bool:
        """A new token, whatever was refused before. Was a new session opened for it? Raises NoToken.

        A session that lives, with the credential of before, is only renewed: another one might push out our own.
        `fits` raises WrongUser when it is of another user than the login's; then nothing is changed.
        """
        return await self._clerk.do(partial(self._asked_anew, fits))

    async def adopt(self, granted: Granted) -> Token:
        """A token that the user has given us in the browser. Raises NoToken when it is of no use."""
        async with self._clerk.asking:
            return self._take(granted)

    def refused(self, token: Token) -> None:
        """The broker did not accept the token although it has not ended: it is worth nothing any more.

        The first time a new one may be asked for at once, then later each time: every request opens a session.
        """
        if self._token == token:
            self._token = None
            self.renewal.stop()
            self.store.forget_token(self.login)
            self.restraint.token_refused()

    def accepted(self) -> None:
        """A socket has been authorized."""
        self.restraint.token_accepted()

    def credential_changed(self) -> None:
        """The operator has said so: a refusal of the old one counts no longer."""
        self.restraint.credential_changed()
        if self.current is not None and self.renewal.at is None:
            self.renewal.at = self.ports.wall()
            self._clerk.ring()

    def mended(self) -> bool:
        """Is there another credential now than the one that was refused?"""
        return self.restraint.mended()

    async def pushed_out(self) -> bool:
        """Has another session of this user ended ours? A renewal tells: the broker renews only what still lives."""
        return await self._clerk.do(self._found_gone)

    async def moved(self) -> bool:
        """Has the broker another host for this login than the one that has refused us? It may be asked by a renewal."""
        return self.home is not None and self.home.may_ask() and await self._clerk.do(self._home_asked)

    async def keep_fresh(self) -> None:
        """Asks for tokens and renews them for as long as the login lives."""
        while True:
            await self._clerk.wait(min(self.renewal.wait, self._until_end))
            if not await self._clerk.serve() and self.renewal.wait <= 0:
                await seen_through(self._renew)
            if self._until_end <= 0:
                self._tell_of_end()

    @property
    def _until_end(self) -> float:
        """Of a token whose end has not been told yet; in seconds."""
        if self._token is None or self._token is self._ended:
            return math.inf
        return max(0.0, (self._token.expires_at - self.ports.wall()).total_seconds())

    def _tell_of_end(self) -> None:
        """It has no successor: that would have taken its place."""
        assert self._token is not None, "what has ended was there"
        self._ended = self._token
        why = f", {self._failure.reason}" if self._failure is not None else ""
        words = f"TOKEN EXPIRED {self._token.expires_at:%H:%M:%S} UTC{why}"
        if self._failure is not None and (self._failure.final or self._failure.advice):
            self.tell("token.expired", words, self._failure.advice or "copierctl authorize LOGIN")
        else:
            self.tell("token.expired", f"{words}. The next connection asks for a new one")

    async def _found_gone(self) -> bool:
        token = self._token
        if token is None:
            return True
        answer = await self.grant.renew(token)
        if isinstance(answer, Granted):
            self._granted(answer, self.ports.wall())
        return _gone(answer) or isinstance(answer, TokenExpired)

    async def _home_asked(self) -> bool:
        token, before = self.current, self.home.elsewhere if self.home is not None else None
        if token is None or self.home is None:
            return False
        self.restraint.check_hold()
        answer = await self.grant.extend(token)
        if isinstance(answer, Granted):
            self._granted(answer, self.ports.wall())
        return self.home.elsewhere != before

    async def _asked(self) -> Token:
        if self.current is not None:
            return self.current
        self.restraint.check()
        return self._take(await self._obtained())

    async def _asked_anew(self, fits: Callable[[Granted], Awaitable[None]]) -> bool:
        self.restraint.human_was_there()
        self.restraint.check_hold()
        token = self.current
        if token is not None and self.restraint.same_credential():
            renewed = await self.grant.renew(token, self.restraint.ticket)
            if not isinstance(renewed, TokenExpired) and not _gone(renewed):
                self._take(renewed)
                return False
        answer = await self._obtained()
        if isinstance(answer, Granted):
            await fits(answer)
        self._take(answer)
        return True

    async def _obtained(self) -> GrantAnswer:
        self.restraint.check_budget()
        self.requests += 1
        try:
            answer = await self.grant.obtain(self.restraint.ticket)
            if isinstance(answer, Granted):
                self.restraint.session_opened()
            return answer
        except NoToken as nothing:
            if nothing.final:
                self.restraint.nothing_to_ask_with(nothing)
            raise

    async def _renew(self) -> None:
        async with self._clerk.asking:
            if self.renewal.wait > 0:
                return  # another one has come while we waited
            token, ticket = self._token, self.restraint.ticket
            try:
                self.restraint.check_hold()
                answer = await (self.grant.obtain(ticket) if token is None else self.grant.renew(token, ticket))
                self._take(answer)
            except NoToken as error:
                self._failure = error
                self._renew_again(token, error)
                if error.final:
                    self.tell("token.refused", f"{error.reason}. Copying goes on for as long as the connection lasts")
                else:
                    ends = "" if token is None else f"; it ends {token.expires_at:%H:%M:%S} UTC"
                    words = f"the token could not be renewed ({error.reason}){ends}"
                    self.tell("token.expiring", words, error.advice)
            else:
                self.tell("token.renewed", "the token was renewed")

    def _renew_again(self, token: Token | None, error: NoToken) -> None:
        """When to try again; not at all when it was refused for good, or when the next dial will do better.

        The socket stays open on an ended token.
        """
        if self.restraint.is_doubt(error):
            self.renewal.at = self.restraint.doubted_until
        elif error.final:
            self.renewal.stop()
        else:
            self.renewal.again(token, self.grant.outlasts_tokens)

    def _take(self, answer: GrantAnswer) -> Token:
        match answer:
            case Granted():
                return self._granted(answer, self.ports.wall())
            case BadCredentials(text=text):
                raise self._refuse(f"the broker refused the login: {text}")
            case NotActive(status=status):
                raise self._refuse(f"the broker says that this user is {status}")
            case Doubted(text=text):
                doubt = self.restraint.doubt(f"refresh refused ({text})", self.refresh_expires_at)
                self.renewal.at = self.restraint.doubted_until
                raise doubt
            case TokenExpired(text=text):
                raise NoToken(f"the broker says that the token has ended: {text}", Cause.CREDENTIALS)
            case Penalised(ticket=ticket, seconds=seconds, captcha=captcha):
                penalty = self.restraint.penalise(seconds, ticket, captcha)
                if captcha:
                    self.tell("token.refused", penalty.reason, penalty.advice)
                raise penalty
            case Limited(status=status, retry_after=retry_after):
                raise self.restraint.limited(status, retry_after)
            case Unreachable(reason=reason):
                raise NoToken(reason, Cause.NETWORK)

    def _refuse(self, reason: str) -> NoToken:
        self.renewal.stop()
        return self.restraint.refuse(reason)

    def _granted(self, answer: Granted, now: datetime) -> Token:
        if answer.server_date is not None:
            self.skew = answer.server_date - now
        user = answer.user_id if answer.user_id is not None else self.user_id
        token = Token(answer.token, now, answer.expires_at, user)
        if self.home is not None:
            self.home.named(answer.hosts)
        for secret in filter(None, (answer.token, answer.refresh)):
            self.conceal(secret)
        ends = answer.refresh_expires_at
        self.store.keep_token(self.login, token.text, token.expires_at, user, answer.refresh or None, ends)
        self.restraint.granted()
        if token.expires_at <= now:
            self.restraint.wait_until(Hold(now + HOLD_AFTER_REFUSALS, "the broker's tokens end before they begin"))
            raise NoToken("the broker's token has already ended: check this machine's clock", Cause.BROKER)
        self.user_id, self.refresh_expires_at = user, ends
        self._use(token)
        return token

    def _use(self, token: Token) -> None:
        self._token, self._failure = token, None
        self.renewal.plan(token)
        self._clerk.ring()


def _gone(answer: GrantAnswer) -> bool:
    """Has the broker closed the session of that token?"""
    return isinstance(answer, Limited) and answer.status == SESSION_GONE
