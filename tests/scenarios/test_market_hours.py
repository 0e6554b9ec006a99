"""What the market's hours mean for orders, with the whole daemon: what is copied all the same, and what waits."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from statecharts import states as s
from tests.scenarios.maintenance import HOURS, chicago, sleep_until, told
from tests.scenarios.notified import SECRET, notify
from tests.scenarios.pulse import slow
from tests.scenarios.receiver import Receiver
from tests.scenarios.world import SYMBOL, World, config_of, now

TWO_LOGINS = config_of(("f1",), extra=notify(), copy='allow = ["ES"]', elsewhere=("f1",), environment=HOURS)
FUND = "ws://127.0.0.1:2/"


@pytest.fixture(autouse=True)
def _signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPIERD_NOTIFY_SECRET", SECRET)
    monkeypatch.setenv("COPIERD_FUND_PASSWORD", "canary-password-5b1f")


@pytest.mark.rule("copies.calendar")
def test_what_the_leader_trades_in_a_closed_market_is_copied_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        slow(world, monkeypatch)
        async with world.daemon():
            await world.copying()
            await sleep_until(chicago("2026-11-17 16:20"))
            world.lead("Buy", 2)
            await world.until(lambda: world.positions("f1") == world.positions("f2") == {SYMBOL: 2}, within=1)
            world.lead("Sell", 1)
            await world.until(lambda: world.positions("f1") == world.positions("f2") == {SYMBOL: 1}, within=1)
            (words,) = world.said("calendar.contradicted")
            assert words.startswith("lead: equity_index: the table of hours says closed from 17 Nov 22:00 UTC")
            await trio.sleep(5)
            assert receiver.events == ["calendar.contradicted"]
            await sleep_until(chicago("2026-11-18 16:20"))
            world.lead("Sell", 1)
            await world.until(lambda: world.positions("f1") == world.positions("f2") == {}, within=1)
            assert len(world.said("calendar.contradicted")) == 2

    told(story, tmp_path, "2026-11-17 15:45")


async def missed(world: World, lost: str, returned: str) -> None:
    """f1 has copied 2 with a stop; what the leader does at the end of the session f1 cannot see."""
    world.lead("Buy", 2)
    world.lead("Sell", 2, "Stop", stop="4900")
    await world.until(lambda: world.positions("f1") == {SYMBOL: 2} and len(world.broker.working("F1")) == 1)
    await sleep_until(chicago(lost))
    world.network.refused.add(FUND)
    world.server.drop_sockets("fund")
    await trio.sleep(5)
    world.lead("Sell", 1)
    await sleep_until(chicago(returned))
    world.network.refused.discard(FUND)
    await world.copying("f1", within=130)


@pytest.mark.rule("copies.own-orders-wait")
def test_what_copierd_makes_up_for_waits_until_a_second_after_the_opening(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await world.copying()
            await missed(world, "2026-11-17 15:59:00", "2026-11-17 16:05")
            await sleep_until(chicago("2026-11-17 17:00:00.9"))
            assert world.positions("f1") == {SYMBOL: 2}
            assert len(world.broker.working("F1")) == 1, "its stop stays where it is"
            await trio.sleep(1)
            assert world.positions("f1") == {SYMBOL: 1}
            (close,) = [one for one in world.ours("f1") if one.terms.kind == "Market" and one.action == "Sell"]
            assert (close.created - chicago("2026-11-17 17:00:01")).total_seconds() < 0.5
            await trio.sleep(10)
            assert sum(one.terms.qty for one in world.broker.working("F1")) == 1, "and comes back for the rest"

    told(story, tmp_path, "2026-11-17 15:45", TWO_LOGINS)


@pytest.mark.rule("copies.own-orders-wait")
def test_a_restart_does_not_forget_what_waits(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await world.copying()
            await missed(world, "2026-11-17 15:59:00", "2026-11-17 16:05")
        await trio.sleep(60)
        async with world.daemon():
            await world.copying(within=130)
            await sleep_until(chicago("2026-11-17 17:00:00.9"))
            assert world.positions("f1") == {SYMBOL: 2} and world.leaf("f1") is s.Copying
            await trio.sleep(1.5)
            assert world.positions("f1") == {SYMBOL: 1}

    told(story, tmp_path, "2026-11-17 15:45", TWO_LOGINS)


def test_a_leaders_fill_in_the_window_ends_the_wait(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await world.copying()
            await missed(world, "2026-11-17 15:59:00", "2026-11-17 16:05")
            world.lead("Sell", 1)  # so it trades
            await trio.sleep(10)
            assert world.positions("f1") == {}
            assert now() < chicago("2026-11-17 16:30")

    told(story, tmp_path, "2026-11-17 15:45", TWO_LOGINS)


@pytest.mark.rule("outcomes.exit-closed")
def test_an_exit_that_is_refused_while_it_is_closed_is_asked_for_at_the_opening(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 2})
            await sleep_until(chicago("2026-11-17 15:59:59"))
            world.server.reject_next("F1", "SessionClosed", "Cannot place order outside of market hours", "answer", 9)
            await trio.sleep(1.5)
            world.lead("Sell", 2)  # the leader's own was in time, ours is a moment late
            await sleep_until(chicago("2026-11-17 16:59:59"))
            assert world.positions("f1") == {SYMBOL: 2}
            refused = [row for row in world.rows("f1") if row["outcome"] == "rejected"]
            assert len(refused) == 1, "nobody asks again and again"
            world.broker.desk.risk.rejects.clear()
            await trio.sleep(5)
            assert world.positions("f1") == {}

    told(story, tmp_path, "2026-11-17 15:45")
