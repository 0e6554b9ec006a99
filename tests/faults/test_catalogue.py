"""Nothing of the catalogue is missing, and nothing in it names what is not there."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from daemon.simulator import Faults
from tests.faults.catalogue import ELSEWHERE, FAULTS, MISSING
from tests.faults.climate import ACTS, BROKER, Climate
from tests.faults.nemesis import Nemesis
from tests.faults.people import Leader

ROOT = Path(__file__).parents[2]
COUNTS = {"N": 10, "W": 8, "B": 15, "H": 7, "Q": 4, "T": 4, "P": 4, "D": 4, "O": 2}
CODED = set(re.findall(r'"(I\d\d)"', "".join(path.read_text() for path in (ROOT / "tests/faults").glob("[is]*.py"))))
CLIMATE = {field.name for field in attrs.fields(Climate)}


def test_every_fault_has_its_number() -> None:
    every = {f"{kind}{n:02}" for kind, most in COUNTS.items() for n in range(1, most + 1)}
    assert {name.split()[0] for name in [*FAULTS, *MISSING]} == every


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_brought_about_or_proven_elsewhere(name: str) -> None:
    for by in FAULTS[name]:
        deed = hasattr(Leader, f"_{by}")
        assert by in ACTS or by in BROKER or by in CLIMATE or deed or (ROOT / by).is_file(), by


def test_every_act_can_be_carried_out_and_every_fault_is_the_look_alikes() -> None:
    assert all(callable(getattr(Nemesis, f"_{act}")) for act in ACTS)
    assert BROKER.keys() <= {field.name for field in attrs.fields(Faults)}
    named = {by for names in FAULTS.values() for by in names}
    assert ACTS.keys() <= named, "an act that the catalogue does not know"


def test_every_invariant_is_looked_at_or_named_elsewhere() -> None:
    elsewhere = {name.split()[0] for name in ELSEWHERE}
    assert CODED | elsewhere == {f"I{n:02}" for n in range(1, 39)} and not CODED & elsewhere
    assert all((ROOT / path).is_file() for path in ELSEWHERE.values())
