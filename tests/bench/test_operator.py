"""The measurement of what watching costs, at a size that takes a moment; its figures are nobody's business here."""

from __future__ import annotations

import pytest

from tests.bench.operator import Measured, Scale, report, run, shown


def test_it_measures_every_condition() -> None:
    scale = Scale(logins=2, accounts=3, orders=4.0, seconds=1.0, rounds=1)
    found, costs = run(scale)
    told = report(scale, found, costs)
    assert {one.condition for one in found} == set(told["conditions"]) == {"nobody", "events", "copies"}
    assert all(one.status and one.copies and one.turns > 0 and one.busy > 0 for one in found)
    assert set(told["ratios"]) == {"events", "copies"} and all(ms > 0 for ms in told["idle_cpu_ms"].values())


def test_the_ratio_is_of_the_medians_over_all_rounds() -> None:
    scale = Scale(logins=1, accounts=2, orders=1.0, seconds=1.0, rounds=2)
    found = [
        Measured(condition, [1.0, 3.0], [ms, 100.0, ms], turns=10.0, busy=0.5)
        for condition, ms in (("nobody", 2.0), ("events", 3.0), ("copies", 5.0)) * 2
    ]
    told = report(scale, found, {"status": 1.0})
    assert told["ratios"] == {"events": 1.5, "copies": 2.5}
    assert told["conditions"]["nobody"]["status_ms"] == {"p50": pytest.approx(2.0), "p99": 3.0, "count": 4}
    assert "events x 1.5, copies x 2.5" in "\n".join(shown(told))
