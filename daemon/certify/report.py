"""What came of a run, for people (Markdown) and for programs (JSON).

Rule: what was measured comes in through the masks, before any form could hide a token, password or ticket from them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import attrs

from daemon import __version__
from daemon.certify.criteria import Failed, Finding, NotTested, Passed
from daemon.tradovate.scalars import iso

_STAGES = {1: "Stage 1: authentication", 2: "Stage 2: WebSocket management"}
_NAMES = {Passed: "passed", Failed: "failed", NotTested: "not tested"}


@attrs.frozen
class Report:
    """`findings` in the order of their ids; `cost` is what the run has taken from the broker's quota, in words."""

    login: str
    environment: str
    rest: str
    websocket: str
    began: datetime
    ended: datetime
    findings: Sequence[Finding]
    cost: dict[str, int]

    @property
    def passed(self) -> bool:
        return not any(isinstance(finding.verdict, Failed) for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The last line."""
        count = Counter(_NAMES[type(finding.verdict)] for finding in self.findings)
        words = ", ".join(f"{count[name]} {name}" for name in _NAMES.values())
        return f"Verdict: {'PASSED' if self.passed else 'FAILED'} ({words})"

    def markdown(self) -> str:
        return "\n".join(self._lines()) + "\n"

    def json(self) -> str:
        return json.dumps(self._values(), indent=2, ensure_ascii=False) + "\n"

    def _lines(self) -> Iterator[str]:
        yield "# Tradovate API conformance, stages 1 and 2"
        yield ""
        yield f"- copierd {__version__}, login {self.login} on {self.environment}"
        yield f"- {self.rest}, {self.websocket}"
        yield f"- from {iso(self.began)} to {iso(self.ended)}"
        yield f"- cost: {', '.join(f'{name} {count}' for name, count in self.cost.items())}"
        for stage, title in _STAGES.items():
            yield ""
            yield f"## {title}"
            yield ""
            yield "| | Criterion | Limit | Figure | Verdict |"
            yield "|---|---|---:|---|---|"
            for finding in self.findings:
                if finding.criterion.stage == stage:
                    yield _row(finding)
        yield ""
        yield self.verdict

    def _values(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "login": self.login,
            "environment": self.environment,
            "rest": self.rest,
            "websocket": self.websocket,
            "began_at": iso(self.began),
            "ended_at": iso(self.ended),
            "cost": {name.replace(" ", "_"): count for name, count in self.cost.items()},
            "verdict": "passed" if self.passed else "failed",
            "criteria": [_value(finding) for finding in self.findings],
        }


def _row(finding: Finding) -> str:
    criterion, verdict = finding.criterion, finding.verdict
    limit = "" if criterion.limit_ms is None else f"{criterion.limit_ms:.0f} ms"
    figure = "" if isinstance(verdict, NotTested) else verdict.figure
    if not isinstance(verdict, NotTested) and verdict.ms is not None:
        figure += f": {verdict.ms:.0f} ms"
    name = "**FAILED**" if isinstance(verdict, Failed) else _NAMES[type(verdict)]
    said = name if isinstance(verdict, Passed) else f"{name}: {verdict.why}"
    cells = (criterion.id, criterion.words, limit, figure, said)
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    """The broker's words are not to end a cell or a line."""
    return " ".join(text.replace("|", "\\|").split())


def _value(finding: Finding) -> dict[str, Any]:
    criterion, verdict = finding.criterion, finding.verdict
    figure = None if isinstance(verdict, NotTested) else verdict.figure
    ms = None if isinstance(verdict, NotTested) else verdict.ms
    return {
        "id": criterion.id,
        "stage": criterion.stage,
        "criterion": criterion.words,
        "verdict": _NAMES[type(verdict)],
        "figure": figure,
        "ms": None if ms is None else round(ms, 3),
        "limit_ms": criterion.limit_ms,
        "why": None if isinstance(verdict, Passed) else verdict.why,
    }
