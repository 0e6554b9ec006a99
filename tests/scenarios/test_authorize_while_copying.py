"""An operator authorizes a login that copies: nothing is fought over, and nobody's session but our own is ended."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio

from daemon.logins.authorization import Unfit
from daemon.logins.outcomes import Outcome
from daemon.simulator import LoginSpec
from daemon.simulator.logins import Login
from statecharts import states as s
from statecharts.events import SessionLost
from statecharts.states import Cause
from statecharts.values import AccountName
from tests.scenarios.consent import OAUTH, authorized
from tests.scenarios.world import EPOCH, PASSWORD, SYMBOL, World, config_of, run

ANOTHER = "another-right-one-71bc"
TWO = config_of(("f1",))
LOGINS = {"apex": LoginSpec("jane", PASSWORD, ("LEAD", "F1", "F2")), "joe": LoginSpec("joe", PASSWORD, ("ELSE",))}
SESSIONS = pytest.mark.parametrize("allowed", [1, 2])


async def _asked(world: World, name: str = "apex") -> Outcome:
    """`copierctl authorize apex`."""
    try:
        return await world.login(name).ask_anew()
    except Unfit as unfit:
        return unfit.outcome


def _causes(world: World, since: float) -> list[Cause]:
    """Of every loss of the follower's session."""
    turns = world.daemon_now.ledger.turns(AccountName("f1"))
    later = [turn for turn in turns if (turn.at - EPOCH).total_seconds() >= since]
    return [turn.event.cause for turn in later if isinstance(turn.event, SessionLost)]


async def _copies(world: World) -> None:
    world.lead("Buy", 1)
    await world.until(lambda: world.positions("f1") == {SYMBOL: 1}, within=5)
    world.lead("Sell", 1)
    await world.until(lambda: world.positions("f1") == {}, within=5)


@SESSIONS
def test_with_the_same_credential_the_token_is_renewed_and_nothing_else_happens(tmp_path: Path, allowed: int) -> None:
    async def story(world: World) -> None:
        world.fault(max_sessions=allowed)
        for restart in (False, True):
            async with world.daemon():
                await world.copying()
                token = world.login().tokens.current
                outcome = await _asked(world)
                assert (outcome.kind, outcome.title) == ("authorized", "Authorized")
                assert "its token was renewed" in outcome.detail
                assert world.login().tokens.current != token
                await trio.sleep(60)
                assert world.leaf("f1") is s.Copying
                assert world.server.token_requests["jane"] == 1
                assert world.server.renewals["jane"] == 1 + restart
                assert world.server.sockets_opened == 1 + restart
                await _copies(world)

    run(story, tmp_path, TWO, logins=LOGINS)


@SESSIONS
def test_with_another_credential_the_session_is_replaced_by_our_own_doing(
    tmp_path: Path, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        world.fault(max_sessions=allowed)
        async with world.daemon():
            await world.copying()
            await trio.sleep(100)
            monkeypatch.setenv("COPIERD_APEX_PASSWORD", "a-slip-of-the-pen")
            assert (await _asked(world)).kind == "invalid-credentials"
            await trio.sleep(60)
            assert world.leaf("f1") is s.Copying
            assert world.server.sockets_opened == 1, "what was refused has changed nothing"
            user = world.broker.logins["apex"]
            if allowed == 1:
                world.server.change_password("apex", ANOTHER)
            else:
                _also(user)
            monkeypatch.setenv("COPIERD_APEX_PASSWORD", ANOTHER)
            asked_at = trio.current_time()
            assert (await _asked(world)).kind == "authorized"
            await trio.sleep(0.5)
            await world.copying(within=5)
            assert _causes(world, asked_at) == [Cause.OPERATOR], "nobody else has taken it"
            assert world.server.token_requests["jane"] == 3
            assert world.server.sockets_opened == 2
            assert len(world.server.live_sockets("apex")) == 1
            await _copies(world)

    run(story, tmp_path, TWO, logins=LOGINS)


def _also(user: Login) -> None:
    """The new password is right, and the tokens of the old one stay good."""
    user.spec = attrs.evolve(user.spec, password=ANOTHER)


@SESSIONS
@pytest.mark.parametrize("closes", [True, False])
def test_a_browser_s_yes_replaces_the_session_by_our_own_doing(tmp_path: Path, allowed: int, closes: bool) -> None:
    async def story(world: World) -> None:
        world.fault(max_sessions=allowed, evict_closes_sockets=closes)
        async with world.daemon():
            assert (await authorized(world)).kind == "authorized"
            await world.copying(within=10)
            await trio.sleep(100)
            asked_at = trio.current_time()
            assert (await authorized(world)).kind == "authorized"
            await trio.sleep(0.5)
            await world.copying(within=5)
            assert _causes(world, asked_at) == [Cause.OPERATOR]
            assert world.server.sockets_opened == 2
            assert world.daemon_now.budget.held_until is None
            await _copies(world)

    run(story, tmp_path, OAUTH, logins={"fund": LoginSpec(username="fund", accounts=("LEAD", "F1"))})


def test_a_session_that_has_ended_at_the_broker_is_asked_for_anew(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(evict_closes_sockets=False)
        async with world.daemon():
            await world.copying()
            world.server.evict("apex")
            assert "renewed" not in (await _asked(world)).detail
            assert world.server.token_requests["jane"] == 2
            await trio.sleep(0.5)
            await world.copying(within=5)
            await _copies(world)

    run(story, tmp_path, TWO, logins=LOGINS)


def test_a_user_without_the_configured_accounts_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grant password: also the first time, and also the right user when an account is not his any more."""

    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            monkeypatch.setenv("COPIERD_APEX_PASSWORD", ANOTHER)
            user = world.broker.logins["apex"]
            _also(user)
            lost = world.broker.account_ids["F1"]
            world.broker.entities.update("account", lost, name="CLOSED")
            token = world.login().tokens.current
            outcome = await _asked(world)
            assert (outcome.kind, outcome.status) == ("wrong-user", 409)
            assert "does not own F1; nothing was changed" in outcome.detail
            assert outcome.remedy is not None
            assert "correct the name of the account in copier.toml" in outcome.remedy
            assert "it sees CLOSED, F2, LEAD" in outcome.remedy
            assert world.login().tokens.current == token
            assert world.leaf("f1") is s.Copying
            world.broker.entities.update("account", lost, name="F1")
            assert (await _asked(world)).kind == "authorized"
            assert daemon.ledger.user("apex") == user.user_id

    run(story, tmp_path, TWO, logins=LOGINS)


def test_another_user_without_the_accounts_is_refused_the_first_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            world.server.penalise(captcha=True)
            await trio.sleep(60)  # no token yet, so it is not known whose login it is
            outcome = await _asked(world)
            assert (outcome.kind, outcome.status) == ("wrong-user", 409)
            assert "joe" in outcome.detail and "does not own F1, LEAD" in outcome.detail
            assert outcome.remedy is not None and "correct its username" in outcome.remedy
            assert daemon.ledger.token("apex") is None

    run(story, tmp_path, TWO.replace('"jane"', '"joe"'), logins=LOGINS)
