"""The broker answers a read of a session, its snapshot or a read-back, with a penalty in place of the content."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import trio

from statecharts import states as s
from statecharts.states import Cause
from tests.scenarios.world import SYMBOL, World, config_of, run


def test_a_penalty_for_the_snapshot_ends_the_session_and_holds_the_login_for_its_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(100)
            world.server.penalise("user/syncrequest", seconds=90)
            world.server.drop_sockets()
            await world.until(lambda: world.account("f1").account.connection.cause is Cause.PENALTY, within=60)
            state = world.account("f1").account.connection
            assert state.reason is not None and "penalty ticket" in state.reason
            syncs = world.server.calls["user/syncrequest"]
            await trio.sleep(80)
            assert world.server.calls["user/syncrequest"] == syncs, "held: nothing is read"
            await world.copying(within=90)

    run(story, tmp_path)


def test_a_penalty_for_a_read_back_stops_the_reading_and_not_the_copying(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(100)
            opened = world.server.sockets_opened
            world.server.penalise("order/list", seconds=90)
            logins = world.daemon_now.logins.values()
            await world.until(lambda: any(one.tokens.reads_held for one in logins), within=60)
            reads = world.server.calls["position/list"]
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1}, within=2)
            world.lead("Sell", 1)
            await world.until(lambda: world.positions("f1") == {}, within=2)
            await trio.sleep(80)
            assert world.server.calls["position/list"] <= reads + 1, "put off: nothing is read"
            await world.until(lambda: world.server.calls["position/list"] > reads + 1, within=60)
            assert world.server.sockets_opened == opened

    run(story, tmp_path)


def test_in_a_hold_an_account_is_read_later_and_its_session_goes_on(tmp_path: Path) -> None:
    """What is to be flat gets flat at once, also a second account; that it is, is read when the hold is over."""

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await world.until(lambda: world.positions("f1") == world.positions("f2") == {SYMBOL: 2}, within=2)
            opened = world.server.sockets_opened
            world.daemon_now.budget.limited("the broker limits requests (429)", timedelta(minutes=10))
            for name in ("f1", "f2"):
                world.flatten(name)
                await world.until(lambda name=name: world.flat(name), within=2)  # type: ignore[misc]  # of its round
                await trio.sleep(60)
                assert not world.verified(name), "nothing is read in a hold"
            assert all(isinstance(world.account(one).account.connection, s.Copying) for one in ("f1", "f2"))
            await world.until(lambda: world.verified("f1") and world.verified("f2"), within=600)
            assert world.server.sockets_opened == opened

    run(story, tmp_path, config_of(("f1", "f2")))


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
