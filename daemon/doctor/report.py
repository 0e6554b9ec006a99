"""What came of an examination: a line for each check, for people and for programs.

Rule: every word passes the masks before it takes any form.
"""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from daemon import __version__
from daemon.doctor.verdicts import Finding, Section, Unknown, Verdict, Well, Wrong

_NAMES = {Well: "well", Wrong: "wrong", Unknown: "unknown"}
_PLAIN = {Well: "ok     ", Wrong: "WRONG  ", Unknown: "unknown"}
_COLOURED = {Well: "\x1b[32m✓\x1b[0m", Wrong: "\x1b[1;31m✗\x1b[0m", Unknown: "\x1b[33m?\x1b[0m"}
_WIDTH = 110
_SHORT = 70  # characters of what was found well: the line is for the eye


@attrs.frozen
class Report:
    path: Path
    sections: tuple[Section, ...]
    offline: bool
    caution: tuple[str, ...] = ()  # what the firm may forbid

    @property
    def counted(self) -> Counter[str]:
        return Counter(_NAMES[type(one.verdict)] for section in self.sections for one in section.findings)

    @property
    def well(self) -> bool:
        return not self.counted["wrong"]

    def text(self, *, terminal: bool, clean: Callable[[str], str]) -> str:
        return clean("\n".join(self._lines(terminal))) + "\n"

    def json(self, clean: Callable[[str], str]) -> str:
        values = {
            "version": __version__,
            "config": str(self.path),
            "offline": self.offline,
            "caution": list(self.caution),
            "well": self.well,
            "counts": {name: self.counted[name] for name in _NAMES.values()},
            "sections": [
                {"section": one.title, "checks": [_value(finding) for finding in one.findings]} for one in self.sections
            ],
        }
        return clean(json.dumps(values, indent=2, ensure_ascii=False)) + "\n"

    def _lines(self, terminal: bool) -> Iterator[str]:
        marks = _COLOURED if terminal else _PLAIN
        for section in self.sections:
            yield section.title
            for finding in section.findings:
                yield from _shown(finding, marks)
            yield ""
        if self.caution:
            yield from (*self.caution, "")
        yield self.last_line

    @property
    def last_line(self) -> str:
        count = self.counted
        asked = " The broker was not asked (--offline)." if self.offline else ""
        if self.well:
            unknown = f", {count['unknown']} cannot be told" if count["unknown"] else ""
            return f"doctor: nothing is wrong ({count['well']} checks are well{unknown}).{asked}"
        words = f"{count['wrong']} wrong, {count['unknown']} cannot be told, {count['well']} well"
        return f"doctor: {words}.{asked}"


def _shown(finding: Finding, marks: dict[type[Verdict], str]) -> Iterator[str]:
    verdict = finding.verdict
    head = f"  {marks[type(verdict)]} {finding.id:<16}"
    match verdict:
        case Well(note=note):
            yield f"{head} {textwrap.shorten(note, _SHORT, placeholder=' ...')}".rstrip()
        case Unknown(why=why):
            yield from _wrapped(f"{head} ", why)
        case Wrong(what=what, where=where, remedy=remedy):
            yield from _wrapped(f"{head} ", what)
            yield from _wrapped(" " * 10 + "where:  ", where)
            yield from _wrapped(" " * 10 + "remedy: ", remedy)


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=" " * 18,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _value(finding: Finding) -> dict[str, str | None]:
    verdict = finding.verdict
    return {
        "id": finding.id,
        "looks_for": finding.looks_for,
        "verdict": _NAMES[type(verdict)],
        "what": verdict.what if isinstance(verdict, Wrong) else None,
        "where": verdict.where if isinstance(verdict, Wrong) else None,
        "remedy": verdict.remedy if isinstance(verdict, Wrong) else None,
        "note": verdict.note or None if isinstance(verdict, Well) else None,
        "why": verdict.why if isinstance(verdict, Unknown) else None,
    }
