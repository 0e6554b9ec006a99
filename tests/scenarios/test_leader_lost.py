"""The leader is not Connected: its followers hold, or get out after a while where the configuration says so."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import attrs
import pytest
import trio

from statecharts import states as s
from statecharts.events import RulesChanged
from statecharts.market_hours import PlatformWindows, Window
from tests.scenarios import truth
from tests.scenarios.mortality import Killed, Mortality
from tests.scenarios.world import EPOCH, SYMBOL, World, config_of, now, run

LEADERS = "ws://127.0.0.1:1/"
FLATTEN = config_of(copy='on_leader_lost = "flatten"\nleader_lost_after = "2m"', elsewhere=("f1",))
HOLD = config_of(copy='leader_lost_after = "2m"', elsewhere=("f1",))


async def in_a_trade(world: World) -> None:
    """Long two, with a stop behind them and another entry below."""
    await world.copying()
    world.lead("Buy", 2)
    await world.until(lambda: world.positions("f1") == {SYMBOL: 2})
    world.lead("Sell", 2, "Stop", stop="5180")
    world.lead("Buy", 1, "Limit", price="5190")
    await world.until(lambda: len(world.broker.working("F1")) == 2)


def lose_the_leader(world: World) -> None:
    world.network.refused.add(LEADERS)
    world.server.drop_sockets("apex")


async def leader_is_back(world: World) -> None:
    world.network.refused.discard(LEADERS)
    await world.copying("lead", within=130)
    await trio.sleep(3)


@pytest.mark.rule("outcomes.leader-lost")
def test_while_the_leader_is_not_connected_its_followers_hold_and_brackets_stay(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await in_a_trade(world)
            lose_the_leader(world)
            await trio.sleep(1)
            world.lead("Buy", 3)
            await trio.sleep(1800)
            assert world.leaf("f1") is s.Copying and world.leaf("lead") is s.GivenUp
            assert world.positions("f1") == {SYMBOL: 2}
            assert sorted(one.terms.kind for one in world.broker.working("F1")) == ["Limit", "Stop"]
            assert len(world.ours("f1")) == 3
            world.move("5179")  # the stop at the broker needs nobody
            await world.until(lambda: world.positions("f1").get(SYMBOL, 0) <= 1)

    run(story, tmp_path, HOLD)


@pytest.mark.rule("outcomes.leader-lost-flatten")
def test_after_leader_lost_after_the_followers_own_are_closed_and_told_and_join_the_next_trade(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await in_a_trade(world)
            lose_the_leader(world)
            await trio.sleep(118)
            assert world.positions("f1") == {SYMBOL: 2} and len(world.broker.working("F1")) == 2
            await trio.sleep(7)
            assert world.positions("f1") == {} and world.broker.working("F1") == []
            assert any("leader lead has been away" in words for words in world.said("account.flattening"))
            assert world.said("account.flattened")
            await leader_is_back(world)
            assert not world.account("f1").account.paused
            more = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(more)["outcome"] == "skipped" and "has been away" in str(world.row(more)["reason"])
            world.broker.flatten("LEAD", SYMBOL)
            for order in world.broker.working("LEAD"):
                world.broker.cancel(order.order_id)
            await trio.sleep(2)
            again = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(again)["outcome"] == "filled"
            world.lead("Sell", 1)
            await trio.sleep(30)
            truth.all_is_well(world)

    run(story, tmp_path, FLATTEN)


@pytest.mark.rule("outcomes.leader-lost-flatten")
def test_the_leaders_return_before_that_changes_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await in_a_trade(world)
            for _ in range(3):
                lose_the_leader(world)
                await trio.sleep(100)
                await leader_is_back(world)
            await trio.sleep(300)
            assert world.positions("f1") == {SYMBOL: 2} and len(world.ours("f1")) == 3
            assert not world.said("account.flattening")
            world.broker.flatten("LEAD", SYMBOL)
            await trio.sleep(30)
            assert world.positions("f1") == {}

    run(story, tmp_path, FLATTEN)


@pytest.mark.rule("outcomes.leader-lost-flatten")
def test_the_loss_counts_through_a_crash_of_the_daemon(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        mortality = Mortality()
        try:
            async with world.daemon(mortality):
                await in_a_trade(world)
                lose_the_leader(world)
                await trio.sleep(60)
                mortality.dead = True
                raise Killed
        except* Killed:
            pass
        finally:
            await mortality.bury()
        async with world.daemon():
            await world.copying("f1")
            await trio.sleep(30)
            assert world.positions("f1") == {SYMBOL: 2}
            await trio.sleep(35)
            assert world.positions("f1") == {} and world.broker.working("F1") == []

    run(story, tmp_path, FLATTEN)


@pytest.mark.rule("outcomes.leader-lost-flatten")
def test_a_leader_that_is_away_when_the_daemon_starts_is_lost_from_then_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await in_a_trade(world)
        world.network.refused.add(LEADERS)
        await trio.sleep(3600)
        async with world.daemon():
            await world.copying("f1")
            await trio.sleep(115)
            assert world.positions("f1") == {SYMBOL: 2}
            await trio.sleep(10)
            assert world.positions("f1") == {} and world.broker.working("F1") == []

    run(story, tmp_path, FLATTEN)


@pytest.mark.rule("outcomes.leader-lost-flatten")
@pytest.mark.parametrize("back_first", ["lead", "f1"])
def test_one_outage_of_everybody_is_no_reason_to_get_out(back_first: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await in_a_trade(world)
            world.network.refused.update({LEADERS, "ws://127.0.0.1:2/"})
            world.server.drop_sockets()
            await trio.sleep(280)
            first, second = (LEADERS, "ws://127.0.0.1:2/") if back_first == "lead" else ("ws://127.0.0.1:2/", LEADERS)
            world.network.refused.discard(first)
            await world.copying(back_first, within=60)
            await trio.sleep(5)
            world.network.refused.discard(second)
            await world.copying(within=25)
            await trio.sleep(300)
            assert world.positions("f1") == {SYMBOL: 2} and len(world.ours("f1")) == 3
            world.broker.flatten("LEAD", SYMBOL)
            await trio.sleep(30)
            assert world.positions("f1") == {}

    run(story, tmp_path, FLATTEN)


@pytest.mark.rule("outcomes.leader-lost-flatten")
def test_time_in_a_maintenance_window_does_not_count(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await in_a_trade(world)
            rules = world.account("lead").account.rules
            windows = PlatformWindows((Window(EPOCH.weekday(), time(9), time(9, 20)),))
            within = attrs.evolve(rules, reconnect=attrs.evolve(rules.reconnect, windows=windows))
            world.account("lead").runner.post(RulesChanged(at=now(), rules=within))
            await trio.sleep(1)
            lose_the_leader(world)
            await trio.sleep(1)
            assert world.leaf("lead") is s.Maintenance
            await trio.sleep(1200 - trio.current_time() + 110)
            assert world.positions("f1") == {SYMBOL: 2} and len(world.broker.working("F1")) == 2
            assert any("STILL AWAY" in words for words in world.said("leader.lost"))
            await trio.sleep(60)  # it counts from when it is late: half a minute after the window
            assert world.positions("f1") == {} and world.broker.working("F1") == []

    run(story, tmp_path, FLATTEN)
