"""What all acts of the nemesis share.

An act is a method `_name`; it answers how long it lasts, and `_un_name`, where there is one, ends it.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from tests.faults.storm import Storm


@attrs.define(eq=False, slots=False)
class Acts:
    storm: Storm
    dice: random.Random
    done: Counter[str] = attrs.field(factory=Counter)

    def _login(self) -> str:
        return self.dice.choice(sorted(self.storm.config.logins))

    def _fault(self, **faults: Any) -> None:
        self.storm.server.faults = attrs.evolve(self.storm.server.faults, **faults)
