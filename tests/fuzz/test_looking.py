"""The fuzzer, for as long as a test may take: it looks for itself, where hypothesis only throws."""

from __future__ import annotations

import importlib.util

import pytest

from tests.fuzz import __main__ as fuzz
from tests.fuzz.targets import SEEDS, TARGETS

SECONDS = 3  # for each target; python -m tests.fuzz looks for longer


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_where_the_fuzzer_begins_nothing_is_broken(name: str) -> None:
    for data in SEEDS[name]:
        TARGETS[name](data)


@pytest.mark.parametrize("name", sorted(TARGETS))
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed: it has no wheel for this machine"
)
def test_the_fuzzer_finds_nothing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--seconds", str(SECONDS), "--seed", "1", "--target", name]) == 0, capsys.readouterr().err
    assert "Done" in capsys.readouterr().out
