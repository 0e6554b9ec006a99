"""The real daemon on a disk that is full, that cannot be written from the beginning, or that fails while it runs."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from daemon.ledger import DiskFull, Ledger
from tests.scenarios.filler import fill
from tests.system.kills import compare, settled
from tests.system.processes import (
    FIRST,
    LEADER,
    SECOND,
    configuration,
    daemon,
    log,
    person_at,
    simulator,
    stop,
    wait_for,
    wait_until_connected,
)

FAULTS = "max_sessions = 1000\n"
ROOM = 96 * 1024 * 1024  # the daemon keeps 32 MiB for bad days, and takes them back when as much is left beside them
LIMIT = 90.0  # seconds: a full disk is looked at every 30


@pytest.fixture
def faults(tmp_path: Path) -> Path:
    path = tmp_path / "faults.toml"
    path.write_text(FAULTS)
    return path


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Makes small disks, which are gone at the end. Skips where that is not allowed."""
    with ExitStack() as mounted:

        def mount(name: str, *options: str) -> Path:
            place = tmp_path / name
            place.mkdir()
            done = subprocess.run(["mount", *options, str(place)], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no small filesystem can be mounted here, which takes root: {done.stderr.strip()}")
            mounted.callback(subprocess.run, ["umount", "--lazy", str(place)], check=True)
            return place

        yield mount


def test_on_a_full_disk_exits_go_nothing_opens_and_it_resumes_by_itself(
    tmp_path: Path, faults: Path, disk: Callable[..., Path]
) -> None:
    state = disk("state", "-t", "tmpfs", "-o", f"size={ROOM}", "none")
    with simulator(faults) as rest, person_at(rest, random.Random(3)) as person:
        config = configuration(tmp_path, rest)
        with daemon(config) as process:
            wait_until_connected(config)
            person.place("Buy", 2)
            settled(person, tmp_path, {LEADER: 2, FIRST: 2, SECOND: 4})
            filler = fill(state)
            orders = 0
            while "THE DISK IS FULL" not in log(config):  # what SQLite has in hand is used up first
                assert orders < 2000, "the disk is never found to be full"
                orders += 1
                person.place("Sell" if orders % 2 else "Buy", 1)
                time.sleep(0.02)
            wait_for(config, lambda told: all("disk" in one["barred"] for one in followers(told)))
            assert not (state / "ballast").exists()
            person.place("Buy", 1)
            person.flatten()
            settled(person, tmp_path, {})
            filler.unlink()
            wait_for(config, lambda told: not any(one["blocked_by"] for one in followers(told)), LIMIT)
            assert (state / "ballast").exists()
            person.place("Buy", 1)
            settled(person, tmp_path, {LEADER: 1, FIRST: 1, SECOND: 2})
            person.place("Sell", 1)
            settled(person, tmp_path, {})
            assert stop(process) == 0
        compare(person, state)


def followers(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in told["accounts"] if one["role"] == "follower"]


def refused(config: Path) -> str:
    """What a daemon says that is refused its state directory."""
    with daemon(config) as process:
        assert process.wait(20) == 69
    return log(config)


@pytest.mark.parametrize("used", [False, True])
def test_a_start_on_a_read_only_disk_says_where_and_what_to_do(
    tmp_path: Path, faults: Path, disk: Callable[..., Path], used: bool
) -> None:
    state = disk("state", "-t", "tmpfs", "none")
    with simulator(faults) as rest:
        config = configuration(tmp_path, rest)
        if used:
            with daemon(config) as process:
                wait_until_connected(config)
                assert stop(process) == 0
            (tmp_path / "log").unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(state)], check=True)
        told = refused(config)
    assert f"the state directory {state} cannot be used: Read-only file system" in told
    assert "state_directory in [daemon]" in told and "Traceback" not in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; on a read-only disk see above")
def test_a_start_in_a_directory_that_may_not_be_written_says_where_and_what_to_do(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o500)
    told = refused(configuration(tmp_path, "http://127.0.0.1:1/v1"))
    assert f"the state directory {state} cannot be used: Permission denied" in told


def test_a_disk_that_fails_while_it_runs_ends_it_with_words_and_nothing_is_doubled_afterwards(
    tmp_path: Path, faults: Path, disk: Callable[..., Path]
) -> None:
    """ext4 makes itself read-only at an error of its disk: `abort` is how its makers try that out."""
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("no mkfs.ext4 here, which makes the disk that fails")
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(ROOM)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    state = disk("state", "-o", "loop,errors=remount-ro", str(image))
    with simulator(faults) as rest, person_at(rest, random.Random(4)) as person:
        config = configuration(tmp_path, rest)
        with daemon(config) as process:
            wait_until_connected(config)
            person.place("Buy", 2)
            settled(person, tmp_path, {LEADER: 2, FIRST: 2, SECOND: 4})
            os.sync()  # what a failing disk has not taken yet goes as with a power cut, which is another story
            subprocess.run(["mount", "-o", "remount,abort", str(state)], check=True)
            person.place("Sell", 1)
            assert process.wait(20) == 69
        told = log(config)
        assert f"{state / 'ledger.sqlite'}: the ledger cannot be used" in told and "Traceback" not in told
        assert "Look for disk errors" in told or "writable" in told
        assert person.positions() == {LEADER: 1, FIRST: 2, SECOND: 4}, "what cannot be written down is not sent"
        assert "cannot be used" in refused(config)
        subprocess.run(["umount", str(state)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(state)], check=True)
        with daemon(config) as process:
            wait_until_connected(config)
            settled(person, tmp_path, {LEADER: 1, FIRST: 1, SECOND: 2})
            person.place("Sell", 1)
            settled(person, tmp_path, {})
            assert stop(process) == 0
        compare(person, state)


@pytest.mark.parametrize("lacks", ["room", "names"])
def test_an_older_ledger_is_not_changed_where_there_is_no_room_for_a_copy_of_it(
    lacks: str, disk: Callable[..., Path]
) -> None:
    """`names`: a disk that is full of files takes no further one, however small."""
    state = disk("state", "-t", "tmpfs", "-o", "size=1M,nr_inodes=8", "none")
    ledger = state / "ledger.sqlite"
    older = Path(__file__).parents[1] / "daemon" / "ledgers" / "schema_1.sql"
    with closing(sqlite3.connect(ledger)) as db:
        db.executescript(older.read_text(encoding="utf-8"))
        db.execute("PRAGMA journal_mode = WAL")
        before = list(db.iterdump())
    if lacks == "room":
        filler = fill(state)
        os.truncate(filler, filler.stat().st_size - 64 * 1024)  # the locks and the log beside it take half of that
        stuffed = [filler]
    else:
        stuffed = [state / str(number) for number in range(4)]  # with the directory, the ledger and those beside it: 8
        for one in stuffed:
            one.touch()
    with pytest.raises(DiskFull, match="no copy of it could be kept before it is changed for this version") as caught:
        Ledger.open(ledger)
    assert "with as much room as the file takes" in caught.value.remedy
    assert sorted(state.glob("*schema*")) == [], "no half copy is left"
    for one in stuffed:
        one.unlink()
    with closing(sqlite3.connect(ledger)) as db:
        assert list(db.iterdump()) == before
    with closing(Ledger.open(ledger)) as opened:
        assert opened.kept == state / "ledger.sqlite.schema-1"
