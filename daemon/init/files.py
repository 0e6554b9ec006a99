"""The files that `copierd init` makes, and where: the configuration, and one for each secret that was not in one yet.

Rule: a file that is there is never touched. When one of them cannot be made, those that were made are taken away again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from daemon import places

OF_THE_SYSTEM = Path("/etc/copierd")  # where the units look; systemd hands them the secrets
READABLE, PRIVATE = 0o640, 0o600


class Occupied(Exception):
    """A file is there already. The text says which, and what to do."""


@attrs.frozen
class Files:
    """`path` is the configuration's. `chosen`: where the operator wants the secrets; None leaves it to us."""

    path: Path
    chosen: Path | None = None

    @property
    def of_the_system(self) -> bool:
        """Is it a configuration for the service? Then its secrets are credentials, and the file does not name them."""
        return self.path.parent.resolve() == OF_THE_SYSTEM and self.chosen is None

    @property
    def environ(self) -> Mapping[str, str]:
        """Of the daemon, as far as secrets go: the service will be handed what is written here."""
        return {**os.environ, "CREDENTIALS_DIRECTORY": str(self.directory)} if self.of_the_system else os.environ

    @property
    def directory(self) -> Path:
        """Of the secrets, absolute."""
        if self.chosen is not None:
            return places.expanded(str(self.chosen)).absolute()
        if self.of_the_system:
            return OF_THE_SYSTEM / "secrets"
        base = os.environ.get("XDG_CONFIG_HOME")
        return (Path(base) if base else places.home() / ".config") / "copierd"

    def secret(self, login: str, kind: str) -> Path:
        return self.directory / f"{login}.{kind}"

    def check(self, path: Path) -> None:
        """Raises Occupied when this file is there, be it a link to nowhere, and OSError when it cannot be made."""
        if not os.path.lexists(path):
            if path == self.path:
                if not path.parent.is_dir():
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
                # A disk may be full by then, but who lacks a right is told before he has answered a dozen questions.
                if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return
        if path == self.path:
            remedy = "Edit that one, or name another: copierd init FILE"
        else:
            flag = f"--{path.suffix[1:].replace('_', '-')}-file"
            remedy = (
                f"Say {flag} {path} to use what is in it, move it away, or give the login another name: --login NAME"
            )
        raise Occupied(f"{path} is there already, and stays as it is. {remedy}")

    def write(self, text: str, secrets: dict[Path, str]) -> None:
        """The secrets first: without them the configuration might be tried. Raises Occupied, OSError."""
        made: list[Path] = []
        try:
            if secrets:
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path, secret in secrets.items():
                self._make(path, f"{secret}\n", PRIVATE, made)
            self._make(self.path, text, READABLE, made)
        except BaseException:  # Ctrl-C as well: what is half written would be in the way of the next try
            for path in made:
                path.unlink()
            raise

    def _make(self, path: Path, text: str, mode: int, made: list[Path]) -> None:
        """On disk. `made` learns of it as soon as it is there."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        except FileExistsError:
            self.check(path)
            raise
        made.append(path)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if path == self.path and self.of_the_system:
                # The service's group is that of the directory; the umask of whoever is root must not keep it out.
                os.fchown(descriptor, -1, path.parent.stat().st_gid)
                os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
