"""The shape of copier.toml: tables to values with cattrs, and every departure from the types as a finding.

Nothing is converted for the operator: a quoted number is no number. A wrong type in a file that moves money is a
misunderstanding, and a misunderstanding is told.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import attrs
from cattrs import (
    BaseValidationError,
    ClassValidationError,
    Converter,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from daemon import places
from daemon.config import durations
from daemon.config.demands import calculable, meet, without_echo
from daemon.config.errors import Finding, KeyPath, Misfit
from daemon.config.values import Account, Copy, Daemon, Demand, Environment, Login, MarketHours, Notify, Reconnect

T = TypeVar("T")
Structure = Callable[[Any, Any], Any]

_PASSWORD = {"password", "passwd", "passphrase", "pwd", "pass"}
SECRETS = _PASSWORD | {"sec", "secret", "client_secret", "token", "access_token", "refresh_token", "api_key"}


def _overrides(values: type) -> dict[str, Any]:
    """`copies` has the key `copy`; the name of a section is its table's name, never a key in it."""
    own_name = {Environment: "environment", Login: "login", Account: "account"}.get(values)
    found: dict[str, Any] = {own_name: override(omit=True)} if own_name else {}
    return found | ({"copies": override(rename="copy")} if values is Document else {})


@attrs.frozen(kw_only=True)
class Document:
    """The whole file, as it is written."""

    daemon: Daemon = attrs.field(factory=Daemon)
    reconnect: Reconnect = attrs.field(factory=Reconnect)
    environments: Mapping[str, Environment] = attrs.field(factory=dict)
    logins: Mapping[str, Login]
    accounts: Mapping[str, Account]
    copies: tuple[Copy, ...]
    market_hours: tuple[MarketHours, ...] = ()
    notify: tuple[Notify, ...] = ()


def _plain(kind: type, words: str, example: str) -> Structure:
    def structure(value: Any, _: Any) -> Any:
        # bool is a subclass of int in Python and nobody's number in TOML
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
        if kind is int and isinstance(value, str) and value.strip().lstrip("-").isdigit():
            raise Misfit(f"{value!r} is a number in quotes", f"Write it without quotes: {value.strip()}.")
        raise Misfit(f"{_shown(value)} is not {words}", f"Write {words}, such as {example}.")

    return structure


def _decimal(value: Any, _: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Misfit(f"{_shown(value)} is not a number", "Write a number without quotes, such as 0.5.")
    number = Decimal(value)
    if not calculable(number):
        raise Misfit(f"{_shown(value)} is not a number to calculate with", "Write a number such as 0.5.")
    return number


def _duration(value: Any, _: Any) -> dt.timedelta:
    remedy = 'Write a string with a number and a unit of ms, s, m or h, such as "1.5s".'
    if not isinstance(value, str):
        raise Misfit(f"{_shown(value)} is not a duration", remedy)
    try:
        return durations.parse(value)
    except ValueError as error:
        raise Misfit(str(error), remedy) from error


def _local_time(value: Any, _: Any) -> dt.time:
    remedy = 'Write Chicago time in quotes, such as "14:45".'
    if isinstance(value, dt.time):
        return value
    try:
        found = dt.time.fromisoformat(value) if isinstance(value, str) and ":" in value else None
    except ValueError as error:
        raise Misfit(f"{value!r} is not a time of day", remedy) from error
    if found is None or found.tzinfo is not None:
        raise Misfit(f"{_shown(value)} is not a local time of day", remedy)
    return found


def _date(value: Any, _: Any) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    raise Misfit(f"{_shown(value)} is not a date", "Write a date without quotes, such as 2025-01-09.")


def _path(value: Any, _: Any) -> Path:
    if not isinstance(value, str) or not value:
        raise Misfit(f"{_shown(value)} is not a path", "Write an absolute path in quotes.")
    path = places.expanded(value)
    if not path.is_absolute():
        raise Misfit(f"{value!r} is a relative path", "Write an absolute path: a daemon has no directory of its own.")
    return path


def _shown(value: Any) -> str:
    """A value as TOML spells it, cut short: what stands in the wrong place may be long."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _kind_of(origin: Any) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) == origin


class _Converter(Converter):
    """cattrs with hooks that never coerce."""

    def __init__(self) -> None:
        super().__init__(detailed_validation=True, forbid_extra_keys=True, omit_if_default=True)
        plain: dict[type, Structure] = {
            str: _plain(str, "text in quotes", '"main"'),
            int: _plain(int, "a whole number", "10"),
            bool: _plain(bool, "true or false", "true"),
            Decimal: _decimal,
            dt.timedelta: _duration,
            dt.time: _local_time,
            dt.date: _date,
            Path: _path,
        }
        for kind, hook in plain.items():
            self.register_structure_hook(kind, hook)
        self.register_structure_hook_func(_kind_of(Literal), _literal)
        self.register_structure_hook_factory(_kind_of(Annotated), self._demanding)
        self.register_structure_hook_factory(_kind_of(tuple), self._list)
        self.register_structure_hook_factory(_kind_of(Mapping), self._tables)
        self.register_structure_hook_factory(attrs.has, self._table)
        self.register_unstructure_hook(dt.timedelta, durations.spell)
        self.register_unstructure_hook(dt.time, lambda t: t.isoformat("minutes" if not t.second else "auto"))
        self.register_unstructure_hook(Path, str)
        self.register_unstructure_hook_factory(attrs.has, self._unstructured_table)

    def _demanding(self, annotated: Any) -> Structure:
        kind, demand = get_args(annotated)
        inner = self.get_structure_hook(kind)

        def structure(value: Any, _: Any) -> Any:
            if not isinstance(demand, Demand):
                return inner(value, kind)
            try:
                found = inner(value, kind)
            except Misfit as misfit:
                raise without_echo(demand, value) or misfit from None
            return meet(demand, found)

        return structure

    def _list(self, kind: Any) -> Structure:
        element = get_args(kind)[0]
        # looked up at the first use: a list of copies is asked for before the class of a copy is known
        return lambda value, _: tuple(self._each(value, list(enumerate(_a_list(value))), element, kind).values())

    def _tables(self, kind: Any) -> Structure:
        name, element = get_args(kind)
        return lambda value, _: self._each(value, list(_a_table(value).items()), element, kind, name)

    def _each(
        self, value: Any, items: list[tuple[Any, Any]], element: Any, kind: Any, name: Any = None
    ) -> dict[Any, Any]:
        errors: list[Exception] = []
        found = {}
        for index, item in items:
            try:
                found[index if name is None else self.structure(index, name)] = self.structure(item, element)
            except (Misfit, BaseValidationError) as error:
                error.add_note(IterableValidationNote(f"Structuring {kind} @ index {index}", index, element))
                errors.append(error)
        if errors:
            raise IterableValidationError(f"While structuring {kind}", errors, kind)
        return found

    def _table(self, values: type[T]) -> Structure:
        structure = make_dict_structure_fn(values, self, **_overrides(values))
        return lambda value, kind: structure(_a_table(value), kind)

    def _unstructured_table(self, values: type[T]) -> Callable[[T], dict[str, Any]]:
        return make_dict_unstructure_fn(values, self, _cattrs_omit_if_default=True, **_overrides(values))


def _a_table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Misfit(f"{_shown(value)} is not a table", "Write its keys below a [header], or in { braces }.")
    return value


def _a_list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        raise Misfit("this is one table where a list is expected", "Write the header in double brackets, [[...]].")
    raise Misfit(f"{_shown(value)} is not a list", f"Write it in square brackets: [{_shown(value)}].")


def _literal(value: Any, kind: Any) -> Any:
    words = get_args(kind)
    if isinstance(value, str) and value in words:
        return value
    offered = ", ".join(f'"{word}"' for word in words)
    raise Misfit(f"{_shown(value)} is none of {offered}", did_you_mean(value, words) or f"Choose one of {offered}.")


def did_you_mean(word: Any, known: tuple[str, ...] | list[str]) -> str:
    """A sentence that offers the nearest known word, or nothing."""
    near = difflib.get_close_matches(str(word), known, n=1)
    return f"Did you mean {near[0]}?" if near else ""


def findings_in(error: BaseException, path: KeyPath = ()) -> list[Finding]:
    """Unfold what cattrs collected into findings with their key paths."""
    if isinstance(error, ClassValidationError):
        grouped, others = error.group_exceptions()
        found = [f for sub, note in grouped for f in findings_in(sub, (*path, _key(note.name)))]
        return found + [f for sub in others for f in findings_in(sub, path)]
    if isinstance(error, IterableValidationError):
        grouped_items, _ = error.group_exceptions()
        return [f for sub, item in grouped_items for f in findings_in(sub, (*path, item.index))]
    if isinstance(error, ForbiddenExtraKeysError):
        known = [_key(a.name) for a in attrs.fields(error.cl) if a.name not in _hidden(error.cl)]
        return [_unknown((*path, key), key, known) for key in sorted(error.extra_fields)]
    if isinstance(error, Misfit):
        return [Finding(path, error.message, error.remedy)]
    if isinstance(error, KeyError):
        return [Finding(path, "this key is required and missing", "Add it; the example copier.toml explains it.")]
    raise error


def _key(attribute: str) -> str:
    return "copy" if attribute == "copies" else attribute


def _hidden(values: type) -> set[str]:
    return {name for name, how in _overrides(values).items() if how.omit}


def _unknown(path: KeyPath, key: str, known: list[str]) -> Finding:
    if key.lower() in SECRETS:
        remedy = (
            "Take it out, change it if others could read this file, and give it to the daemon as a systemd credential"
        )
        own_file = f"{key.lower()}_file"
        remedy += (
            f", in the environment, or in a file named by {own_file}."
            if own_file in known
            else " or in the environment."
        )
        return Finding(path, "a secret does not belong in this file", remedy)
    return Finding(path, "unknown key", did_you_mean(key, known) or f"Known here: {', '.join(known)}.")


converter = _Converter()
