"""`attrs.evolve` for the few values that every turn changes several times, and that have dozens of fields.

`attrs.evolve` hands all fields to `__init__`, one by one. What is made here shares nothing with it but its result: a
class without slots is copied as a whole. (Measured on a book: 1 us in the place of 5.5.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the type checker knows what attrs.evolve takes, of every class
    from attrs import evolve
else:

    def evolve(value: Any, **changes: Any) -> Any:
        """The value with these fields changed. Its class has no slots, no validators; its converters are passed by."""
        fields = value.__dict__
        if not changes.keys() <= fields.keys():
            raise TypeError(f"{type(value).__name__} has no field {', '.join(changes.keys() - fields.keys())}")
        after = object.__new__(type(value))
        after.__dict__.update(fields)
        after.__dict__.update(changes)
        return after


__all__ = ["evolve"]
