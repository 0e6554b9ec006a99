"""`copierd doctor` as the operator types it, and beside a daemon that runs."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from daemon import cli
from daemon.doctor import Wish, run_doctor
from daemon.doctor.examination import examine
from daemon.doctor.report import Report
from daemon.doctor.salvage import read
from daemon.doctor.verdicts import Finding, Section, Unknown, Well, Wrong
from daemon.journal import Journal
from daemon.ports import Ports
from daemon.state_lock import StateLock
from tests.daemon.control.house import house, text_of, wall
from tests.daemon.doctor.clinic import shown, verdict, wrong
from tests.daemon.doctor.clinic import text_of as clinical
from tests.scenarios.world import PASSWORD

ROOT = Path(__file__).parents[3]
REPORT = Report(
    Path("copier.toml"),
    (
        Section(
            "this machine",
            (
                Finding("one", "a", Well("x" * 200)),
                Finding("two", "b", Wrong("what " * 40, "where", "remedy " * 40 + "end canary")),
                Finding("three", "c", Unknown("why")),
            ),
        ),
    ),
    offline=False,
)


@pytest.mark.parametrize("arguments", [["doctor", "x"], ["doctor", "--login"], ["doctor", "--config"]])
def test_usage_errors_exit_with_64(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 64


def test_a_login_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    file = tmp_path / "copier.toml"
    file.write_text(clinical())
    err = io.StringIO()
    assert run_doctor(file, Wish("apexx"), err=err) == 64
    assert "has no login apexx. Did you mean apex?" in err.getvalue()


def test_a_file_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    out = io.StringIO()
    assert run_doctor(tmp_path / "none.toml", Wish(), out=out) == 1
    assert "cannot be read: No such file or directory" in " ".join(out.getvalue().split())


def test_offline_as_json_and_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "copier.toml"
    state = f'[daemon]\nstate_directory = "{tmp_path / "state"}"\ncontrol_socket = "{tmp_path / "s"}"\n'
    file.write_text(state + clinical(login='cid = "8123"'))
    assert cli.main(["doctor", "--config", str(file), "--offline", "--json", "--login", "apex"]) == 1
    values = json.loads(capsys.readouterr().out)
    assert (values["well"], values["offline"]) == (False, True)
    checks = {check["id"]: check for section in values["sections"] for check in section["checks"]}
    assert checks["cid"]["verdict"] == "wrong"
    assert checks["cid"]["remedy"] == "write the number without quotes: cid = 8123"
    assert values["counts"]["wrong"] == 1
    file.write_text(state + clinical())
    assert cli.main(["doctor", "--config", str(file), "--offline"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("doctor: nothing is wrong")


def test_a_terminal_has_marks_and_a_pipe_has_words() -> None:
    plain, coloured = REPORT.text(terminal=False, clean=str), REPORT.text(terminal=True, clean=str)
    assert "\x1b" not in plain
    assert "  WRONG   two" in plain
    assert "✗" in coloured
    assert "✓" in coloured
    for text in (plain, coloured):
        assert "end canary" in text
        assert all(len(line) < 130 for line in text.splitlines())
        assert text.endswith("doctor: 1 wrong, 1 cannot be told, 1 well.\n")


def test_every_form_is_masked() -> None:
    def clean(text: str) -> str:
        return text.replace("canary", "***")

    for text in (REPORT.text(terminal=True, clean=clean), REPORT.json(clean)):
        assert "canary" not in text
        assert "***" in text


def test_the_example_is_healthy_as_a_process(tmp_path: Path) -> None:
    """Over real sockets of this machine: the simulated broker inside of doctor."""
    environ = {**os.environ, "STATE_DIRECTORY": str(tmp_path), "RUNTIME_DIRECTORY": str(tmp_path)}
    command = [sys.executable, "-m", "daemon", "doctor", "--config", "copier.toml"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "login practice on simulator" in done.stdout
    assert "account-name" in done.stdout
    assert list(tmp_path.glob("ledger*")) == []  # what the simulated broker grants ends with it


def test_beside_a_daemon_its_token_is_borrowed_and_its_session_left_alone(tmp_path: Path) -> None:
    """The daemon is real with its socket and its ledger; only the broker is in memory."""
    told: list[str] = []
    journal = Journal(lambda entry: None)

    async def main() -> None:
        with StateLock.taken(tmp_path):
            async with house(tmp_path) as daemon:
                await daemon.copying()
                server, network = daemon.server, daemon.supervisor.ports.network
                asked, opened = server.token_requests["jane"], server.sockets_opened
                syncs = server.syncs.total()
                file = tmp_path / "copier.toml"
                file.write_text(text_of(tmp_path))
                report = await examine(read(file), Wish(), Ports(wall, random.Random(4), network), journal, told.append)
                assert wrong(report) == set()
                assert isinstance(verdict(report, "account-name"), Well)
                assert isinstance(verdict(report, "token"), Well)
                assert "copierd 0.1.0 answers" in shown(report)
                assert server.token_requests["jane"] == asked == 1
                assert (server.sockets_opened, server.syncs.total()) == (opened, syncs)
                assert server.renewals["jane"] == 0
                token = daemon.supervisor.logins["apex"].tokens.current
                assert token is not None
                text = report.text(terminal=False, clean=journal.clean) + report.json(journal.clean) + "".join(told)
                assert token.text not in text
                assert PASSWORD not in text
                # And the daemon has not noticed
                assert {one.account.connection.shown for one in daemon.supervisor.accounts.values()} == {"Connected"}

    trio.run(main)
    assert told == []


def test_a_login_that_was_pushed_out_is_told_by_the_daemon(tmp_path: Path) -> None:
    async def main() -> None:
        with StateLock.taken(tmp_path):
            async with house(tmp_path) as daemon:
                await daemon.copying()
                daemon.server.evict("apex")
                login = daemon.supervisor.logins["apex"]
                await daemon.until(lambda: login.session is not None and login.session.ended.is_set())
                file = tmp_path / "copier.toml"
                file.write_text(text_of(tmp_path))
                ports = Ports(wall, random.Random(4), daemon.supervisor.ports.network)
                report = await examine(read(file), Wish(), ports, Journal(lambda entry: None), lambda words: None)
                found = verdict(report, "session-limit")
                assert isinstance(found, Wrong)
                assert "copierctl reconnect --login apex" in found.remedy

    trio.run(main)
