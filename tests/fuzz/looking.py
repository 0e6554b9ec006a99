"""python -m tests.fuzz.looking TARGET [libFuzzer options]: one target under atheris, in a process that ends with it."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["daemon.tradovate"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
