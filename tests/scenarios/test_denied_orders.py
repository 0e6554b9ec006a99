"""Access is denied on an order: reads work, orders do not. It is the login's trouble, and it is told once."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio

from daemon.control.evidence import Evidence
from statecharts import events as e
from statecharts.bars import Bar
from tests.scenarios.world import SYMBOL, World, config_of, now, run

DENIED = pytest.mark.rule("outcomes.denied")
# Three followers on a login of their own, and one beside the leader.
TEXT = config_of(("a", "b", "c", "near"), elsewhere=("a", "b", "c"))
FUND = ("a", "b", "c")


def permit(world: World, orders: str) -> None:
    """What the key of login fund may do with orders: "full" or "read"."""
    login = world.broker.logins["fund"]
    login.spec = attrs.evolve(login.spec, orders=orders)


def denied(world: World, *names: str) -> list[bool]:
    return [Bar.DENIED in world.account(name).account.book.barred for name in names]


def resume(world: World, name: str) -> None:
    world.account(name).runner.post(e.ResumeAsked(at=now()))


@DENIED
def test_the_openings_of_the_login_stop_and_it_is_told_once_with_the_causes(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            permit(world, "read")
            entry = world.lead("Buy", 1)
            await trio.sleep(5)
            assert [world.row(entry, name)["outcome"] for name in FUND] == ["rejected"] * 3
            assert world.positions("near") == {SYMBOL: 1}, "the other login goes on"
            (words,) = world.said("orders.denied")
            assert "Access is denied" in words and "API key has no Full Access to Orders" in words
            assert "copierctl resume" in words and "copierd doctor --login fund" in words
            assert denied(world, *FUND) == [True] * 3 and denied(world, "near") == [False]
            accounts = {name: world.account(name).account for name in FUND}
            assert {Evidence(world.daemon_now.ledger).of_orders(one) for one in accounts.values()} == {"denied"}
            asked = len(world.broker.desk.log)
            another = world.lead("Buy", 1, symbol="NQZ6")
            await trio.sleep(5)
            assert [world.row(another, name)["outcome"] for name in FUND] == ["skipped"] * 3
            assert world.server.calls["order/placeorder"] == 3 + 2, "nothing more is asked of the broker"
            assert len(world.broker.desk.log) == asked + 2 and len(world.said("orders.denied")) == 1
            permit(world, "full")
            world.lead("Sell", 1)
            world.lead("Sell", 1, symbol="NQZ6")
            await trio.sleep(5)
            resume(world, "b")
            await trio.sleep(1)
            assert denied(world, *FUND) == [False] * 3, "one resume is enough for the login"
            again = world.lead("Buy", 1)
            await trio.sleep(5)
            assert [world.row(again, name)["outcome"] for name in FUND] == ["filled"] * 3

    run(story, tmp_path, TEXT)


@DENIED
@pytest.mark.rule("outcomes.exit-denied")
def test_exits_are_tried_and_told_and_one_that_is_accepted_proves_the_login(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 1)
            await trio.sleep(5)
            permit(world, "read")
            world.lead("Sell", 1)
            await trio.sleep(1)
            assert {entry.severity for entry in world.journal if "EXIT REFUSED" in entry.message} == {"page"}, "at once"
            await trio.sleep(19)
            pages = [entry.message for entry in world.journal if entry.severity == "page"]
            assert all(any(f"{name}: {SYMBOL} EXIT REFUSED" in words for words in pages) for name in FUND)
            assert any("Close ESZ6 in Tradovate now" in words for words in pages)
            assert all(world.positions(name) == {SYMBOL: 1} for name in FUND)
            tries = world.server.calls["order/placeorder"]
            assert tries < 8 + 3 * 6, "with a backoff, not in a storm"
            assert len(world.said("orders.denied")) == 1
            permit(world, "full")
            await trio.sleep(40)
            assert all(world.positions(name) == {} for name in FUND)
            assert denied(world, *FUND) == [False] * 3, "proven"
            world.lead("Buy", 1)
            await trio.sleep(5)
            assert all(world.positions(name) == {SYMBOL: 1} for name in FUND)

    run(story, tmp_path, TEXT)


@DENIED
def test_one_account_that_is_denied_among_others_that_are_not_does_not_keep_them_out(tmp_path: Path) -> None:
    """A wrong account name is that account's alone: what the broker accepts of the others proves their login."""

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.server.reject_next("A", "UnknownReason", "Access is denied", "answer")
            world.lead("Buy", 1)
            await trio.sleep(5)
            assert world.positions("b") == world.positions("c") == {SYMBOL: 1}
            assert denied(world, *FUND) == [True, False, False]
            other = world.lead("Buy", 1, symbol="NQZ6")
            await trio.sleep(5)
            assert [world.row(other, name)["outcome"] for name in FUND] == ["skipped", "filled", "filled"]
            assert len(world.said("orders.denied")) == 1

    run(story, tmp_path, TEXT)


@DENIED
def test_a_cancel_of_an_order_that_is_finished_is_answered_as_denied_and_concludes_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.fault(finished_order="denied")
            order = world.lead("Buy", 1, "Limit", price="5190")
            await trio.sleep(1)
            ours = world.ours("a")[0].order_id
            # It fills at the broker, and the news of it is slower than our cancel.
            world.fault(props_delay=(2.0, 2.0))
            world.broker.cancel(order)
            world.broker.desk.expire(world.broker.desk.orders[ours])
            await trio.sleep(30)
            assert world.said("orders.denied") == [] and denied(world, *FUND) == [False] * 3
            assert world.row(order, "a")["outcome"] in ("expired", "canceled")

    run(story, tmp_path, TEXT)
