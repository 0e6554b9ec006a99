"""What a table of hours must not say, and that everything wrong is told with its key."""

from __future__ import annotations

import datetime as dt
import tomllib
from typing import Any

import pytest

from statecharts.market_hours import HoursFaults, Override, load_hours

TABLE = """
[groups.metals]
valid_from = 2026-01-01
verified_through = 2026-06-30
projected_through = 2026-12-31
[groups.metals.week]
sun = ["17:00-24:00"]
mon = ["00:00-16:00", "17:00-24:00"]
tue = []
wed = []
thu = []
fri = ["00:00-16:00"]
sat = []
[[groups.metals.changes]]
from = 2026-05-29T16:00:00
maintenance = "sat 02:00-04:00"
[groups.metals.changes.week]
sun = ["00:00-24:00"]
mon = []
tue = []
wed = []
thu = []
fri = []
sat = ["00:00-24:00"]
[groups.metals.days]
2026-02-03 = { open = ["09:00-10:00"], label = "A day" }
"""


def faults(text: str, *overrides: Override, maintenance: str | None = None) -> list[tuple[str, str]]:
    with pytest.raises(HoursFaults) as caught:
        load_hours(tomllib.loads(text), overrides, maintenance=maintenance)
    return [(".".join(map(str, fault.key)), fault.message) for fault in caught.value.faults]


def keys(text: str, *overrides: Override) -> list[str]:
    return [key for key, _ in faults(text, *overrides)]


def test_the_table_of_these_tests_is_right() -> None:
    hours = load_hours(tomllib.loads(TABLE))["metals"]
    assert hours.spans(dt.date(2026, 2, 3)) == ((540, 600),)
    assert hours.spans(dt.date(2026, 1, 2)) == ((0, 960),)
    assert hours.spans(dt.date(2026, 6, 6)) == ((0, 120), (240, 1440))
    assert all(week.proven for week in hours.weeks)


@pytest.mark.parametrize(
    "interval",
    [
        "9:00-10:00",
        "09:00-09:00",
        "10:00-09:00",
        "09:00-24:01",
        "09:60-10:00",
        "24:00-25:00",
        "09:00 - 10:00",
        "noon",
        "٠٩:00-10:00",
    ],
)
def test_an_interval_is_a_part_of_a_day(interval: str) -> None:
    told = faults(TABLE.replace('["09:00-10:00"]', f'["{interval}"]'))
    assert told == [
        ("groups.metals.days.2026-02-03.open", f"{interval!r} is not an interval of a day, 00:00 <= a < b <= 24:00")
    ]


@pytest.mark.parametrize(
    "intervals",
    ['["09:00-10:00", "10:00-11:00"]', '["09:00-10:00", "09:30-11:00"]', '["12:00-13:00", "09:00-10:00"]'],
)
def test_intervals_stand_in_order_with_a_gap_between_them(intervals: str) -> None:
    text = TABLE.replace('["09:00-10:00"]', intervals)
    assert keys(text) == ["groups.metals.days.2026-02-03.open"]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('["09:00-10:00"]', '"09:00-10:00"', "groups.metals.days.2026-02-03.open"),
        ('["09:00-10:00"]', "[900]", "groups.metals.days.2026-02-03.open"),
        (', label = "A day"', "", "groups.metals.days.2026-02-03.label"),
        ('label = "A day"', "label = 3", "groups.metals.days.2026-02-03.label"),
        ('label = "A day"', 'label = "A day", colour = "red"', "groups.metals.days.2026-02-03.colour"),
        ('{ open = ["09:00-10:00"], label = "A day" }', "3", "groups.metals.days.2026-02-03"),
        ("2026-02-03 =", "2026-02-30 =", "groups.metals.days.2026-02-30"),
        ("2026-02-03 =", "2027-02-03 =", "groups.metals.days.2027-02-03"),
        ("2026-02-03 =", "2025-12-31 =", "groups.metals.days.2025-12-31"),
        ("verified_through = 2026-06-30", "verified_through = 2027-06-30", "groups.metals.verified_through"),
        ("verified_through = 2026-06-30", "verified_through = 2025-06-30", "groups.metals.verified_through"),
        ("from = 2026-05-29T16:00:00", "from = 2026-05-29", "groups.metals.changes.0.from"),
        ("from = 2026-05-29T16:00:00", "from = 2026-05-29T16:00:00Z", "groups.metals.changes.0.from"),
        ("from = 2026-05-29T16:00:00", "from = 2026-05-29T16:00:01", "groups.metals.changes.0.from"),
        ("maintenance =", 'coverage = "sure"\nmaintenance =', "groups.metals.changes.0.coverage"),
        ("sat 02:00-04:00", "saturday 02:00-04:00", "groups.metals.changes.0.maintenance"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(old: str, new: str, key: str) -> None:
    assert old in TABLE
    assert keys(TABLE.replace(old, new, 1)) == [key]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("valid_from = 2026-01-01", "", [("groups.metals.valid_from", "this key is required and missing")]),
        ("tue = []\n", "", [("groups.metals.week.tue", "this key is required and missing")]),
        ("tue = []\n", "tue = []\nday = []\n", [("groups.metals.week.day", "unknown key")]),
        ("from = 2026-05-29T16:00:00", "", [("groups.metals.changes.0.from", "this key is required and missing")]),
    ],
)
def test_keys_that_are_missing_or_unknown_are_told(old: str, new: str, told: list[tuple[str, str]]) -> None:
    assert faults(TABLE.replace(old, new, 1))[: len(told)] == told


def test_a_table_that_is_none_is_told() -> None:
    assert keys("") == ["groups"]
    assert keys("groups = 3") == ["groups"]
    assert "groups.metals" in keys("groups.metals = 3")
    assert "groups.metals.changes" in keys("groups.metals.changes = 3")
    assert "groups.metals.changes.0" in keys("groups.metals.changes = [3]")
    assert keys("other = 3\n" + TABLE) == ["other"]


def test_changes_stand_in_order() -> None:
    start, end = TABLE.index("[[groups.metals.changes]]"), TABLE.index("[groups.metals.days]")
    assert keys(TABLE[:end] + TABLE[start:end] + TABLE[end:]) == ["groups.metals.changes.1.from"]


def test_everything_is_told_at_once() -> None:
    text = TABLE.replace('["09:00-10:00"]', '["09"]').replace("tue = []", 'tue = ["9"]', 1)
    override = Override(("silver",), dt.date(2026, 3, 3), ("8",))
    expected = ["market_hours.0.open", "market_hours.0.groups", "groups.metals.days.2026-02-03.open"]
    assert sorted(keys(text, override)) == sorted([*expected, "groups.metals.week.tue"])
    with pytest.raises(HoursFaults, match=r"market_hours\.0\.groups: unknown product group 'silver'; "):
        load_hours(tomllib.loads(text), [override])


def test_an_override_is_for_groups_that_are_known_and_a_day_is_given_once() -> None:
    day = dt.date(2026, 3, 3)
    twice = [Override(("metals",), day, ()), Override(("metals",), day, ())]
    assert faults(TABLE, *twice) == [("market_hours.1.day", "2026-03-03 of metals is given twice")]
    assert keys(TABLE, Override(("silver",), day, ())) == ["market_hours.0.groups"]


@pytest.mark.parametrize(
    ("day", "minute"),
    [("2026-03-08", "02:00"), ("2026-03-08", "02:59"), ("2026-11-01", "01:00"), ("2026-11-01", "01:59")],
)
def test_no_boundary_stands_in_the_gap_or_in_the_hour_that_comes_twice(day: str, minute: str) -> None:
    message = f"on {day} the clocks of Chicago do not show {minute} exactly once"
    line = TABLE.replace("2026-02-03 =", f"{day} =").replace("09:00-10:00", f"{minute}-10:00")
    assert faults(line) == [(f"groups.metals.days.{day}.open", message)]
    week = TABLE.replace('sun = ["17:00-24:00"]', f'sun = ["{minute}-24:00"]').replace("05-29T16", "12-29T16")
    assert ("groups.metals.week", message) in faults(week)
    override = Override(("metals",), dt.date.fromisoformat(day), (f"00:00-{minute}",))
    assert faults(TABLE, override) == [("market_hours.0.open", message)]


def test_an_override_beyond_the_horizon_is_checked_too() -> None:
    override = Override(("metals",), dt.date(2031, 3, 9), ("02:30-10:00",))
    assert keys(TABLE, override) == ["market_hours.0.open"]


@pytest.mark.parametrize("boundary", ["01:00", "03:00"])
def test_the_hours_beside_the_gap_are_good(boundary: str) -> None:
    override = Override(("metals",), dt.date(2026, 3, 8), (f"{boundary}-10:00",))
    assert load_hours(tomllib.loads(TABLE), [override])["metals"].days[override.day].override


@pytest.mark.parametrize(
    ("maintenance", "refused"),
    [
        ("sun 00:30-03:30", True),  # both ends are good, and it would have 2, 3 or 4 hours
        ("sun 01:30-03:00", True),
        ("sun 00:30-02:00", True),
        ("sun 02:00-04:00", True),
        ("sun 00:00-01:00", True),
        ("sun 03:00-05:00", False),
        ("sat 00:30-03:30", False),
        ("sat", True),
        ("sat 04:00-02:00", True),
    ],
)
def test_a_maintenance_window_across_the_change_of_the_clocks_is_refused(maintenance: str, refused: bool) -> None:
    if refused:
        assert faults(TABLE, maintenance=maintenance)
    else:
        load_hours(tomllib.loads(TABLE), maintenance=maintenance)


def test_a_maintenance_window_in_the_operators_words_replaces_the_tables() -> None:
    hours = load_hours(tomllib.loads(TABLE), maintenance="sun 05:00-06:00")["metals"]
    assert hours.spans(dt.date(2026, 6, 6)) == ((0, 1440),)
    assert hours.spans(dt.date(2026, 6, 7)) == ((0, 300), (360, 1440))
    none = load_hours(tomllib.loads(TABLE), maintenance="")["metals"]
    assert none.spans(dt.date(2026, 6, 7)) == ((0, 1440),)
    early = load_hours(tomllib.loads(TABLE), maintenance="sat 00:00-01:00")["metals"]
    assert early.spans(dt.date(2026, 6, 6)) == ((60, 1440),)


def test_a_maintenance_window_is_cut_out_of_what_is_open() -> None:
    table: dict[str, Any] = tomllib.loads(TABLE)
    table["groups"]["metals"]["changes"][0]["week"]["sat"] = ["00:00-03:00", "13:00-24:00"]
    hours = load_hours(table)["metals"]
    assert hours.spans(dt.date(2026, 6, 6)) == ((0, 120), (780, 1440))


def test_a_change_within_a_day_takes_the_old_hours_before_and_the_new_ones_after() -> None:
    table: dict[str, Any] = tomllib.loads(TABLE)
    table["groups"]["metals"]["changes"][0]["week"]["fri"] = ["15:00-15:30", "16:30-24:00"]
    hours = load_hours(table)["metals"]
    assert hours.spans(dt.date(2026, 5, 29)) == ((0, 960), (990, 1440))
    table["groups"]["metals"]["changes"][0]["week"]["fri"] = ["00:00-24:00"]
    assert load_hours(table)["metals"].spans(dt.date(2026, 5, 29)) == ((0, 1440),)
