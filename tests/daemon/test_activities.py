"""What goes on in each state: exact times, and nothing after the state has been left."""

from __future__ import annotations

import random
from datetime import timedelta

import attrs
import pytest
import trio

from daemon.activities import AccountActivities
from daemon.logins.login import Login
from daemon.ports import Ports
from statecharts import events as e
from statecharts import states as s
from statecharts.rules import ReconnectRules
from tests.daemon.logins.scripted import Peer, told, wall
from tests.daemon.logins.test_login import Stage


@attrs.define(eq=False)
class Account:
    activities: AccountActivities
    heard: list[tuple[float, e.Event]]

    @classmethod
    def of(cls, login: Login, in_position: bool = False) -> Account:
        heard: list[tuple[float, e.Event]] = []
        ports = Ports(wall, random.Random(1), login.ports.network)
        activities = AccountActivities(
            name="LEAD",
            login=login,
            ports=ports,
            rules=ReconnectRules,
            in_position=lambda: in_position,
            hear=lambda event: heard.append((trio.current_time(), event)),
        )
        return cls(activities, heard)

    def post(self, event: e.Event) -> None:
        self.heard.append((trio.current_time(), event))

    def kinds(self) -> list[str]:
        return [type(event).__name__ for _, event in self.heard]

    async def enter(self, state: s.State, seconds: float) -> None:
        activity = self.activities.of(state)
        assert activity is not None
        with trio.move_on_after(seconds):
            await activity(self.post)


@pytest.mark.parametrize("attempt", [1, 2, 3, 6, 9])
@pytest.mark.parametrize("in_position", [False, True])
def test_a_wait_lies_between_d_and_2d_and_is_shown(attempt: int, in_position: bool) -> None:
    async def story(nursery: trio.Nursery) -> None:
        account = Account.of((await Stage.of(nursery)).login, in_position)
        state = s.BackingOff(since=wall(), attempt=attempt)
        upper = min(2.0**attempt, 10.0 if in_position else 60.0)
        nursery.start_soon(account.enter, state, 100)
        await trio.sleep(0.1)
        shown = account.activities.next_attempt_at
        await trio.sleep(60)
        ((at, event),) = account.heard
        assert isinstance(event, e.TimerFired)
        assert upper / 2 <= at <= upper
        assert shown is not None
        assert abs((shown - wall()).total_seconds() + 60.1 - at) < 0.001

    told(story)


def test_no_wait_goes_beyond_the_moment_of_giving_up() -> None:
    async def story(nursery: trio.Nursery) -> None:
        account = Account.of((await Stage.of(nursery)).login)
        state = s.BackingOff(since=wall() - timedelta(seconds=290), attempt=8)
        await account.enter(state, 100)
        assert account.heard[0][0] == pytest.approx(10.0)

    told(story)


def test_the_accounts_of_a_login_wake_in_the_same_instant() -> None:
    async def story(nursery: trio.Nursery) -> None:
        login = (await Stage.of(nursery)).login
        accounts = [Account.of(login) for _ in range(20)]
        for account in accounts:
            nursery.start_soon(account.enter, s.BackingOff(since=wall(), attempt=4), 100)
        await trio.sleep(60)
        assert len({account.heard[0][0] for account in accounts}) == 1

    told(story)


def test_a_window_ends_by_its_own_clock_and_is_probed_slowly_meanwhile() -> None:
    async def story(nursery: trio.Nursery) -> None:
        stage = await Stage.of(nursery)
        stage.network.refusing = True
        account = Account.of(stage.login)
        state = s.Maintenance(since=wall(), until=wall() + timedelta(hours=1))
        await account.enter(state, 3640)
        assert [(at, type(event)) for at, event in account.heard] == [(3630.0, e.TimerFired)]
        slow = [at for at in stage.network.connects if at <= 3510]
        assert 3510 / 120 - 1 <= len(slow) <= 3510 / 60
        assert 10 <= len([at for at in stage.network.connects if 3510 < at <= 3630]) <= 20  # fast around the end

    told(story)


async def mute(peer: Peer) -> None:
    """Authorizes, beats, and answers nothing more."""
    await peer.open()
    await peer._beat()


@pytest.mark.parametrize("leaf", [s.Dialing, s.Resyncing])
def test_who_is_on_the_way_back_says_when_it_is_late(leaf: type[s.Dialing | s.Resyncing]) -> None:
    async def story(nursery: trio.Nursery) -> None:
        account = Account.of((await Stage.of(nursery, mute)).login)
        nursery.start_soon(account.activities.hold_session, account.post)
        await trio.sleep(1)
        account.heard.clear()
        expected = leaf(since=wall(), cause=s.Cause.MAINTENANCE, reopens=wall() - timedelta(seconds=26))
        await account.enter(expected, 5)
        assert [(at, type(event)) for at, event in account.heard] == [(5.0, e.TimerFired)]

    told(story)


def test_a_probe_that_reaches_the_host_says_so_and_one_serves_the_whole_login() -> None:
    async def story(nursery: trio.Nursery) -> None:
        stage = await Stage.of(nursery)
        accounts = [Account.of(stage.login) for _ in range(20)]
        for account in accounts:
            nursery.start_soon(account.enter, s.GivenUp(since=wall(), lost_at=wall()), 200)
        await trio.sleep(133)
        assert {tuple(account.kinds()) for account in accounts} == {("SessionFound",)}
        assert 120 <= accounts[0].heard[0][0] <= 132
        assert len(stage.network.connects) == 1
        assert stage.network.open == 0

    told(story)


def test_holding_a_session_tells_when_it_is_up_and_why_it_ended() -> None:
    async def story(nursery: trio.Nursery) -> None:
        stage = await Stage.of(nursery)
        account = Account.of(stage.login)
        nursery.start_soon(account.activities.hold_session, account.post)
        await trio.sleep(1)
        assert account.kinds() == ["Authorized"]
        assert account.activities.readable() is None  # not read yet
        await account.enter(s.Resyncing(since=wall()), 5)
        assert account.kinds() == ["Authorized", "SnapshotTaken"]
        assert account.activities.readable() is stage.login.session
        stage.network.streams[0].dead = True
        await trio.sleep(13)
        assert account.kinds()[-1] == "SessionLost"
        assert account.activities.readable() is None

    told(story)


def test_an_account_is_not_read_from_a_session_that_has_ended() -> None:
    async def story(nursery: trio.Nursery) -> None:
        stage = await Stage.of(nursery)
        account = Account.of(stage.login)
        nursery.start_soon(account.activities.hold_session, account.post)
        await trio.sleep(1)
        stage.network.streams[0].dead = True
        await trio.sleep(11)
        account.heard.clear()
        await account.enter(s.Resyncing(since=wall()), 5)
        assert account.kinds() == ["SessionLost"]

    told(story)


def test_a_login_that_does_not_see_the_account_says_what_it_sees() -> None:
    async def story(nursery: trio.Nursery) -> None:
        account = Account.of((await Stage.of(nursery)).login)
        account.activities.name = "OTHER"
        nursery.start_soon(account.activities.hold_session, account.post)
        await trio.sleep(1)
        await account.enter(s.Resyncing(since=wall()), 5)
        event = account.heard[-1][1]
        assert isinstance(event, e.AccountMissing)
        assert "OTHER" in event.reason
        assert "LEAD" in event.reason

    told(story)


@pytest.mark.parametrize("state", [s.Stopped, s.Unauthorized, s.Dialing, s.Copying])
def test_the_other_states_have_nothing_of_their_own(state: type[s.State]) -> None:
    async def story(nursery: trio.Nursery) -> None:
        account = Account.of((await Stage.of(nursery)).login)
        assert account.activities.of(state(since=wall())) is None

    told(story)
