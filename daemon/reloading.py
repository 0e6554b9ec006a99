"""What an edit of the file may not change under a follower: its positions would be left without an owner.

Rule 1: what decides a follower's size may be edited at any time: it is pending per contract until the leader is flat
        there (statecharts/agreements.py). Whom it follows, at which account, in what mode, and whether it only shadows
        stays as it is while it owns anything; the reload, or the start, is refused whole, with every reason at once.
Rule 2: a follower that owns nothing may be changed in every way, and then begins anew (statecharts/following.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

import attrs

from daemon.config import Config, ConfigError
from daemon.config.errors import KeyPath, dotted
from daemon.config.key_lines import KeyLines
from daemon.rules import rules_of
from statecharts.account import Account
from statecharts.book import Book
from statecharts.events import FollowsAnew
from statecharts.rules import CopyRules

DECIDING = ("mode", "shadow")
_LEADER = ", leader "


def objections(accounts: Iterable[Account], before: Config, config: Config, file: Path) -> tuple[ConfigError, ...]:
    """Why this configuration is not taken up now; empty when it may be. `before` is the one that runs."""
    lines = Lines.of(file, config)
    return tuple(error for account in accounts for error in _objections(account, before, config, lines))


def _objections(account: Account, runs: Config, config: Config, lines: Lines) -> Iterator[ConfigError]:
    before = account.rules.copy
    owns = owned(account.book)
    if before is None or not owns:
        return
    after = rules_of(config, account.name).copy if account.name in config.accounts else None
    if after is None or after.leader != before.leader:
        what = "follows nobody any more" if after is None else f"has another leader, {after.leader}"
        remedy = f"First: copierctl flatten {account.name}."
        yield lines.error(account.name, f"{what}, and owns {owns}", remedy)
        return
    moved = [one for one in (account.name, before.leader) if home(runs, one) != home(config, one)]
    keys = _changed(before, after)
    changed = ", ".join([*keys, *(f"the account of {one}" for one in moved)])
    if changed:
        remedy = "Change it when the follower is flat and has no working order."
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
            text = file.read_text(encoding="utf-8-sig")
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
    """The same for a file that was edited while no daemon ran."""
    refused: list[ConfigError] = []
    lines = Lines.of(file, config)
    for account in accounts:
        kept, now = facts.fact(_key(account.name)), _spelled(config, account.name, account.rules.copy)
        owns = owned(account.book)
        if kept is not None and kept != now and owns:
            what = f"owns {owns} by other rules than the file has now. Then: {kept or 'none'}. Now: {now or 'none'}"
            remedy = (
                "Put the file back until the follower is flat; copierd flatten --offline closes it under the old file."
            )
            refused.append(lines.error(account.name, what, remedy))
    return tuple(refused)


def begins_anew(name: str, rules: CopyRules | None, config: Config, facts: Facts, at: datetime) -> FollowsAnew | None:
    """Does it follow otherwise than when it was last asked so? How it follows now is kept for the next time."""
    kept, now = facts.fact(_key(name)), _spelled(config, name, rules)
    if kept == now:
        return None
    facts.keep_fact(_key(name), now)
    if kept is None:
        return None
    elsewhere = bool(kept and now) and _account_in(kept) != _account_in(now)
    return FollowsAnew(at=at, elsewhere=elsewhere)


def _key(name: str) -> str:
    return f"rules {name}"


def _account_in(spelled: str) -> str:
    return spelled.partition(_LEADER)[0]


def _spelled(config: Config, name: str, rules: CopyRules | None) -> str:
    if rules is None:
        return ""
    leader = f"{rules.leader} ({home(config, rules.leader)})"
    return f"account {home(config, name)}{_LEADER}{leader}, mode {rules.mode}, shadow {rules.shadow}"


def _changed(before: CopyRules, after: CopyRules) -> list[str]:
    return [name for name in DECIDING if getattr(before, name) != getattr(after, name)]


def home(config: Config, name: str) -> str:
    """Which account of the broker this is."""
    account = config.accounts[name]
    return f"{account.name} of login {account.login} on {config.environment(name).environment}"


def owned(book: Book) -> str:
    """In words; nothing when the follower is flat, with no order of ours anywhere."""
    positions = [f"{c.own:+d} {symbol}" for symbol, c in sorted(book.contracts.items()) if c.own]
    working = sum(1 for _ in book.all_open())
    return ", ".join([*positions, *([f"{working} orders under way"] if working else [])])
