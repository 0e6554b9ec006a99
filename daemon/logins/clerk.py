"""One clerk asks the broker for all who want something of a login's token.

Rule 1: one request after the other: refresh tokens rotate, and two refreshes in parallel make each other void.
Rule 2: a request that has begun is seen through, also when whoever wanted it has gone, or the daemon stops: its answer
        may have replaced what we have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, TypeVar

import attrs
import trio

from daemon.logins.grace import seen_through

T = TypeVar("T")


@attrs.define(eq=False, repr=False)
class _Wish(Generic[T]):
    act: Callable[[], Awaitable[T]]
    done: trio.Event = attrs.field(factory=trio.Event)
    came: list[T] = attrs.field(factory=list)
    failure: Exception | None = None


@attrs.define(eq=False, repr=False)
class Clerk:
    """`asking` is held while a request is under way."""

    asking: trio.Lock = attrs.field(factory=trio.Lock)
    _wishes: deque[_Wish[Any]] = attrs.field(factory=deque)
    _bell: trio.Event = attrs.field(factory=trio.Event)

    async def do(self, act: Callable[[], Awaitable[T]]) -> T:
        """Has `act` carried out in its turn, and answers or raises what it did."""
        wish = _Wish(act)
        self._wishes.append(wish)
        self.ring()
        await wish.done.wait()
        if wish.failure is not None:
            raise wish.failure
        return wish.came[0]

    def ring(self) -> None:
        """There is news: whoever waits looks again."""
        self._bell.set()

    async def wait(self, seconds: float) -> None:
        """Until somebody wants something, or rings, or for so long."""
        if not self._wishes:
            with trio.move_on_after(seconds):
                await self._bell.wait()
        self._bell = trio.Event()

    async def serve(self) -> bool:
        """Carries out the oldest wish; False when there is none."""
        if not self._wishes:
            return False
        await seen_through(partial(self._fulfil, self._wishes.popleft()))
        return True

    async def _fulfil(self, wish: _Wish[Any]) -> None:
        async with self.asking:
            try:
                wish.came.append(await wish.act())
            except Exception as failure:  # noqa: BLE001 - raised where it is wanted: a bug ends that session
                wish.failure = failure
        wish.done.set()
