"""One environment's probes: what one login has found out, the others need not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import attrs
import pytest
import trio

from daemon.logins.budget import Budget, Spent
from daemon.logins.gate import Gate
from daemon.logins.turns import Rank
from daemon.ports import Ports
from tests.daemon.logins import scripted
from tests.daemon.logins.scripted import ScriptedNetwork, told, wall


@attrs.define(eq=False)
class Steps(trio.abc.Instrument):
    """Cancels a scope that runs for so many steps while no time passes: no deadline would ever be reached."""

    scope: trio.CancelScope
    left: int

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.left -= 1
        if not self.left:
            self.scope.cancel()


@contextmanager
def move_on_after_steps(most: int) -> Iterator[None]:
    with trio.CancelScope() as scope:
        steps = Steps(scope, most)
        trio.lowlevel.add_instrument(steps)
        try:
            yield
        finally:
            trio.lowlevel.remove_instrument(steps)


@attrs.define(eq=False)
class House:
    network: ScriptedNetwork
    gate: Gate

    @classmethod
    def of(cls, nursery: trio.Nursery) -> House:
        network = ScriptedNetwork(nursery)
        return cls(network, scripted.gate(Ports(wall, random.Random(1), network)))


def test_a_probe_serves_every_login_that_asks_soon_after() -> None:
    async def story(nursery: trio.Nursery) -> None:
        house = House.of(nursery)
        for _ in range(10):
            assert await house.gate.probe(shared=30)
            await trio.sleep(2.5)
        assert len(house.network.connects) == 1
        await trio.sleep(10)
        assert await house.gate.probe(shared=30)
        assert len(house.network.connects) == 2
        house.network.refusing = True
        assert not await house.gate.probe()
        assert not await house.gate.probe(shared=30)
        assert len(house.network.connects) == 3

    told(story)


def test_many_who_ask_in_the_same_moment_wait_for_one_answer() -> None:
    async def story(nursery: trio.Nursery) -> None:
        house = House.of(nursery)
        async with trio.open_nursery() as askers:
            for _ in range(20):
                askers.start_soon(house.gate.probe, None, 7.5)
        assert len(house.network.connects) == 1

    told(story)


def test_a_host_of_a_login_s_own_is_probed_for_itself() -> None:
    async def story(nursery: trio.Nursery) -> None:
        house = House.of(nursery)
        for _ in range(3):
            assert await house.gate.probe("ws://own/v1/websocket", 30)
        assert len(house.network.connects) == 3

    told(story)


def test_a_probe_costs_a_dial_and_there_may_be_none_left() -> None:
    async def story(nursery: trio.Nursery) -> None:
        house = House.of(nursery)
        house.gate.budget.limited("the broker limits requests (429)")
        assert not await house.gate.probe()
        assert not await house.gate.probe("ws://own/v1/websocket")
        assert house.network.connects == []

    told(story)


def test_a_wait_that_is_over_before_it_begins_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(nursery: trio.Nursery) -> None:
        house, dial, late = House.of(nursery), Budget.dial, [Spent("it waits", wall() - timedelta(seconds=1))]

        def slow(budget: Budget) -> None:
            if late:
                raise late.pop()
            dial(budget)

        monkeypatch.setattr(Budget, "dial", slow)
        await house.gate.passage().begin()
        assert not late

    told(story)


def test_a_bucket_that_lacks_less_than_a_clock_can_tell_is_waited_for() -> None:
    async def story(nursery: trio.Nursery) -> None:
        house = House.of(nursery)
        budget = house.gate.budget
        account = attrs.evolve(budget._account, dials=1 - 1e-9, counted_at=wall())
        budget._account = account
        with move_on_after_steps(100):
            await house.gate.passage().begin()
            return
        pytest.fail("it asks again and again, and no time passes")

    told(story)


def test_of_those_that_wait_for_a_dial_the_most_important_goes_first() -> None:
    async def story(nursery: trio.Nursery) -> None:
        gate = House.of(nursery).gate
        gate.budget._account = attrs.evolve(gate.budget._account, dials=0.0, counted_at=wall())
        went: list[str] = []

        async def dial(name: str, rank: Rank) -> None:
            passage = gate.passage(rank=rank)
            try:
                await passage.begin()
                went.append(name)
                await trio.sleep(0.1)  # the handshake
            finally:
                passage.through()

        async with trio.open_nursery() as all_of_them:
            for number in range(8):
                all_of_them.start_soon(dial, f"other {number}", Rank.WAITS)
            await trio.sleep(1)
            for name, rank in (("holds", Rank.HOLDS), ("leads", Rank.LEADS)):
                all_of_them.start_soon(dial, name, rank)
                await trio.sleep(0.1)
        assert went[:2] == ["leads", "holds"] and len(went) == 10

    told(story)


def test_a_dial_that_is_given_up_while_it_waits_leaves_its_place_to_others() -> None:
    async def story(nursery: trio.Nursery) -> None:
        gate = House.of(nursery).gate
        first, second = gate.passage(), gate.passage()
        await first.begin()
        await second.begin()
        for rank in Rank:
            with trio.move_on_after(1):
                await gate.passage(rank=rank).begin()
                pytest.fail("two at a time")
        first.through()
        with trio.CancelScope() as given_up:
            third = gate.passage()
            given_up.cancel()
            await third.begin()
        with trio.fail_after(1):
            await gate.passage().begin()

    told(story)
