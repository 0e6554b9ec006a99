"""What goes on while an account is in a state: hold the session, read anew, wait, probe.

Rule 1: an activity ends by posting and returning; it raises only for bugs.
Rule 2: it decides nothing: bounds come from the chart, the throw of the dice from the login.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import attrs
import trio

from daemon.logins.login import Login
from daemon.logins.session import Session
from daemon.ports import Ports
from daemon.runner import Activity, Post
from statecharts import connection, reopening
from statecharts import states as s
from statecharts.events import (
    AccountMissing,
    Authorized,
    Event,
    SessionFound,
    SessionLost,
    SnapshotTaken,
    TimerFired,
    TokenRefused,
)
from statecharts.rules import ReconnectRules
from statecharts.values import BrokerAccountId

LOOK_AT_THE_CLOCK = 60.0  # seconds: whoever waits for a time of day looks again, for it may be set


@attrs.define(eq=False, repr=False)
class AccountActivities:
    """`name` is the broker's name of the account.

    `session` is set while its lease lasts, `read` once the account has been read on it.
    """

    name: str
    login: Login
    ports: Ports
    rules: Callable[[], ReconnectRules]
    in_position: Callable[[], bool]  # does an account of the login hold a position?
    hear: Callable[[Event], None]  # where the facts about this account go
    session: Session | None = None
    read: bool = False
    next_attempt_at: datetime | None = None

    def readable(self) -> Session | None:
        """The session on which this account has been read, if it is still there."""
        return self.session if self.read and self.session is not None and not self.session.ended.is_set() else None

    def of(self, state: s.State) -> Activity | None:
        self.next_attempt_at = None
        match state:
            case s.BackingOff():
                return lambda post: self._wait(post, state)
            case s.Maintenance():
                return lambda post: self._wait_for_reopening(post, state)
            case s.GivenUp():
                return self._probe
            case s.Resyncing():
                return lambda post: self._read_in_time(post, state)
            case s.Dialing() if (late := reopening.late_at(state)) is not None:
                return lambda post: self._until(post, late)
        return None

    async def hold_session(self, post: Post) -> None:
        """The lease on the login's session, while the account is in Dialing, Resyncing or Copying."""
        async with self.login.lease() as session:
            self.session = session
            try:
                await _either(session.authorized.wait, session.ended.wait)
                if not session.ended.is_set():
                    post(Authorized(at=self.ports.wall()))
                    await session.ended.wait()
                self._post_loss(post, session)
                await trio.sleep_forever()
            finally:
                self.session, self.read = None, False

    def _post_loss(self, post: Post, session: Session) -> None:
        loss = session.loss
        assert loss is not None, "a session that has ended says why"
        # Real world: the user says yes in the browser while the dial that found no token comes to its end.
        if loss.final and self.login.tokens.current is None:
            post(TokenRefused(at=self.ports.wall(), reason=loss.reason))
        else:
            post(SessionLost(at=self.ports.wall(), reason=loss.reason, cause=loss.cause, advice=loss.advice))

    async def _read(self, post: Post) -> None:
        session = self.session
        assert session is not None, "an account is read on a session"
        anew = session.synced.is_set()
        taken = False

        async def take() -> None:
            nonlocal taken
            await session.whole()
            account, asked = session.mirror.account_id(self.name), False
            if account is None:  # younger than the snapshot, or that one was empty: the broker's list decides
                account, asked = await session.account_listed(self.name), True
            if account is not None:
                await session.settled(account, anew or asked)
            if not session.ended.is_set():
                self._take(post, session)
                taken = True

        await _either(take, session.ended.wait)
        if not taken:
            # Also when the turn that was told of it has failed: nothing is read from what a dead socket has left.
            self._post_loss(post, session)

    def _take(self, post: Post, session: Session) -> None:
        """Reads at once: an event between the right moment and the snapshot would tear it."""
        account = session.mirror.account_id(self.name)
        snapshot = None if account is None else session.mirror.snapshot(account, self.ports.wall())
        if account is None or snapshot is None:
            seen = ", ".join(session.mirror.account_names())
            reason = f"login {self.login.name} does not see an account named {self.name}; it sees {seen}"
            post(AccountMissing(at=self.ports.wall(), reason=reason))
            return
        self.login.hear(BrokerAccountId(account), self.hear)
        self.read = True
        post(SnapshotTaken(at=self.ports.wall(), snapshot=snapshot))

    async def _wait(self, post: Post, state: s.BackingOff) -> None:
        low, high = connection.delay(state, self.rules(), self.in_position(), self.ports.wall())
        wake = self.login.wake_time(state.attempt, low.total_seconds(), high.total_seconds())
        given_up = (state.since + self.rules().give_up_after - self.ports.wall()).total_seconds()
        wait = min(wake - trio.current_time(), max(0.0, given_up))
        await self._sleep(wait)
        post(TimerFired(at=self.ports.wall()))

    async def _wait_for_reopening(self, post: Post, state: s.Maintenance) -> None:
        """Probes, until the account should have been back."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until, post, state.until + reopening.LATE)
            while True:
                low, high = reopening.probing(state, self.rules().windows, self.ports.wall())
                await self._probe_between(post, low.total_seconds(), high.total_seconds(), low.total_seconds() / 2)

    async def _read_in_time(self, post: Post, state: s.Resyncing) -> None:
        late = reopening.late_at(state)
        async with trio.open_nursery() as nursery:
            if late is not None:
                nursery.start_soon(self._until, post, late)
            await self._read(post)
            nursery.cancel_scope.cancel()

    async def _until(self, post: Post, moment: datetime) -> None:
        while True:
            left = (moment - self.ports.wall()).total_seconds()
            if left <= 0:
                break
            await trio.sleep(min(left, LOOK_AT_THE_CLOCK))
        post(TimerFired(at=self.ports.wall()))
        await trio.sleep_forever()

    async def _probe(self, post: Post) -> None:
        every = self.rules().probe_every.total_seconds()
        while True:
            await self._probe_between(post, every, every * 1.1)

    async def _probe_between(self, post: Post, low: float, high: float, shared: float = 0.0) -> None:
        at = self.login.probe_time(low, high)
        self.next_attempt_at = self._wall_at(at)
        if await self.login.probe(at, shared):
            post(SessionFound(at=self.ports.wall()))

    async def _sleep(self, seconds: float) -> None:
        at = trio.current_time() + max(0.0, seconds)
        self.next_attempt_at = self._wall_at(at)
        await trio.sleep_until(at)

    def _wall_at(self, moment: float) -> datetime:
        """The time of day when trio's clock will stand there."""
        return self.ports.wall() + timedelta(seconds=moment - trio.current_time())


async def _either(first: Callable[[], Awaitable[None]], second: Callable[[], Awaitable[None]]) -> None:
    async with trio.open_nursery() as nursery:

        async def wait(for_what: Callable[[], Awaitable[None]]) -> None:
            await for_what()
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait, first)
        nursery.start_soon(wait, second)
