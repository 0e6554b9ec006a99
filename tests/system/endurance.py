"""python -m tests.system.endurance --actions 1000 --mode orders: a leader by whim, three followers, real sockets.

The daemon and the look-alike are processes of their own. When the leader has done so much, his orders and positions
are compared with the followers', first as he has left them, then when he is out of everything.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import attrs

from tests.system.processes import LEADER, USER, asked, daemon, look_alike, person_at, stop, wait_until_connected
from tests.system.reckoning import FOLLOWERS, Reckoning
from tests.system.whim import Whim

FAULTS = "max_sessions = 10\n"  # the leader's terminal has a session of its own
PACE = (0.05, 0.45)  # seconds between two actions
STAGE = 100  # actions between two lines of progress
SETTLING = 30.0  # seconds until all that is under way has come to its end; `chase_after` is five of them


@attrs.frozen
class Outcome:
    """`flaws` is what is not as it must be; `counts` and `told` are for whoever reads the summary."""

    mode: str
    actions: dict[str, int]
    seconds: float
    counts: dict[str, int]
    told: list[str]
    flaws: list[str]

    def __str__(self) -> str:
        did = ", ".join(f"{count} {kind}" for kind, count in sorted(self.actions.items()))
        lines = [f"mode {self.mode}: {sum(self.actions.values())} actions in {self.seconds:.0f} s ({did})"]
        lines += [", ".join(f"{count} {what}" for what, count in self.counts.items())]
        lines += [f"  told, and not a flaw: {words}" for words in self.told]
        lines += [f"  FLAW: {words}" for words in self.flaws] or ["reconciliation: exact"]
        return "\n".join(lines)


def configuration(directory: Path, rest: str, mode: str) -> Path:
    """A budget so large that it bounds nothing: the pace does."""
    followers = [
        f'[[copy.followers]]\naccount = "{name}"\n' + "".join(f"{line}\n" for line in one.lines)
        for name, one in FOLLOWERS.items()
    ]
    accounts = [
        f'[accounts.{name}]\nlogin = "apex"\nname = "{account}"\n'
        for name, account in {"lead": LEADER, **{name: one.account for name, one in FOLLOWERS.items()}}.items()
    ]
    path = directory / "copier.toml"
    path.write_text(
        f"""
[daemon]
state_directory = "{directory / "state"}"
control_socket = "{directory / "control.sock"}"
[environments.here]
rest = "{rest}"
websocket = "{rest.replace("http", "ws")}/websocket"
[logins.apex]
environment = "here"
username = "{USER}"
cid = 8123
requests_per_minute = 100_000
requests_per_hour = 1_000_000
"""
        + "".join(accounts)
        + f"""
[[copy]]
name = "main"
leader = "lead"
mode = "{mode}"
"""
        + "".join(followers)
    )
    return path


def endure(directory: Path, mode: str, actions: int, seed: int) -> Outcome:
    """So many actions of the leader's. Raises what keeps them from being carried out."""
    faults = directory / "faults.toml"
    faults.write_text(FAULTS)
    dice = random.Random(f"endurance {seed}")
    with ExitStack() as stack:
        broker = stack.enter_context(look_alike(faults))
        person = stack.enter_context(person_at(broker.rest, dice))
        config = configuration(directory, broker.rest, mode)
        process = stack.enter_context(daemon(config))
        wait_until_connected(config)
        began = time.monotonic()
        leader = Whim(person, dice)
        reckoning = Reckoning(config, mode, leader, person)
        while leader.actions < actions:
            leader.act()
            time.sleep(dice.uniform(*PACE))
            reckoning.catch_breath()
            if leader.actions % STAGE == 0:
                spent = f"daemon {consumed(process.pid)}; look-alike {consumed(broker.process.pid)}"
                print(f"{leader.actions} actions in {time.monotonic() - began:.0f} s; {spent}", file=sys.stderr)
        took = time.monotonic() - began
        flaws = _when_settled(reckoning, flat=False)
        leader.leave()
        flaws += _when_settled(reckoning, flat=True)
        flaws += reckoning.of_the_rows()
        told = asked(config, "status")
        assert told is not None, "the daemon answers"
        flaws += [f"{one['account']}: {one['close_only']}" for one in told["accounts"] if one["close_only"]]
        counts = reckoning.counts()
        if (status := stop(process)) != 0:
            flaws.append(f"the daemon ended with {status}")
    return Outcome(mode, dict(leader.done), took, counts, reckoning.told, flaws)


def consumed(pid: int) -> str:
    """What a process has taken of the machine so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    megabytes = int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return f"{seconds:.1f} s of processor, {megabytes:.0f} MB"


def _when_settled(reckoning: Reckoning, flat: bool) -> list[str]:
    """What differs when everything under way has had the time to come to its end."""
    end = time.monotonic() + SETTLING
    while (found := reckoning.differences(flat)) and time.monotonic() < end:
        time.sleep(0.5)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.system.endurance", description=__doc__)
    parser.add_argument("--actions", type=int, default=1000, help="of the leader (default: %(default)d)")
    parser.add_argument("--mode", choices=("orders", "fills"), default="orders")
    parser.add_argument("--seed", type=int, default=1, help="of his dice (default: %(default)d)")
    parser.add_argument("--keep", type=Path, help="a directory for the ledger and the journal, else they are forgotten")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.keep or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        outcome = endure(directory, options.mode, options.actions, options.seed)
    print(outcome)
    return 1 if outcome.flaws else 0


if __name__ == "__main__":
    sys.exit(main())
