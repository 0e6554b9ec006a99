"""A round: one event, the turns that follow from it at once, one commit, then the effects.

Rule 1: a leader's event, its turn and the turns of every idle follower are one transaction in the ledger. A follower
        that is busy finds the announcement in the outbox, written in the same transaction.
Rule 2: nothing is carried out before it is written down.
Rule 3: a turn that raises is recorded as consumed and failed; its account becomes close-only, and the others never
        notice.
Rule 4: who can lose most is sent for first: exits before entries, then the larger ones. What can wait until the bytes
        are out does (`follow`).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import attrs
import trio

from daemon.ledger import Ledger, Posted, Taken, Unwritable
from daemon.runner import Begin, Item, Runner
from statecharts import account as core
from statecharts import states as s
from statecharts.effects import Announce, PlaceOrder, Priority, Request
from statecharts.events import Event, LeaderEvent, LeaderViewTaken
from statecharts.values import AccountName

Told = Callable[[Taken], None]

PASSES = 2  # of trio's loop: in the first the writers run, and in the second they have written
_NO_REQUEST = (len(Priority), 0)


@attrs.define(eq=False, repr=False)
class Rounds:
    """`followers` names who follows whom; `told` hears of every turn once its effects are under way: the journal."""

    ledger: Ledger
    wall: Callable[[], datetime]
    told: Told
    followers: Mapping[AccountName, Sequence[AccountName]]
    runners: dict[AccountName, Runner] = attrs.field(factory=dict)
    _later: list[tuple[Runner, Begin]] = attrs.field(factory=list)

    def take(self, runner: Runner, item: Item) -> None:
        """Raises LedgerError when the turn cannot be written down; then nothing of it has happened."""
        round_ = _Round(self)
        round_.turn(runner, item.event, item.outbox_id)
        self._carry_out(round_)

    async def follow(self) -> None:
        """Lets what was queued leave before that is begun which can wait.

        (To begin to wait for the answers of twenty orders takes about a millisecond, to look at twenty alarms another,
        and trio lets those tasks run before the one that writes, or after it, as it likes.)
        """
        if self._later:
            try:
                for _ in range(PASSES):
                    await trio.lowlevel.checkpoint()
            finally:
                self._begin_the_rest()

    def _begin_the_rest(self) -> None:
        later, self._later = self._later, []
        for runner, begin in later:
            try:
                begin()
            except Exception as bug:  # noqa: BLE001 - as in `_carry_out`
                runner.inbox.crash(bug)

    def fail(self, runner: Runner, bug: BaseException) -> None:
        """The account's tasks have crashed and its lease is gone: the same as a turn that raised."""
        account = runner.account
        turn = core.fail(account, self.wall(), _what(bug), dropped=True)
        crash = Event(at=self.wall())
        round_ = _Round(self)
        round_.add(runner, Taken(account, turn.account, crash, turn.effects, failed=_story(bug)))
        self._carry_out(round_)
        self._begin_the_rest()

    def introduce(self, leader: AccountName, follower: Runner) -> None:
        """Tells a follower that has come later what its leader has announced before, when he is being copied."""
        runner = self.runners.get(leader)
        view = runner.account.book.mine if runner is not None else None
        if runner is not None and view is not None and isinstance(runner.account.connection, s.Copying):
            follower.post(LeaderViewTaken(at=self.wall(), leader=leader, view=view))

    def _carry_out(self, round_: _Round) -> None:
        ids = self._written(round_)
        for runner, taken in round_.taken:
            if taken.after.connection is not taken.before.connection:
                runner.inbox.poke()
            runner.account = taken.after
        for posted, outbox_id in zip(round_.posted, ids, strict=True):
            self.runners[posted.follower].inbox.post(posted.event, outbox_id=outbox_id)
        for runner, taken in sorted(round_.taken, key=_urgency):
            try:
                for effect in taken.effects:
                    begin = runner.errands.perform(effect)
                    if begin is not None:
                        self._later.append((runner, begin))
            except Exception as bug:  # noqa: BLE001 - this task may be the leader's: the bug goes to the account that has it
                runner.inbox.crash(bug)
        for _, taken in round_.taken:
            self.told(taken)

    def _written(self, round_: _Round) -> list[int]:
        """One commit. A turn that nobody can write down is a bug of its account's, and spoils no other."""
        while True:
            try:
                return self.ledger.commit([taken for _, taken in round_.taken], round_.posted)
            except Unwritable as bad:
                round_.spoiled(bad)


@attrs.define(eq=False, repr=False)
class _Round:
    """The turns of one round while they are being gathered."""

    rounds: Rounds
    taken: list[tuple[Runner, Taken]] = attrs.field(factory=list)
    posted: list[Posted] = attrs.field(factory=list)

    def turn(self, runner: Runner, event: Event, outbox_id: int | None = None) -> None:
        before = runner.account
        failed = None
        try:
            turn = core.step(before, event)
        except Exception as bug:  # noqa: BLE001 - a bug in one account's turn must not end the others; it is written down
            turn = core.fail(before, event.at, _what(bug), event)
            failed = _story(bug)
        self.add(runner, Taken(before, turn.account, event, turn.effects, consumed=outbox_id, failed=failed))
        if failed is not None and isinstance(event, LeaderEvent) and not isinstance(turn.account.connection, s.Stopped):
            self._tell_again(runner.name, event)

    def _tell_again(self, follower: AccountName, event: LeaderEvent) -> None:
        """What the leader said went with the turn that raised: its whole view is told once more."""
        leader = self.rounds.runners.get(event.leader)
        if leader is None:
            return
        known = next((taken.after for one, taken in reversed(self.taken) if one is leader), leader.account)
        if isinstance(known.connection, s.Copying) and known.book.mine is not None:
            view = LeaderViewTaken(at=event.at, leader=event.leader, view=known.book.mine)
            self.posted.append(Posted(event.leader, follower, view))

    def add(self, runner: Runner, taken: Taken) -> None:
        self.taken.append((runner, taken))
        for effect in taken.effects:
            if isinstance(effect, Announce):
                self._announce(runner.name, effect.event)

    def spoiled(self, bad: Unwritable) -> None:
        """One turn cannot be written down: it is taken as failed. Raises the bug when that cannot be written either.

        Where it was the first one, what the others made of its announcements has not happened.
        """
        place = next(n for n, (_, taken) in enumerate(self.taken) if taken.after.name == bad.account)
        runner, taken = self.taken[place]
        if type(taken.event) is Event and taken.failed is not None:
            raise bad.bug
        turn = core.fail(taken.before, taken.event.at, _what(bad.bug), taken.event)
        event = Event(at=taken.event.at)  # the one that led to it may be what cannot be written
        failed = Taken(taken.before, turn.account, event, turn.effects, taken.consumed, _story(bad.bug))
        if place == 0:
            self.taken, self.posted = [], []
            self.add(runner, failed)
        else:
            self.taken[place] = runner, failed
        if isinstance(taken.event, LeaderEvent) and not isinstance(turn.account.connection, s.Stopped):
            self._tell_again(runner.name, taken.event)

    def _announce(self, leader: AccountName, event: LeaderEvent) -> None:
        for name in self.rounds.followers.get(leader, ()):
            follower = self.rounds.runners.get(name)
            if follower is not None and follower.inbox.idle and all(follower is not one for one, _ in self.taken):
                self.turn(follower, event)
            else:
                self.posted.append(Posted(leader, name, event))


def _urgency(one: tuple[Runner, Taken]) -> tuple[int, int]:
    """Of an account's requests together: the first priority, then the largest number of contracts."""
    requests = [effect for effect in one[1].effects if isinstance(effect, Request)]
    if not requests:
        return _NO_REQUEST
    sizes = [effect.terms.quantity for effect in requests if isinstance(effect, PlaceOrder)]
    return min(effect.priority for effect in requests), -max(sizes, default=0)


def _what(bug: BaseException) -> str:
    """One phrase for the operator; the whole story is in the ledger and the journal."""
    while isinstance(bug, BaseExceptionGroup):
        bug = bug.exceptions[0]
    where = traceback.extract_tb(bug.__traceback__)[-1:] if bug.__traceback__ else []
    place = f" at {where[0].name}, line {where[0].lineno}" if where else ""
    return f"{type(bug).__name__}{place}"


def _story(bug: BaseException) -> str:
    return "".join(traceback.format_exception(bug))
