"""At home under a real systemd: the package is installed, started, watched, killed, upgraded and purged in a box of its
own, with a real PID 1 and a real journal. Needs root, and says so where it is not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

ROOT = Path(__file__).parents[2]
BOX = Path(__file__).parent / "systemd-box"
UNITS = ROOT / "packaging" / "systemd"
PASSWORD = "a-canary-of-a-password"
PORT = 18080
WITHIN = 60.0  # seconds: what is waited for takes one or two on an idle machine

NEEDED = ("/lib/systemd/systemd", "/usr/bin/dpkg-deb", "/usr/lib/python3/dist-packages/systemd")
LACKING = [path for path in NEEDED if not Path(path).exists()]
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or bool(LACKING), reason=f"needs root, and Debian's systemd and python3-systemd {LACKING}"
)


@attrs.frozen
class Box:
    """A systemd of its own over this machine's files; nothing that happens in it is seen outside."""

    name: str

    def start(self, *binds: Path) -> None:
        options = [word for path in binds for word in ("--bind-ro", str(path))]
        self._tool("start", *options)

    def stop(self) -> None:
        self._tool("stop")

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = self._tool("exec", *command, check=False)
        assert not check or done.returncode == 0, (command, done.stdout[-4000:], done.stderr[-4000:])
        return done

    def write(self, path: str, text: str, mode: str = "644") -> None:
        script = f"install -D -m {mode} /dev/stdin {path}"
        subprocess.run([BOX, "exec", "sh", "-c", script], input=text, text=True, check=True, env=self._environment)

    def shown(self, unit: str, *properties: str) -> dict[str, str]:
        out = self.run("systemctl", "show", unit, *(f"--property={name}" for name in properties)).stdout
        return dict(line.partition("=")[::2] for line in out.splitlines())

    def journal(self, *matches: str) -> list[dict[str, Any]]:
        out = self.run("journalctl", "--output=json", "--no-pager", *matches).stdout
        return [json.loads(line) for line in out.splitlines()]

    def status(self) -> dict[str, Any] | None:
        done = self.run("copierctl", "status", "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def until(self, true: Callable[[], Any]) -> None:
        deadline = time.monotonic() + WITHIN
        while not true():
            if time.monotonic() > deadline:
                raise AssertionError(self.run("journalctl", "--no-pager", "--lines=60", check=False).stdout)
            time.sleep(0.1)

    def connected(self) -> bool:
        status = self.status()
        return status is not None and all(one["state"] == "Connected" for one in status["accounts"])

    def pid(self) -> str:
        return self.shown("copierd", "MainPID")["MainPID"]

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "SYSTEMD_BOX_NAME": self.name}

    def _tool(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([BOX, *words], capture_output=True, text=True, env=self._environment, timeout=120)
        assert not check or done.returncode == 0, (words, done.stdout, done.stderr)
        return done


def built(directory: Path, version: str | None = None) -> Path:
    environment = {**os.environ, "COPIERD_PYTHON": sys.executable, "PYTHONPATH": ""}
    if version is not None:
        environment["COPIERD_VERSION"] = version
    done = subprocess.run(
        [ROOT / "packaging" / "deb", str(directory)], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the package of this version, and with one that is newer by name."""
    directory = tmp_path_factory.mktemp("packages")
    built(directory)
    built(directory, "9.9.9")
    return directory


CONFIGURATION = f"""
[environments.here]
rest = "http://127.0.0.1:{PORT}/v1"
websocket = "ws://127.0.0.1:{PORT}/v1/websocket"
[logins.apex]
environment = "here"
username = "jane"
cid = 8123
[accounts.lead]
login = "apex"
name = "DEMO-jane-1"
[accounts.eval1]
login = "apex"
name = "DEMO-jane-2"
[[copy]]
name = "main"
leader = "lead"
[[copy.followers]]
account = "eval1"
"""


@pytest.fixture(scope="module")
def box(packages: Path) -> Iterator[Box]:
    """With the package installed and configured, and a simulated broker as a unit beside it."""
    made = Box(f"copierd-{os.getpid()}")
    made.start(packages)
    try:
        package = next(one for one in packages.glob("*.deb") if "9.9.9" not in one.name)
        made.run("dpkg", "--install", str(package))
        made.write("/etc/copierd/copier.toml", CONFIGURATION, "640")
        made.run("chgrp", "copierd", "/etc/copierd/copier.toml")
        made.write("/etc/copierd/secrets/apex.password", PASSWORD + "\n", "600")
        made.run("systemd-run", "--unit=broker", "--quiet", "/usr/bin/copierd", "simulator", "--port", str(PORT))
        made.until(lambda: made.run("sh", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT}", check=False).returncode in (0, 2))
        yield made
    finally:
        made.stop()


def test_the_units_are_clean_and_hardly_exposed() -> None:
    for unit in UNITS.glob("*.service"):
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--threshold=12", str(unit)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_installed_it_verifies_and_starts_nobody(box: Box) -> None:
    done = box.run("systemd-analyze", "verify", "--man=no", "/usr/lib/systemd/system/copierd.service")
    assert done.stderr == "" and done.stdout == ""
    assert box.shown("copierd", "ActiveState")["ActiveState"] == "inactive"


def test_it_starts_connects_and_tells_systemd_and_the_journal(box: Box) -> None:
    box.run("systemctl", "start", "copierd")  # Type=notify: returns when it is ready
    box.until(box.connected)
    shown = box.shown("copierd", "ActiveState", "SubState", "StatusText", "NRestarts", "WatchdogUSec")
    assert (shown["ActiveState"], shown["SubState"], shown["NRestarts"]) == ("active", "running", "0")
    assert shown["StatusText"] == "2 Connected"
    (entry, *_) = box.journal("COPIERD_KIND=connection.fixed", "COPIERD_ACCOUNT=eval1")
    assert entry["COPIERD_LOGIN"] == "apex" and entry["PRIORITY"] == "6" and len(entry["MESSAGE_ID"]) == 32
    assert entry["_SYSTEMD_UNIT"] == "copierd.service"
    whole = box.run("journalctl", "--no-pager", "--output=export").stdout
    assert PASSWORD not in whole
    assert box.run("stat", "--format=%a %U", "/run/copierd/control.sock").stdout == "660 copierd\n"
    assert box.run("stat", "--format=%a %U", "/var/lib/copierd/ledger.sqlite").stdout == "600 copierd\n"


def test_a_reload_changes_what_the_file_says_and_keeps_the_process(box: Box) -> None:
    before = box.pid()
    box.write("/etc/copierd/copier.toml", CONFIGURATION.replace('"eval1"', '"eval1"\nmax_order = 3'), "644")
    box.run("systemctl", "reload", "copierd")
    box.until(lambda: box.journal("COPIERD_KIND=daemon.reloaded"))
    assert box.pid() == before
    box.write("/etc/copierd/copier.toml", "[nonsense]\n", "644")
    assert box.run("systemctl", "reload", "copierd", check=False).returncode != 0
    box.write("/etc/copierd/copier.toml", CONFIGURATION, "644")
    box.run("systemctl", "reload", "copierd")
    assert box.pid() == before and box.connected()


def test_a_blocked_daemon_is_killed_by_the_watchdog_and_comes_back(box: Box) -> None:
    box.write("/etc/systemd/system/copierd.service.d/quick.conf", "[Service]\nWatchdogSec=3s\n")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", "copierd")
    box.until(box.connected)
    before = box.pid()
    box.run("kill", "-STOP", before)
    box.until(lambda: box.pid() not in ("0", before))
    box.until(box.connected)
    assert any("atchdog" in str(entry["MESSAGE"]) for entry in box.journal("--unit=copierd", "_PID=1"))
    status = box.status()
    assert status is not None and status["last_stop"] == "crash"


def test_kill_nine_is_restarted(box: Box) -> None:
    before = box.pid()
    box.run("kill", "-KILL", before)
    box.until(lambda: box.pid() not in ("0", before))
    box.until(box.connected)


def test_what_init_writes_for_the_service_is_what_the_service_reads(box: Box) -> None:
    """As root with the strictest umask: the file must be readable for the service, the secret for root alone."""
    flags = f"--environment here --rest http://127.0.0.1:{PORT}/v1 --username bob --password-file -"
    accounts = "--leader DEMO-bob-1 --follower DEMO-bob-2"
    script = f"umask 077; echo {PASSWORD} | copierd init /etc/copierd/second.toml {flags} {accounts}"
    told = box.run("sh", "-c", script).stdout
    assert "systemctl enable --now copierd@second" in told
    assert "password from the credential bob.password" in told, "it is where the service will find it"
    files = ("/etc/copierd/second.toml", "/etc/copierd/secrets/bob.password")
    assert box.run("stat", "--format=%a %G", *files).stdout == "640 copierd\n600 root\n"
    box.run("systemctl", "start", "copierd@second")
    check = ("copierctl", "--socket", "/run/copierd-second/control.sock", "status", "--check")
    assert f"  {' '.join(check[:-1])} " in told, "what it says to do next finds this one"
    box.until(lambda: box.run(*check, check=False).returncode == 0)
    box.run("systemctl", "stop", "copierd@second")


def test_a_wrong_configuration_is_not_tried_again_and_again(box: Box) -> None:
    box.run("systemctl", "stop", "copierd")
    box.write("/etc/copierd/copier.toml", "[nonsense]\n", "644")
    assert box.run("systemctl", "start", "copierd", check=False).returncode != 0
    time.sleep(3)
    shown = box.shown("copierd", "ActiveState", "ExecMainStatus", "NRestarts")
    assert shown == {"ActiveState": "failed", "ExecMainStatus": "78", "NRestarts": "0"}
    box.write("/etc/copierd/copier.toml", CONFIGURATION, "644")
    box.run("systemctl", "reset-failed", "copierd")
    box.run("systemctl", "start", "copierd")
    box.until(box.connected)


def test_an_upgrade_restarts_it_and_keeps_configuration_and_ledger(box: Box, packages: Path) -> None:
    before = box.pid()
    box.run("dpkg", "--install", str(next(packages.glob("*9.9.9*.deb"))))
    box.until(lambda: box.pid() not in ("0", before) and box.connected())
    status = box.status()
    assert status is not None and (status["version"], status["last_stop"]) == ("9.9.9", "upgrade")


def test_the_manual_and_the_completions_are_there(box: Box) -> None:
    for page in ("8/copierd.8", "1/copierctl.1", "5/copier.toml.5"):
        assert box.run("test", "-s", f"/usr/share/man/man{page}", check=False).returncode == 0
    complete = "source /usr/share/bash-completion/completions/copierctl && complete -p copierctl"
    assert "copierctl" in box.run("bash", "-c", complete).stdout


def test_it_stops_in_time_and_a_purge_leaves_nothing(box: Box) -> None:
    box.run("dpkg", "--purge", "copierd")
    left = box.run(
        "sh", "-c", "ls -d /etc/copierd /var/lib/copierd /usr/lib/copierd /usr/bin/copierd 2>/dev/null", check=False
    )
    assert left.stdout == ""
    assert box.run("getent", "passwd", "copierd", check=False).returncode != 0
    stopped = [entry["MESSAGE"] for entry in box.journal("COPIERD_KIND=daemon.stopped")]
    assert any("stopped cleanly" in str(message) for message in stopped)


def test_what_is_shipped_is_what_is_here() -> None:
    """A unit that changes without its template, or the other way round, is half a change."""
    one = (UNITS / "copierd.service").read_text()
    many = (UNITS / "copierd@.service").read_text()
    assert re.sub(r"-%i|/%i(?=\.toml)| \(%i\)", lambda m: "/copier" if m[0] == "/%i" else "", many) == one
    assert shutil.which("systemd-analyze")
