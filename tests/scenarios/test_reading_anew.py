"""An account is read anew while its session lives and events are on their way: a fill without its position is no truth.

The operator asks for it, or a turn fails; either way the snapshot is taken from what one socket has told so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from daemon.logins.session import Session
from daemon.tradovate.frames import Pushed
from daemon.tradovate.mirror import Facts
from statecharts import states as s
from tests.scenarios import truth
from tests.scenarios.world import SYMBOL, World, run

BOTH = ("lead", "f1")


@contextmanager
def held_back(monkeypatch: pytest.MonkeyPatch, kind: str) -> Iterator[list[Pushed]]:
    """What the broker pushes of this kind comes when the block ends, after everything else."""
    pushed = Session._pushed
    held: list[tuple[Session, Pushed]] = []
    items: list[Pushed] = []

    def hold(session: Session, frame: Sequence[Pushed]) -> Facts:
        late = [one for one in frame if isinstance(one.data, dict) and one.data.get("entityType") == kind]
        held.extend((session, item) for item in late)
        items.extend(late)
        return pushed(session, [item for item in frame if item not in late])

    with monkeypatch.context() as patch:
        patch.setattr(Session, "_pushed", hold)
        yield items
    for session, item in held:
        session._hand_out(pushed(session, [item]), ())


def _agrees(world: World) -> None:
    """Both views are the broker's, and everything that the follower holds is ours."""
    lead, f1 = (world.account(name).account.book for name in BOTH)
    assert lead.mine is not None and f1.theirs is not None
    for view in (lead.mine, f1.theirs):
        assert {k: n for k, n in view.net.items() if n} == world.positions("lead")
    truth.in_step(world)
    assert not any(contract.foreign for contract in f1.contracts.values()), f1.contracts
    # A reversal that is still on its way leaves us on the other side for a moment; nobody else has traded.
    told = [words for words in world.said("account.quarantined") if "on the other side of the leader" not in words]
    assert not told, told


@pytest.mark.parametrize("kind", ["position", "fill", "order"])
@pytest.mark.parametrize("names", [("lead",), ("f1",), BOTH], ids=["the leader", "the follower", "both"])
def test_what_is_on_its_way_while_an_account_is_read_anew_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, names: tuple[str, ...]
) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            with held_back(monkeypatch, kind) as held:
                world.lead("Buy", 2)
                await trio.sleep(0.01)
                for name in names:
                    world.reconnect(name)
                await trio.sleep(1)
                assert held
            await world.copying(within=5)
            await trio.sleep(3)
            assert world.login().sockets == 1  # late is not lost
            _agrees(world)
            world.lead("Sell", 2)
            await trio.sleep(3)
            assert world.positions("f1") == {}
            _agrees(world)
            truth.nothing_twice(world)

    run(story, tmp_path)


@pytest.mark.parametrize("kind", ["position", "fill"])
def test_what_never_comes_ends_the_session_and_all_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            with held_back(monkeypatch, kind):
                world.lead("Buy", 1)
                await trio.sleep(0.01)
                world.reconnect("lead")
                await trio.sleep(4)
                assert world.leaf("lead") is s.Resyncing
                await world.until(lambda: world.login().sockets == 2, within=10)
            await world.copying()
            await trio.sleep(3)
            assert any("did not agree" in words for words in world.said("connection.broken"))
            _agrees(world)

    run(story, tmp_path)


@pytest.mark.parametrize("names", [("lead",), ("f1",), BOTH], ids=["the leader", "the follower", "both"])
@pytest.mark.parametrize("seed", range(4))
def test_read_again_and_again_while_the_leader_trades(tmp_path: Path, seed: int, names: tuple[str, ...]) -> None:
    """Every event comes in a frame of its own, up to 50 ms apart."""

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.fault(one_message_per_frame=True, props_delay=(0.0, 0.05))
            held = 0
            for _ in range(30):
                side, qty = ("Buy" if held <= 0 else "Sell"), (2 if held else 1)
                world.lead(side, qty)
                held += qty if side == "Buy" else -qty
                await trio.sleep(world.dice.uniform(0.0, 0.06))
                for name in names:
                    world.reconnect(name)
                await world.copying()
                await trio.sleep(2)
                _views_are_the_brokers(world)
            world.lead("Sell" if held > 0 else "Buy", 1)
            await trio.sleep(3)
            assert world.positions("lead") == {} and world.positions("f1") == {}
            _agrees(world)
            assert world.login().sockets == 1

    run(story, tmp_path, seed=seed)


def _views_are_the_brokers(world: World) -> None:
    """What was traded while the follower was being read may be missed; but nobody is wrong about what is held."""
    lead, f1 = (world.account(name).account.book for name in BOTH)
    assert lead.mine is not None
    assert lead.mine.net.get(SYMBOL, 0) == world.positions("lead").get(SYMBOL, 0)  # type: ignore[call-overload]
    contract = f1.contract(SYMBOL)  # type: ignore[arg-type]
    assert (contract.own, contract.foreign) == (world.positions("f1").get(SYMBOL, 0), 0)


def test_accounts_that_are_read_at_the_same_time_share_the_brokers_lists(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            session = world.login().session
            assert session is not None
            before = session.correspondence.next_id
            for name in BOTH:
                world.reconnect(name)
            await trio.sleep(1)
            assert world.leaf("lead") is world.leaf("f1") is s.Copying
            assert session.correspondence.next_id - before == 3

    run(story, tmp_path)
