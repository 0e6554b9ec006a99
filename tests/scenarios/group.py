"""One leader and three followers in a world that stands still between two calls, for a test that decides step by step.

Rule 1: the world lives on a thread of its own, which waits for the next call inside the loop: while it waits no task
        runs and no virtual time passes. So a story told in calls is as repeatable as one that is told at once.
Rule 2: the daemon is the daemon, the exchange is the look-alike's; a process that dies leaves its ledger to the next.
"""

from __future__ import annotations

import queue
import random
import tempfile
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import outcome
import trio
from trio.testing import MockClock

from daemon.config import loads
from daemon.journal import Journal
from daemon.ports import Ports
from daemon.simulator import Broker, LoginSpec, Server
from daemon.supervisor import Supervisor
from statecharts import events as e
from statecharts import states as s
from tests.faults.lives import Watched
from tests.faults.world import seeded
from tests.scenarios.group_truth import Truth
from tests.scenarios.mortality import Killed
from tests.scenarios.world import PASSWORD, MemoryNetwork, World, now, on_the_loop
from tests.simulator.audit import Audit

CAPS = {"half": 2, "micro": 9, "quick": 4}
CONFIG = """
[environments.test]
rest = "http://127.0.0.1:1/v1"
websocket = "ws://127.0.0.1:1/v1/websocket"
[logins.apex]
environment = "test"
username = "jane"
cid = 8123
requests_per_minute = 100_000
requests_per_hour = 1_000_000
[logins.fund]
environment = "test"
username = "joe"
cid = 8124
requests_per_minute = 100_000
requests_per_hour = 1_000_000
[accounts.lead]
login = "apex"
name = "LEAD"
[accounts.half]
login = "apex"
name = "HALF"
[accounts.micro]
login = "fund"
name = "MICRO"
[accounts.quick]
login = "fund"
name = "QUICK"
[[copy]]
name = "main"
leader = "lead"
[[copy.followers]]
account = "half"
ratio = 0.5
max_position = 2
runaway = { orders = 1000, per = "5s" }
[[copy.followers]]
account = "micro"
ratio = 2
map = { ES = { to = "MES", factor = 2 } }
max_position = 9
max_order = 6
runaway = { orders = 1000, per = "5s" }
[[copy]]
name = "executions"
leader = "lead"
mode = "fills"
[[copy.followers]]
account = "quick"
max_position = 4
runaway = { orders = 1000, per = "5s" }
"""


@attrs.define(eq=False)
class Group(World):
    """`human` is the follower that somebody else may trade too."""

    seed: int = attrs.field(kw_only=True)
    caps: dict[str, int] = attrs.field(factory=lambda: dict(CAPS))
    truth: Truth = attrs.field(init=False)
    alive: bool = False
    deaths: int = 0
    dead_for: float = 1.0  # seconds from a death to the next start
    human: str = "half"
    _mortality: Watched | None = None
    _death: trio.CancelScope | None = None

    def __attrs_post_init__(self) -> None:
        self.truth = Truth(self)
        self.broker.entities.listeners.append(self.truth.changed)

    async def live(self) -> None:
        """One process after the other, until cancelled."""
        while True:
            self._mortality = Watched(
                dice=random.Random(f"ports {self.seed} {self.deaths}"), committed=self.truth.committed
            )
            self._mortality.counting = True
            try:
                with trio.CancelScope() as self._death:
                    await self._process(self._mortality)
            except* Killed:
                pass
            finally:
                self.alive = False
                with trio.CancelScope(shield=True):
                    await self._mortality.bury()
            self.deaths += 1
            await trio.sleep(self.dead_for)

    async def _process(self, mortality: Watched) -> None:
        journal = Journal(self.journal.append, "info")
        ledger = mortality.ledger(self.state / "ledger.sqlite")
        dice = random.Random(f"daemon {self.seed} {self.deaths}")
        ports = Ports(now, dice, mortality.network(self.network), aside=on_the_loop)
        self.supervisor = Supervisor(self.config, ports, journal, ledger)
        self.alive = True
        await self.supervisor.run()

    def kill(self, dead_for: float) -> None:
        """At this very moment, wherever the process is."""
        self.dead_for = dead_for
        if self.alive and self._mortality is not None and self._death is not None:
            self._mortality.dead = True
            self._death.cancel()

    def kill_soon(self, dead_for: float) -> None:
        """At one of the next calls of a port."""
        self.dead_for = dead_for
        if self._mortality is not None:
            self._mortality.chance = 0.2

    def ask_if_alive(self, name: str, event: Callable[..., e.Event], **fields: Any) -> None:
        if self.alive and self.supervisor is not None and self.supervisor.ready.is_set():
            self.ask(name, event(at=now(), **fields))

    def by_hand(self, action: str, quantity: int) -> None:
        """Somebody else trades a follower."""
        self.truth.visited.add(self.human)
        self.broker.place(self.config.accounts[self.human].name, action, "ESZ6", quantity)

    def all_copying(self) -> bool:
        supervisor = self.supervisor
        return self.alive and supervisor is not None and supervisor.ready.is_set() and self._copying()

    def _copying(self) -> bool:
        return all(self.leaf(name) is s.Copying for name in self.config.accounts)

    async def settled(self) -> None:
        """Nothing goes wrong any more, and everything under way comes to its end."""
        self.heal()
        self.server.calm()
        self.network.refusing = False
        if self._mortality is not None:
            self._mortality.chance = 0.0
        with trio.fail_after(600):
            while not self.all_copying():
                self.reconnect_the_stopped()
                await trio.sleep(1)
        await trio.sleep(QUIET)
        self.truth.calm()

    def reconnect_the_stopped(self) -> None:
        if self.alive and self.supervisor is not None and self.supervisor.ready.is_set():
            for name in self.config.accounts:
                if self.leaf(name) in (s.Stopped, s.Unauthorized):
                    self.reconnect(name)

    async def out(self) -> None:
        """The leader gets out, and the operator lets everything go on: then nothing of ours may be left."""
        for name in self.truth.followers:
            self.resume(name)
        self.broker.flatten("LEAD", "ESZ6")
        await trio.sleep(QUIET)
        self.truth.calm()
        self.truth.out()


QUIET = 60.0  # seconds: an exit is derived again after 15, what the leader completed is chased for 5, a read-back is 30


class Still:
    """A group that lives only while it is called."""

    def __init__(self, seed: int) -> None:
        self._calls: queue.SimpleQueue[Callable[[Group], Awaitable[None]] | None] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[outcome.Outcome[None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(seed,))
        self._thread.start()
        self._replies.get().unwrap()

    def do(self, act: Callable[[Group], Awaitable[None]]) -> None:
        """Carries it out in the world. Raises what it raises, and what ended the world meanwhile."""
        self._calls.put(act)
        self._replies.get().unwrap()

    def close(self) -> None:
        if self._thread.is_alive():
            self._calls.put(None)
            self._thread.join()

    def _run(self, seed: int) -> None:
        seeded(seed)
        memory = Path("/dev/shm")  # noqa: S108 - a directory of ours is made in it
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as state:
            whole = partial(trio.run, self._live, seed, Path(state), clock=MockClock(autojump_threshold=0))
            ended = outcome.capture(whole)
        if isinstance(ended, outcome.Error):
            self._replies.put(ended)

    async def _live(self, seed: int, state: Path) -> None:
        config = loads(CONFIG)
        specs = {
            name: LoginSpec(
                username=login.username or name,
                password=PASSWORD,
                accounts=tuple(a.name for a in config.accounts.values() if a.login == name),
            )
            for name, login in config.logins.items()
        }
        broker = Broker.build(specs, now=now, dice=random.Random(f"broker {seed}"))
        server = Server(broker)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            network = MemoryNetwork(server, nursery)
            group = Group(config, server, network, state, Audit(), random.Random(f"dice {seed}"), seed=seed)
            nursery.start_soon(group.live)
            while not group.all_copying():
                await trio.sleep(0.1)
            self._replies.put(outcome.Value(None))
            while (act := self._calls.get()) is not None:  # blocks the loop: nothing happens until the next call
                answer = await outcome.acapture(act, group)
                await trio.lowlevel.checkpoint_if_cancelled()  # something else has ended the world: that is the answer
                self._replies.put(answer)
            nursery.cancel_scope.cancel()
