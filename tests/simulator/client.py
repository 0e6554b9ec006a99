"""A tiny client of the look-alike: one WebSocket over streams in memory, and the house it talks to."""

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import attrs
import trio
import trio.testing
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, wrap_client_stream

from daemon.simulator import Broker, LoginSpec, Server
from daemon.simulator.faults import Faults

PASSWORD = "secret"
EPOCH = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
LOGINS = {
    "apex": LoginSpec(username="jane", password=PASSWORD, accounts=("LEAD", "EVAL1", "EVAL2")),
    "fund": LoginSpec(username="joe", password="hidden", accounts=("FUND",)),
}


def now() -> datetime:
    """Virtual wall time."""
    return EPOCH + timedelta(seconds=trio.current_time())


@attrs.define
class Client:
    """Reads everything in the background; what came is in `frames`, `answers` (by id) and `events`."""

    socket: WebSocketConnection
    frames: list[str] = attrs.Factory(list)
    heard: list[dict[str, Any]] = attrs.Factory(list)
    beating: bool = True
    next_id: int = 0
    _closed: bool = False
    _bell: trio.Event = attrs.Factory(trio.Event)

    def is_closed(self) -> bool:
        """Has the server, or the connection, gone?"""
        return self._closed

    async def read(self) -> None:
        try:
            while True:
                frame = await self.socket.get_message()
                assert isinstance(frame, str)
                self.frames.append(frame)
                if frame.startswith("a"):
                    try:
                        self.heard.extend(json.loads(frame[1:]))
                    except ValueError:
                        self.heard.append({"malformed": frame})
                self._ring()
        except ConnectionClosed:
            self._closed = True
            self._ring()

    async def beat(self) -> None:
        while self.beating and not self.is_closed():
            await trio.sleep(2.5)
            try:
                await self.socket.send_message("[]")
            except ConnectionClosed:
                return

    async def send(self, frame: str) -> None:
        await self.socket.send_message(frame)

    async def ask(self, endpoint: str, body: Any = None, query: str = "") -> dict[str, Any]:
        """One request; returns the whole answer object. Raises TooSlowError after a minute."""
        self.next_id += 1
        text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
        await self.send(f"{endpoint}\n{self.next_id}\n{query}\n{text}")
        return await self.answer(self.next_id)

    async def answer(self, request_id: int) -> dict[str, Any]:
        return await self.wait(lambda message: message.get("i") == request_id)

    async def wait(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        with trio.fail_after(60):
            while True:
                for message in self.heard:
                    if wanted(message):
                        return message
                if self.is_closed():
                    raise EOFError("the socket is closed")
                await self._bell.wait()

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The data of all props events, or of those of one entity type."""
        data = [message["d"] for message in self.heard if message.get("e") == "props"]
        return [item for item in data if kind in (None, item["entityType"])]

    def entities(self, kind: str) -> list[dict[str, Any]]:
        return [item["entity"] for item in self.events(kind)]

    async def synced(self, server: Server, username: str = "jane", password: str = PASSWORD) -> dict[str, Any]:
        """Authorize with a fresh token and syncrequest; returns the snapshot."""
        token = await login(server, username, password)
        assert (await self.ask("authorize", token["accessToken"]))["s"] == 200
        answer = await self.ask("user/syncrequest", {"users": [token["userId"]]})
        assert isinstance(answer["d"], dict)
        return answer["d"]

    def _ring(self) -> None:
        self._bell.set()
        self._bell = trio.Event()


async def post(server: Server, endpoint: str, body: Any, token: str = "") -> tuple[int, Any]:
    """One REST call without a connection."""
    content = b"" if body is None else json.dumps(body).encode()
    status, _, reply = await server.rest("POST", f"/v1/{endpoint}", {"Authorization": f"Bearer {token}"}, content)
    try:
        return status, json.loads(reply) if reply else None
    except ValueError:
        return status, reply.decode()


async def get(server: Server, target: str, token: str) -> tuple[int, Any]:
    return await post(server, target, None, token)


async def login(server: Server, username: str = "jane", password: str = PASSWORD, **more: Any) -> dict[str, Any]:
    """A token's whole answer."""
    body = {"name": username, "password": password, "appId": "copierd", "appVersion": "1.0", **more}
    status, answer = await post(server, "auth/accesstokenrequest", body)
    assert status == 200
    assert isinstance(answer, dict)
    return answer


@attrs.define
class House:
    """A running server and a way to it."""

    server: Server
    broker: Broker
    nursery: trio.Nursery

    @asynccontextmanager
    async def connect(self, beating: bool = True, path: str = "/v1/websocket") -> AsyncIterator[Client]:
        """A WebSocket in memory. Raises HandshakeError when it is refused."""
        here, there = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.server.serve_stream, there)
        refused: HandshakeError | None = None
        try:
            async with trio.open_nursery() as nursery:
                with trio.fail_after(30):
                    stream = cast(trio.SocketStream, here)  # any stream will do, the annotation is too narrow
                    socket = await wrap_client_stream(nursery, stream, "localhost", path, message_queue_size=1000)
                client = Client(socket, beating=beating)
                nursery.start_soon(client.read)
                nursery.start_soon(client.beat)
                yield client
                nursery.cancel_scope.cancel()
        except* HandshakeError as group:
            found = group.exceptions[0]
            assert isinstance(found, HandshakeError)
            refused = found
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(here)
        if refused is not None:
            raise refused

    async def settle(self, seconds: float = 0.1) -> None:
        """Let everything happen that is due."""
        await trio.sleep(seconds)


def play(story: Callable[[House], Awaitable[None]], faults: Faults | None = None, **build: Any) -> None:
    """Run a story in virtual time against a fresh house."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            logins = build.pop("logins", LOGINS)
            observer = build.pop("observer", None)
            broker = Broker.build(logins, now=now, dice=random.Random(7), faults=faults, **build)
            server = Server(broker) if observer is None else Server(broker, observer)
            await nursery.start(server.run)
            await story(House(server, broker, nursery))
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
