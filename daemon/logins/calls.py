"""Requests on a login's socket: queued by priority, written by one task, answered by id.

Rule 1: a deadline ends the wait, never a write that has begun: half a frame would kill the connection of every account.
Rule 2: a request that has not begun when the session ends, or when its deadline passes, was certainly never sent.
"""

from __future__ import annotations

import enum
import heapq
import itertools
from collections.abc import Iterator

import attrs
import trio


class Urgency(enum.IntEnum):
    """Beyond the priorities of orders (0 to 3): the heartbeat goes before, reads go after."""

    HEARTBEAT = -1
    READ = 9


@attrs.frozen
class Answered:
    status: int
    data: object


@attrs.frozen
class Lost:
    """The session ended, or the deadline passed, without an answer. `begun`: the request may have arrived."""

    reason: str
    begun: bool


@attrs.define(eq=False)
class Call:
    """One request. `begun` when its first byte may be out, `written` when its last one is."""

    frame: str
    id: int | None
    urgency: int
    begun: bool = False
    written: trio.Event = attrs.field(factory=trio.Event)
    done: trio.Event = attrs.field(factory=trio.Event)
    outcome: Answered | Lost | None = None
    dropped: bool = False

    def finish(self, outcome: Answered | Lost) -> None:
        if self.outcome is None:
            self.outcome = outcome
            self.done.set()

    async def answer(self, limit: float) -> Answered | Lost:
        """Waits for `limit` seconds at most. A request that has not begun by then is taken out of the queue."""
        with trio.move_on_after(limit):
            await self.done.wait()
        if self.outcome is None and not self.begun:
            self.dropped = True
            self.finish(Lost(f"it waited {limit:g} s in the queue", begun=False))
        return self.outcome or Lost(f"no answer within {limit:g} s", begun=True)

    async def late_answer(self) -> Answered | None:
        """What came after the wait was over, if anything did before the session ended."""
        await self.done.wait()
        return self.outcome if isinstance(self.outcome, Answered) else None


@attrs.define(eq=False)
class Queue:
    """What waits to be written, the most urgent first, then in order of arrival."""

    _heap: list[tuple[int, int, Call]] = attrs.field(factory=list)
    _count: Iterator[int] = attrs.field(factory=itertools.count)
    _arrived: trio.Event = attrs.field(factory=trio.Event)

    def put(self, call: Call) -> None:
        heapq.heappush(self._heap, (call.urgency, next(self._count), call))
        self._arrived.set()

    async def take(self) -> Call:
        while True:
            while self._heap:
                _, _, call = heapq.heappop(self._heap)
                if not call.dropped:
                    return call
            self._arrived = trio.Event()
            await self._arrived.wait()

    def __len__(self) -> int:
        return len(self._heap)
