"""A whole daemon with its control socket, in real time: the socket is real, the broker is reached in memory."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import httpx
import trio

from daemon import control
from daemon.config import loads
from daemon.journal import Entry, Journal
from daemon.ledger import Ledger
from daemon.logins.gate import Gate
from daemon.logins.host import Host
from daemon.ports import Ports
from daemon.simulator import Broker, LoginSpec, Server
from daemon.supervisor import Supervisor
from daemon.wiring import Addresses, login_of, running_account
from statecharts import states as s
from tests.scenarios.world import PASSWORD, MemoryNetwork, config_of

WITHIN = 60.0  # seconds, on a busy machine: what is waited for takes milliseconds on an idle one


def wall() -> datetime:
    return datetime.now(UTC)


def text_of(directory: Path) -> str:
    """lead, and f1 and f2 that follow it; nothing to fear from an impatient test: the first delay is long."""
    return f"""
[daemon]
state_directory = "{directory}"
control_socket = "{directory}/run/control.sock"
[reconnect]
first_delay = "20s"
{config_of(("f1", "f2"))}
"""


@attrs.define(eq=False)
class House:
    supervisor: Supervisor
    server: Server
    journal: list[Entry]
    directory: Path

    @property
    def socket(self) -> Path:
        return self.supervisor.config.daemon.control_socket

    async def until(self, true: Callable[[], bool]) -> None:
        with trio.fail_after(WITHIN):
            while True:
                if true():
                    return
                await trio.sleep(0.01)

    async def copying(self) -> None:
        accounts = self.supervisor.accounts.values()
        await self.until(lambda: all(isinstance(one.account.connection, s.Copying) for one in accounts))
        await self.until(lambda: not any(one.account.rules.copy and one.account.book.held_back() for one in accounts))

    def client(self) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(uds=str(self.socket))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", trust_env=False, timeout=WITHIN)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        async with self.client() as client:
            return await client.get(path, headers=headers)

    async def post(self, path: str, **headers: str) -> httpx.Response:
        async with self.client() as client:
            return await client.post(path, headers=headers)

    async def send(self, path: str, body: object) -> httpx.Response:
        """POST with a JSON body."""
        async with self.client() as client:
            return await client.post(path, json=body)

    async def account(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.get(f"/v1/accounts/{name}")).json()
        return found

    async def say(self, request: bytes) -> bytes:
        """Everything that the daemon answers to these bytes until it hangs up, be it before it has read them all."""
        said = b""
        async with await trio.open_unix_socket(str(self.socket)) as stream:
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.send_all(request)
                async for part in stream:
                    said += part
        return said


@asynccontextmanager
async def house(directory: Path, *, refusing: bool = False, server: Server | None = None) -> AsyncIterator[House]:
    """`refusing`: nobody listens at the broker's. `server`: of a house before, for what is a restart of the daemon."""
    config = loads(text_of(directory))
    specs = {"apex": LoginSpec("jane", password=PASSWORD, accounts=("LEAD", "F1", "F2"))}
    server = server or Server(Broker.build(specs, now=wall, dice=random.Random(1)))
    entries: list[Entry] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        network = MemoryNetwork(server, nursery, refusing)
        ledger = Ledger.open(directory / "ledger.sqlite")
        ports = Ports(wall, random.Random(2), network)
        supervisor = Supervisor(config, ports, Journal(entries.append, "debug"), ledger)
        nursery.start_soon(supervisor.run, control.serve)
        await supervisor.ready.wait()
        yield House(supervisor, server, entries, directory)
        nursery.cancel_scope.cancel()


def still(directory: Path) -> Supervisor:
    """A supervisor whose accounts have not been started."""
    config = loads(text_of(directory))
    ledger = Ledger.open(directory / "ledger.sqlite")
    journal = Journal(lambda entry: None)
    supervisor = Supervisor(config, Ports.real(), journal, ledger)
    where = {"test": Addresses("http://127.0.0.1:1/v1", "ws://127.0.0.1:1/v1/websocket")}
    host = Host(where["test"].websocket, supervisor.ports, lambda: None, lambda: False)
    gate = Gate(host, supervisor.budget)
    login = login_of(config, "apex", where, ledger, supervisor.ports, supervisor.board, gate, lambda: None)
    supervisor.logins["apex"] = login
    for name in config.accounts:
        supervisor.accounts[name] = running_account(
            config,
            name,
            login,
            supervisor.rounds,
            ledger,
            supervisor.ports,
            supervisor.board,
            lambda: False,
            lambda event: ("", None),
            lambda event: None,
            lambda: 1,
            supervisor.almanac.rules(config, name),
        )
    return supervisor
