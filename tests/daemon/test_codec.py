"""What is written reads back, and changes make the account after out of the account before."""

from __future__ import annotations

import enum
import functools
import inspect
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import UnionType
from typing import Any, Union, get_args, get_origin

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.ledger import codec
from statecharts import effects as f
from statecharts import events as e
from statecharts import states as s
from statecharts.account import Account, fail, step
from statecharts.book import Book, Copy
from statecharts.rules import Rules
from statecharts.values import BrokerAccountId, Order, Symbol
from statecharts.view import View
from tests.daemon.company import EVAL, LEAD, NOON, Company, announced, limit, unruled

_INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
_SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(0, 3) | st.integers(-(2**62), 2**62),  # few, so that keys meet again
    str: st.sampled_from(["ESZ6", "MESZ6", "lead"]) | st.text(max_size=4),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    datetime: _INSTANTS,
    Rules: st.just(Rules()),
    type(None): st.none(),
}
# An account is everything there is: to draw one takes its time, on a busy machine too long for the tool's taste.
_LARGE = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=50)
_NO_SUBJECT = (
    s.State,
    e.Event,
    e.LeaderEvent,
    e.LoginEvent,
    f.Effect,
)  # said in a field, or asked for: any leaf of the family


def _leaves(base: Any) -> list[Any]:
    below: list[Any] = base.__subclasses__()
    return [leaf for one in below for leaf in _leaves(one)] if below else [base]


@functools.cache
def made(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type of the core; new fields and classes are covered by themselves."""
    kind = getattr(kind, "__supertype__", kind)
    origin, args = get_origin(kind), get_args(kind)
    if kind in _SCALARS:
        return _SCALARS[kind]
    if kind in _NO_SUBJECT:
        return st.one_of([made(leaf) for leaf in _leaves(kind)])
    if origin in (Union, UnionType):
        return st.one_of([made(arg) for arg in args])
    if origin is Mapping:
        return st.dictionaries(made(args[0]), made(args[1]), max_size=3)
    if origin is frozenset:
        return st.frozensets(made(args[0]), max_size=3)
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(made(args[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*(made(arg) for arg in args))
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return st.sampled_from(list(kind))
    return st.builds(kind, **{field.name: made(field.type) for field in attrs.fields(attrs.resolve_types(kind))})


_NEWS = st.one_of(
    [made(leaf) for leaf in _leaves(e.Event) if leaf not in (e.RulesChanged, e.LeaderViewTaken, e.SnapshotTaken)]
)


@given(made(e.Event))
def test_an_event_reads_back(event: e.Event) -> None:
    assert codec.event_of(codec.event_text(event)) == event


@given(made(e.LeaderEvent))
def test_an_announcement_reads_back(event: e.LeaderEvent) -> None:
    assert codec.announcement_of(codec.event_text(event)) == event


@given(st.lists(made(f.Effect), max_size=3).map(tuple))
def test_effects_read_back(effects: tuple[f.Effect, ...]) -> None:
    assert codec.effects_of(codec.effects_text(effects)) == effects


@_LARGE
@given(made(Account))
def test_an_account_reads_back(account: Account) -> None:
    assert codec.account_of(codec.account_text(account)) == account


@_LARGE
@given(made(Account), made(Account))
def test_changes_make_any_account_out_of_any_other(before: Account, after: Account) -> None:
    assert codec.applied(before, codec.parsed(codec.text(codec.changes(before, after)))) == after


@given(st.lists(st.tuples(st.booleans(), _NEWS), max_size=12))
def test_changes_follow_real_turns(news: list[tuple[bool, e.Event]]) -> None:
    company = Company.of(EVAL)
    company.connected()
    company.round(limit(1))
    stored = {name: unruled(account) for name, account in company.accounts.items()}
    for leads, event in news:
        name = LEAD if leads else EVAL
        before = company.accounts[name]
        try:
            after = step(before, event).account
        except (AssertionError, KeyError, TypeError) as error:  # such events can contradict each other
            after = fail(before, event.at, repr(error)).account
        company.accounts[name] = after
        stored[name] = codec.applied(stored[name], codec.parsed(codec.text(codec.changes(before, after))))
        assert stored[name] == unruled(after)


def test_a_change_holds_what_differs_and_nothing_else() -> None:
    company = Company.of(EVAL)
    company.connected()
    company.round(limit(1))
    before = company.accounts[EVAL]
    company.round(limit(2))
    changed = codec.changes(before, company.accounts[EVAL])
    book = company.accounts[EVAL].book
    assert set(changed) == {"book"}
    assert set(changed["book"]) == {"theirs", "copies", "placed", "names", "open", "placements"}
    assert changed["book"]["theirs"].keys() == {"orders"}
    assert changed["book"]["theirs"]["orders"].keys() == {2}
    assert changed["book"]["placed"] == {2: book.placed[limit(2).id]}


def test_equal_values_that_are_other_objects_are_no_change() -> None:
    account = Company.of(EVAL).accounts[EVAL]
    again = attrs.evolve(account, book=Book(positions={Symbol("ESZ6"): 1}))
    once_more = attrs.evolve(account, book=Book(positions={Symbol("ESZ6"): 1}))
    assert codec.changes(again, once_more) == {}


def test_a_key_that_is_gone_is_null() -> None:
    account = Company.of(EVAL).accounts[EVAL]
    some = attrs.evolve(account, book=Book(positions={Symbol("ESZ6"): 1, Symbol("NQZ6"): 2}))
    fewer = attrs.evolve(account, book=Book(positions={Symbol("NQZ6"): 2, Symbol("CLF7"): 3}))
    assert codec.changes(some, fewer) == {"book": {"positions": {"CLF7": 3, "ESZ6": None}}}


def test_a_view_that_comes_or_goes_is_written_whole() -> None:
    account = Company.of(EVAL).accounts[EVAL]
    with_view = attrs.evolve(account, book=Book(mine=View(BrokerAccountId(1), generation=1)))
    assert codec.changes(account, with_view)["book"]["mine"]["generation"] == 1
    assert codec.changes(with_view, account) == {"book": {"mine": None}}


def test_rules_are_never_written() -> None:
    account = Company.of(EVAL).accounts[EVAL]
    assert account.rules != Rules()
    assert "rules" not in codec.account_text(account)
    assert codec.account_of(codec.account_text(account)).rules == Rules()
    assert codec.changes(account, attrs.evolve(account, rules=Rules())) == {}
    changed = e.RulesChanged(at=NOON, rules=account.rules)
    assert json.loads(codec.event_text(changed)) == {"kind": "RulesChanged", "at": "2026-11-20T18:00:00.000000Z"}
    assert codec.event_of(codec.event_text(changed)) == e.RulesChanged(at=NOON, rules=Rules())


def test_only_none_is_left_out() -> None:
    company = Company.of(EVAL)
    company.connected()
    (_, turn) = company.round(limit(1))
    ((copy_id, copy),) = codec.changes(turn.before, turn.after)["book"]["copies"].items()
    absent = {field.name for field in attrs.fields(Copy)} - copy.keys()
    assert absent
    assert all(getattr(turn.after.book.copies[copy_id], name) is None for name in absent)


def test_instants_sort_as_texts_and_are_utc() -> None:
    assert codec.instant_text(NOON) == "2026-11-20T18:00:00.000000Z"
    chicago = NOON.astimezone(timezone(timedelta(hours=-6)))
    assert codec.instant_text(chicago) == codec.instant_text(NOON)
    assert codec.instant_of(codec.instant_text(chicago)) == NOON
    with pytest.raises(ValueError, match="has no time zone"):
        codec.instant_text(NOON.replace(tzinfo=None))


@given(_INSTANTS, _INSTANTS)
def test_instants_sort_as_their_texts_do(one: datetime, other: datetime) -> None:
    assert (one < other) == (codec.instant_text(one) < codec.instant_text(other))


@pytest.mark.parametrize(
    ("read", "stored", "says"),
    [
        (codec.event_of, '{"kind": "Teleported", "at": "2026-11-20T18:00:00Z"}', "'Teleported' is no Event"),
        (codec.event_of, '{"kind": "Copying", "at": "2026-11-20T18:00:00Z"}', "'Copying' is no Event"),
        (codec.event_of, '{"at": "2026-11-20T18:00:00Z"}', "KeyError: 'kind'"),
        (codec.event_of, '{"kind": "Started"}', "KeyError: 'at'"),
        (codec.event_of, '{"kind": "Started", "at": "yesterday"}', "Invalid isoformat"),
        (codec.event_of, '{"kind": "Started", "at"', "JSONDecodeError"),
        (codec.event_of, "7", "TypeError"),
        (codec.announcement_of, '{"kind": "Started", "at": "2026-11-20T18:00:00Z"}', "'Started' is no LeaderEvent"),
        (codec.effects_of, '[{"kind": "Dance"}]', "'Dance' is no Effect"),
        (codec.account_of, '{"name": "eval1", "connection": {"kind": "Asleep"}}', "'Asleep' is no State"),
        (codec.parsed, "[]", "'list' object"),
    ],
)
def test_what_cannot_be_read_is_named(read: Any, stored: str, says: str) -> None:
    with pytest.raises(codec.Unreadable, match=says):
        read(stored)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"mood": 1}, "'mood' is no field of Account"),
        ({"book": {"mood": 1}}, "'mood' is no field of Book"),
        ({"book": {"placed": {"seven": "cpd-1"}}}, "ValueError"),
        ({"connection": {"kind": "Asleep"}}, "'Asleep' is no State"),
        ({"book": 7}, "AttributeError"),
    ],
)
def test_changes_that_cannot_be_applied_are_named(changed: codec.Json, says: str) -> None:
    with pytest.raises(codec.Unreadable, match=says):
        codec.applied(Company.of(EVAL).accounts[EVAL], changed)


def test_every_kind_has_a_name_of_its_own_and_no_field_of_that_name() -> None:
    for base in (s.State, e.Event, f.Effect):
        leaves = set(_leaves(base))
        assert len({leaf.__name__ for leaf in leaves}) == len(leaves)
        assert not [leaf for leaf in leaves if "kind" in attrs.fields_dict(leaf)]


def test_an_announcement_holds_the_leaders_order() -> None:
    company = Company.of()
    company.connected()
    (lead,) = company.round(limit(1))
    event = announced(lead)
    assert isinstance(event, e.LeaderOrderSeen)
    assert isinstance(event.order, Order)
    assert json.loads(codec.event_text(event))["order"]["terms"]["price"] == "5000.25"
