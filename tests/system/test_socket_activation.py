"""A control socket that somebody else has made and hands over, as systemd does: used, and left where it is."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemon.configurations import MINIMAL

ROOT = Path(__file__).parents[2]
WITHIN = 60.0  # seconds, on a busy machine
ACTIVATE = shutil.which("systemd-socket-activate")
# What a daemon does with what it was given, without the rest of a daemon.
TAKES = """
import os, socket, sys
from pathlib import Path
from daemon.control import SocketUnusable
from daemon.control.door import listening
try:
    with listening(Path(sys.argv[1])) as door:
        print(door.socket.getsockname(), os.get_inheritable(door.socket.fileno()), "LISTEN_FDS" in os.environ)
except SocketUnusable as error:
    print(error)
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "copier.toml"
    path.write_text(f"""
[daemon]
state_directory = "{tmp_path / "state"}"
control_socket = "{tmp_path / "own.sock"}"
{MINIMAL}""")
    return path


@contextmanager
def running(*command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as said, subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said) as process:
        try:
            yield process
        finally:
            process.kill()


def accounts(path: Path) -> list[str]:
    command = [sys.executable, "-m", "daemon.ctl", "--socket", str(path), "status", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN)
    return [one["account"] for one in json.loads(done.stdout)["accounts"]] if done.returncode == 0 else []


@pytest.mark.skipif(ACTIVATE is None, reason="needs systemd-socket-activate, which comes with systemd")
def test_the_first_who_asks_starts_it_and_the_socket_outlives_it(tmp_path: Path, config: Path) -> None:
    assert ACTIVATE is not None
    path, log = tmp_path / "given.sock", tmp_path / "log"
    daemon = [sys.executable, "-m", "daemon", "run", "--config", str(config)]
    with running(ACTIVATE, f"--listen={path}", "--fdname=control", *daemon, log=log) as process:
        deadline = time.monotonic() + WITHIN
        while not path.exists():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        path.chmod(0o660)
        inode = path.stat().st_ino
        while accounts(path) != ["a", "b"]:  # copierctl waits for 5 s; a busy machine may start more slowly
            assert time.monotonic() < deadline, log.read_text()
        assert not (tmp_path / "own.sock").exists(), "there is one control socket"
        process.terminate()
        assert process.wait(WITHIN) == 0, log.read_text()
    assert path.is_socket() and path.stat().st_ino == inode, "what we did not make we do not remove"


def taken(tmp_path: Path, given: list[int], *, names: str = "", listen_pid: str = "$$", count: str = "") -> str:
    """What becomes of these descriptors, passed on as systemd does: from 3 on, to the process of this very number."""
    moves = " ".join(f"{at}<&{descriptor}" for at, descriptor in enumerate(given, 3))
    told = f"LISTEN_PID={listen_pid} LISTEN_FDS={count or len(given)} LISTEN_FDNAMES={names}"
    script = f'exec {moves}; {told} exec "$0" -c "$1" "$2"'
    command = ["bash", "-c", script, sys.executable, TAKES, str(tmp_path / "own.sock")]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, pass_fds=given, capture_output=True, text=True
    )
    assert done.returncode == 0, done
    return done.stdout


@contextmanager
def door(path: Path, mode: int = 0o660, kind: int = socket.SOCK_STREAM) -> Iterator[int]:
    """A listening socket, at a descriptor that is none of those which are handed over."""
    with socket.socket(socket.AF_UNIX, kind) as made:
        made.bind(str(path))
        path.chmod(mode)
        if kind == socket.SOCK_STREAM:
            made.listen()
        high = 100 + made.fileno()
        os.dup2(made.fileno(), high)
        try:
            yield high
        finally:
            os.close(high)


def test_one_socket_needs_no_name_and_of_two_the_one_named_control_is_ours(tmp_path: Path) -> None:
    with door(tmp_path / "a") as one, door(tmp_path / "b") as other:
        assert taken(tmp_path, [one], names="unknown") == f"{tmp_path / 'a'} False False\n"
        assert taken(tmp_path, [one, other], names="web:control") == f"{tmp_path / 'b'} False False\n"
        assert "FileDescriptorName=control" in taken(tmp_path, [one, other], names="control:control")
        assert "FileDescriptorName=control" in taken(tmp_path, [one, other])
    assert (tmp_path / "a").is_socket() and (tmp_path / "b").is_socket()
    assert not (tmp_path / "own.sock").exists()


def test_what_was_said_to_another_process_is_not_for_us(tmp_path: Path) -> None:
    with door(tmp_path / "a") as one:
        assert taken(tmp_path, [one], listen_pid="1") == f"{tmp_path / 'own.sock'} False True\n"
    assert not (tmp_path / "own.sock").exists(), "our own goes with us"


def a_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT)


@pytest.mark.parametrize(
    ("mode", "kind", "words"),
    [(0o666, socket.SOCK_STREAM, "SocketMode=0660"), (0o660, socket.SOCK_DGRAM, "not Accept=yes")],
)
def test_a_socket_that_cannot_be_ours_is_refused_with_what_to_do(
    tmp_path: Path, mode: int, kind: int, words: str
) -> None:
    with door(tmp_path / "a", mode, kind) as one:
        assert words in taken(tmp_path, [one])
    assert (tmp_path / "a").is_socket() and not (tmp_path / "own.sock").exists()


@pytest.mark.parametrize("number", ["x", "-1"])
def test_nonsense_is_refused(tmp_path: Path, number: str) -> None:
    with door(tmp_path / "a") as one:
        assert "is no number" in taken(tmp_path, [one], count=number)


def test_a_connection_a_file_and_an_abstract_name_are_refused(tmp_path: Path) -> None:
    def refused(made: Callable[[], int], words: str) -> None:
        low = made()
        high = 100 + low
        os.dup2(low, high)
        try:
            assert words in taken(tmp_path, [high])
        finally:
            os.close(high)
            os.close(low)

    def abstract() -> int:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"\0copierd-test-{os.getpid()}")
            made.listen()
            return os.dup(made.fileno())

    def connection() -> int:
        ours, theirs = socket.socketpair()
        theirs.close()
        return ours.detach()

    refused(lambda: a_file(tmp_path / "file"), "is no socket")
    refused(abstract, "ListenStream= with a path")
    refused(connection, "not Accept=yes")
