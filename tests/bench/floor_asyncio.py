"""The floor once more, on asyncio's streams and with wsproto's framing: what the choice of trio costs, or does not.

Arguments as of `floor.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import attrs
import wsproto
from wsproto import events

from tests.bench.floor import is_the_leaders, layout, order

CHUNK = 64 * 1024  # bytes per read


@attrs.define(eq=False)
class Socket:
    """One login's connection, and the orders for its accounts, ready to be sent."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    accounts: list[int]
    frames: wsproto.WSConnection = attrs.field(factory=lambda: wsproto.WSConnection(wsproto.ConnectionType.CLIENT))
    ready: list[list[str]] = attrs.field(factory=list)

    @classmethod
    async def opened(cls, address: str, accounts: list[int]) -> Socket:
        parts = urlsplit(address)
        socket = cls(*await asyncio.open_connection(parts.hostname, parts.port), accounts)
        socket.writer.write(socket.frames.send(events.Request(host=parts.netloc, target=parts.path)))
        return socket

    def prepare(self, side: str, numbers: itertools.count[int]) -> None:
        self.ready.append([order(account, side, next(numbers)) for account in self.accounts])

    def send(self, text: str) -> None:
        self.writer.write(self.frames.send(events.TextMessage(data=text)))

    async def texts(self) -> AsyncIterator[str]:
        whole = ""
        while True:
            for event in self.frames.events():
                if isinstance(event, events.TextMessage):
                    whole += event.data
                    if event.message_finished:
                        yield whole
                        whole = ""
            self.frames.receive_data(await self.reader.read(CHUNK) or None)


async def run(address: str, logins: list[tuple[str, list[int]]]) -> None:
    numbers = itertools.count(1)
    sides = itertools.cycle(("Buy", "Sell"))
    sockets, heard = [], []
    for login, accounts in logins:
        socket = await Socket.opened(address, accounts)
        texts = socket.texts()
        await anext(texts)
        socket.send(f"authorize\n0\n\ntok-{login}")
        await anext(texts)
        sockets.append(socket)
        heard.append(texts)
    for socket, texts in zip(sockets, heard, strict=True):
        socket.send("user/syncrequest\n0\n\n{}")
        await anext(texts)
    others = [asyncio.create_task(drain(texts)) for texts in heard[1:]]
    others += [asyncio.create_task(beat(socket)) for socket in sockets]

    def prepare() -> None:
        side = next(sides)
        for socket in sockets:
            socket.prepare(side, numbers)

    prepare()
    async for text in heard[0]:
        if is_the_leaders(text):
            for socket in sockets:
                for frame in socket.ready.pop():
                    socket.send(frame)
            prepare()


async def beat(socket: Socket) -> None:
    while True:
        await asyncio.sleep(2.5)
        socket.send("[]")


async def drain(texts: AsyncIterator[str]) -> None:
    async for _ in texts:
        pass


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], layout(sys.argv[2:])))
