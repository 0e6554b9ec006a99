"""Every state x every event, for every role: total, pure, and nothing opens where it must not."""

from __future__ import annotations

import inspect
from datetime import timedelta

import attrs
import pytest

from statecharts import closures, connection
from statecharts import events as e
from statecharts import states as s
from statecharts.account import Turn, step
from statecharts.effects import PlaceOrder, Priority, Unexpected
from statecharts.rules import ReconnectRules
from tests.statecharts.desk import BUY, NOON, follower, order, terms
from tests.statecharts.samples import LEAVES, accounts, busy, events


def test_the_samples_hold_every_leaf_and_every_event() -> None:
    assert {type(state) for state in LEAVES} == set(s.LEAVES)
    classes = {kind for _, kind in inspect.getmembers(e, inspect.isclass) if issubclass(kind, e.Event)}
    assert {type(event) for event in events()} == classes


def test_step_is_total_pure_and_deterministic_for_every_state_event_and_role() -> None:
    for account, happened in accounts():
        before = repr(account.book.contracts), account.connection, account.paused
        for event in happened:
            turn = step(account, event)
            assert isinstance(turn, Turn)
            assert step(account, event) == turn
            assert (repr(account.book.contracts), account.connection, account.paused) == before


def test_a_pair_without_a_row_is_unexpected_and_leaves_the_state() -> None:
    unexpected = 0
    for account, happened in accounts():
        for event in happened:
            turn = step(account, event)
            told = [effect for effect in turn.effects if isinstance(effect, Unexpected)]
            closure = closures.closure(account.rules, account.book, event.at)
            found = connection.step(account.connection, event, account.rules.reconnect, closure)
            if isinstance(event, connection.EVENTS) and found is None:
                assert told == [Unexpected(state=type(account.connection).__name__, event=type(event).__name__)]
                assert turn.account.connection is account.connection
                unexpected += 1
            else:
                assert told == []
                assert turn.account.connection == (found or account.connection)
    assert unexpected


def test_copying_is_entered_only_from_resyncing() -> None:
    for account, happened in accounts():
        for event in happened:
            after = step(account, event).account.connection
            if isinstance(after, s.Copying):
                assert isinstance(account.connection, (s.Copying, s.Resyncing))


@pytest.mark.parametrize("state", [leaf for leaf in LEAVES if not isinstance(leaf, s.Copying)], ids=repr)
def test_no_leaf_but_copying_lets_an_opening_order_out(state: s.State) -> None:
    for desk in (follower(), busy()):
        for event in events(NOON + timedelta(seconds=1)):
            if isinstance(event, e.LeaderEvent):
                desk.hear(event)
        for event in events(NOON + timedelta(seconds=2)):
            turn = step(attrs.evolve(desk.account, connection=state), event)
            if not isinstance(turn.account.connection, s.Copying):
                assert not [x for x in turn.effects if isinstance(x, PlaceOrder)]


def test_in_copying_the_same_announcement_does_open() -> None:
    desk = follower()
    desk.leader(order(1, BUY, terms(1), 1))
    assert desk.place.priority is Priority.ENTRY


def test_every_row_of_the_table_is_walked() -> None:
    walked = set()
    for account, happened in accounts():
        for event in happened:
            row = connection.CHART.find(type(account.connection).__mro__, type(event).__mro__)
            if row is not None:
                walked.add((row.state, row.event))
    assert walked == {(row.state, row.event) for row in connection.CHART.rows}


def test_every_leaf_but_unauthorized_and_stopped_leads_back_to_copying_without_a_human() -> None:
    humans = (e.DisconnectAsked, e.ReconnectAsked, e.Reauthorized, e.Started)
    leads: dict[type[s.State], set[type[s.State]]] = {leaf: set() for leaf in s.LEAVES}
    for state in LEAVES:
        for event in events():
            if not isinstance(event, humans):
                after = connection.step(state, event, ReconnectRules())
                leads[type(state)].add(type(after or state))
    for leaf in s.LEAVES:
        reached, edge = {leaf}, {leaf}
        while edge:
            edge = {after for one in edge for after in leads[one]} - reached
            reached |= edge
        assert (s.Copying in reached) == (leaf not in (s.Unauthorized, s.Stopped)), leaf


def test_unauthorized_never_retries_by_itself() -> None:
    refused = next(state for state in LEAVES if isinstance(state, s.Unauthorized))
    for event in events(NOON + timedelta(days=1)):
        after = connection.step(refused, event, ReconnectRules())
        if not isinstance(event, (e.Reauthorized, e.ReconnectAsked, e.DisconnectAsked)):
            assert after is None or after is refused
