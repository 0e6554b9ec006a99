"""Whoever is to be told is told: once for an outage, in order, signed, never at the expense of a copy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from tests.scenarios.notified import SECRET, notify, outage, settled, told
from tests.scenarios.receiver import HOST, Receiver
from tests.scenarios.world import SYMBOL, World, config_of, run


@pytest.fixture(autouse=True)
def _signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPIERD_NOTIFY_SECRET", SECRET)


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
            world.server.reject_next("F1", "RiskCheckTimeout", "refused on purpose", "answer", 1)
            world.lead("Sell", 1)
            await trio.sleep(10)
            assert set(receiver.events) == {"copy.failed"}
            assert all(content["severity"] == "page" for content in receiver.told)
            assert "EXIT REFUSED" in receiver.told[0]["detail"]
            assert [content["detail"] for content in receiver.told] == [
                bulletin.detail for bulletin in daemon.board.since(0) if bulletin.severity == "page"
            ]

    told(story, tmp_path, notify(min_severity="page"))


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
