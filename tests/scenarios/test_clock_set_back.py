"""The machine's clock was ahead, and is set right while we copy: nothing waits for that time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
import trio

from statecharts.events import AlarmRang
from statecharts.values import AccountName
from tests.scenarios import truth
from tests.scenarios.world import SYMBOL, World, config_of, run


def told(story: Callable[[World], Awaitable[None]], state: Path, ahead: timedelta = timedelta(hours=1)) -> None:
    async def whole(world: World) -> None:
        world.ahead = ahead
        async with world.daemon():
            await world.copying()
            await story(world)
            await trio.sleep(60)
            truth.all_is_well(world)

    run(whole, state, config_of())


def set_right(world: World) -> None:
    world.ahead = timedelta(0)


def test_an_order_without_an_answer_is_given_up_after_two_look_ups(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.server.lose_request(endpoint="order/placeorder")
        entry = world.lead("Buy", 2)
        await trio.sleep(12)
        assert world.row(entry)["outcome"] == "unknown"
        set_right(world)
        await trio.sleep(120)
        assert world.row(entry)["outcome"] == "skipped"
        world.lead("Sell", 2)
        await trio.sleep(2)
        again = world.lead("Buy", 1)
        await trio.sleep(2)
        assert world.row(again)["outcome"] == "filled", "its contract is frozen no more"
        world.lead("Sell", 1)

    told(story, tmp_path)


def test_a_clock_that_was_half_a_minute_ahead_is_noticed_too(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await trio.sleep(2)
        set_right(world)
        await trio.sleep(62)
        turns = world.daemon_now.ledger.turns(AccountName("f1"))
        assert [one.event for one in turns if isinstance(one.event, AlarmRang)]

    told(story, tmp_path, timedelta(seconds=40))


def test_a_working_order_follows_the_leader_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        entry = world.lead("Buy", 2, "Limit", price="4900")
        await trio.sleep(2)
        set_right(world)
        await trio.sleep(5)
        world.change(entry, price="4910")
        await trio.sleep(1)
        assert [str(one.terms.price) for one in world.ours("f1")] == ["4910"]
        world.broker.cancel(entry)
        await trio.sleep(1)
        assert not world.broker.working("F1")

    told(story, tmp_path)


@pytest.mark.parametrize("minutes", [5, -5])
def test_a_clock_that_goes_wrong_keeps_nothing_from_being_copied_once_the_broker_has_told_the_time(
    minutes: int, tmp_path: Path
) -> None:
    """With the token of the last process no login hears the time: what the broker dated was taken for the past."""

    async def story(world: World) -> None:
        world.ahead = timedelta(minutes=minutes)
        async with world.daemon():
            await world.copying()
        async with world.daemon():
            await world.copying()
            assert world.server.token_requests["jane"] == 1
            await trio.sleep(45)
            world.server.drop_sockets()
            await trio.sleep(1)
            await world.copying()
            world.lead("Buy", 1)
            await trio.sleep(1)
            assert world.positions("f1") == {SYMBOL: 1}
            world.lead("Sell", 1)
            await trio.sleep(1)
            assert world.positions("f1") == {}

    run(story, tmp_path)


def test_a_clock_that_is_five_minutes_fast_keeps_nothing_from_being_copied_after_a_restart_with_the_kept_token(
    tmp_path: Path,
) -> None:
    """No token is asked for, and so none tells the broker's time: all that the leader did was of the past."""

    async def story(world: World) -> None:
        world.ahead = timedelta(minutes=5)
        async with world.daemon():
            await world.copying()
        async with world.daemon():
            await world.copying()
            await trio.sleep(1)
            entry = world.lead("Buy", 2)
            await trio.sleep(2)
            assert world.row(entry)["outcome"] == "filled"
            world.lead("Sell", 2)
            await trio.sleep(2)
            truth.all_is_well(world)

    run(story, tmp_path, config_of())
