"""A wrong password is asked once: also across restarts, until it, the login's configuration or the operator changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from daemon.config import loads
from daemon.logins.authorization import Unfit
from daemon.logins.outcomes import Outcome
from daemon.simulator import LoginSpec
from statecharts import states as s
from tests.scenarios.world import PASSWORD, World, config_of, run

HOUR = 3600.0
RIGHT = "the-right-one-9d3c"
TWO = config_of(("f1",))
LOGINS = {
    "apex": LoginSpec("jane", RIGHT, ("LEAD", "F1")),
    "other": LoginSpec("joe", RIGHT, ("LEAD", "F1")),
}


async def _refused(world: World, requests: int) -> None:
    await world.until(lambda: world.leaf("lead") is world.leaf("f1") is s.Unauthorized, within=5)
    await trio.sleep(HOUR)
    assert world.server.token_requests["jane"] == requests


async def _asked(world: World) -> Outcome:
    """`copierctl authorize apex`."""
    try:
        return await world.login().ask_anew()
    except Unfit as unfit:
        return unfit.outcome


def test_restarts_do_not_ask_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for _ in range(4):
            async with world.daemon():
                await _refused(world, 1)
                reason = world.account("f1").account.connection.reason
                assert reason is not None and reason.startswith("the broker refused the login: Incorrect username")
                assert any("copierctl authorize apex" in line for line in world.said("token.refused"))
                told = world.said("token.refused") + world.said("token.expired") + [reason]
                assert not any(".." in line for line in told), "the broker's sentence ends, and ours goes on"

    run(story, tmp_path, TWO, logins=LOGINS)


def test_another_secret_is_asked_with_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await _refused(world, 1)
        monkeypatch.setenv("COPIERD_APEX_PASSWORD", "another-wrong-one")
        for _ in range(2):
            async with world.daemon():
                await _refused(world, 2)
        monkeypatch.setenv("COPIERD_APEX_PASSWORD", RIGHT)
        async with world.daemon():
            await world.copying(within=5)
            assert world.server.token_requests["jane"] == 3

    run(story, tmp_path, TWO, logins=LOGINS)


def test_another_configuration_of_the_login_is_asked_with_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await _refused(world, 1)
        world.config = loads(TWO.replace("cid = 8123", "cid = 8124"))
        for _ in range(2):
            async with world.daemon():
                await _refused(world, 2)

    run(story, tmp_path, TWO, logins=LOGINS)


def test_the_operator_asks_exactly_once_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await _refused(world, 1)
            for count in (2, 3):
                outcome = await _asked(world)
                assert (outcome.kind, outcome.title) == ("invalid-credentials", "Invalid Credentials")
                assert outcome.remedy is not None and "copierctl authorize apex" in outcome.remedy
                await _refused(world, count)
            monkeypatch.setenv("COPIERD_APEX_PASSWORD", RIGHT)
            assert (await _asked(world)).kind == "authorized"
            await world.copying(within=5)
            assert world.server.token_requests["jane"] == 4
        async with world.daemon():  # the refusal is forgotten with its success
            await world.copying(within=5)
            assert world.server.token_requests["jane"] == 4

    run(story, tmp_path, TWO, logins=LOGINS)


def test_authorizing_a_login_that_copies_changes_its_token_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        monkeypatch.setenv("COPIERD_APEX_PASSWORD", RIGHT)
        async with world.daemon():
            await world.copying()
            assert (await _asked(world)).kind == "authorized"
            monkeypatch.setenv("COPIERD_APEX_PASSWORD", "a-slip-of-the-pen")
            assert (await _asked(world)).kind == "invalid-credentials"
            await trio.sleep(10 * HOUR)
            assert world.leaf("f1") is s.Copying
            assert world.server.token_requests["jane"] == 2, "the first was a renewal"
            assert world.server.sockets_opened == 1

    run(story, tmp_path, TWO, logins=LOGINS)


def test_another_user_is_refused_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World) -> None:
        monkeypatch.setenv("COPIERD_APEX_PASSWORD", RIGHT)
        async with world.daemon() as daemon:
            await world.copying()
            user = daemon.ledger.user("apex")
        world.config = loads(TWO.replace('"jane"', '"joe"'))
        async with world.daemon() as daemon:
            await world.copying(within=5)
            token = world.login().tokens.current
            outcome = await _asked(world)
            assert (outcome.kind, outcome.status) == ("wrong-user", 409)
            assert world.login().tokens.current == token
            assert daemon.ledger.user("apex") == user

    run(story, tmp_path, TWO, logins=LOGINS)


def test_an_outage_while_the_operator_asks_is_no_refusal(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await _refused(world, 1)
            world.server.go_down()
            outcome = await _asked(world)
            assert outcome.kind == "broker-unreachable"
            world.server.come_up()
            await _refused(world, 1)

    run(story, tmp_path, TWO, logins=LOGINS)


def test_a_reload_tries_a_secret_that_has_changed_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COPIERD_APEX_PASSWORD")
    secret, file = tmp_path / "password", tmp_path / "copier.toml"
    text = TWO.replace("cid = 8123", f'cid = 8123\npassword_file = "{secret}"')
    file.write_text(text)

    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            daemon.config_path = file
            await _refused(world, 0)  # there is no password, so there was no request
            secret.write_text(PASSWORD)
            secret.chmod(0o600)
            daemon.reload()
            await _refused(world, 1)
            daemon.reload()
            await _refused(world, 1)
            secret.write_text(RIGHT)
            daemon.reload()
            await world.copying(within=5)
            assert world.server.token_requests["jane"] == 2
            daemon.reload()
            await trio.sleep(HOUR)
            assert (world.server.token_requests["jane"], world.server.sockets_opened) == (2, 1)

    run(story, tmp_path, text, logins=LOGINS)


def test_a_reload_reads_where_the_secret_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret, file = tmp_path / "password", tmp_path / "copier.toml"
    secret.write_text(RIGHT)
    secret.chmod(0o600)
    file.write_text(TWO.replace("cid = 8123", f'cid = 8123\npassword_file = "{secret}"'))

    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            daemon.config_path = file
            await _refused(world, 1)
            monkeypatch.delenv("COPIERD_APEX_PASSWORD")
            daemon.reload()
            await world.copying(within=5)

    run(story, tmp_path, TWO, logins=LOGINS)


def test_the_ledger_holds_no_password_only_whether_it_is_the_same(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await _refused(world, 1)
            kept = daemon.ledger.fact("refused apex")
            assert kept is not None and PASSWORD not in kept

    run(story, tmp_path, TWO, logins=LOGINS)
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert everything and PASSWORD.encode() not in everything
