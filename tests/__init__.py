"""The tests mirror the source: one file per module, stories in scenarios, real processes in system.

COPIERD_LONGER=10 tries ten times as many examples of each law as a run of all tests does.
"""

from __future__ import annotations

import os


def examples(short: int) -> int:
    """How many examples of a law are tried; `short` of them in a run of all tests."""
    return short * int(os.environ.get("COPIERD_LONGER", "1"))
