"""Connections are lost in every way there is, and come back by themselves: when, how often, with nothing forgotten."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from statecharts import states as s
from tests.scenarios import passages
from tests.scenarios.pulse import slow
from tests.scenarios.world import SYMBOL, World, config_of, run

DAY = 24 * 3600.0
LOSSES = 50


async def _broken_for(world: World, seconds: float, **faults: object) -> None:
    world.fault(**faults)
    world.server.drop_sockets()
    await trio.sleep(seconds)
    world.heal()


async def _lose(world: World, dice: random.Random) -> None:
    """One of the ways in which a connection is lost."""
    server = world.server
    match dice.randrange(12):
        case 0 | 1:
            server.drop_sockets()
        case 2:
            server.drop_sockets(code=1001, reason="going away")
        case 3:
            server.go_away()
        case 4:
            server.shut_down()
        case 5 | 6:
            lost_at = trio.current_time()
            server.half_open()
            await world.until(lambda: world.leaf("lead") is not s.Copying, within=20)
            assert trio.current_time() - lost_at <= 10.05  # the silence limit
        case 7:  # again while backing off, dialing and reading anew
            for _ in range(4):
                server.drop_sockets()
                await trio.sleep(dice.uniform(0.0, 2.2))
        case 8:
            await _broken_for(world, dice.uniform(5, 40), handshake_silent=True)
        case 9:
            await _broken_for(world, dice.uniform(5, 40), authorize_silent=True)
        case 10:
            await _broken_for(world, dice.uniform(5, 40), sync_silent=True)
        case _:
            server.go_down(refusing=dice.random() < 0.5)
            await trio.sleep(dice.uniform(60, 600))
            server.come_up()


@pytest.mark.parametrize("seed", [1])
def test_fifty_disconnects_of_a_day_end_with_every_account_copying(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        slow(world, monkeypatch)
        dice = random.Random(f"losses {seed}")
        moments = sorted(dice.uniform(60, DAY - 1800) for _ in range(LOSSES))
        async with world.daemon():
            await world.copying()
            for moment in moments:
                await trio.sleep(max(0.0, moment - trio.current_time()))
                await _lose(world, dice)
            await trio.sleep(DAY - trio.current_time())
            await world.copying(within=1)
            assert len(world.server.live_sockets()) == 1
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == world.positions("f2") == {SYMBOL: 1}, within=5)
            assert not world.said("daemon.bug")
            assert world.daemon_now.crashes == 0
            # Every outage of the leader was the followers' outage: one login, one socket.
            assert world.login().sockets >= LOSSES * 0.8

    run(story, tmp_path, config_of(("f1", "f2")), seed=seed)


@pytest.mark.parametrize("seed", range(5))
def test_each_attempt_waits_between_d_and_2d_and_the_first_comes_within_two_seconds(tmp_path: Path, seed: int) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            await trio.sleep(100.0)
            lost_at = trio.current_time()
            world.server.go_down()
            await trio.sleep(280)
            way = passages.of(daemon.ledger, "f1", since=lost_at)
            waits = [b.at - a.at for a, b in pairwise(way) if a.state == "BackingOff"]
            assert len(waits) >= 8
            for attempt, wait in enumerate(waits, 1):
                upper = min(2.0**attempt, 60.0)
                assert upper / 2 <= wait <= upper
            assert all(later > earlier for earlier, later in pairwise(waits[:6]))
            assert 1.0 <= world.network.connects[1] - lost_at <= 2.0

    run(story, tmp_path, seed=seed)


def test_an_open_position_shortens_the_longest_wait(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            world.lead("Buy", 1)
            await trio.sleep(100.0)
            lost_at = trio.current_time()
            world.server.go_down()
            await trio.sleep(280)
            way = passages.of(daemon.ledger, "f1", since=lost_at)
            waits = [b.at - a.at for a, b in pairwise(way) if a.state == "BackingOff"]
            assert max(waits) <= 10.0

    run(story, tmp_path)


def test_it_is_given_up_exactly_at_the_limit_and_a_probe_brings_it_back_without_a_human(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            await trio.sleep(50.0)
            lost_at = trio.current_time()
            world.server.go_down(refusing=True)
            world.network.refusing = True
            await trio.sleep(299.9)
            assert world.leaf("lead") is s.BackingOff
            await trio.sleep(0.2)
            assert world.leaf("lead") is world.leaf("f1") is s.GivenUp
            way = passages.of(daemon.ledger, "f1", since=lost_at)
            assert [one.at - lost_at for one in way if one.state == "GivenUp"] == [300.0]
            assert world.account("f1").account.connection.shown == "Disconnected"
            dials = world.login().sockets
            await trio.sleep(3600)
            assert world.leaf("f1") is s.GivenUp
            assert world.login().sockets == dials  # a probe that fails dials nothing
            world.server.come_up()
            world.network.refusing = False
            await world.copying(within=133)  # the next probe: every 120 s, and a tenth
            assert world.login().sockets == dials + 1

    run(story, tmp_path)


def test_a_host_that_answers_but_does_not_work_is_probed_slowly_and_stays_given_up(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.server.go_down()  # takes connections and answers 503
            await trio.sleep(301)
            dials = world.login().sockets
            await trio.sleep(3600)
            assert world.login().sockets - dials <= 31
            world.server.come_up()
            await world.copying(within=133)

    run(story, tmp_path)


def test_time_at_the_broker_s_word_is_not_forgotten_by_a_server_that_accepts_and_then_closes(tmp_path: Path) -> None:
    """Attempts are forgotten only when the connection has held for a minute, else this would be a storm."""

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(100)
            began, dials = trio.current_time(), world.login().sockets
            while trio.current_time() < began + 240:
                if world.server.live_sockets("apex"):
                    await trio.sleep(0.5)
                    world.server.drop_sockets()
                await trio.sleep(0.1)
            assert 6 <= world.login().sockets - dials <= 9

    run(story, tmp_path)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda world: world.server.go_down(refusing=True),
        lambda world: world.fault(handshake_silent=True),
        lambda world: world.fault(authorize_silent=True),
    ],
    ids=["refusing", "handshake hangs", "no answer to authorize"],
)
def test_a_reconnect_asked_again_and_again_while_dialing_makes_no_second_socket(
    tmp_path: Path, break_it: Callable[[World], None]
) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            break_it(world)
            world.server.drop_sockets()
            await world.until(lambda: world.leaf("f1") is s.BackingOff)
            most = 0
            for _ in range(40):
                for name in ("lead", "f1"):
                    world.reconnect(name)
                await trio.sleep(0.1)
                most = max(most, len(world.server.live_sockets()))
            assert most <= 1
            world.heal()
            await world.copying()
            assert len(world.server.live_sockets()) == 1

    run(story, tmp_path)


def test_a_reconnect_on_a_live_session_only_reads_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            await trio.sleep(10)
            asked_at = trio.current_time()
            world.reconnect("f1")
            await trio.sleep(5)
            way = passages.of(daemon.ledger, "f1", since=asked_at)
            assert passages.states(way) == ["Resyncing", "Copying"]
            assert world.login().sockets == world.server.sockets_opened == world.server.syncs["apex"] == 1
            assert passages.of(daemon.ledger, "lead", since=asked_at) == []
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1}, within=5)

    run(story, tmp_path)
