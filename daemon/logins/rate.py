"""What one login may ask of the broker: a bucket a minute deep and one an hour deep, shared by all of its accounts.

Rule 1: every request costs one, on the socket and over REST. The heartbeat is no request.
Rule 2: who may go when little is left: exits and cancels always; changes, and what must be known, while every follower
        can still be got out; what is only good to know from the surplus.
Rule 3: an entry is admitted only when after it enough is left to get every follower of the login out. The entries of
        one cause, what the leader did, are admitted for all followers of the login or for none: the first that comes
        decides, and what the others do not need is given back.
Rule 4: a limit or a penalty halves both buckets; a quarter of an hour without one doubles them again, up to what is
        configured. They stay deep enough for one entry of every follower and the way out.
Rule 5: what was spent is kept ahead of the spending, so that no restart forgets it. A restart may believe a little more
        to be spent than was. What is only believed makes no debt: a row of crashes would forbid all reads for minutes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import attrs

from daemon.config.sense import FLATTEN_REQUESTS
from daemon.logins.calls import Urgency
from daemon.logins.grant import Facts
from statecharts.effects import Priority

SHRINK = 0.5
LEAST_SHARE = 0.125
DOUBLED_IN = timedelta(minutes=15)
ENOUGH = 10.0  # doublings, for any share that there is; no float holds those of eleven days
SURPLUS = 0.25  # of a bucket: below that nothing is asked that is only good to know
PROMISED_FOR = timedelta(seconds=5)  # to followers that are busy; a turn takes milliseconds
DECIDED_FOR = timedelta(seconds=60)
AHEAD = 25  # requests: written down before they are spent, so that not each one is written


@attrs.frozen
class Limits:
    minute: int
    hour: int


@attrs.frozen
class Level:
    """What is left at `at`. `share` of the limits is in force since `shrunk_at`."""

    minute: float
    hour: float
    at: datetime
    share: float = 1.0
    shrunk_at: datetime | None = None

    def share_at(self, now: datetime) -> float:
        if self.shrunk_at is None:
            return self.share
        doublings = max(timedelta(0), now - self.shrunk_at) / DOUBLED_IN
        return min(1.0, self.share * 2 ** min(doublings, ENOUGH))


@attrs.define(eq=False, repr=False)
class _Decision:
    """About the entries of one cause. `refused`: why none is sent. `promised`: paid for, and not yet used."""

    at: datetime
    refused: str | None
    promised: int = 0


@attrs.define(eq=False, repr=False)
class Rate:
    """`followers` is how many there are to get out; `held`: does the process hold?"""

    login: str
    limits: Limits
    facts: Facts
    wall: Callable[[], datetime]
    followers: Callable[[], int]
    held: Callable[[], bool]
    _level: Level = attrs.field(init=False)
    _ahead: int = 0  # requests that may be made before it has to be written down again
    _decisions: dict[int | str, _Decision] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        text = self.facts.fact(self._key)
        full = Level(self.limits.minute, self.limits.hour, self.wall())
        self._level = full
        if text is not None:
            self._level, ahead = _read(text)
            now = self._now()
            self._level = attrs.evolve(now, minute=_less(now.minute, ahead), hour=_less(now.hour, ahead))

    @property
    def left(self) -> int:
        """Requests, of the bucket that has less."""
        now = self._now()
        return max(0, int(min(now.minute, now.hour)))

    @property
    def reserve(self) -> int:
        """What it takes to get every follower out."""
        return self.followers() * FLATTEN_REQUESTS

    def allows(self, urgency: int) -> bool:
        """May such a request be written now? An entry has been admitted before it was queued."""
        if urgency in (Priority.EXIT, Priority.CANCEL, Priority.ENTRY, Urgency.HEARTBEAT, Urgency.VITAL):
            return True
        if urgency != Priority.MODIFY and self.held():
            return False
        return self.left > self.reserve + (self._surplus if urgency == Urgency.SPARE else 0)

    def spend(self, requests: int = 1) -> None:
        now = self._now()
        minute = max(now.minute - requests, -float(self.limits.minute))
        self._level = attrs.evolve(now, minute=minute, hour=max(now.hour - requests, -float(self.limits.hour)))
        self._ahead -= requests
        if self._ahead < 0:
            self._keep(min(AHEAD, self.limits.minute // 10))

    def admit(self, cause: int | str, followers: Callable[[], int]) -> str | None:
        """Why an entry of this cause is not sent; None when it is, and paid for. `followers` may want one each.

        Both the decisions of the last minute and the followers are looked through once for each cause, and not by each
        of the followers: with a hundred of them that took longer than all of their decisions.
        """
        known = self._decisions.get(cause)
        if known is None or known.promised == 0 or self.wall() - known.at >= PROMISED_FOR:
            self._forget_old_decisions()
            known = self._decisions.get(cause)
        if known is None or (known.refused is None and known.promised == 0):
            known = self._decisions[cause] = self._decided(max(1, followers()) if known is None else 1)
        if known.refused is None:
            known.promised -= 1
        return known.refused

    def shrink(self) -> None:
        """The broker has said that it is too much."""
        now = self._now()
        share = max(LEAST_SHARE, now.share_at(now.at) * SHRINK)
        self._level = attrs.evolve(now, share=share, shrunk_at=now.at)
        self._level = self._now()
        self._keep(0)

    def limit(self, limits: Limits) -> None:
        """Another configuration. What was spent stays spent."""
        if limits == self.limits:
            return
        now = self._now()
        more = limits.minute - self.limits.minute, limits.hour - self.limits.hour
        self.limits = limits
        self._level = attrs.evolve(now, minute=now.minute + more[0], hour=now.hour + more[1])
        self._level = self._now()
        self._keep(0)

    def _decided(self, entries: int) -> _Decision:
        left, reserve, now = self.left, self.reserve, self.wall()
        if left - entries < reserve:
            which = "minute" if self._now().minute <= self._now().hour else "hour"
            what = "it takes 1 request" if entries == 1 else f"the followers of this login may need {entries} requests"
            return _Decision(
                now,
                f"the login's budget of requests is short: {left} left of this {which}, {what}, and {reserve} are kept "
                "to get everybody out",
            )
        self.spend(entries)
        return _Decision(now, None, entries)

    def _forget_old_decisions(self) -> None:
        """Gives back what was promised and not used."""
        now = self.wall()
        for cause, known in list(self._decisions.items()):
            if known.promised and now - known.at >= PROMISED_FOR:
                self._give_back(known.promised)
                known.promised = 0
            if now - known.at >= DECIDED_FOR:
                del self._decisions[cause]

    def _give_back(self, requests: int) -> None:
        now = self._now()
        self._level = attrs.evolve(now, minute=now.minute + requests, hour=now.hour + requests)
        self._level = self._now()

    @property
    def _surplus(self) -> float:
        return SURPLUS * self._deep(self.limits.minute, self.wall())

    def _deep(self, limit: int, now: datetime) -> float:
        """How deep a bucket is now."""
        followers = self.followers()
        return max(limit * self._level.share_at(now), min(limit, followers * (FLATTEN_REQUESTS + 1)))

    def _now(self) -> Level:
        """Refilled."""
        now, level = self.wall(), self._level
        passed = max(timedelta(0), now - level.at)
        minute, hour = self._deep(self.limits.minute, now), self._deep(self.limits.hour, now)
        return attrs.evolve(
            level,
            minute=min(minute, level.minute + minute * (passed / timedelta(minutes=1))),
            hour=min(hour, level.hour + hour * (passed / timedelta(hours=1))),
            at=now,
        )

    def _keep(self, ahead: int) -> None:
        self._ahead = ahead
        self.facts.keep_fact(self._key, _written(self._level, ahead))

    @property
    def _key(self) -> str:
        return f"rate {self.login}"


def _less(left: float, believed: int) -> float:
    """What is left when so many more may have been spent."""
    return min(left, max(0.0, left - believed))


def _written(level: Level, ahead: int) -> str:
    kept = {
        "minute": level.minute,
        "hour": level.hour,
        "at": level.at.isoformat(),
        "share": level.share,
        "shrunk_at": level.shrunk_at.isoformat() if level.shrunk_at else None,
        "ahead": ahead,
    }
    return json.dumps(kept)


def _read(text: str) -> tuple[Level, int]:
    """The level, and how many requests more may have been made since."""
    kept = json.loads(text)
    shrunk = datetime.fromisoformat(kept["shrunk_at"]) if kept["shrunk_at"] else None
    level = Level(kept["minute"], kept["hour"], datetime.fromisoformat(kept["at"]), kept["share"], shrunk)
    return level, kept["ahead"]
