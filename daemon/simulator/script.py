"""The acts of a file of faults, each bound to what it does before anybody is served.

Rule: what can be known before is refused before: an act that there is not, an argument too many, one of another type.
      Who has which account, and which orders there are, is known at that moment alone.
"""

import inspect
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from daemon.simulator.faults import Act, FaultsInvalid

_NUMBERS = (int, float)


def _is_deed(of: object, name: str) -> bool:
    deed = None if name.startswith("_") else getattr(of, name, None)
    return inspect.ismethod(deed) and not inspect.iscoroutinefunction(deed)


def bound(act: Act, *offering: object) -> Callable[[], object]:
    """The deed with its arguments, of the first that offers it. Raises FaultsInvalid."""
    deed = next((getattr(one, act.act) for one in offering if _is_deed(one, act.act)), None)
    if deed is None:
        there = sorted({name for one in offering for name in dir(one) if _is_deed(one, name)})
        raise FaultsInvalid(f"acts: {act.act}: no such act; known are {', '.join(there)}", act.line)
    try:
        inspect.signature(deed).bind(**act.arguments)
    except TypeError as error:
        raise FaultsInvalid(f"acts: {act.act}: with: {error}", act.line) from error
    arguments = dict(_typed(act, get_type_hints(deed)))

    def perform() -> object:
        return deed(**arguments)

    return perform


def _typed(act: Act, hints: Mapping[str, Any]) -> list[tuple[str, object]]:
    found = []
    for name, value in act.arguments.items():
        kinds = get_args(hints[name]) if get_origin(hints[name]) is UnionType else (hints[name],)
        if Decimal in kinds and type(value) in _NUMBERS:
            value = Decimal(str(value))  # TOML has no word for an exact price
        if float in kinds and type(value) is int:
            value = float(value)
        if type(value) not in kinds:
            wanted = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds if kind is not type(None))
            words = f"acts: {act.act}: with: {name}: {wanted} is needed, not {type(value).__name__}"
            raise FaultsInvalid(words, act.line)
        found.append((name, value))
    return found
