"""What a check is, and what it can come to.

Rule 1: a check looks at facts that have been gathered; it asks nobody and changes nothing.
Rule 2: what cannot be told is Unknown with its reason, never well and never wrong on a guess.
Rule 3: what is wrong comes with where it is and what to do about it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

import attrs

F = TypeVar("F")


@attrs.frozen
class Well:
    """`note` is what was found, where that is worth a word."""

    note: str = ""


@attrs.frozen
class Wrong:
    """`remedy` is the check's own where none is given."""

    what: str
    where: str
    remedy: str = ""


@attrs.frozen
class Unknown:
    why: str


Verdict = Well | Wrong | Unknown
UNREADABLE: Final = Unknown("the login's table cannot be read; the errors are told above")


@attrs.frozen
class Check(Generic[F]):
    """One known cause of trouble. `online`: nothing can be said of it without asking the broker."""

    id: str
    looks_for: str
    remedy: str
    judge: Callable[[F], Verdict]
    online: bool = False

    def verdict(self, facts: F) -> Verdict:
        found = self.judge(facts)
        if isinstance(found, Wrong) and not found.remedy:
            return attrs.evolve(found, remedy=self.remedy)
        return found


@attrs.frozen
class Finding:
    """A check with what it came to, without the facts."""

    id: str
    looks_for: str
    verdict: Verdict


@attrs.frozen
class Section:
    """`title` is this machine, an environment or a login."""

    title: str
    findings: tuple[Finding, ...]


def examined(title: str, checks: tuple[Check[F], ...], facts: F, *, online: bool, login: str = "LOGIN") -> Section:
    """`online` False: what only the broker could tell is left out. `login` is the name to be put into remedies."""
    asked = [check for check in checks if online or not check.online]
    return Section(
        title, tuple(Finding(check.id, check.looks_for, _named(check.verdict(facts), login)) for check in asked)
    )


def _named(verdict: Verdict, login: str) -> Verdict:
    if isinstance(verdict, Wrong):
        return attrs.evolve(verdict, remedy=verdict.remedy.replace("LOGIN", login))
    return verdict
