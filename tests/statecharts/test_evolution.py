"""A value that is copied whole is what attrs.evolve makes of it; a field that it does not have is refused."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from statecharts import states as s
from statecharts.book import Book, Contract
from statecharts.evolution import evolve
from statecharts.sizing import configured
from statecharts.values import OrderType, Terms
from tests.statecharts.desk import ES, NOON, order, rules, terms

VALUES: list[tuple[Any, dict[str, Any]]] = [
    (Contract(own=2, close_why="flat"), {"own": 3}),
    (terms(2), {"quantity": 3, "order_type": OrderType.LIMIT}),
    (order(1, "Buy", terms(1)), {"fills": ()}),  # type: ignore[arg-type]  # any value is kept as it is
    (s.Copying(since=NOON), {"reason": "why"}),
    (rules(), {"max_order": 3}),
    (Terms(1, OrderType.MARKET), {}),
]


@pytest.mark.parametrize(("before", "changes"), VALUES, ids=lambda one: type(one).__name__)
def test_it_is_what_attrs_makes(before: Any, changes: dict[str, Any]) -> None:
    as_it_was = attrs.evolve(before)
    after = evolve(before, **changes)
    assert after == attrs.evolve(before, **changes)
    assert type(after) is type(before)
    assert before == as_it_was, "the value itself stays as it is"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(after, attrs.fields(type(before))[0].name, None)


def test_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(TypeError, match="Book has no field openings"):
        evolve(Book(), openings=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Terms has no field openings"):
        evolve(terms(1), openings=1)  # type: ignore[call-arg]


def test_what_was_worked_out_of_a_value_is_not_taken_for_another_s() -> None:
    before = rules()
    before.configured[ES] = configured(ES, evolve(before, max_order=2))
    assert evolve(before, max_order=1).configured == {}


def test_a_family_gets_no_member_by_it() -> None:
    known = set(s.Copying.__subclasses__())
    evolve(s.Copying(since=NOON), reason="why")
    assert set(s.Copying.__subclasses__()) == known
