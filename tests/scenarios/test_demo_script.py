"""The demo's story in virtual time, over many seeds; and that its reckoning can say no."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from daemon.demo import cast
from daemon.demo.performance import BROKER
from daemon.demo.reckoning import Reckoned, reckon
from daemon.demo.scene import Scene
from daemon.demo.story import Story
from daemon.ledger import Ledger
from tests.scenarios.world import PASSWORD, World, run

TEST = """
[environments.test]
rest = "http://127.0.0.1:1/v1"
websocket = "ws://127.0.0.1:1/v1/websocket"
"""
TEXT = cast.TEXT.replace('environment = "simulator"', 'environment = "test"\nusername = "USER"\ncid = 8123') + TEST
TEXT = TEXT.replace("USER", "jane", 1).replace("USER", "joe", 1)
Meddle = Callable[[Scene], None]


@pytest.fixture(autouse=True)
def _passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    for login in ("OURS", "PROP"):
        monkeypatch.setenv(f"COPIERD_{login}_PASSWORD", PASSWORD)


def told(tmp_path: Path, seed: int = 1, meddle: Meddle | None = None) -> tuple[list[str], dict[str, Reckoned]]:
    """The faults of the story, and the accounts at its end. `meddle` acts once, some seconds into the story."""

    async def story(world: World) -> tuple[list[str], dict[str, Reckoned]]:
        world.server.faults = BROKER
        async with world.daemon() as supervisor:
            scene = Scene(supervisor, world.server)
            told = Story(scene, lambda words: None, random.Random(seed))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(told.tell)
                await trio.sleep(3)
                if meddle is not None:
                    meddle(scene)
        return told.faults, {one.account: one for one in reckon(scene, world.state / "ledger.sqlite")}

    return run(story, tmp_path, TEXT, seed)


@pytest.mark.parametrize("seed", range(12))
def test_every_follower_ends_where_it_should(tmp_path: Path, seed: int) -> None:
    faults, accounts = told(tmp_path, seed)
    assert faults == []
    assert [one.faults for one in accounts.values()] == [(), (), (), ()]
    assert all(one.broker == {} and one.filled > 0 for one in accounts.values())


def test_what_is_not_copied_is_told_with_its_reason(tmp_path: Path) -> None:
    _, accounts = told(tmp_path)
    assert any("position limit" in words for words in accounts["half"].skipped)
    assert all(any("while copying was interrupted" in w for w in accounts[n].skipped) for n in cast.FOLLOWERS)


def test_an_order_by_hand_is_found(tmp_path: Path) -> None:
    def meddle(scene: Scene) -> None:
        scene.server.broker.place(scene.broker_name("half"), "Buy", "NQZ6", 1)

    _, accounts = told(tmp_path, meddle=meddle)
    assert any("is none of copierd's" in fault for fault in accounts["half"].faults)
    assert any("the broker holds +1 NQZ6, the rules want flat" in fault for fault in accounts["half"].faults)
    assert any("the ledger says flat" in fault for fault in accounts["half"].faults)
    assert accounts["same"].faults == accounts["micro"].faults == ()


def test_an_order_sent_twice_is_found(tmp_path: Path) -> None:
    def meddle(scene: Scene) -> None:
        broker = scene.server.broker
        first = broker.orders(scene.broker_name("same"))[0]
        broker.place(scene.broker_name("same"), "Buy", "ESZ6", 4, cl_ord_id=first.ticket.marks.cl_ord_id)

    faults, accounts = told(tmp_path, meddle=meddle)
    assert accounts["same"].twice == 1
    (fault,) = accounts["same"].faults  # and not that it holds what is not the leader's: that was taken back at once
    assert "orders were sent twice" in fault
    assert not faults


def test_a_follower_that_copies_nothing_is_found(tmp_path: Path) -> None:
    def meddle(scene: Scene) -> None:
        scene.server.broker.lock(scene.broker_name("micro"))

    faults, accounts = told(tmp_path, meddle=meddle)
    assert any("micro" in fault for fault in faults)
    assert accounts["same"].faults == ()


def test_a_ledger_that_knows_nothing_is_found(tmp_path: Path) -> None:
    async def story(world: World) -> list[Reckoned]:
        async with world.daemon() as supervisor:
            await world.copying()
            scene = Scene(supervisor, world.server)
            world.broker.place(scene.broker_name(cast.LEADER), "Buy", cast.SYMBOL, 2)
            await world.until(lambda: scene.holds("same") == {cast.SYMBOL: 2})
        other = world.state / "other.sqlite"
        Ledger.open(other).close()
        return reckon(scene, other)

    leader, same, *_ = run(story, tmp_path, TEXT)
    assert leader.faults == ("the leader is not flat",)
    assert any("the ledger says flat" in fault for fault in same.faults)
    assert any("is none of copierd's" in fault for fault in same.faults)
