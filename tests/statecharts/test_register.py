"""A register is a mapping like any other, at every length; what differs is found, and what lives is at hand."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from statecharts.register import AT_MOST, Register, since

MANY = 3 * AT_MOST


class Odd(Register[int, int]):
    """Odd numbers are alive."""

    __slots__ = ()

    @staticmethod
    def lives(value: int) -> bool:
        return value % 2 == 1


def filled(entries: list[tuple[int, int]], start: dict[int, int] | None = None) -> Odd:
    register = Odd(start or {})
    for key, value in entries:
        register = register.entered(key, value)
    return register


ENTRIES = st.lists(st.tuples(st.integers(0, MANY), st.integers(0, 1000)), max_size=MANY)
LONG = [(number % MANY, number) for number in range(2 * MANY)]  # longer than Hypothesis likes its lists
START = st.dictionaries(st.integers(0, MANY), st.integers(0, 1000))


@given(START, ENTRIES)
@example({}, LONG)
def test_it_is_the_mapping_that_a_dictionary_would_be(start: dict[int, int], entries: list[tuple[int, int]]) -> None:
    expected = {**start, **dict(entries)}
    found = filled(entries, start)
    assert found == expected
    assert found == Register(expected)
    assert list(found.items()) == list(expected.items()), "also in the same order"
    assert (list(found), list(found.keys()), list(found.values())) == (
        list(expected),
        list(expected),
        list(expected.values()),
    )
    assert len(found) == len(expected)
    for key in range(MANY + 2):
        assert (key in found) == (key in expected)
        assert found.get(key, "none") == expected.get(key, "none")
    for key in expected:
        assert found[key] == expected[key]
    assert sorted(found.alive) == sorted(value for value in expected.values() if value % 2)
    assert repr(found) == f"Odd({expected!r})"


@given(START, ENTRIES, ENTRIES)
@example({}, LONG, LONG)
def test_what_differs_is_found_in_both_directions(
    start: dict[int, int], first: list[tuple[int, int]], then: list[tuple[int, int]]
) -> None:
    before = filled(first, start)
    after = before
    for key, value in then:
        after = after.entered(key, value)
    assert dict(since(before, after)) == _differing(before, after)
    assert dict(since(after, before)) == _differing(after, before)
    assert dict(since(dict(before), after)) == _differing(before, after)
    assert dict(since(before, dict(after))) == _differing(before, after)


def _differing(before: Any, after: Any) -> dict[int, int]:
    return {key: value for key, value in dict(after).items() if dict(before).get(key) is not value}


@given(START, ENTRIES)
@example({}, LONG)
def test_a_change_leaves_the_register_as_it_was(start: dict[int, int], entries: list[tuple[int, int]]) -> None:
    known: list[tuple[Odd, dict[int, int], list[int]]] = []
    register = Odd(start)
    for key, value in entries:
        known.append((register, dict(register), list(register.alive)))
        register = register.entered(key, value)
    for one, was, alive in known:
        assert dict(one) == was
        assert list(one.alive) == alive


def test_what_nobody_asks_for_is_not_at_hand() -> None:
    assert not Register({1: 1}).alive


def test_a_register_is_taken_as_it_is() -> None:
    register = Odd({1: 1})
    assert Odd.of(register) is register
    assert Register.of(register) is register
    assert Odd.of({1: 1}) == register


def test_what_one_branch_has_forgotten_the_other_finds_by_going_through_everything() -> None:
    before = filled([(number, number) for number in range(AT_MOST - 1)])
    longer = before
    for number in range(10):
        longer = longer.entered(0, 1000 + number)
    longer = longer.entered(AT_MOST, 1)  # both become a new large one, and this forgets first
    shorter = before.entered(AT_MOST, 2)
    assert dict(since(before, shorter)) == {AT_MOST: 2}
    assert dict(since(before, longer)) == {0: 1009, AT_MOST: 1}
    start = filled([])
    assert dict(since(start, shorter)) == _differing(start, shorter)
