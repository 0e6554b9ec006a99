"""What comes over the control socket may be anything: it ends its own connection, and nothing else."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
import trio

from tests.daemon.control.house import House, house

HEAD = "HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
REQUESTS = [
    f"GET /v1/status {HEAD}\r\n",
    f"GET /v1/copies?follower=f1&outcome=filled&limit=5 {HEAD}\r\n",
    f"GET /v1/events {HEAD}Accept: text/event-stream\r\nLast-Event-ID: 5\r\n\r\n",
    f"GET /v1/why/4711 {HEAD}\r\n",
    f'POST /v1/accounts/f1/flatten {HEAD}Content-Length: 18\r\n\r\n{{"symbol": "ESZ6"}}',
    f'POST /v1/accounts/f2/release {HEAD}Content-Length: 18\r\n\r\n{{"symbol": "ESZ6"}}',
    f"POST /v1/accounts/f1/pause {HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n",
    f"POST /v1/reload {HEAD}Content-Length: 0\r\n\r\n",
]
BYTES = [
    b"\x00",
    b"\xff\xfe",
    b"\r\n",
    b" ",
    b"%00",
    b"%",
    b"{",
    b"[[[[",
    b"\r\n\r\n",
    b"9" * 40,
    b":",
    b"-1",
    b"\t",
    b"/..",
]


def _spoiled(dice: random.Random) -> bytes:
    data = dice.choice(REQUESTS).encode()
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(data))
        data = data[:at] + dice.choice(BYTES) + data[at + dice.choice([0, 0, 1, 5, 40]) :]
    return data + dice.choice([b"", data])


async def _ask(at: House, data: bytes) -> None:
    with trio.move_on_after(0.5), contextlib.suppress(trio.BrokenResourceError):  # it has hung up already
        async with await trio.open_unix_socket(str(at.socket)) as stream:
            await stream.send_all(data)
            await stream.send_eof()
            async for _ in stream:
                pass


@pytest.mark.parametrize("seed", [1, 2])
def test_requests_that_are_garbage_end_their_connection_and_nothing_else(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)

    async def main() -> None:
        async with house(tmp_path) as at:
            async with trio.open_nursery() as nursery:
                for _ in range(150):
                    nursery.start_soon(_ask, at, _spoiled(dice))
            assert (await at.get("/v1/status")).status_code == 200
            assert [entry.message for entry in at.journal if entry.kind == "daemon.bug"] == []
            assert at.supervisor.crashes == 0

    trio.run(main)
