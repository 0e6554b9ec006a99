"""`copierctl` where it moves money: flatten and what goes with it, each command a process of its own."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from daemon import ctl
from daemon.control.client import Client
from daemon.control.getting_out import GettingOut, Wish, not_flat
from tests.daemon.control.house import House
from tests.daemon.control.test_operating import in_position, own
from tests.daemon.test_ctl import ROOT, Done, Terminal, tell
from tests.scenarios.world import SYMBOL


def tell_in_position(tmp_path: Path, story: Callable[[Terminal], Awaitable[None]]) -> None:
    """f1 and f2 have copied the leader's 2."""

    async def begun(terminal: Terminal) -> None:
        await in_position(terminal.house)
        await story(terminal)

    tell(tmp_path, begun)


async def answered(house: House, words: list[str], answer: str) -> Done:
    """On a terminal, where a person types `answer`."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "daemon.ctl", "--socket", str(house.socket), *words]
    run = partial(
        trio.run_process,
        command,
        cwd=ROOT,
        stdin=theirs,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    try:
        os.write(ours, answer.encode())
        done: subprocess.CompletedProcess[bytes] = await run()
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_dry_run_says_what_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        broker = terminal.house.server.broker
        broker.place("LEAD", "Sell", SYMBOL, 2, "Stop", stop=broker.exchange.last[SYMBOL] - 50)
        ledger = terminal.house.supervisor.ledger
        await terminal.house.until(lambda: len(ledger.copies(outcome="working")) == 2)
        broker.place("F2", "Buy", SYMBOL, 1)
        accounts = terminal.house.supervisor.accounts
        await terminal.house.until(lambda: any(c.foreign for c in accounts["f2"].account.book.contracts.values()))
        done = await terminal.type("flatten", "--all", "--dry-run")
        assert (done.status, done.err) == (0, "")
        first, second = done.out.splitlines()
        what = "cancel 1 order in ESZ6, sell 2 ESZ6 at market"
        assert first == f"f1: {what}; then nothing opens until: copierctl resume f1"
        assert second == (
            f"f2: {what}; left alone, because it is not ours: +1 ESZ6; then nothing opens until: copierctl resume f2"
        )
        assert (await terminal.type("flatten", "lead", "--dry-run")).out.startswith("lead: refused, because it follows")
        slip = await terminal.type("flatten", "f1", "f2", "--dry-run")
        assert (slip.status, slip.out) == (1, "")
        assert slip.err == "copierctl: f1 has never had f2 in hand; it knows ESZ6\n"
        assert slip == await terminal.type("flatten", "f1", "f2", "--yes"), "asked or tried, a slip is the same"
        assert (await terminal.type("flatten", "f1", SYMBOL, "--dry-run")).out == f"{first}\n"
        would = json.loads((await terminal.type("flatten", "--copy", "main", "--dry-run", "--json")).out)
        assert would == {"would": [first, second]}
        assert own(terminal.house, "f1") == own(terminal.house, "f2") == 2
        assert not any(one.account.paused for one in accounts.values())

    tell_in_position(tmp_path, story)


def test_off_a_terminal_it_must_be_said_that_it_is_meant(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        done = await terminal.type("flatten", "f1")
        assert done.status == 1 and "--yes" in done.err
        assert own(terminal.house, "f1") == 2 and not terminal.house.supervisor.accounts["f1"].account.book.latches
        done = await terminal.type("flatten", "f1", "--yes")
        assert (done.status, done.err) == (0, "")
        assert done.out == "FLAT: f1, as the broker shows it. Nothing opens until: copierctl resume f1\n"
        assert terminal.house.server.broker.positions("F1") == {} and own(terminal.house, "f2") == 2
        assert (await terminal.type("flatten", "f1", SYMBOL, "--yes")).status == 0, "twice is the same as once"
        ready = await terminal.type("status", "--ready")
        assert ready.err == "f1 is Connected: paused; flattened\n"
        assert "f1 may open again" in (await terminal.type("resume", "f1")).out

    tell_in_position(tmp_path, story)


@pytest.mark.parametrize(("answer", "status"), [("yes\n", 0), ("y\n", 1), ("\n", 1), ("\x04", 1)])
def test_on_a_terminal_it_is_asked(tmp_path: Path, answer: str, status: int) -> None:
    async def story(terminal: Terminal) -> None:
        done = await answered(terminal.house, ["flatten", "f1"], answer)
        assert done.status == status, done
        assert "sell 2 ESZ6 at market" in done.out and "Type yes" in done.err
        assert ("FLAT: f1" in done.out) == (status == 0)
        assert own(terminal.house, "f1") == (0 if status == 0 else 2)

    tell_in_position(tmp_path, story)


def test_of_many_each_gets_out_and_what_is_left_is_named(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        terminal.house.server.broker.reject_next("F2", "UnknownReason", "not today", times=50)
        done = await terminal.type("flatten", "--all", "--yes", "--wait", "2s")
        assert done.status == 3
        assert done.out.startswith("FLAT: f1, as the broker shows it.")
        (line,) = done.err.splitlines()
        assert line.startswith("NOT FLAT: f2 still long 2 ESZ6 (") and "not today" in line
        assert line.endswith("Close it in Tradovate now.")
        content = json.loads((await terminal.type("flatten", "f2", "--yes", "--wait", "0s", "--json")).out)
        assert content["flat"] is False and content["accounts"][0]["flatten"]["left"][0]["ours"] == 2

    tell_in_position(tmp_path, story)


def test_nobody_is_connected(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        done = await terminal.type("flatten", "f1", "--yes", "--wait", "0s")
        assert done.status == 3 and done.out == ""
        assert done.err.startswith("NOT VERIFIED: f1 has nothing of ours left by the book")
        assert (await terminal.type("flatten", "--copy", "other", "--yes")).status == 1
        refused = await terminal.type("flatten", "lead", "--yes")
        assert refused.status == 1 and "lead follows nobody" in refused.err
        assert (await terminal.type("flatten", "f1", "MEZ6", "--yes")).status == 1

    tell(tmp_path, story, refusing=True)


def test_pause_and_resume_of_all_followers(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        done = await terminal.type("pause", "--all")
        assert done.status == 0 and [line.split()[0] for line in done.out.splitlines()] == ["f1", "f2"]
        accounts = terminal.house.supervisor.accounts
        assert [name for name, one in accounts.items() if one.account.paused] == ["f1", "f2"]
        content = json.loads((await terminal.type("resume", "--all", "--json")).out)
        assert [one["paused"] for one in content] == [False, False]

    tell(tmp_path, story, refusing=True)


def test_accounts_and_positions(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        done = await terminal.type("accounts")
        rows = [line.split() for line in done.out.splitlines()]
        assert rows[1] == ["lead", "LEAD", "apex", "test", "leader", "-", "never", "sent"]
        assert rows[2] == ["f1", "F1", "apex", "test", "follower", "main:", "lead", "proven"]
        assert len(json.loads((await terminal.type("accounts", "--json")).out)["accounts"]) == 3
        await terminal.type("flatten", "f2", "--yes")
        done = await terminal.type("positions")
        rows = [line.split() for line in done.out.splitlines()]
        assert rows[1] == ["lead", SYMBOL, "+2", "-", "-", "-", "-"]
        assert rows[2] == ["f1", SYMBOL, "+2", "+2", "-", "+2", "0"]
        assert rows[3] == ["f2", SYMBOL, "0", "0", "-", "+2", "0"]
        content = json.loads((await terminal.type("positions", "f1", "--json")).out)
        assert list(content["positions"]) == ["f1"] and content["positions"]["f1"][0]["ours"] == 2
        assert (await terminal.type("positions", "nobody")).status == 1

    tell_in_position(tmp_path, story)


def test_release_adopt_unlock_and_reconnect(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        house = terminal.house
        house.server.broker.place("F1", "Buy", SYMBOL, 1)
        contracts = house.supervisor.accounts["f1"]
        await house.until(lambda: any(one.foreign for one in contracts.account.book.contracts.values()))
        done = await terminal.type("status")
        assert "quarantined; ESZ6: +1 not ours" in done.out
        done = await terminal.type("release", "f1", SYMBOL)
        assert done.out == "f1 trades ESZ6 again; what is not ours there stays untouched. Now: Connected, Copying\n"
        refused = await terminal.type("release", "f1", SYMBOL)
        assert refused.status == 1 and "nothing in ESZ6 is quarantined" in refused.err
        assert "counts all of its ESZ6 as ours" in (await terminal.type("adopt", "f1", SYMBOL)).out
        await house.until(lambda: own(house, "f1") == 2)
        assert "not locked" in (await terminal.type("unlock", "f1")).err
        assert (await terminal.type("release", "f1", "MEZ6")).status == 1
        done = await terminal.type("reconnect", "--login", "apex")
        assert (done.status, done.out) == (0, "login apex is dialed anew for lead, f1, f2\n")
        await house.copying()
        assert (await terminal.type("reconnect", "--login", "other")).status == 1
        refused = await terminal.type("reload")
        assert refused.status == 1 and "not started with a file" in refused.err

    tell_in_position(tmp_path, story)


@pytest.mark.parametrize(
    "words",
    [
        ["flatten"],
        ["flatten", "f1", "--all"],
        ["flatten", "--copy", "main", "--all"],
        ["flatten", "--all", "ESZ6"],
        ["flatten", "f1", "--wait", "soon"],
        ["flatten", "f1", "--wait", "5"],
        ["flatten", "", "--yes"],
        ["flatten", "f1", "", "--yes"],
        ["release", "f1"],
        ["release", "f1", ""],
        ["adopt", "f1", " "],
        ["adopt"],
        ["pause", "f1", "--all"],
        ["reconnect", "f1", "--login", "apex"],
        ["disconnect", "--all"],
    ],
)
def test_usage_errors_exit_with_64(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        ctl.main(words)
    assert caught.value.code == 64 and capsys.readouterr().err.startswith("usage: copierctl")


def left(**what: Any) -> str:
    one = {"symbol": "MESZ6", "ours": 0, "orders": 0, "why": "on its way", "retry_at": None, **what}
    account = {"account": "eval8", "state": "Connected", "reason": None, "flatten": {"left": [one]}}
    (words,) = not_flat(account)
    return words


def test_what_is_left_is_said_with_the_reason_and_what_to_do() -> None:
    assert left(ours=1, orders=2, why="429") == ("NOT FLAT: eval8 still long 1 MESZ6 (429). Close it in Tradovate now.")
    assert left(ours=-3) == "NOT FLAT: eval8 still short 3 MESZ6 (on its way). Close it in Tradovate now."
    assert left(orders=1).endswith("still has 1 order in MESZ6 (on its way). Cancel it in Tradovate now.")
    assert left(orders=2).endswith("still has 2 orders in MESZ6 (on its way). Cancel them in Tradovate now.")
    assert "waits for an answer in MESZ6" in left()
    assert "tried again at" in left(ours=1, retry_at="2026-11-20T14:13:00.000Z")


def test_one_that_refuses_keeps_no_other_from_getting_out(tmp_path: Path) -> None:
    async def story(terminal: Terminal) -> None:
        del terminal.house.supervisor.accounts["f1"]  # as if it had gone while the answer was on its way
        done = await terminal.type("flatten", "--all", "--yes")
        assert done.status == 1
        assert done.out.startswith("FLAT: f2") and "no account 'f1'" in done.err

    tell_in_position(tmp_path, story)


class _Gone(io.StringIO):
    """Standard output into a pipe that nobody reads any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("as_json", [True, False])
def test_not_flat_is_not_flat_also_when_nobody_reads_who_is_flat(
    as_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    out: dict[str, Any] = {"verified_at": "2026-11-30T15:00:00.000Z", "not_ours": {}, "left": []}
    asked = {"f1": out, "f2": {**out, "verified_at": None}}

    class Daemon:
        def get(self, path: str) -> dict[str, Any]:
            name = path.rpartition("/")[2]
            if name == "status":
                return {"copies": [{"copy": "main", "followers": list(asked)}]}
            return {"account": name, "state": "Connected", "reason": None, "flatten": asked[name]}

        def post(self, path: str, body: object = None) -> None:
            """Taken up."""

    monkeypatch.setattr(sys, "stdout", _Gone())
    wish = Wish(yes=True, wait=0.0, as_json=as_json)
    assert GettingOut(cast(Client, Daemon()), wish).run() == 3
