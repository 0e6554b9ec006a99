"""`copierd hours`: is it open, when is the next edge, how sure is the table."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from daemon import places
from daemon.config import ConfigErrors, load
from daemon.config.shape import did_you_mean
from daemon.exits import Exit
from daemon.hours_table import read_hours
from statecharts.market_hours import CHICAGO, Coverage, MarketHours, staleness
from statecharts.sessions import DAY_END

FOREMOST = "equity_index"  # what decides the exit status when no group is named
_AHEAD = 14  # days of the table on a terminal
_YEARS = range(1971, 9000)  # room to look for an edge on both sides


def run_hours(
    *,
    group: str | None,
    at: str | None,
    config: Path | None,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """0 open, 1 closed, 64 an unknown group or an unreadable time, 78 a configuration with errors."""
    out, err = out or sys.stdout, err or sys.stderr
    try:
        hours = _hours(config)
    except ConfigErrors as errors:
        print(errors, file=err)
        return Exit.CONFIG
    try:
        t = dt.datetime.now(dt.UTC) if at is None else _instant(at)
    except ValueError as error:
        print(f"copierd hours: --at {at}: {error}", file=err)
        return Exit.USAGE
    if group is not None and group not in hours:
        remedy = did_you_mean(group, list(hours)) or f"Known are: {', '.join(hours)}."
        print(f"copierd hours: unknown product group {group!r}. {remedy}", file=err)
        return Exit.USAGE
    asked = [group] if group else list(hours)
    for name in asked:
        print(_line(hours[name], t), file=out)
    if out.isatty():
        print("\n".join(_calendar(hours, asked, t.astimezone(CHICAGO).date())), file=out)
    stale = staleness(hours, t)
    if stale is not None:
        print(f"{stale.severity}: {stale.text}", file=err)
    return Exit.OK if hours[group or FOREMOST].is_open(t) else Exit.FAILED


def _hours(config: Path | None) -> Mapping[str, MarketHours]:
    """With the operator's days where there is a configuration. Raises ConfigErrors."""
    path = config or places.configuration()
    try:
        overrides = load(path).market_hours
    except ConfigErrors as errors:
        if config is not None or not isinstance(errors.__cause__, FileNotFoundError):
            raise
        overrides = ()
    return read_hours(overrides, path)


def _instant(text: str) -> dt.datetime:
    """Raises ValueError in words."""
    try:
        t = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError("this is not a time of ISO 8601, such as 2026-11-26T12:00:00-06:00") from error
    if t.tzinfo is None:
        raise ValueError("the offset from UTC is missing; add Z, or one such as -06:00")
    if t.year not in _YEARS:
        raise ValueError(f"the year must be from {_YEARS[0]} to {_YEARS[-1]}")
    return t


def _line(hours: MarketHours, t: dt.datetime) -> str:
    window = hours.window_at(t)
    state, edge = ("open", "closes") if window.open else ("closed", "opens")
    words = [window.reason.value, *([window.label] if window.label else [])]
    until = "no edge within 400 days" if window.end is None else f"{edge} {_when(window.end)}"
    sure = f"table: {window.coverage.value}"
    if window.coverage is Coverage.NONE:
        sure += f" beyond {hours.projected_through}, the ordinary week only"
    elif window.coverage is Coverage.VERIFIED:
        sure += f" through {hours.verified_through}"
    return f"{hours.group:<13} {state:<6} {until}; {', '.join(words)}; {sure}"


def _when(t: dt.datetime) -> str:
    """For a script and for a reader: 2026-11-26T18:00:00Z (Thu 26 Nov 12:00 CST)."""
    return f"{t:%Y-%m-%dT%H:%M:%SZ} ({t.astimezone(CHICAGO):%a %d %b %H:%M %Z})"


def _calendar(hours: Mapping[str, MarketHours], asked: list[str], today: dt.date) -> Iterator[str]:
    """The next two weeks in Chicago time: every day of a single group, the special days of many."""
    days = [today + dt.timedelta(days=n) for n in range(_AHEAD)]
    yield ""
    yield f"Chicago time, {days[0]} to {days[-1]}" + (":" if len(asked) == 1 else ", special days:")
    rows = 0
    for day in days:
        alike: dict[str, list[str]] = {}
        for name in asked:
            line = hours[name].days.get(day)
            if line is not None or len(asked) == 1:
                label = "" if line is None else line.label + (" (copier.toml)" if line.override else "")
                alike.setdefault(f"{_spans(hours[name], day):<37} {label}".rstrip(), []).append(name)
        for text, names in alike.items():
            rows += 1
            yield f"  {day:%a} {day}  {text}" + ("" if len(asked) == 1 else f": {', '.join(names)}")
    if not rows:
        yield "  none"


def _spans(hours: MarketHours, day: dt.date) -> str:
    return "  ".join(f"{_clock(start)}-{_clock(end)}" for start, end in hours.spans(day)) or "closed"


def _clock(minute: int) -> str:
    return "24:00" if minute == DAY_END else f"{minute // 60:02}:{minute % 60:02}"
