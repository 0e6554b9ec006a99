"""What a session makes of the broker's lists, which it asks for twice a minute."""

from __future__ import annotations

import pytest
import trio

from statecharts.events import ReadBack
from tests.daemon.logins.scripted import Peer, told
from tests.daemon.logins.test_session import Stage
from tests.daemon.logins.test_settled import ACCOUNT, NAMED, POSITION, _serve

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


def test_what_no_event_has_told_ends_the_session_and_is_no_agreement() -> None:
    async def script(peer: Peer) -> None:
        await _serve(peer, {"position/list": [{**POSITION, "netPos": 3}]}, snapshot=HELD)

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await trio.sleep(45)
        assert not [event for _, event in stage.facts if isinstance(event, ReadBack)]
        assert stage.session.loss is not None and "events were lost" in stage.session.loss.reason

    told(story)
