"""An examination against the look-alike in memory, in virtual time, with whatever is wrong that a test wants."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import trio
from trio.testing import MockClock

from daemon.config import loads
from daemon.doctor.examination import Wish, examine
from daemon.doctor.report import Report
from daemon.doctor.salvage import read
from daemon.doctor.verdicts import Verdict, Wrong
from daemon.journal import Journal
from daemon.ledger import Ledger
from daemon.ports import Ports
from daemon.simulator import Broker, Faults, LoginSpec, Server
from daemon.state_lock import StateLock
from tests.scenarios.world import PASSWORD, MemoryNetwork, World, now
from tests.simulator.audit import Audit

SEC = "canary-sec-44c0"
ADDRESSES = 'rest = "http://127.0.0.1:1/v1"\nwebsocket = "ws://127.0.0.1:1/v1/websocket"\n'
SPEC = LoginSpec(username="jane", password=PASSWORD, sec=SEC, accounts=("LEAD", "F1", "F2"))


def text_of(
    *,
    environment: str = ADDRESSES,
    login: str = "cid = 8123",
    lead: str = '"LEAD"',
    f1: str = '"F1"',
    copy: str = "",
    follower: str = "",
    extra: str = "",
) -> str:
    """A leader and one follower on the login apex. What is given stands in its table."""
    return f"""
[environments.test]
{environment}
[logins.apex]
environment = "test"
username = "jane"
{login}
[accounts.lead]
login = "apex"
name = {lead}
[accounts.f1]
login = "apex"
name = {f1}
{extra}
[[copy]]
name = "main"
leader = "lead"
{copy}
[[copy.followers]]
account = "f1"
{follower}
"""


LIVE = ADDRESSES + "live = true"
ARMED = text_of(environment=LIVE, f1='"F1"\narmed = true', lead='"LEAD"\narmed = true')


@attrs.define(eq=False)
class Clinic:
    """One machine with its configuration, one broker. `said` is what doctor told before it had a report."""

    directory: Path
    text: str
    server: Server
    network: MemoryNetwork
    audit: Audit
    ahead: timedelta = timedelta(0)  # of our clock
    said: list[str] = attrs.field(factory=list)
    journal: Journal = attrs.field(factory=lambda: Journal(lambda entry: None))

    @property
    def broker(self) -> Broker:
        return self.server.broker

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def file(self) -> Path:
        return self.directory / "copier.toml"

    def write(self, text: str) -> None:
        self.text = text
        socket = self.directory / "run" / "s"
        daemon = f'[daemon]\nstate_directory = "{self.state}"\ncontrol_socket = "{socket}"\n'
        self.file.write_text(text if "[daemon]" in text else daemon + text)

    def ledger(self) -> Ledger:
        """The state that a daemon has left. Close it before the doctor comes."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        return Ledger.open(self.state / "ledger.sqlite")

    def change(self, **spec: Any) -> None:
        user = self.broker.logins["apex"]
        user.spec = attrs.evolve(user.spec, **spec)

    def fault(self, **faults: Any) -> None:
        self.server.faults = attrs.evolve(self.server.faults, **faults)

    async def examined(self, *, offline: bool = False, login: str | None = None) -> Report:
        ports = Ports(lambda: now() + self.ahead, random.Random(5), self.network)
        return await examine(read(self.file), Wish(login, offline), ports, self.journal, self.said.append)

    async def traded(self, *, qty: int = 1) -> None:
        """A daemon has run here and the leader has traded; it has stopped again."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        config = loads(self.file.read_text())
        world = World(config, self.server, self.network, self.state, self.audit, random.Random(6))
        with StateLock.taken(self.state):
            async with world.daemon() as supervisor:
                await world.copying()
                world.lead("Buy", qty)
                await trio.sleep(5.0)
            supervisor.ledger.close()


Story = Callable[[Clinic], Awaitable[Any]]


def visit(
    directory: Path, story: Story, *, text: str | None = None, spec: LoginSpec = SPEC, faults: Faults | None = None
) -> Clinic:
    """Tells a story in virtual time. Fails when anything that was sent broke the published schemas."""
    audit = Audit()
    seen: list[Clinic] = []

    async def main() -> None:
        broker = Broker.build({"apex": spec}, now=now, dice=random.Random(3), faults=faults)
        server = Server(broker, observer=audit)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            clinic = Clinic(directory, "", server, MemoryNetwork(server, nursery), audit)
            seen.append(clinic)
            clinic.write(text or text_of())
            await story(clinic)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert not audit.flaws, audit.flaws[:5]
    return seen[0]


def verdict(report: Report, check: str) -> Verdict:
    """What the check came to; wrong before anything else where several sections have it."""
    found = [one.verdict for section in report.sections for one in section.findings if one.id == check]
    assert found, f"no check {check} in the report"
    return min(found, key=lambda one: not isinstance(one, Wrong))


def wrong(report: Report) -> set[str]:
    return {one.id for section in report.sections for one in section.findings if isinstance(one.verdict, Wrong)}


def shown(report: Report) -> str:
    """The report as it is piped, without its line breaks."""
    return " ".join(report.text(terminal=False, clean=str).split())
