"""Where the daemon keeps its state and answers, when the configuration does not say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

SERVICE = Path("/etc/copierd")  # what the units of systemd read; secrets/NAME there is the credential NAME
SERVICE_STATE = Path("/var/lib/copierd")  # of copierd.service; /var/lib/copierd-NAME of copierd@NAME


def instance(configuration: Path, name: str) -> str:
    """How the service of this configuration calls what another calls `name`."""
    return name if configuration.stem == "copier" else f"{name}-{configuration.stem}"


def _first(value: str | None) -> Path | None:
    """systemd gives a colon-separated list where a unit names several directories; ours comes first."""
    return Path(value.split(":")[0]) if value else None


def expanded(path: str) -> Path:
    """With a home in the place of its ~; as it is written where there is no such user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - pathlib's own raises RuntimeError then


def home() -> Path:
    """Real world: in a container a daemon may run as a number that is nobody, without HOME. Then it is /."""
    found = expanded("~")
    return found if found.is_absolute() else Path("/")


def state_directory(environ: Mapping[str, str] | None = None) -> Path:
    """$STATE_DIRECTORY (systemd's), else ~/.local/state/copierd."""
    environ = os.environ if environ is None else environ
    return _first(environ.get("STATE_DIRECTORY")) or home() / ".local" / "state" / "copierd"


def control_socket(environ: Mapping[str, str] | None = None) -> Path:
    """$RUNTIME_DIRECTORY/control.sock, else $XDG_RUNTIME_DIR/copierd/control.sock, else beside the state."""
    environ = os.environ if environ is None else environ
    runtime = _first(environ.get("RUNTIME_DIRECTORY"))
    if runtime:
        return runtime / "control.sock"
    session = environ.get("XDG_RUNTIME_DIR")
    if session:
        return Path(session) / "copierd" / "control.sock"
    # Without a session of systemd (a container, cron, su) neither is set; the state directory is always ours.
    return state_directory(environ) / "control.sock"


def configuration() -> Path:
    """./copier.toml where there is one, else /etc/copierd/copier.toml."""
    here = Path("copier.toml")
    return here if here.exists() else SERVICE / "copier.toml"
