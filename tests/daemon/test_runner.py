"""A state is a nursery: what ran in it has ended before anything new begins, and what it posted late is not heard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import attrs
import pytest
import trio
from trio.testing import MockClock

from daemon.runner import Activity, Inbox, Item, Post, Runner, Visit
from statecharts import events as e
from statecharts import states as s
from statecharts.account import Account
from statecharts.effects import Effect
from statecharts.values import AccountName, CopyId

NOON = datetime(2026, 11, 18, 18, tzinfo=UTC)
Told = Callable[[trio.Nursery], Awaitable[None]]


def told(story: Told) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await story(nursery)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def _event() -> e.Event:
    return e.TimerFired(at=NOON)


def _backing_off() -> s.State:
    return s.BackingOff(since=NOON)


@attrs.define(eq=False)
class Diary:
    """What began and what ended, in order."""

    lines: list[str] = attrs.field(factory=list)
    posts: dict[str, Post] = attrs.field(factory=dict)

    def of(self, state: s.State) -> Activity | None:
        if isinstance(state, s.Stopped):
            return None
        name = type(state).__name__
        return lambda post: self._keep(name, post)

    async def hold_session(self, post: Post) -> None:
        await self._keep("session", post)

    async def _keep(self, name: str, post: Post) -> None:
        self.lines.append(f"+{name}")
        self.posts[name] = post
        try:
            await trio.sleep_forever()
        finally:
            self.lines.append(f"-{name}")


@attrs.define(eq=False)
class NoErrands:
    performed: list[Effect] = attrs.field(factory=list)

    def perform(self, effect: Effect) -> None:
        self.performed.append(effect)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        await trio.sleep_forever()


@attrs.define(eq=False)
class Script:
    """Takes turns: each leads to the next state of the script, None: to the same."""

    states: list[s.State | None]
    taken: list[e.Event] = attrs.field(factory=list)

    def take(self, runner: Runner, item: Item) -> None:
        self.taken.append(item.event)
        after = self.states.pop(0) if self.states else None
        if after is not None:
            runner.account = attrs.evolve(runner.account, connection=after)

    async def follow(self) -> None:
        """Nothing was left for later."""


@attrs.define(eq=False)
class Stage:
    runner: Runner
    diary: Diary
    script: Script

    @classmethod
    def of(cls, nursery: trio.Nursery, first: s.State, *states: s.State | None) -> Stage:
        diary, script = Diary(), Script(list(states))
        runner = Runner(Account(name=AccountName("f1"), connection=first), script, diary, NoErrands())
        nursery.start_soon(runner.run)
        return cls(runner, diary, script)

    async def turn(self) -> list[str]:
        """Posts an event, and answers what began and ended with it."""
        before = len(self.diary.lines)
        self.runner.post(_event())
        await trio.sleep(1)
        return self.diary.lines[before:]


def test_leaving_a_state_ends_its_activity_before_the_next_one_begins() -> None:
    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, _backing_off(), s.GivenUp(since=NOON, lost_at=NOON), s.Stopped(since=NOON))
        await trio.sleep(1)
        assert stage.diary.lines == ["+BackingOff"]
        assert await stage.turn() == ["-BackingOff", "+GivenUp"]
        assert await stage.turn() == ["-GivenUp"]

    told(story)


def test_the_same_state_goes_on_and_an_equal_one_is_entered_anew() -> None:
    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, _backing_off(), None, _backing_off())
        await trio.sleep(1)
        assert await stage.turn() == []
        assert await stage.turn() == ["-BackingOff", "+BackingOff"]

    told(story)


def test_the_session_spans_its_three_states_and_ends_with_the_last() -> None:
    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, s.Dialing(since=NOON), s.Resyncing(since=NOON), s.Copying(since=NOON), _backing_off())
        await trio.sleep(1)
        assert sorted(stage.diary.lines) == ["+Dialing", "+session"]
        assert await stage.turn() == ["-Dialing", "+Resyncing"]
        assert await stage.turn() == ["-Resyncing", "+Copying"]
        assert await stage.turn() == ["-Copying", "-session", "+BackingOff"]

    told(story)


def test_what_is_posted_for_a_state_that_has_been_left_is_not_heard() -> None:
    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, _backing_off(), s.GivenUp(since=NOON, lost_at=NOON))
        await trio.sleep(1)
        post = stage.diary.posts["BackingOff"]
        late = _event()
        stage.runner.post(_event())
        post(late)  # in the inbox before the state is left, taken up after
        await trio.sleep(1)
        post(late)
        await trio.sleep(1)
        assert len(stage.script.taken) == 1
        assert stage.runner.inbox.unheard == 2

    told(story)


def test_an_activity_that_raises_ends_the_run_with_everything_in_it() -> None:
    async def main() -> None:
        account = Account(name=AccountName("f1"), connection=s.Copying(since=NOON))
        with pytest.RaisesGroup(ArithmeticError, flatten_subgroups=True):
            await Runner(account, Script([]), _Bad(), NoErrands()).run()

    trio.run(main, clock=MockClock(autojump_threshold=0))


class _Bad:
    def of(self, state: s.State) -> Activity | None:
        return None

    async def hold_session(self, post: Post) -> None:
        await trio.sleep(1)
        raise ArithmeticError("a bug")


def test_an_inbox_that_waits_is_idle_and_one_that_has_something_is_not() -> None:
    async def story(nursery: trio.Nursery) -> None:
        inbox = Inbox()
        idle = [inbox.idle]
        nursery.start_soon(inbox.take)
        await trio.sleep(1)
        idle.append(inbox.idle)
        inbox.post(_event())
        idle.append(inbox.idle)
        assert idle == [False, True, False]

    told(story)


def test_a_take_that_is_cancelled_leaves_the_event_and_no_idleness() -> None:
    async def story(nursery: trio.Nursery) -> None:
        inbox = Inbox()
        with trio.move_on_after(1):
            await inbox.take()
        assert not inbox.idle
        inbox.post(_event(), outbox_id=7)
        with trio.CancelScope() as scope:
            scope.cancel()
            await inbox.take()
        item = await inbox.take()
        assert item is not None
        assert item.outbox_id == 7

    told(story)


def test_a_crash_from_outside_is_raised_once_by_the_account_s_own_task() -> None:
    async def story(nursery: trio.Nursery) -> None:
        inbox = Inbox()
        inbox.post(_event())
        inbox.crash(ArithmeticError("of this account, in another's task"))
        with pytest.raises(ArithmeticError):
            await inbox.take()
        assert await inbox.take() is not None

    told(story)


def test_a_closed_inbox_takes_only_what_comes_back_from_errands() -> None:
    async def story(nursery: trio.Nursery) -> None:
        inbox = Inbox()
        answer = e.NeverSent(at=NOON, copy=CopyId("c"), client_id="c", reason="not connected")
        inbox.post(_event())
        inbox.post(answer)
        inbox.close()
        inbox.post(_event())
        inbox.post(answer)
        taken = [await inbox.take(), await inbox.take()]
        assert [item.event for item in taken if item] == [answer, answer]
        with trio.move_on_after(1) as patience:
            await inbox.take()
        assert patience.cancelled_caught

    told(story)


def test_an_item_of_a_visit_that_is_over_is_counted_and_passed_by() -> None:
    async def story(nursery: trio.Nursery) -> None:
        inbox = Inbox()
        inbox.post(_event(), Visit(over=True))
        inbox.post(e.Started(at=NOON))
        item = await inbox.take()
        assert item is not None
        assert isinstance(item.event, e.Started)
        assert inbox.unheard == 1

    told(story)
