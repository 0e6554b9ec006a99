"""GET /v1/copies as a stream: each copy when it is new, and again whenever something of it has changed.

Rule 1: the id of an event is the ledger's last turn that is in it. Who comes back with it (Last-Event-ID) gets every
        copy that has changed since, also over a restart of the daemon: the ledger knows.
Rule 2: copies are read for a watcher at most ten times a second, so that no number of watchers delays one.
Rule 3: a ledger that cannot be read ends the stream with an event `problem`, which says what an answer would say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from daemon.control.live import QUIET, RETRY_MS, STREAM, event, say, until_gone
from daemon.control.problems import ledger_unusable
from daemon.control.queries import CopiesQuery
from daemon.ledger.schema import LedgerError

if TYPE_CHECKING:
    from daemon.supervisor import Supervisor

GATHER = 0.1  # seconds from one look to the next
SPAN = 500  # turns that are looked through at once, before others have theirs

Json = dict[str, object]


@attrs.define(eq=False, repr=False)
class CopyStream(Response):
    """`last_seen` is a turn; None: from now on. `shown` makes the contract's copy of a row."""

    supervisor: Supervisor
    asked: CopiesQuery
    last_seen: int | None
    shown: Callable[[Json], Json]
    background: None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        newest = self.supervisor.ledger.last_turn()  # before the answer begins: a failure is an answer of its own
        async with trio.open_nursery() as nursery:
            nursery.start_soon(until_gone, receive, nursery.cancel_scope)
            headers = [(b"content-type", STREAM.encode()), (b"x-accel-buffering", b"no")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await say(send, f"retry: {RETRY_MS}\n: copierd\n\n")
            try:
                await self._follow(send, newest)
            except LedgerError as error:
                await say(send, event("problem", ledger_unusable(error).as_json()))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            nursery.cancel_scope.cancel()

    async def _follow(self, send: Send, newest: int) -> None:
        """Without an end. Raises LedgerError."""
        ledger = self.supervisor.ledger
        last = newest if self.last_seen is None else self.last_seen
        if last > newest:  # of another ledger
            last = newest
            await say(send, event("gap", {"detail": "copies may be missing here: ask for them"}, last))
        while True:
            with trio.move_on_after(QUIET) as waiting:
                await self.supervisor.herald.until(lambda seen=last: ledger.last_turn() > seen)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            if waiting.cancelled_caught:
                await say(send, ": still here\n\n")
                continue
            until = min(ledger.last_turn(), last + SPAN)
            rows = ledger.changed_copies(last, until, follower=self.asked.follower, outcome=self.asked.outcome)
            last = until
            # The id stands at the last one: who was cut off in the middle gets all of them again.
            told = (event("copy", self.shown(row), last if row is rows[-1] else None) for row in rows)
            await say(send, "".join(told))
            await trio.sleep(GATHER)
