"""python -m tests.fuzz --seconds N: atheris looks for bytes that break the decoding of what the broker says.

Each target has N seconds, in a process of its own. Exit status 0 when nothing was found, 1 with the input that was,
and 69 where atheris is not installed (it has no wheel for every machine: pip install --group fuzz).
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.targets import SEEDS, TARGETS

UNAVAILABLE = 69
GRACE = 60.0  # seconds beyond its time for a process that has found something to say so


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: %(default)s)")
    parser.add_argument("--target", choices=sorted(TARGETS), help="only this one")
    parser.add_argument("--seed", type=int, default=0, help="of the fuzzer; 0: another one every time")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: pip install --group fuzz", file=sys.stderr)
        return UNAVAILABLE
    wanted = [options.target] if options.target else sorted(TARGETS)
    return max(looked(name, options.seconds, options.seed) for name in wanted)


def looked(name: str, seconds: int, seed: int) -> int:
    """Lets atheris look at one target; what it finds is printed, with the bytes that do it."""
    with tempfile.TemporaryDirectory() as place:
        corpus = Path(place) / "corpus"
        corpus.mkdir()
        for number, data in enumerate(SEEDS[name]):
            (corpus / str(number)).write_bytes(data)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz.looking", name),
                *(f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=4096", "-timeout=10"),
                *(f"-artifact_prefix={place}/", str(corpus)),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + GRACE,
        )
        found = [one for one in Path(place).iterdir() if one.is_file()]
        if done.returncode == 0 and not found:
            print(f"{name}: {done.stderr.strip().splitlines()[-1]}")
            return 0
        print(done.stdout + done.stderr, file=sys.stderr)
        for one in found:
            print(f"{name} is broken by {one.read_bytes()!r}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
