"""The token that a login has, and what the broker has said with it; in the ledger before it is used.

Rule 1: the access token and what refreshes it are written in one go, so that both are there or neither.
Rule 2: whose login it is stays known when its token is gone, and another user's token is neither used nor written down.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import attrs

from daemon.logins.grant import Token, TokenStore, WrongUser
from daemon.ports import Ports
from daemon.tradovate.answers import Granted
from statecharts.states import Cause


@attrs.define(eq=False, repr=False)
class Purse:
    """`conceal` is told every secret that comes in. `user_id`: since the first token."""

    login: str
    store: TokenStore
    ports: Ports
    conceal: Callable[[str], None]
    token: Token | None = None
    user_id: int | None = None
    refresh_expires_at: datetime | None = None
    password_expires_at: datetime | None = None
    skew: timedelta | None = None  # the broker's clock minus ours

    def load(self) -> Token | None:
        """What the last process had; None when it has ended meanwhile."""
        self.user_id = self.store.user(self.login)
        ends = self.store.fact(self._password_key)
        self.password_expires_at = datetime.fromisoformat(ends) if ends else None
        kept, refresh = self.store.token(self.login), self.store.refresh_token(self.login)
        if refresh is not None:
            self.conceal(refresh[0])
            self.refresh_expires_at = refresh[1]
        if kept is None:
            return None
        text, expires_at, user_id = kept
        self.conceal(text)
        return Token(text, self.ports.wall(), expires_at, user_id) if expires_at > self.ports.wall() else None

    @property
    def current(self) -> Token | None:
        """The token, if it is still valid."""
        return self.token if self.token is not None and self.token.expires_at > self.ports.wall() else None

    def read(self, answer: Granted) -> Token:
        """The token of an answer. Nothing is kept yet. Raises WrongUser."""
        self._ours(answer)
        now = self.ports.wall()
        if answer.server_date is not None:
            self.skew = answer.server_date - now
        user = answer.user_id if answer.user_id is not None else self.user_id
        return Token(answer.token, now, answer.expires_at, user)

    def keep(self, token: Token, answer: Granted) -> None:
        """Writes down `token` with what refreshes it by that answer. Raises WrongUser."""
        self._ours(answer)
        for secret in filter(None, (answer.token, answer.refresh)):
            self.conceal(secret)
        self.refresh_expires_at = ends = answer.refresh_expires_at
        if answer.password_expires_at not in (None, self.password_expires_at):
            self.password_expires_at = answer.password_expires_at
            self.store.keep_fact(self._password_key, answer.password_expires_at.isoformat())
        self.store.keep_token(self.login, token.text, token.expires_at, token.user_id, answer.refresh or None, ends)

    @property
    def _password_key(self) -> str:
        return f"password expires {self.login}"

    def _ours(self, answer: Granted) -> None:
        """Repair, never replace, whatever way the answer came."""
        if self.user_id is not None and answer.user_id is not None and answer.user_id != self.user_id:
            self.conceal(answer.token)
            words = f"the answer is of user {answer.user_id}, and login {self.login} belongs to user {self.user_id}"
            raise WrongUser(words, Cause.CREDENTIALS, final=True)

    def use(self, token: Token) -> None:
        self.token, self.user_id = token, token.user_id

    def drop(self) -> None:
        """It is worth nothing any more; what refreshes it may be."""
        self.token = None
        self.store.forget_token(self.login)
