"""Is everybody still at work? Systemd's watchdog is fed while it is so, and an account that is stuck is restarted.

Rule 1: the watchdog is fed from the loop itself, after the ledger has answered and every account has been looked at:
        where one of these is stuck, systemd kills the process and starts it again.
Rule 2: one stuck account neither hides nor ends the service: it is told, and restarted as after a bug.
Rule 3: a machine that was asleep has left nobody stuck: what counts is how often an account was looked at in vain.
Rule 4: what a slow reader of the log has kept waiting is said here at the latest: an alarm waits for no other line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import attrs
import trio

from daemon import outlet
from daemon.ledger import Ledger
from daemon.notify import Notify
from daemon.wiring import Running

LOOK_EVERY = 5.0  # seconds, where systemd does not want it more often
STUCK_AFTER = 30.0  # seconds with events in the inbox and not one taken: a turn takes milliseconds


def fed_every(environ: Mapping[str, str]) -> float | None:
    """sd_watchdog_enabled(3): half of the time after which systemd kills, in seconds; None where it watches not us."""
    wanted = environ.get("WATCHDOG_USEC", "")
    if not wanted.isascii() or not wanted.isdigit() or int(wanted) <= 0:
        return None
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(wanted) / 1_000_000 / 2


@attrs.define(eq=False, repr=False)
class Lookout:
    ledger: Ledger
    accounts: Mapping[str, Running]
    notify: Notify
    fed_every: float | None = None
    _seen: dict[str, tuple[int, float]] = attrs.field(factory=dict)  # turns taken, and for how long none was

    async def run(self) -> None:
        """Until it is cancelled. Raises LedgerError."""
        every = min(LOOK_EVERY, self.fed_every or LOOK_EVERY)
        while True:
            self.ledger.fact("run")
            for name, running in tuple(self.accounts.items()):
                self._look_at(name, running, every)
            outlet.go_on()
            if self.fed_every is not None:
                self.notify("WATCHDOG=1")
            await trio.sleep(every)

    def _look_at(self, name: str, running: Running, every: float) -> None:
        inbox = running.runner.inbox
        taken, idle = self._seen.get(name, (-1, 0.0))
        if inbox.empty or inbox.taken != taken:
            self._seen[name] = inbox.taken, 0.0
        elif idle + every >= STUCK_AFTER:
            self._seen[name] = inbox.taken, 0.0
            running.stuck.set()
        else:
            self._seen[name] = taken, idle + every
