"""Requests on a login's socket: queued by priority, written by one task, answered by id.

Rule 1: a deadline ends the wait, never a write that has begun: half a frame would kill the connection of every account.
Rule 2: a request that has not begun when the session ends, or when its deadline passes, was certainly never sent.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Callable

import attrs
import trio

LOOK_AGAIN = 0.2  # seconds: a bucket that was empty may have a request again


class Urgency(enum.IntEnum):
    """Beyond the priorities of orders (0 to 3): the heartbeat goes before, reads go after.

    VITAL: without it there is no session. SPARE: good to know, and only when there is enough of everything.
    """

    HEARTBEAT = -1
    VITAL = 8
    READ = 9
    SPARE = 10


@attrs.frozen
class Answered:
    status: int
    data: object


@attrs.frozen
class Lost:
    """The session ended, or the deadline passed, without an answer. `begun`: the request may have arrived."""

    reason: str
    begun: bool


@attrs.define(eq=False, repr=False)
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

    @property
    def endpoint(self) -> str:
        return self.frame.partition("\n")[0]

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


def anybody(urgency: int) -> bool:
    """No request has to wait."""
    return True


def for_nothing(call: Call) -> None:
    """No request costs anything."""


@attrs.define(eq=False, repr=False)
class Queue:
    """What waits to be written, the most urgent first, then in order of arrival.

    `allowed` answers whether a request of this urgency may be written now; one that may not is overtaken. `paid` hears
    of each that is taken, before it is asked about the next: of what leaves together each takes its own.
    """

    allowed: Callable[[int], bool] = anybody
    paid: Callable[[Call], None] = for_nothing
    _waiting: dict[int, deque[Call]] = attrs.field(factory=dict)
    _arrived: trio.Event = attrs.field(factory=trio.Event)

    def put(self, call: Call) -> None:
        self._waiting.setdefault(call.urgency, deque()).append(call)
        self._arrived.set()

    async def take(self, most: int = 1) -> list[Call]:
        """Waits until something may be written, and takes so much of it as may be written now, up to `most` calls."""
        while True:
            calls: list[Call] = []
            while len(calls) < most and (call := self._next()) is not None:
                self.paid(call)
                calls.append(call)
            if calls:
                return calls
            self._arrived = trio.Event()
            with trio.move_on_after(LOOK_AGAIN if len(self) else math.inf):
                await self._arrived.wait()

    def _next(self) -> Call | None:
        for urgency in sorted(self._waiting):
            calls = self._waiting[urgency]
            while calls and calls[0].dropped:
                calls.popleft()
            if not calls:
                del self._waiting[urgency]
            elif self.allowed(urgency):
                return calls.popleft()
        return None

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))
