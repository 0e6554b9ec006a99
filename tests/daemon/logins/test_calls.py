"""Requests in the queue: who goes first, what a deadline ends, and what counts as sent."""

from __future__ import annotations

import trio

from daemon.logins.calls import Answered, Call, Lost, Queue, Urgency
from tests.daemon.logins.scripted import told


def _call(name: str, urgency: int) -> Call:
    return Call(name, 1, urgency)


def test_the_most_urgent_goes_first_and_equals_keep_their_order() -> None:
    async def story(nursery: trio.Nursery) -> None:
        queue = Queue()
        order = [("entry", 3), ("read", Urgency.READ), ("exit 1", 0), ("beat", Urgency.HEARTBEAT), ("exit 2", 0)]
        for name, urgency in order:
            queue.put(_call(name, urgency))
        taken = [(await queue.take())[0].frame for _ in order]
        assert taken == ["beat", "exit 1", "exit 2", "entry", "read"]
        assert len(queue) == 0

    told(story)


def test_take_waits_for_the_next() -> None:
    async def story(nursery: trio.Nursery) -> None:
        queue = Queue()

        async def later() -> None:
            await trio.sleep(3)
            queue.put(_call("late", 0))

        nursery.start_soon(later)
        assert (await queue.take())[0].frame == "late"
        assert trio.current_time() == 3

    told(story)


def test_a_deadline_takes_what_has_not_begun_out_of_the_queue() -> None:
    async def story(nursery: trio.Nursery) -> None:
        queue = Queue()
        waiting, other = _call("waiting", 0), _call("other", 3)
        queue.put(waiting)
        queue.put(other)
        outcome = await waiting.answer(2.0)
        assert isinstance(outcome, Lost)
        assert not outcome.begun
        assert trio.current_time() == 2
        assert await queue.take() == [other]

    told(story)


def test_a_deadline_ends_the_wait_for_what_has_begun_and_the_answer_may_still_come() -> None:
    async def story(nursery: trio.Nursery) -> None:
        call = _call("begun", 0)
        call.begun = True
        outcome = await call.answer(2.0)
        assert isinstance(outcome, Lost)
        assert outcome.begun
        assert not call.dropped
        call.finish(Answered(200, {"orderId": 1}))
        assert await call.late_answer() == Answered(200, {"orderId": 1})

    told(story)


def test_the_first_outcome_is_the_outcome() -> None:
    async def story(nursery: trio.Nursery) -> None:
        call = _call("once", 0)
        call.finish(Answered(200, 1))
        call.finish(Lost("afterwards", begun=True))
        assert await call.answer(1.0) == Answered(200, 1)
        lost = _call("lost", 0)
        lost.finish(Lost("the session ended", begun=True))
        assert await lost.late_answer() is None

    told(story)
