"""What the command line of `copierd init` has said, as it was written there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from daemon.config import secrets
from daemon.config.values import BUILT_IN, SIMULATOR
from daemon.init.names import login_name

STDIN = "-"


class Unusable(Exception):
    """A flag cannot be used as it is, or one that is needed is missing."""


@attrs.frozen(kw_only=True)
class Wish:
    """None: not said. The three files are the path of a secret, or - for a line of standard input."""

    environment: str | None = None
    rest: str | None = None
    websocket: str | None = None
    grant: str | None = None
    login: str | None = None
    username: str | None = None
    app_id: str | None = None
    app_version: str | None = None
    cid: str | None = None
    client_id: str | None = None
    redirect_uri: str | None = None
    device_id: str | None = None
    password_file: str | None = None
    sec_file: str | None = None
    client_secret_file: str | None = None
    secrets_in: str | None = None
    leader: str | None = None
    followers: tuple[str, ...] = ()
    mode: str | None = None
    offline: bool = False

    def said(self, flag: str) -> str | None:
        found = getattr(self, flag.replace("-", "_"))
        assert found is None or isinstance(found, str)
        return found

    def secret_file(self, kind: secrets.Kind) -> str | None:
        return self.said(f"{kind}_file")

    def check_whole(self, environ: Mapping[str, str]) -> None:
        """Is everything said that nobody can be asked for? Raises Unusable, which names all that is missing."""
        missing = list(self._missing(environ))
        if missing:
            raise Unusable(f"there is no terminal to ask on, so these are needed: {', '.join(missing)}")

    def _missing(self, environ: Mapping[str, str]) -> Iterator[str]:
        if self.environment is None:
            yield "--environment"
        elif self.environment not in BUILT_IN and self.rest is None:
            yield "--rest"
        if self.environment != SIMULATOR:
            yield from self._missing_of_the_login(environ)
        if self.leader is None:
            yield "--leader"
        if not self.followers:
            yield "--follower"

    def _missing_of_the_login(self, environ: Mapping[str, str]) -> Iterator[str]:
        if self.grant == "oauth":
            if self.client_id is None:
                yield "--client-id"
            return
        if self.username is None:
            yield "--username"
            if self.login is None:
                return  # nobody can say yet how the variables of its secrets are called
        login = self.login or login_name(self.username or "")
        kinds: tuple[secrets.Kind, ...] = ("password",) if self.cid in (None, "0") else ("password", "sec")
        for kind in kinds:
            variable = secrets.variable(login, kind)
            if self.secret_file(kind) is None and not environ.get(variable):
                yield f"--{kind}-file (or {variable} in the environment)"
