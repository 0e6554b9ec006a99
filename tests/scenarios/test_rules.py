"""Every rule of copying has a test against the broker look-alike, found by its name.

The tests say which rule they prove: @pytest.mark.rule("outcomes.entry-refused"), also on a single parameter.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TOLD = HERE / "rules.toml"
# Where the whole daemon meets the look-alike; a chart's own test alone proves no rule.
PLACES = (HERE, HERE.parent / "system")


def _rules(table: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in table.items():
        name = f"{above}.{key}" if above else key
        if isinstance(value, dict):
            yield from _rules(value, name)
        else:
            yield name


def _proven() -> Iterator[tuple[str, Path]]:
    for place in PLACES:
        for file in sorted(place.glob("test_*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("mark.rule"):
                    for argument in node.args:
                        assert isinstance(argument, ast.Constant), f"{file}: a rule is named by a literal"
                        yield str(argument.value), file


RULES = frozenset(_rules(tomllib.loads(TOLD.read_text(encoding="utf-8"))))


def test_every_rule_has_a_test() -> None:
    missing = sorted(RULES - {name for name, _ in _proven()})
    assert not missing, f"no scenario proves {', '.join(missing)}"


def test_no_test_names_a_rule_that_there_is_not() -> None:
    assert sorted({(name, file.name) for name, file in _proven() if name not in RULES}) == []
