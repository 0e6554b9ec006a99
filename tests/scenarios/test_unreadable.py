"""What the broker says and nobody understands: counted and logged, never fatal, and nothing that was known is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from daemon.tradovate import entities
from daemon.tradovate.parts import Part
from statecharts import states as s
from tests.scenarios import truth
from tests.scenarios.world import SYMBOL, World, config_of, run

TWO = config_of(("f1", "f2"))

UNREADABLE = (
    'a[{"e":"props","d":{"entityType":"order","eventTy',
    'a[1,null,[],"text",{}]',
    "a{}",
    "a",
    "anything",
    "x",
    "",
    "h1",
    "oo",
    'a[{"e":7,"d":{}}]',
    'a[{"e":"props"}]',
    'a[{"e":"props","d":[]}]',
    'a[{"e":"props","d":{"entityType":"order","eventType":"Created","entity":null}}]',
    'a[{"e":"props","d":{"entityType":"order","eventType":"Created","entity":{"id":"x"}}}]',
    'a[{"e":"props","d":{"entityType":"order","eventType":"Created","entity":[[],1,{"id":-1}]}}]',
    'a[{"e":"props","d":{"entityType":"position","eventType":"Updated","entity":{"id":1,"netPos":"many"}}}]',
    'a[{"e":"props","d":{"entityType":"moonPhase","eventType":"Created","entity":{"id":1}}}]',
    'a[{"e":"otherEnvironmentAdminAlert","d":{"text":"?"}}]',
    'a[{"e":"clock","d":"{\\"t\\":\\"2026\\",\\"s\\":20}"}]',
    'a[{"s":200,"i":999999,"d":{"orderId":1}}]',
    'a[{"s":200,"i":-1}]',
    'a[{"s":"200","i":"424242"}]',
    'a[{"s":500}]',
    "a[" + "[" * 100_000,
    'a[{"e":"props","d":{"entityType":"fill","eventType":"Created","entity":{"id":1e400,"orderId":NaN}}}]',
    'a[{"e":"props","d":{"entityType":"order","eventType":"Created","entity":{"id":' + "9" * 5000 + "}}}]",
    'a["\\ud800"]',
)


async def _still_copies(world: World, net: int = 0) -> None:
    world.lead("Buy", 1)
    wanted = {SYMBOL: net + 1}
    await world.until(lambda: world.positions("f1") == world.positions("f2") == wanted, within=5)


def _undisturbed(world: World) -> None:
    assert world.login().sockets == world.server.sockets_opened == 1
    assert not world.said("daemon.bug")
    assert not world.said("turn.failed")
    assert world.daemon_now.crashes == 0


def test_frames_that_nobody_understands_are_counted_and_copying_goes_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await _still_copies(world)
            for count, frame in enumerate(UNREADABLE):
                faults = world.login().faults
                world.server.send_frame(frame)
                await trio.sleep(1)
                assert world.leaf("lead") is world.leaf("f1") is s.Copying, (count, frame[:80])
                assert faults <= world.login().faults <= faults + 5, (count, frame[:80])
                assert world.account("lead").account.book.positions == {SYMBOL: 1}
            assert len(world.said("broker.unreadable")) == world.login().faults >= 12
            await _still_copies(world, 1)
            _undisturbed(world)

    run(story, tmp_path, TWO)


def test_a_frame_of_five_megabytes_is_taken_in(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            for _ in range(3):
                world.server.send_huge(size=5_000_000)
            await _still_copies(world)
            await trio.sleep(30)
            _undisturbed(world)

    run(story, tmp_path, TWO)


@pytest.mark.parametrize(
    "faults",
    [
        {"numbers_as_strings": True},
        {"entity_arrays": True},
        {"unknown_fields": True, "unknown_events": 0.5},
        {"malformed": 0.5},
        {"shuffle_props": True, "duplicate_props": 0.5, "one_message_per_frame": True},
        {"events_first": True, "props_delay": (0.0, 0.5)},
    ],
    ids=lambda faults: "+".join(faults),
)
def test_a_day_in_which_the_broker_speaks_strangely_copies_as_any_other(
    tmp_path: Path, faults: dict[str, object]
) -> None:
    async def story(world: World) -> None:
        world.fault(**faults)
        async with world.daemon():
            await world.copying()
            for net in range(5):
                await _still_copies(world, net)
                await trio.sleep(5)
            _undisturbed(world)
            assert [copy["outcome"] for copy in world.copies("f1")] == ["filled"] * 5

    run(story, tmp_path, TWO)


@pytest.mark.parametrize("contract", ['"contractId":4040404', '"contractId":"?"', '"contractId":null'])
def test_an_order_in_a_contract_that_the_broker_cannot_name_costs_nobody_the_connection(
    tmp_path: Path, contract: str
) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            account = world.broker.account_ids["F1"]
            entity = (
                f'{{"id":77,"accountId":{account},{contract},"timestamp":"2026-11-18T15:00:00.000Z",'
                '"action":"Buy","ordStatus":"Working","admin":false}'
            )
            created = f'{{"entityType":"order","eventType":"Created","entity":{entity}}}'
            world.server.send_frame(f'a[{{"e":"props","d":{created}}}]')
            await trio.sleep(300)
            assert world.server.calls["contract/item"] <= 20
            await _still_copies(world)
            _undisturbed(world)

    run(story, tmp_path, TWO)


def test_what_waited_for_the_name_of_its_contract_is_compared_and_not_copied_late(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.server.accept_then_fail(500, times=3, endpoint="contract/item")
            entry = world.lead("Buy", 1)
            await trio.sleep(30)
            await world.copying()
            assert world.positions("f1") == {}, "an entry of 7 seconds ago is none"
            assert world.row(entry)["outcome"] == "skipped"
            assert any("short by 1 of 1" in words for words in world.said("position.drifted"))
            world.lead("Sell", 1)
            await trio.sleep(2)
            await _still_copies(world)

    run(story, tmp_path, TWO)


@pytest.mark.parametrize("parts", [2, 3, 7, 40])
def test_a_snapshot_in_parts_is_whole_before_anything_is_believed(tmp_path: Path, parts: int) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await _still_copies(world)
            world.fault(sync_parts=parts, sync_always_split=True)
            for _ in range(5):
                world.server.drop_sockets()
                await trio.sleep(3)
                await world.copying(within=10)
                for name in ("lead", "f1", "f2"):
                    assert world.account(name).account.book.positions == {SYMBOL: 1}
            assert len(world.broker.accepted) == 3
            await _still_copies(world, 1)
            assert len(world.broker.accepted) == 6
            assert not world.said("position.drifted")

    run(story, tmp_path, TWO)


@pytest.mark.parametrize(
    "faults",
    [
        {"sync_empty": True},
        {"sync_bare": True},
        {"sync_truncated": True},
        {"sync_silent": True},
        {"sync_status": 429},
        {"sync_status": 500},
        {"read_lost": 1.0, "sync_silent": True},
    ],
    ids=lambda faults: "+".join(f"{k}={v}" for k, v in faults.items()),
)
def test_a_snapshot_that_is_empty_cut_off_or_never_comes_is_not_flat(tmp_path: Path, faults: dict[str, object]) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            await _still_copies(world)
            book = daemon.accounts["f1"].account.book
            world.fault(**faults)
            world.server.drop_sockets()
            for _ in range(3000):
                await trio.sleep(0.1)
                assert world.leaf("f1") is not s.Copying
                assert daemon.accounts["f1"].account.book.positions == book.positions == {SYMBOL: 1}
            assert len(world.server.live_sockets()) <= 1
            world.heal()
            await world.copying(within=200)
            assert len(world.broker.accepted) == 3
            assert not world.said("position.drifted")
            assert not world.said("daemon.bug")
            await _still_copies(world, 1)

    run(story, tmp_path, TWO)


def test_an_account_read_again_while_a_new_contract_has_no_name_yet_waits_for_it(tmp_path: Path) -> None:
    """Without the name its position would be in no snapshot, and what is in no snapshot counts as flat."""

    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            world.server.accept_late(5.0, times=1, endpoint="contract/item")
            world.broker.place("F1", "Buy", "NQZ6", 1)
            await trio.sleep(0.5)
            world.reconnect("f1")
            await trio.sleep(1)
            assert world.leaf("f1") is s.Resyncing
            await world.copying(within=10)
            assert daemon.accounts["f1"].account.book.positions == {"NQZ6": 1}
            _undisturbed(world)

    run(story, tmp_path, TWO)


@pytest.mark.parametrize("mode", ["fills", "orders"])
def test_a_leader_s_exit_whose_fill_nobody_can_read_is_found_by_his_position(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker has no price of it, in no event and in no list. What our own order makes of it is not to matter."""
    readers = entities.READERS

    def unpriced(of: entities.Fields, faults: list[str]) -> Part:
        return readers["fill"]({**of, "price": None} if of.get("orderId") in spoiled else of, faults)

    spoiled: set[int] = set()
    monkeypatch.setattr(entities, "READERS", {**readers, "fill": unpriced})

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(2)
            exit_ = world.lead("Sell", 2, "Limit", price="5210")
            await trio.sleep(2)
            assert world.positions("f1") == {SYMBOL: 2}
            if mode == "orders":  # ours does not fill: nobody chases it, for the leader's has not, as far as is known
                world.broker.cancel(world.ours("f1")[-1].order_id)
                await trio.sleep(2)
            spoiled.add(exit_)
            world.move("5211")
            await trio.sleep(1)
            assert world.positions("lead") == {} and world.positions("f1") == {SYMBOL: 2}
            await world.until(lambda: world.positions("f1") == {}, within=60)
            assert any("a position of 0 ESZ6, and the fills make it 2" in words for words in world.said("state"))
            await trio.sleep(300)
            assert world.server.sockets_opened == 2, "once, and not again and again"
            truth.in_step(world)

    run(story, tmp_path, config_of(copy=f'mode = "{mode}"'))
