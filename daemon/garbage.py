"""When cycles of garbage are looked for: while there is nothing else to do, and not while an order waits.

Python's own collector looks when so many objects have come, and they come while orders are copied: every thirtieth
round or so had to wait for it, with twenty followers, and took 12 ms in place of 6.

Rule 1: it is looked for when the loop is about to sleep, in a few young objects at a time.
Rule 2: a loop that never sleeps is interrupted all the same, later.
"""

from __future__ import annotations

import gc

import trio

# Objects that are there beyond those at the last look: to look at so many takes about a millisecond. A round with
# twenty followers and all that comes of it leaves some 850.
YOUNG = 2_000
WITHOUT_REST = 100_000  # after so many it is not waited for a pause any longer
OLDER, OLDEST = 4, 500  # looks at the younger ones before one at these: so seldom that none takes 10 ms, but the last


class Sweeper(trio.abc.Instrument):
    """Tidies up in the pauses of the loop. `begin` first: it takes over from Python's own collector."""

    def begin(self) -> None:
        gc.set_threshold(WITHOUT_REST, OLDER, OLDEST)
        gc.enable()

    def before_io_wait(self, timeout: float) -> None:
        """`timeout` in seconds: how long nobody has anything to do, when nothing comes in."""
        young, older, oldest = gc.get_count()
        if timeout > 0 and young >= YOUNG:
            gc.collect(2 if oldest > OLDEST else 1 if older > OLDER else 0)
