"""What this process allows itself at the broker, over all of its logins; kept in the ledger, for crash loops too.

Rule 1: dials come from a bucket of 40, refilled with 12 a minute; two handshakes at a time (turns.py).
Rule 2: at most 5 failed token requests an hour: the broker locks an address out after them.
Rule 3: a 429 or 423 holds the whole process, for the announced time, else for 30 s, doubled with each further one up
        to an hour, because requests inside the window prolong the lock-out. An hour without one begins anew.
Rule 4: a clock that is set back makes nothing last longer than it was to: what was left at the last count is left.
Rule 5: while a host is down, one probe serves all of its logins; `Host` says when.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import attrs

from daemon.logins.turns import Turns

DIALS = 40
DIALS_A_MINUTE = 12
FAILED_TOKENS_AN_HOUR = 5
FIRST_HOLD = timedelta(seconds=30)
LONGEST_HOLD = timedelta(hours=1)
HOUR = timedelta(hours=1)


@attrs.frozen
class Spent(Exception):
    """Not now: the budget is spent, or the process holds. `until` is when to ask again."""

    reason: str
    until: datetime


@attrs.frozen
class Account:
    """The state of the budget as a value. `dials` are those left at `counted_at`."""

    dials: float
    counted_at: datetime
    failed_tokens: tuple[datetime, ...] = ()
    held_until: datetime | None = None
    hold_reason: str | None = None
    hold: timedelta = timedelta(0)  # the last one: the next is twice as long

    def at(self, now: datetime) -> Account:
        """The same account later: refilled, and with what is more than an hour old forgotten."""
        if self.counted_at > now:
            return self._moved(self.counted_at - now).at(now)
        minutes = (now - self.counted_at).total_seconds() / 60
        left = min(float(DIALS), self.dials + minutes * DIALS_A_MINUTE)
        recent = tuple(at for at in self.failed_tokens if now - at < HOUR)
        fresh = self.held_until is None or now - self.held_until >= HOUR
        return attrs.evolve(
            self, dials=left, counted_at=now, failed_tokens=recent, hold=timedelta(0) if fresh else self.hold
        )

    def _moved(self, back: timedelta) -> Account:
        return attrs.evolve(
            self,
            counted_at=self.counted_at - back,
            failed_tokens=tuple(at - back for at in self.failed_tokens),
            held_until=self.held_until - back if self.held_until is not None else None,
        )


class Facts(Protocol):
    def fact(self, key: str) -> str | None: ...
    def keep_fact(self, key: str, value: str) -> None: ...


@attrs.define(eq=False, repr=False)
class Budget:
    """The one budget of the process."""

    wall: Callable[[], datetime]
    facts: Facts
    turns: Turns = attrs.field(factory=Turns)
    _account: Account = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        kept = self.facts.fact("budget")
        self._account = Account(DIALS, self.wall()) if kept is None else _read(kept)

    @property
    def held_until(self) -> datetime | None:
        """Until when nothing but exits is sent; None when the process does not hold."""
        now = self.wall()
        until = self._at(now).held_until
        return until if until is not None and until > now else None

    @property
    def hold_reason(self) -> str | None:
        if self._account.held_until is None:  # every follower of a round asks
            return None
        return self._account.hold_reason if self.held_until else None

    @property
    def dials_left(self) -> int:
        return int(self._at(self.wall()).dials)

    def dial(self) -> None:
        """Takes one dial out of the bucket. Raises Spent."""
        self.not_held()
        spent = self.spent
        if spent is not None:
            raise spent
        account = self._at(self.wall())
        self._keep(attrs.evolve(account, dials=account.dials - 1))

    @property
    def spent(self) -> Spent | None:
        """Why there is no dial in the bucket, and until when; None when there is one."""
        now = self.wall()
        dials = self._at(now).dials
        if dials >= 1:
            return None
        wait = timedelta(minutes=(1 - dials) / DIALS_A_MINUTE)
        return Spent(f"this process has dialed {DIALS} times in short time and waits", now + wait)

    def token_request(self) -> None:
        """May a token be asked for now? Raises Spent."""
        self.not_held()
        until = self.tokens_held_until
        if until is not None:
            words = f"{FAILED_TOKENS_AN_HOUR} token requests failed within an hour; more would lock this address out"
            raise Spent(words, until)

    @property
    def tokens_held_until(self) -> datetime | None:
        """Until when no token is asked for, because too many requests have failed; None when one may be."""
        failed = self._at(self.wall()).failed_tokens
        return failed[0] + HOUR if len(failed) >= FAILED_TOKENS_AN_HOUR else None

    def token_failed(self) -> None:
        account = self._at(self.wall())
        self._keep(attrs.evolve(account, failed_tokens=(*account.failed_tokens, self.wall())))

    def not_held(self) -> None:
        """Raises Spent while the process holds."""
        until = self.held_until
        if until is not None:
            raise Spent(f"{self._account.hold_reason}; nothing but exits is sent until {until:%H:%M:%S} UTC", until)

    def limited(self, reason: str, announced: timedelta | None = None) -> datetime:
        """The broker has said that it is too much. Answers until when the process holds."""
        now = self.wall()
        account = self._at(now)
        hold = announced or min(account.hold * 2 or FIRST_HOLD, LONGEST_HOLD)
        until = max(now + hold, self.held_until or now)
        self._keep(attrs.evolve(account, held_until=until, hold_reason=reason, hold=hold))
        return until

    def _at(self, now: datetime) -> Account:
        later = self._account.at(now)
        if self._account.counted_at > now:
            self._account = later  # from here on it is counted by the clock as it was set
        return later

    def _keep(self, account: Account) -> None:
        self._account = account
        self.facts.keep_fact("budget", _written(account))


def _written(account: Account) -> str:
    return json.dumps(
        {
            "dials": account.dials,
            "counted_at": account.counted_at.isoformat(),
            "failed_tokens": [at.isoformat() for at in account.failed_tokens],
            "held_until": account.held_until.isoformat() if account.held_until else None,
            "hold_reason": account.hold_reason,
            "hold": account.hold.total_seconds(),
        }
    )


def _read(text: str) -> Account:
    kept = json.loads(text)
    return Account(
        dials=kept["dials"],
        counted_at=datetime.fromisoformat(kept["counted_at"]),
        failed_tokens=tuple(datetime.fromisoformat(at) for at in kept["failed_tokens"]),
        held_until=datetime.fromisoformat(kept["held_until"]) if kept["held_until"] else None,
        hold_reason=kept["hold_reason"],
        hold=timedelta(seconds=kept["hold"]),
    )
