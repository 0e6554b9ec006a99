"""Every command of the README is run, and every file in it is read: what a newcomer types first must work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from daemon.cli import main
from statecharts.__main__ import diagrams

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
START_LIMIT = 30.0  # seconds, on a busy machine

# What packaging/test runs itself: to run it here would be to run ourselves.
OF_THE_CHECKS = ("ruff check .", "mypy", "lint-imports", "pytest tests/statecharts")
SCRIPTS = {"./packaging/demo": 'copierd" demo "$@"', "./packaging/test": "exec pytest"}
RUNS = {"copierd run --config copier.toml": "copier.toml", "copierd run --config my.toml": "my.toml"}
ELSEWHERE = (*OF_THE_CHECKS, *SCRIPTS, *RUNS)


def block(language: str) -> str:
    (text,) = [text for kind, text in BLOCKS if kind == language]
    return text


@attrs.frozen
class House:
    """A home of its own, in which `copierd` and `copierctl` are on PATH."""

    home: Path

    @property
    def environ(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.home / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COPIERD_")}
        return {**kept, "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home / "run"), "PATH": path}

    def furnish(self) -> None:
        for name, module in (("copierd", "daemon"), ("copierctl", "daemon.ctl")):
            program = self.home / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m {module} "$@"\n')
            program.chmod(0o755)
        (self.home / "run").mkdir(mode=0o700)
        (self.home / "my.toml").write_text(block("toml"))
        (self.home / "copier.toml").write_text((ROOT / "copier.toml").read_text())

    def said(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command], cwd=self.home, env=self.environ, text=True, capture_output=True, timeout=60
        )

    def ready(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while (answer := self.said("copierctl status --ready")).returncode != 0:
            assert time.monotonic() < deadline, answer
            time.sleep(0.2)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="copierd-readme-") as home:  # short: a socket's path has 107 bytes
        made = House(Path(home))
        made.furnish()
        yield made


@pytest.fixture(scope="module")
def example(house: House) -> Iterator[House]:
    """The example runs, as the README has it run in the first terminal."""
    command = [str(house.home / "bin" / "copierd"), "run", "--config", "copier.toml"]
    with subprocess.Popen(command, cwd=house.home, env=house.environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            house.ready()
            yield house
        finally:
            process.terminate()
            said = process.communicate(timeout=20)[1]
    assert process.returncode == 0 and "stopped cleanly" in said, said


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in ELSEWHERE])
def test_a_command_works(example: House, command: str) -> None:
    answer = example.said(f"cd {ROOT} && {command}" if command.startswith("python") else command)
    assert answer.returncode == 0, (command, answer.stdout, answer.stderr)
    if command.startswith("curl"):
        assert re.search(r'"account"|"copies"|account="', answer.stdout), answer.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_there_and_does_what_the_readme_says(script: str) -> None:
    assert script in COMMANDS
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert SCRIPTS[script] in path.read_text().splitlines()[-1]


@pytest.mark.parametrize("command", OF_THE_CHECKS)
def test_a_part_of_the_checks_is_one(command: str) -> None:
    assert command in COMMANDS
    words = [line.replace(" -q", "").strip() for line in (ROOT / "packaging" / "test").read_text().splitlines()]
    assert any(line.startswith(command) for line in words)


def test_the_first_configuration_is_valid_and_sends_nothing(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(house.home / "my.toml")]) == 0
    told = capsys.readouterr().out
    assert "Armed: none" in told and "Only shadow: eval1" in told


def test_the_first_configuration_runs(tmp_path: Path) -> None:
    """With the simulated broker in the place of the demo environment, and the passwords in their files."""
    with tempfile.TemporaryDirectory(prefix="copierd-readme-") as home:
        house = House(Path(home))
        house.furnish()
        text = block("toml").replace('environment   = "demo"', 'environment   = "simulator"')
        (house.home / "my.toml").write_text(text.replace("/home/jane", home))
        for command in COMMANDS:
            if command.startswith(("mkdir", "install")):
                assert house.said(command).returncode == 0
        for name in ("password", "sec"):
            secret = house.home / ".config" / "copierd" / f"apex.{name}"
            assert secret.stat().st_mode & 0o777 == 0o600
            secret.write_text("canary\n")
        run = [str(house.home / "bin" / "copierd"), "run", "--config", "my.toml"]
        with subprocess.Popen(run, cwd=home, env=house.environ, stderr=subprocess.PIPE, text=True) as process:
            try:
                house.ready()
            finally:
                process.terminate()
                said = process.communicate(timeout=20)[1]
        assert process.returncode == 0 and "canary" not in said, said


def test_the_example_may_be_run_again_and_leaves_nothing_to_a_real_configuration() -> None:
    """The simulated broker begins anew each time: what was copied there before is nobody's position."""
    with tempfile.TemporaryDirectory(prefix="copierd-readme-") as home:
        house = House(Path(home))
        house.furnish()
        _traded_for_a_while(house)
        said = _traded_for_a_while(house)
        assert "3 of 3 followers match their leader" in said and "in doubt" not in said, said
        state = house.home / ".local" / "state" / "copierd"
        assert (state / "simulation.sqlite").exists() and not (state / "ledger.sqlite").exists()


def _traded_for_a_while(house: House) -> str:
    """What the example's daemon said until something had been copied."""
    run = [str(house.home / "bin" / "copierd"), "run", "--config", "copier.toml"]
    with subprocess.Popen(run, cwd=house.home, env=house.environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            house.ready()
            deadline = time.monotonic() + START_LIMIT
            while '"filled"' not in house.said("copierctl copies --json").stdout:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        finally:
            process.terminate()
            said = process.communicate(timeout=20)[1]
    return said


def test_the_picture_has_the_columns_of_the_real_table(example: House) -> None:
    picture = block("text").splitlines()
    header = example.said("copierctl status").stdout.splitlines()[0]
    assert picture[0].split() == header.split()
    assert re.fullmatch(r"copierd \S+, up .*, last stop clean; .*", picture[-1])


def test_the_diagrams_are_what_the_code_draws() -> None:
    shown = README.partition("<!-- diagrams: python -m statecharts -->")[2].partition("<!-- /diagrams -->")[0]
    assert shown.strip() == diagrams()


def test_what_it_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
