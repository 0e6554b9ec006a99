"""What the checks look at, as values.

Rule: no token, password or key is in any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import attrs

from daemon.config import Account, Config, ConfigError, Environment, Login
from daemon.logins.restraint import Hold
from daemon.tradovate.answers import Asked, Unreachable

Reach = Literal["name", "connection", "certificate"]
Orders = Literal["proven", "denied", "untested"]


@attrs.frozen
class File:
    """The configuration. `config` is what of it can be read: all of it when there are no errors, None when nothing."""

    path: Path
    errors: tuple[ConfigError, ...]
    tables: Mapping[str, Any]
    config: Config | None

    def table(self, section: str, name: str) -> Mapping[str, Any]:
        """[section.name] as it is written; empty where it is not a table."""
        found = self.tables.get(section)
        inner = found.get(name) if isinstance(found, dict) else None
        return inner if isinstance(inner, dict) else {}


@attrs.frozen
class Trouble:
    what: str
    remedy: str = ""


@attrs.frozen
class State:
    """The state directory. `held` by a daemon; `free` bytes of its disk, None where that cannot be told."""

    directory: Path
    held: bool = False
    trouble: Trouble | None = None
    free: int | None = None


@attrs.frozen
class Door:
    """The control socket. `status` is what a running daemon says of itself, None when none answers."""

    path: Path
    trouble: Trouble | None = None
    status: Mapping[str, Any] | None = None


@attrs.frozen
class Machine:
    now: datetime
    file: File
    state: State
    door: Door


@attrs.frozen
class Knock:
    """One host. `failed`: at which step it could not be reached, None when it was."""

    host: str
    failed: Reach | None = None
    why: str = ""


@attrs.frozen
class Site:
    """One environment. `knocks` and `said` (an answer without a token, and our clock then) are empty offline."""

    environment: Environment
    config: Config
    knocks: tuple[Knock, ...] = ()
    said: Asked | None = None
    asked_at: datetime | None = None

    @property
    def away(self) -> bool:
        """Did nobody answer?"""
        return isinstance(self.said, Unreachable)


@attrs.frozen
class Kept:
    """What the ledger has of a login. `device` is the one made here, `before` the one of the last look and since when
    it is another now; `hold` is what the broker has asked it to wait for."""

    token_expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    has_refresh: bool = False
    refused: str | None = None
    device: str | None = None
    before: str | None = None
    changed_at: datetime | None = None
    hold: Hold | None = None


@attrs.frozen
class Proof:
    """What the orders of an account have shown so far. `at` is when, as an ISO 8601 text."""

    orders: Orders = "untested"
    at: str = ""


@attrs.frozen
class Silence:
    """The broker could not be asked. `refused`: it has refused the login itself."""

    why: str
    refused: bool = False


@attrs.frozen
class Answers:
    """What the broker said, by endpoint; `own` are the orders and client order ids that are ours."""

    said: Mapping[str, Asked]
    own: frozenset[int | str] = frozenset()
    asked_for_token: bool = False


@attrs.frozen
class Person:
    """One login. `settings` is None where its table cannot be read; `online` None when nobody was to be asked."""

    name: str
    now: datetime
    file: File
    settings: Login | None
    environment: Environment | None
    accounts: tuple[Account, ...]
    followers: int
    twins: tuple[str, ...]  # other logins of the same user
    secrets: Mapping[str, Trouble | None]  # by kind: None when it is there
    kept: Kept
    status: Mapping[str, Any] | None = None  # of this login, by a running daemon
    proofs: Mapping[str, Proof] = attrs.field(factory=dict)  # by account
    recorded: Mapping[str, int] = attrs.field(factory=dict)  # the broker's ids by account, from the ledger
    leaders: frozenset[str] = frozenset()  # accounts that follow nobody
    requests_left: int | None = None  # of the login's budget, now
    online: Answers | Silence | None = None

    @property
    def where(self) -> str:
        return f"[logins.{self.name}] in {self.file.path}"

    def errors(self, key: str) -> tuple[ConfigError, ...]:
        """What the loader refuses of this key of the login."""
        return tuple(error for error in self.file.errors if error.key == f"logins.{self.name}.{key}")

    @property
    def by_password(self) -> bool:
        return self.settings is not None and self.settings.grant == "password" and not self.embedded

    @property
    def live(self) -> bool:
        return self.environment is not None and self.environment.live

    @property
    def embedded(self) -> bool:
        return self.environment is not None and self.environment.embedded

    @property
    def device(self) -> str | None:
        configured = self.settings.device_id if self.settings else None
        return configured or self.kept.device

    @property
    def proven(self) -> Proof | None:
        """That an order of this login was accepted, the newest proof."""
        found = [proof for proof in self.proofs.values() if proof.orders == "proven"]
        return max(found, key=lambda proof: proof.at) if found else None

    @property
    def denied(self) -> tuple[str, ...]:
        return tuple(name for name, proof in self.proofs.items() if proof.orders == "denied")
