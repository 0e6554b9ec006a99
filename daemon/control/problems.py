"""What is answered when something is refused: application/problem+json (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse

from daemon.ledger.schema import LedgerError

Json = dict[str, object]


@attrs.frozen(kw_only=True)
class Problem(Exception):
    """`kind` becomes the type; `about:blank` where the status says it all. `remedy` is what the operator can do."""

    status: int
    detail: str
    kind: str = "about:blank"
    remedy: str | None = None

    @property
    def title(self) -> str:
        if self.kind != "about:blank":
            return self.kind.replace("-", " ").capitalize()
        return HTTPStatus(self.status).phrase

    def as_json(self) -> Json:
        found: Json = {"type": self.kind, "title": self.title, "status": self.status, "detail": self.detail}
        if self.remedy is not None:
            found["remedy"] = self.remedy
        return found


def problem_response(
    problem: Problem, headers: dict[str, str] | None = None, more: Mapping[str, object] | None = None
) -> JSONResponse:
    """`more` are members beyond the RFC's."""
    content = {**problem.as_json(), **(more or {})}
    return JSONResponse(content, problem.status, headers, media_type="application/problem+json")


async def refused(request: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, Problem)
    return problem_response(problem)


def ledger_unusable(error: LedgerError) -> Problem:
    return Problem(status=503, kind="ledger-unusable", detail=error.what, remedy=error.remedy)
