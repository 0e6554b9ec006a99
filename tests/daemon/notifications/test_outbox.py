"""The queue of one address: in order, bounded, and of the least severe the oldest goes first."""

from __future__ import annotations

import trio

from daemon.bulletins import Severity
from daemon.notifications.formats import Letter
from daemon.notifications.outbox import Outbox, Waiting


def waiting(name: str, severity: Severity = "info") -> Waiting:
    return Waiting(name, severity, Letter(b"", {}), 0.0)


async def _drained(outbox: Outbox) -> list[str]:
    outbox.close()
    names = []
    while (one := await outbox.next()) is not None:
        names.append(one.event)
    return names


def test_letters_come_out_in_order() -> None:
    outbox = Outbox()
    assert [outbox.put(waiting(name)) for name in "abc"] == [None] * 3
    assert len(outbox) == 3
    assert trio.run(_drained, outbox) == ["a", "b", "c"]


def test_without_room_the_oldest_of_the_least_severe_goes() -> None:
    outbox = Outbox(room=3)
    for name, severity in (("p1", "page"), ("i1", "info"), ("w1", "warning")):
        outbox.put(waiting(name, severity))  # type: ignore[arg-type]  # literals in a tuple are plain strings
    lost = [
        outbox.put(waiting("w2", "warning")),
        outbox.put(waiting("p2", "page")),
        outbox.put(waiting("i2", "info")),
        outbox.put(waiting("p3", "page")),
        outbox.put(waiting("p4", "page")),
    ]
    assert [one.event if one else None for one in lost] == ["i1", "w1", "i2", "w2", "p1"]
    assert trio.run(_drained, outbox) == ["p2", "p3", "p4"]


def test_whoever_waits_is_woken_by_a_letter_and_by_the_end() -> None:
    async def main() -> list[str | None]:
        outbox, found = Outbox(), list[str | None]()

        async def take() -> None:
            for _ in range(2):
                one = await outbox.next()
                found.append(one.event if one else None)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            await trio.sleep(0.01)
            outbox.put(waiting("a"))
            await trio.sleep(0.01)
            outbox.close()
        return found

    assert trio.run(main) == ["a", None]
