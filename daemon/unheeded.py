"""What a configuration asks for and this version does not do: said at `check` and at every start, never kept quiet.

A trader who has written a limit must not believe that it guards him.
Rule 1: a key that comes to be heeded is taken out here and in the README; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from daemon.config import Config, Copy, Follower

Table = Copy | Follower

# By table: the keys that have no effect, whatever their value.
KEYS: Final[Mapping[type[Table], tuple[str, ...]]] = {
    Copy: (),
    Follower: ("bracket",),
}


def unheeded(config: Config) -> Iterator[str]:
    """In words, where it stands and what it is; only what differs from the default."""
    for copy in config.copies:
        yield from _keys(f"copy {copy.name}", copy)
        for follower in copy.followers:
            yield from _keys(f"follower {follower.account}", follower)


def _keys(where: str, table: Table) -> Iterator[str]:
    defaults = {field.name: field.default for field in attrs.fields(type(table))}
    for key in KEYS[type(table)]:
        if getattr(table, key) != defaults[key]:
            yield f"{where}: {key}"
