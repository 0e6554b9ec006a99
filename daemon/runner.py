"""One account, running: an inbox, one turn at a time, and a state that is a nursery.

Rule 1: this file knows no broker. It enters a state's scope, starts the state's activity in it, takes turns until the
        state is another one, and leaves the scope, which ends everything that the state had started.
Rule 2: the scope of the session spans Dialing, Resyncing and Copying: one nursery around these leaves holds the lease.
Rule 3: an event posted by an activity whose state has been left is not heard.
Rule 4: errands are the exception: they belong to the account, outlive its states, and always come back as an event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs
import trio

from statecharts.account import Account
from statecharts.effects import Effect
from statecharts.events import ErrandEvent, Event
from statecharts.states import HoldsSession, State
from statecharts.values import AccountName


@attrs.define(eq=False, repr=False)
class Visit:
    """One stay in a state, or in the scope of the session."""

    over: bool = False


@attrs.frozen
class Item:
    """Something in the inbox. `outbox_id` is the ledger's number of an announcement that had to wait."""

    event: Event
    visit: Visit | None = None
    outbox_id: int | None = None


@attrs.define(eq=False, repr=False)
class Inbox:
    """`idle`: is its account waiting with nothing left to do? Only then may a round take it along."""

    idle: bool = False
    taken: int = 0  # events that have been taken out so far
    unheard: int = 0  # events of activities whose state had been left
    closing: bool = False  # from now on only what comes back from errands
    _bug: Exception | None = None
    _items: deque[Item] = attrs.field(factory=deque)
    _changed: trio.Event = attrs.field(factory=trio.Event)

    def post(self, event: Event, visit: Visit | None = None, outbox_id: int | None = None) -> None:
        if self.closing and not isinstance(event, ErrandEvent):
            return
        self._items.append(Item(event, visit, outbox_id))
        self.idle = False
        self._changed.set()

    @property
    def empty(self) -> bool:
        return not self._items

    def poke(self) -> None:
        """Wakes the account although nothing was posted: a round has changed its state."""
        self.idle = False
        self._changed.set()

    def crash(self, bug: Exception) -> None:
        """A bug of this account's that came up in another's task: its own task raises it at its next event."""
        self._bug = bug
        self.poke()

    def close(self) -> None:
        """The daemon is stopping: what has not been taken up stays with the broker, or in the outbox."""
        self.closing = True
        kept = [item for item in self._items if isinstance(item.event, ErrandEvent)]
        self._items = deque(kept)

    async def take(self) -> Item | None:
        """The next event that is still to be heard; None when poked. Raises what `crash` was given."""
        if self._bug is not None:
            bug, self._bug = self._bug, None
            raise bug
        while self._items:
            await trio.lowlevel.checkpoint()  # before: what is cancelled here leaves the event to the next run
            item = self._items.popleft() if self._items else None
            self.taken += 1
            if item is None or item.visit is None or not item.visit.over:
                return item
            self.unheard += 1
        self._changed = trio.Event()
        self.idle = True
        try:
            await self._changed.wait()
        finally:
            self.idle = False
        return None


class TakesTurns(Protocol):
    """What carries a turn through: step, ledger, effects. Synchronous, so that nothing comes in between.

    `follow` begins what was left for later, and is waited for by whoever has taken a turn.
    """

    def take(self, runner: Runner, item: Item) -> None: ...
    async def follow(self) -> None: ...


Begin = Callable[[], None]
Post = Callable[[Event], None]
Activity = Callable[[Post], Awaitable[None]]


class Activities(Protocol):
    """What goes on while an account is in a state."""

    def of(self, state: State) -> Activity | None: ...
    async def hold_session(self, post: Post) -> None: ...


class Errands(Protocol):
    """What carries effects out, in the account's own nursery. `perform` answers what can wait until bytes are out."""

    def perform(self, effect: Effect) -> Begin | None: ...
    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None: ...


@attrs.define(eq=False, repr=False)
class Runner:
    """`account` is written by rounds alone."""

    account: Account
    rounds: TakesTurns
    activities: Activities
    errands: Errands
    inbox: Inbox = attrs.field(factory=Inbox)

    @property
    def name(self) -> AccountName:
        return self.account.name

    def post(self, event: Event) -> None:
        self.inbox.post(event)

    async def run(self) -> None:
        """Runs until it is cancelled. Raises only for bugs."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.errands.run)
            while True:
                if isinstance(self.account.connection, HoldsSession):
                    await self._with_session()
                else:
                    await self._leaf()

    async def _with_session(self) -> None:
        visit = Visit()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.activities.hold_session, self._poster(visit))
            while isinstance(self.account.connection, HoldsSession):
                await self._leaf()
            visit.over = True
            nursery.cancel_scope.cancel()

    async def _leaf(self) -> None:
        state = self.account.connection
        activity = self.activities.of(state)
        visit = Visit()
        async with trio.open_nursery() as nursery:
            if activity is not None:
                nursery.start_soon(activity, self._poster(visit))
            while self.account.connection is state:
                item = await self.inbox.take()
                if item is not None:
                    self.rounds.take(self, item)
                    await self.rounds.follow()
            visit.over = True
            nursery.cancel_scope.cancel()

    def _poster(self, visit: Visit) -> Post:
        def post(event: Event) -> None:
            if visit.over:
                self.inbox.unheard += 1
            else:
                self.inbox.post(event, visit)

        return post
