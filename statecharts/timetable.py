"""The table of hours, checked and turned into MarketHours. Whoever calls has read the TOML; nothing is read here.

Rule 1: everything that is wrong is told at once, each with its key.
Rule 2: an override of the operator replaces a day of the table whole, as a line of the table replaces the week's.
Rule 3: no boundary stands where Chicago's clocks show an hour twice or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from typing import Any

import attrs

from statecharts.sessions import CHICAGO, DAY_END, EVER, NEVER, Day, MarketHours, Spans, Week

Key = tuple[str | int, ...]
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HORIZON = ("valid_from", "verified_through", "projected_through")
_SPAN = re.compile(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)", re.ASCII)
_MAINTENANCE = re.compile(rf"({'|'.join(_WEEKDAYS)}) (\S+)")
_DAY = timedelta(days=1)
_SHIFT = (1 * 60, 3 * 60)  # a Sunday's hours that come twice in autumn and that are left out in spring


@attrs.frozen
class Override:
    """One local day of some groups, in the operator's words."""

    groups: tuple[str, ...]
    day: date
    open: tuple[str, ...]
    label: str = ""


@attrs.frozen
class Fault:
    """What is wrong, at a key of the table (`groups`, ...) or of the operator's file (`market_hours`, n, ...)."""

    key: Key
    message: str


class HoursFaults(ValueError):
    """Every fault of a table and its overrides."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, fault.key))}: {fault.message}" for fault in faults))
        self.faults = faults


def load_hours(
    table: Mapping[str, Any], overrides: Sequence[Override] = (), *, maintenance: str | None = None
) -> Mapping[str, MarketHours]:
    """The hours by product group. Raises HoursFaults.

    `maintenance` ("sat 02:00-04:00") is the weekly window of the groups that trade round the clock, in place of the
    table's; "" means that there is none.
    """
    reading = _Reading(maintenance)
    hours = reading.groups(table, overrides)
    if not reading.faults:
        reading.faults += [fault for group in hours.values() for fault in _clock_faults(group, overrides)]
    if reading.faults:
        raise HoursFaults(tuple(reading.faults))
    return hours


class _Reading:
    """One pass over a table. After a fault it goes on with a harmless value, to find the next."""

    def __init__(self, maintenance: str | None) -> None:
        self.maintenance = maintenance
        self.faults: list[Fault] = []

    def groups(self, table: Mapping[str, Any], overrides: Sequence[Override]) -> dict[str, MarketHours]:
        groups = self._table(table, (), required=("groups",))
        entries = self._table(groups.get("groups", {}), ("groups",), optional=None)
        days = self._overrides(overrides, entries)
        return {name: self._group(name, entry, days[name]) for name, entry in entries.items()}

    def _group(self, name: str, entry: Any, overrides: Mapping[date, Day]) -> MarketHours:
        key = ("groups", name)
        entry = self._table(entry, key, required=(*_HORIZON, "week", "days"), optional=("changes",))
        first, verified, projected = (self._date(entry.get(bound), (*key, bound)) for bound in _HORIZON)
        if not first <= verified <= projected:
            self._fault((*key, "verified_through"), "valid_from, verified_through, projected_through are out of order")
        lines = dict(self._lines(entry.get("days"), (*key, "days"), first, projected))
        weeks = [Week(EVER, self._week(entry.get("week"), (*key, "week")))]
        weeks += self._changes(entry.get("changes", []), (*key, "changes"))
        for index, (before, after) in enumerate(pairwise(weeks)):
            if before.since >= after.since:
                self._fault((*key, "changes", index, "from"), "changes are out of order")
        return MarketHours(name, tuple(weeks), {**lines, **overrides}, first, verified, projected)

    def _changes(self, value: Any, key: Key) -> Iterator[Week]:
        if not isinstance(value, list):
            self._fault(key, "this is not an array of tables")
            return
        for index, item in enumerate(value):
            place = (*key, index)
            change = self._table(item, place, required=("from", "week"), optional=("coverage", "maintenance"))
            since = change.get("from")
            if not isinstance(since, datetime) or since.tzinfo is not None or since != since.replace(second=0):
                self._fault((*place, "from"), "this is not a local date and time such as 2026-05-29T16:00:00")
                since = NEVER
            if change.get("coverage", "verified") not in ("verified", "projected"):
                self._fault((*place, "coverage"), "this is neither verified nor projected")
            days = self._week(change.get("week"), (*place, "week"))
            if "maintenance" in change:
                text = change["maintenance"] if self.maintenance is None else self.maintenance
                days = self._interrupted(days, text, (*place, "maintenance"))
            proven = change.get("coverage", "verified") == "verified"
            guessed = not proven and "maintenance" in change and self.maintenance is None
            yield Week(since, days, proven, guessed)

    def _interrupted(self, days: tuple[Spans, ...], text: Any, key: Key) -> tuple[Spans, ...]:
        """The week without its maintenance window."""
        if text == "":
            return days
        match = _MAINTENANCE.fullmatch(str(text))
        spans = self._spans([match[2]], key) if match else ()
        if match is None or not spans:
            self._fault(key, "this is not a weekly window such as sat 02:00-04:00")
            return days
        weekday, (start, end) = _WEEKDAYS.index(match[1]), spans[0]
        if match[1] == "sun" and start < _SHIFT[1] and end >= _SHIFT[0]:
            self._fault(key, "on a Sunday between 01:00 and 03:00 the clocks of Chicago are changed twice a year")
        rest = [piece for a, b in days[weekday] for piece in ((a, min(b, start)), (max(a, end), b))]
        return (*days[:weekday], tuple((a, b) for a, b in rest if a < b), *days[weekday + 1 :])

    def _week(self, value: Any, key: Key) -> tuple[Spans, ...]:
        week = self._table(value, key, required=_WEEKDAYS)
        return tuple(self._spans(week.get(day, []), (*key, day)) for day in _WEEKDAYS)

    def _lines(self, value: Any, key: Key, first: date, last: date) -> Iterator[tuple[date, Day]]:
        for text, item in self._table(value, key, optional=None).items():
            place = (*key, text)
            line = self._table(item, place, required=("open", "label"))
            if not isinstance(line.get("label", ""), str):
                self._fault((*place, "label"), "this is not a text")
            spans = self._spans(line.get("open", []), (*place, "open"))
            try:
                day = date.fromisoformat(text)
            except ValueError:
                self._fault(place, "this is not a day such as 2026-11-26")
                continue
            if not first <= day <= last:
                self._fault(place, "this day is outside of valid_from to projected_through")
            yield day, Day(spans, str(line.get("label", "")))

    def _overrides(self, overrides: Sequence[Override], known: Mapping[str, Any]) -> Mapping[str, dict[date, Day]]:
        days: dict[str, dict[date, Day]] = {name: {} for name in known}
        for index, override in enumerate(overrides):
            key: Key = ("market_hours", index)
            spans = self._spans(list(override.open), (*key, "open"))
            for group in override.groups:
                if group not in days:
                    self._fault((*key, "groups"), f"unknown product group {group!r}")
                elif override.day in days[group]:
                    self._fault((*key, "day"), f"{override.day} of {group} is given twice")
                else:
                    days[group][override.day] = Day(spans, override.label, override=True)
        return days

    def _spans(self, value: Any, key: Key) -> Spans:
        """Minutes of "08:30-13:20"; () after a fault."""
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            self._fault(key, "this is not a list of intervals")
            return ()
        spans = []
        for text in value:
            match = _SPAN.fullmatch(text)
            hour, minute, end_hour, end_minute = map(int, match.groups()) if match else (0, 0, 0, 0)
            start, end = hour * 60 + minute, end_hour * 60 + end_minute
            if not start < end <= DAY_END:
                self._fault(key, f"{text!r} is not an interval of a day, 00:00 <= a < b <= 24:00")
                return ()
            spans.append((start, end))
        if any(before[1] >= after[0] for before, after in pairwise(spans)):
            self._fault(key, "the intervals touch, overlap or are out of order")
            return ()
        return tuple(spans)

    def _date(self, value: Any, key: Key) -> date:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        self._fault(key, "this is not a local date")
        return date.min

    def _table(
        self, value: Any, key: Key, required: Sequence[str] = (), optional: Sequence[str] | None = ()
    ) -> Mapping[str, Any]:
        """The table; {} after a fault. `optional` None: any further key will do."""
        if not isinstance(value, Mapping):
            self._fault(key, "this is not a table")
            return {}
        for name in required:
            if name not in value:
                self._fault((*key, name), "this key is required and missing")
        for name in value:
            if optional is not None and name not in (*required, *optional):
                self._fault((*key, name), "unknown key")
        return value

    def _fault(self, key: Key, message: str) -> None:
        self.faults.append(Fault(key, message))


def _clock_faults(hours: MarketHours, overrides: Sequence[Override]) -> Iterator[Fault]:
    """Boundaries that Chicago's clocks do not show exactly once, on any day of the horizon or with a line."""
    index = {o.day: n for n, o in enumerate(overrides) if hours.group in o.groups}
    lines = {day for day in hours.days if _shifts(day)}
    for day in sorted(lines | set(_shifting(hours.valid_from, hours.projected_through))):
        for minute in sorted({minute for span in hours.spans(day) for minute in span if minute < DAY_END}):
            clock = datetime.combine(day, time(minute // 60, minute % 60), tzinfo=CHICAGO)
            if clock.utcoffset() == clock.replace(fold=1).utcoffset():
                continue
            key: Key = ("groups", hours.group, "week")
            if day in index:
                key = ("market_hours", index[day], "open")
            elif day in hours.days:
                key = ("groups", hours.group, "days", day.isoformat(), "open")
            yield Fault(key, f"on {day} the clocks of Chicago do not show {clock:%H:%M} exactly once")


def _shifting(first: date, last: date) -> Iterator[date]:
    return (day for day in (first + n * _DAY for n in range((last - first).days + 1)) if _shifts(day))


@cache
def _shifts(day: date) -> bool:
    """Are the clocks of Chicago changed on this day?"""
    midnight = datetime.combine(day, time.min, tzinfo=CHICAGO)
    return midnight.utcoffset() != datetime.combine(day + _DAY, time.min, tzinfo=CHICAGO).utcoffset()
