"""What a login's token is, and the two ways to come by one, as far as who keeps it must know.

Rule: a grant makes requests and remembers nothing of their outcome; `Tokens` judges.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import attrs

from daemon.tradovate.answers import TokenAnswer
from statecharts.states import Cause

CAPTCHA = "the broker wants a captcha solved, which no program can: a human must log in"
SOLVE_IT = "log in to Tradovate in a browser as this login's user and solve it there, then: copierctl authorize LOGIN"


@attrs.frozen
class Token:
    text: str = attrs.field(repr=False)
    granted_at: datetime
    expires_at: datetime
    user_id: int | None


@attrs.frozen
class NoToken(Exception):
    """There is no token to be had now. `final`: not before somebody has changed something.

    `advice`: what a human can do about it, where it is more than to wait.
    """

    reason: str
    cause: Cause
    final: bool = False
    advice: str | None = None


@attrs.frozen
class WrongUser(NoToken):
    """The credential belongs to another user than the login's; nothing has been changed."""


@attrs.frozen
class Doubted:
    """A refusal that is often transient: it counts when it has been repeated."""

    text: str


GrantAnswer = TokenAnswer | Doubted


class Grant(Protocol):
    """How a login comes by its tokens. All raise NoToken where there is nothing to ask with."""

    @property
    def asked_with(self) -> str:
        """The fingerprint of the credential of the last request."""
        ...

    @property
    def outlasts_tokens(self) -> bool:
        """Can it still renew a token that has ended?"""
        ...

    def fingerprint(self) -> str:
        """Of the credential as it is now: tells whether it has changed, and nothing else."""
        ...

    async def obtain(self, ticket: str = "") -> GrantAnswer:
        """A token where there is no valid one. `ticket` is that of a penalty that has been waited for."""
        ...

    async def renew(self, token: Token, ticket: str = "") -> GrantAnswer:
        """A later one."""
        ...

    async def accepted(self, token: str) -> bool:
        """Does the broker accept this one? True also when it does not say."""
        ...

    async def extend(self, token: Token) -> GrantAnswer:
        """A later one by renewaccesstoken, whatever else the grant has: its answer tells more."""
        ...


class Teller(Protocol):
    """Takes a login's news: the event's name, a sentence, and what to do where the event's usual remedy is another."""

    def __call__(self, event: str, message: str, remedy: str | None = None) -> None: ...


class Facts(Protocol):
    """What the ledger keeps under a name."""

    def keep_fact(self, key: str, value: str) -> None: ...
    def fact(self, key: str) -> str | None: ...


class TokenStore(Facts, Protocol):
    """What the ledger keeps of a login's tokens."""

    def keep_token(
        self,
        login: str,
        token: str,
        expires_at: datetime,
        user_id: int | None,
        refresh: str | None = None,
        refresh_expires_at: datetime | None = None,
    ) -> None: ...
    def token(self, login: str) -> tuple[str, datetime, int | None] | None: ...
    def refresh_token(self, login: str) -> tuple[str, datetime | None] | None: ...
    def user(self, login: str) -> int | None: ...
    def forget_token(self, login: str) -> None: ...
