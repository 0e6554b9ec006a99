"""A login that is authorized in a browser: its tokens, their refreshing, and what may go wrong with either."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio

from daemon.logins.restraint import DOUBTS
from daemon.simulator import LoginSpec
from daemon.simulator.oauth import Application
from daemon.tradovate.answers import Limited
from daemon.tradovate.oauth import OAuth, PairAnswer
from statecharts import states as s
from tests.scenarios.consent import OAUTH, REDIRECT, SECRET, answered, authorization, authorized, pasted
from tests.scenarios.pulse import slow
from tests.scenarios.world import SYMBOL, World, run

HOUR = 3600.0
LOGINS = {
    "fund": LoginSpec(username="fund", accounts=("LEAD", "F1")),
    "other": LoginSpec(username="other", accounts=("ELSE",)),
    "twin": LoginSpec(username="twin", accounts=("LEAD", "F1")),
}


async def _copying(world: World) -> None:
    assert (await authorized(world)).kind == "authorized"
    await world.copying(within=10)


def test_a_login_that_was_never_authorized_asks_nothing_and_is_repaired_by_authorizing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.until(lambda: world.leaf("lead") is world.leaf("f1") is s.Unauthorized)
            await trio.sleep(24 * HOUR)
            assert world.server.oauth.refreshes == world.server.sockets_opened == 0
            outcome = await authorized(world)
            assert (outcome.kind, outcome.title) == ("authorized", "Authorized")
            await world.copying(within=5)
            assert world.server.oauth.exchanges == world.server.sockets_opened == 1
            assert daemon.ledger.user("fund") == world.broker.logins["fund"].user_id
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1}, within=5)

    run(story, tmp_path, OAUTH, logins=LOGINS)


def test_it_is_refreshed_at_two_thirds_of_its_life_by_one_task_for_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        slow(world, monkeypatch)
        async with world.daemon() as daemon:
            await _copying(world)
            began = trio.current_time()
            await world.until(lambda: world.server.oauth.refreshes == 1, within=HOUR * 2, every=1)
            assert 0.64 * 5400 <= trio.current_time() - began <= 0.69 * 5400
            first = daemon.ledger.refresh_token("fund")
            await trio.sleep(2 * 24 * HOUR)
            assert 46 <= world.server.oauth.refreshes <= 52
            assert daemon.ledger.refresh_token("fund") != first
            assert world.server.sockets_opened == 1
            assert world.server.token_requests["fund"] == world.server.renewals["fund"] == 0
            kept = daemon.ledger.refresh_token("fund")
            assert kept is not None and kept[1] == world.login("fund").tokens.purse.refresh_expires_at
            assert not world.said("token.expiring")

    run(story, tmp_path, OAUTH, logins=LOGINS)


def test_a_restart_goes_on_with_what_was_written_down(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await _copying(world)
            await trio.sleep(3 * HOUR)
        refreshes = world.server.oauth.refreshes
        async with world.daemon():
            await world.copying(within=5)
            assert world.server.oauth.refreshes == refreshes  # the access token is still good
        await trio.sleep(20 * HOUR)
        async with world.daemon():
            await world.copying(within=5)
            assert world.server.oauth.refreshes == refreshes + 1
        assert world.server.oauth.exchanges == 1

    run(story, tmp_path, OAUTH, logins=LOGINS)


@pytest.mark.parametrize("delay", [0.5, 2.0])
def test_a_stop_in_the_middle_of_a_refresh_loses_no_refresh_token(tmp_path: Path, delay: float) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await _copying(world)
            world.fault(answer_delay=(delay, delay))
            await world.until(lambda: world.server.oauth.refreshes == 1, within=2 * HOUR, every=0.1)
        world.heal()
        world.server.expire_tokens("fund")
        async with world.daemon():
            await world.copying(within=5)
        assert world.server.oauth.exchanges == 1

    run(story, tmp_path, OAUTH, logins=LOGINS)


def test_a_dial_never_refreshes_beside_the_task_that_does(tmp_path: Path) -> None:
    """The look-alike makes both pairs void when one refresh token is used twice."""

    async def story(world: World) -> None:
        world.fault(token_life=600.0, answer_delay=(0.2, 3.0))
        async with world.daemon():
            await world.until(lambda: world.leaf("f1") is s.Unauthorized)
            await _copying(world)
            told = len(world.said("token.refused"))
            for _ in range(60):
                await trio.sleep(world.dice.uniform(0, 420))
                if world.dice.random() < 0.5:
                    world.server.expire_tokens("fund")
                world.server.drop_sockets()
            await trio.sleep(60)
            await world.copying(within=60)
            assert world.server.oauth.exchanges == 1
            assert len(world.said("token.refused")) == told  # it was before it was authorized

    run(story, tmp_path, OAUTH, logins=LOGINS)


@pytest.mark.parametrize("times", [1, DOUBTS - 1])
def test_an_invalid_token_is_retried_for_minutes_before_it_counts(tmp_path: Path, times: int) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await _copying(world)
            world.server.refuse_refresh(times)
            await trio.sleep(62.5 * 60 + times * 50)
            assert world.server.oauth.refreshes == times + 1
            assert world.leaf("f1") is s.Copying
            assert world.server.sockets_opened == 1

    run(story, tmp_path, OAUTH, logins=LOGINS)


def test_an_invalid_token_at_a_dial_is_retried_likewise(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await _copying(world)
            world.server.refuse_refresh(3)
            world.server.expire_tokens("fund")
            world.server.drop_sockets()
            lost_at = trio.current_time()
            await world.until(lambda: world.server.oauth.refreshes == 4, within=300)
            assert 75 <= trio.current_time() - lost_at <= 155  # three waits of 25 to 50 s
            await world.copying(within=60)

    run(story, tmp_path, OAUTH, logins=LOGINS)


def test_a_refresh_that_stays_refused_counts_and_only_the_user_can_mend_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await _copying(world)
            world.lead("Buy", 1)
            await trio.sleep(1)
            world.lead("Sell", 1, "Stop", stop="4900")
            world.server.oauth.revoke(world.broker.logins["fund"])
            await trio.sleep(2 * HOUR)
            (expired,) = world.said("token.expired")
            assert expired.startswith("login fund: TOKEN EXPIRED 16:30:00 UTC, refresh refused (invalid_token")
            assert "2 accounts hold 2 ESZ6 long; 2 of 2 have a stop at the broker" in expired
            assert expired.endswith("Copierctl authorize fund")
            # The socket outlives its token, and copying goes on on it: nobody is thrown out of a position for that.
            assert world.server.oauth.refreshes == DOUBTS
            assert world.leaf("f1") is s.Copying
            assert any("copierctl authorize fund" in line for line in world.said("token.refused"))
            world.server.drop_sockets()
            await world.until(lambda: world.leaf("lead") is world.leaf("f1") is s.Unauthorized)
            state = world.account("f1").account.connection
            assert state.reason is not None and "refresh refused (invalid_token" in state.reason
            await trio.sleep(24 * HOUR)
            assert world.server.oauth.refreshes == DOUBTS
        async with world.daemon():  # nor does a restart ask again
            await world.until(lambda: world.leaf("lead") is world.leaf("f1") is s.Unauthorized)
            await trio.sleep(HOUR)
            assert world.server.oauth.refreshes == DOUBTS
            await _copying(world)
            await trio.sleep(1.5 * HOUR)
            assert world.server.oauth.refreshes == DOUBTS + 1
            assert world.leaf("f1") is s.Copying

    run(story, tmp_path, OAUTH, logins=LOGINS)


def test_a_refresh_token_past_its_end_is_not_asked_about_for_minutes(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await _copying(world)
        await trio.sleep(27 * HOUR)
        async with world.daemon():
            await world.until(lambda: world.leaf("f1") is s.Unauthorized, within=5)
            assert world.server.oauth.refreshes == 1

    run(story, tmp_path, OAUTH, logins=LOGINS)


def test_an_outage_of_hours_ends_with_a_refresh_and_no_human(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await _copying(world)
            world.server.go_down()
            await trio.sleep(5 * HOUR)
            assert world.server.oauth.refreshes == 0
            world.server.come_up()
            await world.copying(within=400)
            assert world.server.oauth.refreshes == world.server.oauth.exchanges == 1

    run(story, tmp_path, OAUTH, logins=LOGINS)


def test_without_a_refresh_token_the_access_token_is_extended(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(no_refresh_token=True)
        async with world.daemon() as daemon:
            await _copying(world)
            await trio.sleep(10 * HOUR)
            assert world.server.renewals["fund"] >= 9
            assert world.server.oauth.refreshes == 0
            assert daemon.ledger.refresh_token("fund") is None
        await trio.sleep(2 * HOUR)
        async with world.daemon():  # too late: only the user can help
            await world.until(lambda: world.leaf("f1") is s.Unauthorized)
            assert world.server.oauth.refreshes == 0
            await _copying(world)

    run(story, tmp_path, OAUTH, logins=LOGINS)


def test_a_token_of_a_minute_is_refreshed_in_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(token_life=60.0)
        async with world.daemon():
            await _copying(world)
            await trio.sleep(600)
            assert 14 <= world.server.oauth.refreshes <= 16
            assert world.login("fund").tokens.current is not None

    run(story, tmp_path, OAUTH, logins=LOGINS)


@pytest.mark.parametrize(("user", "words"), [("other", "belongs to user"), ("twin", "belongs to user")])
def test_another_user_is_refused_and_the_old_state_stays(tmp_path: Path, user: str, words: str) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await _copying(world)
            kept, token = daemon.ledger.refresh_token("fund"), world.login("fund").tokens.current
            outcome = await authorized(world, user=user)
            assert (outcome.kind, outcome.status) == ("wrong-user", 409)
            assert words in outcome.detail and "nothing was changed" in outcome.detail
            assert outcome.remedy is not None and "copierctl authorize fund" in outcome.remedy
            assert (daemon.ledger.refresh_token("fund"), world.login("fund").tokens.current) == (kept, token)
            await trio.sleep(1.5 * HOUR)
            assert world.leaf("f1") is s.Copying
            assert world.server.oauth.refreshes == 1

    run(story, tmp_path, OAUTH, logins=LOGINS)


def test_a_user_without_the_configured_accounts_is_refused_the_first_time_too(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.until(lambda: world.leaf("f1") is s.Unauthorized)
            outcome = await authorized(world, user="other")
            assert outcome.kind == "wrong-user"
            assert "does not own F1, LEAD" in outcome.detail
            assert world.leaf("f1") is s.Unauthorized
            await _copying(world)
            again = await authorized(world)  # the same user: nothing is replaced, nothing is disturbed
            assert again.kind == "authorized"
            assert world.server.sockets_opened == 1

    run(story, tmp_path, OAUTH, logins=LOGINS)


def test_what_the_user_may_do_wrong(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            assert (await pasted(world, f"{REDIRECT}?code=1&state=2")).kind == "nothing-pending"
            denied = await authorized(world, answer="deny")
            assert (denied.kind, denied.title) == ("access-denied", "Access Denied")

            pending = await authorization(world).begin()
            for wrong in (
                "", "hello", "http://[", f"{REDIRECT}?code=made-up", f"{REDIRECT}?code=made-up&state=wrong",
                f"{REDIRECT}?state={pending.state}", f"{REDIRECT}?code=x&state=\ud800",
            ):  # fmt: skip
                assert (await pasted(world, wrong)).kind == "foreign-answer"
            url = await answered(world, pending.address)
            assert (await pasted(world, f"  {url}\n")).kind == "authorized"  # nothing of the above has ended it
            assert (await pasted(world, url)).kind == "session-expired"  # an answer counts once

            older = await authorization(world).begin()
            newer = await authorization(world).begin()
            assert older.outcome is not None and older.outcome.kind == "superseded"
            assert (await pasted(world, await answered(world, older.address))).kind == "foreign-answer"
            assert (await pasted(world, await answered(world, newer.address))).kind == "authorized"

            late = await authorization(world).begin()
            url = await answered(world, late.address)
            await trio.sleep(600.1)
            assert late.outcome is not None and late.outcome.kind == "session-expired"
            assert (await pasted(world, url)).kind == "session-expired"
            assert world.server.oauth.exchanges == 2

    run(story, tmp_path, OAUTH, logins=LOGINS)


def test_what_the_broker_may_have_against_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            world.server.oauth.applications = {"8123": Application("8123", SECRET, REDIRECT)}
            wrong = await authorized(world)
            assert (wrong.kind, wrong.title) == ("invalid-credentials", "Invalid Credentials")
            monkeypatch.setenv("COPIERD_FUND_CLIENT_SECRET", SECRET)

            pending = await authorization(world).begin()
            url = await answered(world, pending.address)
            await trio.sleep(61)  # the code has ended, the page not
            assert (await pasted(world, url)).kind == "session-expired"

            pending = await authorization(world).begin()
            answer = f"{REDIRECT}?error=unauthorized_client&state={pending.state}"
            unknown = await pasted(world, answer)
            assert (unknown.kind, unknown.title) == ("application-not-found", "Application Not Found")

            pending = await authorization(world).begin()
            url = await answered(world, pending.address)
            world.server.go_down()
            assert (await pasted(world, url)).kind == "broker-unreachable"
            world.server.come_up()

            world.server.oauth.applications = {}
            pending = await authorization(world).begin()
            assert await answered(world, pending.address) == ""  # a page of the broker's says it: Application Not Found

            world.server.oauth.applications = {"8123": Application("8123", SECRET, REDIRECT)}
            await _copying(world)
            everything = "\n".join(f"{entry.message} {entry.fields}" for entry in world.journal)
            token = world.login("fund").tokens.current
            assert token is not None
            assert not any(one in everything for one in (SECRET, token.text, pending.state, pending.verifier, "code-"))
            assert all(one not in repr(pending) for one in (SECRET, pending.state, pending.verifier))

    run(story, tmp_path, OAUTH, logins=LOGINS)


def test_only_a_follower_s_own_login_is_repaired(tmp_path: Path) -> None:
    """Two logins: authorizing one dials the other no sooner."""
    text = OAUTH.replace('[accounts.f1]\nlogin = "fund"', '[accounts.f1]\nlogin = "twin"').replace(
        "[accounts.lead]", OAUTH[OAUTH.index("[logins.fund]") : OAUTH.index("[accounts.lead]")].replace("fund", "twin")
        + "[accounts.lead]",
    )  # fmt: skip

    async def story(world: World) -> None:
        async with world.daemon():
            await world.until(lambda: world.leaf("lead") is world.leaf("f1") is s.Unauthorized)
            assert (await authorized(world)).kind == "authorized"
            await world.copying("lead", within=5)
            await trio.sleep(60)
            assert world.leaf("f1") is s.Unauthorized

    run(
        story, tmp_path, text, logins={name: attrs.evolve(one, accounts=("LEAD", "F1")) for name, one in LOGINS.items()}
    )


def test_within_a_hold_no_code_is_exchanged_and_what_an_exchange_is_answered_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def limited(*asked: object) -> PairAnswer:
        return Limited(429, 60.0)

    async def story(world: World) -> None:
        async with world.daemon():
            with monkeypatch.context() as patch:
                patch.setattr(OAuth, "exchange", limited)
                assert (await authorized(world)).kind == "broker-unreachable"
            tokens = world.login("fund").tokens
            assert tokens.budget.held_until is not None and tokens.restraint.hold is not None
            assert (await authorized(world)).kind == "broker-unreachable"
            assert world.server.oauth.exchanges == 0
            await trio.sleep(61)
            assert (await authorized(world)).kind == "authorized"

    run(story, tmp_path, OAUTH, logins=LOGINS)


def test_a_bug_ends_the_authorization_and_not_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*asked: object) -> PairAnswer:
        raise ArithmeticError("nobody expects it")

    async def story(world: World) -> None:
        async with world.daemon():
            bugs: list[BaseException] = []
            authorization(world).crashed = bugs.append
            with monkeypatch.context() as patch:
                patch.setattr(OAuth, "exchange", broken)
                outcome = await authorized(world)
            assert (outcome.kind, outcome.status) == ("internal-error", 500)
            assert [type(bug) for bug in bugs] == [ArithmeticError]
            assert (await authorized(world)).kind == "authorized"

    run(story, tmp_path, OAUTH, logins=LOGINS)
