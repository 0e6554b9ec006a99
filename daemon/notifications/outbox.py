"""Letters that wait for one address, in the order in which they were told."""

from __future__ import annotations

from collections import deque

import attrs
import trio

from daemon.bulletins import Severity
from daemon.notifications.formats import Letter

ROOM = 1000  # letters; an address that is dead for an hour in a busy session collects some hundred
_LEAST_FIRST: tuple[Severity, ...] = ("info", "warning", "page")


@attrs.frozen(eq=False)
class Waiting:
    """`queued_at` is on trio's clock."""

    event: str
    severity: Severity
    letter: Letter
    queued_at: float


@attrs.define(eq=False, repr=False)
class Outbox:
    """Bounded: where there is no room, the oldest of the least severe goes. The letter being sent is not in here."""

    room: int = ROOM
    closed: bool = False
    _letters: deque[Waiting] = attrs.field(factory=deque)
    _news: trio.Event = attrs.field(factory=trio.Event)

    def __len__(self) -> int:
        return len(self._letters)

    def put(self, letter: Waiting) -> Waiting | None:
        """Answers the letter that had to go for it."""
        self._letters.append(letter)
        self._news.set()
        if len(self._letters) <= self.room:
            return None
        lost = next(one for severity in _LEAST_FIRST for one in self._letters if one.severity == severity)
        self._letters.remove(lost)
        return lost

    def close(self) -> None:
        """Nothing more will come; what is in it is still taken."""
        self.closed = True
        self._news.set()

    async def next(self) -> Waiting | None:
        """The oldest, taken out; None when there is none and will be none."""
        while not self._letters:
            if self.closed:
                return None
            self._news = trio.Event()
            await self._news.wait()
        return self._letters.popleft()
