"""The list of events: it holds what the code tells and nothing else, and the README's copy of it is never stale."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from daemon import kinds
from daemon.journal import message_id

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- events: python -m daemon.kinds -->", "<!-- /events -->"
SOURCES = [path for top in ("daemon", "statecharts") for path in (ROOT / top).rglob("*.py") if path.name != "kinds.py"]


def literals(node: ast.AST) -> Iterator[str]:
    """The texts that an expression may come to."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)


def told() -> Iterator[str]:
    """What is told under a name that stands beside the call."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).endswith(("tell", "say")):
                yield from (text for text in literals(node.args[0]) if re.fullmatch(r"[a-z]+\.[a-z]+", text))


def test_what_is_told_is_in_the_list() -> None:
    assert set(told()) <= set(kinds.ALL)


def test_what_is_in_the_list_is_told() -> None:
    everything = "\n".join(path.read_text() for path in SOURCES)
    assert [kind for kind in kinds.NOTED if f'"{kind}"' not in everything] == []
    assert [kind for kind in kinds.TOLD if f'"{kind}"' not in everything] == []


def test_the_readme_has_the_list_with_the_ids() -> None:
    shown = (ROOT / "README.md").read_text().partition(BEGIN)[2].partition(END)[0].strip()
    command = [sys.executable, "-m", "daemon.kinds"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown == printed.strip(), "stale: put the output of `python -m daemon.kinds` between the markers"
    assert f"| `connection.broken` | `{message_id('connection.broken')}` |" in shown
