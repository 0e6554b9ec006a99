"""Over a real socket: what a webhook receiver that knows nothing of us reads, and how it checks it."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import h11
import pytest
import trio

from daemon.bulletins import Board
from daemon.config import Notify
from daemon.journal import Entry, Journal
from daemon.notifications import Notifications
from daemon.ports import Ports, TcpNetwork

SECRET = "canary-notify-77aa"
LIMIT = 10.0  # seconds


class Webhook:
    """Answers each connection's request with the next status."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[tuple[h11.Request, bytes]] = []

    async def serve(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        request, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some()))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                break
        assert request is not None
        self.requests.append((request, body))
        response = h11.Response(status_code=self.statuses.pop(0), headers=[("Content-Length", "0")], reason=b"so")
        await stream.send_all((connection.send(response) or b"") + (connection.send(h11.EndOfMessage()) or b""))


def test_a_signed_post_is_tried_again_and_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPIERD_NOTIFY_SECRET", SECRET)
    webhook = Webhook(503, 204, 200)
    entries: list[Entry] = []

    async def main() -> None:
        ports = Ports(lambda: datetime.now(UTC), random.Random(1), TcpNetwork())
        board = Board(Journal(entries.append, "debug"), ports.wall)
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, webhook.serve, listeners)
            port = listeners[0].socket.getsockname()[1]
            settings = Notify(url=f"http://127.0.0.1:{port}/services/canary-0123456789?a=b")
            notifications = Notifications.of([settings], board, ports, lambda: True, lambda names: "")
            nursery.start_soon(notifications.run)
            board.tell("copy.failed", "f1: würde nicht", severity="warning")
            await trio.sleep(1.2)
            board.tell("copy.failed", f"f1: {SECRET} und {settings.url}", severity="warning")
            await notifications.flush()
            nursery.cancel_scope.cancel()

    trio.run(_within_limit, main)
    assert [request.target for request, _ in webhook.requests] == [b"/services/canary-0123456789?a=b"] * 3
    first, again, second = webhook.requests
    assert first[1] == again[1]
    assert json.loads(first[1])["detail"] == "f1: würde nicht"
    assert json.loads(second[1])["detail"] == "f1: *** und ***"
    for request, body in webhook.requests:
        headers = dict(request.headers.raw_items())
        moment, digest = (part.partition("=")[2] for part in headers[b"Copierd-Signature"].decode().split(","))
        assert digest == hmac.new(SECRET.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
        assert headers[b"Content-Type"] == b"application/json"
        assert headers[b"User-Agent"].startswith(b"copierd/")
        assert b"canary" not in body
    assert [entry.kind for entry in entries if "notification" in entry.kind] == [
        "notification.failed",
        "notification.taken",
    ]
    assert not any("canary" in entry.message for entry in entries)


async def _within_limit(main: Callable[[], Awaitable[None]]) -> None:
    with trio.fail_after(LIMIT):
        await main()
