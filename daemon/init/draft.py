"""The configuration that `copierd init` writes, with the words that explain it.

tomli-w writes the tables; it knows no comments, so each stands before a part of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import tomli_w

from daemon.config import Config, Daemon, Environment, Login, Reconnect
from daemon.config.values import BUILT_IN
from daemon.init.names import account_names

# As the example copier.toml has them; what is left out is explained there.
_OF_A_LOGIN = (
    "environment",
    "grant",
    "username",
    "app_id",
    "app_version",
    "cid",
    "device_id",
    "client_id",
    "redirect_uri",
    "password_file",
    "sec_file",
    "client_secret_file",
)
_OF_THE_PASSWORD = ("username", "app_id", "app_version", "cid", "device_id")


@attrs.frozen(kw_only=True)
class Draft:
    """What was answered. The accounts have the broker's names; each follower has its ratio.

    `others`: what was answered of further logins, whose accounts follow the leader of this one.
    """

    environment: Environment
    login: Login
    leader: str = ""
    followers: tuple[tuple[str, Decimal], ...] = ()
    mode: str = "orders"
    others: tuple[Draft, ...] = ()

    @property
    def all(self) -> tuple[Draft, ...]:
        return (self, *self.others)

    @property
    def own(self) -> bool:
        """Is it an environment that the file must describe?"""
        return self.environment.environment not in BUILT_IN

    @property
    def config(self) -> Config:
        """As far as a login needs it to be asked whose accounts it has."""
        return Config(
            daemon=Daemon(),
            reconnect=Reconnect(),
            environments={**BUILT_IN, self.environment.environment: self.environment},
            logins={self.login.login: self.login},
            accounts={},
            copies=(),
            market_hours=(),
            notify=(),
        )

    @property
    def release(self) -> str:
        """What the operator writes to let orders out."""
        return "armed = true" if self.environment.guarded else "shadow = false"

    def text(self) -> str:
        """TOML. It has to pass `copierd check`; who writes it asks."""
        parts, said = list[str](), set[str]()
        for comment, tables in self._parts():
            parts.append(("" if comment in said else comment) + tomli_w.dumps(tables))
            said.add(comment)
        return "\n".join(parts)

    def _parts(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield _HEAD, {}
        for one in {draft.environment.environment: draft for draft in self.all if draft.own}.values():
            own = {"rest": one.environment.rest, "websocket": one.environment.websocket}
            yield _ENVIRONMENT, {"environments": {one.environment.environment: own}}
        for one in self.all:
            yield one._of_the_login(), {"logins": {one.login.login: one._login()}}
        names = self._names()
        yield _LEADER, {"accounts": {"lead": {"login": self.login.login, "name": self.leader}}}
        for one in self.all:
            yield from one._followers(names)
        yield _COPY, {"copy": [self._copy()]}

    def _login(self) -> dict[str, Any]:
        values = attrs.asdict(self.login)
        told = [key for key in _OF_A_LOGIN if values[key] is not None]
        if self.login.grant == "oauth":
            told = [key for key in told if key not in _OF_THE_PASSWORD]
        if self.environment.embedded:
            told = ["environment"]
        return {key: str(values[key]) if isinstance(values[key], Path) else values[key] for key in told}

    def _of_the_login(self) -> str:
        if self.environment.embedded:
            return _SIMULATED
        named = any((self.login.password_file, self.login.sec_file, self.login.client_secret_file))
        return _LOGIN + (_SECRETS_IN_FILES if named else _SECRETS_ELSEWHERE)

    def _names(self) -> dict[str, str]:
        return account_names(self.leader, [name for one in self.all for name, _ in one.followers])

    def _followers(self, names: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
        armed = {"armed": False} if self.environment.guarded else {}
        tables = {names[name]: {"login": self.login.login, "name": name, **armed} for name, _ in self.followers}
        if tables:
            yield _ARMED if armed else "", {"accounts": tables}

    def _copy(self) -> dict[str, Any]:
        names = self._names()
        followers = [
            {"account": names[name], "ratio": ratio, **one._held()} for one in self.all for name, ratio in one.followers
        ]
        return {"name": "main", "leader": "lead", "mode": self.mode, "followers": followers}

    def _held(self) -> dict[str, bool]:
        return {} if self.environment.guarded or self.environment.embedded else {"shadow": True}


_HEAD = """\
# copierd's configuration, as `copierd init` has written it. What it means: copierd check FILE. The example copier.toml
# that comes with copierd explains every key, and so does `man copier.toml`.
"""
_ENVIRONMENT = """\
# A broker of another address than demo and live. `hours = true`: the exchange's hours apply there.
"""
_SIMULATED = """\
# The broker look-alike inside the daemon: no password, no money.
"""
_LOGIN = """\
# Who logs in. The device id never changes: the broker approves a device, and a new one may have to be approved anew.
"""
_SECRETS_IN_FILES = """\
# The secrets are in files that their owner alone may read; the daemon must run as that user.
"""
_SECRETS_ELSEWHERE = """\
# The secrets are not in this file: systemd hands them over, from /etc/copierd/secrets.
"""
_LEADER = """\
# Which accounts. `name` is what the broker calls the account.
"""
_ARMED = """\
# armed = true lets orders out. Until then copierd decides and records everything for the account, and sends nothing.
# Before you arm one for the first time, ask the firm: it may forbid copiers.
"""
_COPY = """\
# Who copies whom, and how much of it. `mode`: "orders" mirrors the leader's orders, stops and targets included; "fills"
# trades at market what he has executed. A follower may be capped: max_order = 10 (contracts in one order),
# max_position = 10 (contracts of one product). `shadow = true`: all is decided and recorded, and nothing is sent.
"""
