"""Where a secret comes from: a systemd credential, else the environment, else a file that the owner alone may read.

Rule: a secret is read when it is needed and handed over wrapped; nothing here puts one into a message.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from daemon.config.values import Login

Kind = Literal["password", "sec", "client_secret"]
NOTIFY_VARIABLE = "COPIERD_NOTIFY_SECRET"
LONGEST = 4096  # bytes of a secret


class Secret:
    """A value that shows itself only to who asks for it by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(hidden)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class SecretUnreadable(Exception):
    """A place for a secret was named, and the secret cannot be taken from there."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}. {remedy}")
        self.message = message
        self.remedy = remedy


def stem(login: str) -> str:
    """What the environment variables of a login have between COPIERD_ and the kind of secret."""
    return re.sub(r"[^A-Z0-9]", "_", login.upper())


def variable(login: str, kind: Kind) -> str:
    return f"COPIERD_{stem(login)}_{kind.upper()}"


def find(login: Login, kind: Kind, environ: Mapping[str, str] | None = None) -> Secret | None:
    """The secret of a login, or None when it is given nowhere. Raises SecretUnreadable."""
    environ = os.environ if environ is None else environ
    files: dict[Kind, Path | None] = {
        "password": login.password_file,
        "sec": login.sec_file,
        "client_secret": login.client_secret_file,
    }
    found = _credential(f"{login.login}.{kind}", environ) or _variable(variable(login.login, kind), environ)
    path = files[kind]
    return found or (_private_file(path) if path else None)


def whereabouts(login: Login, kind: Kind, environ: Mapping[str, str] | None = None) -> str | None:
    """In words, where this process finds the secret, or why it cannot be read; None when it is given nowhere."""
    environ = os.environ if environ is None else environ
    name = f"{login.login}.{kind}"
    try:
        if find(login, kind, environ) is None:
            return None
        if _credential(name, environ):
            return f"from the credential {name}"
        if _variable(variable(login.login, kind), environ):
            return f"from {variable(login.login, kind)}"
    except SecretUnreadable as error:
        return f"UNREADABLE, {error}"
    return f"from the file that {kind}_file names"


def find_notify(environ: Mapping[str, str] | None = None) -> Secret | None:
    """The key that notifications are signed with."""
    environ = os.environ if environ is None else environ
    return _credential("notify.secret", environ) or _variable(NOTIFY_VARIABLE, environ)


def _variable(name: str, environ: Mapping[str, str]) -> Secret | None:
    value = environ.get(name)
    return Secret(value) if value else None


def _credential(name: str, environ: Mapping[str, str]) -> Secret | None:
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return None
    # LoadCredential=secrets:DIR flattens the names of a directory's files to secrets_NAME.
    for path in (Path(directory, name), Path(directory, f"secrets_{name}")):
        try:
            return _content(path, path.read_bytes())
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unreadable(path, error) from error
    return None


def _private_file(path: Path) -> Secret:
    try:
        # Nobody writes into a pipe of that name: without O_NONBLOCK the whole daemon would wait for him.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise SecretUnreadable(f"{path} is not a file", "Name a file that holds nothing but the secret")
            if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                message = f"others than its owner may use {path} (mode {stat.S_IMODE(found.st_mode):04o})"
                raise SecretUnreadable(message, f"Run: chmod 600 {path}")
            return _content(path, file.read(LONGEST + 1))
    except IsADirectoryError as error:
        raise SecretUnreadable(f"{path} is a directory", "Name a file that holds nothing but the secret") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> SecretUnreadable:
    return SecretUnreadable(f"{path} cannot be read: {error.strerror}", "Make it readable for the daemon's user")


def _content(path: Path, content: bytes) -> Secret:
    """An editor ends a file with a newline; no password does."""
    try:
        value = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretUnreadable(f"{path} is not text", "Save it as UTF-8") from None
    if not value:
        raise SecretUnreadable(f"{path} is empty", "Write the secret into it")
    if len(value.splitlines()) > 1 or len(content) > LONGEST:
        raise SecretUnreadable(f"{path} holds more than one line", "Leave nothing but the secret in it")
    return Secret(value)
