"""copierctl against a running daemon: what it prints, where, and its exit statuses."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio

from daemon import __version__, ctl
from statecharts import states as s
from tests.daemon.control.house import House, house
from tests.scenarios.world import SYMBOL

ROOT = Path(__file__).parents[2]


@attrs.frozen
class Done:
    status: int
    out: str
    err: str


@attrs.define
class Terminal:
    """Where copierctl is typed: a process of its own, without a terminal."""

    house: House

    async def type(self, *words: str) -> Done:
        done = await trio.run_process(
            [sys.executable, "-m", "daemon.ctl", *words],
            cwd=ROOT,
            env={**os.environ, "COPIERD_SOCKET": str(self.house.socket), "COLUMNS": "80"},
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    async def see(self, *words: str) -> str:
        """The same on a terminal of 80 columns."""
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "daemon.ctl", "--socket", str(self.house.socket), *words]
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
        environment.pop("NO_COLOR", None)
        try:
            await trio.run_process(command, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs)
            return os.read(ours, 65536).decode()
        finally:
            os.close(ours)
            os.close(theirs)

    async def watch(self, *words: str, until: Callable[[str], bool]) -> str:
        """What a command that does not end prints until it has printed enough, and Ctrl-C ends it."""
        command = [sys.executable, "-m", "daemon.ctl", "--socket", str(self.house.socket), *words]
        out = ""
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(
                partial(trio.run_process, command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
            )
            assert process.stdout is not None
            with trio.fail_after(10):
                while not until(out):
                    out += bytes(await process.stdout.receive_some()).decode()
                process.send_signal(signal.SIGINT)
                assert await process.wait() == 0
            nursery.cancel_scope.cancel()
        return out


def tell(tmp_path: Path, story: Callable[[Terminal], Awaitable[None]], *, refusing: bool = False) -> None:
    async def main() -> None:
        async with house(tmp_path, refusing=refusing) as told:
            if not refusing:
                await told.copying()
            await story(Terminal(told))

    trio.run(main)


def test_status_while_all_is_well(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        terminal.house.server.broker.place("LEAD", "Buy", SYMBOL, 2)
        accounts = terminal.house.supervisor.accounts.values()
        await terminal.house.until(lambda: all(one.account.book.positions for one in accounts))
        done = await terminal.type("status")
        assert (done.status, done.err) == (0, "")
        head, lead, f1, f2, last = done.out.splitlines()
        assert head.split() == ["account", "state", "role", "leaf", "since", "positions", "next", "reason"]
        assert lead.split()[:4] == ["lead", "Connected", "leader", "Copying"]
        assert f1.split()[5:7] == f2.split()[5:7] == [SYMBOL, "+2"]
        assert last.startswith(f"copierd {__version__}, up ") and "\x1b" not in done.out
        assert json.loads((await terminal.type("--json", "status")).out)["accounts"][1]["orders"] == "proven"
        assert json.loads((await terminal.type("status", "--json")).out)["last_stop"] == "clean"
        done = await terminal.type("status", "--check")
        assert done == Done(0, "all 3 accounts are Connected, or in a maintenance window\n", "")
        assert await terminal.type("status", "--ready") == Done(0, "all 3 accounts are copying\n", "")

    tell(tmp_path, story)


def test_status_while_the_broker_is_away(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        await terminal.house.until(lambda: _leaves(terminal.house) == {s.BackingOff})
        assert "Reconnecting" in (await terminal.type("status")).out
        for option in ("--check", "--ready"):
            done = await terminal.type("status", option)
            assert (done.status, done.out) == (1, "")
            assert done.err.startswith("lead is Reconnecting: ")
        done = await terminal.type("status", "--check", "--json")
        assert done.status == 1 and json.loads(done.out)["accounts"]

    tell(tmp_path, story, refusing=True)


def _leaves(house: House) -> set[type[s.State]]:
    return {type(one.account.connection) for one in house.supervisor.accounts.values()}


def test_a_maintenance_window_is_expected_and_yet_not_ready(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        await terminal.house.until(lambda: _leaves(terminal.house) == {s.BackingOff})
        now = terminal.house.supervisor.ports.wall()
        window = s.Maintenance(since=now, until=now, reason="window", cause=s.Cause.MAINTENANCE)
        for one in terminal.house.supervisor.accounts.values():
            one.runner.account = attrs.evolve(one.runner.account, connection=window)
        assert (await terminal.type("status", "--check")).status == 0
        assert (await terminal.type("status", "--ready")).status == 1

    tell(tmp_path, story, refusing=True)


def test_pause_resume_disconnect_reconnect_resync(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        done = await terminal.type("pause", "f1")
        assert (done.status, done.err) == (0, "")
        assert done.out == "f1 is paused: nothing opens, exits still go. Now: Connected, Copying (paused)\n"
        ready = await terminal.type("status", "--ready")
        assert (ready.status, ready.err) == (1, "f1 is Connected: paused\n")
        assert json.loads((await terminal.type("resume", "f1", "--json")).out)["paused"] is False
        assert "Now: Disconnected, Stopped" in (await terminal.type("disconnect", "f1")).out
        refused = await terminal.type("resync", "f1")
        assert (refused.status, refused.out) == (1, "")
        assert "f1 is Disconnected" in refused.err and "copierctl reconnect f1" in refused.err
        assert (await terminal.type("reconnect", "f1")).status == 0
        await terminal.house.copying()
        assert (await terminal.type("resync", "f1")).status == 0

    tell(tmp_path, story)


@pytest.mark.parametrize("name", ["nobody", "../f1", "f1/pause", "f1?x=1", ""])
def test_an_account_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    async def story(terminal: Terminal) -> None:
        done = await terminal.type("pause", name)
        assert (done.status, done.out) == (1, "") and done.err.startswith("copierctl: ")

    tell(tmp_path, story, refusing=True)


def test_copies_the_newest_last(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        assert len((await terminal.type("copies")).out.splitlines()) == 1, "the headings"
        for quantity in (1, 2):
            terminal.house.server.broker.place("LEAD", "Buy", SYMBOL, quantity)
        ledger = terminal.house.supervisor.ledger
        await terminal.house.until(lambda: len(ledger.copies(outcome="filled")) == 4)
        done = await terminal.type("copies", "--follower", "f1")
        first, second = done.out.splitlines()[1:]
        assert first.split()[1:7] == ["f1", "filled", "place", "Buy", "1", SYMBOL]
        assert second.split()[1:7] == ["f1", "filled", "place", "Buy", "2", SYMBOL]
        content = json.loads((await terminal.type("copies", "--limit", "3", "--json")).out)
        assert len(content["copies"]) == 3 and content["next"]
        assert len((await terminal.type("copies", "--outcome", "skipped")).out.splitlines()) == 1
        wrong = await terminal.type("copies", "--outcome", "flled", "--limit", "0")
        assert (wrong.status, wrong.out) == (64, "") and "outcome" in wrong.err and "limit" in wrong.err

    tell(tmp_path, story)


@pytest.mark.parametrize("more", [[], ["--follow"], ["--json"]])
def test_copies_of_an_account_that_nobody_has_are_refused(tmp_path: Path, more: list[str]) -> None:
    async def story(terminal: Terminal) -> None:
        done = await terminal.type("copies", "--follower", "zz", *more)
        assert (done.status, done.out) == (1, "")
        assert done.err == "copierctl: there is no account 'zz'; there are: lead, f1, f2\n"
        if not more:
            assert (await terminal.type("copies", "--follower", "f1")).status == 0, "one that has not copied yet"

    tell(tmp_path, story, refusing=True)


def test_on_a_terminal_there_are_colours_and_no_line_is_too_long(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        await terminal.type("pause", "f1")
        terminal.house.server.broker.place("LEAD", "Buy", SYMBOL, 2)
        ledger = terminal.house.supervisor.ledger
        await terminal.house.until(lambda: len(ledger.copies()) == 2)
        for command in ("status", "copies"):
            shown = await terminal.see(command)
            assert "\x1b[32m" in shown
            lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in shown.splitlines()]
            assert max(map(len, lines)) <= 80
            assert sum("f1" in line for line in lines) == 1

    tell(tmp_path, story)


def test_follow_shows_what_comes_and_what_changes(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        broker, ledger = terminal.house.server.broker, terminal.house.supervisor.ledger
        price = broker.exchange.last[SYMBOL] - 20
        order = broker.place("LEAD", "Buy", SYMBOL, 1, "Limit", price=price)
        await terminal.house.until(lambda: len(ledger.copies(outcome="working")) == 2)

        def enough(out: str) -> bool:
            if out.count("\n") == 1 and not cancelled:
                cancelled.append(True)
                broker.cancel(order)
            return len(_words(out, "canceled")) == 2

        cancelled: list[bool] = []
        out = await terminal.watch("copies", "--follow", "--json", "--limit", "1", until=enough)
        assert len(_words(out, "working")) >= 1
        assert len({row["id"] for row in map(json.loads, out.splitlines())}) >= 2

    tell(tmp_path, story)


def _words(out: str, outcome: str) -> list[str]:
    rows = [json.loads(line) for line in out.splitlines(keepends=True) if line.endswith("\n")]
    return [row["id"] for row in rows if row["verb"] == "place" and row["outcome"] == outcome]


def test_watch_shows_it_again(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        out = await terminal.watch("status", "--watch", until=lambda out: out.count("copierd ") == 2)
        assert out.count("lead ") == 2

    tell(tmp_path, story)


def test_no_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COPIERD_SOCKET", raising=False)
    named = str(tmp_path / "none.sock")
    for words in (["--socket", named, "status"], ["status", "--socket", named], ["copies", f"--socket={named}"]):
        assert ctl.main(words) == 2
        told = capsys.readouterr()
        assert told.out == "" and named in told.err and "systemctl start copierd" in told.err


def test_a_report_without_a_daemon_is_written_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "report.tar.gz"
    assert ctl.main(["--socket", str(tmp_path / "none.sock"), "report", "-o", str(file)]) == 2
    told = capsys.readouterr()
    assert str(file) in told.out and "no copierd answers" in told.err and file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "words",
    [[], ["fly"], ["status", "--wach"], ["status", "--check", "--watch"], ["pause"], ["copies", "--limit", "many"]],
)
def test_usage_errors_exit_with_64(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        ctl.main(words)
    told = capsys.readouterr()
    assert (caught.value.code, told.out) == (64, "") and told.err.startswith("usage: copierctl")


def test_an_empty_name_is_asked_about(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        ctl.main(["flatten", "", "--yes"])
    assert "was a variable not set? What there is: copierctl flatten --help" in capsys.readouterr().err


def test_what_is_no_number_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        ctl.main(["copies", "--limit", "many"])
    assert "argument --limit: 'many' is not a whole number" in capsys.readouterr().err


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--version"], ["--help"], ["status", "--help"], ["pause", "--help"]):
        with pytest.raises(SystemExit) as caught:
            ctl.main(words)
        assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"copierctl {__version__}\nusage: copierctl")
    for words in (["status", "--version"], ["flatten", "--version"]):
        with pytest.raises(SystemExit) as caught:
            ctl.main(words)
        assert (caught.value.code, capsys.readouterr().out) == (0, f"copierctl {__version__}\n")


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        line = f"{sys.executable} -m daemon.ctl --socket {terminal.house.socket} status --json | head -n 1"
        done = await trio.run_process(
            ["bash", "-o", "pipefail", "-c", line], cwd=ROOT, capture_stdout=True, capture_stderr=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"{\n", b"")

    tell(tmp_path, story, refusing=True)
