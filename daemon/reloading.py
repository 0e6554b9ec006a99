"""What a reload may not change under a follower: it would trade because a file was edited.

Rule 1: nothing is trimmed, closed or left without an owner by an edit. What decides a follower's size stays as it is
        while the follower owns anything; the reload is refused whole, with every reason at once.
Rule 2: who follows whom is changed by a restart, with everybody flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from daemon.config import Config, ConfigError
from daemon.wiring import rules_of
from statecharts.account import Account
from statecharts.book import Book
from statecharts.rules import CopyRules

DECIDING = ("ratio", "min_one", "max_position", "map")


def objections(accounts: Iterable[Account], config: Config, file: Path) -> tuple[ConfigError, ...]:
    """Why this configuration is not taken up now; empty when it may be."""
    return tuple(error for account in accounts for error in _objections(account, config, file))


def _objections(account: Account, config: Config, file: Path) -> Iterator[ConfigError]:
    before = account.rules.copy
    after = rules_of(config, account.name).copy if account.name in config.accounts else None
    if before is None:
        return
    key = f"copy {before.name}: follower {account.name}"
    owned = _owned(account.book)
    if after is None or after.leader != before.leader:
        what = "follows nobody any more" if after is None else f"has another leader, {after.leader}"
        if owned:
            yield ConfigError(file, 1, key, f"{what}, and owns {owned}", "Close it first, then restart copierd.")
        else:
            yield ConfigError(file, 1, key, what, "Restart copierd for that; nothing was changed.")
        return
    changed = _changed(before, after)
    if changed and owned:
        remedy = "Change it when the follower is flat and has no working order; nothing was changed."
        yield ConfigError(file, 1, key, f"{changed} changed while it owns {owned}", remedy)


def _changed(before: CopyRules, after: CopyRules) -> str:
    names = (field.name for field in attrs.fields(CopyRules) if field.name in DECIDING)
    return ", ".join(name for name in names if getattr(before, name) != getattr(after, name))


def _owned(book: Book) -> str:
    """In words; nothing when the follower is flat, with no order of ours anywhere."""
    positions = [f"{c.own:+d} {symbol}" for symbol, c in sorted(book.contracts.items()) if c.own]
    working = sum(1 for _ in book.all_open())
    return ", ".join([*positions, *([f"{working} orders under way"] if working else [])])
