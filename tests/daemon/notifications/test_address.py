"""One address in virtual time: how long it tries, what it drops, and that it says so."""

from __future__ import annotations

import itertools
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

import attrs
import httpx
import trio
from trio.testing import MockClock

from daemon.bulletins import Board
from daemon.config import Notify
from daemon.journal import Entry, Journal
from daemon.notifications import LONGEST_ASKED_PAUSE, TRIED_FOR, Address
from daemon.notifications.outbox import Outbox
from daemon.notifications.sieve import Sieve
from daemon.ports import Ports
from tests.daemon.notifications.bulletins import NOON
from tests.scenarios.receiver import HOST, URL, Receiver


@attrs.define(eq=False)
class Line:
    """A network with one host."""

    receiver: Receiver

    async def connect(self, url: str) -> trio.abc.Stream:
        raise ConnectionRefusedError(url)

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.receiver.answer))


@attrs.define(eq=False)
class Desk:
    board: Board
    address: Address
    receiver: Receiver
    entries: list[Entry]

    def fail(self, detail: str) -> None:
        self.board.tell("copy.failed", detail, severity="warning")

    def said(self, kind: str) -> list[str]:
        return [entry.message for entry in self.entries if entry.kind == kind]

    @property
    def taken(self) -> list[str]:
        return [content["detail"] for content in self.receiver.told]


def tell(story: Callable[[Desk], Awaitable[None]], receiver: Receiver, room: int = 100) -> None:
    async def main() -> None:
        ports = Ports(lambda: NOON + timedelta(seconds=trio.current_time()), random.Random(1), Line(receiver))
        entries: list[Entry] = []
        board = Board(Journal(entries.append, "debug"), ports.wall)
        settings = Notify(url=URL)
        sieve = Sieve(settings, lambda names: "")
        box = board.subscribe()
        address = Address(settings, box, sieve, board.journal, ports, None, lambda: True, Outbox(room))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(address.run)
            await story(Desk(board, address, receiver, entries))
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_without_room_the_oldest_is_dropped_and_it_is_said() -> None:
    async def story(desk: Desk) -> None:
        for number in range(6):
            desk.fail(str(number))
            await trio.sleep(0.1)
        assert (
            desk.said("notification.dropped")
            == [f"a notification to {HOST} was dropped (copy.failed): 2 others wait already"] * 3
        )
        desk.receiver.dead = False
        await trio.sleep(10)
        assert desk.taken == ["0", "4", "5"]  # the first was being sent already
        assert desk.said("notification.taken") == [f"{HOST} takes notifications again; 3 were dropped"]

    tell(story, Receiver(dead=True), room=2)


def test_it_is_tried_for_an_hour_with_growing_pauses() -> None:
    async def story(desk: Desk) -> None:
        desk.fail("0")
        await trio.sleep(TRIED_FOR + 70)
        tries = [one.at for one in desk.receiver.tries]
        pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
        assert all(2**n / 2 <= pause <= 2**n for n, pause in enumerate(pauses[:6]))
        assert all(30 <= pause <= 60 for pause in pauses[6:])
        assert TRIED_FOR <= tries[-1] <= TRIED_FOR + 60
        assert len(desk.said("notification.failed")) == len(desk.said("notification.dropped")) == 1
        desk.receiver.dead = False
        desk.fail("1")
        await trio.sleep(1)
        assert desk.taken == ["1"]

    tell(story, Receiver(dead=True))


def test_a_receiver_may_ask_for_a_pause_but_not_for_any_pause() -> None:
    async def story(desk: Desk) -> None:
        desk.fail("0")
        await trio.sleep(2 * LONGEST_ASKED_PAUSE)
        first, second = desk.receiver.tries
        assert second.at - first.at == LONGEST_ASKED_PAUSE

    tell(story, Receiver(statuses=[429], more_headers={"Retry-After": "86400"}))


def test_a_closed_box_is_delivered_and_then_it_ends() -> None:
    async def story(desk: Desk) -> None:
        desk.fail("0")
        desk.fail("1")
        desk.board.unsubscribe(desk.address.box)
        await trio.sleep(0.1)
        assert desk.taken == ["0", "1"]

    tell(story, Receiver())
