"""What may come over the socket: anything. It is understood, or counted and told; what was known stays known."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.tradovate import frames
from daemon.tradovate.mirror import Mirror
from statecharts.values import Symbol
from tests.daemon.tradovate import wire
from tests.fuzz import targets
from tests.fuzz.garbage import JSON, spoiled
from tests.scenarios.world import SYMBOL, World, config_of, run

ENTITIES = {
    "order": wire.order("Working"),
    "orderVersion": wire.version(),
    "command": wire.command(),
    "fill": wire.fill(),
    "position": wire.position(2),
    "executionReport": wire.execution(1),
}
KINDS = st.sampled_from(sorted(ENTITIES))


def _pushed(kind: str, entity: object) -> dict[str, object]:
    return {"e": "props", "d": {"entityType": kind, "eventType": "Updated", "entity": entity}}


@settings(deadline=None)
@given(st.sampled_from(targets.SEEDS["frame"]), st.integers(0, 400), st.binary(max_size=6), st.integers(0, 6))
def test_bytes_within_a_frame_may_be_anything(whole: bytes, at: int, other: bytes, gone: int) -> None:
    targets.frame(whole[:at] + other + whole[at + gone :])


@settings(deadline=None)
@given(st.lists(KINDS.flatmap(lambda kind: spoiled(_pushed(kind, ENTITIES[kind]))) | JSON, max_size=5))
def test_messages_may_hold_anything(items: list[object]) -> None:
    targets.frame(b"a" + frames.encode(items).encode())


@settings(deadline=None)
@given(st.integers(0, 699), st.sampled_from(targets.SEEDS["message"]), st.integers(0, 60), st.binary(max_size=6))
def test_an_answer_may_be_anything(status: int, whole: bytes, at: int, other: bytes) -> None:
    body = whole[2:]
    targets.message(status.to_bytes(2) + body[:at] + other + body[at:])


@settings(deadline=None)
@given(KINDS, st.dictionaries(st.text(max_size=8).map("x-".__add__), JSON, max_size=4))
def test_fields_that_nobody_knows_change_nothing(kind: str, unknown: dict[str, object]) -> None:
    def told(entity: object) -> object:
        mirror = Mirror()
        assert mirror.load(wire.sync(orders=[wire.order("Working")], commands=[wire.command()]), wire.NOW) == []
        message = frames.parse("a" + frames.encode([_pushed(kind, entity)]))
        assert isinstance(message, frames.Messages)
        (item,) = message.items
        assert isinstance(item, frames.Pushed)
        return mirror.fold(item, wire.NOW), mirror.snapshot(wire.ACCOUNT, wire.NOW)

    assert told({**unknown, **ENTITIES[kind]}) == told(ENTITIES[kind])


SNAPSHOT = wire.sync(
    positions=[wire.position(2)],
    orders=[wire.order("Filled"), wire.order("Working", wire.ORDER + 1)],
    orderVersions=[wire.version(), wire.version(wire.ORDER + 1, wire.ORDER + 1)],
    commands=[wire.command()],
    fills=[wire.fill()],
)


@settings(max_examples=300, deadline=None)
@given(spoiled(SNAPSHOT))
def test_a_snapshot_that_is_garbage_somewhere_never_shows_an_account_flat(data: object) -> None:
    """It is none, or it says what it lacks; where it is taken for whole, the position is in it."""
    mirror = Mirror()
    mirror.load(data, wire.NOW)
    whole = mirror.loaded and "positions" not in mirror.absent and mirror.unread is None
    snapshot = mirror.snapshot(wire.ACCOUNT, wire.NOW)
    if whole and not mirror.missing_contracts() and snapshot is not None:
        assert list(snapshot.positions.values()) == [2]


def _frame(dice: random.Random) -> str:
    """Something that a broker out of its mind might say."""
    kind = dice.choice(sorted(ENTITIES))
    entity = dict(ENTITIES[kind])
    for _ in range(dice.randint(1, 3)):
        entity[dice.choice(sorted(entity))] = dice.choice([None, "?", [], {}, [[1]], "NaN", True, {"a": {"b": []}}])
    whole = "a" + json.dumps([_pushed(kind, entity), {"s": 200, "i": dice.randint(-5, 10**6)}], default=str)
    cut = dice.randint(0, len(whole))
    noise = "".join(chr(dice.choice([dice.randint(0, 127), dice.randint(128, 0xD7FF)])) for _ in range(12))
    return dice.choice([whole, whole[:cut], whole[:cut] + noise + whole[cut:], "a" + noise, noise, "c[" + noise])


@pytest.mark.parametrize("seed", [1, 2])
def test_a_broker_out_of_its_mind_costs_at_most_the_session(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)

    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            world.lead("Buy", 1)
            await trio.sleep(5)
            for _ in range(60):
                world.server.send_frame(_frame(dice))
                await trio.sleep(0.5)
                for name in ("f1", "f2"):
                    assert world.account(name).account.book.contract(Symbol(SYMBOL)).own == 1
            await world.copying(within=120)
            world.lead("Sell", 1)
            await world.until(lambda: world.positions("f1") == world.positions("f2") == {}, within=10)
            assert daemon.crashes == 0 and not world.said("daemon.bug") and not world.said("turn.failed")
            assert world.login().faults > 10

    run(story, tmp_path, config_of(("f1", "f2")))
