"""At home under a real systemd: the package is installed, started, watched, killed, upgraded and purged in a box of its
own, with a real PID 1 and a real journal. Needs root, and says so where it is not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import __version__
from daemon.catalog import EXPLAINED
from daemon.journal import message_id
from tests.system.box import CONFIGURATION, LIMIT, PASSWORD, PORT, ROOT, Box, lacking

NEWER = "9.9.9"
UNITS = ROOT / "packaging" / "systemd"
pytestmark = pytest.mark.skipif(bool(lacking()), reason=f"needs {lacking()}")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the package of this version, and with one that is newer by name."""
    directory = tmp_path_factory.mktemp("packages")
    environment = {**os.environ, "COPIERD_PYTHON": sys.executable, "PYTHONPATH": ""}
    build = [str(ROOT / "packaging" / "deb"), str(directory)]
    done = subprocess.run(build, capture_output=True, text=True, env=environment, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    tree, package = directory / "tree", done.stdout.splitlines()[-1]
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    for name, line in (("DEBIAN/control", "Version: {}"), ("usr/lib/copierd/daemon/__init__.py", '__version__ = "{}"')):
        text = (tree / name).read_text()
        assert text.count(line.format(__version__)) == 1
        (tree / name).write_text(text.replace(line.format(__version__), line.format(NEWER)))
    command = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(directory / f"copierd_{NEWER}_all.deb")]
    subprocess.run(command, check=True, capture_output=True)
    return directory


@pytest.fixture(scope="module")
def box(packages: Path) -> Iterator[Box]:
    """With the package installed and configured, and a simulated broker as a unit beside it."""
    made = Box(f"copierd-{os.getpid()}")
    made.start(packages)
    try:
        package = next(one for one in packages.glob("*.deb") if NEWER not in one.name)
        made.run("dpkg", "--install", str(package))
        made.configure()
        made.begin_broker("/usr/bin/copierd")
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
    for unit in ("copierd.service", "copierd@.service"):
        done = box.run("systemd-analyze", "verify", "--man=no", f"/usr/lib/systemd/system/{unit}")
        assert done.stderr == "" and done.stdout == ""
    assert box.shown("copierd", "ActiveState")["ActiveState"] == "inactive"
    assert box.run("dpkg", "--verify", "copierd").stdout == "", "what is there is what was packed"
    number = int(box.run("systemctl", "--version").stdout.split()[1])
    assert ("RestartSteps=" in box.run("systemctl", "cat", "copierd").stdout) == (number >= 254)


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


def test_the_journal_explains_each_kind(box: Box) -> None:
    said = box.run("journalctl", "--catalog", "--no-pager", "COPIERD_KIND=daemon.started").stdout
    assert "Subject: copierd has started every account" in said and "What to do: Nothing." in said
    known = box.run("journalctl", "--list-catalog").stdout
    assert all(message_id(name) in known for name in EXPLAINED)


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
    """Its loop is blocked for good: the file that it is told to read again is a pipe that nobody writes to."""
    box.write("/etc/systemd/system/copierd.service.d/quick.conf", "[Service]\nWatchdogSec=3s\n")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", "copierd")
    box.until(box.connected)
    before = box.pid()
    box.run("mv", "/etc/copierd/copier.toml", "/etc/copierd/aside")
    box.run("mkfifo", "--mode=644", "/etc/copierd/copier.toml")
    box.run("kill", "-HUP", before)
    box.until(lambda: "fifo" in box.run("cat", f"/proc/{before}/wchan", f"/proc/{before}/stack", check=False).stdout)
    box.run("mv", "/etc/copierd/aside", "/etc/copierd/copier.toml")
    box.until(lambda: box.pid() not in ("0", before))
    box.until(box.connected)
    assert any("atchdog" in str(entry["MESSAGE"]) for entry in box.journal("--unit=copierd", "_PID=1"))
    where = [str(entry["MESSAGE"]) for entry in box.journal(f"_PID={before}")]
    assert any(words.startswith("Fatal Python error: Aborted") for words in where)
    assert any(" in _reloaded" in words for words in where), "the stack shows where it was stuck"
    status = box.status()
    assert status is not None and status["last_stop"] == "crash"


def test_kill_nine_under_trading_copies_nothing_twice(box: Box) -> None:
    with box.trading() as ended:
        for _ in range(3):
            copied = len(box.copies())
            box.until(lambda: len(box.copies()) > copied + 3)  # noqa: B023 - asked before the next round
            before = box.pid()
            box.run("kill", "-KILL", before)
            box.until(lambda: box.pid() not in ("0", before))  # noqa: B023 - likewise
            box.until(box.connected)
        broker = ended()
    lead, follower = "DEMO-jane-1", "DEMO-jane-2"
    assert broker["positions"] == {}, "the leader has left, and the follower with him"
    assert len(broker["sent"]) == len(set(broker["sent"])), "no order was sent twice"
    rows = box.copies()
    places = Counter(row["leader_order_id"] for row in rows if row["verb"] == "place")
    assert places == dict.fromkeys(broker["orders"][lead], 1), "one copy for each of the leader's orders"
    owners = Counter(row["order_id"] for row in rows if row["order_id"] and row["verb"] in ("place", "close"))
    assert owners == dict.fromkeys(broker["orders"][follower], 1), "each order is that of one copy"


def test_what_init_writes_for_the_service_is_what_the_service_reads(box: Box) -> None:
    """As root with the strictest umask: the file must be readable for the service, the secret for root alone."""
    flags = f"--environment here --rest http://127.0.0.1:{PORT}/v1 --username bob --password-file -"
    accounts = "--leader DEMO-bob-1 --follower DEMO-bob-2"
    script = f"umask 077; echo {PASSWORD} | copierd init /etc/copierd/second.toml {flags} {accounts}"
    told = box.run("sh", "-c", script).stdout
    assert "systemctl enable --now copierd@second" in told
    assert "password from /etc/copierd/secrets/bob.password, which systemd gives to the service" in told
    files = ("/etc/copierd/second.toml", "/etc/copierd/secrets/bob.password")
    assert box.run("stat", "--format=%a %G", *files).stdout == "640 copierd\n600 root\n"
    box.run("systemctl", "start", "copierd@second")
    check = ("copierctl", "--socket", "/run/copierd-second/control.sock", "status", "--check")
    assert f"  {' '.join(check[:-1])} " in told, "what it says to do next finds this one"
    box.until(lambda: box.run(*check, check=False).returncode == 0)
    box.run("systemctl", "stop", "copierd@second")


def test_a_secret_may_lie_encrypted(box: Box) -> None:
    """With the machine's own key: what is in /etc is of no use elsewhere. The plain file is gone."""
    plain, sealed = "/etc/copierd/secrets/apex.password", "/etc/copierd/apex.password.cred"
    box.run("systemd-creds", "encrypt", "--with-key=host", "--name=apex.password", plain, sealed)
    assert PASSWORD not in box.run("cat", sealed).stdout
    box.run("rm", plain)
    line = f"[Service]\nLoadCredentialEncrypted=apex.password:{sealed}\n"
    box.write("/etc/systemd/system/copierd.service.d/sealed.conf", line)
    restart_without_token(box)
    box.until(box.connected)
    assert box.run("cat", "/run/credentials/copierd.service/apex.password").stdout.strip() == PASSWORD
    box.run("rm", "/etc/systemd/system/copierd.service.d/sealed.conf")
    restart_without_token(box)
    box.until(lambda: box.states() == {"TokenExpired"})  # nothing else has given it the password
    box.write(plain, PASSWORD + "\n", "600")


def restart_without_token(box: Box) -> None:
    """Who has a valid token needs no password."""
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "stop", "copierd")
    forget = "UPDATE logins SET token = NULL, refresh_token = NULL"
    script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).execute(sys.argv[2])"
    box.run("python3", "-c", script, "/var/lib/copierd/ledger.sqlite", forget)
    box.run("systemctl", "start", "copierd")


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
    box.run("dpkg", "--install", str(next(packages.glob(f"*{NEWER}*.deb"))))
    box.until(lambda: box.pid() not in ("0", before) and box.connected())
    status = box.status()
    assert status is not None and (status["version"], status["last_stop"]) == (NEWER, "upgrade")


def test_a_configuration_that_the_new_version_refuses_leaves_no_package_half_done(box: Box, packages: Path) -> None:
    box.write("/etc/copierd/copier.toml", "[nonsense]\n", "644")
    done = box.run("dpkg", "--install", str(next(packages.glob(f"*{NEWER}*.deb"))))
    assert "did not start again; nobody looks after the positions" in done.stderr
    state = box.run("dpkg-query", "--show", "--showformat=${db:Status-Abbrev}", "copierd").stdout
    assert state.strip() == "ii"
    box.write("/etc/copierd/copier.toml", CONFIGURATION, "644")
    box.run("systemctl", "reset-failed", "copierd")
    box.run("systemctl", "start", "copierd")
    box.until(box.connected)


def test_the_manual_and_the_completions_are_there(box: Box) -> None:
    for page in ("8/copierd.8", "1/copierctl.1", "5/copier.toml.5"):
        assert box.run("test", "-s", f"/usr/share/man/man{page}", check=False).returncode == 0
    complete = "source /usr/share/bash-completion/completions/copierctl && complete -p copierctl"
    assert "copierctl" in box.run("bash", "-c", complete).stdout


def test_it_stops_in_time(box: Box) -> None:
    """Ten seconds are promised: with that limit it is not systemd that has to kill it."""
    box.write("/etc/systemd/system/copierd.service.d/quick.conf", "[Service]\nTimeoutStopSec=10s\n")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", "copierd")
    box.until(box.connected)
    with box.trading():
        copied = len(box.copies())
        box.until(lambda: len(box.copies()) > copied + 3)
        box.run("systemctl", "stop", "copierd")
    shown = box.shown("copierd", "ActiveState", "Result", "ExecMainStatus")
    assert shown == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
    stopped = [entry["MESSAGE"] for entry in box.journal("COPIERD_KIND=daemon.stopped")]
    assert "stopped cleanly" in str(stopped[-1])


def test_a_purge_leaves_nothing(box: Box) -> None:
    box.run("rm", "-r", "/etc/systemd/system/copierd.service.d")
    box.run("systemctl", "enable", "copierd@other")
    box.run("dpkg", "--purge", "copierd")
    places = ("/etc", "/opt", "/run", "/usr/bin", "/usr/lib/copierd", "/usr/lib/systemd", "/usr/share", "/var")
    left = box.run("find", *places, "-iname", "*copier*", check=False).stdout.split()
    assert [path for path in left if not path.startswith("/var/log")] == []
    assert "copierd" not in box.run("journalctl", "--list-catalog").stdout
    assert box.shown("copierd", "LoadState")["LoadState"] == "not-found"
    assert box.run("getent", "passwd", "copierd", check=False).returncode != 0
    assert box.run("getent", "group", "copierd", check=False).returncode != 0


def test_what_is_shipped_is_what_is_here() -> None:
    """A unit that changes without its template, or the other way round, is half a change."""
    one = (UNITS / "copierd.service").read_text()
    many = (UNITS / "copierd@.service").read_text()
    assert re.sub(r"-%i|/%i(?=\.toml)| \(%i\)", lambda m: "/copier" if m[0] == "/%i" else "", many) == one
    assert shutil.which("systemd-analyze")
