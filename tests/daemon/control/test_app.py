"""The routes: what is offered, what is refused and how, and what an operator's wish does."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import trio

from statecharts import states as s
from tests.daemon.control.house import House, house
from tests.scenarios.world import PASSWORD, SYMBOL


def tell(tmp_path: Path, story: Callable[[House], Awaitable[None]], *, refusing: bool = True) -> None:
    async def main() -> None:
        async with house(tmp_path, refusing=refusing) as told:
            await story(told)

    trio.run(main)


def problem(answer: httpx.Response, status: int) -> str:
    """The detail of a refusal, whose shape is checked."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert content["status"] == status and content["type"] and content["title"]
    detail = content["detail"]
    assert isinstance(detail, str)
    return detail


def test_what_is_not_there_is_a_problem(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        assert "/v1/nothing" in problem(await told.get("/v1/nothing"), 404)
        assert problem(await told.get("/v1/status/"), 404), "there is one way to write it, and no redirect"
        assert "POST" in problem(await told.post("/v1/status"), 405)
        answer = await told.get("/v1/accounts/f1/pause")
        assert "GET" in problem(answer, 405) and answer.headers["allow"] == "POST"
        assert "lead, f1, f2" in problem(await told.get("/v1/accounts/nobody"), 404)
        assert problem(await told.post("/v1/accounts/nobody/pause"), 404)
        assert problem(await told.get("/v1/accounts/..%2f..%2fetc"), 404)

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/v1/copies?folower=f1", ["folower"]),
        ("/v1/copies?limit=0&outcome=flled", ["limit", "outcome"]),
        ("/v1/copies?limit=501", ["limit"]),
        ("/v1/copies?limit=1.5", ["limit"]),
        ("/v1/copies?limit=%D9%A1", ["limit"]),
        ("/v1/copies?since=yesterday", ["since"]),
        ("/v1/copies?since=2026-11-20T14:00:00", ["since"]),
        ("/v1/copies?since=0001-01-01T00:00:00%2B23:59", ["since"]),
        ("/v1/copies?cursor=abc", ["cursor"]),
        ("/v1/copies?follower=F1%27--", ["follower"]),
        ("/v1/copies?follower=f1&follower=f2", ["follower"]),
        ("/v1/status?verbose=1", ["verbose"]),
        ("/v1/accounts/f1?x", ["x"]),
    ],
)
def test_a_parameter_with_a_fault_is_refused_by_name(tmp_path: Path, path: str, named: list[str]) -> None:
    async def story(told: House) -> None:
        detail = problem(await told.get(path), 422)
        assert all(f"{name}: " in detail for name in named), detail

    tell(tmp_path, story)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost:8080"])
def test_localhost_is_answered(tmp_path: Path, host: str) -> None:
    async def story(told: House) -> None:
        assert (await told.get("/v1/status", host=host)).status_code == 200

    tell(tmp_path, story)


@pytest.mark.parametrize("host", ["evil.example", "localhost.example", "127.0.0.1", "localhost:", "", "localhost:1:"])
def test_a_foreign_host_is_refused(tmp_path: Path, host: str) -> None:
    async def story(told: House) -> None:
        assert problem(await told.get("/v1/status", host=host), 421)
        assert problem(await told.post("/v1/accounts/f1/pause", host=host), 421)
        assert not told.supervisor.accounts["f1"].account.paused

    tell(tmp_path, story)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:9999", "http://localhost.evil.example", "localhost"]
)
def test_a_page_of_another_site_is_refused(tmp_path: Path, origin: str) -> None:
    async def story(told: House) -> None:
        assert problem(await told.post("/v1/accounts/f1/pause", host="localhost:8080", origin=origin), 403)
        assert not told.supervisor.accounts["f1"].account.paused
        own = await told.post("/v1/accounts/f1/pause", host="localhost:8080", origin="http://localhost:8080")
        assert own.status_code == 202

    tell(tmp_path, story)


def test_answers_are_never_kept(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        for path in ("/v1/status", "/v1/nothing"):
            assert (await told.get(path)).headers["cache-control"] == "no-store"

    tell(tmp_path, story)


def test_pause_and_resume_answer_with_the_account_after_its_turn(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        answer = await told.post("/v1/accounts/f1/pause")
        assert answer.status_code == 202
        assert (answer.json()["account"], answer.json()["paused"]) == ("f1", True)
        assert "f1: pause was asked for" in [entry.message for entry in told.journal]
        assert (await told.post("/v1/accounts/f1/resume")).json()["paused"] is False

    tell(tmp_path, story)


def test_a_leader_is_not_said_to_be_paused_while_it_is_copied_on(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        answer = await told.post("/v1/accounts/lead/pause")
        assert "follows nobody" in problem(answer, 409)
        assert answer.json()["remedy"] == "copierctl pause f1; copierctl pause f2"

    tell(tmp_path, story)


def test_a_paused_account_is_still_paused_after_a_restart(tmp_path: Path) -> None:
    async def pause(told: House) -> None:
        await told.post("/v1/accounts/f1/pause")
        told.supervisor.stopping.set()
        await told.until(lambda: not told.socket.exists())

    async def look(told: House) -> None:
        assert (await told.account("f1"))["paused"] is True
        assert (await told.account("f2"))["paused"] is False

    tell(tmp_path, pause)
    tell(tmp_path, look)


def test_disconnect_lets_one_account_go_and_reconnect_brings_it_back(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        await told.copying()
        gone = (await told.post("/v1/accounts/f1/disconnect")).json()
        assert (gone["state"], gone["leaf"], gone["cause"]) == ("Disconnected", "Stopped", "operator")
        assert (await told.account("f2"))["copying"] is True
        assert (await told.post("/v1/accounts/f1/reconnect")).status_code == 202
        await told.copying()
        assert told.supervisor.logins["apex"].sockets == 1, "the login's one socket serves it again"

    tell(tmp_path, story, refusing=False)


def test_resync_reads_an_account_again_and_needs_a_session(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        await told.copying()
        before = told.supervisor.accounts["f1"].account.connection
        assert (await told.post("/v1/accounts/f1/resync")).status_code == 202
        await told.copying()
        assert told.supervisor.accounts["f1"].account.connection is not before
        await told.post("/v1/accounts/f1/disconnect")
        answer = await told.post("/v1/accounts/f1/resync")
        assert "f1 is Disconnected" in problem(answer, 409)
        assert answer.json()["remedy"] == "copierctl reconnect f1"

    tell(tmp_path, story, refusing=False)


def test_to_reconnect_after_a_refused_credential_is_to_say_that_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPIERD_APEX_PASSWORD", "outdated")

    async def story(told: House) -> None:
        f1, requests = told.supervisor.accounts["f1"], told.server.token_requests
        await told.until(lambda: isinstance(f1.account.connection, s.Unauthorized))
        shown = await told.account("f1")
        assert (shown["state"], shown["colour"], shown["cause"]) == ("TokenExpired", "gray", "credentials")
        assert (await told.get("/v1/status")).json()["logins"][0]["state"] == "Refused"
        monkeypatch.setenv("COPIERD_APEX_PASSWORD", PASSWORD)
        asked = requests["jane"]
        await told.post("/v1/accounts/f1/reconnect")
        await told.until(lambda: isinstance(f1.account.connection, s.Copying))
        assert requests["jane"] == asked + 1

    tell(tmp_path, story, refusing=False)


@pytest.mark.parametrize("path", ["/v1/accounts/f1/reconnect", "/v1/logins/apex/reconnect"])
def test_who_asks_to_reconnect_need_not_wait_for_the_next_probe_of_the_host(tmp_path: Path, path: str) -> None:
    async def story(told: House) -> None:
        await told.copying()
        f1 = told.supervisor.accounts["f1"]
        told.server.go_down(refusing=True)
        await told.until(lambda: isinstance(f1.account.connection, s.BackingOff))
        host = told.supervisor.logins["apex"].gate.host
        for _ in range(3):
            host.failed()
        told.server.come_up()
        assert host.down
        await told.post(path)
        await told.until(lambda: isinstance(f1.account.connection, s.Copying))
        assert host.probes == 0

    tell(tmp_path, story, refusing=False)


def test_nothing_is_taken_up_any_more_by_a_daemon_that_stops(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        told.supervisor.accounts["f2"].errands.under_way += 1  # the stop waits for an order's answer
        told.supervisor.stopping.set()
        assert "stopping" in problem(await told.post("/v1/accounts/f1/pause"), 503)

    tell(tmp_path, story)


def test_copies_page_on_from_the_newest_to_the_oldest(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        await told.copying()
        begun = told.supervisor.ports.wall()
        for _ in range(3):
            told.server.broker.place("LEAD", "Buy", SYMBOL, 1)
        await told.until(lambda: len(told.supervisor.ledger.copies()) == 6)
        await told.until(lambda: all(row["outcome"] == "filled" for row in told.supervisor.ledger.copies()))
        whole = (await told.get("/v1/copies")).json()
        assert (len(whole["copies"]), whole["next"]) == (6, None)
        assert whole["copies"] == sorted(whole["copies"], key=lambda copy: str(copy["decided_at"]), reverse=True)
        first = (await told.get("/v1/copies?limit=4")).json()
        second = (await told.get(f"/v1/copies?limit=4&cursor={first['next']}")).json()
        assert (len(first["copies"]), len(second["copies"]), second["next"]) == (4, 2, None)
        assert first["copies"] + second["copies"] == whole["copies"]

        async def count(query: str) -> int:
            return len((await told.get(f"/v1/copies?{query}")).json()["copies"])

        assert await count("follower=f1") == await count("follower=f1&outcome=filled") == 3
        assert await count("outcome=rejected") == await count("follower=lead") == 0
        later: datetime = begun + timedelta(hours=1)
        assert await count(f"since={quote(begun.isoformat())}") == 6
        assert await count(f"since={begun.isoformat()}") == 6, "a plus sign that was not escaped is understood"
        assert await count(f"since={quote(later.isoformat())}") == 0

    tell(tmp_path, story, refusing=False)


def test_a_ledger_that_cannot_be_read_is_told_with_its_remedy(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        with contextlib.closing(sqlite3.connect(told.directory / "ledger.sqlite")) as somebody:
            somebody.execute("DROP TABLE copies")
        answer = await told.get("/v1/copies")
        assert problem(answer, 503) and answer.json()["remedy"]

    tell(tmp_path, story)
