"""copier.toml: read it whole, or say everything that is wrong with it at once.

Nothing starts on half a configuration, and nobody should have to run `copierd check` once per mistake.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
import tomli_w
from cattrs import BaseValidationError

from daemon import places
from daemon.config.errors import ConfigError, ConfigErrors, Finding, Misfit, dotted
from daemon.config.key_lines import KeyLines
from daemon.config.sense import findings_between
from daemon.config.shape import Document, converter, findings_in
from daemon.config.values import (
    BUILT_IN,
    Account,
    Bracket,
    ContractMap,
    Copy,
    Daemon,
    Environment,
    Follower,
    Login,
    MarketHours,
    Notify,
    Reconnect,
    Runaway,
    TrailingDrawdown,
)

__all__ = [
    "Account",
    "Bracket",
    "Config",
    "ConfigError",
    "ConfigErrors",
    "ContractMap",
    "Copy",
    "Daemon",
    "Environment",
    "Follower",
    "Login",
    "MarketHours",
    "Notify",
    "Reconnect",
    "Runaway",
    "TrailingDrawdown",
    "dumps",
    "load",
    "loads",
]


@attrs.frozen(kw_only=True)
class Config:
    """A configuration that holds together: every name in it leads somewhere. `environments` has the built-in ones."""

    daemon: Daemon
    reconnect: Reconnect
    environments: Mapping[str, Environment]
    logins: Mapping[str, Login]
    accounts: Mapping[str, Account]
    copies: tuple[Copy, ...]
    market_hours: tuple[MarketHours, ...]
    notify: tuple[Notify, ...]

    def environment(self, account: str) -> Environment:
        """The environment that an account lives on."""
        return self.environments[self.logins[self.accounts[account].login].environment]

    def armed(self, account: str) -> bool:
        """May orders be sent to this account? On demo and live only when it says so itself."""
        return self.accounts[account].armed or not self.environment(account).guarded

    def shadow(self, account: str) -> bool:
        """Is everything decided and recorded for this account, and nothing sent?"""
        follower = self.follower(account)
        return not self.armed(account) or (follower is not None and follower.shadow)

    def copy_of(self, account: str) -> Copy | None:
        """The copy in which this account follows; there is at most one."""
        found = self._following.get(account)
        return found[0] if found else None

    def follower(self, account: str) -> Follower | None:
        found = self._following.get(account)
        return found[1] if found else None

    @cached_property
    def _following(self) -> Mapping[str, tuple[Copy, Follower]]:
        """By account. Every request to the broker and every status asks, with hundreds of accounts."""
        return {follower.account: (copy, follower) for copy in self.copies for follower in copy.followers}

    @cached_property
    def trading(self) -> Counter[str]:
        """By login: how many followers may have something open at the broker. Shadows have not."""
        return Counter(self.accounts[name].login for name in self._following if not self.shadow(name))

    def leads(self, account: str) -> tuple[Copy, ...]:
        """The copies that this account leads."""
        return tuple(copy for copy in self.copies if copy.leader == account)


def load(path: Path) -> Config:
    """Raises ConfigErrors, also when the file cannot be read."""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # some editors begin a file with a mark that nobody sees
    except OSError as error:
        nowhere = path == places.SERVICE / "copier.toml" and not Path("copier.toml").exists()  # the default
        remedy = "There is no ./copier.toml either. " if nowhere else ""
        remedy += "Name another one, write one with copierd init, or start from the example copier.toml."
        raise _single(path, 1, "file", f"cannot be read: {error.strerror}", remedy) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _single(path, line, "encoding", "this is not UTF-8", "Save the file as UTF-8.") from error
    return loads(text, path)


def loads(text: str, file: Path | str = "copier.toml") -> Config:
    """Raises ConfigErrors with every error of the text."""
    file = Path(file)
    try:
        tables = tomllib.loads(text, parse_float=_decimal)
    except tomllib.TOMLDecodeError as error:
        raise _syntax(file, text, str(error)) from error
    except RecursionError as error:
        remedy = "No key needs more than three tables within each other."
        raise _single(file, 1, "syntax", "something lies within something too often", remedy) from error
    except ValueError as error:  # what int() says of 5000 digits
        digits = re.search(r"[0-9_]{4301,}", text)
        line = text[: digits.start()].count("\n") + 1 if digits else 1
        raise _single(file, line, "syntax", "a number is too long", "Write fewer digits.") from error
    document, findings = _shaped(tables)
    findings += findings_between(tables)
    if findings or document is None:
        # tomllib reads \r\n as \n; lines are counted in what the operator's editor shows, which is the same
        lines = KeyLines(text)
        errors = (ConfigError(file, lines[f.path], dotted(f.path), f.message, f.remedy) for f in findings)
        raise ConfigErrors(tuple(sorted(errors, key=lambda e: (e.line, e.key))))
    return _named(document)


def dumps(config: Config) -> str:
    """The configuration as TOML, without what is default; loads() gives the same configuration again."""
    own = {name: e for name, e in config.environments.items() if name not in BUILT_IN}
    values = attrs.asdict(attrs.evolve(config, environments=own), recurse=False)
    tables: dict[str, Any] = converter.unstructure(Document(**values))
    return tomli_w.dumps(tables)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        return Decimal("NaN")  # an exponent that no Decimal can hold; refused with its line like any other NaN


def _shaped(tables: dict[str, Any]) -> tuple[Document | None, list[Finding]]:
    try:
        return converter.structure(tables, Document), []
    except (BaseValidationError, Misfit) as error:
        return None, findings_in(error)


def _named(document: Document) -> Config:
    """Every section learns its own name, which in the file is the header of its table."""
    environments = {name: attrs.evolve(e, environment=name) for name, e in document.environments.items()}
    return Config(
        daemon=document.daemon,
        reconnect=document.reconnect,
        environments={**BUILT_IN, **environments},
        logins={name: attrs.evolve(login, login=name) for name, login in document.logins.items()},
        accounts={name: attrs.evolve(account, account=name) for name, account in document.accounts.items()},
        copies=document.copies,
        market_hours=document.market_hours,
        notify=document.notify,
    )


def _syntax(file: Path, text: str, message: str) -> ConfigErrors:
    at = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    line = int(at[1]) if at and at[1] else text.rstrip("\n").count("\n") + 1
    column = f"column {at[2]}" if at and at[2] else "the end"
    words = message[: at.start()] if at else message
    lines = text.splitlines()
    words = _said_twice(words, lines[line - 1] if line <= len(lines) else "") or words
    return _single(file, line, "syntax", f"{words} at {column}", "Mend this first: the rest cannot be read before.")


def _said_twice(words: str, line: str) -> str | None:
    """What tomllib says without the name, or in Python: a table or a key that stands there a second time."""
    table = re.fullmatch(r"Cannot declare \((.*)\) twice", words)
    if table:
        name = ".".join(re.findall("'([^']*)'", table[1]))
        return f"the table [{name}] is there twice, again"
    key = re.match(r"\s*([^=\[\]{}#]+?)\s*=", line)
    return f"the key {key[1]} is there twice, again" if words == "Cannot overwrite a value" and key else None


def _single(file: Path, line: int, key: str, message: str, remedy: str) -> ConfigErrors:
    return ConfigErrors((ConfigError(file, line, key, message, remedy),))
