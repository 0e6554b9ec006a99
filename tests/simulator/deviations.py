"""The reviewed list of known deviations from the published document, and who has used which of them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import attrs


@attrs.frozen
class Deviation:
    """`kind` is "extra" (a field the document does not list) or "type" (a field of another type)."""

    schema: str
    field: str
    kind: str
    why: str


def reviewed() -> tuple[Deviation, ...]:
    document = tomllib.loads(Path(__file__).with_name("deviations.toml").read_text())
    return tuple(Deviation(**entry) for entry in document["deviation"])


@attrs.define
class Reviewed:
    """`used` grows as traffic is held against the document."""

    known: dict[tuple[str, str, str], Deviation] = attrs.field(
        factory=lambda: {(one.schema, one.field, one.kind): one for one in reviewed()}
    )
    used: set[tuple[str, str, str]] = attrs.field(factory=set)

    def allows(self, schema: str, field: str, kind: str) -> bool:
        key = (schema, field, kind)
        if key in self.known:
            self.used.add(key)
        return key in self.known

    @property
    def unused(self) -> list[str]:
        return [f"{schema}.{field} ({kind})" for schema, field, kind in sorted(self.known.keys() - self.used)]
