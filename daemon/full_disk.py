"""A full disk: exits are still written down and sent, in the room that was kept for it; nothing opens.

Rule 1: what cannot be written down is not sent. When the kept room is used up too, the daemon ends, as on any other
        trouble of its ledger.
Rule 2: it is over when the room could be kept again; then every account is read anew before anything opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
import trio

from daemon.bulletins import Board
from daemon.ledger import Ballast, Ledger
from daemon.ports import Ports
from daemon.wiring import Running
from statecharts import states as s
from statecharts.events import DiskFilled, DiskWritable, ReconnectAsked

LOOK_AGAIN = 30.0  # seconds


@attrs.define(eq=False, repr=False)
class DiskWatch:
    """`accounts` answers all that run."""

    ledger: Ledger
    ports: Ports
    board: Board
    accounts: Callable[[], Iterable[Running]]
    _full: trio.Event = attrs.field(factory=trio.Event)

    async def run(self) -> None:
        """Lives as long as the daemon."""
        if self.ledger.ballast is None:
            return
        self.ledger.on_full = lambda: self._full.set()
        if not self.ledger.ballast.there() and not await self._kept(self.ledger.ballast, spare=0):
            self._full.set()
        while True:
            await self._full.wait()
            self._tell_full()
            await self._until_kept(self.ledger.ballast)
            self._full = trio.Event()
            self._tell_writable()

    async def _until_kept(self, ballast: Ballast) -> None:
        """With as much again beside it: what has just been given up is not taken back."""
        while True:
            await trio.sleep(LOOK_AGAIN)
            if await self._kept(ballast, spare=ballast.size):
                return

    @property
    def _wanted(self) -> int:
        ballast = self.ledger.ballast
        return 0 if ballast is None else ballast.room

    async def _kept(self, ballast: Ballast, spare: int) -> bool:
        def put() -> None:
            ballast.put(spare)

        await self.ports.aside(put)
        return ballast.there()

    def _tell_full(self) -> None:
        for running in self.accounts():
            running.runner.post(DiskFilled(at=self.ports.wall()))
        self.board.tell(
            "disk.full",
            f"THE DISK IS FULL ({self.ledger.path.parent}): nothing opens any more; exits go on in the room that was "
            "kept for this",
            severity="page",
            reason="disk full",
            remedy=f"make room there now, until {self._wanted >> 20} MB are free; copierd looks every {LOOK_AGAIN:g} s",
        )

    def _tell_writable(self) -> None:
        now = self.ports.wall()
        for running in self.accounts():
            running.runner.post(DiskWritable(at=now))
            if isinstance(running.account.connection, s.Copying):
                running.runner.post(ReconnectAsked(at=now))
        self.board.tell("disk.writable", "the disk has room again; the accounts are read anew, and copying resumes")
