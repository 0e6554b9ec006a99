"""Another log-in ends our session: told apart from a limit and from a server's trouble, and not fought for."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from statecharts import states as s
from statecharts.events import SessionLost
from statecharts.states import Cause
from statecharts.values import AccountName
from tests.scenarios.world import EPOCH, SYMBOL, World, config_of, run

HOUR = 3600.0
STATUSES = pytest.mark.parametrize("status", [408, 429, 500])


def _losses(world: World, since: float = 0.0) -> list[Cause]:
    turns = world.daemon_now.ledger.turns(AccountName("f1"))
    later = [turn.event for turn in turns if (turn.at - EPOCH).total_seconds() >= since]
    return [event.cause for event in later if isinstance(event, SessionLost)]


@pytest.mark.rule("outcomes.limited-or-evicted")
@STATUSES
def test_a_session_whose_socket_was_closed_for_another_waits_a_minute_and_asks_once(
    tmp_path: Path, status: int
) -> None:
    async def story(world: World) -> None:
        world.fault(evicted_status=status)
        async with world.daemon():
            await world.copying()
            await trio.sleep(100)
            evicted_at = trio.current_time()
            world.server.evict("apex")
            await trio.sleep(1)
            await world.copying(within=130)
            assert trio.current_time() - evicted_at >= 60
            assert _losses(world, evicted_at) == [Cause.EVICTED], "one dial, with a token that is good"
            assert world.server.token_requests["jane"] == 2
            assert world.daemon_now.budget.held_until is None

    run(story, tmp_path)


def test_a_connection_that_was_closed_for_another_keeps_its_session_where_that_still_stands(tmp_path: Path) -> None:
    """The user has more sessions than connections: no further session is opened, which would end one of his."""

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(100)
            world.server.shut_down(reason_code="ConnectionQuotaReached")
            await trio.sleep(1)
            assert world.account("f1").account.connection.cause is Cause.EVICTED
            await world.copying(within=130)
            assert (world.server.token_requests["jane"], world.server.renewals["jane"]) == (1, 1)

    run(story, tmp_path)


@STATUSES
def test_a_session_that_ends_without_a_word_is_found_at_the_next_request(tmp_path: Path, status: int) -> None:
    async def story(world: World) -> None:
        world.fault(evict_closes_sockets=False, evicted_status=status)
        async with world.daemon():
            await world.copying()
            await trio.sleep(100)
            evicted_at = trio.current_time()
            world.server.evict("apex")
            await world.until(lambda: bool(_losses(world, evicted_at)), within=300)
            first = _losses(world, evicted_at)[0]
            assert first is {408: Cause.EVICTED, 429: Cause.PENALTY, 500: Cause.BROKER}[status]
            await world.until(lambda: Cause.EVICTED in _losses(world, evicted_at), within=300)
            await world.copying(within=400)
            assert world.server.token_requests["jane"] == 2
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1}, within=5)

    run(story, tmp_path)


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_in_trouble_is_no_rival(tmp_path: Path, status: int) -> None:
    """It answers orders, authorize and renewals with its own errors: the token is kept, nothing is held or stopped."""

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(100)
            world.fault(renew_status=status, authorize_status=status)
            world.server.accept_then_fail(status)
            world.lead("Buy", 1)
            await trio.sleep(5)
            assert world.daemon_now.budget.held_until is None
            world.server.drop_sockets()
            await trio.sleep(HOUR)
            assert set(_losses(world)) == {Cause.NETWORK, Cause.BROKER}
            assert world.leaf("f1") is s.GivenUp
            assert world.server.token_requests["jane"] == 1
            world.heal()
            await world.copying(within=300)
            assert world.server.token_requests["jane"] == 1

    run(story, tmp_path)


def test_one_answer_of_a_server_in_trouble_holds_nobody(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.server.accept_then_fail(500)
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1}, within=5)
            await trio.sleep(1)
            assert world.daemon_now.budget.held_until is None
            assert world.leaf("f1") is s.Copying
            assert world.server.sockets_opened == 1

    run(story, tmp_path, config_of())
