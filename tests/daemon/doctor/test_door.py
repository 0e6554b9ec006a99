"""The control socket as doctor finds it, and what a running daemon says of itself there."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from daemon.doctor import offline
from daemon.doctor.causes import LOGIN, MACHINE
from daemon.doctor.facts import Answers, Door, Machine, Person, State
from daemon.doctor.salvage import read
from daemon.doctor.verdicts import Check, Unknown, Verdict, Well, Wrong
from daemon.tradovate.answers import Said
from tests.daemon.certify.test_permission import answering
from tests.daemon.doctor.clinic import text_of

NOW = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)


def check(checks: tuple[Check[Any], ...], name: str) -> Check[Any]:
    return next(one for one in checks if one.id == name)


def of_socket(directory: Path, door: Door, *, held: bool) -> Verdict:
    (directory / "copier.toml").write_text(text_of())
    machine = Machine(NOW, read(directory / "copier.toml"), State(directory, held=held), door)
    return check(MACHINE, "control-socket").verdict(machine)


def test_a_socket_that_nobody_listens_on_is_swept_away_at_the_next_start(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s"))
    door = offline.door(tmp_path / "s")
    assert (door.trouble, door.status) == (None, None)
    assert of_socket(tmp_path, door, held=False) == Well("no copierd is running")


def test_a_socket_where_there_is_none_yet(tmp_path: Path) -> None:
    assert offline.door(tmp_path / "s") == Door(tmp_path / "s")


def test_a_copierd_of_other_state_is_told(tmp_path: Path) -> None:
    with answering(tmp_path / "s", 200, {"version": "0.1.0"}):
        door = offline.door(tmp_path / "s")
    found = of_socket(tmp_path, door, held=False)
    assert isinstance(found, Wrong)
    assert "it runs on other state" in found.what
    assert of_socket(tmp_path, door, held=True) == Well("copierd 0.1.0 answers")


def test_a_copierd_that_refuses_is_told(tmp_path: Path) -> None:
    with answering(tmp_path / "s", 500, {"detail": "stuck"}):
        door = offline.door(tmp_path / "s")
    assert isinstance(of_socket(tmp_path, door, held=True), Wrong)
    assert door.trouble is not None
    assert "stuck" in door.trouble.what


def test_a_disk_without_room_is_told(tmp_path: Path) -> None:
    (tmp_path / "copier.toml").write_text(text_of())
    machine = Machine(NOW, read(tmp_path / "copier.toml"), State(tmp_path, free=5_000_000), Door(tmp_path / "s"))
    found = check(MACHINE, "state-directory").verdict(machine)
    assert isinstance(found, Wrong)
    assert "only 4 MiB are free" in found.what


def person(directory: Path, **status: object) -> Person:
    (directory / "copier.toml").write_text(text_of())
    said = {"logins": [{"login": "apex", **status}]}
    return offline.person("apex", read(directory / "copier.toml"), NOW, None, said)


@pytest.mark.parametrize(
    ("left", "words"),
    [(None, "has no token (Refused: no)"), (60.0, "has let its token come to 60 s"), (-5.0, "come to 0 s")],
)
def test_a_daemon_that_does_not_renew_is_told(left: float | None, words: str, tmp_path: Path) -> None:
    ends = None if left is None else (NOW + timedelta(seconds=left)).isoformat()
    one = person(tmp_path, state="Refused", reason="no", token_expires_at=ends)
    found = check(LOGIN, "token").verdict(one)
    assert isinstance(found, Wrong)
    assert words in found.what


def test_a_daemon_whose_token_has_time_is_well(tmp_path: Path) -> None:
    one = person(tmp_path, state="Connected", token_expires_at=(NOW + timedelta(hours=1)).isoformat())
    assert check(LOGIN, "token").verdict(one) == Well("valid until 2026-11-18 16:00:00 UTC")


def test_an_eviction_that_the_daemon_tells_of(tmp_path: Path) -> None:
    one = person(tmp_path, cause="evicted", reason="another login took the session")
    found = check(LOGIN, "session-limit").verdict(one)
    assert isinstance(found, Wrong)
    assert "another login took the session" in found.what


@pytest.mark.parametrize(
    ("status", "kind"), [(200, Well), (401, Unknown), (403, Unknown), (503, Unknown), (429, Wrong)]
)
def test_that_nobody_else_has_the_session_is_known_only_from_an_answer(
    status: int, kind: type[object], tmp_path: Path
) -> None:
    said = Answers({"user/list": Said(status, []), "account/list": Said(status, [])})
    one = attrs.evolve(person(tmp_path), status=None, online=said)
    assert isinstance(check(LOGIN, "session-limit").verdict(one), kind)


@pytest.mark.parametrize("check_id", [one.id for one in LOGIN])
def test_a_login_whose_table_cannot_be_read_fails_no_check_by_a_bug(check_id: str, tmp_path: Path) -> None:
    one = attrs.evolve(person(tmp_path), settings=None, environment=None, accounts=())
    assert not isinstance(check(LOGIN, check_id).verdict(one), Wrong)
