"""The token of a login: renewed in time, asked for as rarely as possible, never fought for."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest
import trio

from daemon.control import views
from daemon.control.evidence import Evidence
from daemon.ledger import Ledger
from daemon.logins.authorization import Unfit
from daemon.logins.tokens import Token, Tokens
from daemon.simulator import LoginSpec
from statecharts import states as s
from statecharts.states import Cause
from tests.scenarios import passages
from tests.scenarios.world import PASSWORD, SYMBOL, World, config_of, now, run

HOUR = 3600.0
TWO = config_of(("f1",))


def _cause(world: World, name: str = "f1") -> Cause | None:
    return world.account(name).account.connection.cause


@pytest.mark.parametrize("life", [1200.0, 5400.0, 20_000.0])
def test_it_is_renewed_at_two_thirds_of_the_life_that_the_broker_names(tmp_path: Path, life: float) -> None:
    async def story(world: World) -> None:
        world.fault(token_life=life)
        async with world.daemon():
            await world.copying()
            for count in (1, 2):
                began = trio.current_time()
                await world.until(lambda: world.server.renewals["jane"] == count, within=life, every=1.0)  # noqa: B023
                assert 0.64 * life <= trio.current_time() - began <= 0.69 * life
            assert world.server.token_requests["jane"] == world.server.sockets_opened == 1

    run(story, tmp_path, TWO)


def test_a_renewal_that_fails_for_a_while_is_tried_until_it_works(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.fault(renew_status=500)
            await trio.sleep(61.5 * 60)
            tries = world.server.renewals["jane"]
            assert 1 <= tries <= 4
            await trio.sleep(10 * 60)
            assert len(world.said("token.expiring")) == world.server.renewals["jane"] <= 8
            world.heal()
            await trio.sleep(301)
            assert world.said("token.renewed")
            await trio.sleep(3 * HOUR)
            assert world.server.token_requests["jane"] == world.server.sockets_opened == 1

    run(story, tmp_path, TWO)


def test_a_token_that_ends_under_an_open_socket_ends_no_socket_and_the_next_dial_gets_a_new_one(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.fault(renew_status=500)
            await trio.sleep(2 * HOUR)
            assert world.leaf("f1") is s.Copying
            assert world.server.sockets_opened == world.server.token_requests["jane"] == 1
            assert world.login().tokens.current is None
            (expired,) = world.said("token.expired")
            assert expired == (
                "login apex: TOKEN EXPIRED 16:30:00 UTC, HTTP 500. The next connection asks for a new one"
            ), "no human is needed"
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1}, within=5)
            renewals = world.server.renewals["jane"]
            await trio.sleep(HOUR)
            assert world.server.renewals["jane"] == renewals  # an ended token is not renewed
            world.heal()
            world.server.drop_sockets()
            await trio.sleep(1)
            await world.copying(within=10)
            assert world.server.token_requests["jane"] == 2
            assert len(world.said("token.expired")) == 1

    run(story, tmp_path, TWO)


def test_a_token_that_took_another_s_place_is_renewed_in_its_turn(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(30 * 60)
            world.server.revoke_tokens("apex")
            world.server.drop_sockets()
            await trio.sleep(5)
            await world.copying(within=30)
            assert world.server.token_requests["jane"] == 2
            await trio.sleep(4 * HOUR)
            assert world.server.renewals["jane"] >= 3
            assert world.server.token_requests["jane"] == 2

    run(story, tmp_path, TWO)


@pytest.mark.parametrize("style", ["text", "status"])
def test_bad_credentials_are_asked_once_until_the_operator_says_so(tmp_path: Path, style: str) -> None:
    async def story(world: World) -> None:
        world.fault(login_style=style)
        async with world.daemon() as daemon:
            await world.until(lambda: world.leaf("lead") is world.leaf("f1") is s.Unauthorized)
            await trio.sleep(24 * HOUR)
            assert world.server.token_requests["jane"] == 1
            assert world.network.connects == []
            state = daemon.accounts["f1"].account.connection
            assert (state.shown, state.cause) == ("TokenExpired", Cause.CREDENTIALS)
            world.reconnect("f1")  # without having mended anything: one more, and no more
            await trio.sleep(HOUR)
            assert world.leaf("f1") is s.Unauthorized
            assert world.server.token_requests["jane"] == 2
            world.server.change_password("apex", PASSWORD)
            world.reconnect("f1")
            await world.copying("f1", within=5)
            world.reconnect("lead")
            await world.copying(within=5)
            assert world.server.token_requests["jane"] == 3

    run(story, tmp_path, TWO, logins={"apex": LoginSpec("jane", "another", ("LEAD", "F1"))})


def test_a_password_that_is_changed_while_copying_is_noticed_at_the_next_dial_and_asked_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.server.change_password("apex", "another")
            await trio.sleep(600)
            assert world.leaf("f1") is s.Copying
            world.server.drop_sockets()
            await world.until(lambda: world.leaf("f1") is s.Unauthorized)
            await trio.sleep(HOUR)
            assert world.leaf("lead") is s.Unauthorized
            assert world.server.token_requests["jane"] == 2

    run(story, tmp_path, TWO)


def test_a_penalty_is_waited_for_and_nothing_is_asked_meanwhile(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.server.penalise(seconds=40)
        async with world.daemon():
            await trio.sleep(39.9)
            assert world.server.token_requests["jane"] == 0
            assert world.server.calls["auth/accesstokenrequest"] == 1
            assert _cause(world) is Cause.PENALTY
            await world.copying(within=60)
            assert world.server.calls["auth/accesstokenrequest"] == 2

    run(story, tmp_path, TWO)


def test_a_penalty_s_ticket_is_shown_when_its_time_is_over_also_after_a_restart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(insist_on_tickets=True)
        world.server.penalise(seconds=40)
        async with world.daemon():
            await trio.sleep(20)
        async with world.daemon():
            await trio.sleep(19)
            assert world.server.calls["auth/accesstokenrequest"] == 1, "the wait is kept"
            await world.copying(within=60)
            assert world.server.calls["auth/accesstokenrequest"] == 2, "with the ticket, or it would be penalised again"
            await trio.sleep(61 * 60)
            world.server.penalise("auth/renewaccesstoken", seconds=40)
            await trio.sleep(10 * 60)
            assert world.said("token.renewed")
            assert world.server.token_requests["jane"] == 1

    run(story, tmp_path, TWO)


def test_a_captcha_is_told_as_a_human_s_and_waited_for_a_whole_hour_also_over_a_restart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.server.penalise(seconds=15, captcha=True)
        for _ in range(2):
            async with world.daemon() as daemon:
                await trio.sleep(HOUR / 2 - 10)
                assert world.server.calls["auth/accesstokenrequest"] == 1
                assert world.leaf("f1") is s.GivenUp
                assert _cause(world) is Cause.PENALTY
                shown = views.status(daemon, Evidence(daemon.ledger))
                for row in (*_rows(shown, "accounts"), *_rows(shown, "logins")):
                    assert "a human must log in" in str(row["reason"])
                    assert "solve it there, then: copierctl authorize apex" in str(row["remedy"])
                (login,) = _rows(shown, "logins")
                assert login["state"] == "Held" and login["hold_until"] == "2026-11-18T16:00:00.000Z"
        told = world.said("token.refused")
        assert len(told) == 1, "once, by the process that heard it"
        assert "a human must log in" in told[0] and "copierctl authorize apex" in told[0]
        assert all("a human must log in" in line for line in world.said("connection.broken"))
        async with world.daemon():
            await world.copying(within=300)
            assert world.server.calls["auth/accesstokenrequest"] == 2

    run(story, tmp_path, TWO)


def test_a_human_who_has_solved_the_captcha_need_not_wait(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.server.penalise(captcha=True, times=2)
        async with world.daemon():
            await trio.sleep(600)
            with pytest.raises(Unfit) as unfit:  # he has not, yet
                await world.login().ask_anew()
            assert unfit.value.outcome.kind == "captcha"
            assert "a human must log in" in unfit.value.outcome.detail
            assert str(unfit.value.outcome.remedy).endswith("then: copierctl authorize apex")
            await trio.sleep(600)
            assert world.server.calls["auth/accesstokenrequest"] == 2
            assert (await world.login().ask_anew()).kind == "authorized"
            await world.copying(within=5)
            assert world.server.calls["auth/accesstokenrequest"] == 3

    run(story, tmp_path, TWO)


def _rows(shown: dict[str, object], section: str) -> list[dict[str, object]]:
    rows = shown[section]
    assert isinstance(rows, list)
    return rows


def test_too_many_requests_hold_the_login_and_nothing_prolongs_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.server.revoke_tokens("apex")
            world.server.accept_then_fail(429, times=1, endpoint="auth/accesstokenrequest")
            world.server.drop_sockets()
            await trio.sleep(20)
            asked = world.server.calls["auth/accesstokenrequest"]
            assert asked == 2  # at the start, and the one that was limited
            assert _cause(world) is Cause.PENALTY
            await world.copying(within=60)
            assert world.server.calls["auth/accesstokenrequest"] == 3

    run(story, tmp_path, TWO)


def test_a_restart_with_a_valid_token_asks_for_none(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for _ in range(3):
            async with world.daemon():
                await world.copying()
                await trio.sleep(600)
        assert world.server.token_requests["jane"] == 1
        async with world.daemon():
            await trio.sleep(2 * HOUR)
        assert world.server.token_requests["jane"] == 1
        assert world.server.renewals["jane"] >= 1
        await trio.sleep(3 * HOUR)
        async with world.daemon():
            await world.copying()
        assert world.server.token_requests["jane"] == 2

    run(story, tmp_path, TWO)


def test_a_token_of_the_last_process_that_the_broker_no_longer_knows_is_replaced_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        ledger = Ledger.open(tmp_path / "ledger.sqlite")
        ledger.keep_token("apex", "tok-of-another-day", now() + timedelta(hours=1), None)
        ledger.close()
        async with world.daemon() as daemon:
            await world.copying()
            assert world.server.token_requests["jane"] == 1
            assert passages.states(passages.of(daemon.ledger, "f1"))[:3] == ["Dialing", "BackingOff", "Dialing"]

    run(story, tmp_path, TWO)


@pytest.mark.parametrize("status", [401, 429, 500])
def test_a_token_that_is_refused_again_and_again_makes_no_storm_of_requests(tmp_path: Path, status: int) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(100)
            world.fault(authorize_status=status)
            world.server.drop_sockets()
            await trio.sleep(HOUR)
            assert world.server.token_requests["jane"] == 1, "the broker goes on renewing the one that there is"
            assert 1 <= world.server.renewals["jane"] <= 15
            assert not world.said("daemon.bug")
            world.heal()
            await world.copying(within=20 * 60)

    run(story, tmp_path, TWO)


def test_new_tokens_that_are_refused_make_no_storm_of_token_requests(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(100)
            world.fault(authorize_status=401, renew_status=401)
            world.server.drop_sockets()
            await trio.sleep(HOUR)
            assert 1 <= world.server.token_requests["jane"] - 1 <= 5
            world.heal()
            await world.copying(within=70 * 60)

    run(story, tmp_path, TWO)


@pytest.mark.parametrize("seed", range(3))
def test_a_token_that_ends_in_any_moment_of_a_dial_costs_one_more_dial_at_most(tmp_path: Path, seed: int) -> None:
    async def story(world: World) -> None:
        dice = random.Random(seed)
        world.fault(authorize_delay=0.4, sync_delay=0.4)
        async with world.daemon():
            await world.copying()
            for count in range(10):
                await trio.sleep(100)
                dials = world.login().sockets
                world.server.drop_sockets()
                await world.until(lambda: world.login().sockets > dials)  # noqa: B023
                await trio.sleep(dice.uniform(0.0, 0.9))
                world.server.expire_tokens("apex")
                await world.copying(within=30)
                assert world.login().sockets <= dials + 2
                assert world.server.token_requests["jane"] <= count + 2
            await trio.sleep(2 * HOUR)
            await world.copying(within=0.1)

    run(story, tmp_path, TWO)


def test_a_bug_in_the_renewal_keeps_no_dial_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dial would have waited for a minute, with one of two handshakes that all logins share."""

    async def renewed(tokens: Tokens) -> None:
        bugs.append(trio.current_time())
        raise RuntimeError("a bug")

    bugs: list[float] = []
    monkeypatch.setattr(Tokens, "_renew", renewed)

    async def story(world: World) -> None:
        world.fault(token_life=60.0)
        async with world.daemon():
            await world.copying()
            await world.until(lambda: bool(bugs))
            await trio.sleep(60 - trio.current_time() + 1)
            world.server.drop_sockets()
            await trio.sleep(0.1)
            await world.copying(within=5)
            assert world.server.token_requests["jane"] == 2
            await world.until(lambda: len(bugs) > 1, within=120)
            assert bugs[1] >= bugs[0] + 60, "no storm of them"

    run(story, tmp_path)


def test_a_token_that_is_slow_to_come_when_the_rest_after_a_bug_ends_comes_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was cut off, and the dial waited for it for ever, with one of the handshakes in its hand."""

    async def renewed(tokens: Tokens) -> None:
        bugs.append(trio.current_time())
        raise RuntimeError("a bug")

    async def slowly(tokens: Tokens) -> Token:
        await trio.sleep(6 if bugs else 0)
        return await opened(tokens)

    bugs: list[float] = []
    opened = Tokens._opened
    monkeypatch.setattr(Tokens, "_renew", renewed)
    monkeypatch.setattr(Tokens, "_opened", slowly)

    async def story(world: World) -> None:
        world.fault(token_life=60.0)
        async with world.daemon():
            await world.copying()
            await world.until(lambda: bool(bugs))
            await trio.sleep_until(bugs[0] + 58)
            world.server.drop_sockets()
            await trio.sleep(0.1)
            await world.copying(within=30)

    run(story, tmp_path)
