"""Mode "fills": what the leader has executed is followed at market, and the positions agree in the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.scenarios import truth
from tests.scenarios.test_gaps import gap
from tests.scenarios.world import SYMBOL, World, config_of, run

Story = Callable[[World], Awaitable[None]]
FILLS = 'mode = "fills"'
TEXT = config_of(copy=FILLS)
SIZES = config_of(
    ("one", "half", "double", "inverse", "micro", "capped"),
    copy=FILLS,
    each={
        "half": "ratio = 0.5",
        "double": "ratio = 2",
        "inverse": "ratio = -1\ninverse = true",
        "micro": 'map = { ES = { to = "MES", factor = 10 } }',
        "capped": "max_order = 2\nmax_position = 3",
    },
)


def told(story: Story, state: Path, text: str = TEXT, seed: int = 1) -> None:
    """The story, then everything that must be true afterwards."""

    async def whole(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await story(world)
            await trio.sleep(60)
            truth.all_is_well(world)

    run(whole, state, text, seed)


def places(world: World, name: str = "f1") -> list[dict[str, object]]:
    return world.rows(name, "place")


def sent(world: World, name: str = "f1") -> list[tuple[str, int]]:
    return [(one.action, one.terms.qty) for one in world.ours(name)]


@pytest.mark.rule("fills.target")
def test_each_execution_moves_the_target_and_one_market_order_brings_the_difference(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for action, qty in (("Buy", 2), ("Buy", 1), ("Sell", 2), ("Sell", 1)):
            world.lead(action, qty)
            await trio.sleep(1)
        assert sent(world) == [("Buy", 2), ("Buy", 1), ("Sell", 2), ("Sell", 1)]
        assert all(one.terms.kind == "Market" for one in world.ours("f1"))
        assert [row["outcome"] for row in places(world)] == ["filled"] * 4
        assert [row["leader_fill_id"] for row in places(world)] == sorted(truth.executions(world, "lead"))

    told(story, tmp_path)


def test_each_follower_has_its_own_size_side_and_product(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 3)
        await trio.sleep(1)
        assert {name: dict(world.positions(name)) for name in truth.followers(world)} == {
            "one": {SYMBOL: 3},
            "half": {SYMBOL: 1},
            "double": {SYMBOL: 6},
            "inverse": {SYMBOL: -3},
            "micro": {"MESZ6": 30},
            "capped": {SYMBOL: 2},
        }
        world.lead("Sell", 5)
        await trio.sleep(1)
        assert dict(world.positions("capped")) == {SYMBOL: -2}
        world.lead("Buy", 2)

    told(story, tmp_path, SIZES)


def test_a_leader_s_resting_orders_are_followed_when_they_fill_and_not_before(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2, "Limit", price="5190")
        world.lead("Sell", 1, "Stop", stop="5180")
        world.lead("Buy", 1, "MIT", stop="5195")
        await trio.sleep(1)
        assert world.copies() == []
        world.move("5190")
        await trio.sleep(1)
        assert world.positions("f1") == {SYMBOL: 3}
        world.move("5180")
        await trio.sleep(1)
        assert world.positions("f1") == {SYMBOL: 2}
        assert {row["order_type"] for row in places(world)} == {"Market"}

    told(story, tmp_path)


@pytest.mark.rule("fills.partial")
def test_partial_fills_of_the_leader_are_followed_one_by_one(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(fill_size=1, fill_gap=(0.5, 0.5))
        world.lead("Buy", 3)
        await trio.sleep(1.2)
        assert len(truth.executions(world, "lead")) == 3
        await trio.sleep(0.5)
        assert sent(world) == [("Buy", 1), ("Buy", 1), ("Buy", 1)]
        assert world.positions("f1") == {SYMBOL: 3}

    told(story, tmp_path)


@pytest.mark.rule("fills.gathered")
def test_entries_are_gathered_for_at_most_100_ms(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(fill_size=1, fill_gap=(0.03, 0.03))
        began = trio.current_time()
        world.lead("Buy", 30)
        await world.until(lambda: bool(world.ours("f1")), within=1, every=0.001)
        assert 0.1 <= trio.current_time() - began < 0.105
        assert sent(world) == [("Buy", 4)]  # the fills at 0, 30, 60 and 90 ms
        await trio.sleep(2)
        world.heal()
        rows = places(world)
        assert len(rows) == 30 and all(row["outcome"] == "filled" for row in rows)
        assert len({row["order_id"] for row in rows}) == len(world.ours("f1"))
        assert str(rows[0]["reason"]) == f"goes with the order of execution {rows[3]['leader_fill_id']}"
        assert rows[0]["cl_ord_id"] == rows[3]["cl_ord_id"]
        assert world.positions("f1") == {SYMBOL: 30}

    told(story, tmp_path)


@pytest.mark.rule("fills.reductions")
def test_a_reduction_leaves_in_the_moment_in_which_it_is_seen(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 5)
        await trio.sleep(1)
        world.fault(fill_size=1, fill_gap=(0.4, 0.4))
        began = trio.current_time()
        world.lead("Sell", 3)  # the first contract now, the next ones later
        await world.until(lambda: len(world.ours("f1")) == 2, within=1, every=0.001)
        assert trio.current_time() - began < 0.005
        await trio.sleep(2)
        assert sent(world) == [("Buy", 5), ("Sell", 1), ("Sell", 1), ("Sell", 1)]
        assert all(row["latency_ms"] == 0 for row in places(world))

    told(story, tmp_path)


@pytest.mark.rule("fills.flip")
def test_a_flip_through_zero_is_one_reversing_order(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.lead("Sell", 5)
        await trio.sleep(1)
        assert sent(world) == [("Buy", 2), ("Sell", 5)]
        world.lead("Buy", 7)
        await trio.sleep(1)
        assert sent(world)[2:] == [("Buy", 7)]
        assert world.positions("f1") == {SYMBOL: 4}

    told(story, tmp_path)


def test_a_leader_that_turns_around_faster_than_we_hear_of_our_own_orders(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(answer_delay=(0.1, 0.3), risk_delay=(0.05, 0.2), events_first=True)
        for action, qty in (("Buy", 3), ("Sell", 5), ("Buy", 6), ("Sell", 9), ("Buy", 4)):
            world.lead(action, qty)
            await trio.sleep(0.02)
        await trio.sleep(10)
        assert world.positions("f1") == {SYMBOL: -1}

    told(story, tmp_path)


@pytest.mark.parametrize("seed", range(5))
def test_events_in_any_order_twice_or_before_their_answers_change_nothing(seed: int, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(
            events_first=True,
            duplicate_props=0.3,
            shuffle_props=True,
            props_delay=(0.0, 0.2),
            one_message_per_frame=True,
            fill_size=1,
            fill_gap=(0.01, 0.05),
        )
        for action, qty in (("Buy", 3), ("Sell", 1), ("Sell", 4), ("Buy", 5), ("Sell", 2)):
            world.lead(action, qty)
            await trio.sleep(0.7)
        await trio.sleep(5)
        assert world.positions("f1") == {SYMBOL: 1}
        world.lead("Sell", 1)

    told(story, tmp_path, seed=seed)


# What the exchange takes back


def last_execution(world: World, name: str = "lead") -> int:
    return max(truth.executions(world, name))


@pytest.mark.rule("fills.bust")
@pytest.mark.parametrize("mode", ["fills", "orders"])
def test_an_entry_of_the_leader_s_that_is_busted_is_closed(mode: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.lead("Buy", 1)
        await trio.sleep(1)
        world.broker.bust(last_execution(world))
        await trio.sleep(1)
        assert world.positions("lead") == world.positions("f1") == {SYMBOL: 2}
        (close,) = world.rows("f1", "close")
        assert close["leader_order_id"] is None and "took back 1 ESZ6" in str(close["reason"])
        world.lead("Sell", 2)

    told(story, tmp_path, config_of(copy=f'mode = "{mode}"'))


@pytest.mark.parametrize("mode", ["fills", "orders"])
def test_an_exit_of_the_leader_s_that_is_busted_is_told_and_nothing_is_bought(mode: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 3)
        await trio.sleep(1)
        world.lead("Sell", 2)
        await trio.sleep(1)
        world.broker.bust(last_execution(world))
        await trio.sleep(30)
        assert (world.positions("lead"), world.positions("f1")) == ({SYMBOL: 3}, {SYMBOL: 1})
        assert any("short by 2 of 3" in words for words in world.said("position.drifted"))
        world.lead("Sell", 3)
        await trio.sleep(1)
        world.lead("Buy", 1)
        await trio.sleep(1)
        assert world.positions("f1") == {SYMBOL: 1}

    told(story, tmp_path, config_of(copy=f'mode = "{mode}"'))


@pytest.mark.parametrize("mode", ["fills", "orders"])
@pytest.mark.parametrize("side", ["entry", "exit"])
def test_an_execution_of_ours_that_is_busted(mode: str, side: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 3)
        await trio.sleep(1)
        if side == "exit":
            world.lead("Sell", 2)
            await trio.sleep(1)
        world.broker.bust(last_execution(world, "f1"))
        await trio.sleep(30)
        # What is too much is closed again; what is missing is not bought.
        assert world.positions("f1") == ({} if side == "entry" else {SYMBOL: 1})
        assert any("of ours" in words for words in world.said("position.drifted"))

    told(story, tmp_path, config_of(copy=f'mode = "{mode}"'))


@pytest.mark.parametrize("whose", ["lead", "f1"])
def test_of_alike_executions_one_is_busted_though_its_report_comes_long_before_the_fill(
    whose: str, tmp_path: Path
) -> None:
    """The report names none of them, and another was taken for it meanwhile: two were counted as taken back."""

    async def story(world: World) -> None:
        world.fault(fill_size=1)
        world.lead("Buy", 3)
        await trio.sleep(1)
        world.fault(props_delay=(0.1, 2.0))
        world.broker.bust(last_execution(world, whose))
        await trio.sleep(30)
        assert world.positions("f1") == {SYMBOL: 2}
        world.fault(props_delay=(0.0, 0.0))
        world.lead("Sell", 2 if whose == "lead" else 3)

    told(story, tmp_path, config_of(copy='mode = "orders"'))


@pytest.mark.parametrize("mode", ["fills", "orders"])
def test_a_trade_that_is_corrected_to_fewer_contracts(mode: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 3)
        await trio.sleep(1)
        world.broker.correct(last_execution(world), qty=2)
        await trio.sleep(1)
        assert world.positions("lead") == world.positions("f1") == {SYMBOL: 2}
        world.lead("Sell", 2)

    told(story, tmp_path, config_of(copy=f'mode = "{mode}"'))


def test_a_bust_inside_an_interruption_is_found_by_the_comparison(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        async with gap(world, ("apex",)):
            world.broker.bust(last_execution(world))
        await trio.sleep(5)
        assert world.positions("f1") == {}

    told(story, tmp_path)


# Refusals, lost answers, interruptions


def test_a_refused_entry_waits_until_the_leader_is_flat(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.server.reject_next("F1", "MaxPosLimitReached")
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.lead("Buy", 1)
        await trio.sleep(1)
        assert world.positions("f1") == {}
        assert [row["outcome"] for row in places(world)] == ["rejected", "skipped"]
        world.lead("Sell", 3)
        await trio.sleep(1)
        world.lead("Buy", 1)
        await trio.sleep(1)
        assert world.positions("f1") == {SYMBOL: 1}

    told(story, tmp_path)


@pytest.mark.parametrize("stage", ["answer", "risk", "exchange"])
def test_a_refused_exit_is_closed_again(stage: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.server.reject_next("F1", "RiskCheckTimeout", stage=stage, times=2)
        world.lead("Sell", 2)
        await trio.sleep(20)
        assert world.positions("f1") == {}
        assert [row["outcome"] for row in world.rows("f1", "close")] == ["rejected", "filled"]

    told(story, tmp_path)


@pytest.mark.parametrize("how", ["accept_and_lose_answer", "lose_request"])
@pytest.mark.parametrize("side", ["entry", "exit"])
def test_an_answer_that_is_lost_makes_nothing_twice(how: str, side: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        if side == "exit":
            world.lead("Buy", 2)
            await trio.sleep(1)
        getattr(world.server, how)()
        world.lead("Buy" if side == "entry" else "Sell", 2)
        await trio.sleep(60)
        arrived = how == "accept_and_lose_answer"
        assert world.positions("f1") == ({SYMBOL: 2} if side == "entry" and arrived else {})
        (row,) = places(world)[-1:]
        assert row["outcome"] == ("filled" if arrived else "skipped")

    told(story, tmp_path)


WITHIN: dict[str, tuple[list[tuple[str, int]], list[tuple[str, int]], dict[str, int]]] = {
    # before the gap, within it; the follower afterwards
    "a round trip is not replayed": ([], [("Buy", 2), ("Sell", 2)], {}),
    "an entry is missed": ([], [("Buy", 2)], {}),
    "an added entry is missed": ([("Buy", 1)], [("Buy", 2)], {SYMBOL: 1}),
    "an exit is made up for": ([("Buy", 3)], [("Sell", 2)], {SYMBOL: 1}),
    "a way out is made up for": ([("Buy", 3)], [("Sell", 3)], {}),
    "a flip is only exited": ([("Buy", 2)], [("Sell", 3)], {}),
    "there and back is left alone": ([("Buy", 2)], [("Sell", 2), ("Buy", 2)], {SYMBOL: 2}),
}


@pytest.mark.parametrize("who", ["apex", "fund"])
@pytest.mark.parametrize("what", WITHIN)
def test_what_the_leader_executes_inside_an_interruption(what: str, who: str, tmp_path: Path) -> None:
    before, within, after = WITHIN[what]

    async def story(world: World) -> None:
        for action, qty in before:
            world.lead(action, qty)
            await trio.sleep(1)
        async with gap(world, (who,)):
            for action, qty in within:
                world.lead(action, qty)
                await trio.sleep(0.2)
        assert world.positions("f1") == after
        gone = places(world)[len(before) :]
        assert all(row["outcome"] == "skipped" and "interrupted" in str(row["reason"]) for row in gone)
        world.broker.flatten("LEAD", SYMBOL)
        await trio.sleep(1)
        world.lead("Buy", 1)
        await trio.sleep(1)
        assert world.positions("f1") == {SYMBOL: 1}

    told(story, tmp_path, config_of(copy=FILLS, elsewhere=("f1",)))


def test_a_hand_on_the_follower_is_left_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.broker.place("F1", "Buy", SYMBOL, 1)
        await trio.sleep(1)
        world.lead("Buy", 1)
        await trio.sleep(1)
        assert world.positions("f1") == {SYMBOL: 3}
        world.lead("Sell", 3)
        await trio.sleep(1)
        assert world.positions("f1") == {SYMBOL: 1}
        world.broker.place("F1", "Sell", SYMBOL, 1)

    told(story, tmp_path)


def test_a_shadow_decides_and_sends_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.lead("Sell", 2)
        await trio.sleep(1)
        assert world.ours("f1") == []
        assert [(row["outcome"], row["action"], row["quantity"]) for row in places(world)] == [
            ("shadowed", "Buy", 2),
            ("shadowed", "Sell", 2),
        ]

    told(story, tmp_path, config_of(copy=FILLS, follower="shadow = true"))


def test_a_restart_goes_on_and_what_was_executed_meanwhile_is_compared(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 3)
            await trio.sleep(1)
        world.lead("Sell", 1)
        await trio.sleep(1)
        async with world.daemon():
            await world.copying()
            await trio.sleep(3)
            assert world.positions("f1") == {SYMBOL: 2}
            world.lead("Sell", 2)
            await trio.sleep(60)
            truth.all_is_well(world)

    run(story, tmp_path, TEXT)


def test_the_ledger_keeps_a_row_for_each_execution_and_says_why(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 1)
        await trio.sleep(1)
        (row,) = places(world, "f1")
        turns = world.daemon_now.ledger.why(_copy_id(row))
        assert [turn.account for turn in turns][:2] == ["lead", "f1"]
        world.lead("Sell", 1)

    told(story, tmp_path)


def _copy_id(row: dict[str, object]) -> Any:
    return row["id"]
