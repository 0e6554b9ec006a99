"""Processes that stand still for longer than the other side waits, and go on as if nothing had been (SIGSTOP)."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

from tests.system.kills import compare, settled, undecided
from tests.system.processes import (
    FIRST,
    LEADER,
    SECOND,
    configuration,
    daemon,
    log,
    look_alike,
    person_at,
    stop,
    wait_for,
    wait_until_connected,
)

SHORT = '[reconnect]\nsilence_limit = "4s"\n'
FROZEN = 8.0  # seconds: longer than three heartbeats, and than that limit
# The look-alike stands still before its answer to an order, and what tells of the order, have left: nobody knows.
SLOW = "max_sessions = 1000\nanswer_delay = [2.0, 2.0]\nprops_delay = [2.0, 2.0]\n"
IMPATIENT = "max_sessions = 1000\nidle_limit = 4.0\n"


@contextmanager
def frozen(process: Popen[str]) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def test_a_daemon_that_stood_still_makes_up_for_exits_doubles_nothing_and_keeps_its_lock(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text(IMPATIENT)
    with look_alike(faults) as broker, person_at(broker.rest, random.Random(1)) as person:
        config = configuration(tmp_path, broker.rest, more=SHORT)
        with daemon(config) as process:
            wait_until_connected(config)
            person.place("Buy", 2)
            settled(person, tmp_path, {LEADER: 2, FIRST: 2, SECOND: 4})
            with frozen(process):
                person.place("Sell", 1)
                with daemon(config) as second:
                    assert second.wait(20) == 69, "a daemon that stands still has its state all the same"
                time.sleep(FROZEN)
            settled(person, tmp_path, {LEADER: 1, FIRST: 1, SECOND: 2})
            with frozen(process):
                person.place("Sell", 1)
                time.sleep(FROZEN)
                person.place("Buy", 3)
            wait_until_connected(config)
            person.place("Sell", 3)
            settled(person, tmp_path, {})
            person.place("Buy", 1)
            settled(person, tmp_path, {LEADER: 1, FIRST: 1, SECOND: 2})
            person.place("Sell", 1)
            settled(person, tmp_path, {})
            assert stop(process) == 0
        compare(person, tmp_path / "state")


def test_a_broker_that_stood_still_with_orders_in_flight_is_asked_what_became_of_them(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text(SLOW)
    with look_alike(faults) as broker, person_at(broker.rest, random.Random(2)) as person:
        config = configuration(tmp_path, broker.rest, more=SHORT)
        with daemon(config) as process:
            wait_until_connected(config)
            person.place("Buy", 2)
            end = time.monotonic() + 20.0
            while not undecided(tmp_path / "state"):
                assert time.monotonic() < end, "nothing is sent"
                time.sleep(0.02)
            with frozen(broker.process):
                wait_for(config, lambda told: all(one["state"] == "Reconnecting" for one in told["accounts"]))
            wait_until_connected(config)
            settled(person, tmp_path, {LEADER: 2, FIRST: 2, SECOND: 4})
            person.place("Sell", 2)
            settled(person, tmp_path, {})
            assert stop(process) == 0
        compare(person, tmp_path / "state")
        assert "It will not be sent twice" in log(config)
