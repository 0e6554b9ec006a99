"""`copierd flatten --offline` and `copierctl flatten` with real processes, after the daemon was killed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

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


def run(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COPIERD_APEX_PASSWORD": "invented"}
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=90)


def holds(person: Person, **expected: int) -> bool:
    """Waits a little for these positions."""
    wanted = {{"lead": LEADER, "f1": FIRST, "f2": SECOND}[name]: net for name, net in expected.items() if net}
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if person.positions() == wanted:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.rule("operator.flatten-offline", "operator.flatten-copy")
def test_after_a_kill_the_followers_are_closed_and_the_leader_is_left(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text("max_sessions = 10\n")
    with simulator(faults) as rest, person_at(rest, random.Random(1)) as person:
        config = configuration(tmp_path, rest)
        with daemon(config) as process:
            wait_until_connected(config)
            time.sleep(1)
            person.place("Buy", 2)
            assert holds(person, lead=2, f1=2, f2=4)
            in_use = run("daemon", "flatten", "--offline", "--config", str(config))
            assert in_use.returncode == 69, in_use
            assert "copierctl flatten --all" in in_use.stderr
            process.send_signal(signal.SIGKILL)
            process.wait(5)
        person.place("Buy", 1)
        text = config.read_text()
        config.write_text(text.replace(f'name = "{FIRST}"', 'name = "SOMEBODY-ELSE"'))
        wrong = run("daemon", "flatten", "--offline", "--config", str(config))
        assert wrong.returncode == 78 and "Put the file back" in wrong.stderr, wrong
        config.write_text(text)
        done = run("daemon", "flatten", "--offline", "--config", str(config))
        assert done.returncode == 0, done
        assert done.stdout.count("FLAT: f") == 2 and "copierctl resume f1" in done.stdout
        assert holds(person, lead=3)
        again = run("daemon", "flatten", "--offline", "--config", str(config))
        assert again.returncode == 0, "twice is the same as once"
        with daemon(config) as process:
            wait_until_connected(config)
            told = status(config)
            assert told is not None and told["last_stop"] == "crash", "which is told of the run before it"
            followers = [one for one in told["accounts"] if one["role"] == "follower"]
            assert all({"paused", "flattened"} <= set(one["blocked_by"]) for one in followers)
            person.place("Buy", 1)
            time.sleep(1)
            assert holds(person, lead=4)
            socket = str(tmp_path / "control.sock")
            done = run("daemon.ctl", "--socket", socket, "resume", "--all")
            assert done.returncode == 0 and done.stdout.count("may open again") == 2
            person.place("Sell", 4)
            assert holds(person)
            time.sleep(0.5)
            person.place("Buy", 1)
            assert holds(person, lead=1, f1=1, f2=2)
            done = run("daemon.ctl", "--socket", socket, "flatten", "--copy", "main", "--yes")
            assert done.returncode == 0 and done.stdout.count("FLAT: f") == 2, done
            assert holds(person, lead=1)
            person.place("Sell", 1)
            assert stop(process) == 0


def test_without_a_broker_it_says_what_is_left_and_ends_in_time(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text("max_sessions = 10\n")
    with simulator(faults) as rest, person_at(rest, random.Random(1)) as person:
        config = configuration(tmp_path, rest)
        with daemon(config) as process:
            wait_until_connected(config)
            time.sleep(1)
            person.place("Buy", 2)
            assert holds(person, lead=2, f1=2, f2=4)
            process.send_signal(signal.SIGKILL)
            process.wait(5)
    begun = time.monotonic()
    done = run("daemon", "flatten", "--offline", "--config", str(config), "--wait", "3s")
    assert done.returncode == 3 and time.monotonic() - begun < 20, done
    assert "NOT FLAT: f1 still long 2 ESZ6" in done.stderr and "NOT FLAT: f2 still long 4 ESZ6" in done.stderr
    assert "Close it in Tradovate now." in done.stderr
    text = config.read_text()
    theirs = f'[accounts.f2]\nlogin = "apex"\nname = "{SECOND}"\n'
    config.write_text(text[: text.rindex("[[copy.followers]]")].replace(theirs, ""))
    done = run("daemon", "flatten", "--offline", "--config", str(config), "--wait", "1s")
    assert done.returncode == 3, done
    assert "NOT LOOKED AT: f2 is in copier.toml no more, and owned +4 ESZ6" in done.stderr, "nobody forgets it"


def test_a_configuration_that_cannot_be_read_is_78_and_without_offline_it_is_an_error_of_usage(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[nonsense]\n")
    assert run("daemon", "flatten", "--offline", "--config", str(bad)).returncode == 78
    assert run("daemon", "flatten").returncode == 64
    assert run("daemon", "flatten", "--offline", "--wait", "soon").returncode == 64


def test_an_older_ledger_is_brought_up_to_date_and_that_is_said(tmp_path: Path) -> None:
    config = configuration(tmp_path, "http://127.0.0.1:9/v1")
    ledger = tmp_path / "state" / "ledger.sqlite"
    ledger.parent.mkdir(mode=0o700, exist_ok=True)
    older = Path(__file__).parents[1] / "daemon" / "ledgers" / "schema_1.sql"
    with closing(sqlite3.connect(ledger)) as db:
        db.executescript(older.read_text(encoding="utf-8"))
    done = run("daemon", "flatten", "--offline", "--config", str(config), "--wait", "1s")
    kept = f"{ledger}.schema-1"
    assert f"copierd: the ledger was brought up to date; as it was before, it is kept as {kept}\n" in done.stderr
    assert Path(kept).is_file()
