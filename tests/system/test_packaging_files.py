"""The files around the code: that they agree with each other and say nothing of the machine they were made on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest

from daemon import __version__

ROOT = Path(__file__).parents[2]
SCRIPTS = ("packaging/demo", "packaging/test", "packaging/deb", "packaging/install", ".ci/run")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[ ;\[<>=!~]", requirement, maxsplit=1)[0]).lower()


def locked() -> dict[str, str]:
    lines = [line for line in (ROOT / "packaging/lock.txt").read_text().splitlines() if line and line[0] != "#"]
    pairs = [line.partition(";")[0].strip().split("==") for line in lines]  # behind it: where there is such a wheel
    assert all(len(pair) == 2 for pair in pairs), "the lock holds exact versions and nothing else"
    return {name_of(name): version for name, version in pairs}


def test_everything_that_is_asked_for_is_locked() -> None:
    tables = project()
    asked = [
        *tables["project"]["dependencies"],
        *tables["project"]["optional-dependencies"]["systemd"],
        *tables["dependency-groups"]["dev"],
        *tables["dependency-groups"]["fuzz"],
    ]
    assert {name_of(requirement) for requirement in asked} <= set(locked())


def test_what_is_locked_needs_nothing_that_is_not() -> None:
    """A lock with a hole lets the index decide, and two machines differ."""
    versions = locked()
    missing = {
        (package, name_of(requirement))
        for package in versions
        if package != "systemd-python"
        for requirement in requires(package) or []
        if ";" not in requirement and name_of(requirement) not in versions
    }
    # setuptools is what nodeenv asks for and every environment had; pre-commit runs without it here
    assert missing <= {("nodeenv", "setuptools")}


def test_the_version_is_the_same_everywhere() -> None:
    assert project()["project"]["version"] == __version__
    assert (ROOT / "CHANGELOG.md").read_text().count("## [Unreleased]") == 1


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_executable_and_parse(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert path.read_text().startswith("#!/usr/bin/env bash\n")
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run([bash, "-n", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("marker", ["copierd/py.typed", "statecharts/py.typed"])
def test_both_packages_say_that_they_are_typed(marker: str) -> None:
    assert (ROOT / marker.replace("copierd", "daemon")).is_file()


def environment_of(command: str, path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run one command of packaging/environment as a machine whose PATH begins with `path`."""
    script = f'. "{ROOT}/packaging/environment"; {command}'
    env = {"PATH": f"{path}:/usr/bin:/bin", "HOME": "/nonexistent", **environ}
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, env=env, cwd="/")


def stub(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_a_python_without_venv_or_too_old_is_passed_over(tmp_path: Path) -> None:
    bad = stub(tmp_path / "bad", "exit 1")
    good = stub(tmp_path / "good", "exit 0")
    assert environment_of("find_python", tmp_path, COPIERD_PYTHON=str(good)).stdout == f"{good}\n"
    assert environment_of("find_python", tmp_path, COPIERD_PYTHON=str(bad)).stdout != f"{bad}\n"


def test_who_is_not_root_is_told_the_line(tmp_path: Path) -> None:
    stub(tmp_path / "id", "echo 1000")
    done = environment_of("need_packages libsystemd-dev gcc", tmp_path)
    assert done.returncode == 1
    line = "sudo apt-get update && sudo apt-get install -y --no-install-recommends libsystemd-dev gcc"
    assert f"  {line}\n" in done.stderr


def test_a_failed_build_of_systemd_python_says_what_it_needs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("Package 'libsystemd', required by 'virtual:world', not found\n")
    done = environment_of(f"build_packages=(libsystemd-dev gcc); explain {log}", tmp_path)
    assert "systemd-python could not be built" in done.stderr
    assert "--no-install-recommends libsystemd-dev gcc" in done.stderr


def test_an_environment_is_made_once_and_again_when_the_lock_changes(tmp_path: Path) -> None:
    """With a copy of the scripts and a python that only pretends: pip's own work is not the subject here."""
    copy = tmp_path / "checkout"
    (copy / "packaging").mkdir(parents=True)
    for name in ("pyproject.toml", "packaging/lock.txt", "packaging/environment"):
        shutil.copy(ROOT / name, copy / name)
    calls = tmp_path / "calls"
    python = stub(
        tmp_path / "python",
        f'case "$*" in *venv*/.venv*) echo venv >> {calls}; mkdir -p "$3/bin"; cp "$0" "$3/bin/python";; '
        f'*"-m pip"*) echo "pip $*" >> {calls};; esac',
    )
    (copy / ".venv" / "lib").mkdir(parents=True)
    command = ["bash", "-c", f". {copy}/packaging/environment; prepare demo --editable ."]
    env = {"PATH": "/usr/bin:/bin", "COPIERD_PYTHON": str(python)}

    def prepared() -> list[str]:
        calls.unlink(missing_ok=True)
        subprocess.run(command, env=env, cwd="/", check=True, capture_output=True)
        return [line.split()[0] for line in calls.read_text().splitlines()] if calls.exists() else []

    assert prepared() == ["venv", "pip"], "an environment without our stamp is not ours to trust"
    assert not (copy / ".venv" / "lib").exists()
    assert prepared() == []
    with (copy / "packaging/lock.txt").open("a") as lock:
        lock.write("extra==1\n")
    assert prepared() == ["venv", "pip"]
    (copy / ".venv" / "bin" / "python").unlink()
    assert prepared() == ["venv", "pip"], "an environment whose python is gone is made again"
