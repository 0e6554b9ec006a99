"""What a login's token is, and the two ways to come by one, as far as who keeps it must know.

Rule: a grant makes requests and remembers nothing of their outcome; `Tokens` judges.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import attrs

from daemon.tradovate.rest import TokenAnswer
from statecharts.states import Cause


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

    async def obtain(self) -> GrantAnswer:
        """A token where there is no valid one."""
        ...

    async def renew(self, token: Token) -> GrantAnswer:
        """A later one."""
        ...


class TokenStore(Protocol):
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
    def keep_fact(self, key: str, value: str) -> None: ...
    def fact(self, key: str) -> str | None: ...
