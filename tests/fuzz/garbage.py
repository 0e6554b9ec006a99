"""Chance, as hypothesis draws it: JSON in which one thing is not what it was, and texts that look like frames."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

# No number among them could stand where it is put: what is read of it would be right.
GARBAGE: st.SearchStrategy[object] = st.sampled_from(
    [None, "", "?", "NaN", "many", [], {}, [[]], [None], {"id": "x"}, True, False, "1e400"]
)


def paths(value: object, here: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """The way to everything that is in a JSON value."""
    inner: list[tuple[object, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [way for key, one in inner for way in ((*here, key), *paths(one, (*here, key)))]


@st.composite
def spoiled(draw: st.DrawFn, whole: object, garbage: st.SearchStrategy[object] = GARBAGE) -> Any:
    """The value with garbage in one to three places, or without a field that belongs there. No row is left out."""
    value = whole
    for _ in range(draw(st.integers(1, 3))):
        ways = paths(value)
        if ways:
            value = _changed(draw, value, draw(st.sampled_from(ways)), garbage)
    return value


def _changed(draw: st.DrawFn, value: Any, way: tuple[Any, ...], garbage: st.SearchStrategy[object]) -> Any:
    key, rest = way[0], way[1:]
    copied = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copied[key] = _changed(draw, value[key], rest, garbage)
    elif isinstance(copied, dict) and draw(st.booleans()):
        del copied[key]
    else:
        copied[key] = draw(garbage)
    return copied


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.decimals(places=2, allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
