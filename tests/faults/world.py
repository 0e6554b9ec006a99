"""One world: a storm on the whole daemon and the whole broker, then a calm in which everything must come right.

Rule 1: one seed, one story: clock, scheduler, dice, network and faults all come of it. No thread, no real time.
Rule 2: the daemon's code is the daemon's; only its ports are this world's.
"""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import trio
import trio._core._run as scheduler
from trio.testing import MockClock

from daemon.config import Config, loads
from daemon.journal import Journal
from daemon.ports import Ports
from daemon.simulator import Broker, LoginSpec, Server
from daemon.supervisor import Supervisor
from statecharts import states as s
from statecharts.values import Symbol
from tests.faults.climate import Climate
from tests.faults.invariants import Invariants
from tests.faults.lives import Disk, Watched
from tests.faults.nemesis import Nemesis, faults_of
from tests.faults.people import Leader, market
from tests.faults.wire import Wire
from tests.scenarios.mortality import Killed
from tests.scenarios.world import PASSWORD, MemoryNetwork, World, now
from tests.simulator.audit import Audit

MINUTES = 20.0  # of storm
CALM_LIMIT = 2 * 3600.0  # seconds: a hold of the broker's may last an hour
SETTLE = 90.0  # seconds of calm before the reckoning
DEAD = (0.1, 5.0)  # seconds from a death to the next start
OPERATOR_LOOKS = 30.0  # seconds between two looks of the operator's, once it is calm
ALIVE_FIRST = 5.0  # seconds before the storm begins

CONFIG = """
[environments.test]
rest = "http://127.0.0.1:1/v1"
websocket = "ws://127.0.0.1:1/v1/websocket"
[logins.apex]
environment = "test"
username = "jane"
cid = 8123
{fund}
[accounts.lead]
login = "apex"
name = "LEAD"
[accounts.same]
login = "apex"
name = "SAME"
[accounts.half]
login = "apex"
name = "HALF"
[accounts.micro]
login = "{micro}"
name = "MICRO"
[[copy]]
name = "main"
leader = "lead"
[[copy.followers]]
account = "same"
max_position = 5
[[copy.followers]]
account = "half"
ratio = 0.5
max_position = 2
[[copy.followers]]
account = "micro"
map = {{ ES = {{ to = "MES", factor = 3 }} }}
max_position = 9
max_order = 9
"""
FUND = """
[logins.fund]
environment = "test"
username = "joe"
cid = 8124
"""
CAPS = {"same": 5, "half": 2, "micro": 9}


@attrs.define(eq=False)
class Told:
    """The trace: what happened when, and its digest, by which two runs of one seed are the same."""

    lines: list[tuple[float, str, str]] = attrs.field(factory=list)
    digest: Any = attrs.field(factory=lambda: hashlib.blake2b(digest_size=12))

    def __call__(self, kind: str, words: str) -> None:
        at = trio.current_time()
        self.lines.append((at, kind, words))
        self.digest.update(f"{at:.6f} {kind} {words}\n".encode())


@attrs.define(eq=False)
class Storm(World):
    """`visited` are the followers on which a human has traded: their caps are his business too."""

    climate: Climate = attrs.field(kw_only=True)
    wire: Wire = attrs.field(kw_only=True)
    told: Told = attrs.field(kw_only=True)
    disk: Disk = attrs.field(kw_only=True)
    skew: timedelta = timedelta(0)
    alive: bool = False
    deaths: int = 0
    forgotten: bool = False  # has a power cut taken commits that were acted on?
    visited: set[str] = attrs.field(factory=set)
    caps: dict[str, int] = attrs.field(factory=lambda: dict(CAPS))
    invariants: Invariants = attrs.field(init=False)
    _mortality: Watched | None = None
    _death: trio.CancelScope | None = None
    _power_lost: bool = False
    _calm: bool = False

    def __attrs_post_init__(self) -> None:
        self.invariants = Invariants(self)

    @property
    def followers(self) -> tuple[str, ...]:
        return tuple(one.account for copy in self.config.copies for one in copy.followers)

    def wall(self) -> datetime:
        """The daemon's clock, which somebody sets now and then. The broker's own is right."""
        return now() + self.skew

    def tell(self, kind: str, words: str) -> None:
        self.told(kind, words)

    def name_of(self, account_id: int | None) -> str | None:
        by_id = {number: name for name, number in self.broker.account_ids.items()}
        broker_name = by_id.get(account_id or 0)
        return next((name for name, one in self.config.accounts.items() if one.name == broker_name), None)

    def symbol_of(self, contract_id: int) -> Symbol:
        listings = self.broker.listings.values()
        return Symbol(next(one.symbol for one in listings if one.contract_id == contract_id))

    def text_of(self, order_id: int) -> str:
        rows = self.broker.entities.rows("orderVersion")
        return next((str(row.entity.get("text")) for row in rows if row.entity["orderId"] == order_id), "")

    def secrets(self) -> set[str]:
        return {PASSWORD, *self.server.tokens.issued}

    def holding_tokens(self) -> bool:
        assert self.supervisor is not None, "asked while a process lives"
        return any(login.tokens.restraint.hold is not None for login in self.supervisor.logins.values())

    # ---- lives

    def kill(self, power_lost: bool) -> None:
        """At this very moment, wherever the process is."""
        if self.alive and self._mortality is not None and self._death is not None:
            self._mortality.dead = True
            self._power_lost = power_lost
            self._death.cancel()

    async def live(self) -> None:
        """One process after the other, until cancelled."""
        dice = random.Random(f"lives {self.climate.seed}")
        while True:
            await self._one_life(dice)
            await trio.sleep(dice.uniform(*DEAD))

    async def _one_life(self, dice: random.Random) -> None:
        mortality = Watched(
            dice=random.Random(f"ports {self.climate.seed} {self.deaths}"),
            chance=0.0 if self._calm else self.climate.kill_at_port,
            committed=self._committed,
        )
        mortality.counting = True
        self._mortality, self._power_lost = mortality, False
        self.tell("process", "starts")
        try:
            with trio.CancelScope() as self._death:
                await self._process(mortality)
        except* Killed:
            pass
        finally:
            self.alive = False
            with trio.CancelScope(shield=True):
                mortality.dead = True
                kept = self.disk.keep()
                await mortality.bury()
                lost = self.disk.restore(kept, self._power_lost)
        self.deaths += 1
        self.forgotten = self.forgotten or lost > 0
        self.tell("process", "dies" + (f", and the power with it: {lost} bytes are lost" if self._power_lost else ""))

    async def _process(self, mortality: Watched) -> None:
        journal = Journal(self._heard, "info")
        ledger = mortality.ledger(self.disk.path)
        dice = random.Random(f"daemon {self.climate.seed} {self.deaths}")
        ports = Ports(self.wall, dice, mortality.network(self.wire), aside=_on_the_loop)
        supervisor = Supervisor(self.config, ports, journal, ledger)
        self.supervisor, self.alive = supervisor, True
        await supervisor.run()

    def _heard(self, entry: Any) -> None:
        self.journal.append(entry)
        self.tell(entry.kind, entry.message)

    def _committed(self, turns: Any) -> None:
        self.invariants.committed(turns)
        if self.disk.dice.random() < 0.2:
            self.disk.sync()


async def _on_the_loop(act: Callable[[], None]) -> None:
    act()


@attrs.frozen
class Story:
    """What became of a world. It ends at its first violation: `violations` holds that one, or none."""

    seed: int
    digest: str
    violations: tuple[str, ...]
    hours: float  # simulated
    orders: int
    faults: dict[str, int]
    checks: dict[str, int]
    deaths: int
    lines: list[tuple[float, str, str]] = attrs.field(repr=False)


def seeded(seed: int) -> None:
    """Makes trio's scheduler repeatable: two private knobs, which is why trio is pinned."""
    setattr(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", True)  # noqa: B010 - trio declares it Final
    scheduler._r.seed(f"scheduler {seed}")
    random.seed(f"global {seed}")  # trio-websocket rolls the payload of its pings with it


Patch = Callable[[], AbstractContextManager[object]]


def run_world(seed: int, minutes: float = MINUTES, patch: Patch = nullcontext, climate: Climate | None = None) -> Story:
    """The story of one seed. A bug of the daemon's or of this harness raises; a violation is in the story.

    `patch` makes what surrounds the world from its first moment to its last: a daemon with a deliberate bug, say.
    """
    climate = climate or Climate.of(seed)
    config = loads(CONFIG.format(fund=FUND if climate.own_login else "", micro="fund" if climate.own_login else "apex"))
    os.environ.update({"COPIERD_APEX_PASSWORD": PASSWORD, "COPIERD_FUND_PASSWORD": PASSWORD})
    seeded(seed)
    with tempfile.TemporaryDirectory(dir=_memory()) as directory, patch():
        return trio.run(_tell, climate, config, Path(directory), minutes * 60, clock=MockClock(autojump_threshold=0))


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a directory of ours is made in it


async def _tell(climate: Climate, config: Config, directory: Path, storm_seconds: float) -> Story:
    specs = {
        name: LoginSpec(
            username=login.username or name,
            password=PASSWORD,
            accounts=tuple(a.name for a in config.accounts.values() if a.login == name),
        )
        for name, login in config.logins.items()
    }
    broker = Broker.build(specs, now=now, dice=random.Random(f"broker {climate.seed}"), faults=faults_of({}))
    server = Server(broker)
    told = Told()
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        wire = Wire(server, nursery, random.Random(f"wire {climate.seed}"))
        wire.weather.up = wire.weather.down = climate.latency
        wire.weather.pieces = climate.pieces
        storm = Storm(
            config=config,
            server=server,
            network=MemoryNetwork(server, nursery),
            state=directory,
            audit=Audit(),
            dice=random.Random(f"dice {climate.seed}"),
            climate=climate,
            wire=wire,
            told=told,
            disk=Disk(directory, random.Random(f"disk {climate.seed}")),
        )
        broker.entities.listeners.append(storm.invariants.changed)
        nemesis = Nemesis(storm, random.Random(f"nemesis {climate.seed}"))
        leader = Leader(broker, random.Random(f"leader {climate.seed}"))
        with trio.move_on_after(CALM_LIMIT + storm_seconds):
            await _seasons(storm, nemesis, leader, storm_seconds, nursery)
        nursery.cancel_scope.cancel()
    first = storm.invariants.first
    return Story(
        climate.seed,
        told.digest.hexdigest(),
        () if first is None else (str(first),),
        told.lines[-1][0] / 3600,
        len(broker.accepted),
        dict(nemesis.done) | dict.fromkeys(climate.faults, 1),
        dict(storm.invariants.checks),
        storm.deaths,
        told.lines,
    )


async def _seasons(storm: Storm, nemesis: Nemesis, leader: Leader, storm_seconds: float, nursery: trio.Nursery) -> None:
    """First a healthy start, then the storm, then the calm and the reckoning. Ends early at a violation."""
    nursery.start_soon(storm.live)
    nursery.start_soon(market, storm.broker, random.Random(f"market {storm.climate.seed}"))
    nursery.start_soon(storm.invariants.watch)
    await trio.sleep(ALIVE_FIRST)
    storm.server.faults = faults_of(storm.climate.faults)
    async with trio.open_nursery() as bad:
        bad.start_soon(nemesis.rage)
        bad.start_soon(leader.trade, storm.climate.trading)
        with trio.move_on_after(storm_seconds):
            await storm.invariants.broken.wait()
        bad.cancel_scope.cancel()
    if storm.invariants.first is not None:
        return
    storm.tell("season", "calm")
    storm._calm = True
    if storm._mortality is not None:
        storm._mortality.chance = 0.0
    nemesis.heal()
    if leader.dice.random() < 0.6:
        leader.flatten()
    await _all_copying(storm)
    with trio.move_on_after(SETTLE):
        await storm.invariants.broken.wait()
    if storm.invariants.first is None:
        storm.invariants.calm()


async def _all_copying(storm: Storm) -> None:
    """The operator mends what waits for him; then everybody must be back, as soon as no hold is left."""
    back = trio.current_time() + 120.0
    while True:
        await trio.sleep(1.0)
        if not storm.alive or storm.supervisor is None or not storm.supervisor.ready.is_set():
            continue
        waiting = False
        for name in storm.config.accounts:
            leaf = storm.leaf(name)
            if leaf in (s.Stopped, s.Unauthorized) and trio.current_time() % OPERATOR_LOOKS < 1.0:
                storm.reconnect(name)
            waiting = waiting or leaf is not s.Copying
        held = storm.supervisor.budget.held_until
        if held is not None or storm.holding_tokens():
            back = trio.current_time() + 180.0
        if not waiting or trio.current_time() > back:
            return
