"""The deliberate bugs: each is a small patch of the real code, and its sentence says what it breaks.

Each tells `ran` where it makes a difference: what was never executed has not been caught.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import attrs
import trio

from daemon import wiring
from daemon.activities import AccountActivities
from daemon.errands import AccountErrands
from daemon.logins.calls import Lost
from daemon.logins.login import Login
from daemon.logins.session import Session
from daemon.round import Rounds
from daemon.runner import Runner
from daemon.tradovate.mirror import Mirror
from statecharts import account as core
from statecharts import events as e
from statecharts import flattening, follower
from statecharts import states as s
from statecharts.book import LEADERS_OWN, Book
from statecharts.effects import Request
from statecharts.view import Snapshot
from tests.faults.layers import Ran, replaced, row_replaced


def send_before_ledger(ran: Ran) -> AbstractContextManager[None]:
    """What a turn asks for leaves at once; the turn itself is written down with the next event."""
    behind: dict[Rounds, list[Any]] = {}

    def make(written: Any) -> Any:
        def late(rounds: Rounds, round_: Any) -> Any:
            if rounds in behind:
                rounds.ledger.commit(behind.pop(rounds))
            turns = [taken for _, taken in round_.taken]
            if not any(isinstance(effect, Request) for taken in turns for effect in taken.effects):
                return written(rounds, round_)
            ran()
            behind[rounds] = turns
            return rounds.ledger.commit([], round_.posted)

        return late

    return replaced(Rounds, "_written", make)


def one_write_per_follower(ran: Ran) -> AbstractContextManager[None]:
    """The turns of one leader event are written one by one: a death in between leaves some followers without it."""

    def written(rounds: Rounds, round_: Any) -> list[int]:
        first, *others = [taken for _, taken in round_.taken]
        ids = rounds.ledger.commit([first], round_.posted)
        for taken in others:
            ran()
            rounds.ledger.commit([taken])
        return ids

    return replaced(Rounds, "_written", lambda original: written)


def _sent_again(ran: Ran, name: Callable[[str], str]) -> AbstractContextManager[None]:
    def make(told: Any) -> Any:
        def and_again(errands: AccountErrands, effect: Request, outcome: Any, at: Any, session: Session) -> Any:
            if isinstance(outcome, Lost) and outcome.begun and not session.ended.is_set():
                ran()
                endpoint, body = errands._said(attrs.evolve(effect, client_id=name(effect.client_id)))
                session.request(endpoint, body, effect.priority)
            return told(errands, effect, outcome, at, session)

        return and_again

    return replaced(AccountErrands, "_told", make)


def blind_resend(ran: Ran) -> AbstractContextManager[None]:
    """A request whose answer is late goes out once more."""
    return _sent_again(ran, lambda client_id: client_id)


def new_client_id(ran: Ran) -> AbstractContextManager[None]:
    """A request whose answer is late goes out once more, under a new client order id."""
    return _sent_again(ran, lambda client_id: f"{client_id[:-1]}9")


def no_generation_check(ran: Ran) -> AbstractContextManager[None]:
    """Once compared, always compared: after a resync nothing asks whether the views are still those."""

    def make(held_back: Any) -> Any:
        def held(book: Book) -> bool:
            ready = book.mine is not None and book.theirs is not None and book.theirs.current
            if book.caught_up is None or not ready or book.silent_until is not None:
                return bool(held_back(book))
            if held_back(book):
                ran()
            return False

        return held

    return replaced(Book, "held_back", make)


def timers_survive(ran: Ran) -> AbstractContextManager[None]:
    """What a state has started goes on when it is left, and is heard."""

    async def leaf(one: Runner) -> None:
        state = one.account.connection
        activity = one.activities.of(state)
        assert isinstance(one.errands, AccountErrands)

        def post(event: e.Event) -> None:
            if one.account.connection is not state:
                ran()
            one.inbox.post(event)

        if activity is not None:
            one.errands._start(activity, post)
        while one.account.connection is state:
            item = await one.inbox.take()
            if item is not None:
                one.rounds.take(one, item)
                await one.rounds.follow()

    return replaced(Runner, "_leaf", lambda original: leaf)


@contextmanager
def resync_skipped(ran: Ran) -> Iterator[None]:
    """Back on a session, an account copies at once, with the views of before."""

    def make(authorized: Any) -> Any:
        def copying(state: s.Dialing, event: e.Event, around: Any) -> s.State:
            if not state.attempt:
                return authorized(state, event, around)  # type: ignore[no-any-return]
            ran()
            return s.Copying(since=event.at, attempt=state.attempt, evictions=state.evictions)

        return copying

    with (
        row_replaced(s.Dialing, e.Authorized, make),
        replaced(AccountActivities, "readable", lambda original: lambda activities: activities.session),
    ):
        yield


@contextmanager
def empty_is_flat(ran: Ran) -> Iterator[None]:
    """A snapshot that holds nothing is taken for accounts that hold nothing."""
    known: dict[str, Any] = {}

    def remembered(account_id: Any) -> Any:
        def of(mirror: Mirror, name: str) -> Any:
            found = account_id(mirror, name)
            known[name] = found if found is not None else known.get(name)
            return known[name]

        return of

    def flat(snapshot: Any) -> Any:
        def of(mirror: Mirror, account: Any, at: Any) -> Any:
            found = snapshot(mirror, account, at)
            if found is None:
                ran()
            return found or Snapshot(account, at, {}, {})

        return of

    with (
        replaced(Mirror, "loaded", lambda original: property(lambda mirror: True)),
        replaced(Mirror, "absent", lambda original: property(lambda mirror: frozenset())),
        replaced(Mirror, "account_id", remembered),
        replaced(Mirror, "snapshot", flat),
    ):
        yield


def backoff_reset_on_open(ran: Ran) -> AbstractContextManager[None]:
    """A session that is authorized counts as success: the failed attempts before it are forgotten."""

    def make(authorized: Any) -> Any:
        def forgetful(state: s.Dialing, event: e.Event, around: Any) -> s.State:
            if state.attempt:
                ran()
            return authorized(attrs.evolve(state, attempt=0), event, around)  # type: ignore[no-any-return]

        return forgetful

    return row_replaced(s.Dialing, e.Authorized, make)


def jitter_per_account(ran: Ran) -> AbstractContextManager[None]:
    """Every account of a login throws its own dice for the next dial."""

    def wake_time(login: Login, attempt: int, low: float, high: float) -> float:
        ran()
        return trio.current_time() + login.ports.dice.uniform(low, high)

    return replaced(Login, "wake_time", lambda original: wake_time)


@contextmanager
def duplicates_not_filtered(ran: Ran) -> Iterator[None]:
    """What the broker tells twice is told twice, and a leader's order that has a copy is copied once more."""

    def anew(news: Any) -> Any:
        def every(mirror: Mirror, touched: Any, at: Any) -> Any:
            mirror._told.clear()
            mirror._positions._told.clear()
            return news(mirror, touched, at)

        return every

    def make(seen: Any) -> Any:
        def twice(draft: Any, event: e.LeaderOrderSeen, rules: Any) -> None:
            theirs = draft.book.theirs
            known = {} if theirs is None else theirs.orders
            seen(draft, event, rules)
            for order in event.orders:
                copied = draft.book.placed.get(order.id, LEADERS_OWN) != LEADERS_OWN
                if known.get(order.id) == order and copied and draft.acting and not draft.book.held_back():
                    ran()
                    follower.consider(draft, order, rules)

        return twice

    with replaced(Mirror, "_news", anew), replaced(follower, "leader_order_seen", make):
        yield


@contextmanager
def flatten_not_latched(ran: Ran) -> Iterator[None]:
    """Flatten closes what there is, once; the latch is gone with the position, and nothing is paused."""

    def unlatched(verify: Any) -> Any:
        def once(draft: Any) -> None:
            verify(draft)
            done = [latch for latch in draft.book.latches if not any(True for _ in flattening.left(draft.book, latch))]
            if done:
                ran()
                draft.book = attrs.evolve(draft.book, latches=())

        return once

    def unpaused(operated: Any) -> Any:
        def heard(account: core.Account, event: e.Event) -> core.Account:
            return account if isinstance(event, e.FlattenAsked) else operated(account, event)

        return heard

    with replaced(flattening, "verify", unlatched), replaced(core, "_operated", unpaused):
        yield


def buffer_thrown_away(ran: Ran) -> AbstractContextManager[None]:
    """What is pushed before the snapshot is whole is not kept for it."""

    def make(pushed: Any) -> Any:
        def dropped(session: Session, items: Any) -> Any:
            kept = [item for item in items if item.name != "props" or session.synced.is_set()]
            if len(kept) < len(items):
                ran()
            return pushed(session, kept)

        return dropped

    return replaced(Session, "_pushed", make)


def no_watchdog(ran: Ran) -> AbstractContextManager[None]:
    """Silence on a socket is never too long."""

    def make(settings: Any) -> Any:
        def patient(silence_limit: float) -> Any:
            ran()
            return settings(math.inf)

        return patient

    return replaced(wiring, "SessionSettings", make)


def sends_while_away(ran: Ran) -> AbstractContextManager[None]:
    """An account decides and asks for orders in every state, not in Copying alone."""

    def make(draft: Any) -> Any:
        def acting(**fields: Any) -> Any:
            known = fields["book"].mine is not None and not isinstance(fields.get("event"), e.Started)
            if not fields["acting"] and known:
                ran()
            return draft(**{**fields, "acting": fields["acting"] or known})

        return acting

    return replaced(core, "Draft", make)
