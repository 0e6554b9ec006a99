"""What an API key may not do, and what an account may not do any more."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from daemon.simulator import Faults, LoginSpec
from tests.simulator.client import House, get, login, play, post

NOBODYS = {"orderId": 2**63 - 1}


def change(house: House, **spec: Any) -> LoginSpec:
    user = house.broker.logins["apex"]
    user.spec = attrs.evolve(user.spec, **spec)
    return user.spec


@pytest.mark.parametrize("permission", ["read", "denied"])
def test_a_key_without_full_access_places_cancels_and_tries_nothing(permission: str) -> None:
    async def story(house: House) -> None:
        change(house, orders=permission)
        token = (await login(house.server))["accessToken"]
        account = house.broker.account_ids["LEAD"]
        order = {"accountId": account, "action": "Buy", "symbol": "ESZ6", "orderQty": 1, "orderType": "Market"}
        assert await post(house.server, "order/placeorder", order, token) == (401, "Access is denied")
        assert await post(house.server, "order/cancelorder", NOBODYS, token) == (401, "Access is denied")
        trial = {"accountId": account, "orders": []}
        assert await post(house.server, "order/dryrun", trial, token) == (401, "Access is denied")
        assert (await get(house.server, "order/list", token))[0] == (200 if permission == "read" else 401)
        assert (await get(house.server, "account/list", token))[0] == 200
        assert house.broker.accepted == []

    play(story)


def test_a_dry_run_says_what_risk_would_say_and_places_nothing() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        trial = {"accountId": house.broker.account_ids["LEAD"], "orders": []}
        assert await post(house.server, "order/dryrun", trial, token) == (200, {"rejectReason": "Success"})
        house.broker.lock("LEAD", "LiquidationOnly")
        assert await post(house.server, "order/dryrun", trial, token) == (200, {"rejectReason": "LiquidationOnly"})
        theirs = {"accountId": house.broker.account_ids["FUND"], "orders": []}
        assert (await post(house.server, "order/dryrun", theirs, token))[0] == 401
        assert (await post(house.server, "order/dryrun", {"accountId": 1, "orders": []}, token))[0] == 404
        assert house.broker.accepted == []

    play(story)


@pytest.mark.parametrize(("missing_order", "status"), [("denied", 401), ("not_found", 404)])
def test_an_order_that_is_not_there_is_refused_in_two_ways(missing_order: str, status: int) -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        assert (await post(house.server, "order/cancelorder", NOBODYS, token))[0] == status

    play(story, Faults(missing_order=missing_order))


def test_a_market_data_subscription_may_have_ended() -> None:
    async def story(house: House) -> None:
        answered = await login(house.server)
        (row,) = (await get(house.server, "marketDataSubscription/list", answered["accessToken"]))[1]
        assert (answered["hasMarketData"], row["expired"]) == (True, False)
        change(house, market_data=False)
        answered = await login(house.server)
        (row,) = (await get(house.server, "marketDataSubscription/list", answered["accessToken"]))[1]
        assert (answered["hasMarketData"], row["expired"]) == (False, True)

    play(story)


@pytest.mark.parametrize(
    ("live", "key_of", "good"), [(True, "demo", False), (False, "live", False), (True, "live", True)]
)
def test_a_key_of_the_other_environment_is_of_no_use(live: bool, key_of: str, good: bool) -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        change(house, key_of=key_of)
        assert (await get(house.server, "account/list", token))[0] == (200 if good else 403)
        answered = await login(house.server)
        assert ("accessToken" in answered) is good
        if not good:
            assert answered["errorText"] == f"This endpoint should be called on {key_of}.tradovateapi.com"

    play(story, Faults(live=live))
