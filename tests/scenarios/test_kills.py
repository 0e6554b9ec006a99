"""kill -9 at every call of a port: each commit, each frame written, each answer read, while the leader trades.

A run of all tests lets it die at each third call, and with COPIERD_LONGER=2 at every one.
The dead process' ports are dead first; then a new one starts on the same ledger. The leader does not wait for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from tests import each
from tests.scenarios import truth
from tests.scenarios.mortality import Killed, Mortality
from tests.scenarios.test_brackets import bracket, pair
from tests.scenarios.world import World, config_of, run

# One follower's order is the other's doubt: both are on one socket, and a death can come between their frames.
TEXT = config_of(("f1", "f2"), each={"f2": "ratio = 2"})
FILLS = config_of(("f1", "f2"), copy='mode = "fills"', each={"f2": "ratio = 2"})
BRACKET = "bracket = { stop = 20, target = 40 }"
TEMPLATE = config_of(("f1",), follower=BRACKET)
TEMPLATE_FILLS = config_of(("f1",), follower=BRACKET, copy='mode = "fills"')
MOST = 2_000  # port calls of a story: a story that has more never ends
STRIDE = each(5)  # most calls come in pairs, before and after: each fifth is now the one, now the other
STEP = 0.5  # seconds between the leader's acts
DEAD = 0.3  # seconds from a death to the next start

Script = Callable[[World], Awaitable[None]]


async def in_and_out(world: World) -> None:
    world.lead("Buy", 2)
    await trio.sleep(STEP)
    world.lead("Sell", 2)


async def a_limit_changed_and_cancelled(world: World) -> None:
    order = world.lead("Buy", 1, "Limit", price="5190")
    await trio.sleep(STEP)
    world.change(order, price="5191")
    await trio.sleep(STEP)
    world.broker.cancel(order)


async def a_stop_that_is_hit(world: World) -> None:
    world.lead("Buy", 2)
    await trio.sleep(STEP)
    world.lead("Sell", 2, "Stop", stop="5190")
    await trio.sleep(STEP)
    world.move("5189")


async def through_zero_in_parts(world: World) -> None:
    """Executions of one contract each, gathered or not, and a flip."""
    world.fault(fill_size=1, fill_gap=(0.04, 0.04))
    world.lead("Buy", 3)
    await trio.sleep(STEP)
    world.lead("Sell", 4)
    await trio.sleep(STEP)
    world.lead("Buy", 1)


async def in_and_out_slowly(world: World) -> None:
    """Answers take their time, and events overtake them."""
    world.fault(events_first=True, answer_delay=(0.1, 0.2), risk_delay=(0.05, 0.05), fill_size=1, fill_gap=(0.1, 0.1))
    await in_and_out(world)


async def a_bracket_whose_stop_is_hit(world: World) -> None:
    """An OSO that fills in parts, and an OCO beside it."""
    world.fault(fill_size=1, fill_gap=(0.2, 0.2))
    bracket(world, "Buy", 2, price="5190")
    await trio.sleep(STEP)
    world.move("5190")
    await trio.sleep(STEP)
    world.move("5180")


async def an_oco_that_is_hit(world: World) -> None:
    world.lead("Buy", 2)
    await trio.sleep(STEP)
    pair(world, 2)
    await trio.sleep(STEP)
    world.move("5220")


async def behind_a_template(world: World) -> None:
    """One entry takes its legs along, another is followed by them; the leader's own stop takes over, and is hit."""
    world.lead("Buy", 1, "Limit", price="5190")
    await trio.sleep(STEP)
    world.fault(fill_size=1, fill_gap=(0.2, 0.2))
    world.lead("Buy", 2)
    await trio.sleep(2 * STEP)
    world.lead("Sell", 2, "Stop", stop="5196")
    await trio.sleep(STEP)
    world.move("5189")
    await trio.sleep(STEP)
    world.move("5200")
    world.lead("Sell", 1)


STORIES = {
    script.__name__: (script, TEXT)
    for script in (
        in_and_out,
        a_limit_changed_and_cancelled,
        a_stop_that_is_hit,
        in_and_out_slowly,
        a_bracket_whose_stop_is_hit,
        an_oco_that_is_hit,
    )
} | {behind_a_template.__name__: (behind_a_template, TEMPLATE)}
STORIES |= {f"{script.__name__}_by_fills": (script, FILLS) for script in (in_and_out_slowly, through_zero_in_parts)}
STORIES["behind_a_template_by_fills"] = (through_zero_in_parts, TEMPLATE_FILLS)


async def _live(world: World, mortality: Mortality) -> None:
    """One process, from start to death or cancellation."""
    try:
        async with world.daemon(mortality):
            await trio.sleep_forever()
    except* Killed:
        pass
    finally:
        with trio.CancelScope(shield=True):
            await mortality.bury()


async def _live_until(world: World, mortality: Mortality, within: float) -> None:
    """A process that is ended after so many seconds, if it has not died by then."""
    with trio.move_on_after(within):
        await _live(world, mortality)


async def first_life(world: World, script: Script, end_at: int | None) -> Mortality:
    """A process that begins to copy; then the leader trades, and the process dies at that call of a port."""
    mortality = Mortality(end_at=end_at)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_live_until, world, mortality, 3 * STEP)
        await trio.sleep(STEP)
        await world.copying()
        mortality.counting = True
        nursery.start_soon(script, world)
    await trio.sleep(DEAD)
    return mortality


async def last_life(world: World, look: Callable[[], None] = lambda: None) -> None:
    """A process that may live: everything comes to its end, nothing was doubled, nothing is missing in silence."""
    async with world.daemon():
        await world.copying()
        await trio.sleep(45)
        truth.all_is_well(world)
        assert world.positions("lead") == {}
        for name in truth.followers(world):
            assert all(row["reason"] for row in world.rows(name, "place") if row["outcome"] == "skipped")
            rows = {row["order_id"] for row in world.rows(name) if row["verb"] in ("place", "close")}
            assert {one.order_id for one in world.ours(name) if one.filled} <= rows
        look()


def at_every_call(state: Path, name: str, story: Callable[[World, int], Awaitable[Mortality]], text: str = TEXT) -> int:
    """Tells the story with a death at one call after the other, until nobody dies any more."""
    for number in range(0, MOST, STRIDE):
        place = state / str(number)
        place.mkdir()

        async def whole(world: World, number: int = number) -> bool:
            mortality = await story(world, number)
            await last_life(world)
            return mortality.dead and len(mortality.calls) == number + 1

        try:
            died = run(whole, place, text)
        except BaseException as error:
            error.add_note(f"{name}, dead at port call {number}")
            raise
        if not died:
            return number
    raise AssertionError("the story has no end")


@pytest.mark.parametrize("name", STORIES)
def test_a_death_at_any_port_call_doubles_nothing_and_loses_nothing(name: str, tmp_path: Path) -> None:
    script, text = STORIES[name]

    async def story(world: World, number: int) -> Mortality:
        return await first_life(world, script, number)

    assert at_every_call(tmp_path, name, story, text) > 50


def _first_send(state: Path, call: str = "before a write") -> int:
    """The number of the port call at which the first copy's bytes are about to leave, or have left."""
    state.mkdir()

    async def story(world: World) -> int:
        mortality = await first_life(world, in_and_out, None)
        decided = next(n for n, call in enumerate(mortality.calls) if "after" in call and "PlaceOrder" in call)
        return mortality.calls.index(call, decided)

    return run(story, state, TEXT)


def test_a_death_between_the_commit_and_the_send(tmp_path: Path) -> None:
    number = _first_send(tmp_path / "rehearsal")

    async def story(world: World) -> None:
        mortality = await first_life(world, in_and_out, number)
        assert mortality.calls[-1] == "before a write" and world.ours("f1") == world.ours("f2") == []

        def look() -> None:
            for name in ("f1", "f2"):
                entry, _ = world.rows(name, "place")
                assert entry["outcome"] == "skipped" and "look-ups agree" in str(entry["reason"])
                assert world.ours(name) == [], "an entry is never sent again"
            assert len(world.said("copy.skipped")) >= 2

        await last_life(world, look)

    run(story, tmp_path, TEXT)


def test_a_death_between_the_send_and_the_answer(tmp_path: Path) -> None:
    number = _first_send(tmp_path / "rehearsal", "after a write")

    async def story(world: World) -> None:
        mortality = await first_life(world, in_and_out, number)
        assert mortality.calls[-1] == "after a write"
        sent = {name: world.ours(name) for name in ("f1", "f2")}
        assert all(len(orders) == 1 and orders[0].filled for orders in sent.values()), "a round goes out in one write"

        def look() -> None:
            for name, (one,) in sent.items():
                entry, _ = world.rows(name, "place")
                assert entry["outcome"] == "filled" and entry["order_id"] == one.order_id
                assert [order.action for order in world.ours(name)] == ["Buy", "Sell"]

        await last_life(world, look)

    run(story, tmp_path, TEXT)


def test_a_death_while_a_death_is_being_recovered_from(tmp_path: Path) -> None:
    first = _first_send(tmp_path / "rehearsal", "after a write")

    async def story(world: World, number: int) -> Mortality:
        await first_life(world, in_and_out, first)
        mortality = Mortality(end_at=number, counting=True)
        await _live_until(world, mortality, 22.0)  # in which the doubt about the other follower's order is resolved
        return mortality

    assert at_every_call(tmp_path, "recovery", story) > 50
