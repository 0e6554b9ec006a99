"""The ways in which the look-alike refuses, and fails to refuse, what a conformance test looks at."""

from datetime import timedelta
from typing import Any

import pytest
import trio

from daemon.simulator import Faults
from daemon.simulator.entities import stamp
from tests.simulator.client import House, get, login, now, play


def test_the_end_that_is_told_may_differ_from_the_real_one() -> None:
    async def story(house: House) -> None:
        token = await login(house.server)
        assert token["expirationTime"] == stamp(now() + timedelta(minutes=80))
        await trio.sleep(85 * 60)
        assert (await get(house.server, "account/list", token["accessToken"]))[0] == 200

    play(story, Faults(expiration_shift=-600.0))


@pytest.mark.parametrize(
    ("faults", "answer"),
    [
        (Faults(), (401, {"error": "Token expired", "message": "Access is denied"})),
        (Faults(bad_token_words=False), (401, None)),
        (Faults(bad_token_status=403), (403, "Access is denied")),
    ],
)
def test_a_bad_token_is_refused_over_rest_in_several_ways(faults: Faults, answer: tuple[int, Any]) -> None:
    async def story(house: House) -> None:
        assert await get(house.server, "auth/renewaccesstoken", "nobody's") == answer

    play(story, faults)


@pytest.mark.parametrize(
    ("faults", "answer"),
    [
        (Faults(), {"s": 401, "i": 1, "d": "Invalid access token"}),
        (Faults(authorize_words="No"), {"s": 401, "i": 1, "d": "No"}),
        (Faults(authorize_anyone=True), {"s": 200, "i": 1}),
    ],
)
def test_a_bad_token_is_refused_on_the_socket_in_several_ways(faults: Faults, answer: dict[str, Any]) -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            assert await client.ask("authorize", "nobody's") == answer
            assert (await client.ask("account/list"))["s"] == 401

    play(story, faults)


def test_a_farewell_may_go_unheard() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            with trio.move_on_after(5) as patience:
                await client.socket.aclose()
            assert patience.cancelled_caught
        async with house.connect() as client:
            house.server.faults = Faults()
            with trio.fail_after(5):
                await client.socket.aclose()

    play(story, Faults(farewell_unheard=True))
