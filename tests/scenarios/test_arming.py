"""What is not armed only shadows: all is decided and recorded, nothing is sent. And whom to ask before arming."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import trio

from daemon.check import run_check
from daemon.control import views
from daemon.control.evidence import Evidence
from daemon.doctor import Wish, run_doctor
from tests.scenarios import truth
from tests.scenarios.test_copying import told
from tests.scenarios.world import SYMBOL, World, config_of, run

ROOT = Path(__file__).parents[2]
MODES = pytest.mark.parametrize("mode", ["orders", "fills"])
ENVIRONMENTS = pytest.mark.parametrize("environment", ["demo", "live"])
MAY_FORBID = ("copiers", "automation", "VPS", "the same trades on several accounts")


def guarded(environment: str) -> str:
    """Two followers on an environment where accounts need armed = true, and one of them has it."""
    text = config_of(("idle", "armed")).replace('environment = "test"', f'environment = "{environment}"')
    return text.replace('name = "ARMED"', 'name = "ARMED"\narmed = true')


def decided(world: World, name: str) -> list[tuple[object, ...]]:
    """What was decided for each leader order: all but what became of it."""
    keys = (
        "verb",
        "leader_order_id",
        "leader_fill_id",
        "symbol",
        "action",
        "quantity",
        "order_type",
        "price",
        "stop_price",
    )
    return [tuple(row[key] for key in keys) for row in world.rows(name) if row["leader_order_id"]]


async def a_trade(world: World) -> None:
    """In, more at a price, a stop, out in part, and out; and what rounds to nothing."""
    world.lead("Buy", 3)
    await trio.sleep(1)
    world.lead("Buy", 2, "Limit", price="5195")
    stop = world.lead("Sell", 3, "Stop", stop="5180")
    await trio.sleep(1)
    world.change(stop, stop="5181")
    await trio.sleep(1)
    world.move("5194.75")
    await trio.sleep(1)
    world.broker.cancel(stop)
    await trio.sleep(1)
    world.lead("Sell", 1)
    await trio.sleep(1)
    world.lead("Sell", 4)
    await trio.sleep(1)


@pytest.mark.rule("operator.shadow")
@MODES
def test_a_shadow_decides_and_records_as_one_that_trades_and_sends_nothing(mode: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await a_trade(world)
        assert decided(world, "shade") == decided(world, "real") != []
        assert {row["outcome"] for row in world.rows("shade")} <= {"shadowed", "skipped"}
        assert {row["outcome"] for row in world.rows("real", "place")} <= {"filled", "canceled", "skipped"}
        assert world.ours("shade") == [] and len(world.ours("real")) >= 3
        assert {row["sent_at"] for row in world.rows("shade")} == {None}
        changes = [row["verb"] for row in world.rows("shade") if row["verb"] != "place"]
        assert changes == (["modify", "cancel"] if mode == "orders" else [])

    text = config_of(
        ("real", "shade"), copy=f'mode = "{mode}"', follower="ratio = 0.5", each={"shade": "shadow = true"}
    )
    told(story, tmp_path, text)


@pytest.mark.rule("operator.armed")
@ENVIRONMENTS
def test_an_account_on_demo_or_live_that_is_not_armed_only_shadows(environment: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            shown = {name: views.account(daemon, name, Evidence(daemon.ledger)) for name in ("idle", "armed")}
            assert {name: (one["armed"], one["shadow"]) for name, one in shown.items()} == {
                "idle": (False, True),
                "armed": (True, False),
            }
            entry = world.lead("Buy", 2)
            await trio.sleep(2)
            assert world.positions("armed") == {SYMBOL: 2}
            assert world.positions("idle") == {} and world.ours("idle") == []
            assert world.row(entry, "idle")["outcome"] == "shadowed"
            world.lead("Sell", 2)
            await trio.sleep(5)
            truth.nothing_twice(world)
            assert world.ours("idle") == [] and world.positions("armed") == {}

    run(story, tmp_path, guarded(environment))


@pytest.mark.rule("operator.may-forbid")
@ENVIRONMENTS
def test_check_says_what_a_firm_may_forbid_and_to_ask_it(environment: str, tmp_path: Path) -> None:
    file = tmp_path / "copier.toml"
    file.write_text(guarded(environment))
    out = io.StringIO()
    assert run_check(file, out, io.StringIO()) == 0
    _said(out.getvalue())
    assert "idle, armed: a broker or a prop firm may forbid" in out.getvalue()


@pytest.mark.rule("operator.may-forbid")
@ENVIRONMENTS
def test_doctor_says_what_a_firm_may_forbid_and_to_ask_it(environment: str, tmp_path: Path) -> None:
    file = tmp_path / "copier.toml"
    state = f'[daemon]\nstate_directory = "{tmp_path}"\ncontrol_socket = "{tmp_path / "control.sock"}"\n'
    file.write_text(state + guarded(environment))
    out = io.StringIO()
    run_doctor(file, Wish(offline=True), out, io.StringIO())
    _said(out.getvalue())
    assert "idle, armed: a broker or a prop firm may forbid" in out.getvalue()


@pytest.mark.rule("operator.may-forbid")
def test_the_readme_says_what_a_firm_may_forbid_and_to_ask_it() -> None:
    _said((ROOT / "README.md").read_text())


@pytest.mark.rule("operator.may-forbid")
def test_nobody_need_be_asked_about_a_simulator(tmp_path: Path) -> None:
    file = tmp_path / "copier.toml"
    file.write_text(config_of())
    out = io.StringIO()
    assert run_check(file, out, io.StringIO()) == 0
    assert "may forbid" not in out.getvalue()


def _said(text: str) -> None:
    """Is it said before the first arming, with everything that may be forbidden, and that the firm must be asked?"""
    words = " ".join(text.split())
    assert "for the first time" in words and "may forbid" in words and "sk the firm" in words
    assert all(one in words for one in MAY_FORBID), [one for one in MAY_FORBID if one not in words]
