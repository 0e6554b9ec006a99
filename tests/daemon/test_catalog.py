"""The catalog of the journal has every kind that is said, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from daemon import catalog
from daemon.bulletins import STATE
from daemon.journal import message_id
from daemon.kinds import ALL

ROOT = Path(__file__).parents[2]
CATALOG = ROOT / "packaging" / "systemd" / "copierd.catalog"
# What says something to the operator; in the demo and the doctor `say` is a screen.
SPEAKERS = {"say", "tell", "_tell", "Tell", "_tell_operator"}
ELSEWHERE = ("daemon/demo/", "daemon/doctor/", "daemon/simulator/", "daemon/catalog.py")
LISTS = ("daemon/kinds.py", "daemon/notifications/sieve.py")  # of what may be said

FILES = {"sqlite", "txt", "sock", "toml", "json", "md", "py", "com", "log"}
FAMILIES = {name.partition(".")[0] for name in catalog.EXPLAINED if "." in name}


def sources() -> Iterator[ast.AST]:
    for path in sorted([*(ROOT / "daemon").rglob("*.py"), *(ROOT / "statecharts").rglob("*.py")]):
        if not str(path.relative_to(ROOT)).startswith((*ELSEWHERE, *LISTS)):
            yield ast.parse(path.read_text(encoding="utf-8"))


def first_words(call: ast.Call) -> Iterator[str]:
    """Constants in the first argument, or in `event=`: either branch of a condition is one."""
    named = [one.value for one in call.keywords if one.arg in ("event", "kind")]
    for argument in [*call.args[:1], *named]:
        branches = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
        yield from (one.value for one in branches if isinstance(one, ast.Constant) and isinstance(one.value, str))


def said() -> set[str]:
    """By whoever calls a speaker, and every text of the same families, for some are handed over."""
    found = {STATE}
    for tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in SPEAKERS:
                    found |= {words for words in first_words(node) if re.fullmatch(r"[a-z]+(\.[a-z_]+)?", words)}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                family, dot, rest = node.value.partition(".")
                if dot and family in FAMILIES and re.fullmatch(r"[a-z_]+", rest) and rest not in FILES:
                    found.add(node.value)
    return found


def test_every_kind_that_is_said_is_explained_and_no_other() -> None:
    assert said() == set(catalog.EXPLAINED)
    assert set(ALL) == set(catalog.EXPLAINED) - {"unexpected"}, "the list of the README; this is for programmers"


def test_the_shipped_catalog_is_what_the_code_says() -> None:
    assert CATALOG.read_text(encoding="utf-8") == catalog.catalog(), (
        "make it anew: python -m daemon.catalog > packaging/systemd/copierd.catalog"
    )


def test_no_two_kinds_share_an_id_and_each_is_a_sentence() -> None:
    assert len({message_id(name) for name in catalog.EXPLAINED}) == len(catalog.EXPLAINED)
    for name, kind in catalog.EXPLAINED.items():
        assert not kind.subject.endswith("."), name
        assert kind.means.endswith(".") and kind.do.endswith("."), name
        assert "@" not in kind.means + kind.do, "journalctl would put a field there"
