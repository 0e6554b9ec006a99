"""The one door: an account as a value, and `step(account, event)`, which touches nothing else.

Theory of operation. The connection's table answers first. Then the role: a leader announces, a follower keeps the
fact and, while Copying, decides. Then `pursuit` looks at what the book still wants, and `monitor` at the whole turn.
Last, the alarm is set to the next deadline.

Rule 1: step is total. A pair without a row becomes an `Unexpected` effect.
Rule 2: an account that fails (`fail`) stays close-only until the operator resumes it.
"""

from __future__ import annotations

from datetime import datetime

import attrs

from statecharts import (
    absence,
    agreements,
    apart,
    calendar,
    catch_up,
    closures,
    connection,
    deadlines,
    denials,
    facts,
    firm,
    flattening,
    follower,
    following,
    invariants,
    leader,
    moments,
    monitor,
    outages,
    outcomes,
    own_orders,
    ownership,
    penalties,
    purse,
    pursuit,
    replays,
    resync,
    risk,
    strangers,
)
from statecharts import events as e
from statecharts import states as s
from statecharts.bars import Bar
from statecharts.book import Book, FlattenedBy
from statecharts.draft import Draft
from statecharts.effects import Effect, Severity, Tell, Unexpected, WakeAt
from statecharts.evolution import evolve
from statecharts.rules import CopyRules, Rules
from statecharts.values import AccountName, Order

RESTARTS_AFTER_BUGS = 3


@attrs.frozen(kw_only=True, slots=False)  # copied whole with each change, see evolution.py
class Account:
    """Everything that is known of one account. `failures` counts turns that raised since it was last resumed."""

    name: AccountName
    connection: s.State
    rules: Rules = attrs.field(factory=Rules)
    book: Book = attrs.field(factory=Book)
    paused: bool = False
    close_only: str | None = None
    failures: int = 0
    wake_at: datetime | None = None

    @property
    def no_openings(self) -> str | None:
        """Why this account opens nothing, for reasons of its own."""
        return "the account is paused" if self.paused else self.close_only

    @property
    def in_force(self) -> Rules:
        """The rules by which it copies now; `rules` are those of the file."""
        return agreements.in_force(self.rules, self.book)


@attrs.frozen
class Turn:
    """What one event led to."""

    account: Account
    effects: tuple[Effect, ...] = ()


def step(account: Account, event: e.Event) -> Turn:
    """The next account and what it wants done. Pure and total."""
    before, before_book = account.connection, account.book
    after = before
    of_leader = isinstance(event, e.LeaderEvent)  # it says nothing of this account
    effects: list[Effect] = []
    if not of_leader and isinstance(event, connection.EVENTS):
        closure = closures.closure(account.rules, account.book, event.at)
        found = connection.step(before, event, account.rules.reconnect, closure)
        if found is None:
            effects.append(Unexpected(state=type(before).__name__, event=type(event).__name__))
        else:
            after = found
            effects.extend(outages.told(before, after, event))
    if not of_leader:
        account = _operated(evolve(account, connection=after), event)
    draft = Draft(
        name=account.name,
        at=event.at,
        book=account.book,
        acting=isinstance(after, s.Copying),
        no_openings=account.no_openings,
        markets=account.rules.markets,
        read_back=isinstance(event, e.ReadBack),
        effects=effects,
    )
    rules = account.in_force
    if not of_leader:
        _remember(draft, rules, event)
    if rules.copy is not None:
        risk.heed(draft, event, rules.copy)
    if rules.leads:
        _lead(draft, before, after, event)
    if rules.copy is not None:
        if not of_leader:
            denials.hear(draft, before_book, event)
        _follow(draft, rules.copy, event)
        if isinstance(after, s.Maintenance):
            apart.look(draft, after, rules.copy)
        agreements.keep(draft, rules.copy)
    monitor.guard(draft, event, before_book, rules)
    # Only Copying acts on a deadline: elsewhere an alarm that has passed would ring without end.
    wake_at = deadlines.earliest(draft, rules.copy) if rules.copy and draft.acting else None
    if wake_at != account.wake_at or isinstance(event, e.AlarmRang | e.Started):
        draft.do(WakeAt(at=wake_at))
    return Turn(evolve(account, book=draft.book, wake_at=wake_at), tuple(draft.effects))


def broken(before: Account, event: e.Event, turn: Turn) -> tuple[invariants.Broken, ...]:
    """The invariants that this turn breaks, seen from outside. `step` hands out none of which a request is to blame."""
    after = turn.account
    seen = invariants.Seen(
        event=event,
        before=before.book,
        after=after.book,
        effects=turn.effects,
        rules=agreements.in_force(after.rules, before.book),
        acting=isinstance(after.connection, s.Copying),
        no_openings=after.no_openings,
    )
    return tuple(invariants.broken(seen))


def _operated(account: Account, event: e.Event) -> Account:
    match event:
        case e.PauseAsked():
            return evolve(account, paused=True)
        case e.FlattenAsked() if account.rules.copy is not None:
            return evolve(account, paused=True)
        case e.ResumeAsked():
            return evolve(account, paused=False, close_only=None, failures=0, book=account.book.resumed())
        case e.RulesChanged(rules=rules):
            return evolve(account, rules=rules)
    return account


def _remember(draft: Draft, rules: Rules, event: e.Event) -> None:
    """Facts are kept in every state; a follower's own orders need the view before, so they come first."""
    moments.set_right(draft, event)
    facts.learn(draft, event)
    match event:
        case e.Started():
            resync.start(draft)
        case e.FollowsAnew():
            following.anew(draft, event)
        case e.SnapshotTaken(snapshot=snapshot) if draft.acting:
            before = draft.book.mine
            resync.read(draft, snapshot)
            if rules.copy is not None:
                resync.compare(draft, before, snapshot, rules.copy)
                firm.snapshot_seen(draft, before, snapshot)
                absence.returned(draft, rules.copy)
        case e.OrderSeen(orders=orders):
            for order in orders:
                _own_order_seen(draft, rules, order)
        case e.ReplaySeen():
            replays.seen(draft, event)
        case e.RiskStatusSeen(status=status) if rules.copy is not None:
            firm.status_seen(draft, status)
        case e.PositionSeen(symbol=symbol, net=net):
            positions = {k: n for k, n in draft.book.positions.items() if k != symbol}
            draft.book = evolve(draft.book, positions={**positions, symbol: net} if net else positions)


def _own_order_seen(draft: Draft, rules: Rules, order: Order) -> None:
    if draft.book.mine is None:
        return
    known = draft.book.mine.orders.get(order.id)
    mine = draft.book.mine.with_order(order)
    if rules.leads and draft.acting:
        calendar.leader_seen(draft, order, known, tells=True)
    draft.book = evolve(draft.book, mine=mine)
    if rules.copy is not None:
        own_orders.own_order_seen(draft, mine.orders[order.id], known, rules.copy)


def _lead(draft: Draft, before: s.State, after: s.State, event: e.Event) -> None:
    if isinstance(event, e.OrderSeen):
        leader.order_seen(draft, event)
    elif isinstance(event, e.ReplaySeen):
        replays.announce(draft, event)
    elif isinstance(event, e.SnapshotTaken) and draft.acting:
        leader.read_anew(draft)
    elif isinstance(before, s.Copying) and not isinstance(after, s.Copying):
        leader.lost(draft, event, after)
    elif not isinstance(after, s.Copying):
        leader.still_away(draft, event, before, after)


def _follow(draft: Draft, rules: CopyRules, event: e.Event) -> None:
    match event:
        case e.LeaderOrderSeen():
            follower.leader_order_seen(draft, event, rules)
        case e.LeaderViewTaken():
            absence.over(draft, event, rules)
        case e.LeaderReplaySeen():
            replays.of_leader(draft, event)
        case e.LeaderLost():
            absence.lost(draft, event)
        case e.ErrandEvent():
            outcomes.errand_came_back(draft, event, rules)
        case e.FlattenAsked(symbol=symbol):
            flattening.ask(draft, FlattenedBy.OPERATOR, "the operator asked for it", symbol)
        case e.ReleaseAsked(symbol=symbol):
            ownership.release(draft, symbol)
        case e.AdoptAsked(symbol=symbol):
            ownership.adopt(draft, symbol, rules)
        case e.ResumeAsked():
            flattening.lift(draft, FlattenedBy.OPERATOR, rules)
        case e.OrdersSilenced(until=until):
            penalties.silence(draft, until)
        case e.DiskFilled():
            draft.bar(Bar.DISK, "close-only: the disk is full")
        case e.DiskWritable():
            draft.lift(Bar.DISK)
    if draft.book.unattributed:
        strangers.settle(draft)
    if not isinstance(event, e.LeaderEvent):  # those say nothing of this account
        strangers.look(draft)
    silent_until = draft.book.silent_until
    if not draft.acting or (silent_until is not None and penalties.silent(draft, silent_until)):
        return
    absence.pursue(draft, rules)
    if not draft.book.held_back():
        catch_up.go_on(draft, rules)
    elif draft.book.ready_to_catch_up() and replays.over_at(draft, rules) is None:
        catch_up.run(draft, rules)
    if draft.book.unlisted and not draft.book.held_back():
        catch_up.await_no_longer(draft, rules)
    facts.ask(draft, event, rules)
    if rules.limits.of_money:
        purse.watch(draft)
    pursuit.advance(draft, rules)
    if draft.book.latches:
        flattening.verify(draft)


def fail(account: Account, at: datetime, what: str, during: e.Event | None = None, dropped: bool = False) -> Turn:
    """The account after a turn of it has raised: close-only, restarted by a resync; stopped when that does not help.

    `during` is the event that went with the turn: an answer in it is lost. `dropped`: its lease and its errands are
    gone too, so it dials anew, and everything under way has lost its answer.
    """
    failures = account.failures + 1
    reason = f"a bug in copierd: {what}"
    after = account.connection
    if failures > RESTARTS_AFTER_BUGS:
        after = s.Stopped(since=at, reason=reason, cause=s.Cause.BUG)
        message = f"STOPPED after {failures} failed turns ({what}). Its orders stay at the broker; nothing more is sent"
        remedy = f"report it with the journal. Then: copierctl reconnect {account.name}, and resume {account.name}"
    else:
        if isinstance(after, s.HoldsSession):
            leaf = s.Dialing if dropped else s.Resyncing
            after = leaf(since=at, reason=reason, cause=s.Cause.BUG)
        else:
            after = evolve(after)  # entered anew: what ran in it may have ended with this event
        message = f"a turn failed ({what}): close-only, and read anew ({failures} of {RESTARTS_AFTER_BUGS})"
        remedy = f"nothing opens until: copierctl resume {account.name}"
    failed = evolve(account, connection=after, failures=failures, close_only=reason)
    tell = Tell(event="connection.broken", message=message, severity=Severity.PAGE, reason=reason, remedy=remedy)
    draft = Draft(name=account.name, at=at, book=failed.book, acting=False, effects=[tell])
    for copy in draft.book.all_open():
        if dropped or (isinstance(during, e.ErrandEvent) and during.copy == copy.id):
            resync.lose_answer(draft, copy, "a bug in copierd swallowed the answer")
    if account.rules.leads and isinstance(account.connection, s.Copying):
        leader.lost(draft, e.Event(at=at), after)
    return Turn(evolve(failed, book=draft.book), tuple(draft.effects))
