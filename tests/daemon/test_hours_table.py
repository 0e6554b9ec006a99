"""The built-in table: that it is in the package, that it holds together, and what is said when it does not."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path

import pytest

from daemon.config import ConfigErrors, MarketHours
from daemon.config.sense import PRODUCT_GROUPS
from daemon.hours_table import built_in, read_hours

FIRST, LAST = dt.date(2024, 1, 1), dt.date(2028, 12, 31)


def refused(text: str | None = None, *rows: MarketHours, config: Path | None = None) -> str:
    with pytest.raises(ConfigErrors) as caught:
        read_hours(rows, config, text)
    return str(caught.value)


def test_it_has_the_groups_that_the_configuration_knows() -> None:
    assert set(read_hours()) == set(PRODUCT_GROUPS)


def test_it_covers_five_years_and_every_special_day_has_a_name() -> None:
    for hours in read_hours().values():
        assert hours.valid_from <= FIRST and hours.projected_through >= LAST
        assert all(line.label for line in hours.days.values())
        assert all(line.open != hours.weeks[0].days[day.weekday()] for day, line in hours.days.items())


def test_its_lines_are_in_order() -> None:
    for group in tomllib.loads(built_in())["groups"].values():
        assert list(group["days"]) == sorted(group["days"])


def test_what_is_wrong_is_told_with_its_line() -> None:
    text = built_in().replace('2026-11-27 = { open = ["00:00-12:15"]', '2026-11-27 = { open = ["12:15-00:00"]', 1)
    line = next(n for n, words in enumerate(text.splitlines(), 1) if "12:15-00:00" in words)
    assert refused(text).startswith(
        f"market_hours.toml:{line}: groups.equity_index.days.2026-11-27.open: '12:15-00:00' is not an interval of a day"
    )
    assert refused("[groups").startswith("market_hours.toml:1: syntax: ")


def test_what_is_wrong_with_an_override_is_told_with_its_place_in_the_operators_file(tmp_path: Path) -> None:
    row = MarketHours(groups=("fx",), day=dt.date(2026, 11, 1), open=("01:30-10:00",))
    assert refused(None, row).startswith("copier.toml:1: market_hours[0].open: on 2026-11-01 ")
    config = tmp_path / "mine.toml"
    assert refused(None, row, config=config).startswith(f"{config}:1: market_hours[0].open: ")
    config.write_text('\n[[market_hours]]\ngroups = ["fx"]\nday = 2026-11-01\nopen = ["01:30-10:00"]\n')
    assert refused(None, row, config=config).startswith(f"{config}:5: market_hours[0].open: ")
