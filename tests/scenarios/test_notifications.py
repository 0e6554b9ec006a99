"""Whoever is to be told is told: once for an outage, in order, signed, never at the expense of a copy."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, time
from pathlib import Path

import attrs
import pytest
import trio

from daemon.supervisor import Supervisor
from statecharts import states as s
from statecharts.events import RulesChanged
from statecharts.market_hours import PlatformWindows, Window
from tests.scenarios.receiver import HOST, URL, Receiver
from tests.scenarios.world import EPOCH, PASSWORD, SYMBOL, World, config_of, now, run

SECRET = "canary-notify-9d2e"
FOLLOWERS = tuple(f"f{number}" for number in range(1, 20))

Story = Callable[[World, Receiver], Awaitable[None]]


@pytest.fixture(autouse=True)
def _signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPIERD_NOTIFY_SECRET", SECRET)


def notify(**keys: str) -> str:
    lines = [f"{key} = {value if value[0] == '[' else repr(value)}" for key, value in keys.items()]
    return "\n".join(["[[notify]]", f'url = "{URL}"', *lines])


def told(
    story: Story, state: Path, extra: str = "", followers: tuple[str, ...] = ("f1",), receiver: Receiver | None = None
) -> None:
    """Tells a story in which every request to the receiver carries a right signature and no secret."""
    receiver = receiver or Receiver()

    async def with_receiver(world: World) -> None:
        world.network.receivers[HOST] = receiver
        await story(world, receiver)
        secrets = [SECRET, PASSWORD, *world.server.tokens._tokens]
        for entry in world.journal:
            assert "canary" not in entry.message + "".join(entry.fields.values()), entry
        for one in receiver.tries:
            assert signed(one.headers["copierd-signature"], one.body, one.at)
            assert b"canary" not in one.body
            assert not any(str(secret).encode() in one.body for secret in secrets)

    run(with_receiver, state, config_of(followers, extra=extra or notify()))


def signed(header: str, body: bytes, at: float) -> bool:
    moment, digest = (part.partition("=")[2] for part in header.split(","))
    assert abs(float(moment) - (EPOCH.timestamp() + at)) <= 1
    return digest == hmac.new(SECRET.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


async def settled(world: World) -> None:
    """Everybody copies, and the news of the start are over."""
    await world.copying()
    await trio.sleep(100)


async def outage(world: World, seconds: float) -> float:
    """Nobody can be reached for so long. Answers when it began."""
    began = trio.current_time()
    world.server.go_down(refusing=True)
    world.network.refusing = True
    await trio.sleep(seconds)
    world.server.come_up()
    world.network.refusing = False
    return began


def test_twenty_accounts_of_a_login_are_one_broken_and_one_fixed(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
            assert receiver.events == []  # a start that goes well is no warning
            began = await outage(world, 60)
            await world.copying()
            await trio.sleep(5)
            broken, fixed = (
                [one for one in receiver.taken if one.content["event"] == event]
                for event in ("connection.broken", "connection.fixed")
            )
            assert len(broken) == len(fixed) == 1
            assert 10 <= broken[0].at - began <= 10.1
            content = broken[0].content
            assert content["login"] == "apex" and content["account"] is None and len(content["accounts"]) == 20
            assert (content["severity"], content["state"]) == ("warning", "Reconnecting")
            assert "20 accounts of login apex do not copy" in content["detail"]
            assert content["remedy"] == "nothing to do: retrying"
            assert fixed[0].content["severity"] == "info"  # told all the same: its beginning was
            assert "20 accounts were read anew and copy again: " in fixed[0].content["detail"]
            assert receiver.events == ["connection.broken", "leader.lost", "leader.back", "connection.fixed"]

    told(story, tmp_path, followers=FOLLOWERS)


def test_a_connection_that_is_given_up_and_comes_back_is_still_one_outage(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
            await outage(world, 1200)
            await world.copying(within=200)
            await trio.sleep(5)
            assert receiver.events.count("connection.broken") == receiver.events.count("connection.fixed") == 1

    told(story, tmp_path, followers=("f1", "f2"))


def test_a_blip_shorter_than_after_is_not_told(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
            for _ in range(3):
                world.server.drop_sockets()
                await trio.sleep(70)
            await world.copying(within=1)
            assert world.said("connection.broken") and receiver.events == []

    told(story, tmp_path)


def test_after_is_the_operator_s_choice(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
            world.server.drop_sockets()
            await trio.sleep(20)
            assert receiver.events.count("connection.broken") == receiver.events.count("connection.fixed") == 1

    told(story, tmp_path, notify(after="0s"), followers=("f1", "f2"))


def test_a_drop_inside_a_maintenance_window_is_not_told_and_beats_go_on(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon() as daemon:
            await settled(world)
            window_of(daemon, time(9, 15))
            await outage(world, 300)
            assert world.leaf("f1") is s.Maintenance
            beats = len(receiver.beats)
            await trio.sleep(300)
            await world.copying(within=200)
            assert receiver.events == []
            assert beats >= 6

    told(story, tmp_path, notify(heartbeat="60s"))


def window_of(daemon: Supervisor, end: time) -> None:
    """A maintenance window for every account, from nine in Chicago, when the world begins, to `end`."""
    windows = PlatformWindows((Window(EPOCH.weekday(), time(9), end),))
    for running in daemon.accounts.values():
        rules = running.account.rules
        reconnect = attrs.evolve(rules.reconnect, windows=windows)
        running.runner.post(RulesChanged(at=now(), rules=attrs.evolve(rules, reconnect=reconnect)))


def test_messages_come_in_order_and_again_after_a_500_a_429_and_a_silence(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
            receiver.tries.clear()
            receiver.statuses = [500, 429, 503]
            receiver.more_headers = {"Retry-After": "30"}
            for _ in range(3):
                world.lead("Buy", 1)
                await trio.sleep(1)
            await trio.sleep(200)
            assert [one.status for one in receiver.tries][:3] == [500, 429, 503]
            assert len({one.body for one in receiver.tries[:4]}) == 1  # the first is tried until it is taken
            waits = [b.at - a.at for a, b in zip(receiver.tries[:3], receiver.tries[1:4], strict=True)]
            assert all(wait >= 30 for wait in waits)
            ids = [content["id"] for content in receiver.told]
            assert ids == sorted(ids) and len(ids) == len(set(ids)) >= 3
            receiver.silent = True
            world.lead("Buy", 1)
            await trio.sleep(15)
            receiver.silent = False
            await trio.sleep(60)
            assert receiver.told[-1]["event"] == "copy.placed"
            assert len(world.said("notification.failed")) == len(world.said("notification.taken")) == 2

    told(story, tmp_path, notify(min_severity="info", events='["copy.placed"]'))


def test_a_dead_address_gives_up_after_an_hour_and_never_delays_a_copy(tmp_path: Path) -> None:
    async def copies(world: World) -> list[float]:
        delays = []
        await settled(world)
        for number in range(20):
            began = trio.current_time()
            world.lead("Buy" if number % 2 == 0 else "Sell", 1)
            wanted = {SYMBOL: 1} if number % 2 == 0 else {}
            with trio.fail_after(5):
                while world.positions("f1") != wanted:
                    await trio.sleep(0.0001)
            delays.append(round(trio.current_time() - began, 6))
            await trio.sleep(1)
        return delays

    found: dict[bool, list[float]] = {}

    def told_with(dead: bool) -> None:
        async def story(world: World, receiver: Receiver) -> None:
            async with world.daemon():
                found[dead] = await copies(world)
                if dead:
                    assert len(receiver.tries) >= 3 and not receiver.taken
                    await trio.sleep(5000)
                    assert len(world.said("notification.dropped")) >= 20
                    assert len(world.said("notification.failed")) == 1

        state = tmp_path / str(dead)
        state.mkdir()
        told(story, state, notify(min_severity="info"), receiver=Receiver(silent=dead))

    told_with(True)
    told_with(False)
    assert found[True] == found[False]
    assert max(found[True]) < 0.001


def test_the_heartbeat_goes_on_while_all_is_well_and_stops_when_an_account_is_disconnected(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
            await trio.sleep(200)
            assert [b - a for a, b in zip(receiver.beats, receiver.beats[1:], strict=False)] == [60.0] * 4
            world.disconnect("f1")
            await trio.sleep(1)
            count = len(receiver.beats)
            await trio.sleep(600)
            assert len(receiver.beats) == count
            world.reconnect("f1")
            await trio.sleep(61)
            assert len(receiver.beats) == count + 1

    told(story, tmp_path, notify(heartbeat="60s"))


def test_only_a_page_reaches_who_wants_only_pages(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon() as daemon:
            await settled(world)
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1})
            await outage(world, 60)
            await world.copying()
            assert receiver.events == []
            world.server.reject_next("F1", "LiquidationOnly", "refused on purpose", "answer", 1)
            world.lead("Sell", 1)
            await trio.sleep(10)
            assert set(receiver.events) == {"copy.failed"}
            assert all(content["severity"] == "page" for content in receiver.told)
            assert "EXIT REFUSED" in receiver.told[0]["detail"]
            assert [content["detail"] for content in receiver.told] == [
                bulletin.detail for bulletin in daemon.board.since(0) if bulletin.severity == "page"
            ]

    told(story, tmp_path, notify(min_severity="page"))


def test_a_refused_credential_is_told_once_for_the_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPIERD_APEX_PASSWORD", "canary-wrong")

    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await world.until(lambda: world.leaf("f1") is s.Unauthorized)
            await trio.sleep(70)
            assert receiver.events == ["token.refused", "daemon.ready"]
            (content, _) = receiver.told
            assert content["login"] == "apex" and content["account"] is None
            assert "copierctl authorize apex" in content["remedy"]

    told(story, tmp_path, followers=("f1", "f2", "f3"))


def test_the_end_is_told_before_the_daemon_ends_and_nothing_stale_after_a_restart(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
        assert receiver.events == ["daemon.started", "daemon.ready", "daemon.stopped"]
        receiver.dead = True
        async with world.daemon():
            await settled(world)
            await outage(world, 60)
            began = trio.current_time()
        assert trio.current_time() - began <= 7.1
        receiver.dead = False
        tries = len(receiver.tries)
        async with world.daemon():
            await settled(world)
            fresh = [one.content for one in receiver.tries[tries:]]
            assert [one["event"] for one in fresh] == ["daemon.started", "daemon.ready"]
            assert all(one["at"] >= "2026-11-18T15:04" for one in fresh)
        ids = [content["id"] for content in receiver.told]
        assert ids == sorted(ids) and len(ids) == len(set(ids))

    chosen = '["daemon.started", "daemon.ready", "daemon.stopped", "connection.broken", "connection.fixed"]'
    told(story, tmp_path, notify(min_severity="info", events=chosen))


def test_a_lost_leader_says_what_its_followers_hold_and_how_to_get_out(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
            world.lead("Buy", 2)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 2} == world.positions("f2"))
            world.lead("Sell", 2, "Stop", stop="4900")
            await trio.sleep(2)
            await outage(world, 30)
            (lost,) = (one for one in receiver.told if one["event"] == "leader.lost")
            assert lost["detail"].startswith("LEADER lead LOST 15:0")
            assert "2 followers hold 4 ESZ6 long; 2 of 2 have a stop at the broker" in lost["detail"]
            assert lost["remedy"] == "to get out: close them in Tradovate; copierd leaves alone what you do"

    told(story, tmp_path, followers=("f1", "f2"))


def test_every_event_has_the_fields_of_the_contract_and_its_line_in_the_journal_the_same_id(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon() as daemon:
            await settled(world)
            world.lead("Buy", 1)
            await trio.sleep(2)
            contract = {"id", "at", "event", "severity", "account", "login", "state", "reason", "remedy", "detail"}
            assert all(contract <= content.keys() for content in receiver.told)
            lines = {entry.fields.get("id"): entry for entry in world.journal}
            assert all(lines[str(content["id"])].kind == content["event"] for content in receiver.told)
            assert {bulletin.event for bulletin in daemon.board.since(0)} >= {*receiver.events, "state"}
            ready = next(one for one in receiver.told if one["event"] == "daemon.ready")
            assert ready["positions"] == {"f1": {"before": {}, "after": {}}}
            assert datetime.fromisoformat(ready["at"]).tzinfo == UTC

    told(story, tmp_path, notify(min_severity="info", after="0s"))


def test_without_a_secret_it_is_sent_unsigned_and_said_so_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COPIERD_NOTIFY_SECRET")

    async def story(world: World) -> None:
        receiver = world.network.receivers[HOST] = Receiver()
        async with world.daemon():
            await settled(world)
            assert receiver.events and not any("copierd-signature" in one.headers for one in receiver.tries)
            (words,) = world.said("notification.unsigned")
            assert words.startswith(f"notifications to {HOST} are not signed: set the credential notify.secret")

    run(story, tmp_path, config_of(extra=notify(min_severity="info")))


def test_a_bug_in_a_notification_ends_that_address_loudly_and_nothing_else(tmp_path: Path) -> None:
    class Broken(Receiver):
        async def answer(self, request: object) -> object:  # type: ignore[override]  # that is what breaks it
            raise ValueError("nobody expects it")

    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1})
            (words,) = world.said("daemon.bug")
            assert words.startswith(f"a bug ended the notifications to {HOST}") and "ValueError" in words

    told(story, tmp_path, notify(min_severity="info"), receiver=Broken())


def test_a_letter_that_the_receiver_will_never_take_does_not_hold_up_the_next(tmp_path: Path) -> None:
    async def story(world: World, receiver: Receiver) -> None:
        async with world.daemon():
            await settled(world)
            receiver.statuses = [413]
            for _ in range(2):
                world.lead("Buy", 1)
                await trio.sleep(1)
            assert [one.status for one in receiver.tries] == [413, 200]
            assert world.said("notification.dropped") == [
                f"a notification to {HOST} was dropped (copy.placed): status 413"
            ]

    told(story, tmp_path, notify(min_severity="info", events='["copy.placed"]'))


def test_a_secret_that_cannot_be_read_is_said_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notify.secret").write_bytes(b"")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    async def story(world: World) -> None:
        receiver = world.network.receivers[HOST] = Receiver()
        async with world.daemon():
            await settled(world)
            assert "notify.secret is empty" in world.said("notification.unsigned")[0]
            assert receiver.events == ["daemon.started", "daemon.ready"]

    chosen = '["daemon.started", "daemon.ready"]'
    run(story, tmp_path, config_of(extra=notify(min_severity="info", events=chosen)))
