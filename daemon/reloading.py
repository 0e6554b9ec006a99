"""What a reload may not change under a follower: its positions would be left without an owner.

Rule 1: what decides a follower's size may be edited at any time: it is pending per contract until the leader is flat
        there (statecharts/agreements.py). Whom it follows, at which account, in what mode, and whether it only shadows
        stays as it is while it owns anything; the reload is refused whole, with every reason at once.
Rule 2: who follows whom is changed by a restart, with everybody flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import attrs

from daemon.config import Config, ConfigError
from daemon.config.errors import KeyPath, dotted
from daemon.config.key_lines import KeyLines
from daemon.rules import rules_of
from statecharts.account import Account
from statecharts.book import Book
from statecharts.rules import CopyRules

DECIDING = ("mode", "shadow")


def objections(accounts: Iterable[Account], before: Config, config: Config, file: Path) -> tuple[ConfigError, ...]:
    """Why this configuration is not taken up now; empty when it may be. `before` is the one that runs."""
    lines = Lines.of(file, config)
    return tuple(error for account in accounts for error in _objections(account, before, config, lines))


def _objections(account: Account, runs: Config, config: Config, lines: Lines) -> Iterator[ConfigError]:
    before = account.rules.copy
    after = rules_of(config, account.name).copy if account.name in config.accounts else None
    if before is None:
        if after is not None:
            yield lines.error(account.name, "begins to follow", "Restart copierd for that; nothing was changed.")
        return
    owns = owned(account.book)
    if after is None or after.leader != before.leader:
        what = "follows nobody any more" if after is None else f"has another leader, {after.leader}"
        if owns:
            yield lines.error(
                account.name,
                f"{what}, and owns {owns}",
                f"First: copierctl flatten {account.name}. Then restart copierd.",
            )
        else:
            yield lines.error(account.name, what, "Restart copierd for that; nothing was changed.")
        return
    moved = [one for one in (account.name, before.leader) if _home(runs, one) != _home(config, one)]
    keys = _changed(before, after)
    changed = ", ".join([*keys, *(f"the account of {one}" for one in moved)])
    if changed and owns:
        remedy = "Change it when the follower is flat and has no working order; nothing was changed."
        key = keys[0] if keys else None
        yield lines.error(
            account.name, f"{changed} changed while it owns {owns}", remedy, key, moved[0] if moved else None
        )


@attrs.frozen
class Lines:
    """Where in the file a follower stands. A file that cannot be read any more has but one line."""

    file: Path
    config: Config
    _lines: KeyLines

    @classmethod
    def of(cls, file: Path, config: Config) -> Lines:
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError):
            text = ""
        return cls(file, config, KeyLines(text))

    def error(
        self, account: str, what: str, remedy: str, key: str | None = None, moved: str | None = None
    ) -> ConfigError:
        """`key` of the follower or of its copy, or the account that has `moved`, is what is wrong."""
        path = ("accounts", moved, "name") if moved and not key else self._follower(account)
        if key is not None:
            path = (*path, key) if (*path, key) in self._lines else (*path[:2], key)
        return ConfigError(
            self.file, self._lines[path], dotted(path) or f"follower {account}", f"{account} {what}", remedy
        )

    def _follower(self, account: str) -> KeyPath:
        for at, copy in enumerate(self.config.copies):
            for place, follower in enumerate(copy.followers):
                if follower.account == account:
                    return ("copy", at, "followers", place)
        return ("accounts", account)


class Facts(Protocol):
    def fact(self, key: str) -> str | None: ...
    def keep_fact(self, key: str, value: str) -> None: ...


def objections_at_start(
    accounts: Iterable[Account], config: Config, facts: Facts, file: Path
) -> tuple[ConfigError, ...]:
    """The same for a file that was edited while no daemon ran. Each follower's present rules are kept for the next."""
    refused: list[ConfigError] = []
    lines = Lines.of(file, config)
    for account in accounts:
        rules = account.rules.copy
        kept, now = facts.fact(f"rules {account.name}"), _spelled(config, account.name, rules)
        owns = owned(account.book)
        if kept is not None and kept != now and owns:
            what = f"owns {owns} by other rules than the file has now. Then: {kept or 'none'}. Now: {now or 'none'}"
            remedy = (
                "Put the file back until the follower is flat; copierd flatten --offline closes it under the old file."
            )
            refused.append(lines.error(account.name, what, remedy))
        elif kept != now:
            keep(facts, config, account.name, rules)
    return tuple(refused)


def keep(facts: Facts, config: Config, name: str, rules: CopyRules | None) -> None:
    """What a follower's book is made by from now on."""
    facts.keep_fact(f"rules {name}", _spelled(config, name, rules))


def _spelled(config: Config, name: str, rules: CopyRules | None) -> str:
    if rules is None:
        return ""
    leader = f"leader {rules.leader} ({_home(config, rules.leader)})"
    return f"account {_home(config, name)}, {leader}, mode {rules.mode}, shadow {rules.shadow}"


def _changed(before: CopyRules, after: CopyRules) -> list[str]:
    return [name for name in DECIDING if getattr(before, name) != getattr(after, name)]


def _home(config: Config, name: str) -> str:
    """Which account of the broker this is."""
    account = config.accounts[name]
    return f"{account.name} of login {account.login} on {config.environment(name).environment}"


def owned(book: Book) -> str:
    """In words; nothing when the follower is flat, with no order of ours anywhere."""
    positions = [f"{c.own:+d} {symbol}" for symbol, c in sorted(book.contracts.items()) if c.own]
    working = sum(1 for _ in book.all_open())
    return ", ".join([*positions, *([f"{working} orders under way"] if working else [])])
