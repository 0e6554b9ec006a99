"""The engine: a table of rows, and one step through it.

Rule 1: leaf first, then superstate: a row for the leaf wins over a row for its base class (the MRO is the order).
Rule 2: events have bases too; the state's order counts before the event's.
Rule 3: two rows for the same pair are a mistake in the table and are refused when it is built.
Rule 4: a pair without a row is not an error of the caller: `find` answers None and the caller says so.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

import attrs

Then = TypeVar("Then")
Lineage = Iterable[Hashable]  # the thing itself first, then what it is beneath


class DuplicateRow(ValueError):
    """The table answers the same question twice."""


@attrs.frozen
class Row(Generic[Then]):
    """In `state`, on `event`: `then`. Both may be superstates, standing for everything beneath them."""

    state: Hashable
    event: Hashable
    then: Then


@attrs.frozen
class Chart(Generic[Then]):
    rows: tuple[Row[Then], ...]
    _index: Mapping[tuple[Hashable, Hashable], Row[Then]]

    @staticmethod
    def build(*rows: Row[Then]) -> Chart[Then]:
        """Raises DuplicateRow."""
        index: dict[tuple[Hashable, Hashable], Row[Then]] = {}
        for row in rows:
            if (row.state, row.event) in index:
                raise DuplicateRow(f"two rows for {row.state} x {row.event}")
            index[row.state, row.event] = row
        return Chart(rows, index)

    def find(self, states: Lineage, events: Lineage) -> Row[Then] | None:
        """The row that answers, or None. For objects the lineage is `type(x).__mro__`."""
        events = tuple(events)
        for state in states:
            for event in events:
                row = self._index.get((state, event))
                if row is not None:
                    return row
        return None


@attrs.frozen(order=True)
class Arrow:
    """One way through a chart, for a diagram."""

    source: str
    event: str
    target: str
