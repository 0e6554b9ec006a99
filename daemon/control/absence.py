"""What whoever watches or follows says while no daemon answers.

Rule 1: it is said when it begins, and when the reason is another one: not each time that nobody answers.
"""

from __future__ import annotations

import sys

import attrs

from daemon.control import tables
from daemon.control.client import NoDaemon


@attrs.define
class Absence:
    told: str | None = None

    def tell(self, nobody: NoDaemon) -> None:
        words = tables.plain(nobody)
        if words != self.told:
            print(f"copierctl: {words}", file=sys.stderr)
        self.told = words

    def over(self) -> None:
        """A daemon has answered."""
        self.told = None
