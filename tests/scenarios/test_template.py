"""The template bracket: a position is behind its stop although the leader has none, until his own comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
import trio

from daemon.config import loads
from tests.scenarios import truth
from tests.scenarios.guard import Guard, behind, guarded, stops
from tests.scenarios.test_brackets import LIMIT, MES, bracket, known, live, pair, terms
from tests.scenarios.test_copying import told
from tests.scenarios.world import SYMBOL, World, config_of, run

BRACKET = "bracket = { stop = 20, target = 40 }"  # 5 and 10 points of ES
TEXT = config_of(follower=BRACKET)
FILLS = config_of(follower=BRACKET, copy='mode = "fills"')
MICRO = config_of(follower=f'{BRACKET}\nmap = {{ ES = {{ to = "MES", factor = 1 }} }}', copy='chase_after = "60s"')
MODES = pytest.mark.parametrize("text", [TEXT, FILLS], ids=["orders", "fills"])


Leg = tuple[str, int, str, Decimal]


def protects(world: World, symbol: str = SYMBOL) -> list[Leg]:
    """The template's legs that are awake: side, size, type and price. They alone are good till cancelled."""
    legs = terms([one for one in live(world, "f1") if one.symbol == symbol and one.terms.tif == "GTC"])
    return sorted((side, size, kind, Decimal(price)) for side, size, kind, price in legs)


def around(price: str, size: int, side: str = "Sell") -> list[Leg]:
    """The template's pair for an entry at this price."""
    up = Decimal(10 if side == "Sell" else -10)
    return [(side, size, "Limit", Decimal(price) + up), (side, size, "Stop", Decimal(price) - up / 2)]


@asynccontextmanager
async def alone(world: World) -> AsyncIterator[Guard]:
    """Somebody looks for a stop all the time, also while the leader has none himself."""
    async with guarded(world, whatever_he_has=True) as guard:
        yield guard


def unprotected(world: World) -> list[str]:
    return world.said("position.unprotected")


# An entry that comes without one


@pytest.mark.rule("orders.template")
@MODES
def test_an_entry_at_market_is_protected_at_its_own_price(tmp_path: Path, text: str) -> None:
    async def story(world: World) -> None:
        async with alone(world) as guard:
            world.lead("Buy", 2)
            await trio.sleep(1)
            assert protects(world) == around("5200", 2)
            stop, target = world.ours("f1")[-2:]
            assert (stop.oco_id, target.oco_id) == (target.order_id, stop.order_id)
            world.lead("Sell", 1)
            await trio.sleep(1)
            assert protects(world) == around("5200", 1)
            world.lead("Sell", 1)
            await trio.sleep(1)
            assert world.flat("f1")
            world.lead("Sell", 3)
            await trio.sleep(1)
            assert protects(world) == around("5200", 3, "Buy")
            world.move("5205")
            await trio.sleep(1)
            assert world.flat("f1")
            assert world.positions("lead") == {SYMBOL: -3}
            world.lead("Buy", 3)
        assert guard.exposed <= LIMIT and guard.excessive <= LIMIT
        assert unprotected(world) == []

    told(story, tmp_path, text)


@pytest.mark.rule("orders.template")
def test_an_entry_that_rests_takes_its_pair_along_and_needs_nobody_then(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await known(world)
        order = world.lead("Buy", 2, "Limit", price="5190")
        await trio.sleep(1)
        entry, stop, target = world.ours("f1")[-3:]
        assert (stop.parent_id, target.parent_id) == (entry.order_id, entry.order_id)
        assert [one.status for one in (entry, stop, target)] == ["Working", "Suspended", "Suspended"]
        world.change(order, price="5191", qty=3)
        await trio.sleep(1)
        assert [one.terms.qty for one in (entry, stop, target)] == [3, 3, 3]
        world.server.half_open()  # the daemon hears nothing any more
        world.move("5191")
        await trio.sleep(0.2)
        assert behind(world, "f1", SYMBOL) == 3
        world.move("5186")
        await trio.sleep(0.2)
        assert world.flat("f1")
        world.lead("Sell", 3)

    told(story, tmp_path, TEXT)


@pytest.mark.rule("orders.template")
@pytest.mark.parametrize("wake", ["first_fill", "each_fill", "last_fill"])
@pytest.mark.parametrize("kind", ["Limit", "Market"])
def test_it_grows_with_what_our_entry_has_filled(tmp_path: Path, wake: str, kind: str) -> None:
    async def story(world: World) -> None:
        await known(world)
        await trio.sleep(2)
        world.fault(oso_wake=wake, fill_size=1, fill_gap=(2.0, 2.0))
        world.lead("Buy", 3, kind, price="5200" if kind == "Limit" else None)
        for filled in (1, 2, 3):
            await trio.sleep(1)
            assert world.positions("f1") == {MES: filled}
            assert protects(world, MES) == around("5200", filled)
            await trio.sleep(1)
        world.heal()
        world.lead("Sell", 3)
        await trio.sleep(1)
        assert world.flat("f1")

    told(story, tmp_path, MICRO)


@pytest.mark.rule("orders.template")
@MODES
def test_a_flip_through_zero_turns_it_round(tmp_path: Path, text: str) -> None:
    async def story(world: World) -> None:
        async with alone(world) as guard:
            world.lead("Buy", 2)
            await trio.sleep(1)
            world.lead("Sell", 5)
            await trio.sleep(1)
            assert world.positions("f1") == {SYMBOL: -3}
            assert protects(world) == around("5200", 3, "Buy")
            world.fault(fill_size=1, fill_gap=(0.3, 0.3))
            world.lead("Buy", 6)
            await trio.sleep(4)
            assert world.positions("f1") == {SYMBOL: 3}
            assert sum(one[1] for one in protects(world) if one[2] == "Stop") == 3
            world.heal()
            world.lead("Sell", 3)
            await trio.sleep(1)
            assert world.flat("f1")
        assert guard.exposed <= LIMIT and guard.excessive <= LIMIT

    told(story, tmp_path, text)


@pytest.mark.rule("orders.template")
def test_while_nobody_has_said_what_a_tick_is_the_position_is_told_as_unprotected(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.server.lose_request(50, "product/item")
        world.lead("Buy", 2)
        await trio.sleep(2)
        assert protects(world) == []
        (words,) = unprotected(world)
        assert "HAS NO STOP: long 2 ESZ6" in words and "what a tick of ESZ6 is" in words
        world.server.fates.clear()
        await trio.sleep(120)
        assert protects(world) == around("5200", 2)
        assert len(unprotected(world)) == 2
        world.lead("Sell", 2)

    told(story, tmp_path, TEXT)


# The leader's own


@pytest.mark.rule("orders.template-replaced")
def test_a_bracket_of_the_leader_s_goes_out_instead(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bracket(world, "Buy", 2, price="5190")
        await trio.sleep(1)
        assert [one.terms.tif for one in world.ours("f1")] == ["Day"] * 3
        world.move("5190")
        await trio.sleep(1)
        assert protects(world) == [] and behind(world, "f1", SYMBOL) == 2
        world.move("5180")

    told(story, tmp_path, TEXT)


@pytest.mark.rule("orders.template-replaced")
@pytest.mark.parametrize("how", ["stop", "pair", "children"])
def test_his_own_that_comes_later_takes_its_place_and_never_adds_to_it(tmp_path: Path, how: str) -> None:
    async def story(world: World) -> None:
        await known(world)
        async with alone(world) as guard:
            if how == "children":
                world.fault(one_message_per_frame=True)
                bracket(world, "Buy", 2, kind="Market")
            else:
                world.lead("Buy", 2)
                await trio.sleep(1)
                assert protects(world) == around("5200", 2)
                if how == "stop":
                    world.lead("Sell", 2, "Stop", stop="5180")
                else:
                    pair(world, 2)
            await trio.sleep(2)
            assert protects(world) == []
            (stop,) = stops(world, "f1", SYMBOL)
            assert (stop.left, str(stop.terms.stop_price)) == (2, "5180")
            world.heal()
            world.move("5180")
            await trio.sleep(1)
            assert world.flat("f1")
        assert guard.exposed <= LIMIT and guard.excessive <= LIMIT
        assert unprotected(world) == []

    told(story, tmp_path, TEXT)


@pytest.mark.rule("orders.template-replaced")
def test_his_own_for_a_part_leaves_it_for_the_rest(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with alone(world) as guard:
            world.lead("Buy", 3)
            await trio.sleep(1)
            world.lead("Sell", 1, "Stop", stop="5185")
            await trio.sleep(1)
            assert protects(world) == around("5200", 2)
            world.lead("Sell", 2, "Stop", stop="5180")
            await trio.sleep(1)
            assert protects(world) == [] and behind(world, "f1", SYMBOL) == 3
            world.move("5180")
            await trio.sleep(1)
            assert world.flat("f1")
        assert guard.exposed <= LIMIT and guard.excessive <= LIMIT

    told(story, tmp_path, TEXT)


@pytest.mark.rule("orders.template-replaced")
def test_his_own_that_is_refused_here_leaves_it_in_its_place(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.broker.reject_next("F1", "InvalidPrice", stage="answer")
        world.lead("Sell", 2, "Stop", stop="5180")
        await trio.sleep(30)
        assert protects(world) == around("5200", 2)
        assert world.positions("f1") == {SYMBOL: 2} and unprotected(world) == []
        world.lead("Sell", 2)

    told(story, tmp_path, TEXT)


@pytest.mark.rule("orders.template")
def test_an_inverse_follower_of_a_leader_with_a_stop_alone_has_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        world.lead("Sell", 2, "Stop", stop="5180")
        await trio.sleep(1)
        assert world.positions("f1") == {SYMBOL: -2}
        assert protects(world) == around("5200", 2, "Buy")
        world.move("5205")
        await trio.sleep(1)
        assert world.flat("f1")
        world.lead("Sell", 2)

    told(story, tmp_path, config_of(follower=f"{BRACKET}\nratio = -1\ninverse = true"))


# It is kept


@pytest.mark.rule("orders.template-kept")
@MODES
@pytest.mark.parametrize("policy", ["none", "reduce", "fresh"])
def test_a_disconnect_and_a_restart_leave_it_where_it_is(tmp_path: Path, text: str, policy: str) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(1)
            before = [one.order_id for one in live(world, "f1")]
            world.server.drop_sockets()
            await trio.sleep(0.5)
            await world.copying()
            await trio.sleep(5)
        async with world.daemon():
            await world.copying()
            await trio.sleep(60)
            assert [one.order_id for one in live(world, "f1")] == before
            assert protects(world) == around("5200", 2)
            assert unprotected(world) == []
            world.lead("Sell", 2)
            await trio.sleep(30)
            assert world.flat("f1")
            truth.all_is_well(world)

    copying = f'catch_up = "{policy}"' + ('\nmode = "fills"' if text is FILLS else "")
    run(story, tmp_path, config_of(follower=BRACKET, copy=copying))


@pytest.mark.rule("orders.template-kept")
@MODES
def test_what_fills_while_nobody_looks_has_it_as_soon_as_somebody_does(tmp_path: Path, text: str) -> None:
    async def story(world: World) -> None:
        world.server.accept_then_cut(endpoint="order/placeorder")
        world.lead("Buy", 2)
        await trio.sleep(0.2)
        assert world.positions("f1") == {SYMBOL: 2}
        await world.copying()
        await trio.sleep(2)
        assert protects(world) == around("5200", 2)
        world.server.drop_sockets()
        world.lead("Sell", 2)  # he leaves meanwhile
        await trio.sleep(0.5)
        await world.copying()
        await trio.sleep(5)
        assert world.flat("f1")

    told(story, tmp_path, text)


@pytest.mark.rule("orders.template-kept")
def test_a_leg_that_fills_while_nobody_looks_ends_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.server.drop_sockets()
        world.move("5210")
        await trio.sleep(0.5)
        await world.copying()
        await trio.sleep(5)
        assert world.flat("f1")
        world.lead("Sell", 2)
        await trio.sleep(5)
        assert world.flat("f1")

    told(story, tmp_path, TEXT)


@pytest.mark.rule("orders.template-kept")
def test_a_reload_without_it_leaves_what_is_there_and_gives_the_next_entry_none(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        file = tmp_path / "copier.toml"
        async with world.daemon() as daemon:
            daemon.config_path = file
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(1)
            file.write_text(config_of(follower="bracket = { stop = 8 }"))
            daemon.reload()
            await trio.sleep(60)
            assert protects(world) == around("5200", 2)
            world.lead("Buy", 1)
            await trio.sleep(1)
            assert ("Sell", 1, "Stop", Decimal(5198)) in protects(world) and len(protects(world)) == 3
            world.lead("Sell", 3)
            await trio.sleep(1)
            assert world.flat("f1")
            world.config = loads(config_of())
            file.write_text(config_of())
            daemon.reload()
            world.lead("Buy", 1)
            await trio.sleep(1)
            assert live(world, "f1") == []
            world.lead("Sell", 1)
            await trio.sleep(30)
            truth.all_is_well(world)

    run(story, tmp_path, TEXT)


# Refused, cancelled, lost


@pytest.mark.rule("orders.stop-refused-flatten")
@MODES
def test_a_refused_stop_closes_the_position_and_is_paged(tmp_path: Path, text: str) -> None:
    async def story(world: World) -> None:
        world.fault(answer_delay=(0.1, 0.1))
        world.lead("Buy", 2)
        await world.until(lambda: world.positions("f1") == {SYMBOL: 2}, every=0.01)
        world.broker.reject_next("F1", "InvalidPrice", stage="exchange")
        await trio.sleep(3)
        assert world.flat("f1")
        (words,) = unprotected(world)
        assert "refused (InvalidPrice" in words and "Closing at market now" in words
        world.lead("Sell", 2)

    told(story, tmp_path, text)


@pytest.mark.rule("orders.stop-missing")
@MODES
def test_a_stop_that_somebody_has_cancelled_is_restored(tmp_path: Path, text: str) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        (stop,) = stops(world, "f1", SYMBOL)
        world.broker.cancel(stop.order_id)
        await trio.sleep(2)
        assert protects(world) == around("5200", 2)
        assert len(unprotected(world)) == 2
        world.lead("Sell", 2)

    told(story, tmp_path, text)


@MODES
def test_a_flatten_takes_it_along(tmp_path: Path, text: str) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        world.lead("Buy", 1, "Limit", price="5190")
        await trio.sleep(1)
        world.flatten("f1")
        await world.until(lambda: world.verified("f1"))
        assert world.flat("f1")
        for price in ("5190", "5180", "5220"):
            world.move(price)
            await trio.sleep(1)
        assert world.flat("f1")

    told(story, tmp_path, text)


@pytest.mark.parametrize("how", ["lose_request", "accept_and_lose_answer", "accept_then_cut"])
@pytest.mark.parametrize("endpoint", ["order/placeoso", "order/placeoco"])
def test_a_lost_answer_is_one_unknown_and_nothing_is_sent_twice(tmp_path: Path, how: str, endpoint: str) -> None:
    async def story(world: World) -> None:
        getattr(world.server, how)(endpoint=endpoint)
        if endpoint == "order/placeoso":
            world.lead("Buy", 2, "Limit", price="5190")
            await trio.sleep(60)
            world.move("5190")
        else:
            world.lead("Buy", 2)
        await trio.sleep(60)
        assert behind(world, "f1", SYMBOL) == world.positions("f1").get(SYMBOL, 0)
        assert bool(world.positions("f1")) or (how, endpoint) == ("lose_request", "order/placeoso")
        world.lead("Sell", 2)
        await trio.sleep(5)
        assert world.flat("f1")

    told(story, tmp_path, TEXT)
