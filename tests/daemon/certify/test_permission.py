"""When a run may take a login, and in which words it is refused."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from daemon.certify.permission import NotAllowed, check, taken
from daemon.config import Config, Login, loads
from daemon.config.values import BUILT_IN
from daemon.ledger import Ledger
from daemon.state_lock import StateLock
from tests.daemon.certify.rig import copy_of


def config_in(directory: Path) -> Config:
    daemon = f'[daemon]\nstate_directory = "{directory / "state"}"\ncontrol_socket = "{directory / "control.sock"}"\n'
    return loads(f'{daemon}[logins.apex]\nenvironment = "demo"\nusername = "jane"\n{copy_of("apex")}')


@contextmanager
def daemon_on(config: Config, *logins: str) -> Iterator[None]:
    """A daemon that holds the state directory, with these logins in its ledger."""
    directory = config.daemon.state_directory
    with StateLock.taken(directory):
        ledger = Ledger.open(directory / "ledger.sqlite")
        for login in logins:
            ledger.keep_device(login, f"device-of-{login}")
        yield
        ledger.close()


@contextmanager
def answering(socket: Path, status: int, body: object) -> Iterator[None]:
    """Something that answers every request on a Unix socket."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def address_string(self) -> str:
            return "local"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's own word
            """Silent."""

    with socketserver.UnixStreamServer(str(socket), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_live_is_refused_unless_told_to_evict() -> None:
    login = Login(login="apex", environment="live", username="jane")
    with pytest.raises(NotAllowed, match=r"apex is on live, .* Certify on demo, or say --evict"):
        check(login, BUILT_IN["live"], evict=False)
    check(login, BUILT_IN["live"], evict=True)
    check(login, BUILT_IN["demo"], evict=False)


def test_a_grant_without_a_password_is_refused_with_its_reason() -> None:
    login = Login(login="fund", environment="demo", grant="oauth")
    with pytest.raises(NotAllowed, match=r'fund has grant = "oauth"'):
        check(login, BUILT_IN["demo"], evict=True)


def test_the_state_directory_is_held_during_a_run(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    with taken(config, "apex", evict=False) as ledger:
        ledger.keep_device("apex", "kept")
        with pytest.raises(NotAllowed, match="a copierd holds login apex"), taken(config, "apex", evict=False):
            pytest.fail("two at a time")
    with taken(config, "apex", evict=False) as ledger:
        assert ledger.device("apex") == "kept"


def test_a_daemon_whose_ledger_has_the_login_is_not_pushed_out(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    words = r"a copierd holds login apex \(on .*state\), .* Stop it first \(systemctl stop copierd\), or say --evict"
    with daemon_on(config, "apex", "fund"):
        with pytest.raises(NotAllowed, match=words), taken(config, "apex", evict=False):
            pytest.fail("it was allowed")
        with taken(config, "apex", evict=True) as ledger:
            assert ledger.device("apex") == "device-of-apex"  # the one that the broker has approved
            assert str(ledger.path) == ":memory:"


def test_a_daemon_of_other_logins_is_left_alone(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    with daemon_on(config, "fund"), taken(config, "apex", evict=False) as ledger:
        assert str(ledger.path) == ":memory:"
        assert ledger.device("apex") is None


def test_a_ledger_that_cannot_be_read_is_no_permission(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    with (
        StateLock.taken(config.daemon.state_directory),
        pytest.raises(NotAllowed, match="whether it holds login apex cannot be read"),
        taken(config, "apex", evict=False),
    ):
        pytest.fail("it was allowed")


def test_a_state_directory_that_cannot_be_used_is_no_permission(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    config.daemon.state_directory.write_text("a file")
    with pytest.raises(NotAllowed, match="cannot be told"), taken(config, "apex", evict=True):
        pytest.fail("it was allowed")


def test_a_daemon_that_answers_is_asked_which_logins_it_holds(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    socket = config.daemon.control_socket
    with answering(socket, 200, {"logins": [{"login": "apex"}]}):
        with pytest.raises(NotAllowed, match=r"holds login apex \(it answers at .*control.sock\)"):
            taken(config, "apex", evict=False).__enter__()
        with taken(config, "apex", evict=True):
            pass
    socket.unlink()
    with answering(socket, 200, {"logins": [{"login": "fund"}]}), taken(config, "apex", evict=False):
        pass
    socket.unlink()
    with (
        answering(socket, 403, {"detail": "not from here"}),
        pytest.raises(NotAllowed, match="does not say which logins it holds: not from here"),
    ):
        taken(config, "apex", evict=False).__enter__()
