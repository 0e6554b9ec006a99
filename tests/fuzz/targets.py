"""What is tried with any bytes at all. A target raises when something is broken, and returns when nothing is.

Rule 1: a target knows the promise of what it tries ("total", "never flat"), and nothing of what the bytes mean.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from daemon.tradovate import frames, messages
from daemon.tradovate.bundle import of_one_frame
from daemon.tradovate.frames import Messages, Pushed, Response
from daemon.tradovate.messages import Accepted, Doubtful, Held, Penalty, Refused
from daemon.tradovate.mirror import Mirror
from statecharts.events import Event
from statecharts.values import BrokerAccountId
from tests.daemon.tradovate import wire

LONGEST_FAULT = 400  # characters: faults go into the journal


def frame(data: bytes) -> None:
    """One received frame, to an account in position: no position is lost, and what is not understood is short."""
    mirror = Mirror()
    mirror.load(wire.sync(positions=[wire.position(2)]), wire.NOW)
    found = frames.parse(data)
    faults = list(found.faults) if isinstance(found, Messages) else []
    told: list[tuple[BrokerAccountId, Event]] = []
    for item in found.items if isinstance(found, Messages) else ():
        if isinstance(item, Pushed):
            facts, unread = mirror.fold(item, wire.NOW)
            told += facts
            faults += unread
        else:
            answer(item)
    of_one_frame(told)
    mirror.missing_contracts()
    snapshot = mirror.snapshot(wire.ACCOUNT, wire.NOW)
    assert snapshot is not None, "an account that was there is gone"
    assert all(len(words) <= LONGEST_FAULT for words in faults), "a fault that nobody can read"


def answer(response: Response) -> None:
    """What an answer is taken for: only an id makes an order, and only the broker's own word makes none."""
    found = messages.answer(response.status, response.data)
    match found:
        case Accepted(order_id=order, command_id=command):
            assert 200 <= response.status < 300
            assert order is not None or command is not None
        case Refused(reason=reason):
            assert reason, "a no without a reason"
            assert response.status < 500, "a server's trouble is no answer"
        case Penalty(seconds=seconds):
            assert seconds >= 0
        case Held(status=status):
            assert status in (423, 429)
        case Doubtful(why=why):
            assert why


def message(data: bytes) -> None:
    """The answer to an order: the first two bytes are the status, the rest is JSON or a text."""
    status, body = int.from_bytes(data[:2]) % 700, data[2:]
    try:
        content = frames.decode(body)
    except ValueError:
        content = body.decode("utf-8", "replace")
    answer(Response(1, status, content))


def sync(data: bytes) -> None:
    """A snapshot in JSON: what cannot be read of it never makes an account flat that has a position."""
    try:
        content = frames.decode(data)
    except ValueError:
        return
    mirror = Mirror()
    mirror.load(content, wire.NOW)
    if not isinstance(content, dict):
        assert not mirror.loaded
        return
    snapshot = mirror.snapshot(wire.ACCOUNT, wire.NOW)
    rows = content.get("positions")
    if snapshot is None or "positions" in mirror.absent or mirror.unread or mirror.missing_contracts():
        return
    assert isinstance(rows, list)
    assert all(isinstance(row, dict) and "netPos" in row for row in rows), "a position was left out"


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {"frame": frame, "message": message, "sync": sync}


def _text(value: object) -> bytes:
    return frames.encode(value).encode()


def _pushed(kind: str, entity: wire.Entity) -> bytes:
    data = {"entityType": kind, "eventType": "Updated", "entity": entity}
    return b"a" + _text([{"e": "props", "d": data}])


# Where the fuzzer begins: what the broker really says.
SEEDS: Final[dict[str, tuple[bytes, ...]]] = {
    "frame": (
        b"o",
        b"h",
        b'c[3000,"Go away!"]',
        b'a[{"s":200,"i":3,"d":{"orderId":3556122300}},{"e":"shutdown","d":{"reasonCode":"Maintenance"}}]',
        _pushed("order", wire.order("Working")),
        _pushed("orderVersion", wire.version()),
        _pushed("command", wire.command()),
        _pushed("fill", wire.fill()),
        _pushed("position", wire.position(2)),
        _pushed("executionReport", wire.execution(1)),
    ),
    "message": (
        b"\x00\xc8" + _text({"orderId": 7, "commandId": 8}),
        b"\x00\xc8" + _text({"failureReason": "SessionClosed", "failureText": "closed"}),
        b"\x00\xc8" + _text({"p-ticket": "t", "p-time": 15, "p-captcha": False}),
        b"\x00\xc8" + _text({"violations": [{"constraint": "qty", "description": "too many"}]}),
        b"\x01\x91" + json.dumps("Access is denied").encode(),
    ),
    "sync": (_text(wire.sync(positions=[wire.position(2)])), _text(wire.sync())),
}
