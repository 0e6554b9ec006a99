"""The tests mirror the source: one file per module, stories in scenarios, real processes in system.

COPIERD_LONGER=10 tries ten times as many examples of each law as a run of all tests does, and every death there is.
"""

from __future__ import annotations

import os

_LONGER = int(os.environ.get("COPIERD_LONGER", "1"))


def examples(short: int) -> int:
    """How many examples of a law are tried; `short` of them in a run of all tests."""
    return short * _LONGER


def each(short: int) -> int:
    """Each how-manieth case of a long row is tried; each `short`-th in a run of all tests, else every one."""
    return short if _LONGER == 1 else 1
