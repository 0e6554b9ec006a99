"""What watching costs: `python -m tests.bench.operator`.

A broker and a daemon in processes of their own, many accounts, leaders that trade without a pause. In one run, in
turns: nobody watches; ten watch the events; ten follow the copies. Told are how fast the status answers meanwhile, how
long a copy takes from its decision to its last byte, and that time with watchers as a ratio to the time without. A busy
machine makes everything slow, so there is also what one answer costs the daemon's processor when nobody trades.

Ends with 1 when the median answer of the status takes longer than 20 ms, or when watchers double the time of a copy.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import trio

from tests.bench.broker import account_name

STATUS_LIMIT = 20.0  # ms at the median, with 200 accounts and 50 events a second
RATIO_LIMIT = 2.0
WATCHERS = 10
ASK_EVERY = 0.1  # seconds between two answers of the status
START_LIMIT = 240.0  # seconds until 200 accounts are connected, on a busy machine
CONDITIONS: dict[str, str | None] = {"nobody": None, "events": "/v1/events", "copies": "/v1/copies"}
IDLE_ANSWERS = 100
ANSWERS = {"status": "/v1/status", "one copy": "/v1/copies?limit=1"}

Json = dict[str, Any]


@attrs.frozen
class Scale:
    """How much of everything. `orders` are the leaders' in a second, `seconds` the length of one turn."""

    logins: int
    accounts: int
    orders: float
    seconds: float
    rounds: int


def configuration(directory: Path, rest: str, scale: Scale) -> Path:
    """In each login one leads and the others follow; limits that keep an operator from harm are out of the way."""
    tables = [
        f"""
[daemon]
state_directory = "{directory}/state"
control_socket = "{directory}/s"
log_level = "warning"
[environments.here]
rest = "{rest}"
websocket = "{rest.replace("http", "ws")}/websocket"
"""
    ]
    for login in range(scale.logins):
        tables.append(f"""
[logins.l{login}]
environment = "here"
username = "user{login}"
requests_per_minute = 1000000
requests_per_hour = 1000000
""")
        tables += [
            f'[accounts.a{login}-{at}]\nlogin = "l{login}"\nname = "{account_name(login, at)}"\n'
            for at in range(scale.accounts)
        ]
        tables.append(f'[[copy]]\nname = "c{login}"\nleader = "a{login}-0"\n')
        tables += [
            f'[[copy.followers]]\naccount = "a{login}-{at}"\nrunaway = {{ orders = 1000, per = "5s" }}\n'
            for at in range(1, scale.accounts)
        ]
    path = directory / "copier.toml"
    path.write_text("\n".join(tables))
    return path


@contextmanager
def process(log: Path, *words: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as said:
        started = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env={**os.environ, **environ},
        )
    with started:
        try:
            yield started
        finally:
            started.kill()


@attrs.frozen
class Measured:
    """Of one turn. Milliseconds each; `turns` are those that the daemon took, in a second.

    `busy` is its part of a processor: near 1 it is the daemon that is slow, and else the machine.
    """

    condition: str
    status: list[float]
    copies: list[float]
    turns: float
    busy: float


async def watch(socket: Path, path: str) -> None:
    """Reads a stream and throws it away: what it costs the daemon is what is measured."""
    async with await trio.open_unix_socket(str(socket)) as stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
        while await stream.receive_some():
            pass


async def measured(client: httpx.AsyncClient, socket: Path, pid: int, condition: str, seconds: float) -> Measured:
    path = CONDITIONS[condition]
    took: list[float] = []
    async with trio.open_nursery() as nursery:
        for _ in range(WATCHERS):
            if path is not None:
                nursery.start_soon(watch, socket, path)
        await trio.sleep(min(1.0, seconds / 4))  # until the watchers are there
        begun = (await client.get("/v1/copies?limit=1")).json()
        since, at = (await client.get("/v1/status")).json()["now"], trio.current_time()
        end, used = at + seconds, await processor(pid)
        while trio.current_time() < end:
            asked = time.perf_counter()
            (await client.get("/v1/status")).raise_for_status()
            took.append((time.perf_counter() - asked) * 1000)
            await trio.sleep(ASK_EVERY)
        ended = (await client.get("/v1/copies?limit=1")).json()
        passed = trio.current_time() - at
        turns, busy = (ended["last"] - begun["last"]) / passed, (await processor(pid) - used) / passed
        nursery.cancel_scope.cancel()
    return Measured(condition, took, await latencies(client, since), turns, busy)


async def latencies(client: httpx.AsyncClient, since: str) -> list[float]:
    """Of the copies that were decided since then and sent."""
    found: list[float] = []
    page: Json = {"next": ""}
    while page["next"] is not None:
        cursor = {"cursor": page["next"]} if page["next"] else {}
        page = (await client.get("/v1/copies", params={"since": since, "limit": "500", **cursor})).json()
        found += [row["latency_ms"] for row in page["copies"] if row["latency_ms"] is not None]
    return found


async def connected(client: httpx.AsyncClient, log: Path) -> None:
    """Until all accounts are copying. Raises AssertionError, with what the daemon said."""
    with trio.move_on_after(START_LIMIT):
        while True:
            try:
                told = (await client.get("/v1/status")).json()
            except httpx.TransportError:
                told = {"accounts": []}
            if told["accounts"] and all(one["copying"] or one["role"] == "leader" for one in told["accounts"]):
                return
            await trio.sleep(0.2)
    said = await trio.Path(log).read_text()
    raise AssertionError(f"not connected within {START_LIMIT:g} s: {said[-3000:]}")


async def cost(client: httpx.AsyncClient, path: str, pid: int) -> float:
    """Milliseconds of the daemon's processor for one answer, while nobody trades; its other work is in it."""
    await client.get(path)
    before = await processor(pid)
    for _ in range(IDLE_ANSWERS):
        (await client.get(path)).raise_for_status()
    return (await processor(pid) - before) * 1000 / IDLE_ANSWERS


async def processor(pid: int) -> float:
    """Seconds that a process has had of it (proc(5): utime and stime)."""
    text = await trio.Path(f"/proc/{pid}/stat").read_text()
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def session(
    scale: Scale, socket: Path, broker: subprocess.Popen[str], pid: int, log: Path
) -> tuple[list[Measured], Json]:
    assert broker.stdin is not None
    transport = httpx.AsyncHTTPTransport(uds=str(socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60.0) as client:
        await connected(client, log)
        print(f"{scale.orders}", file=broker.stdin, flush=True)
        await trio.sleep(scale.seconds)  # warm
        found = [
            await measured(client, socket, pid, condition, scale.seconds)
            for _ in range(scale.rounds)
            for condition in CONDITIONS
        ]
        print("0", file=broker.stdin, flush=True)
        await trio.sleep(2)  # seconds: the last copies come to their end
        costs = {name: round(await cost(client, path, pid), 2) for name, path in ANSWERS.items()}
    return found, costs


def run(scale: Scale) -> tuple[list[Measured], Json]:
    with tempfile.TemporaryDirectory(prefix="copierd-bench-") as name, ExitStack() as stack:
        directory = Path(name)
        words = ("tests.bench.broker", str(scale.logins), str(scale.accounts))
        broker = stack.enter_context(process(directory / "broker.log", *words))
        assert broker.stdout is not None
        rest = broker.stdout.readline().strip()
        config = configuration(directory, rest, scale)
        passwords = {f"COPIERD_L{login}_PASSWORD": "any" for login in range(scale.logins)}
        log = directory / "daemon.log"
        daemon = stack.enter_context(process(log, "daemon", "run", "--config", str(config), **passwords))
        return trio.run(session, scale, directory / "s", broker, daemon.pid, log)


def report(scale: Scale, found: list[Measured], costs: Json) -> Json:
    """Medians of all turns of a condition together; ratios to the condition in which nobody watches."""
    conditions: Json = {}
    for condition in CONDITIONS:
        mine = [one for one in found if one.condition == condition]
        status, copies = [ms for one in mine for ms in one.status], [ms for one in mine for ms in one.copies]
        conditions[condition] = {
            "turns_a_second": round(statistics.mean(one.turns for one in mine), 1),
            "busy": round(statistics.mean(one.busy for one in mine), 2),
            "status_ms": _figures(status),
            "copy_ms": _figures(copies),
        }
    alone = conditions["nobody"]["copy_ms"]["p50"]
    return {
        "accounts": scale.logins * scale.accounts,
        "leaders_orders_a_second": scale.orders,
        "watchers": WATCHERS,
        "load": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "conditions": conditions,
        "idle_cpu_ms": costs,
        "ratios": {name: round(conditions[name]["copy_ms"]["p50"] / alone, 2) for name in ("events", "copies")},
    }


def _figures(values: list[float]) -> Json:
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered), 2),
        "p99": round(ordered[int(len(ordered) * 0.99)], 2),
        "count": len(ordered),
    }


def shown(told: Json) -> Iterator[str]:
    yield (
        f"{told['accounts']} accounts, {told['leaders_orders_a_second']:g} orders of leaders a second; "
        f"{told['cores']} cores, load {told['load']:.1f}"
    )
    for name, one in told["conditions"].items():
        status, copies = one["status_ms"], one["copy_ms"]
        yield f"  {name}: {one['turns_a_second']:.0f} turns a second, {one['busy']:.0%} of a processor; milliseconds:"
        yield f"    status {status['p50']:8.2f} (p50) {status['p99']:8.2f} (p99), {status['count']} answers"
        yield f"    copy   {copies['p50']:8.2f} (p50) {copies['p99']:8.2f} (p99), {copies['count']} copies"
    costs = ", ".join(f"{name} {ms} ms" for name, ms in told["idle_cpu_ms"].items())
    yield f"  processor of the daemon for one answer while nobody trades: {costs}"
    yield f"  a copy beside {WATCHERS} watchers, to one without: " + ", ".join(
        f"{name} x {ratio}" for name, ratio in told["ratios"].items()
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.operator", description=__doc__)
    parser.add_argument("--logins", type=int, default=10)
    parser.add_argument("--accounts", type=int, default=20, help="of each login")
    parser.add_argument("--orders", type=float, default=1.0, help="of all leaders, a second (default: 1)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of one turn (default: 10)")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    scale = Scale(options.logins, options.accounts, options.orders, options.seconds, options.rounds)
    told = report(scale, *run(scale))
    print(json.dumps(told) if options.json else "\n".join(shown(told)))
    slow = told["conditions"]["nobody"]["status_ms"]["p50"] > STATUS_LIMIT
    return 1 if slow or max(told["ratios"].values()) > RATIO_LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
