"""What people read: one line an account, within their terminal, and nothing that a terminal would obey."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from daemon.control import tables

NOW = "2026-11-20T14:05:00.000Z"


def account(name: str, **changes: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "account": name,
        "state": "Connected",
        "colour": "green",
        "role": "follower",
        "leaf": "Copying",
        "since": "2026-11-20T14:00:00.000Z",
        "reason": None,
        "remedy": None,
        "next_attempt_at": None,
        "holding": None,
        "close_only": None,
        "barred": {},
        "blocked_by": [],
        "quarantined": [],
        "waiting": {},
        "locked": None,
        "pending_config": False,
        "orders": "proven",
        "positions": {},
    }
    return {**usual, **changes}


def status(*accounts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "version": "0.1.0",
        "started_at": "2026-11-20T11:00:00.000Z",
        "now": NOW,
        "accounts": list(accounts),
        "logins": [],
        "last_stop": "clean",
        "latency_ms": {"p50": 1.2, "p99": 4.0, "count": 120},
    }
    return {**usual, **changes}


LOST = account(
    "eval1",
    state="Reconnecting",
    colour="yellow",
    leaf="BackingOff",
    since="2026-11-20T14:04:58.120Z",
    reason="another login took the session (ConnectionQuotaReached)",
    remedy="log out of Tradovate there",
    next_attempt_at="2026-11-20T14:05:03.900Z",
    positions={"MESZ6": 2, "MNQZ6": -1},
    blocked_by=["reconnecting"],
)


def printed(shown: dict[str, Any], width: int) -> list[str]:
    screen = Console(file=StringIO(), width=width, highlight=False)
    screen.print(tables.status_table(shown, width))
    assert isinstance(screen.file, StringIO)
    return [line.rstrip() for line in screen.file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [72, 80, 100, 120])
def test_one_line_an_account_within_the_terminal(width: int) -> None:
    lines = printed(status(account("lead", role="leader"), LOST), width)
    assert len(lines) == 3 and max(map(len, lines)) <= width
    assert "Reconnecting" in lines[2] and "MESZ6 +2, MNQZ6 -1" in lines[2] and lines[2].endswith(("…", ")"))


def test_in_a_pipe_nothing_is_cut() -> None:
    screen = tables.console(StringIO())
    screen.print(tables.status_table(status(LOST), screen.width))
    assert isinstance(screen.file, StringIO)
    words = screen.file.getvalue()
    assert "took the session (ConnectionQuotaReached)" in words and "\x1b" not in words
    assert words.splitlines()[1].split()[:6] == ["eval1", "Reconnecting", "follower", "BackingOff", "1s", "MESZ6"]


def test_a_trouble_of_many_accounts_is_told_once_with_its_remedy() -> None:
    other = {**LOST, "account": "eval2"}
    held = {"login": "apex", "hold_until": NOW, "hold_reason": "the broker limits requests (429)"}
    lines = [line.plain for line in tables.status_lines(status(LOST, other, logins=[held]))]
    assert lines[0] == f"eval1, eval2: {LOST['reason']}. log out of Tradovate there"
    assert lines[1].startswith("login apex: the broker limits requests (429), until ")
    assert lines[2] == "copierd 0.1.0, up 3h, last stop clean; 120 requests sent within 1.2 ms (p50), 4 ms (p99)"


def test_what_holds_several_logins_is_told_once() -> None:
    held = [{"login": name, "hold_until": NOW, "hold_reason": "it waits"} for name in ("apex", "fund")]
    other = {"login": "own", "hold_until": NOW, "hold_reason": "the broker asks to wait (penalty ticket)"}
    lines = [line.plain for line in tables.status_lines(status(logins=[held[0], other, held[1]]))]
    assert [line.partition(", until")[0] for line in lines[:2]] == [
        "logins apex, fund: it waits",
        "login own: the broker asks to wait (penalty ticket)",
    ]


def test_the_same_trouble_with_another_remedy_is_told_beside_it() -> None:
    def lost(name: str, login: str) -> dict[str, Any]:
        return {**LOST, "account": name, "remedy": f"copierctl reconnect --login {login}"}

    shown = status(lost("eval1", "apex"), lost("fund1", "fund"), lost("eval2", "apex"))
    lines = [line.plain for line in tables.status_lines(shown)]
    assert lines[0] == f"eval1, eval2: {LOST['reason']}. copierctl reconnect --login apex"
    assert lines[1] == f"fund1: {LOST['reason']}. copierctl reconnect --login fund"


def test_the_reason_is_whatever_keeps_it_from_copying() -> None:
    assert tables.reason(LOST) == LOST["reason"]
    paused = account("a", blocked_by=["holding", "paused"], holding="leader lead is Reconnecting")
    assert tables.reason(paused) == "leader lead is Reconnecting; paused"
    waits = account("a", waiting={"ESZ6": "flattened; waits until the leader is flat"})
    assert tables.reason(waits) == "ESZ6: flattened; waits until the leader is flat"
    lock = {"reason": "daily_loss_limit is used up", "until": "2026-11-20T23:00:00.000Z"}
    assert tables.reason(account("a", locked=lock)).startswith("daily_loss_limit is used up, until ")
    assert "pending_config" in tables.reason(account("a", pending_config=True))
    foreign = account("a", quarantined=[{"symbol": "MNQZ6", "theirs": 1}], orders="denied")
    assert tables.reason(foreign) == "MNQZ6: +1 not ours; orders denied"
    bug = account("a", close_only="a bug in copierd: KeyError", blocked_by=["close-only"])
    assert tables.reason(bug) == "a bug in copierd: KeyError"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0s"), (0.9, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (7200, "2h"), (200_000, "2d")],
)
def test_periods(seconds: float, words: str) -> None:
    assert tables.period(seconds) == words


def test_a_terminal_is_told_nothing_that_it_would_obey() -> None:
    nasty = {**LOST, "reason": "\x1b]0;owned\x07[bold]x[/bold]\nnext"}
    (line,) = printed(status(nasty), 200)[1:]
    assert "?]0;owned?[bold]x[/bold]?next" in line


def test_a_copy_in_one_line() -> None:
    row = {
        "decided_at": NOW,
        "follower": "eval1",
        "verb": "place",
        "action": "Buy",
        "quantity": 2,
        "symbol": "MESZ6",
        "order_type": "Limit",
        "price": 5012.25,
        "stop_price": None,
        "outcome": "working",
        "order_id": 3556122,
        "latency_ms": 1.234,
        "reason": None,
    }
    line = tables.copy_line(row).plain
    assert line.split("  ", 1)[1].split() == [
        *("eval1", "working", "place", "Buy", "2", "MESZ6", "Limit", "5012.25"),
        *("order", "3556122,", "1.2", "ms"),
    ]
    nothing = {"quantity": None, "order_type": None, "price": None, "order_id": None, "latency_ms": None}
    skipped = {**row, **nothing, "verb": "cancel", "outcome": "skipped", "reason": "already gone"}
    line = tables.copy_line(skipped).plain
    assert line.split("  ", 1)[1].split() == ["eval1", "skipped", "cancel", "Buy", "MESZ6", "already", "gone"]
