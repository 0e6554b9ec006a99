"""Several copies in one daemon, and a follower that leads: lead -> mid -> tail, each order copied exactly once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from daemon.config import ConfigErrors, loads
from statecharts import events as e
from statecharts import states as s
from tests.scenarios import truth
from tests.scenarios.mortality import Mortality
from tests.scenarios.test_gaps import gap
from tests.scenarios.test_kills import at_every_call, first_life
from tests.scenarios.world import SYMBOL, World, config_of, now, run

Story = Callable[[World], Awaitable[None]]
MODES = [(first, second) for first in ("orders", "fills") for second in ("orders", "fills")]
EVERY_MODE = pytest.mark.parametrize("modes", MODES, ids=lambda modes: "-".join(modes))


TAIL = """
[accounts.tail]
login = "apex"
name = "TAIL"
[[copy]]
name = "second"
leader = "LEADER"
mode = "MODE"
[[copy.followers]]
account = "tail"
"""


def chain(modes: tuple[str, str], mid: str = "", tail: str = "", apart: bool = False) -> str:
    """lead -> mid -> tail. `mid` and `tail` are lines for their tables; `apart`: mid has a login of its own."""
    first, second = modes
    elsewhere = ("mid",) if apart else ()
    head = config_of(("mid",), copy=f'mode = "{first}"', follower=mid, elsewhere=elsewhere)
    return head + TAIL.replace("LEADER", "mid").replace("MODE", second) + tail


def told(story: Story, state: Path, text: str, settles: float = 60) -> None:
    async def whole(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await story(world)
            await trio.sleep(settles)
            truth.all_is_well(world)
            assert world.ours("lead") == [], "nothing is ever sent to a leader that follows nobody"

    run(whole, state, text)


def net(world: World) -> dict[str, int]:
    return {name: world.positions(name).get(SYMBOL, 0) for name in ("lead", "mid", "tail")}


async def a_day(world: World) -> None:
    """In, more, out in part, a stop that is hit, through zero, and out."""
    world.lead("Buy", 2)
    await trio.sleep(1)
    world.lead("Buy", 2, "Limit", price="5195")
    await trio.sleep(1)
    world.move("5194")
    await trio.sleep(1)
    assert net(world)["mid"] == 4
    world.lead("Sell", 1)
    await trio.sleep(1)
    world.lead("Sell", 2, "Stop", stop="5180")
    await trio.sleep(1)
    world.move("5179")
    await trio.sleep(7)
    world.lead("Sell", 3)
    await trio.sleep(2)


@pytest.mark.rule("copies.chain")
@EVERY_MODE
def test_a_follower_that_leads_has_its_copies_copied_exactly_once(modes: tuple[str, str], tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await a_day(world)
        assert net(world) == {"lead": -2, "mid": -2, "tail": -2}
        mids = [one for one in world.ours("mid") if one.filled]
        assert sum(one.filled for one in world.ours("tail")) == sum(one.filled for one in mids)
        world.lead("Buy", 2)
        await trio.sleep(2)
        assert net(world) == {"lead": 0, "mid": 0, "tail": 0}

    told(story, tmp_path, chain(modes))


@EVERY_MODE
def test_sizes_multiply_along_the_chain(modes: tuple[str, str], tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for action, qty in (("Buy", 4), ("Sell", 1), ("Sell", 3), ("Sell", 3), ("Buy", 3)):
            world.lead(action, qty)
            await trio.sleep(2)
            at = net(world)
            assert (at["mid"], at["tail"]) == (int(at["lead"] * 0.5), 2 * int(at["lead"] * 0.5))

    told(story, tmp_path, chain(modes, mid="ratio = 0.5", tail="ratio = 2"))


@pytest.mark.rule("copies.several")
def test_several_copies_of_one_leader_run_side_by_side(tmp_path: Path) -> None:
    text = config_of(("f1",), copy='mode = "orders"') + TAIL.replace("LEADER", "lead").replace("MODE", "fills")

    async def story(world: World) -> None:
        world.lead("Buy", 1)
        await trio.sleep(1)
        world.lead("Sell", 1, "Stop", stop="5190")
        await trio.sleep(1)
        assert [one.terms.kind for one in world.broker.working("F1")] == ["Stop"]
        assert world.broker.working("TAIL") == []
        assert (dict(world.positions("f1")), dict(world.positions("tail"))) == ({SYMBOL: 1}, {SYMBOL: 2})
        world.move("5189")
        await trio.sleep(7)
        assert world.positions("f1") == world.positions("tail") == {}
        assert {row["copy"] for row in world.copies()} == {"main", "second"}

    told(story, tmp_path, text + "ratio = 2")


def refused(text: str) -> list[str]:
    """What the operator is told of this file, by every command and at a reload."""
    with pytest.raises(ConfigErrors) as errors:
        loads(text)
    return [f"{one.key}: {one.message}" for one in errors.value.errors]


@pytest.mark.rule("copies.one-leader")
def test_an_account_follows_one_leader_at_most() -> None:
    twice = config_of(("mid",)) + TAIL.replace("LEADER", "lead").replace("MODE", "orders")
    assert len(loads(twice).copies) == 2
    (told,) = refused(twice.replace('account = "tail"', 'account = "mid"'))
    assert told.startswith("copy[1].followers[0].account") and "mid follows already" in told


@pytest.mark.rule("copies.no-cycle")
@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_circle_of_leaders_is_refused(length: int) -> None:
    """lead -> mid -> tail -> lead, lead -> mid -> lead, and lead after itself."""
    text = config_of(("mid",)) + TAIL.replace("LEADER", "mid").replace("MODE", "orders")
    assert len(loads(text).copies) == 2
    copy = '[[copy]]\nname = "back"\nleader = "LEADER"\n[[copy.followers]]\naccount = "lead"\n'
    told = refused(text + copy.replace("LEADER", ("lead", "mid", "tail")[length - 1]))
    assert told and all("circle" in one or "would copy itself" in one for one in told), told


@EVERY_MODE
def test_what_a_hand_does_on_the_one_in_the_middle_is_followed_as_his(modes: tuple[str, str], tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(2)
        world.broker.place("MID", "Buy", SYMBOL, 1)
        await trio.sleep(2)
        assert net(world) == {"lead": 2, "mid": 3, "tail": 3}
        world.lead("Sell", 2)  # only what is ours leaves the middle, and the last one follows
        await trio.sleep(2)
        assert net(world) == {"lead": 0, "mid": 1, "tail": 1}
        world.broker.place("MID", "Sell", SYMBOL, 1)
        await trio.sleep(2)
        assert net(world)["tail"] == 0

    async def whole(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await story(world)
            await trio.sleep(60)
            truth.all_is_well(world)
            assert world.ours("lead") == []

    run(whole, tmp_path, chain(modes))


@EVERY_MODE
def test_our_own_closings_in_the_middle_are_followed(modes: tuple[str, str], tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 3)
        await trio.sleep(2)
        world.server.reject_next("MID", "RiskCheckTimeout", times=2)
        world.lead("Sell", 3)
        await trio.sleep(20)
        assert net(world) == {"lead": 0, "mid": 0, "tail": 0}
        assert [row["outcome"] for row in world.rows("mid", "close")] == ["rejected", "filled"]

    told(story, tmp_path, chain(modes))


@EVERY_MODE
def test_while_the_middle_is_away_the_last_one_holds_and_catches_up_with_it(
    modes: tuple[str, str], tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 3)
        await trio.sleep(2)
        async with gap(world, ("fund",)):
            await world.until(lambda: world.leaf("mid") is not s.Copying)
            world.lead("Sell", 2)
            await trio.sleep(1)
            assert net(world) == {"lead": 1, "mid": 3, "tail": 3}
        await trio.sleep(5)
        assert net(world) == {"lead": 1, "mid": 1, "tail": 1}
        world.lead("Sell", 1)
        await trio.sleep(2)
        assert net(world) == {"lead": 0, "mid": 0, "tail": 0}
        world.lead("Buy", 1)
        await trio.sleep(2)
        assert net(world) == {"lead": 1, "mid": 1, "tail": 1}

    told(story, tmp_path, chain(modes, apart=True))


@EVERY_MODE
def test_what_the_middle_missed_nobody_behind_it_makes_up_for(modes: tuple[str, str], tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with gap(world, ("fund",)):
            world.lead("Buy", 2)
            await trio.sleep(1)
        await trio.sleep(5)
        assert net(world) == {"lead": 2, "mid": 0, "tail": 0}
        world.lead("Sell", 2)
        await trio.sleep(2)

    told(story, tmp_path, chain(modes, apart=True))


@EVERY_MODE
def test_a_leader_that_is_away_is_told_to_his_own_followers_only(modes: tuple[str, str], tmp_path: Path) -> None:
    """The middle holds, and is Connected: its own orders, and a hand's, are still followed."""

    async def story(world: World) -> None:
        async with gap(world, ("apex",)):
            assert world.leaf("mid") is s.Copying
            world.broker.place("MID", "Buy", SYMBOL, 1)
            await trio.sleep(1)
        await trio.sleep(3)
        assert net(world) == {"lead": 0, "mid": 1, "tail": 0}, "missed while the last one's own login was away"
        world.broker.place("MID", "Sell", SYMBOL, 1)
        await trio.sleep(1)

    told(story, tmp_path, chain(modes, apart=True))


@EVERY_MODE
def test_a_paused_middle_opens_nothing_and_still_exits(modes: tuple[str, str], tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(2)
        world.account("mid").runner.post(e.PauseAsked(at=now()))
        await trio.sleep(1)
        world.lead("Buy", 1)
        await trio.sleep(2)
        assert net(world) == {"lead": 3, "mid": 2, "tail": 2}
        world.lead("Sell", 3)
        await trio.sleep(2)
        assert net(world) == {"lead": 0, "mid": 0, "tail": 0}

    told(story, tmp_path, chain(modes))


async def in_and_out(world: World) -> None:
    world.lead("Buy", 2)
    await trio.sleep(0.5)
    world.lead("Sell", 2)


@pytest.mark.parametrize("modes", [("orders", "fills"), ("fills", "orders")], ids=lambda modes: "-".join(modes))
def test_a_death_at_any_port_call_doubles_nothing_along_the_chain(modes: tuple[str, str], tmp_path: Path) -> None:
    async def story(world: World, number: int) -> Mortality:
        return await first_life(world, in_and_out, number)

    assert at_every_call(tmp_path, "-".join(modes), story, chain(modes)) > 50
