"""A configuration for the service: its secrets are where systemd takes them from, wherever they were before."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from daemon.init import files
from daemon.init.draft import Draft
from daemon.init.files import Files, Occupied
from daemon.init.interview import Interview
from daemon.init.wish import Wish

WISH = Wish(environment="demo", username="jane", leader="A", followers=("B",), offline=True)


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "etc"
    (found / "secrets").mkdir(parents=True)
    monkeypatch.setattr(files, "OF_THE_SYSTEM", found)
    return found


def secret(path: Path) -> Path:
    path.write_text("canary\n")
    path.chmod(0o600)
    return path


def held(etc: Path, password: Path) -> tuple[Draft, dict[Path, str]]:
    wish = attrs.evolve(WISH, password_file=str(password))
    return Interview(Files(etc / "copier.toml"), wish, None, {}).held()


def test_a_secret_in_a_file_that_the_service_cannot_read_is_handed_over_too(etc: Path, tmp_path: Path) -> None:
    draft, written = held(etc, secret(tmp_path / "mine"))
    assert written == {etc / "secrets" / "jane.password": "canary"}
    assert draft.login.password_file is None and "password_file" not in draft.text()


def test_one_that_is_handed_over_already_stays_as_it_is(etc: Path, tmp_path: Path) -> None:
    there = secret(etc / "secrets" / "jane.password")
    draft, written = held(etc, there)
    assert written == {} and draft.login.password_file is None
    with pytest.raises(Occupied, match=f"--password-file {there}"):
        held(etc, secret(tmp_path / "mine"))
