"""A request that has begun is seen through, also when the daemon stops.

Rule: only what would be lost for good is kept alive here, and never without a deadline.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

STOP_GRACE = 3.0  # seconds; a stop takes 10 at most, and up to 5 of them wait for orders


async def seen_through(act: Callable[[], Awaitable[None]]) -> None:
    """Runs `act`; a cancellation gives it STOP_GRACE to end: the broker may have replaced the old token already."""
    done, scope = trio.Event(), trio.CancelScope(shield=True)

    async def shielded() -> None:
        with scope:
            await act()
        done.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(shielded)
        try:
            await done.wait()
        finally:
            scope.deadline = trio.current_time() + STOP_GRACE
