"""Real processes for a test: the look-alike, a daemon, and a person who trades beside it."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx

USER = "jane"
LEADER, FIRST, SECOND = (f"DEMO-{USER}-{place}" for place in (1, 2, 3))
SYMBOL = "ESZ6"
START_LIMIT = 60.0  # seconds for a process to answer, on a busy machine


@attrs.frozen
class LookAlike:
    """`copierd simulator` in a process of its own. `rest` is its address."""

    rest: str
    process: subprocess.Popen[str]

    def counted(self) -> dict[str, Any]:
        """What its clients have done so far."""
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGUSR1)
        while not (line := self.process.stdout.readline()).startswith("{"):
            assert line, "the look-alike has ended"
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def look_alike(faults: Path) -> Iterator[LookAlike]:
    """On a port of its own; it outlives daemons."""
    command = [sys.executable, "-m", "daemon", "simulator", "--port", "0", "--faults", str(faults)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = re.match(r"REST (\S+), WebSocket ", process.stdout.readline())
            assert address is not None
            yield LookAlike(address[1], process)
        finally:
            process.kill()


@contextmanager
def simulator(faults: Path) -> Iterator[str]:
    """Its REST address alone."""
    with look_alike(faults) as found:
        yield found.rest


def configuration(directory: Path, rest: str, more: str = "", login: str = "") -> Path:
    """A leader and two followers on one login, at this address; `more` are further tables, `login` keys of its own."""
    path = directory / "copier.toml"
    path.write_text(f"""
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
{login}
[accounts.lead]
login = "apex"
name = "{LEADER}"
[accounts.f1]
login = "apex"
name = "{FIRST}"
[accounts.f2]
login = "apex"
name = "{SECOND}"
[[copy]]
name = "main"
leader = "lead"
settle = "2s"
[[copy.followers]]
account = "f1"
runaway = {{ orders = 1000, per = "5s" }}
[[copy.followers]]
account = "f2"
ratio = 2
runaway = {{ orders = 1000, per = "5s" }}
{more}
""")
    return path


@contextmanager
def daemon(config: Path) -> Iterator[subprocess.Popen[str]]:
    """`copierd run`; what it says goes to a file beside the configuration. Killed at the end, if it still runs."""
    environment = {**os.environ, "COPIERD_APEX_PASSWORD": "invented"}
    environment.pop("NOTIFY_SOCKET", None)
    with (config.parent / "log").open("a") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "run", "--config", str(config)],
            stdout=written,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


def log(config: Path) -> str:
    """What the daemons of this configuration have said."""
    return (config.parent / "log").read_text()


class _Unix(http.client.HTTPConnection):
    """HTTP to a Unix socket, which is closed whatever happens."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5.0)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5.0)
        self.sock.connect(str(self._path))


def status(config: Path) -> dict[str, Any] | None:
    """What the daemon says of itself; None while nobody answers."""
    return asked(config, "status")


def asked(config: Path, what: str) -> dict[str, Any] | None:
    """What the control socket answers; None while nobody does."""
    with closing(_Unix(config.parent / "control.sock")) as connection:
        try:
            connection.request("GET", f"/v1/{what}")
            found: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException):
            return None
    return found


def wait_until_connected(config: Path) -> None:
    """Until every account is Connected. Raises TimeoutError."""
    wait_for(config, lambda told: all(account["state"] == "Connected" for account in told["accounts"]))


def wait_for(config: Path, holds: Callable[[dict[str, Any]], bool], limit: float = START_LIMIT) -> None:
    """Until the daemon's status is as it is wanted. Raises TimeoutError."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        told = status(config)
        if told is not None and holds(told):
            return
        time.sleep(0.02)
    raise TimeoutError(f"not in {limit:g} s: {log(config)[-2000:]}")


def stop(process: subprocess.Popen[str]) -> int:
    """SIGTERM, and the exit status. Raises TimeoutExpired when the contract's ten seconds are over."""
    process.send_signal(signal.SIGTERM)
    return process.wait(10)


@attrs.define(eq=False)
class Person:
    """Trades the leader's account from another terminal, until told to stop; then closes what is open.

    `between`: seconds from one order to the next, at least and at most.
    """

    rest: str
    dice: random.Random
    between: tuple[float, float] = (0.05, 0.25)
    enough: threading.Event = attrs.field(factory=threading.Event)
    orders: int = 0
    client: httpx.Client = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.rest, trust_env=False, timeout=30.0)
        token = self.post("auth/accesstokenrequest", {"name": USER, "password": "invented"})["accessToken"]
        self.client.headers["Authorization"] = f"Bearer {token}"

    def post(self, endpoint: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.post(f"/{endpoint}", json=body).raise_for_status().json()
        return answer

    def rows(self, endpoint: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.get(f"/{endpoint}").raise_for_status().json()
        return found

    def place(self, action: str, quantity: int) -> None:
        body = {"accountSpec": LEADER, "accountId": self.accounts()[LEADER], "action": action, "symbol": SYMBOL}
        answer = self.post("order/placeorder", {**body, "orderQty": quantity, "orderType": "Market"})
        assert "orderId" in answer, answer
        self.orders += 1

    def flatten(self) -> None:
        """Closes what the leader holds."""
        net = self.positions().get(LEADER, 0)
        if net:
            self.place("Sell" if net > 0 else "Buy", abs(net))

    def accounts(self) -> dict[str, int]:
        return {row["name"]: row["id"] for row in self.rows("account/list")}

    def positions(self) -> dict[str, int]:
        """The net position of each account."""
        names = {number: name for name, number in self.accounts().items()}
        return {names[row["accountId"]]: row["netPos"] for row in self.rows("position/list") if row["netPos"]}

    def trade(self) -> None:
        """Opens and closes at market, at random, until `enough`; ends flat."""
        net = 0
        while not self.enough.is_set():
            quantity = self.dice.randint(1, 3)
            if net == 0 or (net < 5 and self.dice.random() < 0.4):
                self.place("Buy", quantity)
                net += quantity
            else:
                quantity = min(quantity, net)
                self.place("Sell", quantity)
                net -= quantity
            time.sleep(self.dice.uniform(*self.between))
        if net:
            self.place("Sell", net)


@contextmanager
def person_at(rest: str, dice: random.Random) -> Iterator[Person]:
    """A person who is made to stop at the end."""
    person = Person(rest, dice)
    try:
        yield person
    finally:
        person.enough.set()
        person.client.close()
