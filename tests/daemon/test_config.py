"""copier.toml: what is read, and what is filled in."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from daemon.config import ContractMap, dumps, durations, load, loads
from tests.daemon.configurations import BASE, COPY, FULL, good

EXAMPLE = Path(__file__).parents[2] / "copier.toml"


def test_the_example_is_valid_and_shows_three_sizes() -> None:
    config = load(EXAMPLE)
    [copy] = config.copies
    same, half, micro = copy.followers
    assert [same.ratio, half.ratio, micro.ratio] == [1, Decimal("0.5"), 1]
    assert micro.map == {"ES": ContractMap(to="MES", factor=Decimal(10))}
    assert all(config.environment(account).embedded for account in config.accounts)
    assert not any(config.shadow(account) for account in config.accounts)


def test_every_key_of_the_contract_is_read() -> None:
    config = loads(FULL)
    assert config.reconnect.first_delay == dt.timedelta(seconds=1.5)
    assert config.reconnect.in_position_delay == dt.timedelta(milliseconds=500)
    assert config.environments["staging"].guarded
    follower = config.copies[0].followers[0]
    assert str(follower.ratio) == "-1.10"
    assert (follower.no_open_after, follower.flat_by) == (dt.time(14, 45), dt.time(15, 5))
    assert follower.daily_loss_limit == Decimal("500.50")
    assert config.market_hours[0].day == dt.date(2025, 1, 9)
    assert config.notify[0].heartbeat == dt.timedelta(minutes=1)
    assert loads(dumps(config)) == config


def test_defaults_are_those_of_the_contract() -> None:
    config = good()
    [copy] = config.copies
    [follower] = copy.followers
    assert (copy.mode, copy.catch_up, copy.on_leader_lost, copy.allow) == ("orders", "reduce", "hold", None)
    assert (copy.settle, copy.chase_after, copy.quiet) == tuple(dt.timedelta(seconds=s) for s in (15, 5, 3))
    assert [follower.ratio, follower.max_order, follower.max_position] == [Decimal(1), None, None]
    assert (follower.runaway.orders, follower.runaway.per) == (20, dt.timedelta(seconds=5))
    assert config.reconnect.give_up_after == dt.timedelta(minutes=5)
    assert set(config.environments) == {"demo", "live", "simulator"}
    assert config.environments["demo"].rest == "https://demo.tradovateapi.com/v1"
    assert config.environments["live"].websocket == "wss://live.tradovateapi.com/v1/websocket"


def test_demo_and_live_need_armed_and_the_simulator_does_not() -> None:
    config = loads(BASE + COPY + '[[copy.followers]]\naccount = "funded"\n[[copy.followers]]\naccount = "toy"\n')
    assert {name: config.armed(name) for name in config.accounts} == {
        "lead": False,
        "eval1": False,
        "funded": True,
        "toy": True,
    }
    assert config.shadow("eval1") and not config.shadow("funded") and not config.shadow("toy")
    assert good("shadow = true\n").shadow("eval1")
    assert loads(BASE + COPY.replace("eval1", "toy") + "shadow = true\n").shadow("toy")


@given(st.timedeltas(min_value=dt.timedelta(0), max_value=dt.timedelta(days=300)))
def test_a_duration_survives_being_written(duration: dt.timedelta) -> None:
    assert durations.parse(durations.spell(duration)) == duration
