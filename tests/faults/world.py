"""One world: a storm on the whole daemon and the whole broker, then a calm in which everything must come right.

Rule 1: one seed, one story: clock, scheduler, dice, network and faults all come of it. No thread, no real time.
Rule 2: the daemon's code is the daemon's; only its ports are this world's.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path

import attrs
import trio
import trio._core._run as scheduler
from trio.testing import MockClock

from daemon.config import Config
from daemon.simulator import Broker, LoginSpec, Server
from statecharts import states as s
from tests.faults.climate import Climate
from tests.faults.lives import Disk
from tests.faults.nemesis import Nemesis, faults_of
from tests.faults.people import Leader, market
from tests.faults.setting import config_of
from tests.faults.storm import Storm, Told
from tests.faults.wire import Wire
from tests.scenarios.maintenance import chicago
from tests.scenarios.world import EPOCH, PASSWORD, MemoryNetwork, begins_at, now
from tests.simulator.audit import Audit

MINUTES = 20.0  # of storm
CALM_LIMIT = 2 * 3600.0  # seconds: a hold of the broker's may last an hour
SETTLE = 90.0  # seconds of calm before the reckoning
OPERATOR_LOOKS = 30.0  # seconds between two looks of the operator's, once it is calm
BACK = 270.0  # seconds until all are back: probes are two minutes apart, and one whose token is refused costs another
ALIVE_FIRST = 5.0  # seconds before the storm begins
CLOSES, CLOSED = chicago("2026-11-18 16:00"), 3600.0  # the broker's window in a world that has one, and its seconds


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
    config = config_of(climate)
    os.environ.update({"COPIERD_APEX_PASSWORD": PASSWORD, "COPIERD_FUND_PASSWORD": PASSWORD})
    seeded(seed)
    with tempfile.TemporaryDirectory(dir=_memory()) as directory, patch():
        return trio.run(_tell, climate, config, Path(directory), minutes * 60, clock=MockClock(autojump_threshold=0))


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a directory of ours is made in it


async def _tell(climate: Climate, config: Config, directory: Path, storm_seconds: float) -> Story:
    window = None
    if climate.closes_at is not None:
        closes = ALIVE_FIRST + climate.closes_at * storm_seconds
        window = closes, closes + CLOSED
        storm_seconds += CLOSED
    begins_at.set(EPOCH if window is None else CLOSES - timedelta(seconds=window[0]))
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
            window=window,
            disk=Disk(directory, random.Random(f"disk {climate.seed}")),
        )
        broker.entities.listeners.append(storm.invariants.changed)
        nemesis = Nemesis(storm, random.Random(f"nemesis {climate.seed}"))
        leader = Leader(broker, random.Random(f"leader {climate.seed}"))
        with trio.move_on_after(CALM_LIMIT + storm_seconds) as patience:
            await _seasons(storm, nemesis, leader, storm_seconds, nursery)
        storm.invariants.expect("I31", not patience.cancelled_caught, "it has not come to rest")
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
        bad.start_soon(leader.trade, storm.climate.trading, lambda: storm.away)
        if storm.window is not None:
            bad.start_soon(nemesis.maintain)
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
    storm.short_lives = 0
    if leader.dice.random() < 0.6:
        leader.flatten()
    await _all_copying(storm)
    with trio.move_on_after(SETTLE):
        await storm.invariants.broken.wait()
    if storm.invariants.first is None:
        storm.invariants.calm()


async def _all_copying(storm: Storm) -> None:
    """The operator mends what waits for him; then everybody must be back, as soon as no hold is left."""
    back = trio.current_time() + BACK
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
            if storm.account(name).account.book.silent_until is not None:
                storm.resume(name)  # he has solved the captcha
        if storm.supervisor.budget.held_until is not None or storm.holding_tokens():
            back = trio.current_time() + BACK  # what is still held back may yet end a session
        elif not waiting or trio.current_time() > back:
            return
