"""What may be asked for: the parameters of a query, read strictly.

Rule 1: a parameter that is misspelled must not answer with everything: it is refused by name, and all faults at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

import attrs
from starlette.datastructures import QueryParams

from daemon.control.problems import Problem
from statecharts.order import Stage

LIMIT = 100  # copies in an answer, unless asked otherwise
LONGEST = 500
OUTCOMES = tuple(dict.fromkeys(stage.outcome for stage in Stage))
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


@attrs.frozen(kw_only=True)
class CopiesQuery:
    """`cursor` is the `next` of the page before."""

    follower: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    limit: int = LIMIT
    cursor: int | None = None


@attrs.frozen(kw_only=True)
class EventsQuery:
    """`after` is the id of the last event that was seen: a stream begins behind it.

    `unnamed`: a browser hands events without a name to one listener; else each kind wants its own.
    """

    limit: int = LIMIT
    after: int | None = None
    unnamed: bool = False


def nothing(parameters: QueryParams) -> None:
    """Raises Problem when there is any parameter at all."""
    _read(parameters, {})


def copies_query(parameters: QueryParams) -> CopiesQuery:
    """Raises Problem (422) that names every parameter with a fault."""
    return CopiesQuery(**_read(parameters, _READERS))  # type: ignore[arg-type]  # each reader answers its field's type


def events_query(parameters: QueryParams) -> EventsQuery:
    """Raises Problem (422) that names every parameter with a fault."""
    return EventsQuery(**_read(parameters, _OF_EVENTS))  # type: ignore[arg-type]  # each reader answers its field's type


def _read(parameters: QueryParams, readers: Mapping[str, Callable[[str], object]]) -> dict[str, object]:
    faults: list[str] = []
    found: dict[str, object] = {}
    for name, values in _grouped(parameters.multi_items()).items():
        reader = readers.get(name)
        if reader is None:
            known = f"; known here: {', '.join(readers)}" if readers else "; none is taken here"
            faults.append(f"{name[:50]}: unknown{known}")
        elif len(values) > 1:
            faults.append(f"{name}: given {len(values)} times")
        else:
            try:
                found[name] = reader(values[0])
            except ValueError as error:
                faults.append(f"{name}: {error}")
    if faults:
        raise Problem(status=422, kind="unreadable-parameters", detail="; ".join(faults))
    return found


def _grouped(items: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in items:
        grouped.setdefault(name, []).append(value)
    return grouped


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text[:50]!r} is not the name of an account")
    return text


def _outcome(text: str) -> str:
    if text not in OUTCOMES:
        raise ValueError(f"{text[:50]!r} is none of {', '.join(OUTCOMES)}")
    return text


def _instant(text: str) -> datetime:
    """A plus sign that was not escaped arrives as a space."""
    try:
        at = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d$)", "+", text))
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{text[:50]!r} is not a time with an offset, such as 2026-11-20T14:00:00Z")


def _limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= LONGEST:
        raise ValueError(f"{text[:50]!r} is not a whole number from 1 to {LONGEST}")
    return int(text)


def _cursor(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValueError("this is not the `next` of a page before")
    return int(text)


def _event_id(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise ValueError(f"{text[:50]!r} is not the id of an event")
    return int(text)


def _yes_or_no(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text[:50]!r} is neither true nor false")
    return text == "true"


_OF_EVENTS: Mapping[str, Callable[[str], object]] = {"limit": _limit, "after": _event_id, "unnamed": _yes_or_no}
_READERS: Mapping[str, Callable[[str], object]] = {
    "follower": _name,
    "outcome": _outcome,
    "since": _instant,
    "limit": _limit,
    "cursor": _cursor,
}
