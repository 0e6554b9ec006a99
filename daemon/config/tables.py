"""The tables of a copier.toml that may still be wrong: what has not the expected shape is passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daemon.config.errors import KeyPath


def tables(document: Mapping[str, Any], section: str) -> Mapping[str, Mapping[str, Any]]:
    """[section.NAME] by name."""
    found = document.get(section)
    return {name: table for name, table in found.items() if isinstance(table, dict)} if isinstance(found, dict) else {}


def rows(table: Mapping[str, Any], key: str, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """[[key]] in order, each with its path."""
    found = table.get(key)
    for index, row in enumerate(found if isinstance(found, list) else []):
        if isinstance(row, dict):
            yield (*path, key, index), row


def texts(table: Mapping[str, Any], key: str) -> list[str]:
    found = table.get(key)
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
