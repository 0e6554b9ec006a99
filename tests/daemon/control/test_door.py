"""The socket's file: who may open it, whose it is, and that it goes."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.control import SocketUnusable
from daemon.control.door import listening


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o077, 0o000])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_the_socket_has_its_mode_under_every_umask_and_goes_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "run" / "control.sock"
    with listening(path):
        assert mode_of(path) == 0o660
        assert mode_of(path.parent) & 0o027 == 0, "others have no business there, nor may the group change it"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    assert not path.exists()


def test_a_directory_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with listening(tmp_path / "control.sock"):
        assert mode_of(tmp_path) == 0o755


def test_a_socket_that_nobody_answers_on_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    with listening(path):
        pass


def test_a_socket_in_use_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with listening(path):
        with pytest.raises(SocketUnusable, match=r"in use by another copierd\. Stop that one first"), listening(path):
            pass
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_something_else_in_its_place_is_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(SocketUnusable, match=r"is no socket\. Move it away"), listening(path):
        pass
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["x" * 120, "file/control.sock"])
def test_a_place_that_cannot_be_had_says_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    words = r"cannot be made: .* Name one with control_socket"
    with pytest.raises(SocketUnusable, match=words), listening(tmp_path / name):
        pass


def test_a_socket_that_replaced_ours_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with listening(path):
        path.rename(tmp_path / "away.sock")
        path.touch()
    assert path.exists()
