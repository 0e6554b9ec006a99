"""`copierd init` as it is typed: at a terminal and by flags, against a real broker look-alike, a wrong one and none."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from daemon.init.files import Files
from tests.system.processes import LookAlike, look_alike

ROOT = Path(__file__).parents[2]
WITHIN = 60.0  # seconds for a question to be asked, on a busy machine
PASSWORD, SEC = "canary-password", "canary-secret"
NOBODY = "http://127.0.0.1:9/v1"  # port 9 is discard, which nobody serves
LEADER, FIRST, SECOND = (f"DEMO-jane-{number}" for number in (1, 2, 3))
ACCOUNTS = ("--leader", LEADER, "--follower", f"{FIRST}=0.5", "--follower", SECOND)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LookAlike]:
    """It knows one user, jane, whose password is the right one."""
    faults = tmp_path / "faults.toml"
    faults.write_text(f"""
[[acts]]
after = 0.0
act = "login_named"
with = {{ username = "jane" }}
[[acts]]
after = 0.05
act = "change_password"
with = {{ login = "jane", password = "{PASSWORD}" }}
""")
    with look_alike(faults) as found:
        time.sleep(0.5)  # until the second of these has been done; before it, any password is right
        yield found


@attrs.frozen
class Home:
    """A user's home, with the terminal that `copierd init` is typed in."""

    path: Path

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("COPIERD_", "XDG_"))}
        return {**kept, "HOME": str(self.path), "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(self.path)}

    def run(self, *words: str, given: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *words]
        environ = {**self.environ, **environ}
        return subprocess.run(
            command, cwd=self.path, env=environ, input=given, capture_output=True, text=True, timeout=WITHIN
        )

    def init(self, *flags: str, given: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        return self.run("daemon", "init", *flags, given=given, **environ)

    @contextmanager
    def typed(self, *flags: str, **environ: str) -> Iterator[Typed]:
        """`setsid --ctty`: getpass asks the controlling terminal, as it does where a person sits."""
        ours, theirs = pty.openpty()
        command = ["setsid", "--ctty", "--wait", sys.executable, "-m", "daemon", "init", *flags]
        environ = {**self.environ, **environ}
        with subprocess.Popen(command, cwd=self.path, env=environ, stdin=theirs, stdout=theirs, stderr=theirs) as found:
            os.close(theirs)
            try:
                yield Typed(found, ours)
            finally:
                found.kill()
                os.close(ours)

    @property
    def file(self) -> dict[str, Any]:
        return tomllib.loads((self.path / "copier.toml").read_text())

    def has(self) -> set[str]:
        """The files that there are."""
        return {str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file()}


@attrs.define
class Typed:
    process: subprocess.Popen[bytes]
    terminal: int
    seen: str = ""
    _answered: int = 0

    def until(self, words: str) -> str:
        """What was shown since the last answer, when these words are in it."""
        deadline = time.monotonic() + WITHIN
        while words not in self.seen[self._answered :]:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.terminal], [], [], 0.1)[0]:
                self._read()
        return self.seen[self._answered :]

    def answer(self, asked: str, answer: str) -> None:
        self.until(asked)
        self._answered = len(self.seen)
        os.write(self.terminal, f"{answer}\n".encode())

    def press(self, key: str) -> None:
        """Until it has an effect: Python does not see a Ctrl-C that comes between its prompt and its waiting."""
        deadline = time.monotonic() + WITHIN
        while self.process.poll() is None and time.monotonic() < deadline:
            os.write(self.terminal, key.encode())
            time.sleep(0.2)

    def ended(self) -> int:
        """The exit status; all that was shown is in `seen` then."""
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline:
            if select.select([self.terminal], [], [], 0.1)[0] and not self._read():
                break
        return self.process.wait(WITHIN)

    def _read(self) -> bool:
        try:
            data = os.read(self.terminal, 65536)
        except OSError:  # EIO: the last process that had it open is gone
            data = b""
        self.seen += data.decode().replace("\r\n", "\n")
        return bool(data)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    path = tmp_path / "home"
    path.mkdir()
    return Home(path)


def here(rest: str) -> tuple[str, ...]:
    return ("--environment", "here", "--rest", rest, "--username", "jane", "--cid", "8123")


def test_at_a_terminal_it_offers_the_accounts_that_the_broker_knows(home: Home, broker: LookAlike) -> None:
    with home.typed() as typed:
        typed.answer("Environment", "Here!")
        typed.answer("use a to z", "here")
        typed.answer("for REST", "http://example.com/v1")
        typed.answer("in the clear", broker.rest)
        typed.answer("WebSocket [ws://", "")
        typed.answer("Grant, password or oauth [password]", "")
        typed.answer("Username", "jane")
        typed.answer("for this login [jane]", "apex")
        typed.answer("registered for [copierd]", "")
        typed.answer("version [1.0]", "")
        typed.answer("cid", "8123")
        typed.answer("Password of jane", PASSWORD)
        typed.answer("Secret of the API key", SEC)
        typed.answer(f"1  {LEADER}\n  2  {FIRST}\n", "DEMO-bob-1")
        typed.answer("the login has no account DEMO-bob-1; it has DEMO-jane-1", "1")
        typed.answer("or all", f"2=0.5 {SECOND} 1")
        typed.answer(f"{LEADER} leads, and cannot follow itself", f"2=0.5 {SECOND}")
        typed.answer("[orders]", "")
        typed.answer("Another login", "")
        assert typed.ended() == 0
    assert "canary" not in typed.seen, "nothing of a secret is shown"
    assert broker.counted()["token_requests"] == {"jane": 1}
    assert home.has() == {"copier.toml", ".config/copierd/apex.password", ".config/copierd/apex.sec"}
    for kind, secret in (("password", PASSWORD), ("sec", SEC)):
        path = home.path / ".config/copierd" / f"apex.{kind}"
        assert path.read_text() == f"{secret}\n" and path.stat().st_mode & 0o777 == 0o600
        assert home.file["logins"]["apex"][f"{kind}_file"] == str(path)
    assert "canary" not in (home.path / "copier.toml").read_text()
    (copy,) = home.file["copy"]
    assert [(one["ratio"], one["shadow"]) for one in copy["followers"]] == [(0.5, True), (1.0, True)]
    assert "copierd doctor --config copier.toml" in typed.seen and "Armed: none" in typed.seen
    assert home.run("daemon", "check").returncode == 0


def test_accounts_of_another_login_follow_too(home: Home, broker: LookAlike) -> None:
    flags = (*here(broker.rest), "--websocket", "ws://localhost/", "--grant", "password", "--login", "jane")
    flags += ("--app-id", "a", "--app-version", "1", "--mode", "orders", "--leader", LEADER)
    with home.typed(*flags, COPIERD_JANE_PASSWORD=PASSWORD, COPIERD_JANE_SEC=SEC) as typed:
        typed.answer("Which ones follow", FIRST)
        typed.answer("Another login", "maybe")
        typed.answer("it must be y or n", "y")
        typed.answer("Environment: demo, live, simulator (inside the daemon), or a name for another [here]", "")
        typed.answer("Grant, password or oauth", "")
        typed.answer("Username", "bob")
        typed.answer("for this login [bob]", "jane")
        typed.answer("it must be another than jane", "")
        for asked in ("registered for", "version", "cid"):
            typed.answer(asked, "")
        typed.answer("Password of bob", "any")
        typed.answer("Which ones follow", f"{LEADER}")
        typed.answer(f"the login has no account {LEADER}", "DEMO-bob-1=2")
        typed.answer("Another login", "")
        assert typed.ended() == 0
    written = home.file
    assert set(written["logins"]) == {"jane", "bob"} and list(written["environments"]) == ["here"]
    assert len({login["device_id"] for login in written["logins"].values()}) == 2
    assert [(one["login"], one["name"]) for one in written["accounts"].values()] == [
        ("jane", LEADER),
        ("jane", FIRST),
        ("bob", "DEMO-bob-1"),
    ]
    assert [(one["account"], one["ratio"], one["shadow"]) for one in written["copy"][0]["followers"]] == [
        ("demo-jane-2", 1.0, True),
        ("demo-bob-1", 2.0, True),
    ]
    assert (home.path / ".config/copierd/bob.password").read_text() == "any\n"
    assert home.run("daemon", "check").returncode == 0


def test_what_it_has_written_logs_in_with_its_secrets_and_its_device(home: Home, broker: LookAlike) -> None:
    assert home.init(
        *here(broker.rest), "--password-file", "-", "--sec-file", "-", *ACCOUNTS, given="a\nb\n"
    ).returncode
    done = home.init(
        *here(broker.rest), "--password-file", "-", "--sec-file", "-", *ACCOUNTS, given=f"{PASSWORD}\n{SEC}\n"
    )
    assert done.returncode == 0, done
    with subprocess.Popen([sys.executable, "-m", "daemon", "run"], cwd=home.path, env=home.environ) as process:
        try:
            deadline = time.monotonic() + WITHIN
            while home.run("daemon.ctl", "status", "--check").returncode:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            shown = home.run("daemon.ctl", "status", "--json").stdout
        finally:
            process.terminate()
            assert process.wait(WITHIN) == 0
    assert shown.count('"shadow": true') == 2, "nothing is sent yet"


def test_without_a_terminal_everything_that_is_missing_is_named_at_once(home: Home) -> None:
    done = home.init()
    assert done.returncode == 64
    assert "--environment, --username, --leader, --follower" in done.stderr
    done = home.init("--environment", "staging", "--username", "jane", "--cid", "8123", "--leader", LEADER)
    assert done.returncode == 64
    for flag in (
        "--rest",
        "--password-file (or COPIERD_JANE_PASSWORD",
        "--sec-file (or COPIERD_JANE_SEC",
        "--follower",
    ):
        assert flag in done.stderr
    done = home.init("--environment", "demo", "--grant", "oauth", *ACCOUNTS)
    assert done.returncode == 64 and "--client-id" in done.stderr
    done = home.init("--environment", "simulator", "--leader", LEADER, "--follower", f"{FIRST}=1e400")
    assert done.returncode == 64 and "--follower: 1e400 is no ratio: write a number above 0" in done.stderr
    assert home.has() == set()


def test_the_environment_gives_the_secrets_and_demo_is_not_armed(home: Home) -> None:
    flags = ("--environment", "demo", "--username", "jane", "--cid", "8123", "--offline", "--mode", "fills", *ACCOUNTS)
    done = home.init(*flags, COPIERD_JANE_PASSWORD=PASSWORD, COPIERD_JANE_SEC=SEC)
    assert done.returncode == 0, done
    assert "canary" not in done.stdout + done.stderr
    names = {name: one.get("armed") for name, one in home.file["accounts"].items()}
    assert names == {"lead": None, "demo-jane-2": False, "demo-jane-3": False}
    assert "Only shadow: demo-jane-2, demo-jane-3" in done.stdout and "may forbid" in done.stdout
    assert home.file["copy"][0]["mode"] == "fills"
    assert re.fullmatch(r"[0-9a-f-]{36}", home.file["logins"]["jane"]["device_id"])


def test_a_secret_that_is_in_a_file_stays_there(home: Home) -> None:
    mine = home.path / "mine"
    mine.write_text(f"{PASSWORD}\n")
    flags = ("--environment", "demo", "--username", "jane", "--offline", "--password-file", "mine", *ACCOUNTS)
    mine.chmod(0o644)
    done = home.init(*flags)
    assert done.returncode == 64 and "chmod 600" in done.stderr, "the daemon would refuse it too"
    mine.chmod(0o600)
    assert home.init(*flags).returncode == 0
    assert home.file["logins"]["jane"]["password_file"] == str(mine)
    assert home.has() == {"mine", "copier.toml"}


def test_oauth_and_the_simulator_are_valid_too(home: Home) -> None:
    flags = ("--environment", "live", "--grant", "oauth", "--client-id", "8123", "--login", "fund", *ACCOUNTS)
    done = home.init(*flags, "fund.toml", COPIERD_FUND_CLIENT_SECRET=SEC)
    assert done.returncode == 0 and "copierctl authorize fund" in done.stdout, done
    assert (home.path / ".config/copierd/fund.client_secret").read_text() == f"{SEC}\n"
    with home.typed() as typed:
        typed.answer("Environment", "simulator")
        for asked in ("for this login [practice]", "leads", "follow", "[orders]"):
            typed.answer(asked, "")
        assert typed.ended() == 0
    for file in ("fund.toml", "copier.toml"):
        assert home.run("daemon", "check", file).returncode == 0


def test_an_application_without_a_secret_is_set_up_without_one(home: Home) -> None:
    flags = ("--environment", "live", "--grant", "oauth", "--client-id", "8123", "--login", "fund")
    assert home.init(*flags, *ACCOUNTS, "fund.toml").returncode == 0
    assert home.run("daemon", "check", "fund.toml").returncode == 0
    with home.typed(*flags, *ACCOUNTS, "--mode", "orders") as typed:
        typed.answer("registered with, on this machine", "")
        typed.answer("Enter where it has none", "")
        assert typed.ended() == 0
    assert home.has() == {"fund.toml", "copier.toml"}, "and no file of one"
    assert "client_secret_file" not in home.file["logins"]["fund"]


def test_nothing_is_overwritten(home: Home) -> None:
    flags = ("--environment", "demo", "--username", "jane", "--offline", "--password-file", "-", *ACCOUNTS)
    taken = home.path / ".config/copierd/jane.password"
    taken.parent.mkdir(parents=True)
    taken.write_text("of before\n")
    done = home.init(*flags, given=PASSWORD)
    assert done.returncode == 73 and f"--password-file {taken}" in done.stderr
    assert taken.read_text() == "of before\n" and home.has() == {".config/copierd/jane.password"}
    taken.unlink()
    (home.path / "copier.toml").symlink_to("nowhere")
    done = home.init(*flags, given=PASSWORD)
    assert done.returncode == 73 and "copier.toml is there already, and stays as it is" in done.stderr
    assert not (home.path / "nowhere").exists()
    with home.typed("none/copier.toml") as typed:
        assert typed.ended() == 73, "before a question is asked"
    assert "none/copier.toml cannot be made" in typed.seen and "Environment" not in typed.seen


def test_when_the_last_file_cannot_be_made_the_others_are_taken_away_again(tmp_path: Path) -> None:
    files = Files(tmp_path / "none" / "copier.toml", tmp_path / "secrets")
    with pytest.raises(FileNotFoundError):
        files.write("text", {files.secret("jane", "password"): PASSWORD})
    assert list((tmp_path / "secrets").iterdir()) == []


def test_a_broker_that_cannot_be_reached_is_said_and_the_names_are_typed(home: Home) -> None:
    with home.typed(*here(NOBODY), COPIERD_JANE_SEC=SEC) as typed:
        for asked in ("WebSocket", "password or oauth", "this login", "registered for", "version"):
            typed.answer(asked, "")
        typed.answer("Password of jane", PASSWORD)
        typed.answer("The names are taken as you give them", "SOME-1")
        typed.answer("NAME or NAME=RATIO", "all")
        typed.answer("which all of them are is not known", "SOME-2=-1")
        typed.answer("-1 is no ratio", "SOME-2")
        typed.answer("[orders]", "")
        typed.answer("Another login", "")
        assert typed.ended() == 0
    assert home.file["accounts"]["some-2"]["name"] == "SOME-2"
    assert "auth/accesstokenrequest: 127.0.0.1:9: Connection refused. Mend that first" in typed.seen


def test_a_wrong_password_is_asked_for_again_at_a_terminal_and_nowhere_else(home: Home, broker: LookAlike) -> None:
    done = home.init(*here(broker.rest), *ACCOUNTS, COPIERD_JANE_PASSWORD="wrong", COPIERD_JANE_SEC=SEC)
    assert done.returncode == 1 and "the broker refused the login: Incorrect username or password" in done.stderr
    assert "Nothing was written" in done.stderr and home.has() == set()
    assert broker.counted()["token_requests"] == {"jane": 1}, "a refused credential is not asked with twice"
    flags = (*here(broker.rest), *ACCOUNTS, "--websocket", "ws://localhost/", "--grant", "password", "--login", "jane")
    with home.typed(*flags, "--app-id", "a", "--app-version", "1", "--mode", "orders", COPIERD_JANE_SEC=SEC) as typed:
        typed.answer("Password of jane", "wrong")
        typed.answer("Password of jane", PASSWORD)
        assert typed.ended() == 0, typed.seen
    assert broker.counted()["token_requests"] == {"jane": 3}


def test_accounts_that_the_login_does_not_have_are_refused(home: Home, broker: LookAlike) -> None:
    flags = (*here(broker.rest), "--leader", LEADER, "--follower", "DEMO-bob-1")
    done = home.init(*flags, COPIERD_JANE_PASSWORD=PASSWORD, COPIERD_JANE_SEC=SEC)
    assert done.returncode == 64 and f"has no account DEMO-bob-1; it has {LEADER}" in done.stderr
    done = home.init(*flags, "--follower", "all", COPIERD_JANE_PASSWORD=PASSWORD, COPIERD_JANE_SEC=SEC)
    assert done.returncode == 64 and home.has() == set()


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_whoever_leaves_the_questions_leaves_nothing_behind(home: Home, key: str) -> None:
    with home.typed() as typed:
        typed.answer("Environment", "demo")
        typed.until("Grant")
        typed.press(key)
        assert typed.ended() == (130 if key == "\x03" else 1)
    assert "Nothing was written" in typed.seen and home.has() == set()
