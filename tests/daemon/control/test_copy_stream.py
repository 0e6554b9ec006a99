"""GET /v1/copies as a stream, and who follows it: nothing lost and nothing twice, also over a restart of the daemon."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from daemon.control import live
from daemon.control.client import Client, NoDaemon
from tests.daemon.control.house import House, house
from tests.daemon.control.test_app import problem, tell
from tests.daemon.control.test_live import listening
from tests.scenarios.world import SYMBOL

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0  # seconds
Json = dict[str, Any]


async def rests_and_goes(told: House) -> None:
    """An order of the leader's that is copied twice, works, and is cancelled: everybody stays flat."""
    broker, ledger = told.server.broker, told.supervisor.ledger

    def count(outcome: str) -> int:
        return len(placed(ledger.copies(outcome=outcome)))  # to cancel them makes copies too

    before = count("canceled")
    order = broker.place("LEAD", "Buy", SYMBOL, 1, "Limit", price=broker.exchange.last[SYMBOL] - 20)
    await told.until(lambda: count("working") == 2)
    broker.cancel(order)
    await told.until(lambda: count("canceled") == before + 2)


def placed(rows: list[Json]) -> list[Json]:
    return [row for row in rows if row["verb"] == "place"]


def test_each_copy_is_streamed_when_it_is_new_and_when_it_changes(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        await told.copying()
        async with listening(told, "/v1/copies?follower=f1") as stream:
            await rests_and_goes(told)
            rows: list[Json] = []
            while not any(row["outcome"] == "canceled" for row in placed(rows)):
                rows += await stream.told(1, "copy")
            assert {row["follower"] for row in rows} == {"f1"}
            assert len({row["id"] for row in placed(rows)}) == 1
            assert set(rows[0]) - {"said", "named"} == set((await told.get("/v1/copies")).json()["copies"][0])

    tell(tmp_path, story, refusing=False)


def test_who_comes_back_after_a_restart_gets_what_has_changed_meanwhile(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as told:
            await told.copying()
            await rests_and_goes(told)
            page = (await told.get("/v1/copies")).json()
            seen = {row["id"] for row in page["copies"]}
        async with house(tmp_path, server=told.server) as told:
            await told.copying()
            await rests_and_goes(told)
            fresh = {str(row["id"]) for row in told.supervisor.ledger.copies()} - seen
            assert fresh and seen
            # A broken stream may be taken up again at any of its ids: everything after it comes.
            async with listening(told, "/v1/copies", **{"Last-Event-ID": str(page["last"])}) as stream:
                rows: list[Json] = []
                while {row["id"] for row in rows} != fresh:
                    rows += await stream.told(1, "copy")
                last = next(row["said"] for row in reversed(rows) if row["said"])
            async with listening(told, "/v1/copies", **{"Last-Event-ID": last}) as stream:
                with trio.move_on_after(0.5) as nothing:
                    await stream.told(1, "copy")
                assert nothing.cancelled_caught, "nothing twice"

    trio.run(main)


def test_an_id_of_another_ledger_is_told_as_a_gap(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        await told.copying()
        async with listening(told, "/v1/copies", **{"Last-Event-ID": "999999999999"}) as stream:
            (gap,) = await stream.told(1, "gap")
            assert gap["said"] == str(told.supervisor.ledger.last_turn())

    tell(tmp_path, story, refusing=False)


def test_a_ledger_that_cannot_be_read_ends_the_stream_and_says_so(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        last = told.supervisor.ledger.last_turn()
        async with listening(told, "/v1/copies") as stream:
            with contextlib.closing(sqlite3.connect(told.directory / "ledger.sqlite")) as somebody:
                somebody.execute("ALTER TABLE copies RENAME TO elsewhere")
            await told.post("/v1/accounts/f1/pause")
            (said,) = await stream.told(1, "problem")
            assert (said["type"], said["status"]) == ("ledger-unusable", 503) and said["remedy"]
            assert await stream.rest() == "", "and it ends"
        with pytest.raises(NoDaemon, match=r"no such table.*dmesg"):
            await trio.to_thread.run_sync(lambda: list(Client((told.socket,)).stream("/v1/copies", last)))
        assert not [entry for entry in told.journal if entry.kind == "daemon.bug"]

    tell(tmp_path, story)


@pytest.mark.parametrize("query", ["since=2026-01-01T00:00:00Z", "cursor=1"])
def test_a_stream_has_no_pages(tmp_path: Path, query: str) -> None:
    async def story(told: House) -> None:
        answer = await told.get(f"/v1/copies?{query}", Accept=live.STREAM)
        assert "a stream has no pages" in problem(answer, 422)

    tell(tmp_path, story)


@attrs.define
class Follower:
    """`copierctl ...`, which does not end by itself."""

    process: subprocess.Popen[str]
    out: Path

    @property
    def lines(self) -> list[str]:
        return self.out.read_text().splitlines()

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


async def seen(true: Callable[[], bool]) -> None:
    """A process of its own has to start first, which a busy machine takes its time for."""
    with trio.fail_after(PATIENCE):
        while not true():
            await trio.sleep(0.05)


@pytest.fixture
def following(tmp_path: Path) -> Iterator[Callable[..., Follower]]:
    """Starts a `copierctl`; whatever becomes of the test, none of them outlives it."""
    with contextlib.ExitStack() as begun:

        def begin(*words: str) -> Follower:
            command = [sys.executable, "-m", "daemon.ctl", "--socket", str(tmp_path / "run" / "control.sock"), *words]
            out = tmp_path / "shown"
            shown = begun.enter_context(out.open("w"))
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=shown, stderr=subprocess.PIPE, text=True, env=os.environ
            )
            begun.enter_context(process)
            begun.callback(process.kill)
            return Follower(process, out)

        yield begin


def test_copierctl_follows_over_a_restart_and_ctrl_c_ends_it_well(
    tmp_path: Path, following: Callable[..., Follower]
) -> None:
    async def main() -> None:
        async with house(tmp_path) as told:
            await told.copying()
            await rests_and_goes(told)
            follower = following("copies", "--follow", "--json")
            await seen(lambda: len(follower.lines) >= 2)
            await rests_and_goes(told)
        async with house(tmp_path, server=told.server) as told:
            await told.copying()
            await rests_and_goes(told)
            everything = {(str(row["id"]), str(row["follower"])) for row in told.supervisor.ledger.copies()}

            def shown() -> list[tuple[str, str, str]]:
                rows = [json.loads(line) for line in follower.lines if line.endswith("}")]
                return [(row["id"], row["follower"], row["outcome"]) for row in rows]

            await seen(lambda: {(one, who) for one, who, _ in shown()} == everything)
            now = {(str(row["id"]), str(row["follower"])): row["outcome"] for row in told.supervisor.ledger.copies()}
            await seen(lambda: {(one, who): outcome for one, who, outcome in shown()} == now)
            assert len(shown()) == len(set(shown())), "no outcome is shown twice"
        assert follower.end() == 0
        assert follower.process.stderr is not None
        assert follower.process.stderr.read().startswith("copierctl: "), "it says why it waits"

    trio.run(main)


def test_copierctl_watches_over_a_restart(tmp_path: Path, following: Callable[..., Follower]) -> None:
    async def main() -> None:
        async with house(tmp_path) as told:
            await told.copying()
            watcher = following("status", "--watch", "--json")
            await seen(lambda: len(watcher.lines) >= 1)
        await trio.sleep(1.5)
        before = len(watcher.lines)
        async with house(tmp_path, server=told.server) as told:
            await seen(lambda: len(watcher.lines) > before)
        assert watcher.end() == 0
        assert watcher.process.stderr is not None
        assert "no copierd answers" in watcher.process.stderr.read()

    trio.run(main)
