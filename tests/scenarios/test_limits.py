"""Limits of money, of hours and of a contract's end, with the daemon at work and through its restarts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from daemon.control import views
from daemon.control.evidence import Evidence
from statecharts import events as e
from statecharts.sessions import CHICAGO
from tests.scenarios import truth
from tests.scenarios.world import EPOCH, SYMBOL, World, config_of, now, run

Story = Callable[[World], Awaitable[None]]
LOSS = "daily_loss_limit = 500"
# One with the limit, one without: one follower's trouble never touches another.
COMPANY = ("f1", "f2")


def until(text: str) -> float:
    """Seconds on trio's clock until this time in Chicago, of the world's first day or with its date before it."""
    day, _, wall = text.rpartition(" ")
    at = datetime.fromisoformat(f"2026-11-{day or '18'}T{wall}").replace(tzinfo=CHICAGO)
    return (at - EPOCH).total_seconds()


def limited(limits: str, story: Story, state: Path) -> None:
    run(story, state, config_of(COMPANY, each={"f1": limits}))


def shown(world: World, name: str = "f1") -> dict[str, Any]:
    """The element of /v1/status."""
    return views.account(world.daemon_now, name, Evidence(world.daemon_now.ledger))


def reason(world: World, order: int) -> str:
    row = world.row(order)
    assert row["outcome"] == "skipped", row
    return str(row["reason"])


async def loses(world: World, points: int = 5) -> None:
    """Both followers hold two contracts, which lose 50 dollars each for every point."""
    world.lead("Buy", 2)
    await world.until(lambda: world.positions("f1") == world.positions("f2") == {SYMBOL: 2})
    world.move(str(5200 - points))


@pytest.mark.rule("risk.daily-loss", "risk.lock-survives", "risk.watched")
@pytest.mark.parametrize("turn", ["told", "quiet"])
def test_a_daily_loss_closes_and_locks_through_restarts_until_the_next_session(turn: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(quiet_turn=turn == "quiet")
        await trio.sleep_until(until("16:50"))
        async with world.daemon():
            await world.copying()
            await loses(world, 4)
            await trio.sleep(31)
            assert shown(world)["limits"] == {"daily_loss_limit": {"used": 400.0, "limit": 500.0}}
            assert shown(world)["locked"] is None
            world.lead("Sell", 2, "Stop", stop="5180")
            world.lead("Buy", 1, "Limit", price="5190")
            await trio.sleep(1)
            world.move("5195")
            await trio.sleep(6)  # near the limit it is looked at every 5 s
            assert world.positions("f1") == {}
            assert world.broker.working("F1") == []
            assert world.positions("f2") == {SYMBOL: 2}
            assert len(world.broker.working("F2")) == 2
            (told,) = world.said("risk.locked")
            assert "daily_loss_limit 500 is reached: -500.00 today (realized +0.00, open -500.00)" in told
            status = shown(world)
            assert status["locked"]["limit"] == "daily_loss_limit"
            assert status["locked"]["until"] == "2026-11-18T23:00:00.000Z"
            assert "locked" in status["blocked_by"] and status["copying"] is False
            await trio.sleep(1)
            assert shown(world)["limits"]["daily_loss_limit"]["used"] == 500.0
            late = world.lead("Buy", 1, symbol="NQZ6")
            await trio.sleep(1)
            assert "daily_loss_limit" in reason(world, late)
            world.lead("Sell", 1, symbol="NQZ6")
        async with world.daemon():
            await world.copying()
            assert shown(world)["locked"]["limit"] == "daily_loss_limit"
            late = world.lead("Buy", 1, symbol="NQZ6")
            await trio.sleep(1)
            assert "locked" in reason(world, late) or "daily_loss_limit" in reason(world, late)
            world.lead("Sell", 1, symbol="NQZ6")
            await trio.sleep_until(until("16:59:59"))
            assert shown(world)["locked"] is not None
            world.broker.flatten("LEAD", SYMBOL)
            world.server.close_session()
            await trio.sleep(3)
            assert shown(world)["locked"] is None
            assert shown(world)["limits"] == {"daily_loss_limit": {"used": 0.0, "limit": 500.0}}
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1})
            world.lead("Sell", 1)
            await trio.sleep(40)
            assert len(world.said("risk.locked")) == 1
            truth.in_step(world)

    limited(LOSS, story, tmp_path)


def test_a_daemon_that_is_killed_on_the_way_out_goes_on_getting_out(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        with trio.CancelScope() as process:
            async with world.daemon():
                await world.copying()
                await loses(world)
                world.lead("Sell", 2, "Stop", stop="5180")
                await trio.sleep(1)
                world.fault(cancel_delay=(3.0, 3.0))  # the stop is to be gone before anything is closed
                await world.until(lambda: bool(world.said("risk.locked")), within=40)
                process.cancel()
        assert world.positions("f1") == {SYMBOL: 2}
        world.move("5198")  # the limit is not reached any more, and it was
        await trio.sleep(60)
        async with world.daemon():
            await world.copying()
            await world.until(lambda: world.positions("f1") == {} and not world.broker.working("F1"), within=30)
            assert shown(world)["locked"] is not None
            assert sum(one.filled for one in world.ours("f1")) == 4
            assert len(world.said("risk.locked")) == 1

    limited(LOSS, story, tmp_path)


@pytest.mark.rule("risk.daily-profit")
def test_a_daily_profit_likewise(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.broker.settle("F1", Decimal(600))
            await loses(world, -4)
            await trio.sleep(6)
            assert (world.positions("f1"), world.positions("f2")) == ({}, {SYMBOL: 2})
            (told,) = world.said("risk.locked")
            assert "daily_profit_limit 1000 is reached: +1000.00 today (realized +600.00, open +400.00)" in told

    limited("daily_profit_limit = 1000", story, tmp_path)


@pytest.mark.rule("risk.drawdown")
def test_a_trailing_drawdown_follows_the_peak_through_restarts(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await loses(world, -3)
            await trio.sleep(31)
            assert shown(world)["limits"] == {"trailing_drawdown": {"used": 0.0, "limit": 600.0}}
        async with world.daemon():
            await world.copying()
            world.move("5198")
            await trio.sleep(31)
            assert shown(world)["limits"] == {"trailing_drawdown": {"used": 500.0, "limit": 600.0}}
            world.move("5197")
            await trio.sleep(6)
            assert world.positions("f1") == {}
            (told,) = world.said("risk.locked")
            assert "equity 49700.00 is 600.00 below its peak 50300.00" in told

    limited('trailing_drawdown = { amount = 600, basis = "intraday" }', story, tmp_path)


@pytest.mark.rule("risk.drawdown-eod")
def test_at_the_ends_of_sessions_only_what_was_kept_counts(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await trio.sleep_until(until("16:50"))
        async with world.daemon():
            await world.copying()
            await loses(world, -8)
            await trio.sleep(31)
            world.move("5202")
            await trio.sleep(31)
            assert shown(world)["limits"] == {"trailing_drawdown": {"used": -200.0, "limit": 600.0}}
        await trio.sleep_until(until("17:00:01"))
        world.server.close_session()
        async with world.daemon():
            await world.copying()
            await trio.sleep(1)
            assert shown(world)["limits"] == {"trailing_drawdown": {"used": 0.0, "limit": 600.0}}
            world.move("5196.25")
            await trio.sleep(31)
            assert world.positions("f1") == {SYMBOL: 2}
            world.move("5196")
            await trio.sleep(6)
            assert world.positions("f1") == {}
            assert "below its peak 50200.00" in world.said("risk.locked")[0]

    limited('trailing_drawdown = { amount = 600, basis = "end_of_day" }', story, tmp_path)


@pytest.mark.rule("risk.unlock")
def test_unlock_lets_it_go_on_and_the_limit_counts_anew(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await loses(world)
            await world.until(lambda: world.positions("f1") == {}, within=40)
            world.lead("Sell", 2)
            await trio.sleep(3)
            world.account("f1").runner.post(e.UnlockAsked(at=now()))
            await trio.sleep(1)
            assert shown(world)["locked"] is None
            assert shown(world)["limits"] == {"daily_loss_limit": {"used": 0.0, "limit": 500.0}}
            world.lead("Buy", 2)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 2})
            world.move("5190.25")
            await trio.sleep(31)
            assert world.positions("f1") == {SYMBOL: 2}
            world.move("5190")
            await trio.sleep(6)
            assert world.positions("f1") == {}
            assert len(world.said("risk.locked")) == 2

    limited(LOSS, story, tmp_path)


@pytest.mark.rule("risk.broken-at-start", "risk.locked-exits")
def test_a_limit_that_is_broken_at_the_start_opens_nothing_closes_nothing_and_lets_exits_go(tmp_path: Path) -> None:
    text = config_of(COMPANY)

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await loses(world, 8)
            world.lead("Sell", 2, "Limit", price="5300")
            await trio.sleep(1)
        (copy,) = world.config.copies
        first, *others = copy.followers
        followers = (attrs.evolve(first, daily_loss_limit=Decimal(500)), *others)
        world.config = attrs.evolve(world.config, copies=(attrs.evolve(copy, followers=followers),))
        async with world.daemon():
            await world.copying()
            await trio.sleep(60)
            assert world.positions("f1") == {SYMBOL: 2}
            assert len(world.broker.working("F1")) == 1
            (told,) = world.said("risk.locked")
            assert "It was so when copying began: nothing is closed. To get out: copierctl flatten f1" in told
            order = world.lead("Buy", 1)
            await trio.sleep(1)
            assert "locked" in reason(world, order)
            world.lead("Sell", 2)
            await trio.sleep(10)
            assert world.positions("f1") == {}

    run(story, tmp_path, text)


def test_a_balance_that_nobody_tells_keeps_a_limited_account_from_opening(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        endpoint = "cashbalance/getcashbalancesnapshot"
        async with world.daemon():
            await world.copying()
            world.fault(drop_kinds=("cashBalance",))
            world.server.lose_request(1000, endpoint)
            await loses(world, 20)
            await trio.sleep(80)
            assert world.positions("f1") == {SYMBOL: 2}
            assert world.said("risk.blind") == []
            await trio.sleep(20)
            assert len(world.said("risk.blind")) == 1
            order = world.lead("Buy", 1)
            await trio.sleep(1)
            assert "cannot be read" in reason(world, order)
            assert "limits" in shown(world)["blocked_by"]
            world.server.fates.clear()
            await trio.sleep(20)
            assert world.positions("f1") == {}
            assert "open -2000.00" in world.said("risk.locked")[0]

    limited(LOSS, story, tmp_path)


@pytest.mark.rule("risk.watched")
def test_a_flat_account_asks_nothing_and_one_in_a_position_asks_twice_a_minute(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        def readings() -> int:
            return world.requests.count("cashbalance/getcashbalancesnapshot")

        async with world.daemon():
            await world.copying()
            await trio.sleep(600)
            assert readings() == 0
            await loses(world, 0)
            await trio.sleep(600)
            assert 20 <= readings() <= 23
            world.lead("Sell", 2)
            await trio.sleep(5)
            before = readings()
            await trio.sleep(600)
            assert readings() == before

    limited(LOSS, story, tmp_path)


@pytest.mark.rule("risk.no-open-after")
def test_after_the_hour_nothing_opens_every_day(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await trio.sleep_until(until("14:40"))
        async with world.daemon():
            await world.copying()
            await loses(world, 0)
            world.lead("Buy", 1, "Limit", price="5190")
            await trio.sleep(1)
            await trio.sleep_until(until("14:45:01"))
            assert len(world.broker.working("F1")) == 0
            assert len(world.broker.working("F2")) == 1
            order = world.lead("Buy", 1, symbol="NQZ6")
            await trio.sleep(1)
            assert "no_open_after 14:45 (Chicago)" in reason(world, order)
            world.lead("Sell", 2)
            world.broker.flatten("LEAD", "NQZ6")
            await world.until(lambda: world.positions("f1") == {})
            world.broker.flatten("LEAD", SYMBOL)
        await trio.sleep_until(until("19 14:40"))
        world.server.close_session()
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1})
            await trio.sleep_until(until("19 14:45:01"))
            order = world.lead("Buy", 1, symbol="NQZ6")
            await trio.sleep(1)
            assert "no_open_after" in reason(world, order)

    limited('no_open_after = "14:45"', story, tmp_path)


@pytest.mark.rule("risk.flat-by")
def test_by_the_hour_everything_of_ours_is_closed_every_day(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await trio.sleep_until(until("15:00"))
        async with world.daemon():
            await world.copying()
            await loses(world, 0)
            world.lead("Sell", 2, "Stop", stop="5180")
            await trio.sleep_until(until("15:05:02"))
            assert (world.positions("f1"), world.broker.working("F1")) == ({}, [])
            assert (world.positions("f2"), len(world.broker.working("F2"))) == ({SYMBOL: 2}, 1)
            order = world.lead("Buy", 1, symbol="NQZ6")
            await trio.sleep(1)
            assert "flat_by 15:05 (Chicago)" in reason(world, order)
            world.broker.flatten("LEAD", "NQZ6")
            world.broker.flatten("LEAD", SYMBOL)
        await trio.sleep_until(until("19 15:00"))
        world.server.close_session()
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1})
        await trio.sleep_until(until("19 15:30"))
        assert world.positions("f1") == {SYMBOL: 1}  # nobody was there at 15:05
        async with world.daemon():
            await world.copying()
            await world.until(lambda: world.positions("f1") == {}, within=10)

    limited('flat_by = "15:05"', story, tmp_path)


@pytest.mark.rule("risk.expiry")
def test_nothing_opens_in_a_contracts_last_two_sessions(tmp_path: Path) -> None:
    """It ends on Friday the 20th at 15:00 in Chicago: its last two sessions begin on Wednesday at 17:00."""
    next_ = "ESH7"

    async def story(world: World) -> None:
        world.broker.expires(SYMBOL, datetime(2026, 11, 20, 21, tzinfo=UTC))
        await trio.sleep_until(until("16:50"))
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 1)
            world.lead("Buy", 1, "Limit", price="5190", tif="GTC")
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1})
            await trio.sleep_until(until("16:59:59"))
            assert len(world.broker.working("F1")) == 1
            await trio.sleep(3)
            assert world.broker.working("F1") == []
            order = world.lead("Buy", 1)
            await trio.sleep(1)
            assert "ESZ6 is in its last two sessions (it expires 2026-11-20 21:00 UTC)" in reason(world, order)
            world.broker.flatten("LEAD", SYMBOL)
            await world.until(lambda: world.positions("f1") == {})
            world.lead("Buy", 1, symbol=next_)
            await world.until(lambda: world.positions("f1") == {next_: 1})

    limited("", story, tmp_path)
