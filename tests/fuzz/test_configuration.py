"""A copier.toml of any kind: a configuration, or errors with their lines and remedies; nothing else comes of it."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.config import Config, ConfigError, ConfigErrors, dumps, load, loads
from tests.daemon.configurations import FULL
from tests.fuzz.garbage import spoiled

WHOLE = tomllib.loads(FULL)
VALUES = st.sampled_from(
    ["", "?", "5s", "lead", "-1s", "25:00", [], {}, [[]], [{}], {"x": {}}, True, -1, 0, 10**30, 1.5, float("nan")]
)


def _errors(read: Callable[[], Config]) -> tuple[ConfigError, ...]:
    """Those of a configuration that is refused; none of one that is read."""
    try:
        config = read()
    except ConfigErrors as wrong:
        found = wrong.errors
    else:
        assert loads(dumps(config)) == config, "what was read is written, and read again, the same"
        return ()
    assert found, "refused, and nothing says why"
    return found


def _read(text: str) -> None:
    lines = text.count("\n") + 1
    for error in _errors(lambda: loads(text)):
        assert 1 <= error.line <= lines + 1
        assert error.message and error.remedy
        assert str(error).startswith(f"copier.toml:{error.line}: ")


@settings(deadline=None)
@given(spoiled(WHOLE, VALUES))
def test_any_value_in_any_place(document: dict[str, object]) -> None:
    _read(tomli_w.dumps(document))


@settings(deadline=None)
@given(st.text(max_size=30), st.integers(0, len(FULL)), st.integers(0, 30))
def test_any_text_in_any_place(other: str, at: int, gone: int) -> None:
    _read(FULL[:at] + other + FULL[at + gone :])


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=60), st.integers(0, len(FULL)))
def test_any_bytes_in_a_file(other: bytes, at: int) -> None:
    whole = FULL.encode()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "copier.toml"
        path.write_bytes(whole[:at] + other + whole[at:])
        assert all(error.remedy for error in _errors(lambda: load(path)))
