"""What the daemon says of itself and its accounts: started, ready, caught up, every change of state.

Rule 1: a turn is one line: a change of state for the operator, the rest for whoever reads at level debug.
Rule 2: after a start it is told once what the followers held before, what they hold now, and who is not like its
        leader.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import attrs
import trio

from daemon import holdings
from daemon.bulletins import STATE, Board
from daemon.ledger import Taken
from daemon.notify import Notify
from daemon.wiring import Running
from statecharts.account import Account
from statecharts.states import Cause

CATCHING_UP_LIMIT = 60.0  # seconds after a start, until it is told who is not there yet


@attrs.define(eq=False, repr=False)
class Herald:
    """`accounts` are the daemon's, by their names, and grow while it starts; `last_stop` is how the last run ended."""

    board: Board
    notify: Notify
    accounts: Mapping[str, Running]
    last_stop: str
    _turn_taken: trio.Event = attrs.field(factory=trio.Event)

    async def until(self, true: Callable[[], bool]) -> None:
        """Looks after each turn."""
        while not true():
            await self._turn_taken.wait()

    def ready(self, logins: int) -> None:
        there = f"{_counted(len(self.accounts), 'account')}, {_counted(logins, 'login')}"
        self.board.tell("daemon.started", f"started: {there}; last stop: {self.last_stop}", reason=self.last_stop)
        self.notify("READY=1")
        self._say_status()

    def stopping(self) -> None:
        self.notify("STOPPING=1")
        self.board.tell("daemon.stopped", "stopping: no new copies, waiting for orders in flight")

    def stopped(self, unanswered: int) -> None:
        """`unanswered` requests were on their way, and nobody knows what became of them."""
        words = "stopped cleanly; orders and positions stay at the broker"
        if unanswered:
            words += f"; {unanswered} without an answer, looked up at the next start"
        self.board.tell("daemon.stopped", words, severity="warning" if unanswered else "info")

    async def caught_up(self) -> None:
        """Waits until every follower has been compared with its leader, but not for ever, and tells."""
        before = {account.name: holdings.own(account) for account in self._accounts() if account.rules.copy}
        with trio.move_on_after(CATCHING_UP_LIMIT):
            await self.until(lambda: not any(holdings.uncompared(account) for account in self._accounts()))
        odd = list(holdings.mismatches(self._accounts()))
        unexpected = (one for one in self._accounts() if one.connection.cause is not Cause.MAINTENANCE)
        worrying = any(True for _ in holdings.mismatches(unexpected))
        words = f"{len(before) - len(odd)} of {len(before)} followers match their leader"
        self.board.tell(
            "daemon.ready",
            "; ".join([f"ready (last stop: {self.last_stop}): {words}", *odd]),
            severity="warning" if worrying else "info",
            reason=self.last_stop,
            positions={name: (held, holdings.own(self.accounts[name].account)) for name, held in before.items()},
        )

    def told(self, taken: Taken) -> None:
        """A turn has been taken and its effects are under way."""
        self._turn_taken.set()
        self._turn_taken = trio.Event()
        before, after, event = taken.before.connection, taken.after.connection, taken.event
        kind = type(event).__name__
        if taken.failed is not None:
            self.board.journal.say(
                "turn.failed",
                f"{taken.after.name}: {kind} raised\n{taken.failed}",
                severity="error",
                account=taken.after.name,
            )
        if after is before:
            return
        reason = f"({after.reason})" if after.reason else ""
        self.board.tell(
            STATE,
            f"{taken.after.name} {type(before).__name__} -> {type(after).__name__} on {kind}{reason}",
            account=taken.after.name,
            login=self.accounts[taken.after.name].config.login,
            from_=before.shown,
            state=after.shown,
            cause=after.cause.value if after.cause else None,
            event=kind,
            reason=after.reason,
        )
        self._say_status()

    def _say_status(self) -> None:
        shown = Counter(running.account.connection.shown for running in self.accounts.values())
        self.notify("STATUS=" + ", ".join(f"{count} {state}" for state, count in shown.items()))

    def _accounts(self) -> Iterator[Account]:
        return (running.account for running in self.accounts.values())


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
