"""Whose handshake is next: two at a time, and of those that wait the most important one goes first.

Rule 1: a login that leads goes before all others: no follower makes up for anything until the leader has been read.
        Then come those that hold a position. Among equals it is who came first.
Rule 2: who has its turn and still waits for the bucket to have a dial gives way to one that is more important.
"""

from __future__ import annotations

import enum
import heapq

import attrs
import trio

HANDSHAKES_AT_A_TIME = 2


class Rank(enum.IntEnum):
    LEADS = 0
    HOLDS = 1
    WAITS = 2


@attrs.define(eq=False, repr=False)
class Turns:
    """Takes whoever wants to dial as an object of its own: each has one turn at most."""

    _waiting: list[tuple[Rank, int, object, trio.Event]] = attrs.field(factory=list)  # a heap
    _came: int = 0
    _has_it: dict[object, Rank] = attrs.field(factory=dict)
    _without_a_dial: set[object] = attrs.field(factory=set)

    async def take(self, one: object, rank: Rank) -> None:
        self._came += 1
        place = (rank, self._came, one, trio.Event())
        heapq.heappush(self._waiting, place)
        self._next()
        try:
            await place[3].wait()
        except BaseException:
            if place in self._waiting:
                self._waiting.remove(place)
                heapq.heapify(self._waiting)
            self.leave(one)
            raise

    def leave(self, one: object) -> None:
        """Its turn is over, if it has one."""
        self._has_it.pop(one, None)
        self._without_a_dial.discard(one)
        self._next()

    def may_dial(self, one: object) -> bool:
        """Has nobody more important a turn, and no dial yet?"""
        return all(self._has_it[one] <= self._has_it[other] for other in self._without_a_dial)

    def dialed(self, one: object) -> None:
        self._without_a_dial.discard(one)

    async def give_way(self, one: object) -> None:
        """Rule 2. Returns when it has a turn, the same or another."""
        rank = self._has_it[one]
        if self._waiting and self._waiting[0][0] < rank:
            self.leave(one)
            await self.take(one, rank)

    def _next(self) -> None:
        while self._waiting and len(self._has_it) < HANDSHAKES_AT_A_TIME:
            rank, _, one, turn = heapq.heappop(self._waiting)
            self._has_it[one] = rank
            self._without_a_dial.add(one)
            turn.set()
