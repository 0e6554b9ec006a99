"""One WebSocket under test: what went out and came in, and when.

Rule 1: it beats, reads and folds as the daemon's session does, and can be told to stop beating.
Rule 2: every event is folded twice, one after the other: what the second folding tells is a second fact, and a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs
import trio

from daemon.logins.correspondence import HEARTBEAT_EVERY
from daemon.logins.session import OPEN_LIMIT
from daemon.ports import Network
from daemon.tradovate import frames
from daemon.tradovate.frames import Closing, Frame, Heartbeat, Messages, Opened, Pushed, Response
from daemon.tradovate.mirror import Mirror
from daemon.tradovate.socket import Connection, SocketLost, connected

READ_LIMIT = 10.0  # seconds for a read
SYNC_LIMIT = 30.0  # seconds for a snapshot, which may exceed a megabyte
_TOLD = {"orders": "order", "positions": "position"}  # what facts are made of
QUIET = 1.0  # seconds without a further part of a snapshot; the end of a split one is not marked


@attrs.define(eq=False, repr=False)
class Line:
    """Run it in a nursery; `ready` is set when it is open or will never be, `ended` when it is over.

    `lost` says why it ended, unless it was hung up. Times are seconds of trio's clock.
    """

    network: Network
    url: str
    wall: Callable[[], datetime]
    beating: bool = True
    beats: list[float] = attrs.field(factory=list)  # when each heartbeat of ours was handed to the kernel
    heard: list[float] = attrs.field(factory=list)  # when each frame came
    heartbeats: list[float] = attrs.field(factory=list)  # when each `h` came
    pushed: list[Pushed] = attrs.field(factory=list)  # props only
    news: list[str] = attrs.field(factory=list)  # facts, by the name of their event
    repeated: int = 0  # rows of snapshots that were folded twice
    second_facts: list[str] = attrs.field(factory=list)
    syncs: int = 0
    synced_at: float = 0.0  # when the last part of the snapshot came
    mirror: Mirror = attrs.field(factory=Mirror)
    lost: SocketLost | None = None
    farewell: float | None = None  # seconds that the close took
    ready: trio.Event = attrs.field(factory=trio.Event)
    ended: trio.Event = attrs.field(factory=trio.Event)
    _leaving: trio.Event = attrs.field(factory=trio.Event)
    _said: str = ""  # the broker's own words before a close
    _connection: Connection | None = None
    _next_id: int = 1
    _answers: dict[int, list[Response]] = attrs.field(factory=dict)
    _bell: trio.Event = attrs.field(factory=trio.Event)

    async def run(self) -> None:
        """Lives until it is hung up or lost. Raises only for bugs."""
        try:
            async with connected(self.network, self.url) as connection:
                self._connection = connection
                await self._live(connection)
                if self.lost is None:
                    began = trio.current_time()
                    await connection.close()
                    self.farewell = trio.current_time() - began
        except SocketLost as lost:
            self.lost = lost
        finally:
            self.ended.set()
            self.ready.set()
            self._ring()

    async def _live(self, connection: Connection) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, connection)
                nursery.start_soon(self._beat, connection)
                await self._leaving.wait()
                nursery.cancel_scope.cancel()
        except* SocketLost as group:
            lost = _first(group)
            self.lost = SocketLost(f"{lost.reason}{f' ({self._said})' if self._said else ''}", lost.status, lost.code)

    async def hang_up(self) -> None:
        """Ends the connection politely; it may be over already."""
        self._leaving.set()
        await self.ended.wait()

    # What is asked

    async def authorize(self, token: str) -> Response:
        """Request 0 of this connection. Raises SocketLost and TooSlowError."""
        await self._send(frames.authorize(0, token))
        return (await self._answered(0, 1, OPEN_LIMIT))[0]

    async def ask(
        self, endpoint: str, body: object | None = None, query: str = "", limit: float = READ_LIMIT
    ) -> Response:
        """Raises SocketLost and TooSlowError."""
        number = self._next_id
        self._next_id += 1
        await self._send(frames.request(endpoint, number, query, body))
        return (await self._answered(number, 1, limit))[0]

    async def sync(self, user: int) -> list[Response]:
        """The one syncrequest, and all answers to it; the mirror has taken them. Raises SocketLost and TooSlowError."""
        number = self._next_id
        self.syncs += 1
        first = await self.ask("user/syncrequest", {"users": [user]}, limit=SYNC_LIMIT)
        answers = [first]
        self.synced_at = trio.current_time()
        with trio.move_on_after(QUIET) as quiet:
            while True:
                answers = await self._answered(number, len(answers) + 1, SYNC_LIMIT)
                self.synced_at = trio.current_time()
                quiet.deadline = self.synced_at + QUIET
        for answer in answers:
            if answer.status == 200:
                self.mirror.load(answer.data, self.wall())
        for answer in answers:
            self._repeat(answer.data)
        return answers

    async def name_contracts(self) -> None:
        """As the daemon's session does before it believes a snapshot. Raises SocketLost and TooSlowError."""
        for contract in sorted(self.mirror.missing_contracts()):
            answer = await self.ask("contract/item", query=f"id={contract}")
            unknown = {"id": contract, "name": f"contract {contract}"}
            told, _ = self.mirror.learn("contract", answer.data if answer.status == 200 else unknown, self.wall())
            self.news += [type(event).__name__ for _, event in told]

    async def repeat(self) -> None:
        """Folds once more what is known last of everything that was pushed. Raises SocketLost and TooSlowError.

        With the names of contracts, because nothing is told of an order or a position whose contract has none.
        """
        await self.name_contracts()
        latest: dict[str, Pushed] = {}
        for pushed in self.pushed:
            data = pushed.data if isinstance(pushed.data, dict) else {}
            entity = data.get("entity")
            rows = entity if isinstance(entity, list) else [entity]
            latest[f"{data.get('entityType')} {[row.get('id') for row in rows if isinstance(row, dict)]}"] = pushed
        for pushed in latest.values():
            self._fold_again(pushed)

    async def more_pushed(self, than: int, limit: float) -> bool:
        """Waits until more than so many events have come; False when they do not within `limit` seconds."""
        with trio.move_on_after(limit):
            while len(self.pushed) <= than and not self.ended.is_set():
                await self._bell.wait()
        return len(self.pushed) > than

    # Within

    def _repeat(self, snapshot: object) -> None:
        """Folds the orders and positions of a snapshot once more, as events."""
        rows = snapshot if isinstance(snapshot, dict) else {}
        for name, kind in _TOLD.items():
            for row in rows.get(name) or ():
                self._fold_again(Pushed("props", {"entityType": kind, "entity": row}))
                self.repeated += 1

    def _fold_again(self, pushed: Pushed) -> None:
        again, _ = self.mirror.fold(pushed, self.wall())
        self.second_facts += [type(event).__name__ for _, event in again]

    async def _send(self, text: str) -> None:
        if self.lost is not None:
            raise self.lost
        if self._connection is None:
            raise SocketLost("the connection has not been opened")
        await self._connection.send(text)

    async def _answered(self, number: int, count: int, limit: float) -> list[Response]:
        with trio.fail_after(limit):
            while len(self._answers.get(number, [])) < count:
                if self.ended.is_set():
                    raise self.lost or SocketLost("the connection was hung up")
                await self._bell.wait()
        return list(self._answers[number])

    async def _beat(self, connection: Connection) -> None:
        await self.ready.wait()
        while True:
            if self.beating:
                await connection.send(frames.HEARTBEAT)
                self.beats.append(trio.current_time())
            await trio.sleep(HEARTBEAT_EVERY)

    async def _read(self, connection: Connection) -> None:
        with trio.move_on_after(OPEN_LIMIT):
            while not isinstance(await self._receive(connection), Opened):
                pass
            self.ready.set()
        if not self.ready.is_set():
            raise SocketLost(f"no open frame within {OPEN_LIMIT:g} s")
        while True:
            frame = await self._receive(connection)
            if isinstance(frame, Messages):
                for item in frame.items:
                    self._take(item)
                self._ring()

    async def _receive(self, connection: Connection) -> Frame:
        frame = await connection.receive()
        self.heard.append(trio.current_time())
        if isinstance(frame, Heartbeat):
            self.heartbeats.append(trio.current_time())
        elif isinstance(frame, Closing):
            self._said = self._said or f"the broker said: {frame.reason or frame.code}"
        return frame

    def _take(self, item: Response | Pushed) -> None:
        if isinstance(item, Response):
            self._answers.setdefault(item.id, []).append(item)
        elif item.name == "shutdown":
            code = item.data.get("reasonCode") if isinstance(item.data, dict) else None
            self._said = f"the broker said: {code}"
        elif item.name == "props":
            self.pushed.append(item)
            told, _ = self.mirror.fold(item, self.wall())
            self.news += [type(event).__name__ for _, event in told]
            self._fold_again(item)

    def _ring(self) -> None:
        self._bell.set()
        self._bell = trio.Event()


def _first(group: BaseExceptionGroup[SocketLost]) -> SocketLost:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
