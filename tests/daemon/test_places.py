"""Where state and socket are when the configuration does not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon import places
from daemon.config import ConfigErrors, loads
from tests.daemon.configurations import MINIMAL


def test_systemd_decides_then_the_session_then_the_home() -> None:
    systemd = {"STATE_DIRECTORY": "/var/lib/copierd:/var/lib/more", "RUNTIME_DIRECTORY": "/run/copierd"}
    session = {"XDG_RUNTIME_DIR": "/run/user/1000"}
    home = Path.home() / ".local/state/copierd"
    assert places.state_directory(systemd) == Path("/var/lib/copierd")
    assert places.state_directory(session) == home
    assert places.control_socket(systemd | session) == Path("/run/copierd/control.sock")
    assert places.control_socket(session) == Path("/run/user/1000/copierd/control.sock")
    assert places.control_socket({}) == home / "control.sock"


def test_who_has_no_home_has_the_root_and_a_tilde_that_is_nobody_s_is_a_relative_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)  # as in a container: a number without a name
    monkeypatch.delenv("HOME", raising=False)
    assert places.state_directory({}) == Path("/.local/state/copierd")
    monkeypatch.setenv("HOME", "/home/jane")
    assert places.state_directory({}) == Path("/home/jane/.local/state/copierd")
    assert places.expanded("~/x") == Path("/home/jane/x")
    with pytest.raises(ConfigErrors, match="'~nobody-of-that-name/c' is a relative path"):
        loads(f'daemon.state_directory = "~nobody-of-that-name/c"\n{MINIMAL}')


def test_the_configuration_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/other")
    assert loads(MINIMAL).daemon.state_directory == Path("/var/lib/other")
    assert loads(f'daemon.state_directory = "/srv/c"\n{MINIMAL}').daemon.state_directory == Path("/srv/c")


def test_a_file_here_goes_before_the_system_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert places.configuration() == Path("/etc/copierd/copier.toml")
    Path("copier.toml").touch()
    assert places.configuration() == Path("copier.toml")
