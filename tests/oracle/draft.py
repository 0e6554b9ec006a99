"""Drafts the built-in table of hours from CME's rules: `python -m tests.oracle.draft > daemon/market_hours.toml`.

Not needed to run copierd, nor to change a day: the table is edited by hand as CME confirms its days. This script only
spares the typing when a year is added, and says in one place which rule each line comes from.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

YEARS = range(2024, 2029)
DAY = dt.timedelta(days=1)
MON, TUE, _, THU, FRI, _, SUN = range(7)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
NIGHT, MORNING, EVENING = "00:00-07:45", "08:30-13:20", "19:00-24:00"  # the grains'
EASTER = {2024: (3, 31), 2025: (4, 20), 2026: (4, 5), 2027: (3, 28), 2028: (4, 16)}
PAYROLL_GOOD_FRIDAYS = {dt.date(2026, 4, 3)}  # the Employment Situation is released: a short session
MOURNING = dt.date(2025, 1, 9)  # announced ten days ahead
CRYPTO_ROUND_THE_CLOCK = dt.date(2026, 5, 29)  # from 16:00 on
TRADE_DATES = ("equity_index", "interest_rate", "fx", "energy", "metals", "crypto")

Line = tuple[list[str], str]
Lines = dict[dt.date, Line]

HEAD = """\
# CME Globex hours by product group. Local calendar days in America/Chicago -> when continuous trading is scheduled.
# A line under `days` replaces the ordinary week for that local day and says all of it: nothing is inferred, so whether
# the evening before a holiday trades is a line of its own. Each November: read next year's calendar of CME
# (cmegroup.com, Holiday Calendar), correct the lines, move verified_through; look again two weeks before a holiday.
# The table begins with the evening that New Year's Day of 2024 takes away.
# valid_from..verified_through: compared with what CME has published; up to projected_through: its rules and precedent.
"""
GLOBEX_WEEK = {
    "sun": ["17:00-24:00"],
    **{day: ["00:00-16:00", "17:00-24:00"] for day in WEEKDAYS[:4]},
    "fri": ["00:00-16:00"],
    "sat": [],
}
WEEKS: Mapping[str, Mapping[str, list[str]]] = {
    **dict.fromkeys(TRADE_DATES, GLOBEX_WEEK),
    "grains": {
        "sun": [EVENING],
        **{day: [NIGHT, MORNING, EVENING] for day in WEEKDAYS[:4]},
        "fri": [NIGHT, MORNING],
        "sat": [],
    },
    "livestock": {"sun": [], **{day: ["08:30-13:05"] for day in WEEKDAYS}, "sat": []},
}
ROUND_THE_CLOCK = """
# Round the clock since Friday 2026-05-29 16:00. That there is "at least a two-hour weekly maintenance period over the
# weekend" CME has said; its clock time is not established, hence the coverage.
[[groups.crypto.changes]]
from = 2026-05-29T16:00:00
coverage = "projected"
maintenance = "sat 02:00-04:00"
"""


def the(year: int, month: int, weekday: int, nth: int) -> dt.date:
    """The nth such weekday of a month; nth = -1 is the last."""
    if nth < 0:
        last = dt.date(year, month + 1, 1) - DAY
        return last - (last.weekday() - weekday) % 7 * DAY
    first = dt.date(year, month, 1)
    return first + ((weekday - first.weekday()) % 7 + 7 * (nth - 1)) * DAY


def observed(day: dt.date, label: str) -> tuple[dt.date, str]:
    shift = {5: -DAY, 6: DAY}.get(day.weekday())
    return (day + shift, f"{label} (observed)") if shift else (day, label)


def halts(year: int) -> Iterator[tuple[dt.date, str]]:
    yield the(year, 1, MON, 3), "Martin Luther King Day"
    yield the(year, 2, MON, 3), "Presidents' Day"
    yield the(year, 5, MON, -1), "Memorial Day"
    yield observed(dt.date(year, 6, 19), "Juneteenth")
    yield observed(dt.date(year, 7, 4), "Independence Day")
    yield the(year, 9, MON, 1), "Labor Day"
    yield the(year, 11, THU, 4), "Thanksgiving"


def closures(year: int) -> Iterator[tuple[dt.date, str]]:
    if dt.date(year, 1, 1).weekday() < 5:  # on a Saturday it is no holiday of CME's; on a Sunday: none in these years
        yield dt.date(year, 1, 1), "New Year's Day"
    yield good_friday(year), "Good Friday"
    yield observed(dt.date(year, 12, 25), "Christmas")


def good_friday(year: int) -> dt.date:
    return dt.date(year, *EASTER[year]) - 2 * DAY


def eve_of(day: dt.date, label: str) -> str:
    named = {(12, 31): "New Year's Eve", (12, 24): "Christmas Eve"}
    return named.get((day.month, day.day), f"Eve of {label}")


def globex_days(group: str) -> Lines:
    """Groups whose trading day runs from 17:00 to 16:00."""
    days: Lines = {}

    def until(day: dt.date, close: str, label: str, *, evening: bool) -> None:
        days[day] = ([f"00:00-{close}"] + ["17:00-24:00"] * evening, label)

    metals_like, fx_like = group in ("energy", "metals"), group in ("fx", "crypto")
    for year in YEARS:
        for day, label in halts(year):
            if day.weekday() == FRI:
                until(day, "12:00", label, evening=False)
            elif not fx_like:  # foreign exchange trades through
                until(day, "13:30" if metals_like else "12:00", label, evening=True)
        fourth = dt.date(year, 7, 4)
        if group == "equity_index" and TUE <= fourth.weekday() <= FRI:
            until(fourth - DAY, "12:15", "Eve of Independence Day", evening=True)
        late = metals_like or (fx_like and year >= 2025)
        black_friday = the(year, 11, THU, 4) + DAY
        until(black_friday, "13:45" if late else "12:15", "Day after Thanksgiving", evening=False)
        for day, label in closures(year):
            if day in PAYROLL_GOOD_FRIDAYS and not metals_like:
                until(day, "08:15" if group == "equity_index" else "10:15", label, evening=False)
            else:
                days[day] = (["17:00-24:00"] if day.weekday() < FRI else [], label)
                eve = day - DAY
                days[eve] = ([] if eve.weekday() == SUN else ["00:00-16:00"], eve_of(eve, label))
        eve = dt.date(year, 12, 24)
        if eve.weekday() < FRI:
            until(eve, "12:45" if late else "12:15", "Christmas Eve", evening=False)
    days[dt.date(2028, 12, 31)] = ([], "New Year's Eve")
    if group in ("equity_index", "interest_rate"):
        until(MOURNING, "08:30" if group == "equity_index" else "12:15", "National Day of Mourning", evening=True)
    if group == "crypto":
        return {day: line for day, line in days.items() if day < CRYPTO_ROUND_THE_CLOCK}
    return days


def grain_days() -> Lines:
    """Closed on every holiday, the evening before too. After the great ones the next session is the morning's."""
    days: Lines = {}
    for year in YEARS:
        for day, label in (*halts(year), *closures(year)):
            great = label.startswith(("Independence", "Thanksgiving", "Christmas", "New Year"))
            days[day] = ([EVENING] if not great and day.weekday() < FRI else [], label)
            eve = day - DAY
            days[eve] = ([] if eve.weekday() == SUN else [NIGHT, MORNING], eve_of(eve, label))
            after = day + DAY
            if great and after.weekday() < 5:
                days[after] = ([MORNING] + [EVENING] * (after.weekday() < FRI), f"Day after {label}")
        days[the(year, 11, THU, 4) + DAY] = (["08:30-12:05"], "Day after Thanksgiving")
        if dt.date(year, 12, 24).weekday() < FRI:
            days[dt.date(year, 12, 24)] = ([NIGHT, "08:30-12:05"], "Christmas Eve")
    days[dt.date(2028, 12, 31)] = ([], "New Year's Eve")
    days[MOURNING] = ([NIGHT, "08:30-12:15", EVENING], "National Day of Mourning")
    return days


def livestock_days() -> Lines:
    days: Lines = {day: ([], label) for year in YEARS for day, label in (*halts(year), *closures(year))}
    for year in YEARS:
        days[the(year, 11, THU, 4) + DAY] = (["08:30-12:05"], "Day after Thanksgiving")
    days[MOURNING] = (["08:30-12:15"], "National Day of Mourning")
    return days


def quoted(spans: list[str]) -> str:
    return "[" + ", ".join(f'"{span}"' for span in spans) + "]"


def table() -> Iterator[str]:
    yield HEAD
    for group, week in WEEKS.items():
        yield f"[groups.{group}]"
        yield "valid_from = 2023-12-31\nverified_through = 2026-12-31\nprojected_through = 2028-12-31"
        yield f"[groups.{group}.week]"
        yield from (f"{day} = {quoted(spans)}" for day, spans in week.items())
        if group == "crypto":
            yield ROUND_THE_CLOCK + "[groups.crypto.changes.week]"
            yield from (f'{day} = ["00:00-24:00"]' for day in week)
        yield f"[groups.{group}.days]"
        days = {"grains": grain_days, "livestock": livestock_days}.get(group, lambda name=group: globex_days(name))()
        yield from (f'{day} = {{ open = {quoted(o)}, label = "{label}" }}' for day, (o, label) in sorted(days.items()))
        yield ""


if __name__ == "__main__":
    print("\n".join(table()).rstrip())
