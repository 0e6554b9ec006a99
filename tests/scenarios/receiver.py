"""Whoever is notified: a webhook receiver in memory, which keeps what it took and can be made to misbehave."""

from __future__ import annotations

import json
from typing import Any

import attrs
import httpx
import trio

HOST = "hook.example"
URL = f"https://{HOST}/canary-path-0123456789"  # the address of a webhook is often its password


@attrs.frozen
class Delivery:
    """One request. `at` is the virtual time of its arrival, `status` what was answered (0: nothing)."""

    at: float
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content


@attrs.define(eq=False)
class Receiver:
    """`statuses` are the next answers, one each, then 200. `dead`: nobody listens. `silent`: no answer, ever."""

    statuses: list[int] = attrs.field(factory=list)
    more_headers: dict[str, str] = attrs.field(factory=dict)
    dead: bool = False
    silent: bool = False
    tries: list[Delivery] = attrs.field(factory=list)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        status = 0 if self.silent else self.statuses.pop(0) if self.statuses else 200
        status = 0 if self.dead else status
        self.tries.append(Delivery(trio.current_time(), dict(request.headers), body, status))
        await trio.lowlevel.checkpoint()
        if self.dead:
            raise httpx.ConnectError(f"nobody listens at {request.url}")
        if self.silent:
            await trio.sleep_forever()
        return httpx.Response(status, headers=self.more_headers, content=b"ok")

    @property
    def taken(self) -> list[Delivery]:
        return [one for one in self.tries if 200 <= one.status < 300]

    @property
    def told(self) -> list[dict[str, Any]]:
        """The contents of what was taken, heartbeats left out."""
        return [one.content for one in self.taken if one.content.get("event") != "heartbeat"]

    @property
    def events(self) -> list[str]:
        return [content["event"] for content in self.told]

    @property
    def beats(self) -> list[float]:
        return [one.at for one in self.taken if one.content.get("event") == "heartbeat"]
