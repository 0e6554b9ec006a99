"""python -m tests.faults --seed N: one world and its story. --seeds A..B: many, and what became of them."""

from __future__ import annotations

import argparse
import os
import resource
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from rich.console import Console
from rich.progress import track

from tests.faults.world import MINUTES, Story, run_world


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.seed is not None:
        return _replay(options.seed, options.minutes, options.all)
    return _sweep(options.seeds, options.minutes, options.processes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="replay this world and print its story")
    which.add_argument("--seeds", type=_span, metavar="A..B", help="sweep these worlds, both ends included")
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, help="simulated minutes of storm (default: %(default)g)"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="worlds at a time (default: all cores)")
    parser.add_argument("--all", action="store_true", help="with --seed: every line, not only the last minutes")
    return parser


def _span(text: str) -> range:
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def _replay(seed: int, minutes: float, everything: bool) -> int:
    story = run_world(seed, minutes)
    shown = story.lines if everything or not story.violations else story.lines[-200:]
    for at, kind, words in shown:
        print(f"{int(at) // 60:4d}:{at % 60:06.3f}  {kind:20}  {words}")
    print(
        f"seed {seed}: {story.hours:.2f} simulated hours, {story.orders} orders, {story.deaths} deaths, "
        f"{sum(story.checks.values())} checks, trace {story.digest}"
    )
    print("\n".join(story.violations) or "no violation")
    return 1 if story.violations else 0


def stories(seeds: range, minutes: float, processes: int) -> Iterator[Story]:
    """In any order. A world that raises is the caller's to hear of, with its seed."""
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(partial(_told_of, minutes=minutes), seeds, chunksize=1)


def _told_of(seed: int, minutes: float) -> Story:
    try:
        return run_world(seed, minutes)
    except BaseException as error:
        error.add_note(f"in the world of seed {seed}: python -m tests.faults --seed {seed}")
        raise


def _sweep(seeds: range, minutes: float, processes: int) -> int:
    console = Console(stderr=True)
    faults: Counter[str] = Counter()
    checks: Counter[str] = Counter()
    hours, orders, deaths, bad = 0.0, 0, 0, []
    for one in track(stories(seeds, minutes, processes), "worlds", len(seeds), console=console):
        faults.update(one.faults)
        checks.update(one.checks)
        hours, orders, deaths = hours + one.hours, orders + one.orders, deaths + one.deaths
        if one.violations:
            bad.append(one)
            console.print(f"seed {one.seed}: {one.violations[0]}", markup=False)
    spent = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) / len(seeds)
    print(
        f"{len(seeds)} worlds, {hours:.1f} simulated hours, {orders} orders, {deaths} deaths of the process, "
        f"{len(faults)} kinds of faults, {len(checks)} kinds of checks, {spent:.1f} s of a core for each world"
    )
    print("faults: " + ", ".join(f"{name} {count}" for name, count in sorted(faults.items())))
    print(f"checks: {sum(checks.values())}: " + ", ".join(f"{name} {count}" for name, count in sorted(checks.items())))
    print(f"violations: {len(bad)}" + "".join(f"\n  seed {one.seed}: {one.violations[0]}" for one in bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
