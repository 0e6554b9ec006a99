"""The requests of one session that leave together: what each of them may cost, and what is said of them afterwards."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio

from daemon.ledger import Ledger
from daemon.logins.calls import Lost, Urgency
from daemon.logins.correspondence import Correspondence
from daemon.logins.rate import Limits, Rate
from daemon.tradovate.socket import SocketLost
from statecharts.effects import Priority
from tests.daemon.logins.scripted import told, wall


@attrs.define(eq=False)
class Wire:
    """A connection that takes whatever is written, until it is `lost`."""

    lost: bool = False
    written: list[tuple[str, ...]] = attrs.field(factory=list)

    def check(self) -> None:
        if self.lost:
            raise SocketLost("closed: 1001 GOING_AWAY")

    async def send(self, *texts: str) -> None:
        self.check()
        await trio.lowlevel.checkpoint()
        self.written.append(texts)


def letters(minute: int, followers: int = 1) -> Correspondence:
    """Of a login that may ask so much in a minute."""
    limits, facts = Limits(minute, 10_000), Ledger.open(Path(":memory:"))
    return Correspondence(Rate("apex", limits, facts, wall, lambda: followers, lambda: False), trio.Event())


def test_requests_that_leave_together_take_no_more_than_one_after_the_other() -> None:
    async def story(nursery: trio.Nursery) -> None:
        correspondence, wire = letters(20), Wire()
        reserve = correspondence.rate.reserve
        for number in range(30):
            correspondence.request(f"order/item{number}", None, Urgency.READ)
        nursery.start_soon(correspondence.write, wire)  # type: ignore[arg-type]  # all that is asked of a connection
        await trio.sleep(0.1)
        assert sum(map(len, wire.written)) == 20 - reserve
        assert correspondence.rate.left == reserve, "what gets everybody out is still there"

    told(story)


def test_what_a_socket_that_is_known_to_be_lost_never_took_was_never_sent() -> None:
    async def story(nursery: trio.Nursery) -> None:
        correspondence, wire = letters(100), Wire(lost=True)
        calls = [correspondence.request("order/placeorder", {}, Priority.EXIT) for _ in range(3)]
        with pytest.raises(SocketLost):
            await correspondence.write(wire)  # type: ignore[arg-type]  # all that is asked of a connection
        correspondence.lose("closed")
        assert [call.outcome for call in calls] == [Lost("closed", begun=False)] * 3

    told(story)


def test_of_a_write_that_fails_every_part_may_have_arrived() -> None:
    class Torn(Wire):
        async def send(self, *texts: str) -> None:
            await trio.lowlevel.checkpoint()
            raise SocketLost("the connection has ended")

    async def story(nursery: trio.Nursery) -> None:
        correspondence = letters(100)
        calls = [correspondence.request("order/placeorder", {}, Priority.ENTRY) for _ in range(3)]
        with pytest.raises(SocketLost):
            await correspondence.write(Torn())  # type: ignore[arg-type]  # all that is asked of a connection
        later = correspondence.request("order/placeorder", {}, Priority.EXIT)
        correspondence.lose("ended")
        assert [call.outcome for call in calls] == [Lost("ended", begun=True)] * 3
        assert later.outcome == Lost("ended", begun=False)

    told(story)
