"""When an account may be read on a live session: the broker's lists and its events agree, and nothing moves."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
import trio

from daemon.logins.naming import AGAIN, NAMES_LATE
from daemon.logins.standing import Standing
from statecharts.values import BrokerAccountId
from tests.daemon.logins.scripted import EMPTY, Peer, told, wall
from tests.daemon.logins.test_session import Stage

ACCOUNT = BrokerAccountId(900)
STAMP = "2026-11-18T15:00:00Z"
POSITION = {"id": 5, "accountId": 900, "contractId": 11, "timestamp": STAMP, "netPos": 2}
NAMED = {**EMPTY, "contracts": [{"id": 11, "name": "ESZ6", "contractMaturityId": 1}]}


def _pushed(kind: str, entity: object) -> str:
    return f"a{json.dumps([{'e': 'props', 'd': {'entityType': kind, 'eventType': 'Updated', 'entity': entity}}])}"


async def _serve(peer: Peer, lists: Mapping[str, object], status: int = 200, snapshot: object = NAMED) -> None:
    await peer.open(snapshot)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer._beat)
        while True:
            request = await peer.hear()
            await peer.answer(request, lists.get(request.split("\n")[0], []), status)


async def _settles(stage: Stage, anew: bool = True) -> bool:
    """Does it come before the session ends?"""
    came = False
    async with trio.open_nursery() as nursery:

        async def settle() -> None:
            nonlocal came
            await stage.session.whole()
            await stage.session.settled(ACCOUNT, anew)
            came = True
            nursery.cancel_scope.cancel()

        nursery.start_soon(settle)
        await stage.session.ended.wait()
        nursery.cancel_scope.cancel()
    return came


def test_a_snapshot_just_taken_is_read_at_once_and_later_the_broker_is_asked() -> None:
    peers: list[Peer] = []

    async def script(peer: Peer) -> None:
        peers.append(peer)
        await _serve(peer, {})

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        assert await _settles(stage, anew=False)
        assert trio.current_time() == 0
        assert await _settles(stage)
        assert 0.2 < trio.current_time() < 1
        (peer,) = peers
        asked = [frame.split("\n")[0] for frame in peer.heard if frame != "[]"]
        assert asked[-3:] == ["order/list", "fill/list", "position/list"]

    told(story)


def test_an_event_since_the_snapshot_makes_the_first_reading_wait_too() -> None:
    async def script(peer: Peer) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_serve, peer, {"position/list": [POSITION]})
            await trio.sleep(1)
            await peer.say(_pushed("position", POSITION))

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await trio.sleep(2)
        assert await _settles(stage, anew=False)
        assert 2.2 < trio.current_time() < 3

    told(story)


def test_what_keeps_moving_is_not_read_and_ends_the_session() -> None:
    async def script(peer: Peer) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_serve, peer, {})
            for net in range(1, 1000):
                await trio.sleep(0.1)
                await peer.say(_pushed("position", {**POSITION, "netPos": net}))

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await trio.sleep(1)
        assert not await _settles(stage)
        assert 60.9 < trio.current_time() < 66.5
        assert stage.session.loss is not None and "it goes on moving" in stage.session.loss.reason

    told(story)


def test_an_account_that_moves_for_long_is_read_when_it_stands_still() -> None:
    async def script(peer: Peer) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_serve, peer, {"position/list": [{**POSITION, "netPos": 200}]})
            for net in range(1, 201):
                await trio.sleep(0.1)
                await peer.say(_pushed("position", {**POSITION, "netPos": net}))

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await trio.sleep(1)
        assert await _settles(stage)
        assert 20.2 < trio.current_time() < 21

    told(story)


def test_what_moves_whenever_it_is_read_is_asked_for_once_a_second() -> None:
    asked: list[float] = []

    async def script(peer: Peer) -> None:
        net = 0
        await peer.open(NAMED)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer._beat)
            while True:
                request = await peer.hear()
                if request.startswith("position/list"):
                    net += 1
                    asked.append(trio.current_time())
                    await peer.say(_pushed("position", {**POSITION, "netPos": net}))
                await peer.answer(request, [])

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        assert not await _settles(stage)
        assert 60 <= trio.current_time() < 66
        assert 30 < len(asked) <= 70  # the truth now and then is asked for beside

    told(story)


def test_lists_and_events_that_disagree_while_nothing_moves_end_the_session_soon() -> None:
    async def script(peer: Peer) -> None:
        await _serve(peer, {"position/list": [POSITION]})

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        assert not await _settles(stage)
        assert 4.9 < trio.current_time() < 5.5
        assert stage.session.loss is not None
        why = "the broker's lists and its events did not agree within 5 s: nothing told of position 2 in contract 11"
        assert stage.session.loss.reason == why

    told(story)


def test_a_refusal_is_not_asked_again() -> None:
    peers: list[Peer] = []

    async def script(peer: Peer) -> None:
        peers.append(peer)
        await _serve(peer, {}, status=429)

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        assert not await _settles(stage)
        (peer,) = peers
        assert sum(frame.startswith("fill/list") for frame in peer.heard) == 1

    told(story)


@pytest.mark.parametrize(
    ("status", "answer", "why"),
    [
        (404, "Not found", "order/list was answered with 404"),
        (500, None, "order/list was answered with 500"),
        (200, '"[]"', "order/list was answered with what is no list"),
    ],
)
def test_lists_that_are_refused_are_the_reason_of_the_session_s_end(status: int, answer: object, why: str) -> None:
    """And not that they and the events disagree."""

    async def script(peer: Peer) -> None:
        await _serve(peer, {"order/list": answer}, status)

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        stage.purse.stands = Standing.LIVES
        assert not await _settles(stage)
        assert stage.session.loss is not None
        assert stage.session.loss.reason == why

    told(story)


def test_a_contract_that_is_never_named_ends_the_session() -> None:
    async def script(peer: Peer) -> None:
        await peer.open()
        await peer.say(_pushed("position", POSITION))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer._beat)
            while True:
                request = await peer.hear()
                named = request.startswith("contract/item")
                await peer.answer(
                    request, [POSITION] if request.startswith("position/list") else [], 500 if named else 200
                )

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        stage.purse.stands = Standing.LIVES
        await trio.sleep(1)
        assert not await _settles(stage)
        assert 60 < trio.current_time() < 65
        assert stage.session.loss is not None and "did not name a contract" in stage.session.loss.reason

    told(story)


def test_a_name_that_the_broker_did_not_have_at_once_is_asked_for_again_before_it_is_too_late() -> None:
    """The first trade in a contract would be missed, and the session begun anew, for one slip of the broker's."""
    asked: list[float] = []

    async def script(peer: Peer) -> None:
        await peer.open()
        await peer.say(_pushed("position", POSITION))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer._beat)
            while True:
                request = await peer.hear()
                asked.append(trio.current_time())
                named = {"id": 11, "name": "ESZ6", "contractMaturityId": 1}
                await peer.answer(request, named, 200 if len(asked) > 2 else 503)

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        stage.purse.stands = Standing.LIVES
        await trio.sleep(1)
        with trio.fail_after(NAMES_LATE):
            await stage.session.whole()
        assert len(asked) == 3
        await trio.sleep(AGAIN)
        assert not stage.session.ended.is_set()
        snapshot = stage.session.mirror.snapshot(ACCOUNT, wall())
        assert snapshot is not None and dict(snapshot.positions) == {"ESZ6": 2}

    told(story)


@pytest.mark.parametrize(
    ("listed", "why"),
    [
        ({"errorText": "try again later"}, "account/list was answered with: try again later"),
        (None, "shows no accounts"),
        ("busy", "shows no accounts"),
        ([], "shows no accounts"),
    ],
)
def test_a_list_of_accounts_that_is_none_or_empty_says_nothing_of_the_account(listed: object, why: str) -> None:
    async def script(peer: Peer) -> None:
        await _serve(peer, {"account/list": listed}, snapshot={**NAMED, "accounts": []})

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await stage.session.whole()
        nursery.start_soon(stage.session.account_listed, "LEAD")
        await trio.sleep(1)
        assert stage.session.loss is not None and why in stage.session.loss.reason

    told(story)


def test_of_twenty_accounts_that_a_snapshot_does_not_show_one_asks_for_all() -> None:
    rows = [{"id": 900 + n, "name": f"A{n}", "userId": 7, "active": True} for n in range(20)]
    peers: list[Peer] = []

    async def script(peer: Peer) -> None:
        peers.append(peer)
        await _serve(peer, {"account/list": rows}, snapshot={**NAMED, "accounts": []})

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await stage.session.whole()
        found: list[object] = []

        async def listed(name: str) -> None:
            found.append(await stage.session.account_listed(name))

        async with trio.open_nursery() as accounts:
            for row in rows:
                accounts.start_soon(listed, str(row["name"]))
        assert sorted(map(str, found)) == [str(row["id"]) for row in rows]
        assert len([frame for frame in peers[0].heard if frame.startswith("account/list")]) == 1

    told(story)
