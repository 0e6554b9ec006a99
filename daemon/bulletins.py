"""What the operator is told, as values: the one place that every event of the contract passes.

Rule 1: telling never waits and never raises. The journal has the line; a subscriber finds the bulletin in its own box,
        and a box that nobody empties loses the oldest.
Rule 2: an id is given once, also over restarts: each run of the daemon has a number, and counts its events from there.
Rule 3: no registered secret is in a bulletin, whoever wrote it into a message.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal

import attrs
import trio

from daemon.journal import Field, Journal
from daemon.ledger import Ledger

Severity = Literal["info", "warning", "page"]
Positions = Mapping[str, int]

STATE: Final = "state"  # the one event beyond the contract's: an account has changed its state; for live views
FAREWELL_LIMIT: Final = 0.5  # seconds: a watcher that reads takes a twentieth
IDS_OF_A_RUN: Final = 1_000_000_000  # run 3 gives 3000000001 and up: readable, and exact in JSON for millions of runs
KEPT: Final = 4000  # bulletins that a live view may ask for again
BOX: Final = 4000  # bulletins that wait for one subscriber; a busy minute of twenty accounts has hundreds


def instant(at: datetime) -> str:
    """ISO 8601 in UTC, with milliseconds and Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@attrs.frozen(kw_only=True)
class Bulletin:
    """One event of the contract. `detail` is a sentence: what happened, and where; `remedy` another: what to do.

    `cause` is the status's category of trouble. `accounts` is for what concerns several, `positions` (before and after,
    per follower and contract) for daemon.ready.
    """

    id: int
    at: datetime
    event: str
    severity: Severity = "info"
    account: str | None = None
    login: str | None = None
    state: str | None = None
    cause: str | None = None
    reason: str | None = None
    remedy: str | None = None
    detail: str
    copy: str | None = None
    accounts: tuple[str, ...] = ()
    positions: Mapping[str, tuple[Positions, Positions]] | None = None

    @property
    def words(self) -> str:
        """Detail and remedy in one line."""
        return self.detail + (f". {self.remedy[0].upper()}{self.remedy[1:]}" if self.remedy else "")

    def as_json(self) -> dict[str, object]:
        """The contract's fields, always all of them, and what more there is."""
        told: dict[str, object] = {
            "id": self.id,
            "at": instant(self.at),
            "event": self.event,
            "severity": self.severity,
            "account": self.account,
            "login": self.login,
            "state": self.state,
            "reason": self.reason,
            "remedy": self.remedy,
            "detail": self.detail,
            "cause": self.cause,
            "copy": self.copy,
        }
        if self.accounts:
            told["accounts"] = list(self.accounts)
        if self.positions is not None:
            told["positions"] = {
                name: {"before": dict(before), "after": dict(after)} for name, (before, after) in self.positions.items()
            }
        return told


@attrs.define(eq=False, repr=False)
class Box:
    """What waits for one subscriber. `missed` counts what was lost because nobody looked in."""

    missed: int = 0
    closed: bool = False
    gone: trio.Event = attrs.field(factory=trio.Event)  # set: nobody looks in any more
    _kept: deque[Bulletin] = attrs.field(factory=lambda: deque(maxlen=BOX))
    _news: trio.Event = attrs.field(factory=trio.Event)

    def put(self, bulletin: Bulletin) -> None:
        self.missed += len(self._kept) == self._kept.maxlen
        self._kept.append(bulletin)
        self._news.set()

    def close(self) -> None:
        """Nothing more will come; what is in it may still be taken."""
        self.closed = True
        self._news.set()

    async def news(self) -> None:
        """Returns when something is in the box, or it has been closed."""
        await self._news.wait()

    def take(self) -> list[Bulletin]:
        """Empties the box, oldest first."""
        taken = list(self._kept)
        self._kept.clear()
        if not self.closed:
            self._news = trio.Event()
        return taken


@attrs.define(eq=False, repr=False)
class Board:
    """`last_id` is the id given last."""

    journal: Journal
    wall: Callable[[], datetime]
    last_id: int = 0
    recent: deque[Bulletin] = attrs.field(factory=lambda: deque(maxlen=KEPT))
    told: Counter[tuple[str, Severity]] = attrs.field(factory=Counter)  # by event, since the start
    _boxes: list[Box] = attrs.field(factory=list)

    @classmethod
    def of(cls, journal: Journal, wall: Callable[[], datetime], ledger: Ledger) -> Board:
        """The board of a new run. Raises LedgerError: this is the only time that it writes."""
        run = int(ledger.fact("run") or 0) + 1
        ledger.keep_fact("run", str(run))
        return cls(journal, wall, run * IDS_OF_A_RUN)

    def tell(
        self,
        kind: str,
        detail: str,
        *,
        severity: Severity = "info",
        account: str | None = None,
        login: str | None = None,
        state: str | None = None,
        cause: str | None = None,
        reason: str | None = None,
        remedy: str | None = None,
        copy: str | None = None,
        accounts: tuple[str, ...] = (),
        positions: Mapping[str, tuple[Positions, Positions]] | None = None,
        **fields: Field,
    ) -> Bulletin:
        """`kind` is the event's name. `fields` are for the journal alone."""
        self.last_id += 1
        bulletin = Bulletin(
            id=self.last_id,
            at=self.wall(),
            event=kind,
            severity=severity,
            account=account,
            login=login,
            state=state,
            cause=cause,
            reason=self._clean(reason),
            remedy=self._clean(remedy),
            detail=self.journal.clean(detail),
            copy=copy,
            accounts=accounts,
            positions=positions,
        )
        told = {"account": account, "login": login, "state": state, "reason": reason, "copy": copy, **fields}
        self.journal.say(kind, bulletin.words, severity=severity, id=bulletin.id, **told)
        self.recent.append(bulletin)
        self.told[kind, severity] += 1
        for box in self._boxes:
            box.put(bulletin)
        return bulletin

    def since(self, last_seen: int) -> list[Bulletin]:
        """What is still kept of the time after that id, oldest first."""
        return [bulletin for bulletin in self.recent if bulletin.id > last_seen]

    def subscribe(self) -> Box:
        """A box that gets every bulletin from now on."""
        box = Box()
        self._boxes.append(box)
        return box

    def unsubscribe(self, box: Box) -> None:
        box.close()
        box.gone.set()
        self._boxes = [one for one in self._boxes if one is not box]

    async def farewell(self) -> None:
        """Nothing more will be told: whoever still looks in takes what is there, unless he does not read."""
        waiting = [box for box in self._boxes if not box.closed]
        for box in waiting:
            box.close()
        with trio.move_on_after(FAREWELL_LIMIT):
            for box in waiting:
                await box.gone.wait()

    def _clean(self, text: str | None) -> str | None:
        return None if text is None else self.journal.clean(text)
