"""A position of ours is behind its stop: also when that is refused, cancelled by somebody, or not heard of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from daemon.control import views
from daemon.control.evidence import Evidence
from tests.scenarios import truth
from tests.scenarios.guard import behind, guarded, stops
from tests.scenarios.test_brackets import LIMIT, MES, MICRO, bracket, live, pair
from tests.scenarios.test_copying import told
from tests.scenarios.world import SYMBOL, World, config_of

TELL = config_of(follower='on_stop_refused = "tell"')


def unprotected(world: World) -> Any:
    return views.account(world.daemon_now, "f1", Evidence(world.daemon_now.ledger))["unprotected"]


async def refused(world: World) -> None:
    """The leader is in, protected by a bracket; our stop is refused when it wakes."""
    bracket(world, "Buy", 2, price="5190")
    await trio.sleep(1)
    world.broker.reject_next("F1", "InvalidPrice", stage="exchange")  # the next that reaches it: the stop, as it wakes
    world.move("5190")


@pytest.mark.rule("orders.stop-refused-flatten")
def test_a_refused_stop_closes_the_position_at_market_and_is_paged(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await refused(world)
        await trio.sleep(2)
        assert world.positions("lead") == {SYMBOL: 2}
        assert world.positions("f1") == {}
        assert world.broker.working("F1") == []
        (words,) = world.said("position.unprotected")
        assert words.startswith("f1: HAS NO STOP: long 2 ESZ6 since 15:00:0")
        assert "stop 5180 refused (InvalidPrice: refused on purpose). Closing at market now" in words
        world.lead("Sell", 2)

    told(story, tmp_path)


@pytest.mark.rule("orders.stop-refused-flatten", "outcomes.exit-transient")
@pytest.mark.parametrize("one", ["a stop alone", "a stop with a target"])
def test_a_stop_that_is_refused_five_times_for_a_moment_s_trouble_closes_the_position(one: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(2)
        world.broker.reject_next("F1", "ExecutionProviderUnavailable", stage="answer", times=5)
        if one == "a stop alone":
            world.lead("Sell", 2, "Stop", stop="5180")
        else:
            pair(world, 2)
        await trio.sleep(12)
        assert world.positions("f1") == {SYMBOL: 2}
        await trio.sleep(20)
        assert world.positions("f1") == {} and world.broker.working("F1") == []
        pages = [entry.message for entry in world.journal if entry.severity == "page" and entry.kind == "copy.failed"]
        assert "closed at market" in pages[-1]
        world.broker.flatten("LEAD", SYMBOL)

    told(story, tmp_path)


@pytest.mark.rule("orders.stop-refused-tell", "outcomes.exit-transient")
def test_with_tell_such_a_stop_is_paged_and_tried_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(2)
        world.broker.reject_next("F1", "ExecutionProviderUnavailable", stage="answer", times=7)
        world.lead("Sell", 2, "Stop", stop="5180")
        await trio.sleep(40)
        pages = [entry.message for entry in world.journal if entry.severity == "page" and entry.kind == "copy.failed"]
        assert len(pages) == 2 and "on_stop_refused = tell" in pages[1]
        await trio.sleep(60)
        (stop,) = world.broker.working("F1")
        assert stop.terms.kind == "Stop" and world.positions("f1") == {SYMBOL: 2}
        world.move("5180")

    told(story, tmp_path, TELL)


@pytest.mark.rule("orders.stop-refused-tell")
def test_with_tell_a_refused_stop_is_paged_and_nothing_is_closed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bracket(world, "Buy", 2, price="5190")
        await trio.sleep(1)
        world.broker.reject_next("F1", "InvalidPrice", stage="exchange")
        world.move("5190")
        await trio.sleep(0.2)
        world.broker.reject_next("F1", "InvalidPrice", stage="answer", times=9)
        await trio.sleep(60)
        assert world.positions("f1") == {SYMBOL: 2}
        pages = world.said("position.unprotected")
        assert len(pages) == 1 and "HAS NO STOP: long 2 ESZ6" in pages[0]
        (shown,) = unprotected(world)
        assert (shown["symbol"], shown["quantity"]) == (SYMBOL, 2)
        assert "stop 5180 refused (InvalidPrice" in shown["why"]
        world.move("5220")
        await trio.sleep(1)
        assert world.positions("f1") == {}
        assert unprotected(world) == []

    told(story, tmp_path, TELL)


@pytest.mark.rule("orders.stop-missing")
@pytest.mark.parametrize("native", [True, False])
def test_a_stop_that_somebody_has_cancelled_is_restored(tmp_path: Path, native: bool) -> None:
    async def story(world: World) -> None:
        async with guarded(world) as guard:
            if native:
                bracket(world, "Buy", 2, kind="Market")
            else:
                world.lead("Buy", 2)
                world.lead("Sell", 2, "Stop", stop="5180")
            await trio.sleep(1)
            (stop,) = stops(world, "f1", SYMBOL)
            world.broker.cancel(stop.order_id)
            await trio.sleep(2)
            (again,) = stops(world, "f1", SYMBOL)
            assert again.order_id != stop.order_id
            assert len(live(world, "f1")) == (2 if native else 1)
            assert len(world.said("position.unprotected")) == 2  # that it had none, and that it has one again
            world.move("5180")
            await trio.sleep(1)
            assert world.positions("f1") == {}
        assert guard.exposed <= LIMIT and guard.excessive <= LIMIT

    told(story, tmp_path)


@pytest.mark.rule("orders.stop-missing")
def test_a_stop_whose_end_no_event_has_told_is_found_by_the_next_read_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bracket(world, "Buy", 2, kind="Market")
        await trio.sleep(1)
        (stop,) = stops(world, "f1", SYMBOL)
        world.fault(mute_props=True)
        world.broker.cancel(stop.order_id)
        await trio.sleep(1)
        world.heal()
        assert list(stops(world, "f1", SYMBOL)) == []
        await trio.sleep(45)
        assert behind(world, "f1", SYMBOL) == 2
        world.move("5220")

    told(story, tmp_path)


def test_a_stop_that_is_gone_again_and_again_is_restored_no_faster_than_it_is_read_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bracket(world, "Buy", 1, kind="Market")
        await trio.sleep(1)
        for _ in range(120):
            for stop in list(stops(world, "f1", SYMBOL)):
                world.broker.cancel(stop.order_id)
            await trio.sleep(1)
        made = len(world.ours("f1"))
        assert 10 <= made <= 20, "the first at once, and then one pair for each reading"
        await trio.sleep(60)
        assert behind(world, "f1", SYMBOL) == 1
        world.move("5220")

    told(story, tmp_path)


@pytest.mark.parametrize("wake", ["first_fill", "each_fill", "last_fill"])
def test_stops_are_right_after_an_interruption_in_which_the_entry_has_filled(tmp_path: Path, wake: str) -> None:
    async def story(world: World) -> None:
        bracket(world, "Buy", 4, price="5190")
        await trio.sleep(1)
        world.move("5190")
        await trio.sleep(1)
        world.fault(oso_wake=wake, fill_size=1, fill_gap=(4.0, 4.0))
        world.server.drop_sockets()
        world.move("5190", MES)
        await trio.sleep(0.5)
        await world.copying()
        await trio.sleep(1)
        held = world.positions("f1")[MES]
        assert 0 < held < 4
        assert behind(world, "f1", MES) == held
        world.heal()
        world.move("5180")
        world.move("5180", MES)

    told(story, tmp_path, MICRO)


def test_a_bracket_that_the_leader_cancels_while_nobody_looks_is_cancelled_after_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        entry, *_ = bracket(world, "Buy", 2, price="5190")
        await trio.sleep(1)
        world.server.drop_sockets()
        world.broker.cancel(entry)
        await world.copying()
        await trio.sleep(2)
        assert world.broker.working("F1") == []
        truth.nothing_twice(world)

    told(story, tmp_path)


def test_a_flatten_leaves_no_leg_behind(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bracket(world, "Buy", 2, kind="Market")
        bracket(world, "Buy", 2, price="5190", stop="5170")
        await trio.sleep(1)
        assert len(world.broker.working("F1")) == 5
        world.flatten("f1")
        await world.until(lambda: world.verified("f1"))
        assert world.flat("f1")
        for price in ("5180", "5170", "5220"):
            world.move(price)
            await trio.sleep(1)
        assert world.flat("f1")

    told(story, tmp_path)


def test_our_stop_stays_while_our_target_is_still_to_fill(tmp_path: Path) -> None:
    """The leader's target has filled, his broker has cancelled his stop; ours waits for its own market."""

    async def story(world: World) -> None:
        bracket(world, "Buy", 2, kind="Market")
        await trio.sleep(1)
        world.move("5220")
        await trio.sleep(3)
        assert world.positions("lead") == {}
        assert behind(world, "f1", MES) == 2
        world.move("5180", MES)
        await trio.sleep(1)
        assert world.positions("f1") == {}

    told(story, tmp_path, MICRO)


def test_a_plain_oco_follows_a_leader_who_scales_out(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with guarded(world) as guard:
            world.lead("Buy", 4)
            await trio.sleep(1)
            stop, target = pair(world, 4)
            await trio.sleep(1)
            world.lead("Sell", 2)
            await trio.sleep(0.2)
            world.change(stop, qty=2)
            world.change(target, qty=2)
            await trio.sleep(1)
            assert (behind(world, "f1", SYMBOL), world.positions("f1")) == (2, {SYMBOL: 2})
            world.move("5180")
            await trio.sleep(1)
            assert world.positions("f1") == {}
        assert guard.exposed <= LIMIT and guard.excessive <= LIMIT

    told(story, tmp_path)
