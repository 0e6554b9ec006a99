"""The engine: how a table is built, and which row answers."""

from __future__ import annotations

import pytest

from statecharts.chart import Chart, DuplicateRow, Row


class Animal: ...


class Dog(Animal): ...


class Noise: ...


class Bark(Noise): ...


def test_a_duplicate_row_is_refused_when_the_chart_is_built() -> None:
    with pytest.raises(DuplicateRow, match="two rows"):
        Chart.build(Row(Dog, Bark, "one"), Row(Animal, Bark, "two"), Row(Dog, Bark, "three"))


def test_the_leaf_wins_over_its_superstate_whatever_comes_first_in_the_table() -> None:
    for rows in (
        (Row(Dog, Bark, "dog"), Row(Animal, Bark, "animal")),
        (Row(Animal, Bark, "animal"), Row(Dog, Bark, "dog")),
    ):
        row = Chart.build(*rows).find(Dog.__mro__, Bark.__mro__)
        assert row is not None
        assert row.then == "dog"


def test_a_superstate_answers_for_its_leaves() -> None:
    row = Chart.build(Row(Animal, Bark, "animal")).find(Dog.__mro__, Bark.__mro__)
    assert row is not None
    assert row.then == "animal"


def test_the_states_order_counts_before_the_events() -> None:
    chart = Chart.build(Row(Animal, Bark, "exact event"), Row(Dog, Noise, "exact state"))
    row = chart.find(Dog.__mro__, Bark.__mro__)
    assert row is not None
    assert row.then == "exact state"


def test_a_pair_without_a_row_is_none() -> None:
    assert Chart.build(Row(Dog, Bark, "dog")).find(Animal.__mro__, Bark.__mro__) is None
