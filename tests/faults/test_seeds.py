"""Worlds without a violation, and the same story for the same seed, in whatever process it is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.__main__ import _parser, stories
from tests.faults.climate import Climate
from tests.faults.world import run_world

# What every run of the tests can afford; more of them, and longer ones, by these two or by python -m tests.faults.
SEEDS = range(1, int(os.environ.get("COPIERD_FAULT_SEEDS", "200")) + 1)
TOGETHER = 5  # worlds of one test: the workers share them out
MINUTES = float(os.environ.get("COPIERD_FAULT_MINUTES", "20"))
TWICE = (3, 8)
SHORT = 1.0  # minutes


@pytest.mark.parametrize("first", SEEDS[::TOGETHER])
def test_no_world_breaks_an_invariant(first: int) -> None:
    seeds = range(first, min(first + TOGETHER, SEEDS.stop))
    told = list(stories(seeds, MINUTES, 1))  # in a process of their own, which takes their memory with it
    bad = {story.seed: story.violations for story in told if story.violations}
    assert not bad, "\n".join(f"python -m tests.faults --seed {seed}: {why[0]}" for seed, why in bad.items())
    assert sum(story.orders for story in told) > 10 * len(told), "worlds in which much happens"


def test_the_readme_s_commands_are_understood() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    commands = re.findall(r"`python -m tests\.faults ([^`]*)`", readme)
    assert f"--seed {TWICE[0]} --minutes {SHORT:g}" in commands, "the one that is run below"
    assert len(commands) > 2 and all(_parser().parse_args(one.split()) for one in commands)


@pytest.mark.parametrize("seed", TWICE)
def test_a_seed_tells_one_story_twice_and_in_another_process(seed: int) -> None:
    first, again = run_world(seed, SHORT), run_world(seed, SHORT)
    assert first.lines == again.lines and first.digest == again.digest
    command = [sys.executable, "-m", "tests.faults", "--seed", str(seed), "--minutes", f"{SHORT:g}"]
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    other = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert f"trace {first.digest}" in other.stdout, other.stdout[-2000:] + other.stderr[-2000:]


def test_another_seed_tells_another_story() -> None:
    assert run_world(1, SHORT).digest != run_world(2, SHORT).digest
    assert Climate.of(1) != Climate.of(2)
