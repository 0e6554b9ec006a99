"""What can be read of a configuration that the loader refuses.

Rule: only for looking at. What a daemon may run on is the loader's word alone.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import tomli_w
from cattrs import BaseValidationError

from daemon.config import Config, ConfigErrors, load, loads
from daemon.config.errors import Finding, KeyPath, Misfit
from daemon.config.sense import findings_between
from daemon.config.shape import Document, converter, findings_in
from daemon.doctor.facts import File

_ROUNDS = 500  # one mend each: what is taken out lays bare, or settles, what else was wrong


def read(path: Path) -> File:
    """Never raises: what is wrong with the file is in it."""
    try:
        config = load(path)
    except ConfigErrors as errors:
        tables = _tables(path)
        return File(path, errors.errors, tables, _salvaged(tables) if tables else None)
    return File(path, (), _tables(path), config)


def _tables(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except (OSError, ValueError, ArithmeticError, RecursionError):
        return {}


def _salvaged(tables: Mapping[str, Any]) -> Config | None:
    rest: dict[str, Any] = {"logins": {}, "accounts": {}, "copy": [], **copy.deepcopy(dict(tables))}
    for _ in range(_ROUNDS):
        found = _findings(rest)
        if not found:
            return loads(tomli_w.dumps(rest))
        _mend(rest, found[0].path)
    return None


def _findings(tables: dict[str, Any]) -> list[Finding]:
    found = list(findings_between(tables))
    try:
        converter.structure(tables, Document)
    except (BaseValidationError, Misfit) as error:
        found += findings_in(error)
    return found


def _mend(tables: dict[str, Any], path: KeyPath) -> None:
    """Takes the quotes from a number, else takes the key out; where it is missing, the table that lacks it."""
    holder: Any = tables
    above: list[tuple[Any, str | int]] = []
    for part in path:
        above.append((holder, part))
        if not _has(holder, part):
            break
        holder = holder[part]
    else:
        container, key = above[-1]
        if isinstance(holder, str) and holder.strip().isdigit():
            container[key] = int(holder)
            if not any(finding.path == path for finding in _findings(tables)):
                return
        del container[key]
        return
    if len(above) > 1:
        container, key = above[-2]
        del container[key]


def _has(holder: Any, part: str | int) -> bool:
    if isinstance(part, int):
        return isinstance(holder, list) and part < len(holder)
    return isinstance(holder, dict) and part in holder
