"""Leases on a login's one session: who makes it, who ends it, and that there are never two."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import attrs
import pytest
import trio

from daemon.logins.grant import NoToken, WrongUser
from daemon.logins.login import Login, LoginHooks
from daemon.logins.session import SessionSettings
from daemon.logins.tokens import Token
from daemon.ports import Ports
from daemon.tradovate.answers import Granted, Owner, Unreachable
from tests.daemon.logins import scripted
from tests.daemon.logins.scripted import Peer, ScriptedNetwork, told, wall
from tests.daemon.logins.test_settled import ACCOUNT, NAMED, STAMP


async def _nobody(token: str) -> Owner | Unreachable:
    return Unreachable("nobody is asked here")


@attrs.define(eq=False)
class Purse:
    """A token that is always there. `bug`: what asking for it raises. `upkeep`: what keeping it fresh raises."""

    bug: Exception | None = None
    upkeep: Exception | None = None
    upkeeps: int = 0
    home: None = None
    skew: None = None
    reads_held: bool = False

    @property
    def current(self) -> Token | None:
        return Token("tok-1", wall(), wall() + timedelta(hours=1), 7)

    def load(self) -> None:
        pass

    async def keep_fresh(self) -> None:
        self.upkeeps += 1
        await trio.sleep(10)
        if self.upkeep is not None:
            raise self.upkeep
        await trio.sleep_forever()

    async def serve(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def valid(self) -> Token:
        await trio.lowlevel.checkpoint()
        if self.bug is not None:
            raise self.bug
        assert self.current is not None
        return self.current

    def refused(self, token: Token) -> None:
        pass

    def accepted(self) -> None:
        pass


@attrs.define(eq=False)
class Stage:
    login: Login
    network: ScriptedNetwork
    purse: Purse
    news: list[str]
    bugs: list[BaseException]

    @classmethod
    async def of(cls, nursery: trio.Nursery, script: scripted.Script = scripted.healthy) -> Stage:
        network = ScriptedNetwork(nursery, script)
        news: list[str] = []
        bugs: list[BaseException] = []
        purse = Purse()
        ports = Ports(wall, scripted.dice(), network)
        login = Login(
            "apex",
            SessionSettings(10.0),
            purse,  # type: ignore[arg-type]  # all that a session asks of its tokens
            scripted.gate(ports),
            scripted.rate(ports),
            ports,
            LoginHooks(
                lambda event, words, remedy=None: None, lambda why: None, lambda: news.append("up"), bugs.append
            ),
            _nobody,
            frozenset({"LEAD"}),
        )
        await nursery.start(login.run)
        return cls(login, network, purse, news, bugs)


def test_all_who_come_get_the_same_session_and_the_last_to_leave_closes_it() -> None:
    async def story(nursery: trio.Nursery) -> None:
        stage = await Stage.of(nursery)
        async with stage.login.lease() as first:
            async with stage.login.lease() as second:
                assert second is first
                await first.synced.wait()
            await trio.sleep(5)
            assert not first.ended.is_set()
        await trio.sleep(1)
        assert first.ended.is_set()
        assert stage.network.open == 0
        assert stage.login.sockets == len(stage.network.connects) == 1
        assert stage.news == ["up"]

    told(story)


def test_a_lease_after_the_end_makes_the_next_session() -> None:
    async def story(nursery: trio.Nursery) -> None:
        stage = await Stage.of(nursery)
        async with stage.login.lease() as first:
            await first.synced.wait()
        async with stage.login.lease() as second:
            assert second is not first
            await second.synced.wait()
        assert stage.network.most == 1

    told(story)


def test_an_old_lease_that_is_dropped_late_does_not_close_the_new_session() -> None:
    async def story(nursery: trio.Nursery) -> None:
        ends = trio.Event()

        async def script(peer: Peer) -> None:
            await peer.open()
            async with trio.open_nursery() as inner:
                inner.start_soon(peer.live)
                await ends.wait()
                inner.cancel_scope.cancel()

        stage = await Stage.of(nursery, script)
        async with stage.login.lease() as old:
            await old.synced.wait()
            ends.set()
            await old.ended.wait()
            stage.network.script = scripted.healthy
            new = stage.login.lease()
            session = await new.__aenter__()
            await session.synced.wait()
        await trio.sleep(5)
        assert not session.ended.is_set()
        await new.__aexit__(None, None, None)
        await trio.sleep(1)
        assert session.ended.is_set()

    told(story)


def test_the_next_session_waits_until_the_socket_of_the_last_is_closed() -> None:
    """On a half-open link the polite close takes its second; the broker may count two sockets and evict one."""

    async def story(nursery: trio.Nursery) -> None:
        stage = await Stage.of(nursery)
        async with stage.login.lease() as first:
            await first.synced.wait()
            stage.network.streams[0].dead = True
        async with stage.login.lease() as second:
            with trio.fail_after(5):
                await second.synced.wait()
        assert stage.network.most == 1

    told(story)


def test_a_dial_that_nobody_waited_for_is_taken_up_again_and_not_made_twice() -> None:
    async def story(nursery: trio.Nursery) -> None:
        async def script(peer: Peer) -> None:
            await trio.sleep(3)
            await scripted.healthy(peer)

        stage = await Stage.of(nursery, script)
        async with stage.login.lease() as first:
            await trio.sleep(1)
        async with stage.login.lease() as second:
            assert second is first
            with trio.fail_after(3):
                await second.synced.wait()
        assert stage.network.most == len(stage.network.connects) == 1

    told(story)


def test_a_throw_of_the_dice_is_shared_by_all_who_wait_for_the_same_attempt() -> None:
    async def story(nursery: trio.Nursery) -> None:
        login = (await Stage.of(nursery)).login
        at = login.wake_time(1, 1.0, 2.0)
        assert 1.0 <= at <= 2.0
        await trio.sleep(0.5)
        assert login.wake_time(1, 1.0, 2.0) == at
        assert login.wake_time(2, 2.0, 4.0) != at
        await trio.sleep(2)
        assert login.wake_time(1, 1.0, 2.0) >= 3.5  # that attempt is past: this is another outage

    told(story)


def test_a_bug_in_a_session_is_told_and_the_login_lives_on() -> None:
    async def story(nursery: trio.Nursery) -> None:
        stage = await Stage.of(nursery)
        stage.purse.bug = ArithmeticError("nobody expects it")
        async with stage.login.lease() as broken:
            await broken.ended.wait()
        assert stage.bugs == [stage.purse.bug]
        stage.purse.bug = None
        async with stage.login.lease() as whole:
            await whole.synced.wait()

    told(story)


def test_nobody_hears_facts_of_an_account_that_nobody_asked_for() -> None:
    async def story(nursery: trio.Nursery) -> None:
        pushed = (
            'a[{"e":"props","d":{"entityType":"position","eventType":"Updated","entity":'
            '{"id":5,"accountId":900,"contractId":11,"timestamp":"2026-11-18T15:00:00.000Z","netPos":1}}},'
            '{"e":"props","d":{"entityType":"contract","eventType":"Created","entity":'
            '{"id":11,"name":"ESZ6","contractMaturityId":1}}}]'
        )

        async def script(peer: Peer) -> None:
            await peer.open()
            async with trio.open_nursery() as inner:
                inner.start_soon(peer.live)
                await trio.sleep(1)
                await peer.say(pushed)
                await trio.sleep(1)
                await peer.say(pushed.replace('"netPos":1', '"netPos":2').replace("15:00:00.000", "15:00:01.000"))

        stage = await Stage.of(nursery, script)
        heard: list[object] = []
        async with stage.login.lease() as session:
            await session.synced.wait()
            account = session.mirror.account_id("LEAD")
            assert account is not None
            await trio.sleep(1.5)
            stage.login.hear(account, heard.append)
            await trio.sleep(1)
            assert len(heard) == 1
            stage.login.hear(account, None)
            assert not session.ended.is_set()

    told(story)


def test_a_bug_in_the_upkeep_of_the_token_is_told_and_tried_again_slowly() -> None:
    async def story(nursery: trio.Nursery) -> None:
        stage = await Stage.of(nursery)
        stage.purse.upkeep = ArithmeticError("nobody expects it")
        async with stage.login.lease() as session:
            await trio.sleep(600)
            assert not session.ended.is_set()
            assert len(stage.bugs) == 9
            stage.purse.upkeep = None
            await trio.sleep(600)
            assert stage.purse.upkeeps == 10

    told(story)


@pytest.mark.parametrize(
    ("known", "user", "refusal"),
    [(7, 7, None), (7, 8, WrongUser), (7, None, NoToken), (None, 7, NoToken), (None, None, NoToken)],
)
def test_where_nobody_can_be_asked_only_the_user_we_know_is_taken(
    known: int | None, user: int | None, refusal: type[NoToken] | None
) -> None:
    async def story(nursery: trio.Nursery) -> None:
        login = (await Stage.of(nursery)).login
        task = {"keep_fresh": trio.sleep_forever, "serve": trio.sleep}
        login.tokens = SimpleNamespace(purse=SimpleNamespace(user_id=known), **task)  # type: ignore[assignment]
        granted = Granted("tok-2", wall() + timedelta(hours=1), user, "Active", None)
        if refusal is None:
            await login._fits(granted)
            return
        with pytest.raises(NoToken) as no:
            await login._fits(granted)
        assert type(no.value) is refusal

    told(story)


@pytest.mark.parametrize(("wait", "lost"), [(0.2, 1), (3.0, 2)])
def test_a_login_whose_snapshots_come_in_parts_waits_for_them_from_then_on(wait: float, lost: int) -> None:
    """All lists are in the first part, and cut: nothing shows that there is another. Each session ended by it."""
    order = {"id": 77, "accountId": 900, "contractId": 11, "timestamp": STAMP, "action": "Buy", "ordStatus": "Working"}

    async def script(peer: Peer) -> None:
        await peer.say("o")
        await peer.answer(await peer.hear())
        request = await peer.hear()
        await peer.answer(request, NAMED)
        await trio.sleep(wait)
        await peer.answer(request, {**NAMED, "orders": [order]})
        await peer.live()

    async def story(nursery: trio.Nursery) -> None:
        stage = await Stage.of(nursery, script)
        for _ in range(lost):
            async with stage.login.lease() as session:
                await session.ended.wait()
                assert session.loss is not None and "a part of the broker's snapshot" in session.loss.reason
        async with stage.login.lease() as session:
            await session.synced.wait()
            await trio.sleep(20)
            assert session.loss is None
            snapshot = session.mirror.snapshot(ACCOUNT, wall())
            assert snapshot is not None and list(snapshot.orders) == [77]

    told(story)
