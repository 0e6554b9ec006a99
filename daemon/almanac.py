"""The hours by which a running daemon goes: the table with the operator's days, how old it is, and whose clock counts.

Rule 1: hours count where an account's environment has them, and while the clock is to be trusted.
Rule 2: the broker is asked for its time after a jump of the clock, and at the start unless a token has told it; never
        while the process holds.
Rule 3: an old table is told at the start and every day, and is never a reason to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Protocol

import attrs
import trio

from daemon.clock import Clock
from daemon.config import Config
from daemon.journal import Journal
from daemon.rules import rules_of, with_hours
from statecharts import reopening
from statecharts import states as s
from statecharts.account import Account
from statecharts.market_hours import Markets, staleness
from statecharts.rules import Rules

DAY = 24 * 3600.0  # seconds
LOOK_EVERY = 30.0  # seconds
ASK_AGAIN = 60.0  # seconds: the broker is asked for its time until it answers
# Seconds after the start: a login that needs a token has mostly heard it by then. One that has kept its token has not,
# and until somebody has, what the leader does may look old (tradovate/past.py).
ASK_FIRST = 0.5


class Teller(Protocol):
    """Who can ask a broker what time it is. Answers None when it cannot be had."""

    async def the_time(self) -> datetime | None: ...


def asleep_until(accounts: Iterable[Account]) -> datetime | None:
    """When the first of these needs a token again; None when one of them does now. Who was stopped needs none."""
    ends = []
    for state in (account.connection for account in accounts):
        if isinstance(state, s.Maintenance):
            ends.append(state.until)
        elif not isinstance(state, s.Stopped | s.Unauthorized):
            return None
    return min(ends, default=None)


def probing(accounts: Iterable[Account], now: datetime) -> tuple[float, float] | None:
    """Bounds of the wait before their host is probed, in seconds, where all that are away wait for a reopening."""
    bounds = []
    for account in accounts:
        state = account.connection
        if isinstance(state, s.Maintenance):
            bounds.append(reopening.probing(state, account.rules.reconnect.windows, now))
        elif isinstance(state, s.Reconnecting | s.GivenUp):
            return None
    if not bounds:
        return None
    low, high = min(bounds)
    return low.total_seconds(), high.total_seconds()


@attrs.define(eq=False, repr=False)
class Almanac:
    """`markets` None: no login's environment has hours."""

    clock: Clock
    journal: Journal
    markets: Markets | None = None
    _doubt: trio.Event = attrs.field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self.clock.tell = self._tell
        self.clock.doubted = lambda: self._doubt.set()

    def rules(self, config: Config, name: str) -> Rules:
        """The rules of an account as they are in force: without hours while the clock is not to be trusted."""
        return self.hours(rules_of(config, name), config.environment(name).hours)

    def hours(self, rules: Rules, apply: bool) -> Rules:
        """These rules with the hours that are in force. `apply`: the account's environment has hours."""
        return with_hours(rules, self.markets, apply and self.clock.trusted)

    @property
    def horizon(self) -> tuple[date, date] | None:
        """Until when the table is verified, and until when projected; None where no hours count."""
        if self.markets is None:
            return None
        groups = self.markets.groups.values()
        return min(one.verified_through for one in groups), min(one.projected_through for one in groups)

    async def watch(self) -> None:
        """Says how old the table is, at the start and every day; and looks at the clock, also when nothing happens."""
        while True:
            self.say_age(self.clock.now())
            with trio.move_on_after(DAY):
                while True:
                    await trio.sleep(LOOK_EVERY)
                    self.clock.now()

    def say_age(self, now: datetime) -> None:
        if self.markets is None:
            return
        stale = staleness(self.markets.groups, now)
        if stale is not None:
            self.journal.say("hours.stale", stale.text, severity=stale.severity)
        else:
            assert self.horizon is not None, "there are hours"
            self.journal.say("hours.table", f"the table of market hours is verified through {self.horizon[0]}")

    async def ask_the_time(
        self, logins: Callable[[], Iterable[Teller]], held: Callable[[], bool] = lambda: False
    ) -> None:
        """At the start and when the clock has jumped, the broker is asked what time it is, as soon as it answers.

        `held`: nothing may be asked now. A token that has told the time meanwhile is as good.
        """
        with trio.move_on_after(ASK_FIRST):
            await self._doubt.wait()
        if self.clock.skew is None:
            self._doubt.set()
        while True:
            await self._doubt.wait()
            self._doubt = trio.Event()
            while True:
                if not held() and await self._heard(logins()):
                    break
                await trio.sleep(ASK_AGAIN)

    async def _heard(self, logins: Iterable[Teller]) -> bool:
        for login in logins:
            told = await login.the_time()
            if told is not None:
                self.clock.hear(told)
                return True
        return False

    def _tell(self, kind: str, words: str) -> None:
        self.journal.say(kind, words, severity="warning")
