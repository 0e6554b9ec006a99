"""Secrets stay where they belong: no journal line, no ledger row, no view and no exception text shows one."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import trio

from daemon.control import views
from daemon.control.evidence import Evidence
from daemon.simulator import LoginSpec
from statecharts import states as s
from tests.scenarios.world import PASSWORD, World, config_of, run

SEC = "canary-sec-9d41c0"
TWO = config_of(("f1",))
LOGINS = {"apex": LoginSpec("jane", PASSWORD, ("LEAD", "F1"), sec=SEC)}


@pytest.fixture(autouse=True)
def _a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPIERD_APEX_SEC", SEC)


def _every_token(world: World) -> list[str]:
    return list(world.server.tokens._tokens)


def _rows(path: Path) -> dict[str, list[str]]:
    """Every value of every column, as text."""
    found: dict[str, list[str]] = {}
    with sqlite3.connect(path) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = db.execute(f"SELECT * FROM {table}")  # noqa: S608 - its own name
            columns = [one[0] for one in rows.description]
            for row in rows:
                for column, value in zip(columns, row, strict=True):
                    found.setdefault(f"{table}.{column}", []).append(str(value))
    db.close()
    return found


def _shows(text: str, secrets: list[str]) -> list[str]:
    return [secret for secret in secrets if secret in text]


def _nothing_shows(world: World, secrets: list[str]) -> None:
    for entry in world.journal:
        assert not _shows(entry.message + json.dumps(dict(entry.fields)), secrets), entry
    daemon = world.daemon_now
    evidence = Evidence(daemon.ledger)
    assert not _shows(json.dumps(views.status(daemon, evidence)), secrets)
    for name, running in daemon.accounts.items():
        assert not _shows(json.dumps(views.account_in_full(daemon, name, evidence)), secrets)
        assert not _shows(repr(running), secrets)
    for login in daemon.logins.values():
        assert not _shows(repr(login) + str(login.session and login.session.loss), secrets)
    assert not _shows(repr(daemon.config) + repr(daemon.ledger), secrets)


def _ledger_shows_the_token_in_its_column_only(path: Path, secrets: list[str]) -> None:
    rows = _rows(path)
    for column, values in rows.items():
        if column != "logins.token":
            for value in values:
                assert not _shows(value, secrets), column
    assert not _shows(" ".join(rows["logins.token"]), [PASSWORD, SEC])
    for file in path.parent.iterdir():
        content = file.read_bytes().decode("latin-1")
        assert not _shows(content, [PASSWORD, SEC]), file


def test_no_secret_is_seen_anywhere_in_a_day_of_trouble(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(token_life=1200.0)
        async with world.daemon() as daemon:
            await world.copying()
            secrets = [PASSWORD, SEC]
            for trouble in range(6):
                world.lead("Buy", 1)
                await trio.sleep(900)
                secrets += _every_token(world)
                (world.server.drop_sockets, world.server.half_open, world.server.shut_down)[trouble % 3]()
                if trouble % 2:
                    world.server.revoke_tokens("apex")
                world.fault(renew_status=401 if trouble == 4 else 200)
                await trio.sleep(30)
                await world.copying(within=60)
            # What the broker says back may hold what was said to it.
            token = daemon.logins["apex"].tokens.current
            assert token is not None
            secrets = sorted({*secrets, *_every_token(world), token.text})
            assert len(secrets) >= 8
            for echo in (f"x{token.text}", f'a["{token.text}"]', f'c[3000,"bad token {token.text}"]'):
                world.server.send_frame(echo)
                await trio.sleep(1)
            world.server.drop_sockets(code=1008, reason=f"token {token.text} is worn")
            await trio.sleep(5)
            await world.copying(within=60)
            _nothing_shows(world, secrets)
        _ledger_shows_the_token_in_its_column_only(tmp_path / "ledger.sqlite", secrets)

    run(story, tmp_path, TWO, logins=LOGINS)


@pytest.mark.parametrize("style", ["text", "status"])
def test_a_refused_secret_is_not_quoted(tmp_path: Path, style: str) -> None:
    async def story(world: World) -> None:
        world.fault(login_style=style)
        async with world.daemon():
            await world.until(lambda: world.leaf("f1") is s.Unauthorized)
            _nothing_shows(world, [PASSWORD, SEC])
        _ledger_shows_the_token_in_its_column_only(tmp_path / "ledger.sqlite", [PASSWORD, SEC])

    run(story, tmp_path, TWO, logins={"apex": LoginSpec("jane", "another", ("LEAD", "F1"))})


def test_a_bug_in_the_middle_of_a_token_request_shows_none(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            world.server.revoke_tokens("apex")
            grant = daemon.logins["apex"].tokens.grant
            daemon.logins["apex"].tokens.grant = None  # type: ignore[assignment]  # the bug
            world.server.drop_sockets()
            await trio.sleep(20)
            assert world.said("daemon.bug")
            daemon.logins["apex"].tokens.grant = grant
            await world.copying(within=400)
            _nothing_shows(world, [PASSWORD, SEC, *_every_token(world)])
        _ledger_shows_the_token_in_its_column_only(tmp_path / "ledger.sqlite", [PASSWORD, SEC, *_every_token(world)])

    run(story, tmp_path, TWO, logins=LOGINS)
