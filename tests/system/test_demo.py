"""`copierd demo` as a real process: what it shows, what it leaves, and that it can fail."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import httpx
import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 90  # seconds for a demo of a few; the machine may be busy
BROKER = re.compile(r"listens at (http://\S+)")


@attrs.frozen
class Shown:
    """What a demo said, its exit status, and the directory that it had for its temporary files."""

    status: int
    text: str
    directory: Path

    @property
    def state(self) -> Path:
        (state,) = self.directory.glob("copierd-demo-*")
        return state


@contextlib.contextmanager
def demo(directory: Path, *options: str, output: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    directory.mkdir()
    command = [sys.executable, "-m", "daemon", "demo", "--seconds", "5", *options]
    environ = {**os.environ, "TMPDIR": str(directory), "TERM": "xterm", "COLUMNS": "120", "LINES": "50"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environ, text=True, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def by_hand(directory: Path) -> None:
    """Somebody logs in at the simulated broker and buys on the account of a follower."""
    deadline = time.monotonic() + LIMIT
    found = None
    while found is None:
        assert time.monotonic() < deadline, "the demo never said where its broker listens"
        time.sleep(0.1)
        for log in directory.glob("copierd-demo-*/copierd.log"):
            found = BROKER.search(log.read_text())
    with httpx.Client(base_url=found[1], timeout=10) as client:
        token = client.post("/auth/accesstokenrequest", json={"name": "prop", "password": "any"}).json()["accessToken"]
        client.headers["Authorization"] = f"Bearer {token}"
        account = next(one for one in client.get("/account/list").json() if one["name"] == "SIM2001")
        order = {
            "accountId": account["id"],
            "accountSpec": "SIM2001",
            "action": "Buy",
            "symbol": "NQZ6",
            "orderQty": 1,
            "orderType": "Market",
            "isAutomated": False,
        }
        assert "orderId" in client.post("/order/placeorder", json=order).json()


def on_terminal(directory: Path) -> Shown:
    """The demo with a terminal of its own."""
    ours, theirs = pty.openpty()
    seen = b""
    with demo(directory, "--keep", output=theirs) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # Linux: the end of a terminal is an error
            while piece := os.read(ours, 65536):
                seen += piece
        status = process.wait(LIMIT)
    os.close(ours)
    return Shown(status, seen.decode(), directory)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shown]:
    """Three demos at the same time: as it is, one with a stranger's order, one on a terminal."""
    base = tmp_path_factory.mktemp("demo")
    with demo(base / "plain") as plain, demo(base / "stranger") as stranger:
        by_hand(base / "stranger")
        terminal = on_terminal(base / "terminal")
        said = {name: process.communicate(timeout=LIMIT)[0] for name, process in (("p", plain), ("s", stranger))}
        return {
            "plain": Shown(plain.returncode, said["p"], base / "plain"),
            "stranger": Shown(stranger.returncode, said["s"], base / "stranger"),
            "terminal": terminal,
        }


def test_every_follower_ends_where_it_should_and_nothing_is_left(shown: dict[str, Shown]) -> None:
    plain = shown["plain"]
    assert plain.status == 0, plain.text
    assert "no order was sent twice" in plain.text and "WRONG" not in plain.text
    assert list(plain.directory.iterdir()) == []


def test_it_says_what_is_being_done(shown: dict[str, Shown]) -> None:
    text = shown["plain"].text
    for words in (
        "The socket of the login `prop` is cut now",
        "In the gap the leader sells 2",
        "half: closing 1 ESZ6 at market",
        "The token of the login `ours` expires",
        "half: ESZ6 entry refused: MaxPosLimitReached",
        "entry missed, not chased",
        "Reckoning",
    ):
        assert words in text, words
    assert "\x1b" not in text


def test_an_order_by_hand_makes_it_fail_and_the_journal_is_kept(shown: dict[str, Shown]) -> None:
    stranger = shown["stranger"]
    assert stranger.status == 1, stranger.text
    assert "WRONG: half: the broker holds +1 NQZ6, the rules want flat" in stranger.text
    assert "is none of copierd's" in stranger.text
    assert f"The daemon's journal: {stranger.state}/copierd.log" in stranger.text
    assert (stranger.state / "copierd.log").read_text()


def test_a_terminal_gets_a_table_in_colours(shown: dict[str, Shown]) -> None:
    terminal = shown["terminal"]
    assert terminal.status == 0, terminal.text[-3000:]
    for column in ("Account", "State", "Leader", "Follower", "Target", "Working", "Reason"):
        assert column in terminal.text
    assert "\x1b[32mConnected" in terminal.text and "\x1b[33mReconnecting" in terminal.text
    assert "holds: lead is Reconnecting" in terminal.text


def test_keep_keeps_the_state_directory_and_says_where_it_is(shown: dict[str, Shown]) -> None:
    state = shown["terminal"].state
    assert f"The state directory is kept: {state}" in shown["terminal"].text.replace("\r\n", "")
    assert {"copier.toml", "copierd.log", "ledger.sqlite"} <= {path.name for path in state.iterdir()}
    assert not (state / "control.sock").exists()
