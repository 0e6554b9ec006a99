"""The broker answers a read of a session, its snapshot or a read-back, with a penalty in place of the content."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from statecharts import states as s
from statecharts.states import Cause
from tests.scenarios.world import World, run


@pytest.mark.parametrize("endpoint", ["user/syncrequest", "order/list"])
def test_a_penalty_for_a_read_ends_the_session_and_holds_the_login_for_its_time(tmp_path: Path, endpoint: str) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(100)
            world.server.penalise(endpoint, seconds=90)
            if endpoint == "user/syncrequest":
                world.server.drop_sockets()
            await world.until(lambda: world.account("f1").account.connection.cause is Cause.PENALTY, within=60)
            state = world.account("f1").account.connection
            assert state.reason is not None and "penalty ticket" in state.reason
            syncs = world.server.calls["user/syncrequest"]
            await trio.sleep(80)
            assert world.server.calls["user/syncrequest"] == syncs, "held: nothing is read"
            await world.copying(within=90)

    run(story, tmp_path)


def test_a_captcha_for_the_snapshot_says_that_a_human_must_log_in(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(100)
            world.server.penalise("user/syncrequest", captcha=True)
            world.server.drop_sockets()
            await world.until(lambda: world.account("f1").account.connection.advice is not None, within=60)
            state = world.account("f1").account.connection
            assert state.cause is Cause.PENALTY and not isinstance(state, s.Copying)
            assert state.reason is not None and "captcha" in state.reason
            assert state.advice is not None and "log in to Tradovate in a browser" in state.advice

    run(story, tmp_path)
