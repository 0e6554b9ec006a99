"""An outage is told once, and its end once; a blip and a maintenance window are nobody's business."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import attrs
import pytest
import trio

from daemon.supervisor import Supervisor
from statecharts import states as s
from statecharts.events import RulesChanged
from statecharts.market_hours import PlatformWindows, Window
from tests.scenarios.notified import SECRET, notify, outage, settled, told
from tests.scenarios.receiver import Receiver
from tests.scenarios.world import EPOCH, SYMBOL, World, now

FOLLOWERS = tuple(f"f{number}" for number in range(1, 20))


@pytest.fixture(autouse=True)
def _signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPIERD_NOTIFY_SECRET", SECRET)


def test_twenty_accounts_of_a_login_are_one_broken_and_one_fixed(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
            assert receiver.events == []  # a start that goes well is no warning
            began = await outage(world, 60)
            await world.copying()
            await trio.sleep(5)
            broken, fixed = (
                [one for one in receiver.taken if one.content["event"] == event]
                for event in ("connection.broken", "connection.fixed")
            )
            assert len(broken) == len(fixed) == 1
            assert 10 <= broken[0].at - began <= 10.1
            content = broken[0].content
            assert content["login"] == "apex" and content["account"] is None and len(content["accounts"]) == 20
            assert (content["severity"], content["state"]) == ("warning", "Reconnecting")
            assert "20 accounts of login apex do not copy" in content["detail"]
            assert content["remedy"] == "nothing to do: retrying"
            assert fixed[0].content["severity"] == "info"  # told all the same: its beginning was
            assert "20 accounts were read anew and copy again: " in fixed[0].content["detail"]
            assert receiver.events[:2] == ["connection.broken", "leader.lost"]
            # Both in one moment: when the leader is read last of the twenty, his return is told after theirs.
            assert sorted(receiver.events[2:]) == ["connection.fixed", "leader.back"]

    told(story, tmp_path, followers=FOLLOWERS)


def test_a_connection_that_is_given_up_and_comes_back_is_still_one_outage(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
            await outage(world, 1200)
            await world.copying(within=200)
            await trio.sleep(5)
            assert receiver.events.count("connection.broken") == receiver.events.count("connection.fixed") == 1

    told(story, tmp_path, followers=("f1", "f2"))


def test_a_blip_shorter_than_after_is_not_told(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
            for _ in range(3):
                world.server.drop_sockets()
                await trio.sleep(70)
            await world.copying(within=1)
            assert world.said("connection.broken") and receiver.events == []

    told(story, tmp_path)


def test_after_is_the_operator_s_choice(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
            world.server.drop_sockets()
            await trio.sleep(20)
            assert receiver.events.count("connection.broken") == receiver.events.count("connection.fixed") == 1

    told(story, tmp_path, notify(after="0s"), followers=("f1", "f2"))


def test_a_drop_inside_a_maintenance_window_is_not_told_and_beats_go_on(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon() as daemon:
            await settled(world)
            window_of(daemon, time(9, 15))
            await outage(world, 300)
            assert world.leaf("f1") is s.Maintenance
            beats = len(receiver.beats)
            await trio.sleep(300)
            await world.copying(within=200)
            assert receiver.events == []
            assert beats >= 6

    told(story, tmp_path, notify(heartbeat="60s"))


def window_of(daemon: Supervisor, end: time) -> None:
    """A maintenance window for every account, from nine in Chicago, when the world begins, to `end`."""
    windows = PlatformWindows((Window(EPOCH.weekday(), time(9), end),))
    for running in daemon.accounts.values():
        rules = running.account.rules
        reconnect = attrs.evolve(rules.reconnect, windows=windows)
        running.runner.post(RulesChanged(at=now(), rules=attrs.evolve(rules, reconnect=reconnect)))


def test_a_refused_credential_is_told_once_for_the_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPIERD_APEX_PASSWORD", "canary-wrong")

    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await world.until(lambda: world.leaf("f1") is s.Unauthorized)
            await trio.sleep(70)
            assert receiver.events == ["token.refused", "daemon.ready"]
            (content, _) = receiver.told
            assert content["login"] == "apex" and content["account"] is None
            assert "copierctl authorize apex" in content["remedy"]

    told(story, tmp_path, followers=("f1", "f2", "f3"))


def test_a_lost_leader_says_what_its_followers_hold_and_how_to_get_out(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
            world.lead("Buy", 2)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 2} == world.positions("f2"))
            world.lead("Sell", 2, "Stop", stop="4900")
            await trio.sleep(2)
            await outage(world, 30)
            (lost,) = (one for one in receiver.told if one["event"] == "leader.lost")
            assert lost["detail"].startswith("LEADER lead LOST 15:0")
            assert "2 followers hold 4 ESZ6 long; 2 of 2 have a stop at the broker" in lost["detail"]
            assert lost["remedy"] == "to get out: copierctl flatten --copy main"

    told(story, tmp_path, followers=("f1", "f2"))
