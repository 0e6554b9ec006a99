"""The real daemon against the real look-alike, two processes, killed again and again while the leader trades."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.system import kills
from tests.system.processes import configuration, daemon, log, simulator, status, stop, wait_until_connected

KILLS = 10  # python -m tests.system.kills --rounds 100 takes some minutes
FAULTS = "max_sessions = 10\n"


@pytest.fixture
def faults(tmp_path: Path) -> Path:
    path = tmp_path / "faults.toml"
    path.write_text(FAULTS)
    return path


def test_ten_deaths_under_trading_double_nothing_and_lose_nothing(tmp_path: Path) -> None:
    figures = kills.kill_again_and_again(tmp_path, rounds=KILLS, seed=7)
    print(figures)
    assert sum(figures.deaths.values()) == KILLS
    assert figures.leader_orders > 30 and figures.outcomes["filled"] > 10


def test_a_second_daemon_on_the_same_state_is_refused_and_the_first_stops_cleanly(tmp_path: Path, faults: Path) -> None:
    with simulator(faults) as rest:
        config = configuration(tmp_path, rest)
        with daemon(config) as process:
            wait_until_connected(config)
            with daemon(config) as second:
                assert second.wait(20) == 69
            assert "another copierd is running on" in log(config)
            told = status(config)
            assert told is not None and all(account["state"] == "Connected" for account in told["accounts"])
            assert stop(process) == 0
        with daemon(config) as again:
            wait_until_connected(config)
            told = status(config)
            assert told is not None and told["last_stop"] == "clean"
            assert stop(again) == 0


def test_a_daemon_whose_broker_is_gone_stops_cleanly_too(tmp_path: Path, faults: Path) -> None:
    with ExitStack() as broker:
        config = configuration(tmp_path, broker.enter_context(simulator(faults)))
        with daemon(config) as process:
            wait_until_connected(config)
            broker.close()
            assert stop(process) == 0


def test_a_configuration_with_an_error_exits_with_78_and_says_where(tmp_path: Path) -> None:
    config = tmp_path / "copier.toml"
    config.write_text("[daemon]\nlog_levle = 'info'\n")
    command = [sys.executable, "-m", "daemon", "run", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 78 and "log_levle" in done.stderr
