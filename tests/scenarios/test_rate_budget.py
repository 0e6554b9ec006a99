"""A small budget of requests: everybody can always be got out, and what is not sent is not sent to anybody."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import trio

from daemon.check import run_check
from daemon.control import views
from daemon.logins.rate import Rate
from tests.scenarios import truth
from tests.scenarios.world import SYMBOL, World, config_of, run

NAMES = ("a", "b", "c")
RESERVE = 3 * len(NAMES)
SYMBOLS = ("ESZ6", "NQZ6", "YMZ6", "RTYZ6", "MESZ6", "MNQZ6")


def budget(minute: int, hour: int = 5000) -> str:
    limits = f"cid = 8123\nrequests_per_minute = {minute}\nrequests_per_hour = {hour}"
    return config_of(NAMES).replace("cid = 8123", limits, 1)


def rate(world: World) -> Rate:
    return world.login().rate


def leave(world: World, requests: int) -> None:
    """Others have asked so much that so many are left of this minute."""
    rate(world).spend(rate(world).left - requests)
    assert rate(world).left == requests


def outcomes(world: World, order: int) -> list[object]:
    return [world.row(order, name)["outcome"] for name in NAMES]


@pytest.mark.rule("budget.reserve", "budget.all-or-none")
def test_entries_stop_while_everybody_can_still_be_got_out_and_stop_for_all(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(90)
            orders = []
            for _ in range(4):
                for symbol in SYMBOLS:
                    orders.append(world.lead("Buy", 1, symbol=symbol))
                    await trio.sleep(0.2)
                    assert rate(world).left >= RESERVE - 1
            await trio.sleep(2)
            kinds = {order: set(outcomes(world, order)) for order in orders}
            assert all(len(kind) == 1 for kind in kinds.values()), "all of them or none"
            assert {kind for kinds in kinds.values() for kind in kinds} == {"filled", "skipped"}
            refused = next(order for order, kind in kinds.items() if kind == {"skipped"})
            reason = str(world.row(refused, "a")["reason"])
            assert "the login's budget of requests is short" in reason and "9 are kept to get everybody out" in reason
            began = trio.current_time()
            for symbol in SYMBOLS:
                world.broker.flatten("LEAD", symbol)
            await world.until(lambda: not any(world.positions(name) for name in NAMES), within=5)
            assert trio.current_time() - began < 5, "nobody waits for the budget to get out"
            await trio.sleep(120)
            again = world.lead("Buy", 1)
            await trio.sleep(2)
            assert outcomes(world, again) == ["filled"] * 3, "a minute later there is enough again"
            world.lead("Sell", 1)
            await trio.sleep(30)
            truth.all_is_well(world)

    run(story, tmp_path, budget(40))


@pytest.mark.rule("budget.priority")
def test_exits_go_before_changes_and_changes_wait_until_there_is_something_left(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(2)
            stop = world.lead("Sell", 1, "Stop", stop="4900")
            await trio.sleep(90)
            rate(world).spend(rate(world).left + 5)  # overdrawn: nothing for five seconds, and the reserve after that
            asked = trio.current_time()
            world.change(stop, stop="4910")
            await trio.sleep(0.5)
            assert world.server.calls["order/modifyorder"] == 0
            world.lead("Sell", 1)
            await world.until(lambda: all(world.positions(name) == {SYMBOL: 1} for name in NAMES), within=2)
            assert world.server.calls["order/modifyorder"] == 0, "the exits overtook the changes"
            terms = {"4910"}
            await world.until(
                lambda: {str(world.broker.working(name.upper())[0].terms.stop_price) for name in NAMES} == terms,
                within=90,
            )
            assert trio.current_time() - asked > 5
            assert [world.row(stop, name)["outcome"] for name in NAMES] == ["working"] * 3
            world.broker.flatten("LEAD", SYMBOL)
            world.broker.cancel(stop)
            await trio.sleep(60)
            truth.all_is_well(world)

    run(story, tmp_path, budget(60))


@pytest.mark.rule("budget.newest")
def test_of_changes_that_wait_the_newest_is_made(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 1)
            await trio.sleep(2)
            stop = world.lead("Sell", 1, "Stop", stop="4900")
            await trio.sleep(90)
            rate(world).spend(rate(world).left + 20)
            for price in range(4901, 4921):
                world.change(stop, stop=str(price))
                await trio.sleep(0.5)
            await world.until(
                lambda: {str(world.broker.working(n.upper())[0].terms.stop_price) for n in NAMES} == {"4920"},
                within=120,
            )
            assert world.server.calls["order/modifyorder"] <= 2 * len(NAMES), "not one after the other"

    run(story, tmp_path, budget(60))


@pytest.mark.rule("budget.priority")
def test_nothing_is_read_for_safety_s_sake_alone_when_little_is_left(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(90)
            assert world.server.calls["order/list"] >= 2
            before = world.server.calls["order/list"]
            for _ in range(120):
                leave(world, RESERVE + 5)
                await trio.sleep(1)
            assert world.server.calls["order/list"] == before
            await trio.sleep(120)
            assert world.server.calls["order/list"] >= before + 2

    run(story, tmp_path, budget(300))


@pytest.mark.rule("risk.watched")
def test_money_is_read_from_the_surplus_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        endpoint = "cashbalance/getcashbalancesnapshot"
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 1)
            await trio.sleep(90)
            before = world.requests.count(endpoint)
            assert before >= 2 * len(NAMES)
            for _ in range(80):
                leave(world, RESERVE + 5)
                await trio.sleep(1)
            assert world.requests.count(endpoint) == before
            await trio.sleep(120)
            assert world.requests.count(endpoint) > before

    run(story, tmp_path, budget(300).replace('account = "', 'daily_loss_limit = 5000\naccount = "'))


@pytest.mark.rule("budget.adaptive")
def test_a_limit_and_a_penalty_shrink_it_and_a_quiet_hour_gives_it_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(90)
            assert rate(world).left > 290
            world.server.throttle("apex", 5)
            world.lead("Buy", 1)
            await trio.sleep(3)
            assert rate(world).left <= 150
            await trio.sleep(100)
            world.lead("Sell", 1)
            await trio.sleep(5)
            world.server.penalise("order/placeorder", seconds=3, times=1)
            world.lead("Buy", 1)
            await trio.sleep(3)
            assert rate(world).left <= 90
        async with world.daemon():
            await world.copying()
            assert rate(world).left <= 110, "also after a restart"
            await trio.sleep(3600)
            assert rate(world).left > 290

    run(story, tmp_path, budget(300))


@pytest.mark.rule("budget.depths")
def test_an_hour_s_spending_is_known_after_a_restart_and_shown(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            rate(world).spend(rate(world).left)
            (login,) = [views.login(daemon, one) for one in daemon.logins.values()]
            assert login["requests_left"] == 0
        async with world.daemon() as daemon:
            await world.copying(within=30)
            assert rate(world).left == 0, "there is always enough for a session"
            order = world.lead("Buy", 1)
            await trio.sleep(2)
            assert outcomes(world, order) == ["skipped"] * 3
            assert "left of this hour" in str(world.row(order, "a")["reason"])

    run(story, tmp_path, budget(300, 300))


def test_what_is_asked_over_rest_counts_too(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(90)
            left = rate(world).left
            await world.login().tokens.grant.accepted("tok")
            assert rate(world).left == left - 1

    run(story, tmp_path, budget(300))


@pytest.mark.rule("budget.priority")
def test_with_little_left_changes_are_made_and_entries_are_not(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 1)
            await trio.sleep(2)
            stop = world.lead("Sell", 1, "Stop", stop="4900")
            await trio.sleep(90)
            leave(world, RESERVE + 5)
            world.change(stop, stop="4910")
            await trio.sleep(0.5)
            assert {str(world.broker.working(n.upper())[0].terms.stop_price) for n in NAMES} == {"4910"}
            entry = world.lead("Buy", 1)
            await trio.sleep(2)
            assert outcomes(world, entry) == ["skipped"] * 3, "two are left for three entries"
            world.broker.cancel(stop)
            world.broker.flatten("LEAD", SYMBOL)
            await trio.sleep(60)
            truth.all_is_well(world)

    run(story, tmp_path, budget(60))


@pytest.mark.rule("budget.depths")
@pytest.mark.parametrize(("minute", "hour", "left"), [(40, 5000, 40), (300, 60, 60)])
def test_both_depths_are_as_configured(minute: int, hour: int, left: int, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            rate(world).spend(rate(world).left)
            await trio.sleep(59)
            refilled = rate(world).left
            assert refilled == pytest.approx(min(minute, hour / 60), abs=8), "less what was read meanwhile"
            await trio.sleep(3600)
            assert rate(world).left == pytest.approx(left, abs=8)

    run(story, tmp_path, budget(minute, hour))


@pytest.mark.rule("budget.check")
@pytest.mark.parametrize("key", ["requests_per_minute", "requests_per_hour"])
def test_check_refuses_a_budget_that_gets_nobody_out(key: str, tmp_path: Path) -> None:
    def checked(requests: int) -> tuple[int, str]:
        file, err = tmp_path / "copier.toml", io.StringIO()
        file.write_text(config_of(NAMES).replace("cid = 8123", f"cid = 8123\n{key} = {requests}", 1))
        return run_check(file, io.StringIO(), err), err.getvalue()

    assert checked(RESERVE + 1) == (0, "")
    status, told = checked(RESERVE)
    assert status == 78 and f"logins.apex.{key}" in told
    assert f"to flatten 3 followers takes {RESERVE} requests" in told
