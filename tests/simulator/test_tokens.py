"""Tokens, sessions and their ends."""

from datetime import timedelta

import attrs
import trio

from daemon.simulator import Faults, LoginSpec
from daemon.simulator.entities import stamp
from tests.simulator.client import House, get, login, now, play, post


def test_a_token_ends_and_renewal_extends_its_session() -> None:
    async def story(house: House) -> None:
        first = await login(house.server)
        assert first["expirationTime"] == stamp(now() + timedelta(minutes=90))
        await trio.sleep(60 * 60)
        _, second = await get(house.server, "auth/renewAccessToken", first["accessToken"])
        assert second["accessToken"] != first["accessToken"]
        assert (await get(house.server, "account/list", first["accessToken"]))[0] == 200
        await trio.sleep(31 * 60)
        assert await get(house.server, "account/list", first["accessToken"]) == (401, "Expired Access Token")
        status, answer = await get(house.server, "auth/renewaccesstoken", first["accessToken"])
        assert (status, answer["error"]) == (401, "Token expired")
        assert (await post(house.server, "auth/renewaccesstoken", {}, second["accessToken"]))[0] == 200
        assert house.server.token_requests["jane"] == 1
        assert house.server.renewals["jane"] == 2

    play(story)


def test_wrong_credentials_answer_in_either_style() -> None:
    async def story(house: House) -> None:
        for body in ({"name": "jane", "password": "no"}, {"name": "nobody", "password": "secret"}, {"name": "jane"}):
            status, answer = await post(house.server, "auth/accesstokenrequest", body)
            assert status == 200
            assert answer["errorText"]
            assert "accessToken" not in answer
        house.server.faults = Faults(login_style="status")
        status, answer = await post(house.server, "auth/accesstokenrequest", {"name": "jane", "password": "no"})
        assert (status, answer["error"]) == (401, "Invalid credentials")

    play(story)


def test_the_third_session_closes_the_oldest_and_its_socket() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            oldest = house.server.sessions[0].token
            assert oldest is not None
            await login(house.server)
            assert not client.is_closed()
            newest = await login(house.server)
            await house.settle()
            assert client.is_closed()
            assert client.heard[-1]["e"] == "shutdown"
            assert client.heard[-1]["d"]["reasonCode"] == "ConnectionQuotaReached"
            for status in (408, 429, 500):
                house.server.faults = Faults(evicted_status=status)
                assert await get(house.server, "account/list", oldest.text) == (status, None)
            assert (await get(house.server, "account/list", newest["accessToken"]))[0] == 200

    play(story)


def test_a_closed_session_may_keep_its_socket_and_be_refused_on_it() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            house.server.evict("apex")
            assert await client.ask("account/list") == {"s": 500, "i": 3}

    play(story, Faults(evict_closes_sockets=False, evicted_status=500))


def test_an_expired_session_makes_room() -> None:
    async def story(house: House) -> None:
        first = await login(house.server)
        await login(house.server)
        house.server.expire_tokens("apex")
        third, fourth = await login(house.server), await login(house.server)
        assert await get(house.server, "account/list", first["accessToken"]) == (401, "Expired Access Token")
        for token in (third, fourth):
            assert (await get(house.server, "account/list", token["accessToken"]))[0] == 200

    play(story)


def test_a_socket_outlives_its_token_and_new_sockets_need_a_valid_one() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            session = house.server.live_sockets("apex")[0]
            assert session.token is not None
            house.server.expire_tokens("apex")
            await trio.sleep(1)
            assert len((await client.ask("account/list"))["d"]) == 3
            async with house.connect() as other:
                answer = await other.ask("authorize", session.token.text)
                assert (answer["s"], answer["d"]) == (401, "Invalid access token")

    play(story)


def test_revocation_eviction_and_a_new_password() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        house.server.revoke_tokens("apex")
        assert (await get(house.server, "account/list", token))[0] == 401
        token = (await login(house.server))["accessToken"]
        house.server.evict("apex")
        assert (await get(house.server, "account/list", token))[0] == 408
        house.server.change_password("apex", "new")
        assert "errorText" in await login(house.server)
        assert "accessToken" in await login(house.server, password="new")

    play(story)


def test_renewal_can_fail_or_change_nothing() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        house.server.faults = attrs.evolve(house.server.faults, renew_status=500)
        assert (await get(house.server, "auth/renewaccesstoken", token))[0] == 500
        house.server.faults = Faults(renew_same_token=True)
        assert (await get(house.server, "auth/renewaccesstoken", token))[1]["accessToken"] == token

    play(story)


def test_newcomers_any_password_and_keys() -> None:
    async def story(house: House) -> None:
        assert "accessToken" in await login(house.server, "free", "whatever")
        assert "errorText" in await login(house.server, "keyed", "x", sec="wrong")
        assert "accessToken" in await login(house.server, "keyed", "x", sec="right", cid=8123)
        token = (await login(house.server, "stranger", "x"))["accessToken"]
        accounts = (await get(house.server, "account/list", token))[1]
        assert [account["name"] for account in accounts] == ["DEMO-stranger-1", "DEMO-stranger-2"]

    logins = {"free": LoginSpec(username="free"), "keyed": LoginSpec(username="keyed", sec="right")}
    play(story, logins=logins, newcomer_accounts=2)


def test_a_newcomer_is_the_same_user_in_the_next_life_of_the_broker() -> None:
    """Who stops the simulator for a while and starts it again has an outage, and not another broker."""
    lives: list[object] = []

    async def story(house: House) -> None:
        for name in ("joe", "jane") if lives else ("jane", "joe"):
            user = await login(house.server, name, "x")
            accounts = (await get(house.server, "account/list", user["accessToken"]))[1]
            if name == "jane":
                lives.append((user["userId"], [account["id"] for account in accounts]))

    play(story, logins={}, newcomer_accounts=2)
    play(story, logins={}, newcomer_accounts=2)
    assert lives[0] == lives[1]
