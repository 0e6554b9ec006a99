"""Where secrets are found, in which order, and that they do not show."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import pytest

from daemon.config import Login
from daemon.config.secrets import Secret, SecretUnreadable, find, find_notify, variable

LOGIN = Login(login="my-fund", environment="demo", username="jane")


def revealed(secret: Secret | None) -> str | None:
    return secret.reveal() if secret else None


def file_with(path: Path, content: str, mode: int = 0o600) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path


def test_a_credential_wins_over_the_environment_and_that_over_a_file(tmp_path: Path) -> None:
    login = attrs.evolve(LOGIN, password_file=file_with(tmp_path / "file", "from file\n"))
    environ = {"COPIERD_MY_FUND_PASSWORD": "from environment", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    (tmp_path / "my-fund.password").write_text("from credential\n")
    assert revealed(find(login, "password", environ)) == "from credential"
    (tmp_path / "my-fund.password").rename(tmp_path / "secrets_my-fund.password")
    assert revealed(find(login, "password", environ)) == "from credential"
    (tmp_path / "secrets_my-fund.password").unlink()
    assert revealed(find(login, "password", environ)) == "from environment"
    assert revealed(find(login, "password", {})) == "from file"


def test_a_secret_that_is_nowhere_is_none() -> None:
    assert find(LOGIN, "client_secret", {"COPIERD_MY_FUND_CLIENT_SECRET": ""}) is None
    assert variable("my-fund", "client_secret") == "COPIERD_MY_FUND_CLIENT_SECRET"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o602])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = file_with(tmp_path / "file", "hunter22", mode)
    with pytest.raises(SecretUnreadable, match=f"mode {mode:04o}.*chmod 600 {path}") as caught:
        find(attrs.evolve(LOGIN, sec_file=path), "sec", {})
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "is not text"),
        (b"one\ntwo\n", "more than one line"),
        (b"x" * 5000, "more than one line"),
    ],
)
def test_a_file_without_a_secret_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = file_with(tmp_path / "file", "")
    path.write_bytes(content)
    with pytest.raises(SecretUnreadable, match=words):
        find(attrs.evolve(LOGIN, sec_file=path), "sec", {})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretUnreadable, match="nowhere cannot be read: No such file"):
        find(attrs.evolve(LOGIN, sec_file=tmp_path / "nowhere"), "sec", {})


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(SecretUnreadable, match=r"is not a file|is a directory"):
            find(attrs.evolve(LOGIN, sec_file=path), "sec", {})


def test_a_secret_shows_nothing() -> None:
    secret = Secret("hunter22")
    assert "hunter22" not in f"{secret} {secret!r} {[secret]} {secret!s}"
    assert secret == Secret("hunter22") and secret != Secret("other")


def test_the_key_of_notifications(tmp_path: Path) -> None:
    assert revealed(find_notify({"COPIERD_NOTIFY_SECRET": "a"})) == "a"
    (tmp_path / "notify.secret").write_text("b")
    environ = {"COPIERD_NOTIFY_SECRET": "a", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert revealed(find_notify(environ)) == "b"
    assert find_notify({}) is None
