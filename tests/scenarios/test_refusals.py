"""The broker says no: to an entry, to an exit, to a change; at once or later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from daemon.tradovate import entities
from daemon.tradovate.parts import Part
from tests.scenarios.test_copying import told
from tests.scenarios.world import SYMBOL, World, config_of, run

TWO = config_of(("f1", "f2"))
Refuse = Callable[[World, int], None]


def _at(stage: str, reason: str, text: str = "refused on purpose") -> Refuse:
    return lambda world, times: world.server.reject_next("F1", reason, text, stage, times)


REFUSALS: dict[str, tuple[Refuse, str]] = {
    "in the answer": (_at("answer", "ExecutionProviderUnavailable"), "ExecutionProviderUnavailable"),
    "by risk, later": (_at("risk", "MaxTotalPosLimitReached"), "MaxTotalPosLimitReached"),
    "by the exchange, later": (_at("exchange", "NotEnoughLiquidity"), "NotEnoughLiquidity"),
    "closed, later": (_at("exchange", "SessionClosed"), "SessionClosed"),
    "for a reason unknown": (_at("risk", "OtherExecutionRelated"), "OtherExecutionRelated"),
    "off tick": (_at("exchange", "InvalidPrice", "Invalid price increment"), "InvalidPrice"),
}
EACH = pytest.mark.parametrize(("refuse", "reason"), REFUSALS.values(), ids=REFUSALS)
BUT_CLOSED = {name: one for name, one in REFUSALS.items() if one[1] != "SessionClosed"}  # for that an exit waits
EACH_BUT_CLOSED = pytest.mark.parametrize(("refuse", "reason"), BUT_CLOSED.values(), ids=BUT_CLOSED)


def pages(world: World) -> list[str]:
    return [entry.message for entry in world.journal if entry.severity == "page"]


@pytest.mark.rule("outcomes.entry-refused")
@EACH
def test_a_refused_entry_is_not_retried_and_its_contract_waits(refuse: Refuse, reason: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        refuse(world, 1)
        entry = world.lead("Buy", 1)
        await trio.sleep(2)
        row = world.row(entry, "f1")
        assert row["outcome"] == "rejected" and reason in str(row["reason"])
        assert world.positions("f1") == {} and world.positions("f2") == {SYMBOL: 1}
        assert any("f1" in words and reason in words for words in world.said("copy.failed"))
        more = world.lead("Buy", 1)
        other = world.lead("Buy", 1, symbol="NQZ6")
        await trio.sleep(2)
        assert world.row(more, "f1")["outcome"] == "skipped" and reason in str(world.row(more, "f1")["reason"])
        assert world.row(other, "f1")["outcome"] == "filled", "another contract does not wait"
        assert world.positions("f2") == {SYMBOL: 2, "NQZ6": 1}
        world.lead("Sell", 2)
        world.lead("Sell", 1, symbol="NQZ6")
        await trio.sleep(2)
        again = world.lead("Buy", 1)
        await trio.sleep(2)
        assert world.row(again, "f1")["outcome"] == "filled", "the leader was flat in between"
        world.lead("Sell", 1)

    told(story, tmp_path, TWO)


@pytest.mark.rule("outcomes.exit-transient")
@EACH_BUT_CLOSED
@pytest.mark.parametrize("times", [1, 3])
def test_a_refused_exit_is_told_and_the_follower_ends_flat(
    refuse: Refuse, reason: str, times: int, tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        refuse(world, times)
        exit_ = world.lead("Sell", 2)
        await trio.sleep(0.5)
        assert any("EXIT REFUSED" in words and reason in words for words in pages(world))
        await trio.sleep(40)
        assert world.row(exit_, "f1")["outcome"] == "rejected"
        assert world.positions("f1") == {} and world.positions("f2") == {}
        assert [one.terms.qty for one in world.ours("f1") if one.filled] == [2, 2]
        closes = world.rows("f1", "close")
        assert [row["outcome"] for row in closes] == ["rejected"] * (times - 1) + ["filled"]

    told(story, tmp_path, TWO)


@EACH_BUT_CLOSED
def test_a_refused_resting_exit_is_asked_for_again_and_is_there_when_the_leader_s_fills(
    refuse: Refuse, reason: str, tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        refuse(world, 2)
        exit_ = world.lead("Sell", 2, "Limit", price="5210")
        await trio.sleep(10)
        assert len(pages(world)) == 1 and world.row(exit_, "f1")["outcome"] == "working"
        assert world.positions("f1") == {SYMBOL: 2}, "the leader's rests too: nothing is closed before it fills"
        world.move("5211")
        await trio.sleep(3)
        assert world.positions("f1") == {}
        assert world.rows("f1", "close") == []

    told(story, tmp_path, TWO)


@EACH_BUT_CLOSED
def test_a_refused_resting_exit_is_closed_at_market_when_the_leader_s_fills_first(
    refuse: Refuse, reason: str, tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        refuse(world, 1)
        exit_ = world.lead("Sell", 2, "Limit", price="5210")
        await trio.sleep(0.5)
        assert pages(world) and world.row(exit_, "f1")["outcome"] in ("rejected", "intended")
        world.move("5211")
        await trio.sleep(3)
        assert world.positions("f1") == {}
        assert [row["outcome"] for row in world.rows("f1", "close")] == ["filled"]

    told(story, tmp_path, TWO)


@pytest.mark.rule("outcomes.exit-transient")
def test_a_position_that_is_too_large_for_one_order_is_closed_in_pieces(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for _ in range(3):
            world.lead("Buy", 2)
            await trio.sleep(1)
        world.broker.limit_order_size("F1", 2)
        world.lead("Sell", 6)
        await trio.sleep(40)
        assert world.positions("f1") == {}
        sold = [one.terms.qty for one in world.ours("f1") if one.action == "Sell" and one.filled]
        assert sum(sold) == 6 and max(sold) <= 2

    told(story, tmp_path, TWO)


@pytest.mark.rule("outcomes.exit-conflict")
def test_an_exit_that_conflicts_with_an_order_of_ours_is_retried_when_that_is_gone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        more = world.lead("Buy", 1, "Limit", price="5190")
        await trio.sleep(1)
        world.server.reject_next("F1", "OtherExecutionRelated", "would trade with an opposite order", "exchange")
        world.lead("Sell", 2)
        await trio.sleep(5)
        assert world.positions("f1") == {}
        ours = world.ours("f1")
        assert [(one.action, one.status) for one in ours] == [
            ("Buy", "Filled"), ("Buy", "Canceled"), ("Sell", "Rejected"), ("Sell", "Filled"),
        ]  # fmt: skip
        assert world.row(more, "f1")["outcome"] == "canceled" and world.row(more, "f2")["outcome"] == "working"
        world.broker.cancel(more)

    told(story, tmp_path, TWO)


@pytest.mark.rule("outcomes.protection-kept")
def test_the_stop_is_back_while_a_closing_is_refused(tmp_path: Path) -> None:
    """Protection is never away for longer than one request without a close in its place."""

    async def story(world: World) -> None:
        world.lead("Buy", 3)
        stop = world.lead("Sell", 3, "Stop", stop="5180")
        await trio.sleep(1)
        world.server.reject_next("F1", "RiskCheckTimeout", "busy", "risk", 2)
        world.lead("Sell", 2)
        naked = 0.0
        for _ in range(600):
            await trio.sleep(0.05)
            resting = sum(one.left for one in world.broker.working("F1") if one.terms.kind == "Stop")
            naked = naked + 0.05 if resting < world.broker.position("F1", SYMBOL) else 0.0
            assert naked < 0.5
        assert world.positions("f1") == {SYMBOL: 1}
        world.broker.cancel(stop)
        world.lead("Sell", 1)

    told(story, tmp_path, TWO)


@pytest.mark.rule("outcomes.exit-denied")
def test_an_exit_that_is_refused_for_minutes_is_tried_until_it_is_verified(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.broker.lock("F1")
        world.lead("Sell", 2)
        await trio.sleep(0.5)
        assert any("EXIT REFUSED" in words and SYMBOL in words for words in pages(world)), "at once"
        await trio.sleep(180)
        assert world.positions("f1") == {SYMBOL: 2}
        tries = len(world.rows("f1", "close"))
        assert 5 <= tries <= 12, "with a backoff, not in a storm"
        assert len(pages(world)) >= tries
        world.broker.lock("F1", None)
        await trio.sleep(40)
        assert world.positions("f1") == {}
        assert world.rows("f1", "close")[-1]["outcome"] == "filled"

    told(story, tmp_path, TWO)


@pytest.mark.parametrize("stage", ["answer", "exchange"])
def test_a_refused_change_is_told_and_the_order_stays(stage: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        order = world.lead("Buy", 1, "Limit", price="5190")
        await trio.sleep(1)
        world.change(order, price="5185")
        if stage == "answer":
            # The broker refuses a change of an order that has a command under way.
            world.broker.desk.orders[world.ours("f1")[0].order_id].pending = True
        else:
            world.server.reject_next("F1", "InvalidPrice", "Invalid price increment", "exchange")
        await trio.sleep(2)
        if stage == "answer":
            world.broker.desk.orders[world.ours("f1")[0].order_id].pending = False
        (one,) = world.broker.working("F1")
        assert str(one.terms.price) == "5190"
        await trio.sleep(20)
        world.broker.cancel(order)
        await trio.sleep(20)
        assert world.broker.working("F1") == []

    async def whole(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await story(world)
            assert world.row(world.broker.orders("LEAD")[0].order_id)["outcome"] == "canceled"
            if stage == "answer":
                assert any("AnotherCommandPending" in words for words in world.said("copy.failed"))

    run(whole, tmp_path)


def test_a_refusal_that_the_order_itself_never_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that is only called PendingNew, while a report says that the exchange has refused it, protects nothing."""
    readers = entities.READERS

    def silent(of: entities.Fields, faults: list[str]) -> Part:
        return readers["order"]({**of, "ordStatus": _unless_rejected(of["ordStatus"])}, faults)

    monkeypatch.setattr(entities, "READERS", {**readers, "order": silent})

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(2)
            world.server.reject_next("F1", "InvalidPrice", stage="exchange")
            stop = world.lead("Sell", 2, "Stop", stop="5150")
            await trio.sleep(2)
            assert world.row(stop)["outcome"] == "rejected"
            assert world.positions("f1") == {}, "on_stop_refused = flatten"
            assert any("HAS NO STOP" in words for words in world.said("position.unprotected"))

    run(story, tmp_path)


def _unless_rejected(status: object) -> object:
    return "PendingNew" if status == "Rejected" else status
