"""The conformance run against the look-alike in memory, in virtual time, with faults that begin at a criterion."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import attrs
import trio
from trio.testing import MockClock

from daemon.certify.course import CRITERIA, run
from daemon.certify.criteria import Criterion, Failed, NotTested, Passed, Verdict
from daemon.certify.report import Report
from daemon.certify.stagehand import Simulated
from daemon.certify.trial import Plan
from daemon.embedded import Embedded
from daemon.journal import Masks
from daemon.ports import Ports
from daemon.simulator import Broker, Faults, LoginSpec, Observer, Server
from daemon.simulator.service import nobody
from daemon.tradovate.answers import Credentials
from daemon.wiring import Addresses
from tests.scenarios.world import MemoryNetwork, now

PASSWORD, SEC = "canary-password-77ab", "canary-sec-19fe"
CREDENTIALS = Credentials("jane", PASSWORD, "copierd", "1.0", 8123, SEC, "3b0d")
ADDRESSES = Addresses("http://127.0.0.1:1/v1", "ws://127.0.0.1:1/v1/websocket")


@attrs.define
class SlowStream(trio.abc.Stream):
    """A stream on which every write takes the network's time."""

    inner: trio.abc.Stream
    network: SlowNetwork

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.network.delay:
            await trio.sleep(self.network.delay)
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.inner.aclose()


@attrs.define(eq=False)
class SlowNetwork(MemoryNetwork):
    """`delay` in seconds for each write on a WebSocket."""

    delay: float = 0.0

    async def connect(self, url: str) -> trio.abc.Stream:
        return SlowStream(await MemoryNetwork.connect(self, url), self)


@attrs.define
class Stage:
    """What a test may turn."""

    server: Server
    network: SlowNetwork
    nursery: trio.Nursery

    def fault(self, faults: Faults) -> None:
        self.server.faults = faults

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        async def wait() -> None:
            await trio.sleep(seconds)
            act()

        self.nursery.start_soon(wait)


Turn = Callable[[Stage], object]
Hand = Callable[[Embedded, str], Simulated]


def certified(
    at: Mapping[str, Turn] | None = None,
    *,
    hand: Hand | None = Simulated,
    faults: Faults | None = None,
    thorough: bool = False,
    observer: Observer = nobody,
    accounts: tuple[str, ...] = ("LEAD", "EVAL1"),
) -> Report:
    """A whole run. `at` a criterion a fault begins, and ends with the next one. Without `hand`, as at a broker."""

    async def main() -> Report:
        spec = LoginSpec(username="jane", password=PASSWORD, sec=SEC, accounts=accounts)
        broker = Broker.build({"apex": spec}, now=now, dice=random.Random(3), faults=faults)
        server = Server(broker, observer)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            stage = Stage(server, SlowNetwork(server, nursery), nursery)
            ports = Ports(now, random.Random(1), stage.network)
            plan = Plan("apex", "test", ADDRESSES, CREDENTIALS, 20.0, thorough)
            embedded = Embedded(server, [], tuple(broker.exchange.last), ports)

            def begin(criterion: Criterion) -> None:
                server.faults, stage.network.delay = faults or Faults(), 0.0
                if at and criterion.id in at:
                    at[criterion.id](stage)

            report = await run(plan, ports, Masks(), hand(embedded, "apex") if hand else None, begin)
            nursery.cancel_scope.cancel()
        return report

    return trio.run(main, clock=MockClock(autojump_threshold=0))


def verdicts(report: Report) -> dict[str, Verdict]:
    return {finding.criterion.id: finding.verdict for finding in report.findings}


def named(report: Report, kind: type[Passed] | type[Failed] | type[NotTested]) -> set[str]:
    return {name for name, verdict in verdicts(report).items() if isinstance(verdict, kind)}


def dependents(*ids: str) -> set[str]:
    """The criteria that mean nothing without these, by way of others too."""
    found = set(ids)
    for criterion in CRITERIA:  # a need comes before what needs it
        if found & set(criterion.needs):
            found.add(criterion.id)
    return found - set(ids)


def faulty(faults: Faults) -> Turn:
    return lambda stage: stage.fault(faults)


def copy_of(login: str) -> str:
    """The rest of a configuration: two accounts of this login, one of which follows the other."""
    accounts = "".join(f'[accounts.{name}]\nlogin = "{login}"\nname = "SIM-{name}"\n' for name in ("lead", "eval1"))
    return f'{accounts}[[copy]]\nname = "main"\nleader = "lead"\n[[copy.followers]]\naccount = "eval1"\n'
