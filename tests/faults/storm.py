"""The storm: the daemon's lives one after the other, on a disk and a network of this world, and who acts in it."""

from __future__ import annotations

import hashlib
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import trio
import trio.testing

from daemon.journal import Journal
from daemon.ledger import LedgerError
from daemon.ports import Ports
from daemon.supervisor import Supervisor
from statecharts.values import Symbol
from tests.faults.climate import Climate
from tests.faults.invariants import Invariants
from tests.faults.lives import Disk, Watched
from tests.faults.setting import CAPS, text_of
from tests.faults.wire import Wire
from tests.scenarios.mortality import Killed
from tests.scenarios.world import PASSWORD, World, now, on_the_loop

DEAD = (0.1, 5.0)  # seconds from a death to the next start
SHORT = (0.0, 1.5)  # seconds of a life in a crash loop
STOP_LIMIT = 10.0  # seconds from SIGTERM to the end


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
    slept_at: float = -1.0  # when the machine last stood still
    stirred_at: float = 0.0  # when the process last began, or somebody last had it look
    window: tuple[float, float] | None = None  # the broker's maintenance, in trio's time
    visited: set[str] = attrs.field(factory=set)
    humans: list[tuple[str, str, str]] = attrs.field(factory=list)  # what they have yet to get out of
    edits: int = 0  # of the configuration, while it ran
    short_lives: int = 0  # how many of a crash loop are left
    caps: dict[str, int] = attrs.field(factory=lambda: dict(CAPS))
    invariants: Invariants = attrs.field(init=False)
    _mortality: Watched | None = None
    _death: trio.CancelScope | None = None
    _power_lost: bool = False
    _calm: bool = False

    def __attrs_post_init__(self) -> None:
        self.invariants = Invariants(self)

    @property
    def file(self) -> Path:
        return self.state / "copier.toml"

    @property
    def followers(self) -> tuple[str, ...]:
        return tuple(one.account for copy in self.config.copies for one in copy.followers)

    def wall(self) -> datetime:
        """The daemon's clock, which somebody sets now and then. The broker's own is right."""
        return now() + self.skew

    def stand_still(self, seconds: float) -> None:
        """The machine does: when it goes on, every deadline of this time is over at once."""
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(seconds)
        self.invariants.slept(seconds)

    def read_again(self) -> None:
        """Somebody has edited the configuration, and has it read again while the process runs."""
        if self.supervisor is None or not self.alive or not self.supervisor.ready.is_set():
            return
        self.edits += 1
        self.file.write_text(text_of(self.climate, self.edits))
        try:
            self.supervisor.reload()
        except Killed:
            self.kill(power_lost=False)
        self.config = self.supervisor.config

    @property
    def away(self) -> bool:
        """Is the broker in its maintenance window?"""
        return self.window is not None and self.window[0] <= trio.current_time() < self.window[1]

    @property
    def listens(self) -> bool:
        """Does a process live, and has it come so far that somebody could ask it for something?"""
        return self.alive and self.supervisor is not None and bool(self.supervisor.accounts)

    def meddled(self, name: str) -> None:
        """Somebody else trades on this follower."""
        self.visited.add(name)

    def tell(self, kind: str, words: str) -> None:
        self.told(kind, words.replace(str(self.state), "STATE"))  # a name that every run makes anew

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
        self._mortality = mortality
        self.tell("process", "starts")
        self.stirred_at = trio.current_time()
        try:
            async with trio.open_nursery() as nursery:
                self._death = nursery.cancel_scope
                if self.short_lives:
                    self.short_lives -= 1
                    nursery.start_soon(self._die_soon, dice.uniform(*SHORT))
                nursery.start_soon(self._patience)
                await self._process(mortality)
                nursery.cancel_scope.cancel()
        except* (Killed, LedgerError):  # with the ledger gone it ends, and is started again
            pass
        finally:
            self.alive = False
            with trio.CancelScope(shield=True):
                mortality.dead = True
                kept = self.disk.keep()
                await mortality.bury()
                lost = self.disk.restore(kept, self._power_lost)
        self.deaths += 1
        self.tell("process", "dies" + (f", and the power with it: {lost} bytes are lost" if self._power_lost else ""))

    async def _die_soon(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self.kill(power_lost=False)

    async def _patience(self) -> None:
        """Whoever sends SIGTERM waits so long, and no longer."""
        while self.supervisor is None or not self.alive:
            await trio.sleep(0.1)
        await self.supervisor.stopping.wait()
        asked = trio.current_time()
        await trio.sleep(STOP_LIMIT)
        self.invariants.expect("I38", self.slept_at > asked, "a stop takes longer than it may")

    async def _process(self, mortality: Watched) -> None:
        journal = Journal(self._heard, "info")
        mortality.full = lambda: self.disk.full
        ledger = mortality.ledger(self.disk.path)
        ledger.ballast = self.disk.ballast()
        self.invariants.reopened(ledger, self._power_lost)
        dice = random.Random(f"daemon {self.climate.seed} {self.deaths}")
        ports = Ports(self.wall, dice, mortality.network(self.wire), aside=on_the_loop)
        self._power_lost = False
        supervisor = Supervisor(self.config, ports, journal, ledger, config_path=self.file)
        self.supervisor, self.alive = supervisor, True
        await supervisor.run()

    def _heard(self, entry: Any) -> None:
        self.journal.append(entry)
        self.tell(entry.kind, entry.message)

    def _committed(self, turns: Any) -> None:
        self.invariants.committed(turns)
        if self.disk.dice.random() < 0.2:
            self.disk.sync()
        if self.disk.slow:
            self.stand_still(self.disk.dice.uniform(0.0, self.disk.slow))
