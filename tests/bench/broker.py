"""A broker look-alike in a process of its own, with logins of many accounts, whose leaders trade when they are told.

`python -m tests.bench.broker LOGINS ACCOUNTS` prints its address; a line of standard input sets how many orders a
second all leaders together place, 0 none.
"""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime

import attrs
import trio

from daemon.simulator import Broker, LoginSpec, Server, serve_tcp

IDLE = 0.05  # seconds between two looks whether to trade


def account_name(login: int, place: int) -> str:
    """The first of each login leads."""
    return f"BENCH-{login}-{place}"


@attrs.define
class Leaders:
    """They buy one and sell one, in turn, so that nobody's position grows."""

    broker: Broker
    logins: int
    a_second: float = 0.0
    _placed: int = 0

    async def trade(self) -> None:
        symbol = next(name for name in self.broker.exchange.last if name.startswith("ES"))
        due = trio.current_time()
        while True:
            if self.a_second <= 0:
                await trio.sleep(IDLE)
                due = trio.current_time()
                continue
            round_, leader = divmod(self._placed, self.logins)
            self.broker.place(account_name(leader, 0), "Sell" if round_ % 2 else "Buy", symbol, 1)
            self._placed += 1
            due += 1 / self.a_second
            await trio.sleep_until(due)

    async def obey(self) -> None:
        stdin = trio.wrap_file(sys.stdin)
        async for line in stdin:
            self.a_second = float(line)


async def serve(logins: int, accounts: int) -> None:
    specs = {
        f"l{login}": LoginSpec(f"user{login}", accounts=tuple(account_name(login, at) for at in range(accounts)))
        for login in range(logins)
    }
    broker = Broker.build(specs, now=lambda: datetime.now(UTC), dice=random.Random(1))
    broker.entities.begin_after(broker.now())
    leaders = Leaders(broker, logins)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve_tcp, Server(broker), "127.0.0.1", 0)
        print(f"http://127.0.0.1:{port}/v1", flush=True)
        nursery.start_soon(leaders.trade)
        await leaders.obey()  # ends with whoever holds the other end
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(serve, int(sys.argv[1]), int(sys.argv[2]))
