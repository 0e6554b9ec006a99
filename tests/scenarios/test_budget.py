"""What one process allows itself at the broker, over all of its logins, when everything goes wrong for long."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import attrs
import pytest
import trio

from daemon.control import views
from daemon.simulator import LoginSpec
from statecharts import states as s
from statecharts.events import PauseAsked
from tests.scenarios.world import PASSWORD, SYMBOL, World, config_of, now, run

LOGINS = 40


def many_logins(count: int = LOGINS) -> str:
    """So many logins with an account each: a leader and its followers."""
    lines = ["[environments.test]", 'rest = "http://127.0.0.1:1/v1"', 'websocket = "ws://127.0.0.1:1/v1/websocket"']
    for n in range(count):
        lines += [f"[logins.l{n}]", 'environment = "test"', f'username = "user{n}"', "cid = 8123"]
        lines += [f"[accounts.a{n}]", f'login = "l{n}"', f'name = "A{n}"']
    lines += ["[[copy]]", 'name = "main"', 'leader = "a0"']
    for n in range(1, count):
        lines += ["[[copy.followers]]", f'account = "a{n}"']
    return "\n".join(lines)


SPECS = {f"l{n}": LoginSpec(username=f"user{n}", password=PASSWORD, accounts=(f"A{n}",)) for n in range(LOGINS)}


@pytest.fixture(autouse=True)
def _passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(LOGINS):
        monkeypatch.setenv(f"COPIERD_L{n}_PASSWORD", PASSWORD)


def within_the_bucket(connects: list[float]) -> bool:
    """40 at once and 12 a minute, in every window, probes of a host that is down among them."""
    for first, _ in enumerate(connects):
        for last in range(first, len(connects)):
            span = connects[last] - connects[first]
            if last - first + 1 > 40 + 12 * span / 60 + 1e-6:
                return False
    return True


def test_forty_logins_dropped_at_once_are_back_within_a_minute_of_the_server(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying(within=120)
            await trio.sleep(600)  # the bucket is full again
            world.network.connects.clear()
            world.server.go_down(refusing=True)
            await trio.sleep(600)
            gone = trio.current_time()
            while_away = [at for at in world.network.connects if at <= gone]
            assert len(while_away) <= 40 + 30, "one probe every 20 s serves all forty"
            world.server.come_up()
            await world.copying(within=60)
            assert within_the_bucket(world.network.connects)
            assert sum(world.server.token_requests.values()) == LOGINS, "the tokens were still good"

    run(story, tmp_path, many_logins(), logins=SPECS)


def test_a_server_that_accepts_and_closes_for_an_hour_is_dialed_within_the_budget(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying(within=120)
            await trio.sleep(600)
            world.network.connects.clear()
            world.server.faults = attrs.evolve(world.server.faults, accept_then_close=True)
            world.server.drop_sockets()
            await trio.sleep(3600)
            assert within_the_bucket(world.network.connects)
            assert len(world.network.connects) <= 40 + 12 * 60
            world.server.faults = attrs.evolve(world.server.faults, accept_then_close=False)
            await world.copying(within=1200)

    run(story, tmp_path, many_logins(12), logins=SPECS)


def test_with_hardly_a_dial_left_the_leader_is_back_first_and_then_who_holds_a_position(tmp_path: Path) -> None:
    """A bad line, or two restarts, spend the bucket of a process with many logins: the others wait for theirs."""
    idle, holders = [f"a{n}" for n in range(1, 6)], [f"a{n}" for n in range(6, 11)]

    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            for name in idle:
                daemon.accounts[name].runner.post(PauseAsked(at=now()))
            await trio.sleep(1)
            world.broker.place("A0", "Buy", SYMBOL, 1)
            await world.until(lambda: all(world.positions(name) == {SYMBOL: 1} for name in holders))
            daemon.budget._account = attrs.evolve(daemon.budget._account, dials=0.0, counted_at=now())
            world.server.drop_sockets()
            await world.until(lambda: world.leaf("a0") is not s.Copying)
            world.broker.flatten("A0", SYMBOL)
            await world.copying("a0", within=20)
            await world.until(lambda: not any(world.positions(name) for name in holders), within=40)
            assert sum(world.leaf(name) is s.Copying for name in idle) <= 2
            told = {one.name: str(views.login(daemon, one)["hold_reason"]) for one in daemon.logins.values()}
            waiting = [login for login, why in told.items() if "has dialed 40 times in short time" in why]
            assert 3 <= len(waiting) <= 5 and {"l0", "l6"}.isdisjoint(waiting), "who waits says for what"
            await world.copying(within=60)

    run(story, tmp_path, many_logins(11), logins=SPECS)


def test_a_crash_loop_keeps_to_the_budget(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.server.faults = attrs.evolve(world.server.faults, accept_then_close=True)
        for _ in range(100):
            with trio.move_on_after(1.0):  # killed
                async with world.daemon():
                    await trio.sleep_forever()
        assert within_the_bucket(world.network.connects)

    run(story, tmp_path)


@pytest.mark.rule("outcomes.limited")
def test_a_429_to_an_order_holds_entries_of_the_whole_process_and_lets_exits_try(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.broker.place("LEAD", "Buy", SYMBOL, 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1})
            world.server.throttle("apex", 20)
            world.broker.place("LEAD", "Buy", SYMBOL, 1)
            await trio.sleep(5)
            hold = world.daemon_now.budget.held_until
            assert hold is not None
            world.broker.place("LEAD", "Buy", SYMBOL, 1)
            await trio.sleep(1)
            entries = [c for c in world.copies("f1") if c["verb"] == "place"]
            assert entries[-1]["outcome"] == "skipped"
            world.broker.place("LEAD", "Sell", SYMBOL, 3)
            await world.until(lambda: world.positions("f1") == {}, within=90)
            assert world.leaf("f1") is s.Copying

    run(story, tmp_path)


@pytest.mark.rule("outcomes.limited")
@pytest.mark.parametrize("status", [429, 423])
def test_in_a_hold_exits_alone_are_tried_sparingly_and_told(status: int, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 2})
            world.server.throttle("apex", 150, status)
            stale = world.lead("Buy", 1, symbol="NQZ6")
            await world.until(lambda: world.daemon_now.budget.held_until is not None, within=2)
            tried: list[str] = []
            asked = len(world.requests)
            world.lead("Sell", 2)
            for _ in range(2000):
                held = world.daemon_now.budget.held_until
                await trio.sleep(0.05)
                if held is not None and held == world.daemon_now.budget.held_until:
                    tried += world.requests[asked:]
                asked = len(world.requests)
            assert set(tried) == {"order/placeorder"} and 2 <= len(tried) <= 12, "nothing but the exit, and no storm"
            pages = [entry.message for entry in world.journal if entry.severity == "page"]
            assert any(f"{SYMBOL} EXIT REFUSED" in words for words in pages)
            await world.until(lambda: world.positions("f1") == {}, within=120)
            await trio.sleep(120)
            assert world.row(stale)["outcome"] in ("skipped", "rejected") and world.positions("f1") == {}

    run(story, tmp_path)


@pytest.mark.rule("outcomes.limited-hold")
def test_each_hold_is_twice_as_long_as_the_one_before(tmp_path: Path) -> None:
    symbols = ("ESZ6", "NQZ6", "YMZ6", "RTYZ6")

    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            holds = []
            for symbol in symbols:
                await trio.sleep(60)
                world.server.throttle("apex", 1)
                world.lead("Buy", 1, symbol=symbol)
                began = trio.current_time()
                await world.until(lambda: daemon.budget.held_until is not None, within=5)
                await world.until(lambda: daemon.budget.held_until is None, within=600)
                holds.append(trio.current_time() - began)
            assert holds == [pytest.approx(seconds, abs=1) for seconds in (30, 60, 120, 240)]
            assert world.positions("f1") == {}, "what was held back is not made up for"

    run(story, tmp_path)


@pytest.mark.rule("outcomes.limited-or-evicted")
def test_a_session_that_another_one_pushed_out_is_told_apart_from_a_limit(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.server.faults = attrs.evolve(world.server.faults, evict_closes_sockets=False, evicted_status=408)
            world.server.evict("apex")
            world.broker.place("LEAD", "Buy", SYMBOL, 1)
            await world.until(lambda: world.leaf("f1") is s.BackingOff)
            state = world.account("f1").account.connection
            assert state.cause is s.Cause.EVICTED
            assert world.daemon_now.budget.held_until is None

    run(story, tmp_path)


def test_waits_grow_from_one_second_also_through_the_gate(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(60)
            world.network.connects.clear()
            lost_at = trio.current_time()
            world.server.go_down(refusing=True)
            await trio.sleep(100)
            dials = world.network.connects[:3]
            assert 1 <= dials[0] - lost_at <= 2
            gaps = [later - earlier for earlier, later in pairwise([lost_at, *dials])]
            assert gaps == sorted(gaps)
            probes = [later - earlier for earlier, later in pairwise(world.network.connects[2:])]
            assert all(gap == pytest.approx(20, abs=0.1) for gap in probes)

    run(story, tmp_path, config_of())
