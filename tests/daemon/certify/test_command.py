"""`copierd certify` as the operator types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from daemon import cli
from daemon.certify import Wish, run_certify
from tests.daemon.certify.rig import copy_of

SIMULATED = '[logins.practice]\nenvironment = "simulator"\n' + copy_of("practice")
LIVE = '[logins.apex]\nenvironment = "live"\nusername = "jane"\n' + copy_of("apex")


def written(directory: Path, text: str) -> Path:
    file = directory / "copier.toml"
    file.write_text(
        f'[daemon]\nstate_directory = "{directory / "state"}"\ncontrol_socket = "{directory / "s"}"\n{text}'
    )
    return file


@pytest.mark.parametrize(
    "arguments",
    [
        ["certify"],
        ["certify", "--login"],
        ["certify", "--login", "a", "--seconds", "5"],
        ["certify", "--login", "a", "b"],
    ],
)
def test_usage_errors_exit_with_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 64
    assert capsys.readouterr().err.startswith("usage: copierd")


def test_a_login_that_is_not_there_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["certify", "--login", "nobody", "--config", str(written(tmp_path, SIMULATED))]) == 64
    assert "has no login nobody; it has: practice" in capsys.readouterr().err


def test_a_broken_configuration_exits_with_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_certify(tmp_path / "none.toml", Wish("a")) == 78
    assert "cannot be read" in capsys.readouterr().err


def test_refusals_exit_with_1_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, LIVE)
    assert run_certify(file, Wish("apex", out=tmp_path / "report")) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "Certify on demo, or say --evict" in told.err
    assert not list(tmp_path.glob("report*"))


def test_without_a_password_nothing_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COPIERD_APEX_PASSWORD")
    assert run_certify(written(tmp_path, LIVE), Wish("apex", evict=True)) == 1
    assert "there is no password for login apex: set the credential apex.password" in capsys.readouterr().err


def test_where_the_report_cannot_be_written_nothing_is_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wish = Wish("practice", out=tmp_path / "none" / "report.md")
    assert run_certify(written(tmp_path, SIMULATED), wish) == 73
    assert "report.md cannot be written" in capsys.readouterr().err


def test_the_forms_of_the_report_follow_its_name() -> None:
    assert Wish("a").files == {}
    assert Wish("a", out=Path("x.md")).files == {"md": Path("x.md")}
    assert Wish("a", out=Path("x.json")).files == {"json": Path("x.json")}
    assert Wish("a", out=Path("d/x.1")).files == {"md": Path("d/x.1.md"), "json": Path("d/x.1.json")}


def test_nobody_there_exits_with_1_and_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPIERD_APEX_PASSWORD", "canary-password-90cd")
    test = '[environments.test]\nrest = "http://127.0.0.1:9/v1"\nwebsocket = "ws://127.0.0.1:9/v1/websocket"\n'
    file = written(tmp_path, f'{test}[logins.apex]\nenvironment = "test"\nusername = "jane"\n{copy_of("apex")}')
    assert run_certify(file, Wish("apex", as_json=True)) == 1
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert report["verdict"] == "failed"
    assert [one["id"] for one in report["criteria"] if one["verdict"] == "failed"] == ["1.1.a"]
    assert "opens 1 session of its own" in told.err
    assert "canary" not in told.out + told.err


def test_the_command_as_a_process_on_the_embedded_simulator(tmp_path: Path) -> None:
    """Over real sockets of this machine, in real time: about half a minute, most of it spent on heartbeats."""
    file = written(tmp_path, SIMULATED)
    command = [sys.executable, "-m", "daemon", "certify", "--login", "practice", "--config", str(file)]
    done = subprocess.run(
        [*command, "--seconds", "6", "-o", str(tmp_path / "report")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    markdown, data = (tmp_path / "report.md").read_text(), json.loads((tmp_path / "report.json").read_text())
    assert done.stdout.splitlines() == [markdown.splitlines()[-1]]
    assert done.stdout.startswith("Verdict: PASSED")
    assert {one["verdict"] for one in data["criteria"]} == {"passed"}
    assert done.stderr.startswith("certify, as login practice on simulator (http://127.0.0.1:")
    assert done.stderr.splitlines()[-1].startswith("  1.3.c  ")
    assert not (tmp_path / "state").exists()
