"""`python -m tests.bench`: everything, in some ten minutes. `--quick`: the latency of copying alone, in two."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import latency, load, report

SIZES = (1, 5, 20, 100)
DIALED = 40  # logins: what the process may dial in short time; further ones come at 12 a minute (logins/budget.py)

STORM = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench-results"), help="where bench.md, .json and .svg go")
    parser.add_argument("--quick", action="store_true", help="only the latency, on one login, with few rounds")
    parser.add_argument("--latency", action="store_true", help="only the latency, on one login and on many")
    parser.add_argument("--followers", type=int, nargs="+", default=SIZES)
    parser.add_argument(
        "--storm", type=int, default=STORM, help="logins that are cut off at once; 200 take half an hour (default: 20)"
    )
    asked = parser.parse_args()
    found: report.Found = {}
    more: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="copierd-bench-") as name:
        directory = Path(name)
        for together in (True,) if asked.quick else (True, False):
            for followers in asked.followers if together else [one for one in asked.followers if one < DIALED]:
                blocks, rounds = 2 if asked.quick else 5, 10 if followers <= 20 else 4
                found[followers, together] = latency.measured(directory, followers, together, blocks, rounds)
                rows = report.markdown({(followers, together): found[followers, together]}, {}).splitlines()
                print(*rows[-len(found[followers, together]) :], sep="\n", flush=True)
        if not (asked.quick or asked.latency):
            flood = load.under_flood(directory, 20)
            loud = f"{flood['quiet']:.1f} ms without, {flood['loud']:.1f} ms with"
            more["last of 20, 2,000 other events a second"] = loud
            more["other events a second, one to a frame"] = load.throughput(directory, 1)
            more["other events a second, twenty to a frame"] = load.throughput(directory, 20)
            for kind, figure in load.storm(directory, asked.storm).items():
                more[f"all sessions cut: {kind}"] = f"{figure:.1f}"
            for kind, figure in load.memory(directory).items():
                more[f"memory: {kind}"] = f"{figure:.0f}"
            for kind, figure in load.long_ledger(directory, 50, 1_000_000).items():
                more[f"ledger: {kind}"] = f"{figure:.1f}"
    report.write(asked.out, found, more)
    print(report.markdown(found, more))
    return 0


if __name__ == "__main__":
    sys.exit(main())
