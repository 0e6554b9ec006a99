"""When a product group trades: local calendar days of Chicago -> windows of UTC. Pure: no clock, no I/O.

Rule 1: hours are wall-clock minutes of a local day until the last moment, and instants afterwards. No duration is ever
        added to a wall clock: a weekend has 48, 49 or 50 hours.
Rule 2: intervals are half-open; what touches at midnight is one window.
Rule 3: this models the schedule. Pre-open, price limits and outages are not in it: an exchange that is down is "open".
Rule 4: nothing raises because the table has run out. The ordinary week answers then, with coverage NONE.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from statecharts.evolution import evolve

Spans = tuple[tuple[int, int], ...]  # [start, end) in minutes of a local day; 1440 is its end
DAY_END = 24 * 60
EVER, NEVER = datetime.combine(date.min, time.min), datetime.combine(date.max, time.min)  # wall clocks, naive
_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)
_REACH = 400  # days without an edge, after which we say that there is none
_SATURDAY = 5


def zone(key: str) -> ZoneInfo:
    try:
        return ZoneInfo(key)
    except ZoneInfoNotFoundError as error:
        raise ImportError(f"this machine does not know the time zone {key}: install the package tzdata") from error


CHICAGO = zone("America/Chicago")


class Reason(enum.Enum):
    SESSION = "session"
    DAILY_BREAK = "daily break"
    INTRADAY_BREAK = "intraday break"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"
    EARLY_CLOSE = "early close"
    OVERRIDE = "override"


class Coverage(enum.Enum):
    """How sure the hours are. From the surest: what depends on the operator's word is as sure as that word."""

    VERIFIED = "verified"  # CME has published it and somebody has checked
    OVERRIDE = "override"  # the operator says so
    PROJECTED = "projected"  # rules and precedent
    NONE = "none"  # the ordinary week only


_WEAKEST_LAST = list(Coverage)


@attrs.frozen
class Window:
    """The longest stretch of one state. UTC, half-open; `end` None: no edge within 400 days."""

    start: datetime
    end: datetime | None
    open: bool
    reason: Reason
    label: str
    coverage: Coverage  # the weakest within


@attrs.frozen
class Week:
    """The ordinary week, Monday first, from a local wall-clock instant (naive) on."""

    since: datetime
    days: tuple[Spans, ...]
    proven: bool = True  # False: nothing under it is better than projected
    guessed: bool = False  # has it a maintenance window whose time nobody has confirmed?


@attrs.frozen
class Day:
    """All of one local day, in place of the ordinary week's."""

    open: Spans
    label: str = ""
    override: bool = False


@attrs.frozen
class MarketHours:
    """One product group's hours. Frozen to the outside; days that were asked for are remembered inside."""

    group: str
    weeks: tuple[Week, ...]
    days: Mapping[date, Day] = attrs.field(hash=False)
    valid_from: date
    verified_through: date
    projected_through: date
    # Plain dicts, filled with values that anybody would compute alike: safe between threads without a lock.
    _edges: dict[date, tuple[tuple[datetime, bool], ...]] = attrs.field(factory=dict, init=False, eq=False, repr=False)
    _windows: dict[date, tuple[Window, ...]] = attrs.field(factory=dict, init=False, eq=False, repr=False)
    # The latest answer, with the stretch of one local day for which it is the answer: nearly all ask for now.
    _latest: list[tuple[datetime, datetime, Window]] = attrs.field(factory=list, init=False, eq=False, repr=False)

    def is_open(self, t: datetime) -> bool:
        """Is continuous trading scheduled at `t` (aware)? Raises ValueError when naive, as all of these do."""
        return self.window_at(t).open

    def window_at(self, t: datetime) -> Window:
        t = _instant(t)
        for since, until, window in self._latest:
            if since <= t < until:
                return window
        day = t.astimezone(CHICAGO).date()
        windows = self._windows.get(day)
        if windows is None:
            windows = self._windows[day] = self._windows_of(day)
        window = next(w for w in reversed(windows) if w.start <= t)
        since, until = _utc(day, 0), _utc(day + _DAY, 0)
        if window.end is not None:
            until = min(until, window.end)
        self._latest[:] = [(max(since, window.start), until, window)]
        return window

    def next_open(self, t: datetime) -> datetime | None:
        """The first opening after `t`, also while it is open; None: the next edge is more than 400 days off."""
        return self._next(t, opening=True)

    def next_close(self, t: datetime) -> datetime | None:
        """The first closing after `t`, also while it is closed; None as in next_open."""
        return self._next(t, opening=False)

    def coverage(self, t: datetime) -> Coverage:
        return self._coverage(_instant(t).astimezone(CHICAGO).replace(tzinfo=None))

    def guessed(self, window: Window) -> bool:
        """Is this a closure that rests on nothing but the guessed maintenance window of an ordinary week?"""
        local = _local(window.start)
        week = next((week for week in reversed(self.weeks) if week.since <= local), None)
        return not window.open and week is not None and week.guessed and local.date() not in self.days

    def spans(self, day: date) -> Spans:
        """When it is open on a local day."""
        line = self.days.get(day)
        return self._ordinary(day) if line is None else line.open

    def vouched(self) -> MarketHours:
        """The same without the special days that neither CME's calendar nor the operator vouches for."""
        days = {day: line for day, line in self.days.items() if line.override or day <= self.verified_through}
        return evolve(self, days=days)

    def _next(self, t: datetime, *, opening: bool) -> datetime | None:
        window = self.window_at(t)
        if window.open == opening and window.end is not None:
            window = self.window_at(window.end)
        return window.end

    def _ordinary(self, day: date) -> Spans:
        """The ordinary week's hours, of two weeks when one begins within the day."""
        midnight = datetime.combine(day, time.min)
        spans: list[tuple[int, int]] = []
        for week, until in zip(self.weeks, (*(week.since for week in self.weeks[1:]), NEVER), strict=True):
            first, last = _minutes(midnight, week.since), _minutes(midnight, until)
            for start, end in week.days[day.weekday()]:
                start, end = max(start, first), min(end, last)
                if start < end and spans and spans[-1][1] == start:
                    spans[-1] = (spans[-1][0], end)
                elif start < end:
                    spans.append((start, end))
        return tuple(spans)

    def _edges_of(self, day: date) -> tuple[tuple[datetime, bool], ...]:
        """The instants of [00:00, 24:00) at which the state changes, with the state that begins there."""
        edges = self._edges.get(day)
        if edges is None:
            before, spans = self.spans(day - _DAY), self.spans(day)
            overnight, early = bool(before) and before[-1][1] == DAY_END, bool(spans) and spans[0][0] == 0
            turns = [(0, early)] if overnight != early else []
            turns += [turn for span in spans for turn in zip(span, (True, False), strict=True) if 0 < turn[0] < DAY_END]
            edges = self._edges[day] = tuple((_utc(day, minute), opens) for minute, opens in turns)
        return edges

    def _windows_of(self, day: date) -> tuple[Window, ...]:
        """Every window that has a part in this local day."""
        edges = list(self._edges_of(day))
        if not edges or edges[0][0] > _utc(day, 0):
            edges[:0] = [self._edge_before(day)]
        after = self._edge_from(day + _DAY)
        ends = [*(at for at, _ in edges[1:]), after]
        return tuple(self._window(start, end, opens) for (start, opens), end in zip(edges, ends, strict=True))

    def _edge_before(self, day: date) -> tuple[datetime, bool]:
        for back in range(1, _REACH + 1):
            if edges := self._edges_of(day - back * _DAY):
                return edges[-1]
        first = day - _REACH * _DAY
        return _utc(first, 0), bool(self.spans(first))

    def _edge_from(self, day: date) -> datetime | None:
        for ahead in range(_REACH):
            if edges := self._edges_of(day + ahead * _DAY):
                return edges[0][0]
        return None

    def _window(self, start: datetime, end: datetime | None, opens: bool) -> Window:
        first = _local(start)
        last = _local((end or start + _REACH * _DAY) - _TICK)
        days = [first.date() + n * _DAY for n in range((last.date() - first.date()).days + 1)]
        moments = [first, *(datetime.combine(day, time.min) for day in days[1:]), last]
        return Window(
            start,
            end,
            opens,
            Reason.SESSION if opens else self._reason(first, last, days, end),
            next((line.label for day in days if (line := self.days.get(day)) and line.label), ""),
            max(map(self._coverage, moments), key=_WEAKEST_LAST.index),
        )

    def _reason(self, first: datetime, last: datetime, days: list[date], end: datetime | None) -> Reason:
        if any(line.override for day in days if (line := self.days.get(day))):
            return Reason.OVERRIDE
        closing = _minutes(datetime.combine(days[0], time.min), first)
        if closing > 0 and all(closing != stop for _, stop in self._ordinary(days[0])):
            return Reason.EARLY_CLOSE
        if any(self._misses(day, first, last) for day in days if day in self.days):
            return Reason.HOLIDAY
        if end is None or any(day.weekday() == _SATURDAY for day in days):
            return Reason.WEEKEND
        # Only a break within a trading day is followed by a session that ends on the same local day.
        closes = next((at for at, _ in self._edges_of(days[-1]) if at > end), None)
        return Reason.DAILY_BREAK if closes is None or len(days) > 1 else Reason.INTRADAY_BREAK

    def _misses(self, day: date, first: datetime, last: datetime) -> bool:
        """Is a day with a line closed, or does a part of the window take hours that the ordinary week has?"""
        midnight = datetime.combine(day, time.min)
        begin, until = _minutes(midnight, first), _minutes(midnight, last)
        return not self.days[day].open or any(s <= until and begin < e for s, e in self._ordinary(day))

    def _coverage(self, local: datetime) -> Coverage:
        day = local.date()
        line = self.days.get(day)
        if line is not None and line.override:
            return Coverage.OVERRIDE
        if not self.valid_from <= day <= self.projected_through:
            return Coverage.NONE
        proven = next((week.proven for week in reversed(self.weeks) if week.since <= local), True)
        return Coverage.VERIFIED if proven and day <= self.verified_through else Coverage.PROJECTED


def _instant(t: datetime) -> datetime:
    if t.utcoffset() is None:
        raise ValueError("an instant needs a time zone")
    return t.astimezone(UTC)


def _local(t: datetime) -> datetime:
    """The wall clock, naive."""
    return t.astimezone(CHICAGO).replace(tzinfo=None)


def _utc(day: date, minute: int) -> datetime:
    """Minutes of a local day as an instant. The loader has seen to it that the wall clock shows them exactly once."""
    return datetime.combine(day, time(minute // 60, minute % 60), tzinfo=CHICAGO).astimezone(UTC)


def _minutes(midnight: datetime, clock: datetime) -> int:
    """Where a wall clock stands in a day, in whole minutes; 0 before it and 1440 after it."""
    return min(max((clock - midnight) // timedelta(minutes=1), 0), DAY_END)
