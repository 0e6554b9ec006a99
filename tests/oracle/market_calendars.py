"""pandas_market_calendars, expanded from its trade dates into open intervals of local days. Development only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest

CHICAGO = ZoneInfo("America/Chicago")
DAY = dt.timedelta(days=1)
FIRST, LAST = dt.date(2024, 1, 1), dt.date(2028, 12, 31)
CALENDARS = {
    "equity_index": "CME Globex Equity",
    "interest_rate": "CME_Bond",
    "fx": "CMEGlobex_FX",
    "energy": "CMEGlobex_Energy",
    "metals": "CMEGlobex_Metals",
    "grains": "CME_Agriculture",
    "livestock": "CMEGlobex_Livestock",
    "crypto": "CME Globex Crypto",
}
Session = tuple[dt.datetime, dt.datetime]  # UTC, half-open


def library() -> Any:
    """Skips the test where the library is not installed."""
    why = "the calendar oracle is not installed (pip install --group dev)"
    return pytest.importorskip("pandas_market_calendars", reason=why)


def sessions(group: str) -> list[Session]:
    """Continuous trading as the library has it, merged where one session ends as the next begins."""
    calendar = library().get_calendar(CALENDARS[group])
    merged: list[Session] = []
    for start, end in sorted(_pieces(calendar.schedule(FIRST - 7 * DAY, LAST + 7 * DAY))):
        if merged and merged[-1][1] >= start:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def days(group: str) -> dict[dt.date, list[str]]:
    """Every local day of the horizon with its intervals, as the table would write them."""
    lines: dict[dt.date, list[str]] = {FIRST + n * DAY: [] for n in range((LAST - FIRST).days + 1)}
    for start, end in sessions(group):
        a, b = start.astimezone(CHICAGO), end.astimezone(CHICAGO)
        day = a.date()
        while day <= b.date():
            begin = f"{a:%H:%M}" if day == a.date() else "00:00"
            until = f"{b:%H:%M}" if day == b.date() else "24:00"
            if day in lines and until != "00:00":
                lines[day].append(f"{begin}-{until}")
            day += DAY
    return lines


def _pieces(schedule: Any) -> Iterator[Session]:
    for row in schedule.to_dict("records"):
        edges = {name: at.to_pydatetime() for name, at in row.items() if at == at}  # NaT is not itself
        opens, closes = edges["market_open"], edges["market_close"]
        pause, resumes = edges.get("break_start", closes), edges.get("break_end", closes)
        yield from ((a, b) for a, b in ((opens, min(pause, closes)), (resumes, closes)) if a < b)


def interval_texts(spans: tuple[tuple[int, int], ...]) -> list[str]:
    return [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in spans]
