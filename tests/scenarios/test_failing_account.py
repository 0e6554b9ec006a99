"""A bug is no poison: the turn that raised is consumed, its account is careful from then on, nobody else notices."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn, cast

import attrs
import pytest
import trio

from daemon.ledger import Ledger
from statecharts import states as s
from statecharts.account import RESTARTS_AFTER_BUGS
from statecharts.events import Event, RulesChanged
from statecharts.market_hours import PlatformWindows
from statecharts.rules import MapTo, Rules
from statecharts.values import AccountName, CopyName, Root
from tests.scenarios import passages
from tests.scenarios.world import SYMBOL, World, config_of, now, run

THREE = config_of(("f1", "f2", "f3"))
HEALTHY = ("f2", "f3")


def _poison(world: World, name: str) -> None:
    """A map that is none: whatever sizes an order raises, until something has been agreed on for its contract."""
    _changed(world, name, map=_NoMap())


def _poison_orders(world: World, name: str) -> None:
    """A list of products that is none: every order of the leader's raises, what has been agreed on or not."""
    _changed(world, name, allow=cast("frozenset[Root]", 7))


def _changed(world: World, name: str, **changes: object) -> None:
    rules = world.account(name).account.rules
    assert rules.copy is not None
    changed = attrs.evolve(rules, copy=attrs.evolve(rules.copy, **changes))  # type: ignore[arg-type]  # a poison is no rule
    world.account(name).runner.post(RulesChanged(at=now(), rules=changed))


def _raising() -> Event:
    """An event without its content: the turn that takes it raises."""
    return RulesChanged(at=now(), rules=cast("Rules", None))


def _failed(ledger: Ledger, name: str) -> list[str]:
    return [type(turn.event).__name__ for turn in ledger.turns(AccountName(name)) if turn.failed]


def _pages(world: World) -> list[str]:
    return [entry.message for entry in world.journal if entry.severity == "page"]


async def _healthy_copy(world: World, net: int) -> None:
    wanted = {SYMBOL: net} if net else {}
    await world.until(lambda: all(world.positions(name) == wanted for name in HEALTHY), within=5)


def test_a_decision_that_cannot_be_written_down_fails_alone(tmp_path: Path) -> None:
    """The followers' turns are one commit with their leader's: one that nobody can encode must spoil no other."""

    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            whole = world.account("f1").account.rules
            assert whole.copy is not None
            nameless = attrs.evolve(whole, copy=attrs.evolve(whole.copy, name=cast("CopyName", object())))
            daemon.accounts["f1"].runner.post(RulesChanged(at=now(), rules=nameless))
            await trio.sleep(1)
            world.lead("Buy", 1)
            await _healthy_copy(world, 1)
            assert daemon.crashes == 0 and world.leaf("lead") is s.Copying
            assert world.positions("f1") == {}
            daemon.accounts["f1"].runner.post(RulesChanged(at=now(), rules=whole))
            await trio.sleep(10)
            assert _failed(daemon.ledger, "f1") and daemon.accounts["f1"].account.close_only is not None
            world.lead("Sell", 1)
            await _healthy_copy(world, 0)
            assert world.positions("f1") == {}

    run(story, tmp_path, THREE)


@pytest.mark.rule("outcomes.bug")
def test_one_turn_that_raises_is_consumed_and_its_account_is_read_anew_and_closes_only(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            world.lead("Buy", 1)
            await trio.sleep(10)
            began = trio.current_time()
            daemon.accounts["f1"].runner.post(_raising())
            await trio.sleep(1)
            assert passages.states(passages.of(daemon.ledger, "f1", since=began)) == ["Resyncing", "Copying"]
            assert _failed(daemon.ledger, "f1") == ["RulesChanged"]
            assert daemon.accounts["f1"].account.failures == 1
            assert all(not passages.of(daemon.ledger, name, since=began) for name in ("lead", *HEALTHY))
            assert len(_pages(world)) == 1
            assert "close-only" in _pages(world)[0]
            assert world.server.sockets_opened == world.server.syncs["apex"] == 1
            world.lead("Buy", 1)
            await _healthy_copy(world, 2)
            assert world.positions("f1") == {SYMBOL: 1}  # no opening
            world.lead("Sell", 2)
            await _healthy_copy(world, 0)
            await world.until(lambda: world.positions("f1") == {}, within=5)  # but its exit
            assert daemon.crashes == 0

    run(story, tmp_path, THREE)


@pytest.mark.rule("outcomes.bug", "copies.apart")
def test_the_fourth_turn_that_raises_stops_the_account_and_no_other(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            began = trio.current_time()
            for count in range(1, RESTARTS_AFTER_BUGS + 2):
                daemon.accounts["f1"].runner.post(_raising())
                await trio.sleep(5)
                expected = s.Copying if count <= RESTARTS_AFTER_BUGS else s.Stopped
                assert world.leaf("f1") is expected
            assert len(_pages(world)) == RESTARTS_AFTER_BUGS + 1
            assert "STOPPED" in _pages(world)[-1]
            world.lead("Buy", 1)
            await _healthy_copy(world, 1)
            await trio.sleep(3600)
            assert world.leaf("f1") is s.Stopped
            assert all(not passages.of(daemon.ledger, name, since=began) for name in ("lead", *HEALTHY))
            assert len(world.server.live_sockets("apex")) == world.server.sockets_opened == 1

    run(story, tmp_path, THREE)


def test_a_poison_that_stays_stops_its_account_and_a_restart_makes_no_loop_of_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            began = trio.current_time()
            _poison(world, "f1")
            await trio.sleep(1)
            world.lead("Buy", 1)
            await _healthy_copy(world, 1)
            await trio.sleep(600)
            assert world.leaf("f1") is s.Stopped
            failed = _failed(daemon.ledger, "f1")
            assert len(failed) == RESTARTS_AFTER_BUGS + 1
            assert "LeaderOrderSeen" in failed
            assert all(not passages.of(daemon.ledger, name, since=began) for name in ("lead", *HEALTHY))
            assert daemon.crashes == 0
        async with world.daemon() as daemon:
            await world.copying("lead", *HEALTHY)
            await trio.sleep(60)
            assert world.leaf("f1") is s.Stopped  # until the operator says otherwise
            world.reconnect("f1")
            await world.copying(within=5)
            assert daemon.ledger.undelivered(AccountName("f1")) == []
            assert _failed(daemon.ledger, "f1") == failed  # none was delivered again
            assert daemon.accounts["f1"].account.close_only is not None
            assert world.positions("f1") == {}
            _poison_orders(world, "f1")  # another: one turn, and it is stopped again
            world.lead("Buy", 1)
            await _healthy_copy(world, 2)
            await trio.sleep(600)
            assert world.leaf("f1") is s.Stopped
            assert len(_failed(daemon.ledger, "f1")) == len(failed) + 1

    run(story, tmp_path, THREE)


def test_an_announcement_that_waited_and_then_raised_does_not_wait_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            _poison(world, "f1")
            for _ in range(3):  # so that f1 is busy, and finds the announcements in its outbox
                world.lead("Buy", 1)
                daemon.accounts["f1"].runner.post(_raising())
            await _healthy_copy(world, 3)
            await trio.sleep(60)
            assert world.leaf("f1") is s.Stopped
            assert daemon.ledger.undelivered(AccountName("f1")) == []

    run(story, tmp_path, THREE)


def test_a_leader_whose_turn_raises_is_read_anew_and_its_followers_go_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            world.lead("Buy", 1)
            await _healthy_copy(world, 1)
            daemon.accounts["lead"].runner.post(_raising())
            await trio.sleep(5)
            await world.copying(within=0.1)
            world.lead("Sell", 1)
            await _healthy_copy(world, 0)

    run(story, tmp_path, THREE)


def test_a_timer_whose_turn_raises_is_set_again(tmp_path: Path) -> None:
    """Nothing else would ever wake an account that is alone on its login."""

    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            world.server.go_down(refusing=True)
            await trio.sleep(0.5)
            assert world.leaf("f1") is s.BackingOff
            whole = _poison_hours(world, "f1")
            await world.until(lambda: daemon.accounts["f1"].account.failures == 1, within=2)
            assert world.leaf("f1") is s.BackingOff
            daemon.accounts["f1"].runner.post(RulesChanged(at=now(), rules=whole))
            world.server.come_up()
            await world.copying(within=30)

    run(story, tmp_path, config_of(("f1", "f2"), elsewhere=("f1",)))


def test_a_loss_whose_turn_raises_does_not_leave_the_account_copying_on_a_dead_socket(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            _poison_hours(world, "f1")
            await trio.sleep(1)
            world.server.drop_sockets()
            for _ in range(200):
                await trio.sleep(0.1)
                assert world.leaf("f1") is not s.Copying
            assert world.leaf("f1") is s.Stopped
            await world.copying("lead", *HEALTHY, within=1)
            assert len(_failed(daemon.ledger, "f1")) == RESTARTS_AFTER_BUGS + 1

    run(story, tmp_path, THREE)


def test_what_a_leader_said_in_a_turn_that_raised_is_told_again(tmp_path: Path) -> None:
    """The fact went with the turn: without it the follower would take its leader's position for what it was before."""

    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            world.lead("Buy", 1)
            await trio.sleep(10)
            whole = world.account("f1").account.rules
            _poison_orders(world, "f1")
            await trio.sleep(1)
            world.lead("Sell", 1)
            await world.until(lambda: daemon.accounts["f1"].account.failures == 1, within=1, every=0.0)
            daemon.accounts["f1"].runner.post(RulesChanged(at=now(), rules=whole))
            await trio.sleep(30)
            assert _failed(daemon.ledger, "f1")
            assert world.leaf("f1") is s.Copying
            assert world.positions("f1") == {}

    run(story, tmp_path, THREE)


def _poison_hours(world: World, name: str) -> Rules:
    """A table of maintenance windows that raises: so does every loss of a connection. Answers the rules without it."""
    whole = world.account(name).account.rules
    windows = cast("PlatformWindows", _Raising())
    poisoned = attrs.evolve(whole, reconnect=attrs.evolve(whole.reconnect, windows=windows))
    world.account(name).runner.post(RulesChanged(at=now(), rules=poisoned))
    return whole


class _NoMap(dict[Root, MapTo]):
    """Is there, and answers nothing."""

    def get(self, *_: object) -> NoReturn:
        raise RuntimeError("poison")


class _Raising:
    def end_of(self, at: object) -> None:
        raise ArithmeticError("a poisoned table of hours")
