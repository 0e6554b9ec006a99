"""Events as they happen: a stream of server-sent events, or the newest of them as one answer.

https://html.spec.whatwg.org/multipage/server-sent-events.html

Rule 1: who comes back says which event was the last it saw (Last-Event-ID), and gets all that came after it. What is
        no longer kept is told as an event `gap`: then only the status says how things stand.
Rule 2: a watcher that does not read costs its box, and nothing else.
Rule 3: at the end of the daemon its last words are in the stream, and the stream has an end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import attrs
import trio
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from daemon.bulletins import Board, Bulletin
from daemon.control import queries
from daemon.control.problems import Problem

STREAM = "text/event-stream"
QUIET = 15.0  # seconds: then a line without a meaning, so that a tunnel in between does not fall asleep
GATHER = 0.05  # seconds: a round of twenty copies is sent to each watcher as one piece, and not as twenty
RETRY_MS = 1000  # how soon a browser comes back
_AN_ID = re.compile(r"[0-9]{1,15}")


@attrs.define(eq=False, repr=False)
class Live:
    board: Board

    async def events(self, request: Request) -> Response:
        """A stream for who asks for one; else the newest, oldest first: {"events": [...]}."""
        asked = queries.events_query(request.query_params)
        if not wants_stream(request.headers):
            newest = [one.as_json() for one in list(self.board.recent)[-asked.limit :]]
            return JSONResponse({"events": newest})
        return Stream(self.board, last_seen(request.headers, asked.after), asked.unnamed)


@attrs.define(eq=False, repr=False)
class Stream(Response):
    """`last_seen` is an event's id; None: from now on."""

    board: Board
    last_seen: int | None
    unnamed: bool = False
    background: None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        box, greeting = self.board.subscribe(), "".join(self._greeting())  # in one moment: nothing twice, nothing lost
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(until_gone, receive, nursery.cancel_scope)
                headers = [(b"content-type", STREAM.encode()), (b"x-accel-buffering", b"no")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await say(send, greeting)
                missed = 0
                while True:
                    with trio.move_on_after(QUIET):
                        await box.news()
                    over = box.closed
                    told = "".join(map(self._as_event, box.take()))
                    if box.missed > missed:
                        missed, told = box.missed, _gap() + told
                    await say(send, told or ("" if over else ": still here\n\n"))
                    if over:
                        break
                    await trio.sleep(GATHER)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                nursery.cancel_scope.cancel()
        finally:
            self.board.unsubscribe(box)

    def _greeting(self) -> Iterator[str]:
        yield f"retry: {RETRY_MS}\n: copierd\n\n"
        if self.last_seen is None:
            return
        kept = self.board.since(self.last_seen)
        if self.last_seen > self.board.last_id or (kept and kept[0].id > self.last_seen + 1):
            yield _gap()
        yield from map(self._as_event, kept)

    def _as_event(self, bulletin: Bulletin) -> str:
        return event("" if self.unnamed else bulletin.event, bulletin.as_json(), bulletin.id)


async def until_gone(receive: Receive, scope: trio.CancelScope) -> None:
    """Ends the scope when the client has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def wants_stream(headers: Headers) -> bool:
    return any(part.partition(";")[0].strip() == STREAM for part in headers.get("accept", "").split(","))


def last_seen(headers: Headers, after: int | None) -> int | None:
    """A browser that comes back says it in the header; `after` is for who begins. Raises Problem."""
    said = headers.get("last-event-id")
    if said is None:
        return after
    if not _AN_ID.fullmatch(said):
        raise Problem(status=422, kind="unreadable-parameters", detail=f"Last-Event-ID: {said[:50]!r} is no event's id")
    return int(said)


def event(name: str, data: dict[str, object], at: int | None = None) -> str:
    """As it is written into a stream, in ASCII: U+0085 and U+2028 in words of the broker are ends of a line to many who
    read one."""
    head = ("" if at is None else f"id: {at}\n") + (f"event: {name}\n" if name else "")
    return f"{head}data: {json.dumps(data)}\n\n"


def _gap() -> str:
    return event("gap", {"detail": "events are missing here: ask for the status"})


async def say(send: Send, text: str) -> None:
    if text:
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
