"""The turn of the session: lists are emptied, sockets fall, and the broker tells the day once more."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.scenarios import truth
from tests.scenarios.test_gaps import ADDRESS
from tests.scenarios.world import SYMBOL, World, config_of, run


async def a_day(world: World) -> None:
    """A round trip, a position that is kept overnight, and an order that was cancelled."""
    world.lead("Buy", 2)
    await trio.sleep(1)
    world.lead("Sell", 2)
    await trio.sleep(1)
    world.lead("Buy", 3)
    await trio.sleep(1)
    world.broker.cancel(world.lead("Buy", 1, "Limit", price="5100"))
    await world.until(lambda: world.positions("f1") == {SYMBOL: 3})
    await trio.sleep(1)


@pytest.mark.rule("outcomes.replay")
@pytest.mark.parametrize("reconnect", [True, False], ids=["after a reconnect", "on the same socket"])
def test_the_day_told_once_more_moves_nothing(reconnect: bool, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await a_day(world)
            rows, accepted = len(world.copies("f1")), len(world.broker.accepted)
            await trio.sleep(3600)
            world.server.close_session()
            if reconnect:
                world.server.drop_sockets()
                await trio.sleep(3)
                await world.copying()
            for _ in range(3):
                world.server.replay()
                await trio.sleep(2)
            await trio.sleep(70)
            assert len(world.broker.accepted) == accepted and world.positions("f1") == {SYMBOL: 3}
            assert len(world.copies("f1")) == rows
            for name in ("lead", "f1"):
                book = world.account(name).account.book
                assert book.mine is not None and {k: n for k, n in book.mine.net.items() if n} == {SYMBOL: 3}
            assert not world.said("account.quarantined")
            assert world.login().sockets == (2 if reconnect else 1)
            more = world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 4})
            assert world.row(more)["outcome"] == "filled"
            world.broker.flatten("LEAD", SYMBOL)
            await trio.sleep(30)
            assert world.positions("f1") == {}
            truth.in_step(world)

    run(story, tmp_path)


@pytest.mark.rule("catch-up.when.quiet")
@pytest.mark.parametrize("of", ["apex", "fund"])
def test_the_comparison_waits_until_the_broker_is_done_with_the_past(of: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await a_day(world)
            await trio.sleep(3600)
            world.server.close_session()
            world.network.refused |= set(ADDRESS.values())
            world.server.drop_sockets()
            world.broker.flatten("LEAD", SYMBOL)
            await trio.sleep(65)
            first, second = ("lead", "f1") if of == "apex" else ("f1", "lead")
            world.network.refused.discard(ADDRESS[of])
            await world.copying(first, within=120)
            world.network.refused.clear()
            while not world.server.live_sockets("fund" if of == "apex" else "apex"):
                world.server.replay(of)
                await trio.sleep(0.5)
            await world.copying(second)
            began = trio.current_time()
            for _ in range(8):
                world.server.replay(of)
                await trio.sleep(2)
            assert world.positions("f1") == {SYMBOL: 3} and world.account("f1").account.book.held_back()
            await world.until(lambda: world.positions("f1") == {})
            assert 16 <= trio.current_time() - began <= 18.5
            await trio.sleep(30)
            truth.in_step(world)

    run(story, tmp_path, config_of(elsewhere=("f1",)))
