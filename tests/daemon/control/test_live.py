"""GET /v1/events: as a stream that can be taken up again, and as one answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from daemon.bulletins import BOX, FAREWELL_LIMIT, Board
from daemon.control import live
from daemon.control.client import Client, Sent
from daemon.journal import Journal
from tests.daemon.control.house import House, wall
from tests.daemon.control.test_app import problem, tell

Json = dict[str, Any]


@attrs.define(eq=False)
class Watcher:
    """Reads a stream of events off the socket itself."""

    stream: trio.SocketStream
    text: str = ""

    async def told(self, count: int, kind: str = "copy.placed") -> list[Json]:
        """That many more of these events, with their `id` and `event` as the lines before the data say them."""
        found: list[Json] = []
        fields: dict[str, str] = {}
        with trio.fail_after(10):
            while len(found) < count:
                line = (await self._line()).strip()
                name, _, value = line.partition(": ")
                if line and name:
                    fields[name] = value
                elif not line and "data" in fields:
                    if fields["event"] == kind:
                        found.append({"said": fields.get("id"), "named": kind, **json.loads(fields["data"])})
                    fields = {}
        return found

    async def head(self) -> str:
        lines = []
        with trio.fail_after(10):
            while line := (await self._line()).strip():
                lines.append(line)
        return "\n".join(lines)

    async def rest(self) -> str:
        """Until the end of the body, which comes in chunks."""
        with trio.fail_after(10):
            while not self.text.endswith("0\r\n\r\n"):
                self.text += bytes(await self.stream.receive_some()).decode()
        return self.text.removesuffix("0\r\n\r\n").strip()

    async def _line(self) -> str:
        while "\n" not in self.text:
            self.text += bytes(await self.stream.receive_some()).decode()
        line, _, self.text = self.text.partition("\n")
        return line


@asynccontextmanager
async def listening(told: House, path: str = "/v1/events", **headers: str) -> AsyncIterator[Watcher]:
    async with await trio.open_unix_socket(str(told.socket)) as stream:
        asked = {"Host": "localhost", "Accept": live.STREAM, **headers}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in asked.items()), "", ""]
        await stream.send_all("\r\n".join(lines).encode())
        watcher = Watcher(stream)
        head = await watcher.head()
        assert head.startswith("HTTP/1.1 200") and live.STREAM in head
        yield watcher


def test_what_happens_is_streamed_as_it_happens(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        async with listening(told) as events:
            first = told.supervisor.board.tell("copy.skipped", "f1: nothing to do", account="f1", severity="warning")
            (event,) = await events.told(1, "copy.skipped")
            assert event["said"] == str(first.id)
            assert {key: event[key] for key in first.as_json()} == first.as_json()

    tell(tmp_path, story)


@pytest.mark.parametrize("how", ["header", "parameter"])
def test_who_comes_back_gets_what_he_has_missed_and_nothing_twice(tmp_path: Path, how: str) -> None:
    async def story(told: House) -> None:
        board = told.supervisor.board
        seen = board.tell("copy.placed", "the last that was seen")
        missed = [board.tell("copy.placed", f"missed {number}") for number in range(3)]
        path = f"/v1/events?after={seen.id}" if how == "parameter" else "/v1/events"
        headers = {"Last-Event-ID": str(seen.id)} if how == "header" else {}
        async with listening(told, path, **headers) as events:
            assert [event["id"] for event in await events.told(3)] == [one.id for one in missed]
            after = board.tell("copy.placed", "and what comes")
            assert [event["id"] for event in await events.told(1)] == [after.id]

    tell(tmp_path, story)


def test_an_event_is_one_whatever_ends_a_line_elsewhere(tmp_path: Path) -> None:
    """Real world: httpx ends a line where Python does. Half an event is none, and it came again with each try."""
    odd = "f1: refused (next\u0085line\u2028separator\u2029paragraph\x1cfile, Grüße)"

    async def story(told: House) -> None:
        board = told.supervisor.board
        seen = board.tell("copy.placed", "the last that was seen")
        said = board.tell("copy.failed", odd)

        def first() -> Sent:
            return next(Client((told.socket,)).stream("/v1/events", seen.id))

        with trio.fail_after(10):
            assert await trio.to_thread.run_sync(first) == Sent(said.id, "copy.failed", said.as_json())

    tell(tmp_path, story)


@pytest.mark.parametrize("last_seen", ["1", "999999999999"], ids=["an earlier run's", "of no run"])
def test_what_is_no_longer_kept_is_told_as_a_gap(tmp_path: Path, last_seen: str) -> None:
    async def story(told: House) -> None:
        async with listening(told, **{"Last-Event-ID": last_seen}) as events:
            (gap,) = await events.told(1, "gap")
            assert gap["said"] is None

    tell(tmp_path, story)


def test_a_watcher_that_does_not_read_is_told_that_it_has_missed_something() -> None:
    async def main() -> None:
        board = Board(Journal(lambda entry: None), wall)
        said: list[str] = []
        reads = trio.Event()

        async def send(message: Any) -> None:
            said.append(message.get("body", b"").decode())
            if len(said) > 1:
                await reads.wait()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(live.Stream(board, None), {"type": "http"}, trio.sleep_forever, send)
            await trio.testing.wait_all_tasks_blocked()
            for number in range(BOX + 2):
                board.tell("copy.placed", f"number {number}")
            reads.set()
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert said[-1].startswith("event: gap\n") and f"number {BOX + 1}" in said[-1]

    trio.run(main)


def test_a_quiet_stream_says_now_and_then_that_it_is_there() -> None:
    async def main() -> None:
        said: list[tuple[float, str]] = []

        async def send(message: Any) -> None:
            said.append((trio.current_time(), message.get("body", b"").decode()))

        with trio.move_on_after(live.QUIET * 2.5):
            board = Board(Journal(lambda entry: None), wall)
            await live.Stream(board, None)({"type": "http"}, trio.sleep_forever, send)
        assert [text for _, text in said[2:]] == [": still here\n\n"] * 2

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_the_last_words_are_in_the_stream_and_then_it_ends() -> None:
    async def main() -> None:
        board = Board(Journal(lambda entry: None), wall)
        said: list[Any] = []

        async def send(message: Any) -> None:
            said.append(message)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(live.Stream(board, None), {"type": "http"}, trio.sleep_forever, send)
            await trio.testing.wait_all_tasks_blocked()
            board.tell("copy.placed", "and while this is sent")
            await trio.testing.wait_all_tasks_blocked(0.01)
            board.tell("daemon.stopped", "stopping")
            await board.farewell()
        assert b"daemon.stopped" in said[-2]["body"] and said[-1] == {**said[-1], "body": b"", "more_body": False}

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_watcher_that_does_not_read_holds_up_no_end() -> None:
    async def main() -> float:
        board = Board(Journal(lambda entry: None), wall)
        async with trio.open_nursery() as nursery:

            async def never(message: Any) -> None:
                await trio.sleep_forever()

            nursery.start_soon(live.Stream(board, None), {"type": "http"}, trio.sleep_forever, never)
            await trio.testing.wait_all_tasks_blocked()
            await board.farewell()
            nursery.cancel_scope.cancel()
        return trio.current_time()

    assert trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)) <= FAREWELL_LIMIT


def test_a_watcher_that_goes_leaves_no_box_behind(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        board = told.supervisor.board
        before = len(board._boxes)
        async with listening(told):
            assert len(board._boxes) == before + 1
        await told.until(lambda: len(board._boxes) == before)

    tell(tmp_path, story)


def test_who_asks_for_no_stream_gets_the_newest(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        told.supervisor.board.tell("copy.placed", "one")
        last = told.supervisor.board.tell("copy.placed", "two")
        answer = await told.get("/v1/events?limit=1")
        assert answer.json()["events"][0]["id"] >= last.id
        assert len((await told.get("/v1/events")).json()["events"]) > 1

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("path", "headers", "named"),
    [
        ("/v1/events?limit=0", {}, "limit"),
        ("/v1/events?after=x", {}, "after"),
        ("/v1/events", {"Accept": live.STREAM, "Last-Event-ID": "-1"}, "Last-Event-ID"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, path: str, headers: dict[str, str], named: str) -> None:
    async def story(told: House) -> None:
        assert named in problem(await told.get(path, **headers), 422)

    tell(tmp_path, story)
