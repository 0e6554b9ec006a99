"""python -m tests.bench.service: what the daemon costs as a service, and how soon it is back, with 20 accounts.

The real daemon and the simulated broker, a process each, on this machine: a leader and 19 followers on five logins,
each with its own socket. Time is taken as systemd takes it, from the start of the process to READY=1, and to the moment
when every account is Connected. A busy machine makes it longer: then the processor's time says more.
Exit status 0 when what is promised holds, 1 when not, 69 without systemd-python.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import attrs

from tests.system.processes import look_alike, wait_until_connected

LOGINS, EACH = 5, 4  # the simulated broker gives every user four accounts
# On an idle machine, with two cores of 2020. What is promised of memory is what `ps` shows as RSS, shared libraries
# included; the proportional size, which shares them out among their users, is shown beside it.
MEMORY: Final = 60.0  # MB of resident set size at rest
READY: Final = 1.0  # seconds from the start to READY=1
BACK: Final = 3.0  # seconds from the stop, or the kill, until all are copying again
AT_REST: Final = 10.0  # seconds after the last connection
# As it is shipped: compiled beforehand. A development environment has click, and where httpx finds that, it loads a
# command line of its own.
SHIPPED: Final = "import sys; sys.modules['click'] = None; from daemon.cli import main; sys.exit(main())"


@attrs.define(eq=False)
class Manager:
    """The end of sd_notify(3) that systemd has. It always reads, as that does: a full socket would block the daemon."""

    path: Path
    ready: queue.Queue[float] = attrs.field(factory=queue.Queue)  # when READY=1 was said

    def __attrs_post_init__(self) -> None:
        heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        heard.bind(str(self.path))
        threading.Thread(target=self._listen, args=(heard,), daemon=True).start()

    def _listen(self, heard: socket.socket) -> None:
        while True:
            if b"READY=1" in heard.recv(4096).split(b"\n"):
                self.ready.put(time.monotonic())


@attrs.frozen
class Life:
    """One life of the daemon: seconds to READY=1, also of the processor's, and until all are Connected; MB at rest."""

    began: float
    ready: float
    worked: float
    connected: float
    rss: float
    pss: float


def configured(directory: Path, rest: str) -> Path:
    path = directory / "copier.toml"
    tables = [
        f'[daemon]\nstate_directory = "{directory / "state"}"\ncontrol_socket = "{directory / "control.sock"}"',
        f'[environments.here]\nrest = "{rest}"\nwebsocket = "{rest.replace("http", "ws")}/websocket"',
    ]
    for login in range(LOGINS):
        tables.append(f'[logins.l{login}]\nenvironment = "here"\nusername = "user{login}"\ncid = 8123')
        tables.extend(
            f'[accounts.a{login}{place}]\nlogin = "l{login}"\nname = "DEMO-user{login}-{place + 1}"'
            for place in range(EACH)
        )
    followers = [f"a{login}{place}" for login in range(LOGINS) for place in range(EACH)][1:]
    tables.append('[[copy]]\nname = "main"\nleader = "a00"')
    tables.extend(f'[[copy.followers]]\naccount = "{name}"\nmax_position = 10' for name in followers)
    path.write_text("\n".join(tables) + "\n")
    return path


@contextmanager
def started(config: Path, manager: Manager) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """The daemon as systemd would start it, and when. Killed at the end, if it still runs."""
    secrets = {f"COPIERD_L{login}_PASSWORD": "invented" for login in range(LOGINS)}
    environment = {**os.environ, **secrets, "NOTIFY_SOCKET": str(manager.path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(config.parent / "compiled")
    command = [sys.executable, "-c", SHIPPED, "run", "--config", str(config)]
    with (config.parent / "log").open("ab") as log:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    with process:
        try:
            yield process, began
        finally:
            process.kill()


def processor(pid: int) -> float:
    """Seconds of the processor's time so far, user's and system's (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> tuple[float, float]:
    """Resident and proportional set size, in MB of 10^6 bytes (proc(5), smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(rest.split()[0]) * 1024 / 1e6 for name, _, rest in (line.partition(":") for line in lines)}
    return sizes["Rss"], sizes["Pss"]


def lived(config: Path, manager: Manager, end: signal.Signals, rest: float) -> tuple[Life, float]:
    """One life that ends so, and when its end was asked for."""
    with started(config, manager) as (process, began):
        ready = manager.ready.get(timeout=60)
        worked = processor(process.pid)
        wait_until_connected(config)
        connected = time.monotonic()
        time.sleep(rest)
        rss, pss = memory(process.pid)
        asked = time.monotonic()
        process.send_signal(end)
        process.wait(10)
    return Life(began, ready - began, worked, connected - began, rss, pss), asked


def measured(rounds: int) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {
        name: [] for name in ("rss_mb", "pss_mb", "ready_s", "ready_cpu_s", "first_s", "restart_s", "crash_s")
    }
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        manager = Manager(directory / "notify")
        (directory / "faults.toml").write_text("max_sessions = 100\n")
        with look_alike(directory / "faults.toml") as broker:
            config = configured(directory, broker.rest)
            lived(config, manager, signal.SIGTERM, 0.0)  # compiles
            shutil.rmtree(directory / "state")
            first, asked = lived(config, manager, signal.SIGTERM, AT_REST)
            figures["first_s"].append(first.connected)
            lives = [first]
            for number in range(2 * rounds):
                name = "crash_s" if number % 2 else "restart_s"  # how the life before has ended
                end = signal.SIGTERM if number % 2 else signal.SIGKILL
                life, asked_then = lived(config, manager, end, AT_REST if number == 0 else 1.0)
                figures[name].append(life.began + life.connected - asked)
                asked = asked_then
                lives.append(life)
        figures["ready_s"] = [life.ready for life in lives]
        figures["ready_cpu_s"] = [life.worked for life in lives]
        at_rest = lives[:2]
        figures["rss_mb"] = [life.rss for life in at_rest]
        figures["pss_mb"] = [life.pss for life in at_rest]
    return figures


PROMISES: Final = {"rss_mb": MEMORY, "ready_s": READY, "restart_s": BACK, "crash_s": BACK}
WORDS: Final = {
    "rss_mb": "resident memory at rest, RSS (MB)",
    "pss_mb": "its proportional part, PSS (MB)",
    "ready_s": "start to READY=1 (s)",
    "ready_cpu_s": "the processor's time of that (s)",
    "first_s": "first start to all Connected (s)",
    "restart_s": "systemctl restart to all Connected (s)",
    "crash_s": "kill -9 to all Connected, less RestartSec (s)",
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.service", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="restarts of each kind (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    options = parser.parse_args(arguments)
    if find_spec("systemd") is None:
        print("systemd-python is not here, and READY=1 cannot be told: pip install 'copierd[systemd]'", file=sys.stderr)
        return 69
    figures = measured(options.rounds)
    middle = {name: statistics.median(values) for name, values in figures.items()}
    broken = [name for name, promised in PROMISES.items() if middle[name] > promised]
    if options.json:
        print(json.dumps({"figures": figures, "median": middle, "promised": PROMISES, "broken": broken}))
    else:
        print(f"{LOGINS * EACH} accounts of {LOGINS} logins; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for name, words in WORDS.items():
            promise = f"promised {PROMISES[name]:g}" if name in PROMISES else ""
            values = f"{middle[name]:7.2f}  ({min(figures[name]):.2f} to {max(figures[name]):.2f})"
            print(f"{words:48} {values:26} {promise} {'BROKEN' if name in broken else ''}".rstrip())
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
