"""Every type of order, with all of its terms, in every time in force; its changes; and what has no counterpart."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from daemon.simulator import Order
from tests.scenarios import truth
from tests.scenarios.test_copying import told
from tests.scenarios.world import EPOCH, SYMBOL, World, config_of

COMPANY = config_of(("one", "half", "inverse"), each={"half": "ratio = 0.5", "inverse": "ratio = -1\ninverse = true"})
EURO = config_of(("one", "micro"), each={"micro": 'map = { "6E" = { to = "M6E", factor = 10 } }'})

# A Buy of each type that rests at 5200: its terms, a change of them, and the prices that make it trade.
RESTING: dict[str, tuple[dict[str, str], dict[str, str], tuple[str, ...]]] = {
    "Limit": ({"price": "5190.25"}, {"price": "5191"}, ("5190",)),
    "Stop": ({"stop": "5210.25"}, {"stop": "5211"}, ("5211.25",)),
    "StopLimit": ({"stop": "5210.25", "price": "5212"}, {"stop": "5211", "price": "5213"}, ("5211.25",)),
    "MIT": ({"stop": "5190.25"}, {"stop": "5191"}, ("5190",)),
    "TrailingStop": ({"stop": "5210.25", "peg": "10.25"}, {}, ("5190", "5201")),
    "TrailingStopLimit": ({"stop": "5210.25", "peg": "10.25", "price": "5215"}, {}, ("5190", "5201")),
}


def the_order(world: World, name: str) -> Order:
    (one,) = world.broker.working(name.upper())
    return one


def asked(order: Order) -> tuple[object, ...]:
    """Its terms, without size and words."""
    terms = order.terms
    return terms.kind, terms.price, terms.stop_price, terms.peg, terms.tif, terms.expires


@pytest.mark.rule("orders.types", "orders.modify", "orders.cancel")
@pytest.mark.parametrize("kind", list(RESTING))
@pytest.mark.parametrize("ending", ["fills", "is cancelled"])
def test_a_resting_order_is_mirrored_changed_and_ended(kind: str, ending: str, tmp_path: Path) -> None:
    terms, change, path = RESTING[kind]

    async def story(world: World) -> None:
        order = world.lead("Buy", 2, kind, **terms)
        await trio.sleep(1)
        sizes = {"one": 2, "half": 1}
        for name, quantity in sizes.items():
            one = the_order(world, name)
            assert (one.action, one.terms.qty) == ("Buy", quantity)
            assert asked(one) == asked(the_order(world, "lead"))
        world.change(order, qty=4, **change)
        await trio.sleep(1)
        for name, quantity in sizes.items():
            one = the_order(world, name)
            assert one.terms.qty == quantity * 2
            assert asked(one) == asked(the_order(world, "lead"))
            assert len(world.ours(name)) == 1
        if ending == "is cancelled":
            world.broker.cancel(order)
            await trio.sleep(1)
            assert all(world.row(order, name)["outcome"] == "canceled" for name in sizes)
            assert all(not world.positions(name) for name in sizes)
            return
        for price in path:
            world.move(price)
            await trio.sleep(0.2)
        assert world.positions("lead") == {SYMBOL: 4}
        assert world.positions("one") == {SYMBOL: 4}
        assert world.positions("half") == {SYMBOL: 2}
        assert all(world.row(order, name)["outcome"] == "filled" for name in sizes)

    told(story, tmp_path, COMPANY)


@pytest.mark.rule("orders.types")
@pytest.mark.parametrize("kind", [kind for kind in RESTING if "Stop" in kind])
def test_an_exit_of_each_type_protects_and_closes(kind: str, tmp_path: Path) -> None:
    prices = {"Stop": {"stop": "5190"}, "StopLimit": {"stop": "5190", "price": "5180"}}
    trailing = {"stop": "5190", "peg": "10", **({"price": "5180"} if kind == "TrailingStopLimit" else {})}

    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        world.lead("Sell", 2, kind, **prices.get(kind, trailing))
        await trio.sleep(1)
        assert asked(the_order(world, "one")) == asked(the_order(world, "lead"))
        world.move("5210")
        world.move("5199" if "Trailing" in kind else "5189")
        await trio.sleep(1)
        assert world.positions("lead") == world.positions("one") == world.positions("half") == {}
        assert len(world.ours("one")) == 2

    told(story, tmp_path, COMPANY)


@pytest.mark.rule("orders.time-in-force")
@pytest.mark.parametrize("tif", ["Day", "GTC", "GTD", "IOC", "FOK"])
def test_every_time_in_force_is_mirrored_with_its_time(tif: str, tmp_path: Path) -> None:
    until = EPOCH + timedelta(minutes=30)

    async def story(world: World) -> None:
        more: dict[str, Any] = {"expires": until} if tif == "GTD" else {}
        resting = world.lead("Buy", 1, "Limit", price="5190", tif=tif, **more)
        await trio.sleep(1)
        assert all(asked(one)[4:] == (tif, until if tif == "GTD" else None) for one in world.ours("one"))
        if tif in ("IOC", "FOK"):  # it was over before anybody could copy it, or was copied and ended likewise
            assert world.row(resting, "one")["outcome"] in ("skipped", "canceled")
            crossing = world.lead("Buy", 2, "Limit", price="5210", tif=tif)
            await trio.sleep(1)
            assert world.positions("one") == world.positions("lead") == {SYMBOL: 2}
            assert world.ours("one")[-1].terms.tif == tif
            assert world.row(crossing, "half")["outcome"] == "filled"
            return
        assert the_order(world, "one").terms.tif == tif
        if tif == "GTD":
            await trio.sleep(1800)
        else:
            world.server.close_session()
            await trio.sleep(1)
        working = [len(world.broker.working(name)) for name in ("LEAD", "ONE")]
        assert working == ([1, 1] if tif == "GTC" else [0, 0])
        assert world.row(resting, "one")["outcome"] == ("working" if tif == "GTC" else "expired")

    told(story, tmp_path, COMPANY)


def test_an_exit_at_once_that_a_follower_does_not_get_is_closed_at_market(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 3)
        await trio.sleep(1)
        world.fault(answer_delay=(0.0, 0.0), risk_delay=(0.2, 0.2))
        world.lead("Sell", 1, "Limit", price="5200", tif="IOC")
        await trio.sleep(0.25)
        world.move("5190")  # the leader has got his; for the follower the price is gone
        await trio.sleep(10)
        assert world.positions("lead") == world.positions("one") == {SYMBOL: 2}

    told(story, tmp_path, COMPANY)


@pytest.mark.rule("orders.modify")
def test_a_trailing_stop_changes_its_quantity_and_keeps_what_it_has_trailed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 4)
        await trio.sleep(1)
        stop = world.lead("Sell", 4, "TrailingStop", stop="5190", peg="10")
        await trio.sleep(1)
        world.move("5230")
        world.lead("Sell", 2)
        world.change(stop, qty=2)
        await trio.sleep(1)
        ours = the_order(world, "one")
        assert (ours.terms.qty, len(world.ours("one"))) == (2, 3)
        assert len(world.rows("one", "modify", stop)) == 1
        world.move("5220")
        await trio.sleep(1)
        assert world.positions("lead") == world.positions("one") == {}

    told(story, tmp_path, COMPANY)


@pytest.mark.rule("orders.modify")
def test_other_terms_of_a_trailing_stop_take_a_cancel_and_a_new_order_and_one_round_trip(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 2)
        await trio.sleep(1)
        stop = world.lead("Sell", 2, "Stop", stop="5190")
        await trio.sleep(1)
        first = the_order(world, "one")
        world.fault(cancel_delay=(0.05, 0.05))
        world.change(stop, kind="TrailingStop", peg=Decimal(10))
        bare = 0.0
        for _ in range(100):
            await trio.sleep(0.01)
            working = world.broker.working("ONE")
            assert sum(one.left for one in working) <= 2
            bare += 0.01 * (not working)
        assert bare <= 0.06
        ours = the_order(world, "one")
        assert ours.order_id != first.order_id
        assert asked(ours) == asked(the_order(world, "lead"))
        assert world.row(stop, "one")["order_id"] == ours.order_id
        assert not world.said("copy.failed")

    told(story, tmp_path, COMPANY)


@pytest.mark.parametrize(("kind", "its_kind"), [("MIT", "Stop"), ("StopLimit", "Limit")])
def test_an_inverse_follower_trades_when_its_leader_does(kind: str, its_kind: str, tmp_path: Path) -> None:
    terms, change, path = RESTING[kind]

    async def story(world: World) -> None:
        order = world.lead("Buy", 2, kind, **terms)
        await trio.sleep(1)
        ours = the_order(world, "inverse")
        assert (ours.action, ours.terms.kind) == ("Sell", its_kind)
        assert str(ours.terms.stop_price or ours.terms.price) == terms["stop"]
        world.change(order, price=change.get("price"), stop=change["stop"])
        await trio.sleep(1)
        ours = the_order(world, "inverse")
        assert str(ours.terms.stop_price or ours.terms.price) == change["stop"]
        for price in path:
            world.move(price)
        await trio.sleep(1)
        assert (world.positions("lead"), world.positions("inverse")) == ({SYMBOL: 2}, {SYMBOL: -2})
        world.lead("Sell", 2)
        await trio.sleep(1)
        assert world.positions("inverse") == {}

    told(story, tmp_path, COMPANY)


@pytest.mark.parametrize("kind", ["TrailingStop", "TrailingStopLimit"])
def test_what_an_inverse_follower_cannot_mirror_is_skipped_and_its_exit_made_up_for(kind: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.lead("Buy", 3)
        await trio.sleep(1)
        more = {"price": "5180"} if kind == "TrailingStopLimit" else {}
        order = world.lead("Sell", 2, kind, stop="5190", peg="10", **more)
        await trio.sleep(1)
        assert world.broker.working("INVERSE") == []
        row = world.row(order, "inverse")
        assert row["outcome"] == "skipped" and kind in str(row["reason"])
        world.fault(fill_size=1, fill_gap=(1.0, 1.0))
        world.move("5189")
        await trio.sleep(10)
        assert (world.positions("lead"), world.positions("inverse")) == ({SYMBOL: 1}, {SYMBOL: -1})
        assert world.row(order, "inverse")["outcome"] == "skipped"
        assert [row["verb"] for row in world.rows("inverse")][-1] == "close"

    told(story, tmp_path, COMPANY)


@pytest.mark.rule("outcomes.off-tick")
def test_a_price_off_the_followers_tick_is_rounded_away_from_the_market(tmp_path: Path) -> None:
    euro = "6EZ6"

    def asks(world: World, order: int) -> Decimal | None:
        """The one price of the micro's copy, as it is at the broker now."""
        copies = {one.order_id: one for one in world.ours("micro")}
        terms = copies[int(str(world.row(order, "micro")["order_id"]))].terms
        return terms.price if terms.kind == "Limit" else terms.stop_price

    async def story(world: World) -> None:
        below = world.lead("Buy", 1, "Limit", euro, price="1.08005")
        above = world.lead("Buy", 1, "Stop", euro, stop="1.09005")
        await trio.sleep(1)
        assert asks(world, below) == Decimal("1.0800")
        assert asks(world, above) == Decimal("1.0901")
        world.change(below, price="1.08015")
        await trio.sleep(1)
        assert asks(world, below) == Decimal("1.0801")
        assert {one.terms.price for one in world.broker.working("ONE")} == {Decimal("1.08015"), None}
        world.broker.cancel(below)
        world.broker.cancel(above)
        world.lead("Buy", 1, symbol=euro)
        await trio.sleep(1)
        target = world.lead("Sell", 1, "Limit", euro, price="1.08805")
        stop = world.lead("Sell", 1, "Stop", euro, stop="1.08205")
        await trio.sleep(1)
        assert asks(world, target) == Decimal("1.0881")
        assert asks(world, stop) == Decimal("1.0820")
        assert not [one for one in world.broker.orders("MICRO") if one.status == "Rejected"]
        assert not world.said("copy.failed")

    told(story, tmp_path, EURO)


@pytest.mark.rule("orders.unacknowledged")
@pytest.mark.parametrize("slow", ["answer_delay", "risk_delay", "cancel_delay"])
def test_changes_while_nothing_is_confirmed_are_held_and_the_newest_wins(slow: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(**{slow: (0.8, 0.8)})
        order = world.broker.place("LEAD", "Buy", SYMBOL, 1, "Limit", price=Decimal(5190))
        for step in range(1, 12):
            await trio.sleep(0.2)
            world.change(order, qty=1 + step % 3, price=str(5180 + step))
        await trio.sleep(10)
        ours, leaders = the_order(world, "one"), the_order(world, "lead")
        assert asked(ours) == asked(leaders)
        assert ours.terms.qty == leaders.terms.qty
        assert len(world.ours("one")) == 1
        assert not [words for words in world.said("copy.failed") if "AnotherCommandPending" in words]

    told(story, tmp_path, COMPANY)


@pytest.mark.rule("orders.any-order")
@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_order_of_the_events_and_twice_the_end_is_the_same(seed: int, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.fault(shuffle_props=True, duplicate_props=0.4, props_delay=(0.0, 0.3), events_first=seed % 2 == 0)
        kept: dict[int, str] = {}
        for kind, (terms, change, _) in RESTING.items():
            order = world.lead("Buy", 2, kind, **terms)
            await trio.sleep(0.4)
            world.change(order, qty=4, **change)
            await trio.sleep(0.1)
            if kind in ("MIT", "TrailingStop", "TrailingStopLimit"):
                await trio.sleep(0.1)
                world.broker.cancel(order)
            else:
                kept[order] = kind
        world.lead("Buy", 2)
        await trio.sleep(0.3)
        world.lead("Sell", 2, "Limit", price="5200", tif="IOC")
        await trio.sleep(10)
        assert {(one.terms.kind, one.terms.qty) for one in world.broker.working("ONE")} == {
            (kind, 4) for kind in kept.values()
        }
        for order in list(kept):
            world.broker.cancel(order)
        await trio.sleep(10)
        assert world.positions("lead") == world.positions("one") == {}
        assert truth.places(world, "one", next(iter(kept))) == 1

    told(story, tmp_path, config_of(("one", "half"), each={"half": "ratio = 0.5"}), seed)
