"""Who does not read, or does not read yet, keeps nobody waiting, and misses nothing but the oldest."""

from __future__ import annotations

import fcntl
import os
import pty
import socket
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon import notify, outlet
from daemon.outlet import Outlet, after, room_at, text_to

TALKER = r"""
from daemon.outlet import text_to

put = text_to(1)
for _ in range(1000):
    put(199 * "x" + "\n")
put("stopped\n")
"""
LINES = [f"{number:03} {'x' * 195}\n" for number in range(600)]  # 200 bytes each: more than a pipe or a socket holds


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(path))
        yield end


def fill(path: Path) -> int:
    """As others do that speak to the same systemd, until it takes no more. Answers with how many datagrams."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.setblocking(False)
        for sent in range(10_000):
            try:
                end.sendto(b"others", str(path))
            except BlockingIOError:
                return sent
    raise AssertionError("it takes everything")


def all_of(descriptor: int) -> str:
    os.set_blocking(descriptor, False)
    found = b""
    try:
        while piece := os.read(descriptor, 65536):
            found += piece
    except BlockingIOError:
        pass
    return found.decode()


@pytest.fixture(params=["pipe", "socket", "terminal"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """What is read from, and what is written to."""
    if request.param == "pipe":
        read, write = os.pipe()
    elif request.param == "socket":
        one, other = socket.socketpair()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        read, write = one.detach(), other.detach()
    else:
        read, write = pty.openpty()
        tty.setraw(write)
    yield read, write
    os.close(read)
    os.close(write)


def test_whoever_reads_late_reads_all_of_it_in_order(ends: tuple[int, int]) -> None:
    read, write = ends
    put = text_to(write)
    for line in LINES:
        put(line)  # a write that waited would wait here for ever
    found = all_of(read)
    assert 0 < len(found) < len("".join(LINES)), "nobody has read so far, and it was too much"
    for _ in LINES:
        put("")  # the next that is said takes along what was kept
        found += all_of(read)
    assert found == "".join(LINES)


def test_the_descriptor_that_others_share_is_left_as_it_was(ends: tuple[int, int]) -> None:
    _, write = ends
    text_to(write)("hello\n")
    assert fcntl.fcntl(write, fcntl.F_GETFL) & os.O_NONBLOCK == 0


def test_of_too_much_the_oldest_is_given_up_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "KEPT", 3)
    said: list[str] = []
    open_ = False

    def look() -> None:
        if not open_:
            raise BlockingIOError

    lines = Outlet(after(look, said.append), lambda lost: f"{lost} lost")
    for number in range(8):
        lines.put(str(number))
    assert said == []
    open_ = True
    lines.put("8")
    assert said == ["0", "5 lost", "6", "7", "8"], "what has been begun is ended"
    lines.put("9")
    assert said[5:] == ["9"]


def test_where_nobody_listens_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    room_at(str(tmp_path / "nobody"))()


def test_a_systemd_that_is_busy_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    with listening(path) as systemd:
        tell = notify.notifier()
        others = fill(path)
        tell("READY=1")  # sd_notify(3) would wait here for ever
        tell("STATUS=2 Connected")
        said = [systemd.recv(100) for _ in range(others)]
        assert set(said) == {b"others"}
        tell("WATCHDOG=1")
        assert [systemd.recv(100) for _ in range(3)] == [b"READY=1", b"STATUS=2 Connected", b"WATCHDOG=1"]


def test_without_a_systemd_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.notifier()("READY=1")


def test_what_was_kept_is_said_as_soon_as_somebody_looks_again(ends: tuple[int, int]) -> None:
    read, write = ends
    put = text_to(write)
    for line in LINES:
        put(line)
    found = all_of(read)
    for _ in LINES:  # nothing more is said: an alarm would have waited for the next line
        outlet.go_on()
        found += all_of(read)
    assert found == "".join(LINES)


def test_a_process_that_ends_gives_a_slow_reader_a_moment_for_its_last_words() -> None:
    with subprocess.Popen([sys.executable, "-c", TALKER], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        time.sleep(0.5)  # it has said what a pipe holds by then, and nothing is left for it but to end
        assert process.stdout.read().endswith(b"stopped\n")
    assert process.returncode == 0


def test_one_that_cannot_be_said_is_not_said_again_and_again() -> None:
    said: list[str] = []

    def give(one: str) -> None:
        if one == "poison":
            raise ValueError(one)
        said.append(one)

    lines = Outlet(give)
    with pytest.raises(ValueError, match="poison"):
        lines.put("poison")
    lines.put("more")
    assert said == ["more"]


def test_a_systemd_that_is_gone_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    with listening(path):
        tell = notify.notifier()
    path.unlink()
    tell("READY=1")
    tell("WATCHDOG=1")
    with listening(path) as systemd:
        tell("STOPPING=1")
        assert systemd.recv(100) == b"STOPPING=1"
