"""Cycles of garbage are collected in the pauses of the loop, and not in between."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio

from daemon.garbage import OLDER, OLDEST, WITHOUT_REST, YOUNG, Sweeper


@contextmanager
def looks() -> Iterator[list[int]]:
    """Which generations are looked at, one look after the other; the collector is left as it was found."""
    found: list[int] = []
    enabled, thresholds = gc.isenabled(), gc.get_threshold()

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            found.append(info["generation"])

    gc.collect()
    gc.callbacks.append(note)
    try:
        yield found
    finally:
        gc.callbacks.remove(note)
        gc.set_threshold(*thresholds)
        if not enabled:
            gc.disable()


class Cycle:
    """Garbage that only the collector finds, once nobody has it any more."""

    def __init__(self) -> None:
        self.itself = self


def left() -> int:
    return sum(isinstance(one, Cycle) for one in gc.get_objects())


def test_a_loop_that_has_something_to_do_is_not_interrupted_and_its_next_pause_is_used() -> None:
    async def main() -> None:
        for _ in range(YOUNG):
            Cycle()
        for _ in range(50):
            await trio.lowlevel.checkpoint()
        assert (found, left()) == ([], YOUNG), "nothing while tasks run"
        await trio.sleep(0.01)
        assert (found, left()) == ([0], 0)
        await trio.sleep(0.01)
        assert found == [0], "no second time for the same"

    sweeper = Sweeper()
    with looks() as found:
        sweeper.begin()
        trio.run(main, instruments=[sweeper])


def test_a_loop_that_never_rests_is_interrupted_all_the_same() -> None:
    with looks() as found:
        Sweeper().begin()
        kept: list[list[int]] = [[] for _ in range(WITHOUT_REST // 2)]
        assert found == []
        kept += [[] for _ in range(WITHOUT_REST)]
        assert found == [0]
        assert len(kept) == WITHOUT_REST // 2 + WITHOUT_REST


@pytest.mark.parametrize(("younger_looks", "last"), [(OLDER, 0), (OLDER + 1, 1)])
def test_after_many_looks_at_the_young_older_objects_have_their_turn(younger_looks: int, last: int) -> None:
    with looks() as found:
        gc.disable()
        kept: list[list[list[int]]] = []
        for _ in range(younger_looks + 1):
            kept.append([[] for _ in range(YOUNG)])
            Sweeper().before_io_wait(1.0)
        assert found == [0] * younger_looks + [last]
        assert len(kept) == younger_looks + 1


def test_the_oldest_have_theirs_and_what_they_had_left_is_freed() -> None:
    with looks() as found:
        gc.disable()
        Cycle()
        assert left() == 1
        for _ in range(OLDEST + 1):
            gc.collect(1)
        kept: list[list[int]] = [[] for _ in range(YOUNG)]
        Sweeper().before_io_wait(1.0)
        assert (found[-1], left()) == (2, 0)
        assert len(kept) == YOUNG


def test_nothing_is_looked_for_when_somebody_waits_already() -> None:
    with looks() as found:
        gc.disable()
        kept: list[list[int]] = [[] for _ in range(YOUNG)]
        Sweeper().before_io_wait(0.0)
        assert found == []
        Sweeper().before_io_wait(0.001)
        assert found == [0]
        assert len(kept) == YOUNG
