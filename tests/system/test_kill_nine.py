"""The real daemon against the real look-alike, two processes, killed again and again while the leader trades."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from daemon.ledger import Ledger
from tests.system.processes import (
    FIRST,
    LEADER,
    SECOND,
    Person,
    configuration,
    daemon,
    person_at,
    simulator,
    status,
    stop,
    wait_until_connected,
)

KILLS = 10
RECOVERY = 30.0  # seconds for the last life to come to an end with everything: settling, look-ups, closings
FAULTS = "max_sessions = 10\nfill_delay = [0.0, 0.05]\nanswer_delay = [0.0, 0.05]\n"


@pytest.fixture
def faults(tmp_path: Path) -> Path:
    path = tmp_path / "faults.toml"
    path.write_text(FAULTS)
    return path


def test_ten_deaths_under_trading_double_nothing_and_end_flat(tmp_path: Path, faults: Path) -> None:
    dice = random.Random(7)
    with simulator(faults) as rest, person_at(rest, dice) as person:
        config = configuration(tmp_path, rest)
        trading = threading.Thread(target=person.trade)
        for number in range(KILLS):
            with daemon(config) as process:
                if number % 3 == 0:  # also in the middle of its start, but for the first
                    time.sleep(dice.uniform(0.5, 1.0) if number else 0.0)
                if number % 3 or number == 0:
                    wait_until_connected(config)
                if not trading.is_alive():
                    trading.start()
                time.sleep(dice.uniform(0.0, 0.8))
                process.send_signal(signal.SIGKILL)
                assert process.wait(5) == -signal.SIGKILL
        with daemon(config) as process:
            wait_until_connected(config)
            time.sleep(1)
            person.enough.set()
            trading.join()
            end = time.monotonic() + RECOVERY
            while (person.positions() or undecided(tmp_path / "state")) and time.monotonic() < end:
                time.sleep(0.2)
            assert person.positions() == {} and undecided(tmp_path / "state") == []
            told = status(config)
            assert told is not None and told["last_stop"] == "crash"
            assert stop(process) == 0
        compare(person, tmp_path / "state")
    assert person.orders > 30


def undecided(state: Path) -> list[dict[str, object]]:
    ledger = Ledger.open(state / "ledger.sqlite")
    try:
        return [row for row in ledger.copies(limit=100_000) if row["outcome"] in ("intended", "sent", "unknown")]
    finally:
        ledger.close()


def compare(person: Person, state: Path) -> None:
    """The daemon's rows against the broker's lists."""
    accounts = person.accounts()
    orders = {row["id"]: row for row in person.rows("order/list")}
    sent = [row for row in person.rows("command/list") if row["commandType"] == "New" and row.get("clOrdId")]
    assert all(count == 1 for count in Counter(row["clOrdId"] for row in sent).values()), "an order was sent twice"
    ledger = Ledger.open(state / "ledger.sqlite")
    leaders = {number for number, row in orders.items() if row["accountId"] == accounts[LEADER]}
    for follower, name in (("f1", FIRST), ("f2", SECOND)):
        rows = ledger.copies(follower=follower, limit=100_000)
        places = Counter(row["leader_order_id"] for row in rows if row["verb"] == "place")
        assert places == dict.fromkeys(leaders, 1), "one copy for each of the leader's orders"
        makers = [row for row in rows if row["verb"] in ("place", "close")]
        owners = Counter(row["order_id"] for row in makers if row["order_id"] is not None)
        ours = {number for number, row in orders.items() if row["accountId"] == accounts[name]}
        assert owners == dict.fromkeys(ours, 1), "each order at the broker is the one order of one copy"
        assert any(row["outcome"] == "filled" for row in rows)
    ledger.close()


def test_a_second_daemon_on_the_same_state_is_refused_and_the_first_stops_cleanly(tmp_path: Path, faults: Path) -> None:
    with simulator(faults) as rest:
        config = configuration(tmp_path, rest)
        with daemon(config) as process:
            wait_until_connected(config)
            with daemon(config) as second:
                assert second.wait(20) == 69
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
