"""The processes of a measurement: the broker's stand-in, the daemon, the floor; and what the kernel says of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs

from tests.system import processes

READY_LIMIT = 60.0  # seconds
STOP_LIMIT = 12.0


@attrs.frozen
class Layout:
    """Who is where: the leader is alone on the first login, or shares it with all followers."""

    name: str
    followers: int
    together: bool  # on the leader's login; else each on a login of its own

    @property
    def logins(self) -> dict[str, list[str]]:
        """The accounts of each login, by the broker's names; the leader's first."""
        accounts = [f"{self.name.upper()}{place}" for place in range(self.followers + 1)]
        if self.together:
            return {f"{self.name}-0": accounts}
        return {f"{self.name}-{place}": [account] for place, account in enumerate(accounts)}

    @property
    def leader(self) -> tuple[str, str]:
        return f"{self.name}-0", f"{self.name.upper()}0"


@attrs.define(eq=False)
class StandIn:
    """The broker. Commands are methods of `tests.bench.stand_in.Broker` whose names begin with `do_`."""

    process: subprocess.Popen[str]
    port: int

    @property
    def websocket(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/websocket"

    def do(self, what: str, **arguments: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the broker's stand-in has ended")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def stand_in() -> Iterator[StandIn]:
    command = [sys.executable, "-m", "tests.bench.stand_in"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment()) as process:
        try:
            assert process.stdout is not None
            yield StandIn(process, json.loads(process.stdout.readline())["port"])
        finally:
            process.kill()


def environment() -> dict[str, str]:
    """Of every process: no accidents of hashing between two runs."""
    return {**os.environ, "PYTHONHASHSEED": "0"}


CONFIGURATION = """
[daemon]
state_directory = "{directory}/state"
control_socket = "{directory}/control.sock"
log_level = "{log_level}"
[environments.bench]
rest = "http://127.0.0.1:{port}/v1"
websocket = "ws://127.0.0.1:{port}/v1/websocket"
"""
# The budget of requests and the breaker are raised: they are there to stop what a benchmark does. Nothing is off.
LOGIN = """
[logins.{login}]
environment = "bench"
username = "{login}"
cid = 1
requests_per_minute = 1000000
requests_per_hour = 10000000
"""
ACCOUNT = """
[accounts.{account}]
login = "{login}"
name = "{name}"
"""
FOLLOWER = """
[[copy.followers]]
account = "{account}"
max_order = 100
max_position = 100
runaway = {{ orders = 1000000, per = "5s" }}
"""


def configuration(directory: Path, port: int, layout: Layout, log_level: str = "info") -> Path:
    parts = [CONFIGURATION.format(directory=directory, port=port, log_level=log_level)]
    names = [name.lower() for accounts in layout.logins.values() for name in accounts]
    for login, accounts in layout.logins.items():
        parts.append(LOGIN.format(login=login))
        parts += [ACCOUNT.format(account=name.lower(), login=login, name=name) for name in accounts]
    if names[1:]:
        parts.append(f'[[copy]]\nname = "main"\nleader = "{names[0]}"\n')
        parts += [FOLLOWER.format(account=name) for name in names[1:]]
    path = directory / "copier.toml"
    path.write_text("".join(parts))
    return path


@attrs.define(eq=False)
class Daemon:
    """`copierd run`, and what the kernel says of it."""

    config: Path
    process: subprocess.Popen[str]

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        return cpu(self.process.pid)

    @property
    def memory(self) -> int:
        """Bytes that are in memory and belong to it alone."""
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        kilobytes = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_")]
        return 1024 * sum(kilobytes)

    @property
    def ledger(self) -> Path:
        return self.config.parent / "state" / "ledger.sqlite"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(STOP_LIMIT)

    def wait_until_copying(self, limit: float = READY_LIMIT) -> None:
        """Until every account is in step; for so many seconds. Raises TimeoutError."""
        processes.wait_for(self.config, lambda told: all(one["copying"] for one in told["accounts"]), limit)


@contextmanager
def daemon(config: Path, layout: Layout) -> Iterator[Daemon]:
    passwords = {f"COPIERD_{name.upper().replace('-', '_')}_PASSWORD": "invented" for name in layout.logins}
    with ExitStack() as stack:
        log = stack.enter_context((config.parent / "log").open("a"))
        command = [sys.executable, "-m", "daemon", "run", "--config"]
        process = stack.enter_context(
            subprocess.Popen(
                [*command, str(config)],
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                env={**environment(), **passwords},
            )
        )
        try:
            yield Daemon(config, process)
        finally:
            process.terminate()
            try:
                process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def floor(module: str, broker: StandIn, layout: Layout, ids: dict[str, dict[str, int]]) -> Iterator[int]:
    """A floor program in the place of the daemon, once it is connected."""
    leader = layout.leader[1]
    logins = [
        f"{login}:{','.join(str(number) for name, number in ids[login].items() if name != leader)}"
        for login in layout.logins
    ]
    with subprocess.Popen([sys.executable, "-m", module, broker.websocket, *logins], env=environment()) as process:
        try:
            broker.do("wait_synced", logins=list(layout.logins), seconds=READY_LIMIT)
            time.sleep(0.3)
            yield process.pid
        finally:
            process.kill()


def cpu(pid: int) -> float:
    """Seconds of processor time so far, of all threads of this process; waiting for a processor is not counted."""
    ran = (task.joinpath("schedstat").read_text().split()[0] for task in Path(f"/proc/{pid}/task").iterdir())
    return sum(map(int, ran)) / 1e9
