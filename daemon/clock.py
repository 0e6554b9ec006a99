"""The time of day, on a machine whose own clock may be set at any moment.

Rule 1: it goes on as a steady clock does, which nobody sets, and follows the machine's clock while the two agree.
Rule 2: when the machine's clock has jumped, the broker's decides who is right. It is heard with every token. As long as
        it has not been heard, the machine's clock is.
Rule 3: far from the broker's clock the hours of the market mean nothing: nothing is silenced or held back by them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import attrs

JUMP = timedelta(seconds=2)  # more than a clock is slewed between two looks; less is followed without a word
SKEW = timedelta(seconds=2)  # from the broker's clock: told
DISTRUST = timedelta(seconds=30)
_SECOND = timedelta(seconds=1)

News = Callable[[str, str], None]  # a kind, and a sentence


@attrs.define(eq=False, repr=False)
class Clock:
    """`source` is the machine's wall clock, `steady` counts seconds and is never set.

    `tell` is told what an operator should know, `doubted` that the broker had better be asked for its time, `judged`
    that the clock is trusted from now on, or no more.
    """

    source: Callable[[], datetime]
    steady: Callable[[], float]
    tell: News = lambda kind, words: None
    doubted: Callable[[], None] = lambda: None
    judged: Callable[[bool], None] = lambda trusted: None
    trusted: bool = True
    skew: timedelta | None = None  # the broker's clock minus ours, when it was last heard
    _zero: datetime | None = None  # our time when the steady clock stood at 0
    _broker_zero: datetime | None = None  # the broker's
    _ignored: timedelta = timedelta(0)  # the jump that is not followed at present

    def now(self) -> datetime:
        """Aware UTC."""
        there, since = self.source(), self._since()
        if since is None:
            return there
        if self._zero is None:
            self._zero = there - since
        jump = there - (self._zero + since)
        if abs(jump) <= JUMP:
            self._zero, self._ignored = self._zero + jump, timedelta(0)
        elif self._broker_zero is None or _nearer(there, self._zero + since, self._broker_zero + since):
            self._zero, self._ignored = self._zero + jump, timedelta(0)
            self.tell("clock.stepped", f"this machine's clock was set by {_words(jump)}; copierd goes by it")
            self._judge()
        elif abs(jump - self._ignored) > JUMP:
            self._ignored = jump
            words = f"this machine's clock was set by {_words(jump)}, and the broker's was not"
            self.tell("clock.stepped", f"{words}: copierd goes on as before; set the clock right")
            self.doubted()
        return self._zero + since

    def hear(self, broker: datetime) -> None:
        """The broker's clock, from the Date of an answer, which leaves out what is less than a second."""
        since = self._since()
        if since is not None:
            self._broker_zero = broker + _SECOND / 2 - since
            self.now()
            self._judge()

    def _judge(self) -> None:
        if self._zero is None or self._broker_zero is None:
            return
        before, self.skew = self.skew, self._broker_zero - self._zero
        trusted = abs(self.skew) <= DISTRUST
        if abs(self.skew) > SKEW and (before is None or abs(self.skew - before) > SKEW):
            more = "" if trusted else "; the hours of the market silence and hold nothing until it is right"
            self.tell("clock.skewed", f"this machine's clock is {_words(-self.skew)} off the broker's{more}")
        if trusted is not self.trusted:
            self.trusted = trusted
            self.judged(trusted)

    def _since(self) -> timedelta | None:
        try:
            return timedelta(seconds=self.steady())
        except RuntimeError:  # trio's clock does not run yet
            return None


def _nearer(one: datetime, other: datetime, to: datetime) -> bool:
    return abs(one - to) < abs(other - to)


def _words(jump: timedelta) -> str:
    return f"{jump.total_seconds():+.0f} s"
