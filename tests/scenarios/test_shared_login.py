"""Twenty accounts on one login: one token, one socket, one snapshot, and each account's trouble is its own."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import attrs
import trio

from daemon.control import views
from daemon.control.evidence import Evidence
from daemon.logins.calls import Urgency
from daemon.runner import Errands
from daemon.supervisor import Supervisor
from statecharts import states as s
from statecharts.effects import Effect
from tests.scenarios import passages
from tests.scenarios.world import SYMBOL, World, config_of, now, run

FOLLOWERS = tuple(f"f{number}" for number in range(1, 20))
TWENTY = config_of(FOLLOWERS)
ALL = ("lead", *FOLLOWERS)
OTHERS = FOLLOWERS[1:]


class Bug(Exception):
    """Nobody expects it."""


def _one_of_each(world: World, sockets: int = 1) -> None:
    server = world.server
    assert server.token_requests["jane"] == 1
    assert server.sockets_opened == server.syncs["apex"] == world.login().sockets == sockets
    assert len(server.live_sockets("apex")) == 1


async def _all_copy(world: World, names: tuple[str, ...], net: int) -> None:
    wanted = {SYMBOL: net} if net else {}
    await world.until(lambda: all(world.positions(name) == wanted for name in names), within=5)


def test_twenty_accounts_take_one_token_one_socket_and_one_snapshot_also_after_a_loss(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            _one_of_each(world)
            for count in (2, 3):
                await trio.sleep(100)
                lost_at = trio.current_time()
                world.server.drop_sockets()
                await trio.sleep(10)
                await world.copying(within=0.1)
                _one_of_each(world, count)
                ways = {name: passages.of(daemon.ledger, name, since=lost_at) for name in ALL}
                assert {tuple(passages.states(way)) for way in ways.values()} == {
                    ("BackingOff", "Dialing", "Resyncing", "Copying")
                }
                assert len({way[1].at for way in ways.values()}) == 1  # they wake in the same instant
            await _lead_and_see(world)

    async def _lead_and_see(world: World) -> None:
        world.lead("Buy", 1)
        await _all_copy(world, FOLLOWERS, 1)

    run(story, tmp_path, TWENTY)


def test_an_outage_is_dialed_once_for_all_of_them(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            await trio.sleep(100)
            lost_at, dials = trio.current_time(), len(world.network.connects)
            world.server.go_down(refusing=True)
            await trio.sleep(120)
            wakes = {
                tuple(one.at for one in passages.of(daemon.ledger, name, since=lost_at) if one.state == "Dialing")
                for name in ALL
            }
            assert len(wakes) == 1
            assert len(wakes.pop()) <= 8
            assert len(world.network.connects) - dials <= 3 + 120 / 20, (
                "three tries tell that the host is down; then one probe every 20 s"
            )

    run(story, tmp_path, TWENTY)


def test_a_host_that_is_back_is_found_as_soon_as_the_settings_have_it(tmp_path: Path) -> None:
    """Who wants a shorter wait than the usual 20 s has said so."""

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.server.go_down(refusing=True)
            await trio.sleep(50)
            world.server.come_up()
            await world.copying(within=5)

    run(story, tmp_path, f'{config_of()}\n[reconnect]\nlongest_delay = "2s"\n')


def test_the_next_attempt_that_is_shown_is_the_probe_for_which_all_wait(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            world.server.go_down(refusing=True)
            await trio.sleep(61)
            shown = _next_attempts(daemon)
            assert len(set(shown)) == 1
            world.server.come_up()
            wait = (dt.datetime.fromisoformat(shown[0]) - now()).total_seconds()
            assert 0 < wait <= 20
            await trio.sleep(wait - 0.01)
            assert not any(isinstance(one.account.connection, s.Connected) for one in daemon.accounts.values())
            assert _next_attempts(daemon) == shown, "it has not been put off again and again"
            await world.copying(within=1)

    run(story, tmp_path)


def _next_attempts(daemon: Supervisor) -> list[str]:
    evidence = Evidence(daemon.ledger)
    return [str(views.account(daemon, name, evidence)["next_attempt_at"]) for name in daemon.accounts]


def test_a_crash_of_one_account_s_errands_leaves_the_others_on_the_same_socket(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()

            async def errand() -> None:
                raise Bug("in an errand of f1")

            began = trio.current_time()
            daemon.accounts["f1"].errands._start(errand)
            await trio.sleep(0.5)  # f1 has not been restarted yet
            world.lead("Buy", 1)
            await _all_copy(world, OTHERS, 1)
            await world.copying()
            assert daemon.crashes == 1
            assert passages.states(passages.of(daemon.ledger, "f1", since=began)) == ["Dialing", "Resyncing", "Copying"]
            assert all(not passages.of(daemon.ledger, name, since=began) for name in ("lead", *OTHERS))
            _one_of_each(world)
            assert world.positions("f1") == {}  # close-only until the operator resumes it
            world.lead("Sell", 1)
            await _all_copy(world, OTHERS, 0)

    run(story, tmp_path, TWENTY)


def test_an_account_that_crashed_with_a_position_still_copies_its_leader_s_exit(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            world.lead("Buy", 1)
            await _all_copy(world, FOLLOWERS, 1)

            async def errand() -> None:
                raise Bug("in an errand of f1")

            daemon.accounts["f1"].errands._start(errand)
            await trio.sleep(10)
            await world.copying()
            world.lead("Sell", 1)
            await _all_copy(world, FOLLOWERS, 0)

    run(story, tmp_path, TWENTY)


def test_an_errand_that_cannot_even_begin_is_the_crash_of_its_own_account(tmp_path: Path) -> None:
    """The leader's round carries the effects of all twenty out: nineteen of them must not pay for one."""

    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()

            running = daemon.accounts["f1"]
            able, running.runner.errands = running.runner.errands, _Unable(running.runner.errands)
            began = trio.current_time()
            world.lead("Buy", 1)
            await _all_copy(world, OTHERS, 1)
            running.runner.errands = able
            await world.copying()
            assert all(not passages.of(daemon.ledger, name, since=began) for name in ("lead", *OTHERS))
            assert daemon.crashes >= 1
            _one_of_each(world)

    run(story, tmp_path, TWENTY)


@attrs.frozen
class _Unable:
    able: Errands

    def perform(self, effect: Effect) -> None:
        raise Bug(f"f1 cannot begin {effect}")

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await self.able.run(task_status)


def test_a_crash_of_one_account_s_activity_leaves_the_others_on_the_same_socket(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            began = trio.current_time()
            activities = daemon.accounts["f1"].activities
            whole, activities.login = activities.login, _Broken()  # type: ignore[assignment]  # that is what breaks it
            world.reconnect("f1")
            await trio.sleep(0.5)
            activities.login = whole
            world.lead("Buy", 1)
            await _all_copy(world, OTHERS, 1)
            await world.copying()
            assert daemon.crashes == 1
            assert all(not passages.of(daemon.ledger, name, since=began) for name in ("lead", *OTHERS))
            _one_of_each(world)

    run(story, tmp_path, TWENTY)


class _Broken:
    """Has nothing that an activity asks a login for."""


def test_an_account_that_the_operator_disconnects_drops_its_own_lease_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            began = trio.current_time()
            world.disconnect("f1")
            await trio.sleep(1)
            assert world.leaf("f1") is s.Stopped
            world.lead("Buy", 1)
            await _all_copy(world, OTHERS, 1)
            assert world.positions("f1") == {}
            await trio.sleep(600)
            assert world.leaf("f1") is s.Stopped
            assert all(not passages.of(daemon.ledger, name, since=began) for name in ("lead", *OTHERS))
            world.reconnect("f1")
            await world.copying(within=2)
            _one_of_each(world)

    run(story, tmp_path, TWENTY)


def test_a_request_that_times_out_in_mid_send_costs_no_other_account_anything(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            began = trio.current_time()
            world.server.accept_and_lose_answer(times=1)
            world.lead("Buy", 1)
            await _all_copy(world, OTHERS, 1)
            await trio.sleep(30)
            assert all(not passages.of(daemon.ledger, name, since=began) for name in ALL)
            assert all(len(world.ours(name)) == 1 for name in FOLLOWERS)
            world.lead("Sell", 1)
            await _all_copy(world, FOLLOWERS, 0)
            _one_of_each(world)

    run(story, tmp_path, TWENTY)


def test_a_wait_that_ends_while_its_frame_is_being_written_ends_no_write(tmp_path: Path) -> None:
    """Half a frame would kill the socket of twenty accounts."""

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            session = world.login().session
            assert session is not None
            calls = [session.request("order/list", None, Urgency.READ) for _ in range(50)]
            async with trio.open_nursery() as nursery:
                for call in calls:
                    nursery.start_soon(call.answer, 0.0)
            await trio.sleep(20)
            await world.copying(within=0.1)
            _one_of_each(world)

    run(story, tmp_path, TWENTY)


def test_the_last_lease_closes_the_socket_and_the_next_one_opens_another(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            for name in FOLLOWERS:
                world.disconnect(name)
            await trio.sleep(5)
            assert len(world.server.live_sockets()) == 1
            world.disconnect("lead")
            await trio.sleep(2)
            assert world.server.live_sockets() == []
            world.reconnect("f1")
            await world.copying("f1", within=2)
            assert len(world.server.live_sockets()) == 1
            assert world.server.token_requests["jane"] == 1

    run(story, tmp_path, TWENTY)


def test_a_lease_dropped_and_taken_again_at_once_never_makes_two_sockets(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            most = 0
            for _ in range(10):
                world.disconnect("lead")
                world.disconnect("f1")
                world.reconnect("lead")
                world.reconnect("f1")
                for _ in range(200):
                    await trio.sleep(0.01)
                    most = max(most, len(world.server.live_sockets()))
            assert most == 1
            await world.copying(within=5)

    run(story, tmp_path)
