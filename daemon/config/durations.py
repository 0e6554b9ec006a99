"""Durations as an operator writes them: a number and its unit, "500ms", "1.5s", "5m", "2h"."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

_MICROSECONDS = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000}
_DURATION = re.compile(r"(?P<number>\d{1,12}(?:\.\d{1,9})?) ?(?P<unit>ms|s|m|h)", re.ASCII)
_LONGEST = timedelta(days=366)


def parse(text: str) -> timedelta:
    """Raises ValueError on anything that is not a number with a unit, and on more than a year."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration")
    microseconds = Decimal(match["number"]) * _MICROSECONDS[match["unit"]]
    if microseconds > _LONGEST / timedelta(microseconds=1):
        raise ValueError(f"{text!r} is longer than a year")
    return timedelta(microseconds=int(microseconds))


def spell(duration: timedelta) -> str:
    """The shortest spelling in whole units; parse(spell(d)) is d to the microsecond."""
    microseconds = duration // timedelta(microseconds=1)
    for unit, size in _MICROSECONDS.items():
        if microseconds % size == 0 and microseconds:
            return f"{microseconds // size}{unit}"
    if not microseconds:
        return "0s"
    return f"{Decimal(microseconds) / 1000}ms"
