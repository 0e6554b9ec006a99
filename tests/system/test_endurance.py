"""The leader by whim against real processes: a minute of what `python -m tests.system.endurance` does for long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.endurance import endure

ACTIONS = 60


@pytest.mark.parametrize("mode", ["orders", "fills"])
@pytest.mark.rule("copies.one-row")
def test_whatever_the_leader_does_his_followers_end_where_they_should(mode: str, tmp_path: Path) -> None:
    outcome = endure(tmp_path, mode, ACTIONS, seed=7)
    assert not outcome.flaws, str(outcome)
    assert len(outcome.actions) > 5, "he has done nearly everything that he can"
    assert outcome.counts["place filled"] > ACTIONS / 2
