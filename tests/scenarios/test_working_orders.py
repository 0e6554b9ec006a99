"""Resting orders: changed, cancelled, filled in part, filled for the leader alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.scenarios import truth
from tests.scenarios.test_copying import told
from tests.scenarios.world import SYMBOL, World, config_of

MES = "MESZ6"
MICRO = config_of(follower='map = { ES = { to = "MES", factor = 10 } }')  # a market of its own: fills apart


def test_a_change_and_a_cancel_follow_with_rows_of_their_own(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        order = world.lead("Buy", 2, "Limit", price="5190")
        await trio.sleep(1)
        world.change(order, qty=4, price="5191.50")
        await trio.sleep(1)
        for name, quantity in {"f1": 4, "f2": 2}.items():
            (one,) = world.broker.working(name.upper())
            assert (one.terms.qty, str(one.terms.price)) == (quantity, "5191.5")
            (row,) = world.rows(name, "modify", order)
            assert (row["outcome"], row["quantity"], row["price"]) == ("working", quantity, 5191.5)
            assert row["order_id"] == one.order_id
        world.broker.cancel(order)
        await trio.sleep(1)
        for name in ("f1", "f2"):
            assert world.broker.working(name.upper()) == []
            (row,) = world.rows(name, "cancel", order)
            assert row["outcome"] == "canceled"

    told(story, tmp_path, config_of(("f1", "f2"), each={"f2": "ratio = 0.5"}))


@pytest.mark.rule("orders.unacknowledged", "orders.one-command")
def test_the_newest_of_many_changes_wins_one_at_a_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(answer_delay=(0.3, 0.3))
        order = world.lead("Buy", 1, "Limit", price="5190")
        await trio.sleep(0.5)
        for step in range(8):
            world.fault(cancel_delay=(0.0, 0.0))  # the leader's changes are quick, ours are not
            world.change(order, qty=1 + step % 3, price=str(5180 + step))
            world.fault(cancel_delay=(0.6, 0.6))
            await trio.sleep(0.25)
        await trio.sleep(10)
        (theirs,), (ours,) = world.broker.working("LEAD"), world.broker.working("F1")
        assert ours.terms.price == theirs.terms.price and ours.terms.qty == theirs.terms.qty
        changes = world.rows("f1", "modify", order)
        assert 0 < len(changes) < 8, "what was overtaken was never asked for"
        assert changes[-1]["outcome"] == "working"

    told(story, tmp_path)


@pytest.mark.rule("orders.unacknowledged")
def test_changes_and_a_cancel_while_the_order_is_not_yet_answered(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 1)  # from now on the daemon knows the contract by its name
        world.lead("Sell", 1)
        await trio.sleep(1)
        world.fault(answer_delay=(1.0, 1.0), risk_delay=(0.3, 0.3))
        order = world.lead("Buy", 1, "Limit", price="5190")
        await trio.sleep(0.4)
        world.change(order, price="5189")
        await trio.sleep(0.1)
        world.change(order, price="5188")
        await trio.sleep(0.1)
        world.broker.cancel(order)
        await trio.sleep(10)
        assert world.broker.working("F1") == []
        assert world.row(order)["outcome"] == "canceled"
        assert len(world.ours("f1")) == 3

    told(story, tmp_path)


def test_a_cancel_that_crosses_a_fill_is_told_and_the_follower_ends_flat(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        order = world.lead("Buy", 1, "Limit", price="5190")
        await trio.sleep(1)
        world.fault(cancel_delay=(0.5, 0.5))
        world.broker.cancel(order)
        await trio.sleep(0.7)  # the leader's is cancelled; ours is on its way to be
        world.move("5189.75", MES)
        await trio.sleep(5)
        assert world.positions("f1") == {} and world.positions("lead") == {}
        assert world.row(order)["outcome"] == "filled"
        (close,) = world.rows("f1", "close")
        assert (close["action"], close["quantity"], close["leader_order_id"]) == ("Sell", 10, None)

    told(story, tmp_path, MICRO)


def test_a_partly_filled_order_is_changed_and_cancelled(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(fill_size=1, fill_gap=(1.5, 1.5))
        order = world.lead("Buy", 5, "Limit", price="5195")
        await trio.sleep(1)
        world.move("5194")
        await trio.sleep(2.2)  # two have filled
        world.change(order, qty=4)
        await trio.sleep(0.5)
        world.broker.cancel(order)
        await trio.sleep(5)
        held = world.positions("lead")
        assert held and world.positions("f1") == held
        world.fault(fill_size=0)
        world.lead("Sell", held[SYMBOL])

    told(story, tmp_path)


@pytest.mark.rule("orders.chase-entry")
def test_an_entry_of_which_only_the_leader_s_fills_is_cancelled_after_a_while(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        order = world.lead("Buy", 1, "Limit", price="5190")
        await trio.sleep(1)
        world.move("5189.75")
        await trio.sleep(4)
        assert world.row(order)["outcome"] == "working", "chase_after is 5 s"
        await trio.sleep(2)
        assert world.row(order)["outcome"] == "canceled"
        assert world.positions("lead") == {SYMBOL: 1} and world.positions("f1") == {}
        exit_ = world.lead("Sell", 1)
        await trio.sleep(1)
        row = world.row(exit_)
        assert row["outcome"] == "skipped" and row["reason"]
        assert len(world.ours("f1")) == 1

    told(story, tmp_path, MICRO)


@pytest.mark.rule("orders.chase-exit")
def test_an_exit_of_which_only_the_leader_s_fills_is_closed_at_market(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 1)
        await trio.sleep(1)
        assert world.positions("f1") == {MES: 10}
        order = world.lead("Sell", 1, "Limit", price="5210")
        await trio.sleep(1)
        world.move("5210.25")
        await trio.sleep(4)
        assert world.positions("f1") == {MES: 10}
        await trio.sleep(2)
        assert world.positions("f1") == {}
        assert world.row(order)["outcome"] == "canceled"
        (close,) = world.rows("f1", "close")
        assert (close["action"], close["quantity"], close["outcome"]) == ("Sell", 10, "filled")

    told(story, tmp_path, MICRO)


def test_half_an_exit_closed_at_market_leaves_the_other_half(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        target = world.lead("Sell", 1, "Limit", price="5210")
        stop = world.lead("Sell", 1, "Stop", stop="5180")
        await trio.sleep(1)
        world.move("5210.25")
        await trio.sleep(10)
        assert world.positions("f1") == {MES: 10}
        # The stop made way for the closing, and the leader still has it: it is there again, under its one copy.
        assert world.row(target)["outcome"] == "canceled"
        assert world.row(stop)["outcome"] == "working"
        (one,) = world.broker.working("F1")
        assert (one.terms.kind, one.terms.qty, str(one.terms.stop_price)) == ("Stop", 10, "5180")
        world.move("5179")
        world.move("5179", MES)

    told(story, tmp_path, MICRO)


def test_an_exit_that_comes_while_the_entry_is_unfilled(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        entry = world.lead("Buy", 2, "Limit", price="5190")
        await trio.sleep(1)
        world.move("5189.75")  # the leader is in, the follower is not
        await trio.sleep(1)
        exit_ = world.lead("Sell", 2)
        await trio.sleep(10)
        assert world.positions("lead") == {} and world.positions("f1") == {}
        assert world.broker.working("F1") == []
        assert world.row(entry)["outcome"] == "canceled"
        assert world.row(exit_)["outcome"] == "skipped"
        assert len(world.ours("f1")) == 1, "an exit never opens"

    told(story, tmp_path, MICRO)


def test_an_exit_that_comes_while_the_entry_fills_in_pieces(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(fill_size=1, fill_gap=(0.4, 0.4))
        entry = world.lead("Buy", 3)
        await trio.sleep(1.0)
        exit_ = world.lead("Sell", 3)
        await trio.sleep(15)
        assert world.positions("f1") == {}
        assert len(world.broker.orders("LEAD")) == 2
        assert [world.row(order)["outcome"] for order in (entry, exit_)] == ["filled", "filled"]
        assert [one.terms.qty for one in world.ours("f1")] == [3, 3]

    told(story, tmp_path)


def test_target_and_stop_of_a_whole_position_and_a_close_by_hand(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.lead("Sell", 2, "Limit", price="5210")
        world.lead("Sell", 2, "Stop", stop="5190")
        await trio.sleep(1)
        assert sorted(one.terms.kind for one in world.broker.working("F1")) == ["Limit", "Stop"]
        assert all(one.terms.qty == 2 for one in world.broker.working("F1"))
        world.broker.flatten("LEAD", SYMBOL)  # cancels both, then sells at market
        await trio.sleep(2)
        assert world.positions("f1") == {} and world.broker.working("F1") == []
        truth.nothing_twice(world)

    told(story, tmp_path)


@pytest.mark.rule("sizing.reversal")
def test_a_reversal_is_one_order(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.lead("Sell", 5)
        await trio.sleep(1)
        assert world.positions("f1") == {SYMBOL: -3} and world.positions("f2") == {SYMBOL: -1}
        assert [one.terms.qty for one in world.ours("f1")] == [2, 5]
        assert [one.terms.qty for one in world.ours("f2")] == [1, 2]
        world.lead("Buy", 3)

    told(story, tmp_path, config_of(("f1", "f2"), each={"f2": "ratio = 0.5"}))


@pytest.mark.rule("orders.exits-in-turn")
@pytest.mark.parametrize("who", ["the leader", "the operator"])
def test_resting_exits_are_gone_before_anything_is_closed_at_market(who: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.lead("Sell", 2, "Limit", price="5210")
        world.lead("Sell", 2, "Stop", stop="5190")
        await trio.sleep(1)
        asked = trio.current_time()
        if who == "the leader":
            world.broker.flatten("LEAD", SYMBOL)  # cancels both, then sells at market
            world.fault(cancel_delay=(1.5, 1.5))  # ours take longer
        else:
            world.fault(cancel_delay=(1.5, 1.5))
            world.flatten("f1")
        while world.positions("f1"):
            assert {one.terms.kind for one in world.broker.working("F1")} <= {"Limit", "Stop"}
            assert len(world.ours("f1")) == 3, "it waits until both are confirmed to be gone"
            await trio.sleep(0.01)
        assert trio.current_time() - asked >= 1.5
        assert [one.status for one in world.ours("f1")] == ["Filled", "Canceled", "Canceled", "Filled"]
        world.heal()
        if who == "the operator":
            world.broker.flatten("LEAD", SYMBOL)
            await trio.sleep(2)

    told(story, tmp_path)


@pytest.mark.rule("orders.exits-bounded")
@pytest.mark.parametrize("mode", ["orders", "fills"])
@pytest.mark.parametrize("who", ["the leader", "the operator too"])
def test_market_exits_on_their_way_are_never_more_than_we_have(who: str, mode: str, tmp_path: Path) -> None:
    """Our entry fills slowly, and the leader is out in pieces before; the operator flattens in between."""

    def leads(world: World, action: str, qty: int) -> None:
        """He is filled at once, we are not."""
        world.heal()
        world.lead(action, qty)
        world.fault(fill_size=1, fill_gap=(2.0, 2.0), fill_delay=(1.5, 1.5), answer_delay=(0.1, 0.4))

    async def story(world: World) -> None:
        leads(world, "Buy", 4)
        most = 0
        for step in range(6000):
            if step in (200, 220, 240, 400):
                leads(world, "Sell", 1)
            if who == "the operator too" and step in (300, 450):
                world.flatten("f1")
            sells = [one for one in world.ours("f1") if one.action == "Sell" and not one.finished]
            leaving = sum(one.left for one in sells if one.terms.kind == "Market")
            assert leaving <= world.broker.position("F1", SYMBOL)
            most = max(most, leaving)
            await trio.sleep(0.01)
        assert most > 0 and world.positions("lead") == world.positions("f1") == {}
        assert not [entry for entry in world.journal if "CLOSE-ONLY" in entry.message], (
            "nor was it ever about to be more"
        )

    told(story, tmp_path, config_of(copy=f'mode = "{mode}"\nchase_after = "60s"'))


@pytest.mark.rule("orders.modify", "orders.chase-entry")
def test_a_change_that_fills_the_leaders_order_at_once_is_copied_before_ours_is_given_up(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        order = world.lead("Buy", 1, "Limit", price="5150")
        await trio.sleep(1)
        world.change(order, 1, price="5300")
        await trio.sleep(2)
        assert world.positions("lead") == world.positions("f1") == {SYMBOL: 1}
        assert [row["outcome"] for row in world.rows("f1", "modify")] == ["working"]
        world.lead("Sell", 1)

    told(story, tmp_path)
