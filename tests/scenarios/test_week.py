"""A whole week, Sunday to Sunday: the broker is away in every maintenance window, and nobody's sleep is disturbed."""

from __future__ import annotations

import gc
from collections import Counter
from pathlib import Path

import pytest
import trio

from statecharts import states as s
from tests.scenarios.maintenance import Week, chicago, sleep_until, told
from tests.scenarios.notified import SECRET
from tests.scenarios.pulse import slow
from tests.scenarios.receiver import Receiver
from tests.scenarios.world import World

# What the test's own journal keeps, the newest bulletins (as many as `bulletins.KEPT`), and the hours of each day.
KEPT = frozenset({"daemon.journal.Entry", "daemon.bulletins.Bulletin", "statecharts.sessions.Window"})


def ours() -> Counter[str]:
    """How many values and services of which class there are, the broker's not counted."""
    gc.collect()
    found = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
    return Counter(
        {
            name: number
            for name, number in found.items()
            if name.startswith(("daemon.", "statecharts.")) and not name.startswith("daemon.simulator.")
            if name not in KEPT
        }
    )


def test_a_week_of_maintenance_windows_is_silent_and_everybody_is_back_within_30_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPIERD_NOTIFY_SECRET", SECRET)

    async def story(world: World, receiver: Receiver) -> None:
        slow(world, monkeypatch)
        async with world.daemon():
            week = Week(world)
            await world.copying()
            await week.away("2026-11-16 16:00:00", "2026-11-16 17:00:00")
            await week.away("2026-11-17 16:00:00", "2026-11-17 17:00:00", refusing=True)
            await sleep_until(chicago("2026-11-17 21:00:00"))
            on_tuesday = ours()
            await week.away("2026-11-18 15:59:40", "2026-11-18 17:00:00", shutdown=True)
            await week.away("2026-11-19 16:12:00", "2026-11-19 16:59:00", refusing=True)
            await week.away("2026-11-20 16:00:00", "2026-11-20 20:00:00")
            await sleep_until(chicago("2026-11-20 21:00:00"))
            assert ours() - on_tuesday == Counter(), "what rests does not grow"
            await week.away("2026-11-21 22:00:00", "2026-11-22 06:30:00", refusing=True)
            await sleep_until(chicago("2026-11-22 17:05:00"))
            await world.copying(within=1)
            print("back after", [round(one, 1) for one in week.back], "s;", trio.current_time() / 3600, "h")
            assert max(week.back) <= 30
            assert receiver.events == []
            assert [entry.message for entry in world.journal if entry.severity in ("page", "error")] == []
            loud = {entry.kind for entry in world.journal if entry.severity == "warning"}
            assert loud <= {"hours.stale"}, "the table of the test's year is about to end"
            assert week.leaves == {"Dialing", "Resyncing", "Copying", "Maintenance"}, "nobody ever backed off"
            states = [running.account.connection for running in world.daemon_now.accounts.values()]
            assert all(isinstance(state, s.Copying) and state.attempt == 0 for state in states)

    told(story, tmp_path, "2026-11-15 17:00:00")
