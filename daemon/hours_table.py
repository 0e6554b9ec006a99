"""Reads the built-in table of hours and joins it with the operator's [[market_hours]]."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from daemon.config import Config, ConfigError, ConfigErrors, MarketHours
from daemon.config.errors import dotted
from daemon.config.key_lines import KeyLines
from statecharts import market_hours as core

TABLE = "market_hours.toml"


def built_in() -> str:
    """The table's text, which is part of the package."""
    return (files("daemon") / TABLE).read_text(encoding="utf-8")


def read_hours(
    overrides: Sequence[MarketHours] = (), config: Path | None = None, text: str | None = None
) -> Mapping[str, core.MarketHours]:
    """The hours by product group. `config` is the file that the overrides are from, for what is wrong with them.

    Raises ConfigErrors.
    """
    table = built_in() if text is None else text
    days = tuple(core.Override(row.groups, row.day, row.open, row.label) for row in overrides)
    try:
        return _loaded(table, days)
    except tomllib.TOMLDecodeError as error:
        raise ConfigErrors((ConfigError(Path(TABLE), 1, "syntax", str(error), "Install copierd again."),)) from error
    except core.HoursFaults as faults:
        raise ConfigErrors(tuple(_located(fault, table, config) for fault in faults.faults)) from faults


def markets_of(config: Config, file: Path | None) -> core.Markets | None:
    """The hours that count for this configuration; None where no login's environment has any.

    What is wrong with the operator's days is told either way. Raises ConfigErrors.
    """
    apply = any(config.environments[login.environment].hours for login in config.logins.values())
    if not apply and not config.market_hours:
        return None
    hours = read_hours(config.market_hours, file)
    return core.Markets(hours) if apply else None


@lru_cache(maxsize=2)  # a reload mostly finds what the start found, and reading it takes a third of a start
def _loaded(table: str, days: tuple[core.Override, ...]) -> Mapping[str, core.MarketHours]:
    return core.load_hours(tomllib.loads(table), days)


def _located(fault: core.Fault, table: str, config: Path | None) -> ConfigError:
    """The fault with its file and line."""
    if fault.key[:1] == ("market_hours",):
        file, text, remedy = config, "", "Correct this day."
        if config is not None and config.is_file():
            text = config.read_text(encoding="utf-8-sig")
    else:
        file, text, remedy = Path(TABLE), table, "Install copierd again, or correct the table."
    return ConfigError(file or Path("copier.toml"), KeyLines(text)[fault.key], dotted(fault.key), fault.message, remedy)
