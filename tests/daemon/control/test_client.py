"""Where copierctl looks, and what it says when nobody is there."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.control import client
from daemon.control.client import SYSTEMS_OWN, Client, NoDaemon, sockets


def test_where_it_looks() -> None:
    environment = {"XDG_RUNTIME_DIR": "/run/user/1000"}
    own = Path("/run/user/1000/copierd/control.sock")
    outside = Path.home() / ".local/state/copierd/control.sock"  # of a daemon that cron has started
    assert sockets(None, environment) == (own, outside, SYSTEMS_OWN)
    assert sockets(None, {**environment, "COPIERD_SOCKET": ""}) == (own, outside, SYSTEMS_OWN)
    assert sockets(None, {}) == (outside, SYSTEMS_OWN)
    assert sockets(None, {**environment, "COPIERD_SOCKET": "/x"}) == (Path("/x"),)
    assert sockets(Path("/y"), {**environment, "COPIERD_SOCKET": "/x"}) == (Path("/y"),)
    assert sockets(None, {"RUNTIME_DIRECTORY": "/run/copierd"}) == (SYSTEMS_OWN,)


def test_the_first_that_is_there_is_asked(tmp_path: Path) -> None:
    here, there = tmp_path / "a", tmp_path / "b"
    there.touch()
    assert Client((here, there)).path == there
    assert Client((here, tmp_path / "c")).path == here


def refusal(*looked_at: Path) -> str:
    with pytest.raises(NoDaemon) as caught:
        Client(looked_at).get("/v1/status")
    return str(caught.value)


def test_nothing_is_there(tmp_path: Path) -> None:
    words = refusal(tmp_path / "a", tmp_path / "b")
    assert f"no copierd answers at {tmp_path}/a or {tmp_path}/b (No such file or directory)" in words
    assert "systemctl start copierd" in words and "--socket PATH" in words and "COPIERD_SOCKET" in words
    assert "path too long" in refusal(tmp_path / ("x" * 200))


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    assert "(Connection refused)" in refusal(tmp_path / "dead")


def test_a_socket_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(self: socket.socket, address: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    # root, who runs tests in a container, may open anything
    monkeypatch.setattr(socket, "socket", type("Closed", (socket.socket,), {"connect": connect}))
    assert "usermod -aG" in refusal(tmp_path / "control.sock")


@contextmanager
def answering(path: Path, answer: bytes | None) -> Iterator[None]:
    """Something that answers each request with the same bytes, or never."""
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen()

        def serve() -> None:
            while True:
                connection, _ = door.accept()
                with connection:
                    if not connection.recv(65536):
                        continue  # it only knocked
                    if answer is None:
                        done.wait(10)
                    else:
                        connection.sendall(answer)
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize("answer", [b"", b"\x00\x01", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"])
def test_what_answers_is_no_copierd(tmp_path: Path, answer: bytes) -> None:
    with answering(tmp_path / "s", answer):
        assert "is no copierd" in refusal(tmp_path / "s")


def test_a_daemon_that_is_stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LIMIT", 0.1)
    with answering(tmp_path / "s", None):
        assert "does not answer" in refusal(tmp_path / "s")


def test_a_proxy_of_the_environment_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with answering(tmp_path / "s", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"):
        assert Client((tmp_path / "s",)).get("/v1/status") == {}
