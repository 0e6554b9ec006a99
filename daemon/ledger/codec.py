"""Values of the core as JSON and back, and what one turn has changed in an account.

Rule 1: only None is left out. Another default could change with a version, and would then rewrite the past.
Rule 2: rules are configuration, not history: they are never written, and read as `Rules()`.
Rule 3: a state, an event and an effect carry the name of their class as `kind`; a name that nobody knows is Unreadable.
Rule 4: a change holds what differs: fields of `DESCENDED` classes and keys of mappings one by one (null: the key is
        gone), everything else whole. It is read against the same account that it was made from, or it means nothing.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache, partial
from itertools import compress
from operator import attrgetter, is_not
from typing import Any, Final, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from statecharts.account import Account
from statecharts.book import Book
from statecharts.effects import Effect
from statecharts.events import Event, LeaderEvent, RulesChanged
from statecharts.register import Register, since
from statecharts.rules import Rules
from statecharts.states import State
from statecharts.view import View

Json = dict[str, Any]  # an object as `json` reads and writes it
# What has changed between two views, by the identity of both; they are kept with it, so that it stays theirs.
Views = dict[tuple[int, int], tuple[Any, Any, Json]]

DESCENDED: Final = (Account, Book, View)
_FAMILIES: Final = (State, Event, Effect)
# What a bad record makes cattrs raise.
_NOT_READ: Final = (KeyError, ValueError, TypeError, AttributeError, ArithmeticError)


class Unreadable(ValueError):
    """A record that does not say what this version understands. The message names the part, for the operator."""


@lru_cache(4096)  # a turn writes the same twenty again, and all turns of a round the same one: it took a sixth of them
def instant_text(instant: datetime) -> str:
    """ISO 8601 in UTC with microseconds and Z: such texts sort as their instants do. Raises ValueError when naive."""
    if instant.tzinfo is not UTC:
        if instant.tzinfo is None:
            raise ValueError(f"{instant} has no time zone: an instant in the ledger needs one")
        instant = instant.astimezone(UTC)
    return instant.isoformat(timespec="microseconds")[:-6] + "Z"


def instant_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _below(base: type[Any]) -> Iterator[type]:
    yield base
    for below in base.__subclasses__():
        yield from _below(below)


def _tagged(converter: cattrs.Converter, base: type) -> None:
    """Reads and writes every class of a family by its name, also where a field says only the family."""
    kinds: dict[str, type] = {cls.__name__: cls for cls in _below(base)}
    # Writers are made at once: a copy waits for what they write. Of readers few are ever used, and they are made then:
    # all of them together take 60 ms of the start, and 1 MB.
    writers = {kind: _writer(converter, kind) for kind in kinds.values()}
    reader_of = cache(partial(_reader, converter))

    def write(value: Any) -> Json:
        own = type(value)
        return {"kind": own.__name__, **writers[own](value)}

    def read(found: Any, wanted: Any) -> Any:
        name = found["kind"]
        kind = kinds.get(name)
        if kind is None or not issubclass(kind, wanted):
            raise Unreadable(f"{name!r} is no {wanted.__name__} that this version knows")
        return reader_of(kind)(found, kind)

    def of_family(cls: Any) -> bool:
        return inspect.isclass(cls) and issubclass(cls, base)

    converter.register_unstructure_hook_func(of_family, write)
    converter.register_structure_hook_func(of_family, read)


def _writer(converter: cattrs.Converter, cls: type) -> Callable[[Any], Json]:
    fields: dict[str, Any] = {
        field.name: override(omit=True) if _configured(field) else override(omit_if_default=True)
        for field in attrs.fields(attrs.resolve_types(cls))
        if _configured(field) or field.default is None
    }
    return make_dict_unstructure_fn(cls, converter, **fields)


def _reader(converter: cattrs.Converter, cls: type) -> Callable[[Any, Any], Any]:
    if cls is RulesChanged:
        return lambda found, _: RulesChanged(at=instant_of(found["at"]), rules=Rules())
    fields: dict[str, Any] = {
        field.name: override(omit=True) for field in attrs.fields(attrs.resolve_types(cls)) if _configured(field)
    }
    return make_dict_structure_fn(cls, converter, **fields)


def _is_enum(cls: Any) -> bool:
    return inspect.isclass(cls) and issubclass(cls, Enum)


def _configured(field: attrs.Attribute[Any]) -> bool:
    return field.type is Rules


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False, unstruct_collection_overrides={AbstractSet: sorted})
    converter.register_unstructure_hook(datetime, instant_text)
    converter.register_structure_hook(datetime, lambda text, _: instant_of(text))
    converter.register_unstructure_hook(Decimal, str)
    # `value` is a property written in Python, which takes five times as long.
    converter.register_unstructure_hook_factory(_is_enum, lambda _: attrgetter("_value_"))
    converter.register_structure_hook(Decimal, lambda text, _: Decimal(text))
    converter.register_unstructure_hook_factory(attrs.has, lambda cls: _writer(converter, cls))
    converter.register_structure_hook_factory(attrs.has, lambda cls: _reader(converter, cls))
    for base in _FAMILIES:
        _tagged(converter, base)
    return converter


_CONVERTER: Final = _converter()
_dump: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False, allow_nan=False).encode


@attrs.frozen
class _Part:
    """How a field of a descended class is compared, written and read; `keys` reads the keys, where it is a mapping."""

    name: str
    below: type | None
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    keys: Callable[[Any], Any] | None = None

    @classmethod
    def of(cls, field: attrs.Attribute[Any]) -> _Part:
        kind: Any = field.type
        if get_origin(kind) is Mapping:
            key, value = get_args(kind)
            return cls(field.name, None, _CONVERTER.get_unstructure_hook(value), _reading(value), _reading(key))
        below = next((one for one in DESCENDED if one is kind or one in get_args(kind)), None)
        return cls(field.name, below, _CONVERTER.get_unstructure_hook(kind), _reading(kind))


def _reading(kind: Any) -> Callable[[Any], Any]:
    return lambda found: _CONVERTER.structure(found, kind)


def _parts_of(cls: type) -> tuple[tuple[_Part, ...], attrgetter[tuple[Any, ...]]]:
    parts = tuple(_Part.of(field) for field in attrs.fields(attrs.resolve_types(cls)) if not _configured(field))
    return parts, attrgetter(*(part.name for part in parts))


# And all of their values at once, in their order.
_PARTS: Final[dict[type, tuple[tuple[_Part, ...], attrgetter[tuple[Any, ...]]]]] = {
    cls: _parts_of(cls) for cls in DESCENDED
}


def changes(before: Account, after: Account, views: Views | None = None) -> Json:
    """What makes `after` out of `before`, as JSON. On the path of every turn: the same object is skipped.

    `views` are those of other turns of the same moment: the followers of a leader share his.
    """
    return _changes(Account, before, after, {} if views is None else views)


def _changes(cls: type, before: Any, after: Any, views: Views) -> Json:
    found: Json = {}
    parts, fields = _PARTS[cls]
    olds, news = fields(before), fields(after)
    for part, old, new in compress(zip(parts, olds, news, strict=True), map(is_not, olds, news)):
        if part.keys is not None:
            if differing := _differing(part, old, new):
                found[part.name] = differing
        elif part.below is not None and isinstance(old, part.below) and isinstance(new, part.below):
            if below := _below_changed(part.below, old, new, views):
                found[part.name] = below
        elif new != old:
            found[part.name] = part.write(new)
    return found


def _below_changed(cls: type, old: Any, new: Any, views: Views) -> Json:
    if cls is not View:
        return _changes(cls, old, new, views)
    known = views.get((id(old), id(new)))
    if known is None:
        known = views[id(old), id(new)] = (old, new, _changes(cls, old, new, views))
    return known[2]


def _differing(part: _Part, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    added = 0
    for key, value in since(old, new):
        was = old.get(key)
        added += was is None and key not in old
        if was != value:
            found[key] = part.write(value)
    if len(new) - added < len(old):
        found.update(dict.fromkeys(old.keys() - new.keys()))
    return found


def applied(account: Account, changed: Json) -> Account:
    """The account after changes that were made from this very account. Raises Unreadable."""
    try:
        after = _applied(account, changed)
    except _NOT_READ as error:
        raise _unreadable("changes", error) from error
    assert isinstance(after, Account)
    return after


def _applied(before: Any, changed: Json) -> Any:
    parts = {part.name: part for part in _PARTS[type(before)][0]}
    fields: Json = {}
    for name, found in changed.items():
        part = parts.get(name)
        if part is None:
            raise Unreadable(f"{name!r} is no field of {type(before).__name__} that this version knows")
        old = getattr(before, name)
        if part.keys is not None:
            fields[name] = _merged(part, old, found)
        elif part.below is not None and isinstance(old, part.below) and found is not None:
            fields[name] = _applied(old, found)
        else:
            fields[name] = part.read(found)
    return attrs.evolve(before, **fields)


def _merged(part: _Part, old: Mapping[Any, Any], found: Json) -> Mapping[Any, Any]:
    assert part.keys is not None
    if isinstance(old, Register) and None not in found.values():
        for name, value in found.items():
            old = old.entered(part.keys(name), part.read(value))
        return old
    merged = dict(old)
    for name, value in found.items():
        key = part.keys(name)
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = part.read(value)
    return merged


def text(found: Json) -> str:
    """Changes as they are stored."""
    return _dump(found)


def event_text(event: Event) -> str:
    return _dump(_CONVERTER.unstructure(event))


def json_of(effect: Effect) -> Json:
    """An effect with its `kind`, as it is stored."""
    found: Json = _CONVERTER.unstructure(effect)
    return found


def effects_text(effects: tuple[Effect, ...]) -> str:
    return _dump([_CONVERTER.unstructure(effect) for effect in effects]) if effects else "[]"


def account_text(account: Account) -> str:
    return _dump(_CONVERTER.unstructure(account))


def parsed(stored: str) -> Json:
    """Stored changes as JSON again. Raises Unreadable."""
    found: Json = _read("changes", stored, Json)
    return found


def event_of(stored: str) -> Event:
    """Raises Unreadable."""
    event: Event = _read("event", stored, Event)
    return event


def announcement_of(stored: str) -> LeaderEvent:
    """Raises Unreadable, also for an event that no leader announces."""
    event: LeaderEvent = _read("announcement", stored, LeaderEvent)
    return event


def effects_of(stored: str) -> tuple[Effect, ...]:
    """Raises Unreadable."""
    effects: tuple[Effect, ...] = _read("effects", stored, tuple[Effect, ...])
    return effects


def account_of(stored: str) -> Account:
    """An account with `Rules()`: today's are put in by whoever has read the configuration. Raises Unreadable."""
    account: Account = _read("account", stored, Account)
    return account


def _read(what: str, stored: str, kind: Any) -> Any:
    try:
        return _CONVERTER.structure(json.loads(stored), kind)
    except _NOT_READ as error:
        raise _unreadable(what, error) from error


def _unreadable(what: str, error: Exception) -> Unreadable:
    why = str(error) if isinstance(error, Unreadable) else f"{type(error).__name__}: {error}"
    return Unreadable(f"cannot read its {what}: {why}")
