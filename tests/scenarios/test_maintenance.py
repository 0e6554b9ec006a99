"""Lost inside a closure, around its edges and beyond its end: who is told what, and when."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio

from daemon.control import views
from daemon.control.evidence import Evidence
from daemon.simulator import Order
from statecharts import states as s
from statecharts.market_hours import CHICAGO
from tests.scenarios.maintenance import HOURS, Week, chicago, sleep_until, told
from tests.scenarios.notified import SECRET, notify
from tests.scenarios.receiver import Delivery, Receiver
from tests.scenarios.world import SYMBOL, World, config_of, now

TWO_LOGINS = config_of(("f1",), extra=notify(), copy='allow = ["ES"]', elsewhere=("f1",), environment=HOURS)
FUND = "ws://127.0.0.1:2/"


@pytest.fixture(autouse=True)
def _signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPIERD_NOTIFY_SECRET", SECRET)
    monkeypatch.setenv("COPIERD_FUND_PASSWORD", "canary-password-5b1f")


def shown(world: World, name: str = "lead") -> dict[str, Any]:
    return views.account(world.daemon_now, name, Evidence(world.daemon_now.ledger))


def gone(world: World) -> None:
    """Nobody can be reached any more."""
    world.server.go_down(refusing=True)
    world.network.refusing = True


def back(world: World) -> None:
    world.server.come_up()
    world.network.refusing = False


def alarms(receiver: Receiver) -> list[Delivery]:
    return [one for one in receiver.taken if one.content["severity"] != "info"]


def test_a_window_that_is_overrun_by_twenty_minutes_is_one_alarm(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            week = Week(world)
            await world.copying()
            await sleep_until(chicago("2026-11-17 16:00"))
            gone(world)
            await sleep_until(chicago("2026-11-17 17:00:29"))
            state = shown(world)
            assert (state["leaf"], state["cause"], state["expected"]) == ("Maintenance", "maintenance", True)
            assert state["until"] == "2026-11-17T23:00:00.000Z" and "maintenance window" in state["reason"]
            assert receiver.events == [] and state["attempt"] == 0
            await sleep_until(chicago("2026-11-17 17:00:31"))
            state = shown(world)
            assert (state["expected"], state["until"], state["cause"]) == (False, None, "broker")
            await sleep_until(chicago("2026-11-17 17:20:00"))
            back(world)
            began = trio.current_time()
            await world.copying(within=130)
            print("back after", round(trio.current_time() - began, 1), "s")
            await trio.sleep(600)
            assert receiver.events == ["connection.broken", "connection.fixed"]
            (alarm,) = alarms(receiver)
            due = (chicago("2026-11-17 17:00:30") - chicago("2026-11-17 15:45")).total_seconds() + 10  # `after`
            assert due <= alarm.at <= due + 1
            assert "GivenUp" in week.leaves  # an ordinary outage, whose time counts from the end of the window

    told(story, tmp_path, "2026-11-17 15:45")


def test_ten_minutes_before_the_close_is_a_real_drop(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await world.copying()
            await sleep_until(chicago("2026-11-17 15:50"))
            gone(world)
            await trio.sleep(60)
            assert world.leaf("lead") is s.BackingOff and not shown(world)["expected"]
            back(world)
            await world.copying(within=30)
            await trio.sleep(30)
            assert sorted(receiver.events) == ["connection.broken", "connection.fixed", "leader.back", "leader.lost"]

    told(story, tmp_path, "2026-11-17 15:45")


def test_a_real_drop_that_leads_into_a_window_is_one_alarm_and_dials_nobody_inside(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await world.copying()
            await sleep_until(chicago("2026-11-17 15:57"))
            gone(world)
            await sleep_until(chicago("2026-11-17 16:02"))
            world.network.connects.clear()
            await sleep_until(chicago("2026-11-17 16:58:20"))
            probes = list(world.network.connects)
            assert all(later - earlier >= 60 for earlier, later in pairwise(probes)) and len(probes) >= 28
            await sleep_until(chicago("2026-11-17 17:00"))
            back(world)
            await world.copying(within=30)
            await trio.sleep(60)
            assert receiver.events.count("connection.broken") == receiver.events.count("connection.fixed") == 1

    told(story, tmp_path, "2026-11-17 15:45")


@pytest.mark.parametrize(
    ("allow", "begins", "lost"),
    [
        ('["ES"]', "2026-11-21 11:55", "2026-11-21 12:00"),  # a Saturday
        ('["ES", "6E"]', "2026-11-21 11:55", "2026-11-21 12:00"),
        ('["ES"]', "2026-11-26 12:25", "2026-11-26 12:30"),  # Thanksgiving, closed from 12:00 to 17:00
    ],
)
def test_while_the_markets_are_closed_nobody_is_told(allow: str, begins: str, lost: str, tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await world.copying()
            await sleep_until(chicago(lost))
            gone(world)
            await trio.sleep(1800)
            assert world.leaf("lead") is world.leaf("f1") is s.Maintenance
            back(world)
            await world.copying(within=125)  # the next slow probe
            await trio.sleep(60)
            assert receiver.events == []

    told(story, tmp_path, begins, copy=f"allow = {allow}")


@pytest.mark.parametrize(
    ("allow", "begins", "lost"),
    [
        ('["ES", "MBT"]', "2026-11-21 11:55", "2026-11-21 12:00"),  # crypto trades on Saturdays
        ('["ES", "XYZ"]', "2026-11-21 11:55", "2026-11-21 12:00"),  # who knows when that trades
        ('["ES", "6E"]', "2026-11-26 12:25", "2026-11-26 12:30"),  # foreign exchange trades on Thanksgiving
        ('["ES"]', "2027-01-18 12:55", "2027-01-18 13:00"),  # a holiday that nobody has verified yet
    ],
)
def test_while_anything_that_is_followed_may_trade_it_is_told(
    allow: str, begins: str, lost: str, tmp_path: Path
) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await world.copying()
            await sleep_until(chicago(lost))
            gone(world)
            await trio.sleep(60)
            assert world.leaf("lead") is s.BackingOff
            assert sorted(receiver.events) == ["connection.broken", "leader.lost"]

    told(story, tmp_path, begins, copy=f"allow = {allow}")


def test_a_follower_that_is_not_like_its_leader_is_an_alarm_at_once_inside_a_window(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 2})
            await sleep_until(chicago("2026-11-17 16:10"))
            world.network.refused.add(FUND)
            world.server.drop_sockets("fund")
            await trio.sleep(60)
            assert world.leaf("f1") is s.Maintenance and alarms(receiver) == []
            world.lead("Sell", 1)
            at = trio.current_time()
            await trio.sleep(1)
            pages = [one for one in receiver.taken if one.content["severity"] == "page"]
            assert [one.content["event"] for one in pages] == ["position.drifted"] and pages[0].at - at < 1
            assert "ESZ6 IS NOT LIKE ITS LEADER" in pages[0].content["detail"]
            world.network.refused.discard(FUND)
            await sleep_until(chicago("2026-11-17 17:00:30"))
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1})
            await trio.sleep(60)
            assert receiver.events.count("connection.broken") == 0

    told(story, tmp_path, "2026-11-17 15:45", TWO_LOGINS)


@pytest.mark.parametrize(("begins", "asks"), [("2026-11-17 15:40", False), ("2026-11-17 15:15", True)])
def test_no_token_is_asked_for_in_a_window_unless_it_ends_before_the_reopening(
    begins: str, asks: bool, tmp_path: Path
) -> None:
    """A token of 90 minutes is renewed after 60."""

    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await world.copying()
            await sleep_until(chicago("2026-11-17 16:00"))
            gone(world)
            before = len(world.network.asked)
            await sleep_until(chicago("2026-11-17 16:59:59"))
            assert (len(world.network.asked) > before) is asks
            back(world)
            await world.copying(within=30)
            assert sum(world.server.token_requests.values()) == (2 if asks else 1)
            await trio.sleep(120)
            assert receiver.events == []
            ends = world.login().tokens.current
            assert ends is not None and (ends.expires_at - now()).total_seconds() > 80 * 60

    told(story, tmp_path, begins)


def test_a_start_inside_a_window_is_no_alarm(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        gone(world)
        async with world.daemon():
            await sleep_until(chicago("2026-11-17 17:00"))
            assert world.leaf("lead") is s.Maintenance
            back(world)
            await world.copying(within=30)
            await trio.sleep(60)
            assert receiver.events == []

    told(story, tmp_path, "2026-11-17 16:20")


# The clock of the daemon's machine


def journal(world: World) -> list[tuple[str, str, str]]:
    """Everything that was said. What happens in one instant has no order."""
    said = (one for one in world.journal if not one.kind.startswith("clock."))
    return sorted((one.kind, one.severity, one.message) for one in said)


def an_evening(state: Path, steps: dict[str, float]) -> tuple[World, list[Delivery]]:
    """A trade, a window, a trade. `steps`: at that time of Chicago the machine's clock is so many hours wrong."""
    taken: list[Delivery] = []

    async def set_the_clock(world: World) -> None:
        for moment, hours in steps.items():
            await sleep_until(chicago(f"2026-11-17 {moment}"))
            world.ahead = hours * (chicago("2026-11-17 17:00") - chicago("2026-11-17 16:00"))

    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon(), trio.open_nursery() as nursery:
            nursery.start_soon(set_the_clock, world)
            await world.copying()
            world.lead("Buy", 2)
            world.lead("Sell", 2, "Stop", stop="4900")
            await sleep_until(chicago("2026-11-17 16:00"))
            gone(world)
            await sleep_until(chicago("2026-11-17 17:00"))
            back(world)
            await world.copying(within=30)
            await trio.sleep(600)
            world.lead("Sell", 1)
            await trio.sleep(600)
            assert world.positions("f1") == {SYMBOL: 1}
            taken.extend(receiver.taken)

    return told(story, state, "2026-11-17 15:30"), taken


def orders(world: World) -> list[tuple[object, ...]]:
    def what(one: Order) -> tuple[object, ...]:
        return one.order_id, one.created, one.action, one.ticket.terms.qty, one.status

    return [what(one) for one in world.broker.desk.log]


STEPS = {"15:40": 1.0, "15:50": 0.0, "16:20": -1.0, "16:40": 1.0, "16:59:30": 0.0, "17:05": 1.0, "17:10": -1.0}


@pytest.mark.parametrize("steps", [STEPS, {"15:35": 1.0}, {"15:35": -1.0}], ids=["back and forth", "ahead", "behind"])
def test_a_clock_that_is_set_by_an_hour_changes_nothing(steps: dict[str, float], tmp_path: Path) -> None:
    (tmp_path / "right").mkdir()
    (tmp_path / "set").mkdir()
    right, told_then = an_evening(tmp_path / "right", {})
    wrong, told_now = an_evening(tmp_path / "set", steps)
    assert journal(wrong) == journal(right)
    assert orders(wrong) == orders(right)
    assert wrong.network.connects == right.network.connects
    assert told_now == told_then == []
    assert any(entry.kind == "clock.stepped" for entry in wrong.journal)


@pytest.fixture
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_host_in_another_time_zone_changes_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    here, _ = an_evening(tmp_path / "here", {})
    request.getfixturevalue("_elsewhere")
    assert time.localtime().tm_gmtoff == 5.5 * 3600
    there, _ = an_evening(tmp_path / "there", {})
    assert journal(there) == journal(here)
    assert orders(there) == orders(here)
    assert there.network.connects == here.network.connects


def test_a_clock_that_is_wrong_from_the_beginning_silences_nothing(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        world.ahead = chicago("2026-11-17 17:00") - chicago("2026-11-17 16:00")
        async with world.daemon():
            await world.copying()
            assert not world.daemon_now.almanac.clock.trusted
            assert world.account("lead").account.rules.markets is None
            await sleep_until(chicago("2026-11-17 15:40"))  # it shows 16:40
            gone(world)
            await trio.sleep(60)
            assert sorted(receiver.events) == ["connection.broken", "leader.lost"]
            back(world)
            await world.copying(within=60)
            world.ahead *= 0  # somebody sets it right
            await world.until(lambda: world.daemon_now.almanac.clock.trusted, within=31)
            await trio.sleep(1)
            assert world.account("lead").account.rules.markets is not None
            await sleep_until(chicago("2026-11-17 16:05"))
            told_before = len(receiver.events)
            gone(world)
            await trio.sleep(60)
            assert world.leaf("lead") is s.Maintenance and len(receiver.events) == told_before

    told(story, tmp_path, "2026-11-17 15:30")


def test_the_hour_that_comes_twice_is_no_longer_than_it_is(tmp_path: Path) -> None:
    """The platform's window of the night in which the clocks go back ends at 6:30 of the new time."""

    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await world.copying()
            week = Week(world)
            await week.away("2026-11-01 05:10", "2026-11-01 06:30", refusing=True)
            assert max(week.back) <= 30 and receiver.events == []
            assert now().astimezone(CHICAGO).utcoffset() == chicago("2026-11-01 12:00").astimezone(CHICAGO).utcoffset()

    told(story, tmp_path, "2026-11-01 05:00")
