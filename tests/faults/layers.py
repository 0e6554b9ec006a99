"""How the daemon is given a deliberate bug, and its layers of defence, each with a patch that takes it away.

Rule: a patch whose target has moved raises.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import attrs
import trio

from daemon.logins.budget import Budget
from daemon.logins.reading import Reading
from statecharts import catch_up, connection, invariants
from statecharts.chart import Chart


@attrs.define
class Ran:
    """How often a bug has been executed where it makes a difference."""

    times: int = 0

    def __call__(self) -> None:
        self.times += 1


Patch = Callable[[Ran], AbstractContextManager[None]]
Make = Callable[[Any], Any]  # of what is there, what is to be there


@contextmanager
def replaced(owner: Any, name: str, make: Make) -> Iterator[None]:
    """`owner.name` is what `make` makes of it. Raises KeyError when it has moved away."""
    original = vars(owner)[name]
    setattr(owner, name, make(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


def row_replaced(state: Hashable, event: Hashable, make: Make) -> AbstractContextManager[None]:
    """One row of the table of connections. Raises AssertionError when it has none of that pair."""

    def chart(original: Chart[Any]) -> Chart[Any]:
        old = original.find((state,), (event,))
        assert old is not None, f"no row for {state} x {event}"
        new = attrs.evolve(old, then=make(old.then))
        return Chart.build(*(new if row is old else row for row in original.rows))

    return replaced(connection, "CHART", chart)


def monitor_off(ran: Ran) -> AbstractContextManager[None]:
    """Nobody looks at a turn before anything of it leaves, nor does the world at what the daemon would have seen."""

    def broken(seen: invariants.Seen) -> Iterator[invariants.Broken]:
        ran()
        return iter(())

    return replaced(invariants, "broken", lambda original: broken)


def budget_off(ran: Ran) -> AbstractContextManager[None]:
    """Dials cost nothing."""

    def dial(budget: Budget) -> None:
        ran()
        budget.not_held()

    return replaced(Budget, "dial", lambda original: dial)


def read_back_off(ran: Ran) -> AbstractContextManager[None]:
    """Nobody asks the broker whether its events have told everything."""

    async def read_back(reading: Reading) -> None:
        ran()
        await trio.sleep_forever()

    return replaced(Reading, "read_back", lambda original: read_back)


def catch_up_off(ran: Ran) -> AbstractContextManager[None]:
    """What the leader did while copying was interrupted is not looked at."""

    def missed(draft: Any, orders: Any, rules: Any) -> set[Any]:
        ran()
        return set()

    return replaced(catch_up, "_missed", lambda original: missed)
