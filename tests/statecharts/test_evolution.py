"""A value that is copied whole is what attrs.evolve makes of it; a field that it does not have is refused."""

from __future__ import annotations

import attrs
import pytest

from statecharts.book import Book, Contract
from statecharts.evolution import evolve


def test_it_is_what_attrs_makes() -> None:
    before = Contract(own=2, close_why="flat")
    assert evolve(before, own=3) == attrs.evolve(before, own=3)
    assert before == Contract(own=2, close_why="flat"), "the value itself stays as it is"


def test_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(TypeError, match="Book has no field openings"):
        evolve(Book(), openings=1)  # type: ignore[call-arg]
