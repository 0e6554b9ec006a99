"""Some organisations live on hosts of their own: the wrong one says 307 or 421, and the broker names the right one."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from daemon.config import loads
from statecharts import states as s
from tests.scenarios.world import SYMBOL, World, config_of, run

HOUR = 3600.0
HERE = "https://demo.broker.test"
THERE = "https://demo-7.broker.test"
HOSTED = config_of().replace("http://127.0.0.1:1", HERE).replace("ws://127.0.0.1:1", HERE.replace("http", "ws"))
STRANGER = "https://demo.stranger.test"


def _dialed(world: World) -> list[str]:
    """The hosts that were dialed, in order."""
    return [urlsplit(url).netloc for url in world.network.dialed]


def _asked(world: World) -> list[str]:
    return [urlsplit(url).netloc for url in world.network.asked]


def test_a_login_that_is_sent_elsewhere_for_its_token_dials_there_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(dedicated=THERE)
        async with world.daemon():
            await world.copying(within=5)
            assert _dialed(world) == ["demo-7.broker.test"]
            assert _asked(world) == ["demo.broker.test", "demo-7.broker.test"]
            assert world.server.token_requests["jane"] == 1
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1}, within=5)
            await trio.sleep(2 * HOUR)
            assert set(_asked(world)[2:]) == {"demo-7.broker.test"}, "renewed where it lives"

    run(story, tmp_path, HOSTED)


def test_a_login_that_is_moved_while_it_copies_asks_once_where_to(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.fault(dedicated=THERE)
            world.server.drop_sockets()
            await trio.sleep(1)
            await world.copying(within=10)
            assert _dialed(world) == ["demo.broker.test", "demo.broker.test", "demo-7.broker.test"]
            assert (world.server.token_requests["jane"], world.server.renewals["jane"]) == (1, 1)
            states = world.said("connection.attempted")
            assert any("another host of the broker's (421)" in words for words in states)
        world.network.dialed.clear()
        async with world.daemon():
            await world.copying(within=5)
            assert _dialed(world) == ["demo-7.broker.test"], "remembered over a restart"
            world.heal()
            world.network.unknown.add("demo-7.broker.test")
            world.server.drop_sockets()
            await trio.sleep(1)
            await world.copying(within=60)
            assert _dialed(world)[1:] == ["demo-7.broker.test"] * 3 + ["demo.broker.test"], "it is there no more"

    run(story, tmp_path, HOSTED)


def test_another_environment_s_host_is_forgotten(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(dedicated=THERE)
        async with world.daemon():
            await world.copying()
        world.heal()
        world.config = loads(HOSTED.replace("demo.broker.test", "staging.broker.test"))
        world.network.dialed.clear()
        async with world.daemon():
            await world.copying()
            assert _dialed(world) == ["staging.broker.test"]

    run(story, tmp_path, HOSTED)


def test_a_421_without_a_name_is_told_and_asked_about_once_an_hour(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.fault(handshake_status=421)
            world.server.drop_sockets()
            await trio.sleep(50 * 60)
            assert world.leaf("f1") is s.GivenUp
            state = world.account("f1").account.connection
            assert state.reason is not None and "lives on another host (HTTP 421)" in state.reason
            assert state.advice is not None and "ask Tradovate for the host" in state.advice
            assert world.server.renewals["jane"] == 1
            world.heal()
            await world.copying(within=300)

    run(story, tmp_path, HOSTED)


@pytest.mark.parametrize("names", [True, False])
def test_no_token_goes_to_a_host_that_is_not_the_broker_s(tmp_path: Path, names: bool) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.fault(dedicated=STRANGER, api_hosts=names)
            world.server.drop_sockets()
            await trio.sleep(2 * HOUR)
            assert world.leaf("f1") is s.GivenUp
            assert set(_dialed(world)) == set(_asked(world)) == {"demo.broker.test"}

    run(story, tmp_path, HOSTED)
