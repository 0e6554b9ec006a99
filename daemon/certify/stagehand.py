"""Who brings about, at the broker, what cannot be had politely from a real one: a penalty, a limit, a trade."""

from __future__ import annotations

from typing import Protocol

import attrs

from daemon.embedded import Embedded


class Stagehand(Protocol):
    """Each act is for the login under test and begins at once."""

    def penalise(self, endpoint: str, seconds: int) -> None:
        """The next call of this endpoint is answered with a penalty ticket."""

    def limit(self, seconds: float) -> None:
        """For so long every request is one too many."""

    def trade(self) -> bool:
        """Something changes on one of the login's accounts. False when it has none."""
        ...

    def replay(self) -> None:
        """What has been pushed is pushed again."""

    def expire(self) -> None:
        """The login's tokens end now."""


@attrs.frozen
class Simulated:
    """The embedded look-alike as it can be told. `login` is its name in the configuration."""

    embedded: Embedded
    login: str

    def penalise(self, endpoint: str, seconds: int) -> None:
        self.embedded.server.penalise(endpoint, seconds)

    def limit(self, seconds: float) -> None:
        self.embedded.server.throttle(self.login, seconds)

    def trade(self) -> bool:
        broker = self.embedded.server.broker
        accounts = broker.logins[self.login].spec.accounts
        if not accounts:
            return False
        broker.place(accounts[0], "Buy", next(name for name in self.embedded.symbols if name.startswith("ES")), 1)
        return True

    def replay(self) -> None:
        self.embedded.server.replay(self.login)

    def expire(self) -> None:
        self.embedded.server.expire_tokens(self.login)
