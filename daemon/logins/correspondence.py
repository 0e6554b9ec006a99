"""The requests of one session: numbered, queued, written by one task, and joined with their answers.

Rule 1: only `write` writes; the heartbeat stands in the same queue, before everything else.
Rule 2: what is under way when the session ends is lost, and says whether its first byte may be out. Of what was to be
        written at once, all of it may be.
"""

from __future__ import annotations

import attrs
import trio

from daemon.logins.calls import Answered, Call, Lost, Queue, Urgency
from daemon.logins.rate import Rate
from daemon.tradovate import frames
from daemon.tradovate.frames import Response
from daemon.tradovate.socket import Connection
from statecharts.effects import Priority

HEARTBEAT_EVERY = 2.5  # seconds: Tradovate closes a socket on which the client is silent for longer
WRITE_LIMIT = 5.0  # seconds for one write: longer, and the other side has stopped reading
# Frames in one write. An exit may have to wait for so many before it. Orders of followers come in rounds, and to write
# each by itself takes a call of the kernel and two switches of tasks: 20 in a row took 4.3 ms, with the reader in the
# same process; at once, 0.6.
AT_ONCE = 64


@attrs.define(eq=False, repr=False)
class Correspondence:
    """`ended`: the session's; afterwards nothing is taken any more."""

    rate: Rate
    ended: trio.Event
    under_way: dict[int, Call] = attrs.field(factory=dict)  # without an answer, by the number of the request
    queue: Queue = attrs.field(init=False)
    next_id: int = 1  # 0 is the authorize

    def __attrs_post_init__(self) -> None:
        self.queue = Queue(self.rate.allows, self._paid)

    def request(self, endpoint: str, body: object | None, urgency: int, query: str = "") -> Call:
        """Queues a request at once; the answer is awaited with `Call.answer`."""
        number = self.next_id
        self.next_id += 1
        call = Call(frames.request(endpoint, number, query, body), number, urgency)
        if self.ended.is_set():
            call.finish(Lost("there is no session", begun=False))
        else:
            self.under_way[number] = call
            self.queue.put(call)
        return call

    def answered(self, response: Response) -> Call | None:
        """The request that this answers, which is finished by it; None when it answers none that waits."""
        call = self.under_way.pop(response.id, None)
        if call is not None:
            call.finish(Answered(response.status, response.data))
        return call

    def lose(self, reason: str) -> None:
        """The session is over."""
        for call in self.under_way.values():
            call.finish(Lost(reason, call.begun))
        self.under_way.clear()

    async def write(self, connection: Connection) -> None:
        """For as long as the session lives. Raises SocketLost, and TooSlowError when a frame could not be written."""
        while True:
            calls = await self.queue.take(AT_ONCE)
            connection.check()  # of a socket that is known to be lost, nothing of a round need be in doubt
            for call in calls:
                call.begun = True
            with trio.fail_after(WRITE_LIMIT):
                await connection.send(*(call.frame for call in calls))
            for call in calls:
                call.written.set()

    def _paid(self, call: Call) -> None:
        if call.urgency not in (Urgency.HEARTBEAT, Priority.ENTRY):  # an entry was paid for when it was admitted
            self.rate.spend()

    async def beat(self) -> None:
        """For as long as the session lives."""
        while True:
            self.queue.put(Call(frames.HEARTBEAT, None, Urgency.HEARTBEAT))
            await trio.sleep(HEARTBEAT_EVERY)
