"""What a reload may not change under a follower: it would trade because a file was edited.

Rule 1: nothing is trimmed, closed or left without an owner by an edit. What decides a follower's size stays as it is
        while the follower owns anything; the reload is refused whole, with every reason at once.
Rule 2: who follows whom is changed by a restart, with everybody flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

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


class Facts(Protocol):
    def fact(self, key: str) -> str | None: ...
    def keep_fact(self, key: str, value: str) -> None: ...


def objections_at_start(accounts: Iterable[Account], facts: Facts, file: Path) -> tuple[ConfigError, ...]:
    """The same for a file that was edited while no daemon ran. Each follower's present rules are kept for the next."""
    refused: list[ConfigError] = []
    for account in accounts:
        rules = account.rules.copy
        kept, now, owned = facts.fact(f"rules {account.name}"), _spelled(rules), _owned(account.book)
        if kept is not None and kept != now and owned:
            what = f"it owns {owned} by other rules than the file has now. Then: {kept or 'none'}. Now: {now or 'none'}"
            remedy = "Put the file back until the follower is flat, or close it in Tradovate under the old file."
            refused.append(ConfigError(file, 1, f"follower {account.name}", what, remedy))
        elif kept != now:
            keep(facts, account.name, rules)
    return tuple(refused)


def keep(facts: Facts, name: str, rules: CopyRules | None) -> None:
    """What a follower's book is made by from now on."""
    facts.keep_fact(f"rules {name}", _spelled(rules))


def _spelled(rules: CopyRules | None) -> str:
    if rules is None:
        return ""
    mapped = ", ".join(f"{root} to {to.to} x {to.factor}" for root, to in sorted(rules.map.items()))
    return (
        f"leader {rules.leader}, ratio {rules.ratio}, min_one {rules.min_one}, max_position {rules.max_position}, "
        f"map {mapped or 'none'}"
    )


def _changed(before: CopyRules, after: CopyRules) -> str:
    names = (field.name for field in attrs.fields(CopyRules) if field.name in DECIDING)
    return ", ".join(name for name in names if getattr(before, name) != getattr(after, name))


def _owned(book: Book) -> str:
    """In words; nothing when the follower is flat, with no order of ours anywhere."""
    positions = [f"{c.own:+d} {symbol}" for symbol, c in sorted(book.contracts.items()) if c.own]
    working = sum(1 for _ in book.all_open())
    return ", ".join([*positions, *([f"{working} orders under way"] if working else [])])
