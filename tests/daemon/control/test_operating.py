"""The routes by which the operator gets out, and says whose a position is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import trio

from daemon.control import bodies
from statecharts import states as s
from statecharts.standing import Lock, Standing
from tests.daemon.control.house import House, house, text_of
from tests.daemon.control.test_app import problem
from tests.scenarios.world import SYMBOL


def tell(tmp_path: Path, story: Callable[[House], Awaitable[None]], *, refusing: bool = False) -> None:
    async def main() -> None:
        async with house(tmp_path, refusing=refusing) as told:
            if not refusing:
                await told.copying()
            await story(told)

    trio.run(main)


async def in_position(told: House, quantity: int = 2) -> None:
    told.server.broker.place("LEAD", "Buy", SYMBOL, quantity)
    await told.until(lambda: all(own(told, name) == quantity for name in ("f1", "f2")))


def own(told: House, name: str) -> int:
    return sum(one.own for one in told.supervisor.accounts[name].account.book.contracts.values())


async def verified(told: House, name: str) -> dict[str, Any]:
    account = await told.account(name)
    with trio.fail_after(10):
        while account["flatten"] is None or account["flatten"]["verified_at"] is None:
            await trio.sleep(0.02)
            account = await told.account(name)
    return account


def test_an_account_is_flattened_and_its_answer_says_how_far_it_is(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        await in_position(told)
        told.server.broker.reject_next("F1", "UnknownReason", times=1)  # it takes a second more
        answer = await told.post("/v1/accounts/f1/flatten")
        assert answer.status_code == 202
        account = answer.json()
        assert account["paused"] and "flattening" in account["blocked_by"] and not account["copying"]
        assert account["flatten"]["by"] == "operator" and account["flatten"]["symbols"] is None
        (left,) = account["flatten"]["left"]
        assert (left["symbol"], left["ours"]) == (SYMBOL, 2) and left["why"]
        account = await verified(told, "f1")
        assert account["flatten"]["left"] == [] and account["flatten"]["not_ours"] == {}
        assert {"paused", "flattened"} <= set(account["blocked_by"]) and account["positions"] == {}
        (one,) = account["contracts"]
        assert (one["symbol"], one["position"], one["ours"], one["theirs"], one["target"]) == (SYMBOL, 0, 0, 0, 2)
        assert own(told, "f2") == 2
        again = await told.post("/v1/accounts/f1/flatten")
        # What was seen before is not what was asked for now: it is read once more.
        assert again.status_code == 202 and again.json()["flatten"] == {**account["flatten"], "verified_at": None}
        resumed = (await told.post("/v1/accounts/f1/resume")).json()
        assert resumed["flatten"] is None and resumed["blocked_by"] == []
        (one,) = resumed["contracts"]
        assert "waits until the leader is flat" in one["waits"]

    tell(tmp_path, story)


def test_one_contract_or_a_copy(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        await in_position(told)
        answer = await told.send("/v1/accounts/f1/flatten", {"symbol": SYMBOL})
        assert answer.status_code == 202 and answer.json()["flatten"]["symbols"] == [SYMBOL]
        answer = await told.post("/v1/copies/main/flatten")
        assert answer.status_code == 202
        assert [one["account"] for one in answer.json()["accounts"]] == ["f1", "f2"]
        for name in ("f1", "f2"):
            assert (await verified(told, name))["flatten"]["symbols"] is None
        assert "main" in problem(await told.post("/v1/copies/other/flatten"), 404)

    tell(tmp_path, story)


def test_a_leader_that_follows_nobody_is_refused_with_the_way_out_for_its_followers(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        for verb, body in {
            "flatten": {},
            "release": {"symbol": SYMBOL},
            "adopt": {"symbol": SYMBOL},
            "unlock": {},
        }.items():
            answer = await told.send(f"/v1/accounts/lead/{verb}", body)
            assert "lead follows nobody" in problem(answer, 409)
            if verb == "flatten":
                assert answer.json()["remedy"] == "copierctl flatten --copy main"
        assert not told.supervisor.accounts["lead"].account.paused

    tell(tmp_path, story, refusing=True)


def test_what_makes_no_sense_is_refused_with_the_reason(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        await in_position(told)
        send = told.send
        for verb in ("flatten", "release", "adopt"):
            detail = problem(await send(f"/v1/accounts/f1/{verb}", {"symbol": "MEZ6"}), 422)
            assert "has never had MEZ6 in hand; it knows ESZ6" in detail
        assert "nothing in ESZ6 is quarantined" in problem(
            await send("/v1/accounts/f1/release", {"symbol": SYMBOL}), 409
        )
        assert "ours already" in problem(await send("/v1/accounts/f1/adopt", {"symbol": SYMBOL}), 409)
        assert "not locked" in problem(await send("/v1/accounts/f1/unlock", {}), 409)
        assert "nobody" in problem(await send("/v1/accounts/nobody/flatten", {}), 404)
        assert own(told, "f1") == 2 and not told.supervisor.accounts["f1"].account.paused

    tell(tmp_path, story)


def test_a_lock_is_ended_by_unlock_and_then_there_is_none(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        runner = told.supervisor.accounts["f1"].runner
        now = told.supervisor.ports.wall()
        until = now + timedelta(hours=1)
        lock = Lock(limit="daily_loss_limit", why="it is reached", since=now, until=until, closes=True)
        book = attrs.evolve(runner.account.book, standing=Standing(lock=lock, day_end=until))
        runner.account = attrs.evolve(runner.account, book=book)
        locked = await told.account("f1")
        assert locked["locked"]["limit"] == "daily_loss_limit" and "locked" in locked["blocked_by"]
        answer = await told.send("/v1/accounts/f1/unlock", {})
        assert answer.status_code == 202
        unlocked = await told.account("f1")
        assert unlocked["locked"] is None and unlocked["blocked_by"] == []
        assert "not locked" in problem(await told.send("/v1/accounts/f1/unlock", {}), 409)

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("verb", "body", "why"),
    [
        ("flatten", b'{"symbol": null}', "leave the key out"),
        ("flatten", b'{"symbol": ""}', "leave the key out"),
        ("flatten", b'{"symbol": 5}', "leave the key out"),
        ("flatten", b'{"symbol": ["ESZ6"]}', "leave the key out"),
        ("flatten", b'{"symbol": "ESZ6\\n"}', "leave the key out"),
        ("flatten", b'{"symbols": "ESZ6"}', "unknown: symbols; known here: symbol"),
        ("flatten", b'{"symbol": "ESZ6", "symbol": "NQZ6"}', "twice"),
        ("flatten", b'["ESZ6"]', "must be a JSON object"),
        ("flatten", b"ESZ6", "not JSON"),
        ("flatten", b"symbol=ESZ6", "not JSON"),
        ("flatten", b'{"symbol": "ESZ6"', "not JSON"),
        ("flatten", b"\xff\xfe", "not JSON"),
        ("flatten", b"[" * 4000, "not JSON"),
        ("release", b"", '{"symbol": "MESZ6"}'),
        ("release", b"{}", '{"symbol": "MESZ6"}'),
        ("release", b'{"symbol": ""}', "the name of a contract is needed"),
        ("adopt", b"", '{"symbol": "MESZ6"}'),
        ("adopt", b'{"symbol": " \\n"}', "the name of a contract is needed"),
        ("unlock", b'{"symbol": "ESZ6"}', "unknown: symbol"),
        ("pause", b'{"symbol": "ESZ6"}', "nothing is taken here"),
    ],
)
def test_a_body_with_a_fault_is_refused_and_does_nothing(tmp_path: Path, verb: str, body: bytes, why: str) -> None:
    async def story(told: House) -> None:
        async with told.client() as client:
            detail = problem(await client.post(f"/v1/accounts/f1/{verb}", content=body), 422)
        assert why in detail, detail
        assert verb == "flatten" or "leave the key out" not in detail, "there it would mean nothing"
        assert not told.supervisor.accounts["f1"].account.paused
        assert not told.supervisor.accounts["f1"].account.book.latches

    tell(tmp_path, story, refusing=True)


def test_a_long_body_is_not_read(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        async with told.client() as client:
            answer = await client.post("/v1/accounts/f1/flatten", content=b" " * (bodies.LONGEST + 1))
        assert problem(answer, 413)

    tell(tmp_path, story, refusing=True)


def test_half_a_body_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LIMIT", 0.2)

    async def story(told: House) -> None:
        head = b"POST /v1/accounts/f1/flatten HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        head += b"Content-Length: 20\r\n\r\n"
        with trio.fail_after(5):
            answer = await told.say(head + b'{"symbol"')
        assert answer.startswith(b"HTTP/1.1 408") and b"did not come within" in answer
        assert not told.supervisor.accounts["f1"].account.book.latches

    tell(tmp_path, story, refusing=True)


def test_asked_while_nobody_is_connected_it_is_remembered_and_says_why_it_waits(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        accounts = told.supervisor.accounts
        await told.until(lambda: isinstance(accounts["f1"].account.connection, s.BackingOff))
        answer = await told.post("/v1/accounts/f1/flatten")
        assert answer.status_code == 202
        account = answer.json()
        assert account["flatten"]["verified_at"] is None and account["state"] == "Reconnecting"
        assert account["flatten"]["left"] == [], "it has never had anything"
        detail = problem(await told.send("/v1/accounts/f1/adopt", {"symbol": SYMBOL}), 422)
        assert detail == "f1 has never had ESZ6 in hand"

    tell(tmp_path, story, refusing=True)


def test_somebody_elses_part_is_released_and_adopted(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        await in_position(told)
        told.server.broker.place("F1", "Buy", SYMBOL, 1)
        with trio.fail_after(10):
            while not (found := (await told.account("f1"))["quarantined"]):
                await trio.sleep(0.02)
        (one,) = found
        assert (one["ours"], one["theirs"], one["remedy"]) == (2, 1, f"copierctl release f1 {SYMBOL}")
        assert one["since"] and isinstance(one["order_id"], int)
        answer = await told.send("/v1/accounts/f1/release", {"symbol": SYMBOL})
        assert answer.status_code == 202 and answer.json()["quarantined"] == []
        (contract,) = answer.json()["contracts"]
        assert (contract["ours"], contract["theirs"]) == (2, 1)
        answer = await told.send("/v1/accounts/f1/adopt", {"symbol": SYMBOL})
        assert answer.status_code == 202
        assert answer.json()["contracts"][0]["theirs"] == 0, "ours were 2, and are 3 of which one is too much"
        await told.until(lambda: own(told, "f1") == 2 and told.server.broker.positions("F1") == {SYMBOL: 2})

    tell(tmp_path, story)


# Beginning anew


def test_a_login_dials_anew_for_all_of_its_accounts(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        login = told.supervisor.logins["apex"]
        await told.post("/v1/accounts/f2/disconnect")
        before = login.session
        answer = await told.post("/v1/logins/apex/reconnect")
        assert answer.status_code == 202
        assert [one["account"] for one in answer.json()["accounts"]] == ["lead", "f1", "f2"]
        await told.copying()
        assert login.session is not before and login.sockets == 2, "one dial for all, also for the one that was stopped"
        assert before is not None and before.loss is not None
        assert before.loss.reason == "the operator asked for a new connection"
        assert "apex" in problem(await told.post("/v1/logins/other/reconnect"), 404)

    tell(tmp_path, story)


def test_a_dial_that_is_under_way_is_the_new_connection(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        accounts = told.supervisor.accounts.values()
        await told.until(lambda: all(isinstance(one.account.connection, s.BackingOff) for one in accounts))
        dials = told.supervisor.logins["apex"].sockets
        assert (await told.post("/v1/logins/apex/reconnect")).status_code == 202
        assert told.supervisor.logins["apex"].sockets == dials + 1

    tell(tmp_path, story, refusing=True)


def test_a_reload_says_what_changed_and_an_error_changes_nothing(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        assert problem(await told.post("/v1/reload"), 409), "this one was started without a file"
        path = tmp_path / "copier.toml"
        supervisor = told.supervisor
        supervisor.config_path = path
        text = text_of(tmp_path)
        path.write_text(text.replace('account = "f1"', 'account = "f1"\nmax_order = 3'))
        answer = await told.post("/v1/reload")
        assert answer.status_code == 200 and any("f1" in words for words in answer.json()["changed"])
        rules = supervisor.accounts["f1"].account.rules.copy
        assert rules is not None and rules.max_order == 3
        path.write_text(text.replace('account = "f1"', 'account = "f1"\nmax_order = 0\nratoi = 2'))
        answer = await told.post("/v1/reload")
        assert "nothing was changed" in problem(answer, 422)
        errors = answer.json()["errors"]
        assert len(errors) == 2 and any("ratoi" in error for error in errors)
        assert supervisor.accounts["f1"].account.rules.copy == rules

    tell(tmp_path, story)


def test_while_it_stops_nothing_is_taken_up(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        for verb in ("flatten", "pause"):
            told.supervisor.stopping.set()
            answer: httpx.Response | None = None
            try:
                answer = await told.post(f"/v1/accounts/f1/{verb}")
            except httpx.TransportError:
                continue  # it has stopped already
            assert problem(answer, 503)

    tell(tmp_path, story, refusing=True)
