"""The simulator as a program of its own."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from daemon.simulator.alone import run_simulator


def test_it_serves_whoever_logs_in_until_it_is_stopped() -> None:
    command = [sys.executable, "-m", "daemon", "simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = re.match(r"REST (\S+), WebSocket ", process.stdout.readline())
            assert address is not None
            with httpx.Client(base_url=address[1], trust_env=False) as client:
                asked = client.post("/auth/accesstokenrequest", json={"name": "jane", "password": "x"})
                token = asked.json()["accessToken"]
                accounts = client.get("/account/list", headers={"Authorization": f"Bearer {token}"}).json()
            assert len(accounts) == 4
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run_simulator(port=port) == 69
    told = capsys.readouterr().err
    assert told.startswith(f"port {port}: Address already in use. Choose another") and "Errno" not in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", ":1: x: unknown"),
        ("x =", ": not TOML"),
        (None, "No such file"),
        ('\n[[acts]]\nafter = 0\nact = "dance"', ":2: acts: dance: no such act; known are "),
        ('[[acts]]\nafter = 0\nact = "dance"', ", drop_sockets, "),
        ('[[acts]]\nafter = 60\nact = "run"', ":1: acts: run: no such act"),
        ('[[acts]]\nafter = 60\nact = "reject_next"', ":1: acts: reject_next: with: missing a required argument"),
        (
            '[[acts]]\nafter = 60\nact = "replay"\nwith = { a = "x" }',
            "acts: replay: with: got an unexpected keyword",
        ),
        ('[[acts]]\nafter = 60\nact = "lock"\nwith = { account = 1 }', "lock: with: account: str is needed, not int"),
        ('[[acts]]\nafter = 60\nact = "move"\nwith = { symbol = "ESZ6", price = "1" }', "price: Decimal is needed"),
    ],
)
def test_faults_that_cannot_be_read_are_told(
    tmp_path: Path, text: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "faults.toml"
    if text is not None:
        path.write_text(text)
    assert run_simulator(port=0, faults=path) == 78
    told = capsys.readouterr().err
    assert told.startswith(f"{path}:") and words in told


def test_an_act_that_cannot_be_done_at_its_moment_is_told_and_ends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text("""
[[acts]]
after = 0
act = "lock"
with = { account = "NOPE" }
[[acts]]
after = 0
act = "move"
with = { symbol = "ESZ6", price = 5000.25 }
""")
    command = [sys.executable, "-m", "daemon", "simulator", "--port", "0", "--faults", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            told = process.stderr.readline()
            assert told.startswith(f"{path}:2: acts: lock: not done: there is no 'NOPE' now; the accounts are none yet")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
