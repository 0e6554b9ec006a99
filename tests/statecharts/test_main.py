"""The diagrams: drawn by walking `step`, and the README's are never stale."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from statecharts import states as s
from statecharts.__main__ import connection_arrows, connection_diagram, diagrams, order_arrows
from statecharts.connection import CHART

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- diagrams: python -m statecharts -->", "<!-- /diagrams -->"


def test_the_readme_shows_the_charts_as_they_are() -> None:
    text = README.read_text()
    assert BEGIN in text
    shown = text.partition(BEGIN)[2].partition(END)[0]
    assert shown.strip() == diagrams().strip(), "stale: put the output of `python -m statecharts` between the markers"


def test_every_leaf_is_drawn_under_what_the_operator_sees() -> None:
    drawn = connection_diagram()
    for leaf in s.LEAVES:
        assert f"        {leaf.__name__}\n" in drawn
        assert f"    state {leaf.shown} {{" in drawn


def test_every_event_that_moves_an_account_is_drawn() -> None:
    drawn = {arrow.event for arrow in connection_arrows()}
    assert drawn == {row.event.__name__ for row in CHART.rows if isinstance(row.event, type)}
    assert ("Copying", "Resyncing") not in {
        (a.target, a.source) for a in connection_arrows() if a.source != "Resyncing"
    }
    assert order_arrows()


def test_the_module_prints_both_charts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "statecharts.__main__")  # it runs anew, as with `python -m`
    runpy.run_module("statecharts", run_name="__main__")
    assert capsys.readouterr().out.strip() == diagrams()
