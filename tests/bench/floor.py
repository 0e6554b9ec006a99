"""The floor: what this stack can do at best. It reads the leader's event and sends orders that were written beforehand.

It decides nothing, remembers nothing, and understands nothing of what it reads; it would lose money within a day.

Arguments: the address, then each login with the ids of its followers: `LOGIN:ID,ID,...`, the leader's login first.
"""

from __future__ import annotations

import itertools
import json
import sys

import attrs
import trio
import trio_websocket

from tests.bench.books import SYMBOL


@attrs.define(eq=False)
class Socket:
    """One login's connection, and the orders for its accounts, ready to be sent: first those that buy."""

    websocket: trio_websocket.WebSocketConnection
    accounts: list[int]
    ready: list[list[str]] = attrs.field(factory=list)

    def prepare(self, side: str, numbers: itertools.count[int]) -> None:
        self.ready.append([order(account, side, next(numbers)) for account in self.accounts])


def order(account: int, side: str, number: int) -> str:
    """As large as one of the daemon's."""
    name = f"floor-{number:026d}"
    body = {"accountSpec": f"DEMO{account}", "accountId": account, "action": side, "symbol": SYMBOL, "orderQty": 1}
    body |= {"orderType": "Market", "timeInForce": "Day", "clOrdId": name, "customTag50": name, "text": name}
    return f"order/placeorder\n{number}\n\n{json.dumps({**body, 'isAutomated': True}, separators=(',', ':'))}"


def is_the_leaders(frame: str | bytes) -> bool:
    """An answer to an order of ours begins otherwise."""
    return isinstance(frame, str) and frame.startswith('a[{"e":"props"')


def layout(arguments: list[str]) -> list[tuple[str, list[int]]]:
    named = (argument.partition(":") for argument in arguments)
    return [(login, [int(one) for one in accounts.split(",") if one]) for login, _, accounts in named]


async def run(address: str, logins: list[tuple[str, list[int]]]) -> None:
    numbers = itertools.count(1)
    sides = itertools.cycle(("Buy", "Sell"))
    async with trio.open_nursery() as nursery:
        sockets = []
        for login, accounts in logins:
            websocket = await trio_websocket.connect_websocket_url(nursery, address)
            socket = Socket(websocket, accounts)
            sockets.append(socket)
            await websocket.get_message()
            await websocket.send_message(f"authorize\n0\n\ntok-{login}")
            await websocket.get_message()
            nursery.start_soon(beat, websocket)
        for socket in sockets:
            await socket.websocket.send_message("user/syncrequest\n0\n\n{}")
            await socket.websocket.get_message()
        for socket in sockets[1:]:
            nursery.start_soon(drain, socket.websocket)

        def prepare() -> None:
            side = next(sides)
            for socket in sockets:
                socket.prepare(side, numbers)

        prepare()
        while True:
            if not is_the_leaders(await sockets[0].websocket.get_message()):
                continue
            for socket in sockets:
                for frame in socket.ready.pop():
                    await socket.websocket.send_message(frame)
            prepare()


async def beat(websocket: trio_websocket.WebSocketConnection) -> None:
    while True:
        await trio.sleep(2.5)
        await websocket.send_message("[]")


async def drain(websocket: trio_websocket.WebSocketConnection) -> None:
    while True:
        await websocket.get_message()


if __name__ == "__main__":
    trio.run(run, sys.argv[1], layout(sys.argv[2:]))
