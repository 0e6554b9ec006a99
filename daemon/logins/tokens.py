"""The one token of a login: kept in the ledger, reused while it is valid, renewed before it ends.

Rule 1: the end is what the broker said, never a constant of ours.
Rule 2: a new token is asked for only when there is no valid one: each request opens a session that may evict another.
Rule 3: a refused credential is asked once, also across restarts; it is not asked again until it has changed or the
        operator has said so.
Rule 4: one task asks, `keep_fresh`: refresh tokens rotate, and two refreshes in parallel make each other void. What is
        granted is written down before it is used, and a request that has begun is seen through when the daemon stops.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import attrs
import trio

from daemon.logins.budget import Budget, Spent
from daemon.logins.grace import seen_through
from daemon.logins.grant import Doubted, Grant, GrantAnswer, NoToken, Token, TokenStore, WrongUser
from daemon.ports import Ports
from daemon.tradovate.rest import BadCredentials, Granted, Limited, NotActive, Penalised, TokenExpired, Unreachable
from statecharts.states import Cause

RENEW_AT = 2 / 3  # of the token's life: 60 of Tradovate's usual 90 minutes, which leaves time for many tries
RENEW_RETRY = (20.0, 40.0)  # seconds after a renewal that failed for the first time; then doubled, up to
RENEW_RETRY_MOST = 5 * 60.0  # seconds: fifteen renewals in an hour have been seen to be one address's share
LAST_RENEWAL = timedelta(minutes=5)  # before the end: after that a new token is asked for at the next dial
DOUBTS = 6  # refusals of a refresh in a row until they count: single ones are often transient
DOUBT_RETRY = (25.0, 50.0)  # seconds between them: two to four minutes in all
HOLD_AFTER_REFUSALS = timedelta(minutes=5)  # doubled each time: a new token was refused as well, so more will not help
LONGEST_HOLD = timedelta(hours=1)
HOLD_AFTER_CAPTCHA = timedelta(hours=1)  # p-captcha: a program cannot solve it

SESSION_GONE = 408  # what the broker answers for a session that it has closed; 429 and 5xx may mean other things too

__all__ = ["NoToken", "Token", "Tokens", "WrongUser"]


@attrs.define(eq=False)
class _Wish:
    """Somebody waits for a token. `anew`: asked for although there may be one, or a refusal."""

    anew: bool
    done: trio.Event = attrs.field(factory=trio.Event)
    token: Token | None = None
    failure: Exception | None = None


@attrs.define(eq=False)
class Tokens:
    """`tell` is told of every news, for the journal: an event's name and a sentence. `conceal` is told every token."""

    login: str
    grant: Grant
    store: TokenStore
    ports: Ports
    budget: Budget
    tell: Callable[[str, str], None]
    conceal: Callable[[str], None]
    held_until: datetime | None = None
    hold_reason: str | None = None
    requests: int = 0  # for a token where there was none, for metrics and tests
    skew: timedelta | None = None  # the broker's clock minus ours
    user_id: int | None = None  # whose login it is, since the first token
    refresh_expires_at: datetime | None = None
    _token: Token | None = None
    _refused: tuple[str, NoToken] | None = None  # the credential's fingerprint, "" where there was none
    _refusals: int = 0  # tokens that the broker did not accept, one after the other
    _doubts: int = 0
    _doubted: tuple[datetime, NoToken] | None = None  # and when to ask again
    _renew_at: datetime | None = None
    _pause: float = 0.0  # the last one between two tries of a renewal, in seconds
    _wishes: deque[_Wish] = attrs.field(factory=deque)
    _bell: trio.Event = attrs.field(factory=trio.Event)
    _asking: trio.Lock = attrs.field(factory=trio.Lock)

    def load(self) -> None:
        """Takes up what the last process had, its refusal included."""
        self.user_id = self.store.user(self.login)
        kept, refresh = self.store.token(self.login), self.store.refresh_token(self.login)
        if refresh is not None:
            self.conceal(refresh[0])
            self.refresh_expires_at = refresh[1]
        if kept is not None:
            text, expires_at, user_id = kept
            self.conceal(text)
            if expires_at > self.ports.wall():
                self._use(Token(text, self.ports.wall(), expires_at, user_id))
        refused = self.store.fact(self._refusal_key)
        if refused:
            fingerprint, reason = json.loads(refused)
            self._refused = fingerprint, NoToken(reason, Cause.CREDENTIALS, final=True)
            self._renew_at = None  # until the credential has changed, which `valid` will see

    @property
    def current(self) -> Token | None:
        """The token, if it is still valid."""
        if self._token is not None and self._token.expires_at > self.ports.wall():
            return self._token
        return None

    @property
    def refusal(self) -> str | None:
        """Why the credential counts as refused; None when it does not."""
        return None if self._refused is None else self._refused[1].reason

    async def valid(self) -> Token:
        """The current token, or a new one. Raises NoToken."""
        return self.current or await self._wished(_Wish(anew=False))

    async def anew(self) -> Token:
        """A new token by exactly one request, whatever was refused before. Raises NoToken; WrongUser changes none."""
        return await self._wished(_Wish(anew=True))

    async def adopt(self, granted: Granted) -> Token:
        """A token that the user has given us in the browser. Raises NoToken when it is of no use."""
        async with self._asking:
            return self._take(granted)

    def refused(self, token: Token) -> None:
        """The broker did not accept the token although it has not ended: it is worth nothing any more.

        The first time a new one may be asked for at once, then later each time: every request opens a session.
        """
        if self._token == token:
            self._token = self._renew_at = None
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
        self._refused, self._doubts, self._doubted = None, 0, None
        self.store.keep_fact(self._refusal_key, "")
        if self.current is not None and self._renew_at is None:
            self._renew_at = self.ports.wall()
            self._bell.set()

    async def pushed_out(self) -> bool:
        """Has another session of this user ended ours? A renewal tells: the broker renews only what still lives."""
        async with self._asking:
            token = self._token
            if token is None:
                return True
            answer = await self.grant.renew(token)
            if isinstance(answer, Granted):
                self._granted(answer, self.ports.wall())
            gone = isinstance(answer, Limited) and answer.status == SESSION_GONE
            return gone or isinstance(answer, TokenExpired)

    def mended(self) -> bool:
        """Is there another credential now than the one that was refused?"""
        try:
            return self._refused is not None and self.grant.fingerprint() != self._refused[0]
        except NoToken:
            return False

    async def keep_fresh(self) -> None:
        """Asks for tokens and renews them for as long as the login lives."""
        while True:
            if not self._wishes:
                with trio.move_on_after(self._until_renewal()):
                    await self._bell.wait()
            self._bell = trio.Event()
            if self._wishes:
                await seen_through(partial(self._fulfil, self._wishes.popleft()))
            elif self._until_renewal() <= 0:
                await seen_through(self._renew)

    def _until_renewal(self) -> float:
        """In seconds; for ever when there is nothing to renew."""
        if self._renew_at is None:
            return math.inf
        return max(0.0, (self._renew_at - self.ports.wall()).total_seconds())

    async def _wished(self, wish: _Wish) -> Token:
        self._wishes.append(wish)
        self._bell.set()
        await wish.done.wait()
        if wish.token is None:
            assert wish.failure is not None, "a wish that is done has an answer"
            raise wish.failure
        return wish.token

    async def _fulfil(self, wish: _Wish) -> None:
        async with self._asking:
            try:
                wish.token = await self._asked(wish.anew)
            except Exception as failure:  # noqa: BLE001 - raised where the token is wanted: a bug ends that session
                wish.failure = failure
        wish.done.set()

    async def _asked(self, anew: bool) -> Token:
        if not anew:
            if self.current is not None:
                return self.current
            if self._refused is not None and not self.mended():
                raise self._refused[1]
            if self._doubted is not None and self._doubted[0] > self.ports.wall():
                raise self._doubted[1]
        self._check_hold()
        self._allowed(self.budget.token_request)
        self.requests += 1
        try:
            answer = await self.grant.obtain()
        except NoToken as nothing:
            if nothing.final:
                self._refused = "", nothing
            raise
        if anew and isinstance(answer, Granted) and self.user_id not in (None, answer.user_id or self.user_id):
            reason = f"this is user {answer.user_id}, and login {self.login} is user {self.user_id}"
            raise WrongUser(reason, Cause.CREDENTIALS, final=True)
        return self._take(answer)

    async def _renew(self) -> None:
        async with self._asking:
            if self._until_renewal() > 0:
                return  # another one has come while we waited
            token = self._token
            try:
                self._check_hold()
                self._take(await (self.grant.obtain() if token is None else self.grant.renew(token)))
            except NoToken as error:
                self._renew_again(token, error)
                if error.final:
                    self.tell("token.refused", f"{error.reason}. Copying goes on for as long as the connection lasts")
                else:
                    ends = "" if token is None else f"; it ends {token.expires_at:%H:%M:%S} UTC"
                    self.tell("token.expiring", f"the token could not be renewed ({error.reason}){ends}")
            else:
                self.tell("token.renewed", "the token was renewed")

    def _renew_again(self, token: Token | None, error: NoToken) -> None:
        """When to try again; not at all when it was refused for good, or when the next dial will do better.

        The socket stays open on an ended token.
        """
        if self._doubted is not None and error is self._doubted[1]:
            return
        self._pause = min(2 * self._pause, RENEW_RETRY_MOST) or self.ports.dice.uniform(*RENEW_RETRY)
        again = self.ports.wall() + timedelta(seconds=self._pause)
        in_time = token is not None and (self.grant.outlasts_tokens or again < _last_renewal(token))
        self._renew_at = again if in_time and not error.final else None

    def _allowed(self, ask: Callable[[], None]) -> None:
        try:
            ask()
        except Spent as spent:
            raise NoToken(spent.reason, Cause.PENALTY) from spent

    def _check_hold(self) -> None:
        self._allowed(self.budget.not_held)
        if self.held_until is not None and self.held_until > self.ports.wall():
            raise NoToken(f"{self.hold_reason}; nothing is asked before {self.held_until:%H:%M:%S} UTC", Cause.PENALTY)

    def _take(self, answer: GrantAnswer) -> Token:
        now = self.ports.wall()
        match answer:
            case Granted():
                return self._granted(answer, now)
            case BadCredentials(text=text):
                raise self._refuse(f"the broker refused the login: {text}")
            case NotActive(status=status):
                raise self._refuse(f"the broker says that this user is {status}")
            case Doubted(text=text):
                self._doubts += 1
                over = self.refresh_expires_at is not None and self.refresh_expires_at <= now
                if over or self._doubts >= DOUBTS:
                    raise self._refuse(f"refresh refused ({text})")
                self._renew_at = again = now + timedelta(seconds=self.ports.dice.uniform(*DOUBT_RETRY))
                self._doubted = again, NoToken(f"refresh refused ({text}); it is tried again", Cause.CREDENTIALS)
                raise self._doubted[1]
            case TokenExpired(text=text):
                raise NoToken(f"the broker says that the token has ended: {text}", Cause.CREDENTIALS)
            case Penalised(seconds=seconds, captcha=captcha):
                wait = HOLD_AFTER_CAPTCHA if captcha else timedelta(seconds=seconds)
                raise self._hold(now + wait, "the broker asks to wait (penalty ticket)")
            case Limited(status=status, retry_after=retry_after):
                self.budget.token_failed()
                announced = timedelta(seconds=retry_after) if retry_after else None
                reason = f"the broker limits requests ({status})"
                raise self._hold(self.budget.limited(reason, announced), reason)
            case Unreachable(reason=reason):
                raise NoToken(reason, Cause.NETWORK)

    def _granted(self, answer: Granted, now: datetime) -> Token:
        if answer.server_date is not None:
            self.skew = answer.server_date - now
        user = answer.user_id if answer.user_id is not None else self.user_id
        token = Token(answer.token, now, answer.expires_at, user)
        for secret in filter(None, (answer.token, answer.refresh)):
            self.conceal(secret)
        ends = answer.refresh_expires_at
        self.store.keep_token(self.login, token.text, token.expires_at, user, answer.refresh or None, ends)
        if token.expires_at <= now:
            self._hold(now + HOLD_AFTER_REFUSALS, "the broker's tokens end before they begin")
            raise NoToken("the broker's token has already ended: check this machine's clock", Cause.BROKER)
        if self._refused is not None or self._doubts:
            self.credential_changed()
        self.user_id, self.refresh_expires_at = user, ends
        self._use(token)
        return token

    def _use(self, token: Token) -> None:
        self._token, self._pause = token, 0.0
        share = RENEW_AT + self.ports.dice.uniform(-0.02, 0.02)
        self._renew_at = token.granted_at + (token.expires_at - token.granted_at) * share
        self._bell.set()

    def _refuse(self, reason: str) -> NoToken:
        """A definite no, remembered with the credential that it was said to."""
        self.budget.token_failed()
        self._doubted, self._renew_at = None, None
        no = NoToken(reason, Cause.CREDENTIALS, final=True)
        self._refused = self.grant.asked_with, no
        self.store.keep_fact(self._refusal_key, json.dumps([self.grant.asked_with, reason]))
        return no

    @property
    def _refusal_key(self) -> str:
        return f"refused {self.login}"

    def _hold(self, until: datetime, reason: str) -> NoToken:
        self.held_until, self.hold_reason = until, reason
        return NoToken(reason, Cause.PENALTY)


def _last_renewal(token: Token) -> datetime:
    return token.expires_at - min(LAST_RENEWAL, (token.expires_at - token.granted_at) / 6)
