"""What a criterion of the conformance lists is, and what can be said of it once it has been measured.

Rule 1: a criterion that could not be measured is not passed and not failed: it says why it was not tested.
Rule 2: a verdict holds no secret; what goes into a report is masked once more on its way out.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from daemon.certify.trial import Trial


@attrs.frozen
class Passed:
    """`figure` in words; `ms` where the figure is a time."""

    figure: str
    ms: float | None = None


@attrs.frozen
class Failed:
    figure: str
    why: str
    ms: float | None = None


@attrs.frozen
class NotTested:
    why: str


Verdict = Passed | Failed | NotTested
Measure = Callable[["Trial"], Awaitable[Verdict]]


@attrs.frozen
class Criterion:
    """One line of a list. Its first digit is the stage; `needs` are those without which it means nothing."""

    id: str
    words: str
    measure: Measure
    needs: tuple[str, ...] = ()
    limit_ms: float | None = None

    @property
    def stage(self) -> int:
        return int(self.id.partition(".")[0])


@attrs.frozen
class Finding:
    criterion: Criterion
    verdict: Verdict

    def cleaned(self, clean: Callable[[str], str]) -> Finding:
        """With every text passed through `clean`: it may quote the broker."""
        verdict = self.verdict
        match verdict:
            case Passed(figure=figure):
                verdict = attrs.evolve(verdict, figure=clean(figure))
            case Failed(figure=figure, why=why):
                verdict = attrs.evolve(verdict, figure=clean(figure), why=clean(why))
            case NotTested(why=why):
                verdict = NotTested(clean(why))
        return attrs.evolve(self, verdict=verdict)


def within(ms: float, limit_ms: float, figure: str) -> Verdict:
    """A time that must stay under its limit."""
    if ms < limit_ms:
        return Passed(figure, ms)
    return Failed(figure, f"it took {ms:.0f} ms, and {limit_ms:.0f} ms is the limit", ms)


def largest_gap(times: list[float], begin: float, end: float) -> float:
    """The longest time in milliseconds without any of `times`, between `begin` and `end` (seconds of one clock)."""
    marks = [begin, *(time for time in times if begin < time < end), end]
    return max(later - earlier for earlier, later in itertools.pairwise(marks)) * 1000
