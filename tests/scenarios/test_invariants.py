"""A wrong decision on one follower: nothing of it leaves, that follower only closes, the others never notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from statecharts import events as e
from statecharts import placement
from statecharts.bars import Bar
from statecharts.book import Copy
from statecharts.draft import Draft
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from tests.scenarios.world import SYMBOL, World, config_of, run

TEXT = config_of(("calm", "wild"), each={"calm": "max_order = 3", "wild": "max_order = 3"})


@pytest.mark.rule("outcomes.invariant")
def test_a_wrong_decision_never_leaves_and_its_follower_closes_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = placement.send

    def wrong(draft: Draft, copy: Copy, rules: CopyRules, **more: Any) -> None:
        """Ten times what was decided, for one follower's entries."""
        if draft.name == "wild" and copy.kind is Kind.ENTRY:
            assert copy.terms is not None
            copy = attrs.evolve(copy, terms=attrs.evolve(copy.terms, quantity=10 * copy.terms.quantity))
        send(draft, copy, rules, **more)

    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(5)
            assert world.positions("calm") == world.positions("wild") == {SYMBOL: 2}
            with monkeypatch.context() as patched:
                patched.setattr(placement, "send", wrong)
                order = world.lead("Buy", 1)
                await world.until(lambda: world.positions("calm") == {SYMBOL: 3}, within=1)
                pages = [entry.message for entry in world.journal if entry.severity == "page"]
                assert len(pages) == 1, "told at once, and once"
                assert pages[0].startswith(
                    "wild: CLOSE-ONLY: copierd kept itself from a mistake: "
                    "an order would open 10 ESZ6, and max_order is 3"
                )
                row = world.row(order, "wild")
                assert row["outcome"] == "skipped" and "copierd kept itself from a mistake" in str(row["reason"])
                assert len(world.ours("wild")) == 1 and len(world.ours("calm")) == 2
                assert list(daemon.accounts["wild"].account.book.barred) == [Bar.RUNAWAY]
                assert daemon.accounts["calm"].account.book.barred == {}
                world.lead("Sell", 3)
                await world.until(lambda: world.positions("wild") == world.positions("calm") == {}, within=2)
            still = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(still, "wild")["outcome"] == "skipped", "until the operator has looked"
            world.lead("Sell", 1)
            await trio.sleep(2)
            daemon.accounts["wild"].runner.post(e.ResumeAsked(at=world.daemon_now.ports.wall()))
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("wild") == {SYMBOL: 1}, within=5)
            assert daemon.crashes == 0

    run(story, tmp_path, TEXT)
