"""What else goes on: events that concern nobody, accounts that rest, the ledger, a start with a long one."""

from __future__ import annotations

import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from daemon.logins.budget import DIALS_A_MINUTE
from tests.bench import latency, rig
from tests.bench.rig import Daemon, Layout, StandIn

FOLLOWERS = 20
RATES = (1_000, 2_000, 5_000, 10_000, 20_000, 40_000)  # events a second
FLOODED = 4.0  # seconds for each of them
DRAINED = 0.3  # seconds: what is left in the queue when the flood ends is gone by then, or it had grown
MANY = 100  # accounts


def under_flood(directory: Path, rounds: int, rate: int = 2_000) -> dict[str, Any]:
    """Copying with 20 followers on one login, in turn with and without events that concern nobody."""
    with ExitStack() as stack:
        broker, daemon, layout = _running(stack, directory, Layout("fl", FOLLOWERS, together=True))
        latency.traded(broker, layout, 4)
        quiet: list[list[int]] = []
        loud: list[list[int]] = []
        for _ in range(2):
            quiet += latency.traded(broker, layout, rounds)
            seconds = rounds * (latency.PAUSE + latency.PAUSE_EACH * FOLLOWERS + 1.0)
            broker.do("flood", logins=list(layout.logins), rate=rate, seconds=seconds, each=1)
            loud += latency.traded(broker, layout, rounds)
            broker.do("calm")
            _until_idle(daemon)
        return {
            "rate": rate,
            "quiet": latency.of(quiet, FOLLOWERS).last,
            "loud": latency.of(loud, FOLLOWERS).last,
        }


def throughput(directory: Path, each: int) -> int:
    """The highest of `RATES` at which the queue does not grow, with so many events to a frame; 0 when none."""
    best = 0
    with ExitStack() as stack:
        broker, daemon, layout = _running(stack, directory, Layout(f"tp{each}", 1, together=True))
        for rate in RATES:
            broker.do("flood", logins=list(layout.logins), rate=rate, seconds=FLOODED, each=each)
            time.sleep(FLOODED + DRAINED)  # the last ones are due at its very end
            left = broker.do("unsent")
            took = _until_idle(daemon)
            if left["on"] or left["bytes"] or took > DRAINED:
                break
            best = rate
    return best


def memory(directory: Path) -> dict[str, float]:
    """Kilobytes for one more account that rests, and what one gains while it rests for half a minute."""
    found = []
    for followers in (1, MANY + 1):
        with ExitStack() as stack:
            _, daemon, _ = _running(stack, directory, Layout(f"me{followers}", followers, together=True))
            _until_idle(daemon)
            first = daemon.memory
            time.sleep(30.0)
            found.append((first, daemon.memory))
    (few, _), (many, later) = found
    return {"account_kb": (many - few) / MANY / 1024, "gained_kb": (later - many) / MANY / 1024}


def storm(directory: Path, logins: int) -> dict[str, float]:
    """All sessions are cut at once: seconds until every account copies again, and what that takes of the processor.

    The daemon dials no faster than `daemon/logins/budget.py` lets it: from the 41st on, twelve a minute, both to begin
    with and after the cut.
    """
    layout = Layout(f"st{logins}", logins - 1, together=False)
    patience = rig.READY_LIMIT + 60 * logins / DIALS_A_MINUTE
    with ExitStack() as stack:
        broker, daemon, _ = _running(stack, directory, layout, patience)
        _until_idle(daemon)
        before, began = daemon.cpu, time.monotonic()
        broker.do("cut", logins=list(layout.logins))
        missing = broker.do("wait_synced", logins=list(layout.logins), seconds=patience)["missing"]
        daemon.wait_until_copying(patience)
        took = time.monotonic() - began
        return {"logins": logins, "back_s": took, "cpu_s": daemon.cpu - before, "missing": missing}


def long_ledger(directory: Path, rounds: int, turns: int) -> dict[str, float]:
    """Megabytes for 10,000 copies, and how long a start takes with so many turns in the ledger, beside a first one."""
    layout = Layout("le", FOLLOWERS, together=True)
    with ExitStack() as stack:
        broker, daemon, _ = _running(stack, directory, layout)
        size = _size(daemon)
        latency.traded(broker, layout, rounds)
        daemon.stop()
        grown = (_size(daemon) - size) / (rounds * FOLLOWERS) * 10_000 / 1e6
        short = _start(daemon, layout)
        _multiply(daemon.ledger, turns)
        took = _start(daemon, layout)
        return {"mb_per_10000_copies": grown, "turns": turns, "start_s": took, "short_start_s": short}


def _start(daemon: Daemon, layout: Layout) -> float:
    """Seconds until everybody copies; the daemon is stopped again."""
    began = time.monotonic()
    with rig.daemon(daemon.config, layout) as again:
        again.wait_until_copying()
        return time.monotonic() - began


def _multiply(ledger: Path, turns: int) -> None:
    """As if as many turns had been taken before: the same again, and the accounts as they are after the last."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as db:
        names = "at, account, state, event, effects, changes, failed"
        while db.execute("SELECT count(*) FROM turns").fetchone()[0] < turns:
            db.execute(f"INSERT INTO turns ({names}) SELECT {names} FROM turns LIMIT 100000")  # noqa: S608 - constants
        db.execute("UPDATE accounts SET turn = (SELECT max(id) FROM turns)")


def _size(daemon: Daemon) -> int:
    """Bytes of the ledger, with what has not been moved into it yet."""
    return sum(one.stat().st_size for one in daemon.ledger.parent.glob("ledger.sqlite*"))


def _running(
    stack: ExitStack, directory: Path, layout: Layout, patience: float = rig.READY_LIMIT
) -> tuple[StandIn, Daemon, Layout]:
    broker = stack.enter_context(rig.stand_in())
    broker.do("open", logins=layout.logins)
    home = directory / layout.name
    home.mkdir()
    daemon = stack.enter_context(rig.daemon(rig.configuration(home, broker.port, layout), layout))
    daemon.wait_until_copying(patience)
    return broker, daemon, layout


def _until_idle(daemon: Daemon) -> float:
    """Seconds until the daemon has used no more than a tenth of the processor for a while, less that while."""
    began, looked = time.monotonic(), 0.2
    while True:
        before = daemon.cpu
        time.sleep(looked)
        if daemon.cpu - before <= 0.1 * looked:
            return max(0.0, time.monotonic() - began - looked)
