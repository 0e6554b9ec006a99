"""packaging/install under a real systemd: installed, upgraded, rolled back, refused, and removed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.system.box import ROOT, Box, lacking

NEWER = "9.9.9"
OURS = "/usr/bin/python3"  # what packaging/install takes in the box
DIFFERENT = subprocess.run([OURS, "-V"], capture_output=True, text=True).stdout != f"Python {sys.version.split()[0]}\n"
pytestmark = [
    pytest.mark.skipif(bool(lacking()), reason=f"needs {lacking()}"),
    pytest.mark.skipif(DIFFERENT, reason=f"the packages that are gathered here would not be those of {OURS}"),
]


def checkout(directory: Path, version: str | None = None) -> Path:
    """What packaging/install works from: this checkout, or one that differs by its version."""
    for name in ("daemon", "statecharts", "packaging"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "copier.toml"):
        shutil.copy(ROOT / name, directory)
    if version is not None:
        for name, key in (("daemon/__init__.py", "__version__"), ("pyproject.toml", "version")):
            file = directory / name
            file.write_text(re.sub(rf'(?m)^{key} = ".*"$', f'{key} = "{version}"', file.read_text()))
    return directory


@attrs.frozen
class Installer:
    box: Box
    old: Path
    new: Path
    wheels: Path

    def __call__(self, source: Path, *options: str) -> subprocess.CompletedProcess[str]:
        offline = (f"PIP_FIND_LINKS={self.wheels}", "PIP_NO_INDEX=1", "PIP_DISABLE_PIP_VERSION_CHECK=1")
        return self.box.run("env", *offline, str(source / "packaging/install"), *options, check=False)


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installer]:
    """In a box without a network: the packages are gathered before."""
    directory = tmp_path_factory.mktemp("install")
    old, new = checkout(directory / "old"), checkout(directory / "new", NEWER)
    wheels = directory / "wheels"
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*tables["dependencies"], *tables["optional-dependencies"]["systemd"]]
    built = ("hatchling", "setuptools", "shtab", "argparse-manpage")
    gather = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "-d", str(wheels)]
    locked = ("-c", str(ROOT / "packaging/lock.txt"), "--no-binary", "systemd-python")
    subprocess.run([*gather, *locked, *needed, *built], check=True, timeout=250)
    box = Box(f"install-{os.getpid()}")
    box.start(directory)
    try:
        yield Installer(box, old, new, wheels)
    finally:
        box.stop()


def current(box: Box) -> str:
    """The name of the build that systemd and the shell see."""
    return box.run("readlink", "/opt/copierd/current").stdout.strip()


def runs(box: Box) -> tuple[str, str]:
    """The version that runs, and how the one before it ended; "" while nothing is connected."""
    status = box.status() if box.connected() else None
    return (status["version"], status["last_stop"]) if status else ("", "")


def test_it_is_installed_and_starts_nobody(installer: Installer) -> None:
    box = installer.box
    done = installer(installer.old)
    assert done.returncode == 0, done.stderr
    assert "systemctl enable --now copierd" in done.stderr
    assert box.shown("copierd", "ActiveState")["ActiveState"] == "inactive"
    verified = box.run("systemd-analyze", "verify", "--man=no", "/usr/local/lib/systemd/system/copierd.service")
    assert verified.stdout == verified.stderr == ""
    for page in ("8/copierd.8", "1/copierctl.1", "5/copier.toml.5"):
        box.run("test", "-s", f"/usr/local/share/man/man{page}")
    complete = "source /usr/local/share/bash-completion/completions/copierctl && complete -p copierctl"
    assert "copierctl" in box.run("bash", "-c", complete).stdout
    again = installer(installer.old)
    assert again.returncode == 1 and "is installed already" in again.stderr


def test_it_runs_as_its_user_with_its_secret(installer: Installer) -> None:
    box = installer.box
    box.configure()
    box.begin_broker("/usr/local/bin/copierd")
    box.run("systemctl", "enable", "--now", "copierd")
    box.until(box.connected)
    assert box.run("stat", "--format=%U", f"/proc/{box.pid()}").stdout == "copierd\n"
    checked = box.run("copierd", "check", "/etc/copierd/copier.toml").stdout
    assert "password from /etc/copierd/secrets/apex.password, which systemd gives to the service" in checked
    environ = box.run("cat", f"/proc/{box.pid()}/environ").stdout.split("\0")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    assert f"COPIERD_BOOT_ID={boot}" in environ, "its unit hides the kernel's"
    (entry, *_) = box.journal("COPIERD_KIND=connection.fixed", "COPIERD_ACCOUNT=eval1")
    assert entry["_SYSTEMD_UNIT"] == "copierd.service", "fields in the journal: systemd-python is there"
    explained = box.run("journalctl", "--catalog", "--no-pager", "COPIERD_KIND=daemon.started").stdout
    assert "Subject: copierd has started every account" in explained


def test_a_build_that_fails_changes_nothing(installer: Installer, tmp_path: Path) -> None:
    box, before = installer.box, installer.box.pid()
    done = attrs.evolve(installer, wheels=tmp_path)(installer.new)
    assert done.returncode == 1 and "Nothing was changed" in done.stderr
    assert box.pid() == before and box.connected()
    assert box.run("ls", "/opt/copierd").stdout.split() == [current(box), "current"]


def test_a_version_that_refuses_the_configuration_does_not_replace_one_that_runs(installer: Installer) -> None:
    box, before = installer.box, installer.box.pid()
    box.write("/etc/copierd/other.toml", "[nonsense]\n")
    done = installer(installer.new)
    assert done.returncode == 1
    assert re.search(r"copierd 9\.9\.9\+[0-9a-f]{12} does not take /etc/copierd/other\.toml", done.stderr), done.stderr
    assert "what ran runs on" in done.stderr
    assert box.pid() == before and box.connected()
    box.run("rm", "/etc/copierd/other.toml")


def test_an_upgrade_and_the_way_back(installer: Installer) -> None:
    box = installer.box
    done = installer(installer.new)
    assert done.returncode == 0, done.stderr
    box.until(lambda: runs(box) == (NEWER, "upgrade"))
    back = installer(installer.new, "--rollback")
    assert back.returncode == 0, back.stderr
    box.until(lambda: runs(box) == ("0.1.0", "upgrade"))
    assert box.run("copierd", "--version").stdout == "copierd 0.1.0\n"
    forth = installer(installer.old, "--rollback")
    assert forth.returncode == 0, forth.stderr
    box.until(lambda: runs(box) == (NEWER, "upgrade"))


def test_a_mend_of_the_same_version_is_another_build_that_can_be_taken_back(installer: Installer) -> None:
    """Also while the daemon lies dead, and its newest turns are in the log beside the ledger."""
    box, before = installer.box, current(installer.box)
    box.run("sh", "-c", "systemctl kill --signal=KILL copierd && systemctl stop copierd")
    box.run("test", "-s", "/var/lib/copierd/ledger.sqlite-wal")
    with (installer.new / "statecharts/__init__.py").open("a") as file:
        file.write("# mended\n")
    done = installer(installer.new)
    assert done.returncode == 0, done.stderr
    mended = current(box)
    assert mended != before and before.startswith("9.9.9+") and mended.startswith("9.9.9+")
    kept = box.run("find", "/var/lib/copierd", "-mindepth", "1", "-printf", "%u %m %f\n").stdout.splitlines()
    assert [line for line in kept if not line.startswith("copierd 600 ")] == [], "nothing of root's, and no copy"
    box.run("systemctl", "start", "copierd")
    box.until(lambda: runs(box) == (NEWER, "crash"))
    back = installer(installer.new, "--rollback")
    assert back.returncode == 0 and current(box) == before, back.stderr
    box.until(lambda: runs(box) == (NEWER, "clean"))


def test_no_way_back_to_a_version_that_cannot_read_the_ledger(installer: Installer) -> None:
    """An upgrade that has brought the ledger further than the version before knows."""
    box, before = installer.box, installer.box.pid()
    make = "import sqlite3; db = sqlite3.connect('/var/lib/copierd-other/ledger.sqlite'); "
    more = "db.execute('PRAGMA application_id = 1668310065'); db.execute('PRAGMA user_version = 99')"
    box.run("mkdir", "/var/lib/copierd-other")
    box.run("python3", "-c", make + more)
    done = installer(installer.new, "--rollback")
    assert done.returncode == 1
    assert "/var/lib/copierd-other/ledger.sqlite: it was written by a newer copierd (schema 99" in done.stderr
    assert "cannot take it. Nothing was changed" in done.stderr
    assert box.pid() == before and runs(box)[0] == NEWER
    box.run("rm", "-r", "/var/lib/copierd-other")


def test_who_is_not_root_is_told() -> None:
    nobody = ["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all"]
    script = (ROOT / "packaging/install").read_text().replace("${BASH_SOURCE[0]}", str(ROOT / "packaging/install"))
    done = subprocess.run([*nobody, "bash", "-s"], input=script, capture_output=True, text=True, cwd="/")
    assert done.returncode == 1 and "run it as root" in done.stderr


def test_a_removal_keeps_configuration_and_ledger(installer: Installer) -> None:
    box = installer.box
    box.run("systemctl", "enable", "copierd@other")
    done = installer(installer.new, "--uninstall")
    assert done.returncode == 0, done.stderr
    gone = ("/opt/copierd", "/usr/local/bin/copierd", "/usr/local/bin/copierctl")
    assert box.run("sh", "-c", "ls -d " + " ".join(gone), check=False).stdout == ""
    assert box.run("sh", "-c", "find /usr/local /etc/systemd -name '*copier*'").stdout == ""
    assert box.run("find", "/var/lib/copierd", "-name", "ledger.sqlite").stdout != ""
    box.run("test", "-s", "/etc/copierd/secrets/apex.password")
    assert any("stopped cleanly" in str(one["MESSAGE"]) for one in box.journal("COPIERD_KIND=daemon.stopped"))
    assert installer(installer.old, "--uninstall").returncode == 1, "there is nothing left to remove"
