"""python -m tests.system.kills --rounds 100: the real daemon, killed with kill -9 while its leader trades.

Daemon and look-alike are processes of their own. The daemon dies at random moments of its start, of its first second
and of its trading, and is started again, `--rounds` times. Then nothing may be doubled, nothing lost, and the
followers' positions must be those of the leader. Exit status 0, or 1 with what was wrong.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

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

# On a quick machine he orders more than the usual budget allows to copy: what it leaves out is another test's.
BUDGET = "requests_per_minute = 3000\nrequests_per_hour = 100_000"
RECOVERY = 60.0  # seconds for the last life to come to an end with everything: settling, look-ups, closings
FAULTS = "max_sessions = 1000\nfill_delay = [0.0, 0.05]\nanswer_delay = [0.0, 0.05]\n"
STARTING = (0.3, 1.5)  # seconds from the start
# Orders of the leader's, from when all are Connected: as many on a busy machine as on an idle one; and then seconds.
TRADING, A_MOMENT = (10, 30), (0.0, 0.2)
# Seconds between the leader's orders: while he is copied, and while he is not. He cannot be read without a pause.
BUSY, SPARING = (0.02, 0.15), (1.5, 3.0)


@attrs.frozen
class Figures:
    """What a run has seen. `deaths` by what the daemon was doing."""

    deaths: dict[str, int]
    leader_orders: int
    orders: int
    outcomes: dict[str, int]
    seconds: float

    def __str__(self) -> str:
        deaths = ", ".join(f"{count} while {what}" for what, count in sorted(self.deaths.items()))
        outcomes = ", ".join(f"{count} {what}" for what, count in sorted(self.outcomes.items()))
        return (
            f"{sum(self.deaths.values())} kills ({deaths}); {self.leader_orders} orders of the leader, "
            f"{self.orders} of ours; copies: {outcomes}; {self.seconds:.0f} s\n"
            "0 duplicates, 0 losses, final positions equal"
        )


def kill_again_and_again(directory: Path, rounds: int, seed: int) -> Figures:
    """Raises AssertionError with what was doubled, lost, or left different."""
    began, dice, deaths = time.monotonic(), random.Random(seed), Counter[str]()
    faults = directory / "faults.toml"
    faults.write_text(FAULTS)
    with simulator(faults) as rest, person_at(rest, random.Random(seed + 1)) as person, ThreadPoolExecutor(1) as thread:
        config = configuration(directory, rest, login=BUDGET)
        with daemon(config):  # killed at the end; the leader trades from when there is somebody to copy him
            wait_until_connected(config)
            person.between = BUSY
            trading = thread.submit(person.trade)
            _traded(person, dice)
        deaths["trading"] += 1
        try:
            for _ in range(rounds - 1):
                deaths[_one_life(config, dice, person)] += 1
        finally:
            person.enough.set()
        with daemon(config) as process:
            wait_until_connected(config)
            trading.result()
            told = status(config)
            assert told is not None and told["last_stop"] == "crash", "the last one was killed"
            settled(person, directory, {})
            person.place("Buy", 2)
            settled(person, directory, {LEADER: 2, FIRST: 2, SECOND: 4})
            person.place("Sell", 2)
            settled(person, directory, {})
            assert stop(process) == 0, "it stops cleanly"
        outcomes = compare(person, directory / "state")
        orders = sum(row["accountId"] != person.accounts()[LEADER] for row in person.rows("order/list"))
    return Figures(dict(deaths), person.orders, orders, outcomes, time.monotonic() - began)


def _one_life(config: Path, dice: random.Random, person: Person) -> str:
    """Starts a daemon and kills it; answers what it was doing."""
    with daemon(config) as process:
        person.between = SPARING
        what = dice.choice(("starting", "connecting", "trading", "trading"))
        if what == "starting":
            time.sleep(dice.uniform(*STARTING))
        else:
            wait_until_connected(config)
        person.between = BUSY
        if what == "trading":
            _traded(person, dice)
        process.send_signal(signal.SIGKILL)
        assert process.wait(5) == -signal.SIGKILL, "it was killed, and did not end before"
    return what


def _traded(person: Person, dice: random.Random) -> None:
    """Until the leader has ordered so much more, and somewhere between two of his orders."""
    enough, end = person.orders + dice.randint(*TRADING), time.monotonic() + RECOVERY
    while person.orders < enough:
        assert time.monotonic() < end, "the leader does not trade"
        time.sleep(0.01)
    time.sleep(dice.uniform(*A_MOMENT))


def settled(person: Person, directory: Path, positions: dict[str, int]) -> None:
    """Until nothing is undecided and these are the positions."""
    end = time.monotonic() + RECOVERY
    while person.positions() != positions or undecided(directory / "state"):
        left = f"{person.positions()} where {positions} is right; undecided: {undecided(directory / 'state')}"
        assert time.monotonic() < end, left
        time.sleep(0.2)


def undecided(state: Path) -> list[dict[str, object]]:
    ledger = Ledger.open(state / "ledger.sqlite")
    try:
        return [row for row in ledger.copies(limit=1_000_000) if row["outcome"] in ("intended", "sent", "unknown")]
    finally:
        ledger.close()


def compare(person: Person, state: Path) -> dict[str, int]:
    """The daemon's rows against the broker's lists. Answers what became of the copies, by outcome."""
    accounts = person.accounts()
    orders = {row["id"]: row for row in person.rows("order/list")}
    sent = [row for row in person.rows("command/list") if row["commandType"] == "New" and row.get("clOrdId")]
    twice = [name for name, count in Counter(row["clOrdId"] for row in sent).items() if count > 1]
    assert not twice, f"sent twice: {twice}"
    ledger = Ledger.open(state / "ledger.sqlite")
    leaders = {number for number, row in orders.items() if row["accountId"] == accounts[LEADER]}
    outcomes = Counter[str]()
    for follower, name in (("f1", FIRST), ("f2", SECOND)):
        rows = ledger.copies(follower=follower, limit=1_000_000)
        places = Counter(row["leader_order_id"] for row in rows if row["verb"] == "place")
        assert places == dict.fromkeys(leaders, 1), "one copy for each of the leader's orders"
        makers = [row for row in rows if row["verb"] in ("place", "close")]
        owners = Counter(row["order_id"] for row in makers if row["order_id"] is not None)
        ours = {number for number, row in orders.items() if row["accountId"] == accounts[name]}
        assert owners == dict.fromkeys(ours, 1), "each order at the broker is the one order of one copy"
        silent = [row["id"] for row in makers if row["order_id"] is None and not row["reason"]]
        assert not silent, f"not copied, and nothing says why: {silent}"
        assert any(row["outcome"] == "filled" for row in rows), f"nothing was copied to {follower}"
        outcomes.update(str(row["outcome"]) for row in rows if row["verb"] == "place")
    ledger.close()
    return dict(outcomes)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.system.kills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how often it is killed (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of the moments and of the trading (default: %(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        try:
            print(kill_again_and_again(Path(directory), options.rounds, options.seed))
        except (AssertionError, TimeoutError) as wrong:
            print(f"seed {options.seed}: {wrong}", file=sys.stderr)
            print((Path(directory) / "log").read_text()[-4000:], file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
