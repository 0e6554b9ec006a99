"""A slower pulse, for stories of days: a week has a quarter of a million heartbeats of each side, and sixty thousand
read-backs. Fewer prove the same."""

from __future__ import annotations

import pytest

from daemon.logins import correspondence, reading
from tests.scenarios.world import World

HEARTBEAT = 8.0  # seconds: within the ten of silence that a connection is given


def slow(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, for both sides."""
    monkeypatch.setattr(correspondence, "HEARTBEAT_EVERY", HEARTBEAT)
    monkeypatch.setattr(reading, "READ_BACK_EVERY", (100.0, 140.0))
    world.fault(heartbeat=HEARTBEAT)
