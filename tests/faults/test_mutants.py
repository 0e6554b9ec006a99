"""The guards can fail: each deliberate bug is caught in its world, by its invariant, and by nothing without the bug."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.faults.layers import Ran, replaced
from tests.faults.mutants import DIRECTED, MUTANTS, SEEDS, Directed, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_a_bug_is_caught_in_its_world_and_nothing_is_without_it(mutant: Mutant) -> None:
    ran = Ran()
    found = mutant.world(mutant.seed, ran).violations
    assert ran.times, "it was not executed: whatever was caught was something else"
    assert [words.partition(":")[0] for words in found] == [mutant.caught_by], found
    assert mutant.world(mutant.seed, None).violations == ()


@pytest.mark.parametrize("directed", DIRECTED, ids=lambda one: one.name)
def test_what_no_world_shows_fails_its_directed_test(directed: Directed) -> None:
    command = [sys.executable, "-m", "tests.faults.mutants", "--directed", directed.name]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout[-2000:] + told.stderr[-2000:]


def test_every_bug_has_a_name_a_sentence_and_one_of_the_fifty_seeds() -> None:
    names = [one.name for one in MUTANTS]
    assert len(names) == len(set(names)) >= 12
    assert all(one.seed in SEEDS and one.bug.__doc__ for one in MUTANTS)


def test_every_layer_that_is_off_somewhere_has_a_directed_test() -> None:
    assert {layer for one in MUTANTS for layer in one.off} <= {one.bug for one in DIRECTED}


def test_a_target_that_has_moved_is_told() -> None:
    with pytest.raises(KeyError), replaced(Mutant, "moved", lambda original: original):
        pass
