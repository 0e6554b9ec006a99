"""One WebSocket session: frames, authorize, heartbeats, snapshot, events, and everything that may go wrong with them.

Frames of the server: `o` first, `h` every 2.5 s of silence, `a[...]` with one or more messages, `c[code,"reason"]`.
Frames of the client: `[]` as heartbeat, and `<endpoint>\\n<id>\\n<query>\\n<body>` whose trailing parts may be missing.
A response is `{"s":status,"i":id,"d":...}`, an event `{"e":name,"d":...}` (Tradovate OpenAPI, chapter WebSockets).

Rule 1: nothing is pushed before the authorize answer, and no event before a syncrequest.
Rule 2: this file knows no WebSocket library; the server hands it a Wire.
"""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol
from urllib.parse import parse_qsl

import attrs
import trio

from daemon.simulator.calls import Answer, Call
from daemon.simulator.entities import PLURALS, Change
from daemon.simulator.faults import Faults
from daemon.simulator.mangling import Message, arrange, deform, split_snapshot
from daemon.simulator.service import Fate, Service
from daemon.simulator.tokens import Token


class Gone(Exception):
    """The other side is not there any more."""


class Wire(Protocol):
    """A connection that carries text frames. Both methods raise Gone."""

    async def send(self, frame: str) -> None: ...

    async def receive(self) -> str: ...


@attrs.frozen
class Ending:
    """How a session ends: with a WebSocket close of this code, or, when the code is 0, with the connection cut."""

    code: int = 1000
    reason: str = ""


class Session:
    """Run it with `run`; it returns the Ending when the server ends it and raises Gone when the client went."""

    def __init__(self, wire: Wire, service: Service, spawn: Callable[[Callable[[], Awaitable[None]]], None]) -> None:
        self._wire = wire
        self._service = service
        self._spawn = spawn
        self._outbox: list[Message | str] = []
        self._bell = trio.Event()
        self._held: list[Message] | None = None
        self._scope: trio.CancelScope | None = None
        self._ending = Ending()
        self._last_words = False
        self.token: Token | None = None
        self.subscribed: frozenset[int] | None = None
        self.dark = False  # half-open: nothing goes out, nothing that comes in is heard

    @property
    def faults(self) -> Faults:
        """What goes wrong at present."""
        return self._service.faults

    async def run(self) -> Ending:
        """Serve until one side ends it."""
        listeners = self._service.broker.entities.listeners
        listeners.append(self._changed)
        try:
            async with trio.open_nursery() as nursery:
                self._scope = nursery.cancel_scope
                await self._wire.send("o")
                nursery.start_soon(self._write)
                nursery.start_soon(self._read)
        finally:
            listeners.remove(self._changed)
        return self._ending

    def end(self, ending: Ending) -> None:
        """End now, whatever is still in the outbox."""
        self._ending = ending
        if self._scope is not None:
            self._scope.cancel()

    def farewell(self, frame: Message | str, ending: Ending) -> None:
        """Say one last thing, then end."""
        self._put(frame)
        self._last_words, self._ending = True, ending

    def push(self, frame: Message | str) -> None:
        """Send a message, or a raw frame, as it is."""
        self._put(frame)

    # ---- in

    async def _read(self) -> None:
        while True:
            with trio.move_on_after(self.faults.idle_limit) as patience:
                frame = await self._wire.receive()
            if self.dark:
                continue
            if patience.cancelled_caught:
                self.end(Ending(1001, "inactivity"))
                return
            if frame.strip() not in ("[]", ""):
                await self._hear(frame)

    async def _hear(self, frame: str) -> None:
        parts = [*frame.split("\n", 3), "", "", ""][:4]
        endpoint, query = parts[0].strip("/").lower(), dict(parse_qsl(parts[2]))
        body = parts[3].strip()
        try:
            request_id = int(parts[1] or 0)
        except ValueError:
            return  # nobody to answer
        if endpoint == "authorize":
            delay = self.faults.authorize_delay
            await self._now_or_later(delay, partial(self._authorize, request_id, body.strip('"')))
            return
        try:
            parsed = json.loads(body) if body not in ("", "undefined") else {}
        except ValueError:
            self._respond(request_id, Answer(400, "Invalid or missed parameters"))
            return
        fields: dict[str, Any] = parsed if isinstance(parsed, dict) else {}
        if self.token is None:
            self._respond(request_id, Answer(401, "Access is denied"))
        elif self.token.session.evicted:
            self._respond(request_id, Answer(self.faults.evicted_status))
        elif endpoint == "user/syncrequest":
            await self._now_or_later(
                self.faults.sync_delay + self.faults.sync_gap, partial(self._sync, request_id, fields)
            )
        elif endpoint == "auth/accesstokenrequest":
            self._respond(request_id, Answer(404, f"Not found: {endpoint}"))
        else:
            call = Call(endpoint, query, fields, self.token, "ws")
            fate = self._service.draw_fate(call)
            await self._now_or_later(
                fate.late + self.faults.answer_delay[1], partial(self._perform, request_id, call, fate)
            )

    async def _now_or_later(self, delay: float, act: Callable[[], Awaitable[None]]) -> None:
        """What takes no time is done in the order of the frames; the rest outlives this session."""
        if delay > 0:
            self._spawn(act)
        else:
            await act()

    async def _perform(self, request_id: int, call: Call, fate: Fate) -> None:
        answer = await self._service.perform(call, fate, self._hold)
        held, self._held = self._held or [], None
        if fate.cut:
            self.end(Ending(0))
            return
        if self.faults.events_first:
            self._outbox.extend(held)
            held = []
        if answer is not None:
            self._respond(request_id, answer)
        self._outbox.extend(held)
        self._bell.set()

    def _hold(self, act: Callable[[], Answer]) -> Answer:
        """Events of the act wait for its answer, unless the answer is late anyway."""
        if self.faults.answer_delay == (0.0, 0.0):
            self._held = []
        return act()

    async def _authorize(self, request_id: int, text: str) -> None:
        if self.faults.authorize_delay > 0:
            await trio.sleep(self.faults.authorize_delay)
        if self.faults.authorize_silent:
            return
        checked = self._service.authorize(text)
        status = self.faults.authorize_status
        if isinstance(checked, Token) and status == 200:
            self.token = checked
            self._respond(request_id, Answer(200))
        elif self.faults.authorize_anyone:
            self._respond(request_id, Answer(200))
        else:
            self._respond(request_id, Answer(status if status != 200 else 401, self.faults.authorize_words))

    async def _sync(self, request_id: int, body: dict[str, Any]) -> None:
        faults, token, broker = self.faults, self.token, self._service.broker
        if token is None:
            return
        login = token.session.login
        self._service.observer("request", "ws", "user/syncrequest", None, body)
        self._service.calls["user/syncrequest"] += 1
        self._service.syncs[login.key] += 1
        if faults.sync_silent:
            return
        if faults.sync_status != 200:
            self._respond(request_id, Answer(faults.sync_status))
            return
        penalty = self._service.penalty(Call("user/syncrequest", {}, body, token, "ws"))
        if penalty is not None:
            self._service.observer("answer", "ws", "user/syncrequest", penalty.status, penalty.payload)
            self._respond(request_id, penalty)
            return
        wanted = body.get("accounts")
        if login.user_id not in body.get("users", [login.user_id]):
            self._respond(request_id, Answer(401, "Access is denied"))
            return
        snapshot = broker.snapshot(login, wanted)
        accounts = frozenset(entity["id"] for entity in snapshot["accounts"]) | {login.user_id}
        if faults.sync_gap > 0:
            await trio.sleep(faults.sync_gap)
        self.subscribed = accounts
        if faults.sync_delay > 0:
            await trio.sleep(faults.sync_delay)
        if faults.sync_empty:
            snapshot = {plural: [] for plural in PLURALS.values()}
        elif faults.sync_bare:
            snapshot = {plural: rows if plural == "users" else [] for plural, rows in snapshot.items()}
        self._service.observer("answer", "ws", "user/syncrequest", 200, snapshot)
        split = bool(body.get("splitResponses"))
        parts = [snapshot]
        if faults.sync_parts > 1 and (split or faults.sync_always_split):
            parts = split_snapshot(snapshot, faults.sync_parts, broker.dice)
        for part in parts:
            if faults.sync_truncated:
                text = self._frame([{"s": 200, "i": request_id, "d": part}])
                self._put(text[: len(text) // 2])
            else:
                self._respond(request_id, Answer(200, part))

    # ---- out

    def _respond(self, request_id: int, answer: Answer) -> None:
        message: Message = {"s": answer.status, "i": request_id}
        if answer.status == 404 and isinstance(answer.payload, str):
            message["d"] = json.dumps(answer.payload)  # quoted twice, as on a wire capture
        elif answer.payload is not None:
            message["d"] = answer.payload
        self._put(message)

    def _changed(self, change: Change) -> None:
        """An entity changed somewhere at the broker."""
        if self.subscribed is None or self.dark:
            return
        if change.owner is not None and change.owner not in self.subscribed:
            return
        faults, dice = self.faults, self._service.broker.dice
        data = {"entityType": change.kind, "eventType": change.event, "entity": change.entity}
        self._service.observer("event", "ws", change.kind, None, data)
        for message in deform({"e": "props", "d": data}, faults, dice):
            delay = dice.uniform(*faults.props_delay) if faults.props_delay != (0.0, 0.0) else 0.0
            if delay > 0:
                self._service.broker.later(delay, partial(self._put, message))
            elif self._held is not None:
                self._held.append(message)
            else:
                self._put(message)

    def _put(self, message: Message | str) -> None:
        self._outbox.append(message)
        self._bell.set()

    def _frame(self, messages: list[Message]) -> str:
        return "a" + json.dumps(messages, separators=(",", ":"))

    async def _write(self) -> None:
        while True:
            with trio.move_on_after(self.faults.heartbeat):
                await self._bell.wait()
            self._bell = trio.Event()
            outbox, self._outbox = self._outbox, []
            if self.dark:
                continue
            frames = arrange(outbox, self.faults, self._service.broker.dice)
            if not outbox and self.faults.heartbeats:
                frames = ["h"]
            for frame in frames:
                await self._wire.send(frame if isinstance(frame, str) else self._frame(frame))
            if self._last_words and not self._outbox:
                self.end(self._ending)
                return
