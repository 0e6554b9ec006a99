"""What a session makes of the broker's lists, which it asks for twice a minute."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from statecharts.events import ReadBack
from tests.daemon.logins.scripted import Peer, told, wall
from tests.daemon.logins.test_session import Stage
from tests.daemon.logins.test_settled import ACCOUNT, NAMED, POSITION, STAMP, _pushed, _serve, _settles

OTHER = {**POSITION, "id": 6, "accountId": 901, "netPos": 0}
HELD = {**NAMED, "positions": [POSITION, OTHER]}


def test_who_holds_a_position_hears_that_nothing_is_missing() -> None:
    async def script(peer: Peer) -> None:
        await _serve(peer, {"position/list": [POSITION, OTHER]}, snapshot=HELD)

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await trio.sleep(80)
        heard = [account for account, event in stage.facts if isinstance(event, ReadBack)]
        assert heard == [ACCOUNT, ACCOUNT]
        assert stage.session.loss is None

    told(story)


@pytest.mark.parametrize("status", [429, 500])
def test_lists_that_were_refused_agree_with_nothing(status: int) -> None:
    async def script(peer: Peer) -> None:
        await _serve(peer, {}, status, snapshot=HELD)

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await trio.sleep(40)
        assert not [event for _, event in stage.facts if isinstance(event, ReadBack)]

    told(story)


def test_what_is_answered_in_words_is_no_list_and_agrees_with_nothing() -> None:
    """A business error has status 200, and its text in the place of what was asked for."""

    async def script(peer: Peer) -> None:
        await _serve(peer, {"position/list": {"errorText": "try again later"}}, snapshot=HELD)

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await trio.sleep(40)
        assert not [event for _, event in stage.facts if isinstance(event, ReadBack)]
        assert stage.session.loss is None
        assert not await _settles(stage)

    told(story)


def test_what_no_event_has_told_ends_the_session_and_is_no_agreement() -> None:
    async def script(peer: Peer) -> None:
        await _serve(peer, {"position/list": [{**POSITION, "netPos": 3}]}, snapshot=HELD)

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await trio.sleep(45)
        assert not [event for _, event in stage.facts if isinstance(event, ReadBack)]
        assert stage.session.loss is not None and "events were lost" in stage.session.loss.reason

    told(story)


def test_what_an_account_does_that_the_snapshot_does_not_show_is_nobody_s_loss() -> None:
    """A token may see accounts beside those of its user: the lists would show for ever what no event tells."""
    order = {**ORDER, "accountId": 999}
    fill = {"id": 78, "orderId": 77, "contractId": 11, "timestamp": STAMP, "action": "Buy", "qty": 1, "price": 5000}
    lists = {"order/list": [order], "fill/list": [fill], "position/list": [POSITION, {**POSITION, "accountId": 999}]}

    async def script(peer: Peer) -> None:
        await _serve(peer, lists, snapshot={**HELD, "accounts": [{"id": 900, "name": "F1"}]})

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await trio.sleep(80)
        assert stage.session.loss is None
        assert await _settles(stage)

    told(story)


ORDER = {
    "id": 77,
    "accountId": 900,
    "contractId": 11,
    "timestamp": STAMP,
    "action": "Buy",
    "ordStatus": "Working",
    "admin": False,
}
VERSION = {"id": 77, "orderId": 77, "orderQty": 1, "orderType": "Market"}


@pytest.mark.parametrize("known", [True, False], ids=["the broker has them", "nobody has them"])
def test_an_order_whose_terms_no_event_has_told_is_asked_for(known: bool) -> None:
    """Fault world 32: the lists showed nothing new, and the leader's order was copied by nobody."""
    peers: list[Peer] = []

    async def script(peer: Peer) -> None:
        peers.append(peer)
        lists = {"order/list": [ORDER], "orderVersion/deps": [VERSION] if known else []}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_serve, peer, lists)
            await trio.sleep(1)
            await peer.say(_pushed("order", ORDER))

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await trio.sleep(110)
        loss = stage.session.loss
        if known:
            assert loss is not None and "no event told what order 77 asks for" in loss.reason
        else:
            asked = [frame for frame in peers[0].heard if frame.startswith("orderVersion/deps")]
            assert loss is None and len(asked) == 1, "what the broker does not know it is not asked again"

    told(story)


# A snapshot in parts

FILL = {"id": 78, "orderId": 77, "contractId": 11, "timestamp": STAMP, "action": "Buy", "qty": 1, "price": 5000}
COMMAND = {"id": 77, "orderId": 77, "timestamp": STAMP, "commandType": "New", "commandStatus": "AtExecution"}
LATER = {"orders": [ORDER], "orderVersions": [VERSION], "commands": [COMMAND], "fills": [FILL]}


async def _in_parts(peer: Peer, wait: float, later: object = LATER) -> None:
    """Three answers to the one request; of the lists in the last one the first has a piece as well."""
    await peer.say("o")
    await peer.answer(await peer.hear())
    request = await peer.hear()
    await peer.answer(request, {name: rows for name, rows in HELD.items() if name != "positions"})
    await peer.answer(request, {"positions": [{**POSITION, "netPos": 1}]})
    await trio.sleep(wait)
    await peer.answer(request, later)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer._beat)
        while True:
            await peer.answer(await peer.hear(), [])


def test_a_list_that_is_cut_as_well_is_awaited_and_is_no_news() -> None:
    async def script(peer: Peer) -> None:
        await _in_parts(peer, 0.9)

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await stage.session.synced.wait()
        assert trio.current_time() == pytest.approx(1.9)
        await stage.session.settled(ACCOUNT, anew=False)
        snapshot = stage.session.mirror.snapshot(ACCOUNT, wall())
        assert snapshot is not None
        assert [order.filled for order in snapshot.orders.values()] == [1]
        assert snapshot.positions == {"ESZ6": 1}
        await trio.sleep(5)
        assert stage.facts == [] and stage.session.loss is None

    told(story)


def test_a_part_that_comes_when_the_accounts_were_read_ends_the_session_and_is_no_news() -> None:
    async def script(peer: Peer) -> None:
        await _in_parts(peer, 5.0)

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await trio.sleep(6)
        assert stage.facts == []
        assert stage.session.loss is not None and "a part of the broker's snapshot" in stage.session.loss.reason

    told(story)


def test_a_late_part_that_shows_nothing_new_is_no_harm() -> None:
    async def script(peer: Peer) -> None:
        await _in_parts(
            peer, 5.0, {"positions": [{**POSITION, "netPos": 1}], "contracts": [{"id": 12, "name": "NQZ6"}]}
        )

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await trio.sleep(10)
        assert stage.session.loss is None

    told(story)


def test_what_a_spread_does_to_its_legs_is_no_loss() -> None:
    """Which contracts it moves, and how far, its fills do not say."""
    spread = {**ORDER, "contractId": None, "spreadDefinitionId": 8, "ordStatus": "Filled"}
    moved = {**POSITION, "netPos": 3}
    lists = {"order/list": [spread], "fill/list": [FILL], "position/list": [moved]}

    async def script(peer: Peer) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(_serve, peer, lists, snapshot=HELD))
            await trio.sleep(5)
            for kind, entity in (("order", spread), ("orderVersion", VERSION), ("fill", FILL), ("position", moved)):
                await peer.say(_pushed(kind, entity))

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await stage.session.whole()
        assert stage.session.mirror.snapshot(ACCOUNT, wall()) is not None
        await trio.sleep(120)
        assert len(stage.facts) > 1 and stage.session.loss is None

    told(story)
