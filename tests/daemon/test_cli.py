"""The command line: which words lead where, and with which exit status it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from daemon import __version__, cli

ROOT = Path(__file__).parents[2]


def status_of(*arguments: str) -> object:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    return caught.value.code


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["run", "--fast"],
        ["check", "a", "b"],
        ["demo", "--seconds", "0"],
        ["demo", "--seconds", "inf"],
        ["simulator"],
        ["simulator", "--port", "65536"],
        ["simulator", "--port", "http"],
    ],
)
def test_usage_errors_exit_with_64_and_say_what_is_wrong(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(*arguments) == 64
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("usage: copierd") and "\ncopierd" in told.err
    assert told.err.endswith(" --help\n")


def test_help_and_version_exit_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("--version") == 0
    assert capsys.readouterr().out == f"copierd {__version__}\n"
    for command in ("run", "check", "init", "demo", "simulator", "certify", "doctor", "flatten", "replay", "hours"):
        assert status_of(command, "--help") == 0
        assert capsys.readouterr().out.startswith(f"usage: copierd {command}")
        assert status_of(command, "--version") == 0
        assert capsys.readouterr().out == f"copierd {__version__}\n"


def test_each_command_hands_its_options_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[str, object]] = []

    def stand_in(module: str, function: str, status: int) -> None:
        fake = ModuleType(module)

        def called(*args: object, **options: object) -> int:
            calls.append((function, args or options))
            return status

        setattr(fake, function, called)
        monkeypatch.setitem(sys.modules, module, fake)

    stand_in("daemon.process", "run_daemon", 69)
    stand_in("daemon.demo", "run_demo", 1)
    stand_in("daemon.simulator.alone", "run_simulator", 0)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", "--config", "x.toml"]) == 69
    assert cli.main(["run"]) == 69
    assert cli.main(["demo", "--seconds", "2.5", "--keep"]) == 1
    assert cli.main(["demo"]) == 1
    assert cli.main(["simulator", "--port", "0", "--faults", "f.toml"]) == 0
    assert calls == [
        ("run_daemon", (Path("x.toml"),)),
        ("run_daemon", (Path("/etc/copierd/copier.toml"),)),
        ("run_demo", {"seconds": 2.5, "keep": True}),
        ("run_demo", {"seconds": None, "keep": False}),
        ("run_simulator", {"port": 0, "faults": Path("f.toml")}),
    ]


def test_check_finds_the_file_here_and_needs_no_network_library() -> None:
    program = "import sys; from daemon.cli import main; s = main(['check']); sys.exit(s or 'trio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("copier.toml is valid.")


def test_the_module_runs_as_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "daemon", "check", str(tmp_path / "none.toml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (78, "")
    assert "none.toml:1: file: cannot be read" in done.stderr
