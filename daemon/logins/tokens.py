"""The one token of a login: kept in the ledger, reused while it is valid, renewed before it ends.

Rule 1: the end is what the broker said, never a constant of ours.
Rule 2: a new token is asked for only when there is no valid one, because each request opens a session that may evict
        another, and when nothing speaks against it (see restraint.py).
Rule 3: one task asks (see clerk.py). What is granted is written down before it is used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

import attrs
import trio

from daemon.logins import standing
from daemon.logins.assay import Assay
from daemon.logins.budget import Budget
from daemon.logins.clerk import Clerk
from daemon.logins.end import End
from daemon.logins.grace import seen_through
from daemon.logins.grant import Grant, GrantAnswer, NoToken, Teller, Token, TokenStore, WrongUser
from daemon.logins.home import Home
from daemon.logins.purse import Purse
from daemon.logins.reception import Reception
from daemon.logins.renewal import Renewal
from daemon.logins.restraint import Restraint
from daemon.logins.standing import SESSION_GONE, Standing
from daemon.ports import Ports
from daemon.tradovate.answers import BadCredentials, Granted, Limited, NotActive, Unreachable
from statecharts.states import Cause

__all__ = ["NoToken", "Token", "Tokens", "WrongUser"]

JUDGED = frozenset(range(400, 500)) - {408}  # statuses that say no to this very request


@attrs.define(eq=False, repr=False)
class Tokens:
    """`tell` is told of every news, for the journal. `conceal` is told every token."""

    login: str
    grant: Grant
    store: TokenStore
    ports: Ports
    budget: Budget
    tell: Teller
    conceal: Callable[[str], None]
    slowed: Callable[[], None] = lambda: None  # told when the broker limits or penalises a request for a token
    home: Home | None = None  # None: where nobody dials with these tokens
    asleep_until: Callable[[], datetime | None] = lambda: None  # None: somebody may need a token at any moment
    hear_the_time: Callable[[datetime], None] = lambda at: None  # the broker's, whenever it is told
    purse: Purse = attrs.field(init=False)
    restraint: Restraint = attrs.field(init=False)
    renewal: Renewal = attrs.field(init=False)
    reception: Reception = attrs.field(init=False)
    _end: End = attrs.field(init=False)
    _assay: Assay = attrs.field(init=False)
    _failure: NoToken | None = None  # of the last renewal
    _suspect: bool = False  # may its session have been ended?
    _clerk: Clerk = attrs.field(factory=Clerk)

    def __attrs_post_init__(self) -> None:
        self.purse = Purse(self.login, self.store, self.ports, self.conceal)
        self.restraint = Restraint(self.login, self.grant, self.store, self.ports, self.budget)
        self.renewal = Renewal(self.ports)
        self.reception = Reception(
            self.purse,
            self.restraint,
            self.renewal,
            self.home,
            self.ports,
            self.tell,
            lambda: self.slowed(),  # who is told of it comes later
            lambda at: self.hear_the_time(at),
            self._use,
        )
        self._end = End(self.ports, self.tell)
        self._assay = Assay(
            self.grant, self.purse, self.restraint, self.home, self.ports, self.reception.granted, self._forget
        )

    def load(self) -> None:
        """Takes up what the last process had, its refusal included."""
        self.restraint.load()
        if self.home is not None:
            self.home.load()
        kept = self.purse.load()
        if kept is not None:
            self._use(kept)
        if self.restraint.refusal is not None:
            self.renewal.stop()  # until the credential has changed, which `valid` will see

    @property
    def current(self) -> Token | None:
        """The token, if it is still valid."""
        return self.purse.current

    @property
    def skew(self) -> timedelta | None:
        """The broker's clock minus ours."""
        return self.purse.skew

    @property
    def reads_held(self) -> bool:
        return self.restraint.reads_held

    async def valid(self) -> Token:
        """The current token, or a new one. Raises NoToken."""
        current = self.current
        self.restraint.check_reads()
        return current if current is not None and not self._suspect else await self._clerk.do(self._asked)

    async def anew(self, fits: Callable[[Granted], Awaitable[None]]) -> bool:
        """A new token, whatever was refused before. Was a new session opened for it? Raises NoToken.

        A session that lives, with the credential of before, is only renewed: another one might push out our own.
        `fits` raises WrongUser when it is of another user than the login's; then nothing is changed.
        """
        return await self._clerk.do(partial(self._asked_anew, fits))

    async def adopt(self, granted: Granted) -> Token:
        """A token that the user has given us in the browser. Raises NoToken when it is of no use."""
        async with self._clerk.asking:
            return self.reception.take(granted)

    def refused(self) -> None:
        """A socket was not authorized with a token that had not ended. Each time in a row the wait grows."""
        self.restraint.token_refused()

    def _forget(self) -> None:
        self.purse.drop()
        self._end.of(None)
        self.renewal.stop()

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

    async def standing(self, status: int, token: Token | None = None) -> Standing:
        """What became of our session, whose token was answered with `status`; one renewal tells. Raises NoToken.

        `token`: the one that was, where it may have been replaced since. One that is worth nothing is forgotten.
        """
        return await self._clerk.do(partial(self._assay.tested, status, token))

    def evicted(self) -> None:
        """The broker has told that it closed our connection for another one; it may have ended the session with it."""
        self._suspect = True

    async def moved(self) -> bool:
        """Has the broker another host for this login than the one that has refused us? It may be asked by a renewal."""
        return self.home is not None and self.home.may_ask() and await self._clerk.do(self._assay.moved)

    async def keep_fresh(self) -> None:
        """Asks for tokens and renews them for as long as the login lives."""
        while True:
            await self._clerk.wait(min(self.renewal.wait, self._end.wait))
            if not await self._clerk.serve() and self.renewal.wait <= 0 and not self._put_off():
                await seen_through(self._renew)
            self._end.tell_when_due(self._failure)

    async def serve(self, seconds: float) -> None:
        """For so long asks for tokens when one is wanted, and renews none by itself. What has begun is seen through."""
        until = trio.current_time() + seconds
        while (left := until - trio.current_time()) > 0:
            await self._clerk.wait(left)
            await self._clerk.serve()

    def _put_off(self) -> bool:
        """Until the reopening nobody is asked, unless what we have ends before it."""
        until, now = self.asleep_until(), self.ports.wall()
        if until is None or until <= now or self.purse.token is None:
            return False
        if self.purse.refresh_expires_at is not None and self.purse.refresh_expires_at < until:
            return False
        return self.renewal.put_off(self.purse.token, until, now)

    async def _asked(self) -> Token:
        if self._suspect and self.current is not None and await self._assay.tested(SESSION_GONE) is Standing.UNCLEAR:
            raise NoToken("it cannot be told whether another login has ended our session", Cause.NETWORK)
        self._suspect = False
        if self.current is not None:
            return self.current
        self.restraint.check()
        return await self._opened()

    async def _asked_anew(self, fits: Callable[[Granted], Awaitable[None]]) -> bool:
        self.restraint.human_was_there()
        self.restraint.check_hold()
        token = self.current
        if token is not None and self.restraint.same_credential():
            renewed = await self.grant.renew(token, self.restraint.ticket)
            if standing.after(0, renewed) not in (Standing.VOID, Standing.GONE):
                self.reception.take(renewed)
                return False
        answer = await self._obtained()
        if isinstance(answer, Granted):
            await fits(answer)
        self.reception.take(answer)
        self.restraint.session_opened()  # only now: what was not taken must not pass for the session's credential
        return True

    async def _opened(self) -> Token:
        """A token of a new session. Another user's credential is refused until it has changed."""
        answer = await self._obtained()
        try:
            token = self.reception.take(answer)
        except WrongUser as wrong:
            self.reception.refuse(wrong.reason)
            raise
        self.restraint.session_opened()
        return token

    async def _obtained(self) -> GrantAnswer:
        self.restraint.check_budget()
        try:
            answer = await self.grant.obtain(self.restraint.ticket)
        except NoToken as nothing:
            if nothing.final:
                self.restraint.nothing_to_ask_with(nothing)
            raise
        # What a server in trouble answers has judged nothing: counted too, five of them would keep us out for an hour.
        judged = isinstance(answer, Unreachable) and (answer.useless or (answer.status or 0) in JUDGED)
        if judged or isinstance(answer, BadCredentials | NotActive | Limited):
            self.budget.token_failed()
        if isinstance(answer, Unreachable) and answer.useless:
            raise self.restraint.token_useless(answer.reason)
        return answer

    async def _renew(self) -> None:
        async with self._clerk.asking:
            if self.renewal.wait > 0:
                return  # another one has come while we waited
            token, ticket = self.purse.token, self.restraint.ticket
            try:
                self.restraint.check_hold()
                if token is None:
                    await self._opened()
                else:
                    self.reception.take(self._lives(await self._renewed(token, ticket)))
            except NoToken as error:
                self._failure = error
                if error.cause is not Cause.EVICTED:
                    self._renew_again(token, error)
                if error.final:
                    self.tell("token.refused", f"{error.reason}. Copying goes on for as long as the connection lasts")
                else:
                    ends = "" if token is None else f"; it ends {token.expires_at:%H:%M:%S} UTC"
                    words = f"the token could not be renewed ({error.reason}){ends}"
                    self.tell("token.expiring", words, error.advice)
            else:
                self.tell("token.renewed", "the token was renewed")

    async def _renewed(self, token: Token, ticket: str) -> GrantAnswer:
        """A later token that the broker accepts. Until then the old one is kept, with what refreshes it from now on."""
        answer = await self.grant.renew(token, ticket)
        if not isinstance(answer, Granted) or self.current is None:
            return answer
        self.purse.keep(token, answer)
        if await self.grant.accepted(answer.token):
            return answer
        raise NoToken("the broker does not accept the token that it has renewed; the old one is kept", Cause.BROKER)

    def _lives(self, answer: GrantAnswer) -> GrantAnswer:
        """The answer to a renewal. A session that is gone holds nobody else, and its token is not renewed any more.

        A refresh says nothing of the session, and is tried again.
        """
        if not isinstance(answer, Limited) or standing.after(0, answer) is not Standing.GONE:
            return answer
        if self.grant.outlasts_tokens:
            return Unreachable(f"HTTP {answer.status}", answer.status)
        self._forget()
        words = f"the broker has closed our session ({answer.status}), maybe for another login"
        raise NoToken(words, Cause.EVICTED, advice="nothing to do: the next connection asks for a new token")

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

    def _use(self, token: Token) -> None:
        self.purse.use(token)
        self._failure, self._suspect = None, False
        self.renewal.plan(token)
        self._end.of(token)
        self._clerk.ring()
